// Accepting, limits, back-off and distribution.
#include "proxy/acceptor.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

namespace holdfast::proxy {
namespace {

inline constexpr u64 kTimerKey = ~u64{0};
inline constexpr u64 kHostKey = ~u64{1};
inline constexpr u64 kNsPerMs = 1'000'000;
inline constexpr size_t kEventsPerTurn = 64;

constexpr auto kRelaxed = std::memory_order_relaxed;

bool isExhausted(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The connection went away, or a firewall refused it: the next one may be fine (accept(2)).
bool isTransient(int error) {
  return error == ECONNABORTED || error == EPROTO || error == EPERM || error == EINTR ||
         error == ENETDOWN || error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET ||
         error == EHOSTUNREACH || error == EOPNOTSUPP || error == ENETUNREACH;
}

// Whoever speaks first is accepted with what he said: one wake-up less, and who says nothing costs
// nothing. On Unix sockets it fails and changes nothing.
void setDefer(int fd, u32 seconds) {
  (void)sys::setOption(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, static_cast<int>(seconds));
}

}  // namespace

void setSocketOptions(int fd, const SocketOptions& options) {
  if (options.nodelay != 0) (void)sys::setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.userTimeoutMs != 0) {
    (void)sys::setOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                         static_cast<int>(options.userTimeoutMs));
  }
  if (options.keepaliveIdleSeconds == 0) return;
  (void)sys::setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  (void)sys::setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE,
                       static_cast<int>(options.keepaliveIdleSeconds));
  if (options.keepaliveIntervalSeconds != 0) {
    (void)sys::setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL,
                         static_cast<int>(options.keepaliveIntervalSeconds));
  }
  if (options.keepaliveCount != 0) {
    (void)sys::setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(options.keepaliveCount));
  }
}

Status Acceptor::start() {
  epollFd_ = sys::epollCreate();
  if (epollFd_ < 0) return Status::fromErrno(-epollFd_);
  timerFd_ = sys::timerCreate();
  if (timerFd_ < 0) return Status::fromErrno(-timerFd_);
  const int added = sys::epollAdd(epollFd_, timerFd_, sys::Watch::kEdgeRead, kTimerKey);
  if (added < 0) return Status::fromErrno(-added);
  return Status::ok();
}

void Acceptor::stop() {
  for (Listening& listening : listening_) {
    if (listening.fd >= 0) sys::close(listening.fd);
    listening = Listening{};
  }
  if (isParked_) sys::close(parked_.fd);
  isParked_ = false;
  if (timerFd_ >= 0) sys::close(timerFd_);
  if (epollFd_ >= 0) sys::close(epollFd_);
  timerFd_ = -1;
  epollFd_ = -1;
}

ListenResult Acceptor::listen(const ListenSpec& spec) {
  ListenResult result;
  const auto fail = [&](const char* syscall, int error, int fd) {
    result.syscall = syscall;
    result.sysErrno = -error;
    if (fd >= 0) sys::close(fd);
    return result;
  };
  if (listening_.size() >= kListeningMax) return fail("listen", -ENOSPC, -1);
  const bool isIp = spec.address->sa_family != AF_UNIX;
  int fd;
  if (spec.netnsFd >= 0 && isIp) {
    const int previous = sys::enterNetns(spec.netnsFd);
    if (previous < 0) return fail("setns", previous, -1);
    fd = sys::socketStream(spec.address->sa_family);
    sys::leaveNetns(previous);
  } else {
    fd = sys::socketStream(spec.address->sa_family);
  }
  if (fd < 0) return fail("socket", fd, -1);
  if (isIp) {
    (void)sys::setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // So that 0.0.0.0 and [::] can listen side by side on one port.
    if (spec.address->sa_family == AF_INET6) (void)sys::setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    proxy::setSocketOptions(fd, spec.socket);
    setDefer(fd, spec.deferSeconds);
  }
  if (const int bound = sys::bind(fd, spec.address, spec.addressLength); bound < 0) {
    return fail("bind", bound, fd);
  }
  if (const int done = sys::listen(fd, spec.backlog); done < 0) return fail("listen", done, fd);
  if (const int got = sys::getSockName(fd, &result.bound, &result.boundLength); got < 0) {
    return fail("getsockname", got, fd);
  }
  u32 index = 0;
  while (index < listening_.size() && listening_[index].fd >= 0) index++;
  if (index == listening_.size()) listening_.emplace_back();
  if (const int added = sys::epollAdd(epollFd_, fd, sys::Watch::kLevelRead, index); added < 0) {
    return fail("epoll_ctl", added, fd);
  }
  listening_[index] = Listening{fd, spec.listener, false, 0};
  result.handle = static_cast<i32>(index);
  return result;
}

void Acceptor::unlisten(i32 handle) {
  const size_t index = static_cast<size_t>(handle);
  if (handle < 0 || index >= listening_.size() || listening_[index].fd < 0) return;
  if (listening_[index].isServing) takeQueue(static_cast<u32>(index));
  sys::close(listening_[index].fd);
  listening_[index] = Listening{};
}

// The kernel resets whoever is in the queue of a listening socket that is closed. No pause holds
// for them; limits do, and when the mailboxes stay full the rest is lost.
void Acceptor::takeQueue(u32 index) {
  nowNs_ = sys::nowNs();
  u32 waits = 0;
  for (u32 accepted = 0; accepted < kAcceptClosingMax;) {
    listening_[index].resumeAtNs = 0;
    if (!isParked_) {
      if (acceptOne(index) == Step::kStop) break;
      accepted++;
      continue;
    }
    if (waits++ == kClosingWaitsMax) break;
    wakeShards();
    sys::sleepUntil(nowNs_ + kBatchIntervalNs);
    nowNs_ = sys::nowNs();
    if (offer(parked_)) isParked_ = false;
  }
  wakeShards();
  armTimer();
}

void Acceptor::update(i32 handle, const ListenSpec& spec) {
  const size_t index = static_cast<size_t>(handle);
  if (handle < 0 || index >= listening_.size() || listening_[index].fd < 0) return;
  Listening& listening = listening_[index];
  listening.listener = spec.listener;
  listening.isServing = true;
  setSocketOptions(listening.fd, spec.socket);
  setDefer(listening.fd, spec.deferSeconds);
  // A second listen() changes the backlog and nothing else.
  (void)sys::listen(listening.fd, spec.backlog);
}

Status Acceptor::watchHost(int fd) {
  const int added = sys::epollAdd(epollFd_, fd, sys::Watch::kLevelRead, kHostKey);
  return added < 0 ? Status::fromErrno(-added) : Status::ok();
}

bool Acceptor::turn(int timeoutMs) {
  bool isHostReady = false;
  sys::Event events[kEventsPerTurn];
  // Before the wait, so that a batch costs one wake-up.
  if (isStorm_ && timeoutMs != 0) sys::sleepUntil(nextBatchNs_);
  const int count = sys::epollWait(epollFd_, events, timeoutMs);
  nowNs_ = sys::nowNs();
  resumeDue();
  for (int i = 0; i < count; i++) {
    const sys::Event& event = events[i];
    if (event.key == kTimerKey) continue;
    if (event.key == kHostKey) isHostReady = true;
    if (event.key < listening_.size()) acceptBatch(static_cast<u32>(event.key));
  }
  wakeShards();
  armTimer();
  return isHostReady;
}

void Acceptor::acceptBatch(u32 index) {
  for (u32 i = 0; i < kAcceptBatchMax; i++) {
    if (acceptOne(index) == Step::kStop) return;
  }
}

Acceptor::Step Acceptor::acceptOne(u32 index) {
  // The listener may have been closed or paused by what came before it in this turn.
  if (listening_[index].fd < 0 || listening_[index].resumeAtNs != 0 || isParked_) {
    return Step::kStop;
  }
  listening_[index].isServing = true;
  const u32 listener = listening_[index].listener;
  if (!takeToken(limits_[listener])) {
    bump(board_.listener(listener).ratePauses);
    pause(index, kRetryMs);
    return Step::kStop;
  }
  HF_UNINITIALIZED sockaddr_storage peer;
  socklen_t peerLength = 0;
  const int fd = sys::accept(listening_[index].fd, &peer, &peerLength);
  if (fd < 0) return acceptFailed(index, -fd);
  backoffMs_ = kBackoffMs;
  MailboxMessage message;
  message.fd = fd;
  message.listener = static_cast<u16>(listener);
  message.client = peer.ss_family == AF_UNIX || peerLength <= sizeof(sa_family_t)
                       ? Address::unixSocket()
                       : fromSockaddr(reinterpret_cast<sockaddr*>(&peer), peerLength);
  place(message);
  noteAccept();
  return Step::kNext;
}

// Whether connections come so fast that it pays to let some of them gather.
void Acceptor::noteAccept() {
  nextBatchNs_ = nowNs_ + kBatchIntervalNs;
  const u64 elapsedNs = nowNs_ - windowStartNs_;
  if (elapsedNs >= kStormWindowNs) {
    isStorm_ = windowAccepts_ >= kStormAccepts && elapsedNs < 2 * kStormWindowNs;
    windowStartNs_ = nowNs_;
    windowAccepts_ = 0;
  }
  windowAccepts_++;
}

Acceptor::Step Acceptor::acceptFailed(u32 index, int error) {
  // The token was for a connection that did not come.
  limits_[listening_[index].listener].tokens += 1;
  if (error == EAGAIN || error == EWOULDBLOCK) return Step::kStop;
  errors_[static_cast<u32>(error) < kErrnoMax ? static_cast<u32>(error) : 0]++;
  if (isTransient(error)) return Step::kNext;
  backoffs_++;
  if (isExhausted(error)) {
    pauseAll(backoffMs_);
  } else {
    pause(index, backoffMs_);
  }
  backoffMs_ = std::min(backoffMs_ * 2, kBackoffMsMax);
  return Step::kStop;
}

void Acceptor::place(MailboxMessage message) {
  const ListenerLimits& limits = limits_[message.listener].limits;
  if (board_.connections() >= connectionsMax_) return refuse(message, Refusal::kProcessLimit);
  if (limits.connectionsMax != 0 &&
      board_.listenerConnections(message.listener) >= limits.connectionsMax) {
    return refuse(message, Refusal::kListenerLimit);
  }
  const u32 best = pickShard();
  if (best == kNoIndex) return refuse(message, Refusal::kNoShard);
  if (push(best, message) || offer(message)) return;
  parked_ = message;
  isParked_ = true;
  pauseAll(kRetryMs);
}

// Pushes to any shard with room. False when all mailboxes are full.
bool Acceptor::offer(const MailboxMessage& message) {
  for (u32 shard = 0; shard < board_.shards(); shard++) {
    if (board_.shard(shard).ready.load(kRelaxed) != 0 && push(shard, message)) return true;
  }
  return false;
}

u32 Acceptor::pickShard() const {
  const u32 shards = board_.shards();
  const u32 start = rotation_++;
  u32 best = kNoIndex;
  u64 bestConnections = 0;
  for (u32 step = 0; step < shards; step++) {
    const u32 shard = (start + step) % shards;
    if (board_.shard(shard).ready.load(kRelaxed) == 0) continue;
    if (distribution_ == Distribution::kRoundRobin) return shard;
    const u64 connections = board_.shardConnections(shard);
    if (best == kNoIndex || connections < bestConnections) {
      best = shard;
      bestConnections = connections;
    }
  }
  return best;
}

bool Acceptor::push(u32 shard, const MailboxMessage& message) {
  ShardBlock& block = board_.shard(shard);
  ListenerEntry& listener = board_.listener(message.listener);
  // Counted before the shard can close it, so that "assigned minus closed" is never negative.
  bump(block.assigned);
  bump(listener.assigned);
  if (board_.mailbox(shard).push(message)) {
    isWakeDue_[shard] = true;
    return true;
  }
  bump(block.assigned, ~u64{0});
  bump(listener.assigned, ~u64{0});
  return false;
}

void Acceptor::refuse(const MailboxMessage& message, Refusal refusal) {
  (void)sys::armReset(message.fd);
  sys::close(message.fd);
  bump(board_.listener(message.listener).refused[static_cast<size_t>(refusal)]);
}

// A bucket of one second's worth of connections.
bool Acceptor::takeToken(LimitState& state) {
  const u32 rate = state.limits.acceptsPerSecond;
  if (rate == 0) return true;
  const double elapsed = static_cast<double>(nowNs_ - state.refilledAtNs) / 1e9;
  state.refilledAtNs = nowNs_;
  state.tokens = std::min<double>(rate, state.tokens + elapsed * rate);
  if (state.tokens < 1) return false;
  state.tokens -= 1;
  return true;
}

void Acceptor::pause(u32 index, u32 ms) {
  Listening& listening = listening_[index];
  if (listening.fd < 0) return;
  listening.resumeAtNs = nowNs_ + ms * kNsPerMs;
  (void)sys::epollModify(epollFd_, listening.fd, sys::Watch::kNone, index);
}

void Acceptor::pauseAll(u32 ms) {
  for (u32 i = 0; i < listening_.size(); i++) pause(i, ms);
}

void Acceptor::resumeDue() {
  if (isParked_ && offer(parked_)) isParked_ = false;
  for (u32 i = 0; i < listening_.size(); i++) {
    Listening& listening = listening_[i];
    if (listening.fd < 0 || listening.resumeAtNs == 0 || listening.resumeAtNs > nowNs_) continue;
    if (isParked_) {
      listening.resumeAtNs = nowNs_ + kRetryMs * kNsPerMs;
      continue;
    }
    listening.resumeAtNs = 0;
    (void)sys::epollModify(epollFd_, listening.fd, sys::Watch::kLevelRead, i);
  }
}

void Acceptor::armTimer() {
  u64 next = 0;
  for (const Listening& listening : listening_) {
    if (listening.fd < 0 || listening.resumeAtNs == 0) continue;
    if (next == 0 || listening.resumeAtNs < next) next = listening.resumeAtNs;
  }
  if (isParked_ && next == 0) next = nowNs_ + kRetryMs * kNsPerMs;
  if (next != 0) (void)sys::timerArm(timerFd_, next);
}

void Acceptor::wakeShards() {
  for (u32 shard = 0; shard < board_.shards(); shard++) {
    if (!isWakeDue_[shard]) continue;
    isWakeDue_[shard] = false;
    (void)sys::eventSignal(board_.shard(shard).wakeFd.load(kRelaxed));
  }
}

}  // namespace holdfast::proxy
