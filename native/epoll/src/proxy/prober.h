// Prober: opens a connection only to learn whether it opens. For active health checks.
//
// Runs on the main thread's loop like the acceptor: turn() whenever pollFd() is readable; results
// are collected and taken by the caller, so that nothing calls back from inside a turn. Invariant:
// every probe that started yields exactly one result, at its timeout at the latest.
#pragma once

#include <vector>

#include "runtime/base.h"
#include "runtime/sys.h"

namespace holdfast::proxy {

inline constexpr u32 kProbesMax = 1024;  // under way at once; one more is refused with EAGAIN

struct ProbeResult {
  u32 id = 0;
  i32 sysErrno = 0;  // 0: it opened
  u64 micros = 0;
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
  void probe(u32 id, const sockaddr* address, socklen_t length, int netnsFd, u32 timeoutMs);
  [[nodiscard]] std::vector<ProbeResult> takeResults();

 private:
  struct Probe {
    i32 fd = -1;
    u32 id = 0;
    u64 startNs = 0;
    u64 deadlineNs = 0;
    u32 generation = 0;
  };

  void finish(u32 index, int error);
  void armTimer();

  int epollFd_ = -1;
  int timerFd_ = -1;
  u64 nowNs_ = 0;
  std::vector<Probe> probes_;
  std::vector<ProbeResult> results_;
};

}  // namespace holdfast::proxy
