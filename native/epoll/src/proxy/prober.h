// Prober: opens a connection to learn whether it opens, and what an endpoint answers on it. For
// active health checks.
//
// A probe with a request sends it once and waits for the status of the answer.
// A probe may ask for the socket that opened, to go on with it: then it belongs to whoever takes
// the results. Its entry in the epoll set goes with its last descriptor; until then what happens on
// it is an event for a probe that is over, which turn() passes by.
// Runs on the main thread's loop like the acceptor: turn() whenever pollFd() is readable; results
// are collected and taken by the caller, so that nothing calls back from inside a turn. Invariant:
// every probe that started yields exactly one result, at its timeout at the latest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base.h"
#include "runtime/sys.h"

namespace holdfast::proxy {

inline constexpr u32 kProbesMax = 1024;  // under way at once; one more is refused with EAGAIN

struct ProbeResult {
  u32 id = 0;
  i32 sysErrno = 0;  // 0: it opened, and answered where it was asked; EPROTO: not with HTTP
  u32 status = 0;    // of the answer
  i32 fd = -1;       // the socket, where it opened and was asked for; the taker's
  u64 micros = 0;    // until it opened, or to the head of its answer
};

// What becomes of a socket that opened.
enum class ProbedSocket : u8 { kClosed, kKept };
struct ProbeSpec {
  const sockaddr* address = nullptr;
  socklen_t length = 0;
  i32 netnsFd = -1;
  u32 timeoutMs = 0;
  ProbedSocket socket = ProbedSocket::kClosed;
  std::string_view request{};  // bytes of a request; empty: none
};

class Prober {
 public:
  Prober() = default;
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;
  ~Prober() { stop(); }

  Status start();
  [[nodiscard]] int pollFd() const { return epollFd_; }
  void turn(int timeoutMs = 0);
  void stop();

  // `id` is the caller's and comes back with the result.
  void probe(u32 id, const ProbeSpec& spec);
  [[nodiscard]] std::vector<ProbeResult> takeResults();

 private:
  struct Probe {
    i32 fd = -1;
    u32 id = 0;
    u64 startNs = 0;
    u64 deadlineNs = 0;
    u32 generation = 0;
    ProbedSocket socket = ProbedSocket::kClosed;
    bool isOpen = false;
    size_t sent = 0;
    std::string request;
    std::vector<u8> answer;
  };

  void advance(u32 index);
  // 0 and a status, 0 and none: not yet, or an errno.
  [[nodiscard]] static int exchange(Probe& probe, u32* status);
  [[nodiscard]] static int receive(Probe& probe, bool* hasEnded);
  void finish(u32 index, int error, u32 status = 0);
  void armTimer();

  int epollFd_ = -1;
  int timerFd_ = -1;
  u64 nowNs_ = 0;
  std::vector<Probe> probes_;
  std::vector<ProbeResult> results_;
};

}  // namespace holdfast::proxy
