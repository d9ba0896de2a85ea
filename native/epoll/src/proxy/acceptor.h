// Acceptor: takes connections from listening sockets and hands each descriptor to a shard.
//
// Runs on the main thread, which sleeps in its epoll as a worker sleeps in its shard's. Accepts in
// bounded batches, gives the socket to the ready shard with the fewest live connections (or in
// rotation) through its mailbox, and wakes each shard once per batch. Never reads or writes a byte
// of a client. Invariant: an accepted descriptor is in exactly one place: refused and closed, in a
// mailbox, or parked here while all mailboxes are full. A listener is never lost: what cannot be
// accepted now waits in the kernel's backlog, and accepting goes on after a pause without spinning.
#pragma once

#include <vector>

#include "proxy/snapshot.h"
#include "runtime/board.h"
#include "runtime/sys.h"

namespace holdfast::proxy {

// Sockets accepted from one listening socket per turn.
inline constexpr u32 kAcceptBatchMax = 64;
// Sockets accepted from a listening socket that is closed: its queue, and who comes meanwhile.
inline constexpr u32 kAcceptClosingMax = 65536;
// How often closing waits, a batch interval each, for room in a mailbox.
inline constexpr u32 kClosingWaitsMax = 50;
// Batches of arrivals are at least this far apart. In a storm each batch is larger and the shards
// are interrupted less often; a connection that comes alone is accepted at once.
inline constexpr u64 kBatchIntervalNs = 1'000'000;
// A storm: so many accepted connections within the window.
inline constexpr u64 kStormWindowNs = 4'000'000;
inline constexpr u32 kStormAccepts = 8;
// Pause after EMFILE, ENFILE, ENOBUFS or ENOMEM; doubles up to the maximum while it lasts.
inline constexpr u32 kBackoffMs = 10;
inline constexpr u32 kBackoffMsMax = 1000;
// Pause when every mailbox is full, or the accept rate is used up.
inline constexpr u32 kRetryMs = 10;
// Listening sockets of the process (a listener may have several).
inline constexpr u32 kListeningMax = 1024;
inline constexpr u32 kErrnoMax = 134;

enum class Distribution : u8 { kLeastConnections, kRoundRobin };

struct ListenerLimits {
  u64 connectionsMax = 0;
  u32 acceptsPerSecond = 0;  // 0: no limit
};

struct ListenSpec {
  u32 listener = 0;
  i32 netnsFd = -1;
  i32 backlog = 4096;
  u32 deferSeconds = 0;  // accepted when their first bytes came, for so long; 0: at once
  const sockaddr* address = nullptr;
  socklen_t addressLength = 0;
  SocketOptions socket;  // inherited by every accepted socket (Linux clones the listening socket's)
};

// What failed, for the one sentence that main prints.
struct ListenResult {
  i32 handle = -1;
  i32 sysErrno = 0;
  const char* syscall = "";
  sockaddr_storage bound{};
  socklen_t boundLength = 0;
};

class Acceptor {
 public:
  explicit Acceptor(Board& board) : board_(board) {}
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor() { stop(); }

  Status start();
  // As Shard::watchHost and Shard::turn.
  Status watchHost(int fd);
  bool turn(int timeoutMs = 0);
  // Closes the listening sockets, with what waits in their queues, and a parked descriptor.
  void stop();

  ListenResult listen(const ListenSpec& spec);
  // Closes a listening socket. What waits in its queue is handed over first, except where the
  // socket has not served yet: it was neither accepted from nor named in update().
  void unlisten(i32 handle);
  // Gives an open listening socket another listener, backlog and options; its queue stays.
  void update(i32 handle, const ListenSpec& spec);
  void setLimits(u32 listener, const ListenerLimits& limits) { limits_[listener].limits = limits; }
  void setConnectionsMax(u64 connections) { connectionsMax_ = connections; }
  void setDistribution(Distribution kind) { distribution_ = kind; }
  void setShardReady(u32 shard, u32 ready) {
    board_.shard(shard).ready.store(ready, std::memory_order_relaxed);
  }
  // Failed accepts by errno since start.
  [[nodiscard]] u64 errors(u32 sysErrno) const { return errors_[sysErrno]; }
  [[nodiscard]] u64 backoffs() const { return backoffs_; }

 private:
  struct Listening {
    i32 fd = -1;
    u32 listener = 0;
    bool isServing = false;
    u64 resumeAtNs = 0;  // 0: watched
  };
  struct LimitState {
    ListenerLimits limits;
    double tokens = 0;
    u64 refilledAtNs = 0;
  };
  enum class Step : u8 { kNext, kStop };

  void acceptBatch(u32 index);
  void takeQueue(u32 index);
  Step acceptOne(u32 index);
  void noteAccept();
  Step acceptFailed(u32 index, int error);
  void place(MailboxMessage message);
  bool offer(const MailboxMessage& message);
  [[nodiscard]] u32 pickShard() const;
  bool push(u32 shard, const MailboxMessage& message);
  void refuse(const MailboxMessage& message, Refusal refusal);
  bool takeToken(LimitState& state);
  void pause(u32 index, u32 ms);
  void pauseAll(u32 ms);
  void resumeDue();
  void armTimer();
  void wakeShards();

  Board& board_;
  int epollFd_ = -1;
  int timerFd_ = -1;
  u64 nowNs_ = 0;
  Distribution distribution_ = Distribution::kLeastConnections;
  u64 connectionsMax_ = ~u64{0};
  u32 backoffMs_ = kBackoffMs;
  u64 backoffs_ = 0;
  u64 nextBatchNs_ = 0;
  u64 windowStartNs_ = 0;
  u32 windowAccepts_ = 0;
  bool isStorm_ = false;
  mutable u32 rotation_ = 0;
  bool isParked_ = false;
  MailboxMessage parked_;
  std::vector<Listening> listening_;
  LimitState limits_[kListenersMax];
  bool isWakeDue_[kShardsMax] = {};
  u64 errors_[kErrnoMax] = {};
};

// Sets the options that are not 0 on a TCP socket. Failures are ignored: the kernel knows best
// which option fits the socket, and no connection is worth losing over one.
void setSocketOptions(int fd, const SocketOptions& options);

}  // namespace holdfast::proxy
