// The turn of a shard: events, tasks, deadlines, admissions, and freeing what closed.
#include "proxy/shard.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proxy/filter_host.h"

namespace holdfast::proxy {
namespace {

// Keys of the descriptors that are not connections; a connection's generation is never 0.
inline constexpr u64 kWakeKey = Handle{1, 0}.pack();
inline constexpr u64 kTimerKey = Handle{2, 0}.pack();
inline constexpr u64 kHostKey = Handle{3, 0}.pack();

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

ShardState::ShardState(Board& board, const ShardOptions& options)
    : board_(board),
      options_(options),
      block_(&board.shard(options.index)),
      startNs_(sys::nowNs()),
      random_(options.seed),
      established_(conns_),
      exchanges_(conns_),
      steps_(conns_),
      hellos_(conns_),
      wheel_(TimerOf{&tunnels_}, 0),
      compressors_(options.compressors),
      tlsTable_(options.tls) {
  std::fill(std::begin(listenerAt_), std::end(listenerAt_), kNoIndex);
  std::fill(std::begin(clusterAt_), std::end(clusterAt_), kNoIndex);
}

ShardState::~ShardState() = default;

Shard::Shard(Board& board, const ShardOptions& options) : ShardState(board, options) {}

Shard::~Shard() {
  stop();
  for (u8* scratch : {scratch_, plainScratch_}) {
    if (scratch != nullptr) sys::unreserve(scratch, kScratchBytes);
  }
  if (sealScratch_ != nullptr) sys::unreserve(sealScratch_, kSealScratchBytes);
  if (tlsAt_ != nullptr) sys::unreserve(tlsAt_, sideTableBytes());
  if (httpAt_ != nullptr) sys::unreserve(httpAt_, sideTableBytes());
  if (limitsAt_ != nullptr) {
    sys::unreserve(limitsAt_, sizeof(u32) * (size_t{options_.connectionsMax} + 1));
  }
  if (logged_ != nullptr) sys::unreserve(logged_, loggedBytes());
  if (throttleAt_ != nullptr) sys::unreserve(throttleAt_, sizeof(u32) * (tunnelsMax() + size_t{2}));
  if (unusedOf_ != nullptr) sys::unreserve(unusedOf_, sizeof(UnusedList) * kEndpointsMax);
  if (outScratch_ != nullptr) sys::unreserve(outScratch_, kHttpOutBytes);
  if (codedScratch_ != nullptr) sys::unreserve(codedScratch_, kCodedOutBytes);
  if (textScratch_ != nullptr) sys::unreserve(textScratch_, kHttpTextBytes);
  detachFilters();
}

Status Shard::start() {
  // One more for the tunnel of unused connections.
  if (Status status = tunnels_.reserve(tunnelsMax() + 1); !status.isOk()) return status;
  if (Status status = conns_.reserve(connsMax()); !status.isOk()) return status;
  BoardHeader& header = board_.header();
  if (Status status =
          chunks_.reserve(options_.pendingBytesMax, &header.pendingBytes, header.pendingBytesMax,
                          std::min(2 * tunnelsMax() * kBeyondCapBytes, kBeyondCapBytesMax));
      !status.isOk()) {
    return status;
  }
  if (Status status = prepareThrottles(); !status.isOk()) return status;
  scratch_ = static_cast<u8*>(sys::reserve(kScratchBytes));
  if (scratch_ == nullptr) return Status::fromErrno(ENOMEM);
  epollFd_ = sys::epollCreate();
  if (epollFd_ < 0) return Status::fromErrno(-epollFd_);
  timerFd_ = sys::timerCreate();
  if (timerFd_ < 0) return Status::fromErrno(-timerFd_);
  const int wake = block_->wakeFd.load(kRelaxed);
  int result = sys::epollAdd(epollFd_, wake, sys::Watch::kEdgeRead, kWakeKey);
  if (result >= 0) result = sys::epollAdd(epollFd_, timerFd_, sys::Watch::kEdgeRead, kTimerKey);
  if (result < 0) return Status::fromErrno(-result);
  nowNs_ = sys::nowNs();
  pausedSinceNs_ = nowNs_;
  isStopped_ = false;
  return Status::ok();
}

Status Shard::watchHost(int fd) {
  const int added = sys::epollAdd(epollFd_, fd, sys::Watch::kLevelRead, kHostKey);
  return added < 0 ? Status::fromErrno(-added) : Status::ok();
}

bool Shard::turn(int timeoutMs) {
  if (isStopped_) return false;
  isHostReady_ = false;
  const int events = sys::epollWait(epollFd_, events_, timeoutMs);
  nowNs_ = sys::nowNs();
  nowTick_ = static_cast<u32>((nowNs_ - startNs_) / (kTickMs * 1'000'000ull)) + 1;
  block_->turnStartNs.store(nowNs_, kRelaxed);
  block_->isInTurn.store(1, kRelaxed);
  for (int i = 0; i < events; i++) takeEvent(events_[i]);
  runTasks();
  admit();
  runDeadlines();
  if (drainCursor_ != kNoIndex) spreadDrain();
  if (hasFilters()) [[unlikely]]
    runFilters();
  if (closedHead_ != kNoIndex) freeClosed();
  armTimer();
  // What a budget left over runs next turn: the descriptor becomes readable again by our own
  // signal.
  const bool isWorkLeft = established_.count() > 0 || exchanges_.count() > 0 || wheel_.isBehind() ||
                          drainCursor_ != kNoIndex || !board_.mailbox(options_.index).isEmpty() ||
                          (records_.has_value() && isStepLeft()) ||
                          (hasFilters() && isFilterWorkLeft());
  if (isWorkLeft) (void)sys::eventSignal(block_->wakeFd.load(kRelaxed));
  bump(count(ShardCounter::kTurns));
  if (events > 0) bump(count(ShardCounter::kEvents), static_cast<u64>(events));
  publish();
  enter(Activity::kIdle);
  block_->isInTurn.store(0, kRelaxed);
  return isHostReady_;
}

void Shard::takeEvent(const sys::Event& event) {
  if (event.key == kWakeKey) {
    bump(block_->heartbeats);
    return;
  }
  if (event.key == kTimerKey) {
    isTimerArmed_ = false;
    return;
  }
  if (event.key == kHostKey) {
    isHostReady_ = true;
    return;
  }
  const Handle handle = Handle::unpack(event.key);
  Conn* conn = conns_.resolve(handle);
  if (conn == nullptr || (conn->flags & kConnOpen) == 0) {
    bump(count(ShardCounter::kStaleEvents));
    return;
  }
  u16 flags = conn->flags;
  constexpr u32 kReadBits =
      sys::kEventReadable | sys::kEventReadHup | sys::kEventError | sys::kEventHup;
  if (event.bits & kReadBits) flags |= kConnReadable;
  if (event.bits & sys::kEventWritable) flags |= kConnWritable;
  if (event.bits & (sys::kEventReadHup | sys::kEventHup)) flags |= kConnReadHup;
  if (event.bits & sys::kEventError) flags |= kConnError;
  if (event.bits & sys::kEventUrgent) flags |= kConnCutReads | kConnReadable;
  conn->flags = flags;
  // An edge that only says "writable" matters when something waits for it.
  const bool isOnlyWritable = (event.bits & (kReadBits | sys::kEventUrgent)) == 0;
  if (isOnlyWritable && conn->pending.isEmpty() && !isWriteAwaited(*conn)) return;
  queue(handle.index);
}

// True when something else than pending bytes waits for the socket to be writable.
__attribute__((noinline)) bool Shard::isWriteAwaited(const Conn& conn) {
  const TunnelState state = tunnels_[conn.tunnel].state;
  if (state == TunnelState::kOpen) return (peerOf(conn).flags & kConnBlocked) != 0;
  if (state == TunnelState::kHttp) return isReaderPaused(conn);
  return state == TunnelState::kConnecting || state == TunnelState::kFlushing ||
         state == TunnelState::kLingering;
}

void Shard::queue(u32 conn) {
  Conn& record = conns_[conn];
  if (record.flags & kConnQueued) return;
  record.flags |= kConnQueued;
  const TunnelState state = tunnels_[record.tunnel].state;
  if (state >= TunnelState::kOpen) return established_.push(conn);
  queueNew(conn);
}

// A tunnel that is not open yet.
__attribute__((noinline)) void Shard::queueNew(u32 conn) {
  const Conn& record = conns_[conn];
  const TunnelState state = tunnels_[record.tunnel].state;
  const bool isStep =
      (state == TunnelState::kHandshake || state == TunnelState::kEndpointHandshake) &&
      (record.flags & kConnTls) != 0;
  // The client's side of a handshake with an endpoint is on an engine at most.
  if (!isStep || tlsOf(conn).phase > TlsPhase::kHandshake) return exchanges_.push(conn);
  (tlsOf(conn).phase == TlsPhase::kNew ? hellos_ : steps_).push(conn);
}

void Shard::runTasks() {
  enter(Activity::kRead);
  u32 left = runList(established_, kEstablishedTasksMax);
  enter(Activity::kConnect);
  left += runList(exchanges_, kExchangeTasksMax);
  if (records_.has_value()) left += serveTls();
  if (left > 0) bump(count(ShardCounter::kTasksDeferred), left);
}

// Handshakes, behind all other work. Returns how many tasks are left.
u32 Shard::serveTls() {
  if (pool_.has_value()) collectHandshakes();
  dropClosedHellos();
  isStepTurn_ = isStepLeft();
  if (!isStepTurn_) return 0;
  enter(Activity::kHandshake);
  const u32 budget = kHandshakeTasksMax - std::min(kHandshakeTasksMax, steps_.count());
  u32 left = runList(steps_, kHandshakeTasksMax);
  if (mayBeginHandshake()) left += runList(hellos_, budget);
  return left;
}

// A tunnel lives until its tasks were taken. Those that wait for their handshake may not be taken
// for long; they close in the order of their deadlines, so that the closed ones are in front.
void Shard::dropClosedHellos() {
  for (u32 i = 0; i < kClosedHellosMax && hellos_.count() > 0; i++) {
    if (tunnels_[conns_[hellos_.front()].tunnel].state != TunnelState::kClosed) return;
    runTask(hellos_.pop());
  }
}

// Runs at most what was queued when it began, so that a task that queues itself again waits a turn.
u32 Shard::runList(TaskList<Pool<Conn>>& list, u32 budget) {
  const u32 tasks = std::min(list.count(), budget);
  for (u32 i = 0; i < tasks; i++) {
    runTask(list.pop());
    if (hasFilters()) [[unlikely]]
      runFiltersIfFull();
    const bool isClockDue = (i + 1) % kTasksPerClock == 0;
    if (isClockDue && sys::nowNs() - nowNs_ > kTurnNsMax) break;
  }
  if (tasks > 0) bump(count(ShardCounter::kTasks), tasks);
  return list.count();
}

void Shard::runTask(u32 conn) {
  Conn& record = conns_[conn];
  record.flags = static_cast<u16>(record.flags & ~kConnQueued);
  const u32 tunnel = record.tunnel;
  const TunnelState state = tunnels_[tunnel].state;
  if (state == TunnelState::kOpen) return forward(conn);
  switch (state) {
    case TunnelState::kHeader:
      readHeader(tunnel);
      return;
    case TunnelState::kFiltering:
      return;
    case TunnelState::kHello:
      readHello(tunnel);
      return;
    case TunnelState::kHandshake:
      runHandshake(conn);
      return;
    case TunnelState::kEndpointHandshake:
      if (record.side == Side::kUpstream) {
        if (conn != tunnels_[tunnel].upstream) return serveHedged(conn);
        runHandshake(conn);
      } else {
        checkClientWhileConnecting(tunnel);
      }
      return;
    case TunnelState::kConnecting:
      if (record.side == Side::kUpstream) {
        if (conn != tunnels_[tunnel].upstream) return serveHedged(conn);
        finishConnect(tunnel);
      } else {
        checkClientWhileConnecting(tunnel);
      }
      return;
    case TunnelState::kFlushing:
      tryEndFlush(tunnel);
      return;
    case TunnelState::kHttp:
      if (record.side == Side::kDownstream) {
        serveClient(conn);
      } else {
        serveUpstream(conn);
      }
      return;
    case TunnelState::kPooled:
      serveUnused(conn);
      return;
    case TunnelState::kMirror:
      serveMirror(conn);
      return;
    case TunnelState::kLingering:
      discardInput(conn);
      return;
    case TunnelState::kOpen:
    case TunnelState::kClosed:
      return;
  }
}

void Shard::runDeadlines() {
  if (wheel_.now() == nowTick_ && !wheel_.isBehind()) return;
  enter(Activity::kTimers);
  const u32 fired = wheel_.advance(
      nowTick_, [this](u32 tunnel) { fireTimer(tunnel); }, kExpirationsMax);
  if (fired > 0) bump(count(ShardCounter::kExpirations), fired);
}

void Shard::armTimer() {
  if (wheel_.count() == 0) return;
  const u32 next = wheel_.nextExpiryTick();
  if (isTimerArmed_ && !isTickBefore(next, armedTick_)) return;
  const u64 deadlineNs = startNs_ + (u64{next} - 1) * kTickMs * 1'000'000ull;
  (void)sys::timerArm(timerFd_, deadlineNs);
  armedTick_ = next;
  isTimerArmed_ = true;
}

void Shard::admit() {
  Mailbox& mailbox = board_.mailbox(options_.index);
  if (mailbox.isEmpty()) return;
  enter(Activity::kAdmit);
  u32 budget = established_.count() > 0 ? kAdmissionsWhenBusyMax : kAdmissionsMax;
  if (isStepTurn_) budget = kAdmissionsBesideStepMax;
  MailboxMessage message;
  u32 admitted = 0;
  while (admitted < budget && mailbox.pop(&message)) {
    admitOne(message);
    admitted++;
  }
  bump(count(ShardCounter::kAdmissions), admitted);
  publishTunnels();
}

void Shard::admitOne(const MailboxMessage& message) {
  bump(count(message.listener, ListenerCounter::kOpened));
  const ListenerSpec* listener = findListener(message.listener);
  if (listener == nullptr) return refuse(message, CloseReason::kUnrouted);
  const u32 index = tunnels() < options_.connectionsMax ? tunnels_.take() : kNoIndex;
  if (index == kNoIndex) return refuse(message, CloseReason::kShardLimit);
  // The pool of conns has twice the slots of the pool of tunnels, so these two cannot fail.
  Tunnel& tunnel = tunnels_[index];
  tunnel.downstream = conns_.take();
  tunnel.upstream = conns_.take();
  tunnel.listener = message.listener;
  tunnel.client = message.client;
  // With HTTP each request has its own.
  if (listener->http == kNoIndex) {
    const ClusterSpec& cluster = snapshot_.cluster(listener->cluster);
    tunnel.cluster = static_cast<u16>(cluster.id);
    tunnel.retriesLeft = static_cast<u8>(cluster.retries);
  }
  tunnel.idleTicks = ticksOf(listener->idleMs);
  tunnel.halfCloseTicks = ticksOf(listener->halfCloseMs);
  tunnel.bufferHigh = listener->bufferHigh;
  tunnel.bufferLow = listener->bufferLow;
  if (listener->accessLog != 0) tunnel.flags |= kTunnelAccessLog;
  tunnel.openedTick = nowTick_;
  tunnel.lastActiveTick = nowTick_;
  if (listener->maxAgeMs != 0) {
    tunnel.ageTick = drawAge(listener->maxAgeMs, listener->maxAgeJitterPermille);
  }
  Conn& downstream = conns_[tunnel.downstream];
  downstream.fd = message.fd;
  downstream.tunnel = index;
  downstream.side = Side::kDownstream;
  downstream.flags = kConnOpen | kConnWritable;
  if (!message.client.isIp()) downstream.flags |= kConnCutReads;
  Conn& upstream = conns_[tunnel.upstream];
  upstream.tunnel = index;
  upstream.side = Side::kUpstream;
  const bool isHeaderDue =
      listener->cidrCount != 0 && snapshot_.isProxyTrusted(*listener, message.client);
  enterState(index, TunnelState::kHeader, ticksOf(listener->proxyHeaderMs));
  const int added = sys::epollAdd(epollFd_, message.fd, sys::Watch::kEdgeBoth,
                                  conns_.handleOf(tunnel.downstream).pack());
  if (added < 0) return close(index, CloseReason::kShardLimit, How::kReset);
  if (isHeaderDue) return;
  if (!holdAddress(index, *listener)) return;
  direct(index, *listener);
}

// The tick of an age with its jitter, from now on.
u32 Shard::drawAge(u32 ageMs, u32 jitterPermille) {
  const u64 spread = u64{ageMs} * jitterPermille / 1000;
  const u64 age = ageMs - spread + random_.between(0, 2 * spread);
  return nowTick_ + ticksOf(static_cast<u32>(std::min<u64>(age, 0xffffffffu)));
}

// Counts the client's address; closes the tunnel and returns false when it has too many.
bool Shard::holdAddress(u32 index, const ListenerSpec& listener) {
  Tunnel& tunnel = tunnels_[index];
  if (listener.connectionsPerAddressMax == 0 || !tunnel.client.isIp()) return true;
  // One IPv6 client commonly owns a /64 and could otherwise count as many.
  constexpr u32 kIpv6ClientBits = 64;
  u64 hash = hashNetwork(tunnel.client, board_.addressKey(), kIpv6ClientBits);
  hash ^= (u64{tunnel.listener} + 1) * 0x9e3779b97f4a7c15ull;
  const auto result = board_.addresses().acquire(hash, listener.connectionsPerAddressMax);
  if (result == AddressTable::Outcome::kAtLimit) {
    close(index, CloseReason::kAddressLimit, How::kReset);
    return false;
  }
  if (result == AddressTable::Outcome::kOk) {
    tunnel.addressKey = hash;
    tunnel.flags |= kTunnelAddressHeld;
  }
  return true;
}

void Shard::refuse(const MailboxMessage& message, CloseReason reason) {
  (void)sys::armReset(message.fd);
  sys::close(message.fd);
  countClosed(message.listener, reason);
}

void Shard::countClosed(u32 listener, CloseReason reason) {
  ListenerCell& cell = board_.cell(options_.index, listener);
  bump(cell.closed[static_cast<size_t>(reason)]);
  bump(cell.counters[static_cast<size_t>(ListenerCounter::kClosed)]);
  bump(block_->closed);
}

// A tunnel whose conn still has a task in the queue stays until the task was taken.
__attribute__((noinline)) void Shard::freeClosed() {
  u32 index = closedHead_;
  closedHead_ = kNoIndex;
  while (index != kNoIndex) {
    Tunnel& tunnel = tunnels_[index];
    const u32 next = tunnel.link;
    const bool hasUpstream = tunnel.upstream != kNoIndex;
    const bool isQueued = (conns_[tunnel.downstream].flags & kConnQueued) != 0 ||
                          (hasUpstream && (conns_[tunnel.upstream].flags & kConnQueued) != 0);
    if (isQueued) {
      tunnel.link = closedHead_;
      closedHead_ = index;
    } else {
      conns_.release(tunnel.downstream);
      if (hasUpstream) conns_.release(tunnel.upstream);
      if (tunnel.reason == CloseReason::kCount) mirrors_--;
      tunnels_.release(index);
    }
    index = next;
  }
  publishTunnels();
}

void Shard::publish() {
  count(ShardCounter::kPendingChunks).store(chunks_.inUse(), kRelaxed);
  count(ShardCounter::kTimers).store(wheel_.count(), kRelaxed);
  count(ShardCounter::kPaused).store(paused_, kRelaxed);
  if (records_.has_value()) {
    count(ShardCounter::kTlsInFlight).store(handshakes_, kRelaxed);
    count(ShardCounter::kTlsWaiting).store(hellos_.count(), kRelaxed);
    count(ShardCounter::kTlsConns).store(tlsConns_.inUse(), kRelaxed);
    count(ShardCounter::kTlsOnEngine).store(engineConns_, kRelaxed);
  }
  if (paused_ > 0) bump(count(ShardCounter::kPausedNs), paused_ * (nowNs_ - pausedSinceNs_));
  pausedSinceNs_ = nowNs_;
}

Status Shard::applySnapshot(int fd) {
  enter(Activity::kSnapshot);
  Snapshot next;
  if (Status status = next.map(fd); !status.isOk()) return status;
  // Positions of the snapshot, of the configs and of the pool's change together or not at all.
  std::vector<int> copies;
  if (Status status = duplicateForPool(next, fd, &copies); !status.isOk()) return status;
  if (Status status = prepareTls(next); !status.isOk()) {
    for (const int copy : copies) sys::close(copy);
    return status;
  }
  if (Status status = prepareHttp(next); !status.isOk()) {
    for (const int copy : copies) sys::close(copy);
    return status;
  }
  if (next.filterChainCount() != 0 && filters_ == nullptr) return Status::fromErrno(EINVAL);
  closeOutdated(next);
  snapshot_.swap(next);
  attachTables();
  if (pool_.has_value()) pool_->applySnapshot(copies);
  std::fill(std::begin(listenerAt_), std::end(listenerAt_), kNoIndex);
  for (u32 i = 0; i < snapshot_.listenerCount(); i++) listenerAt_[snapshot_.listener(i).id] = i;
  renewBalancers();
  forgetMirrors();
  applyChains();
  enter(Activity::kIdle);
  return Status::ok();
}

// A descriptor of the snapshot for each thread of the pool that there is or will be.
Status Shard::duplicateForPool(const Snapshot& next, int fd, std::vector<int>* copies) {
  if (!pool_.has_value() && next.tlsCount() == 0) return Status::ok();
  for (u32 i = 0; i < options_.handshakeThreads; i++) {
    const int copy = sys::duplicate(fd);
    if (copy < 0) {
      for (const int made : *copies) sys::close(made);
      return Status::fromErrno(-copy);
    }
    copies->push_back(copy);
  }
  return Status::ok();
}

// Configs, ciphers and memory for TLS, once a snapshot asks for it.
Status Shard::prepareTls(const Snapshot& next) {
  if (Status status = tlsTable_.apply(next); !status.isOk()) return status;
  if (next.tlsCount() == 0 || records_.has_value()) return Status::ok();
  if (Status status = tlsConns_.reserve(connsMax()); !status.isOk()) return status;
  tlsConns_.excludeFromDumps();
  for (u32 i = 0; i < kRecordClasses; i++) {
    const Status status = recordPools_[i].reserve(kRecordSlotBytes[i], connsMax());
    if (!status.isOk()) return status;
    recordPools_[i].excludeFromDumps();
  }
  tlsAt_ = static_cast<u32*>(sys::reserve(sideTableBytes()));
  sealScratch_ = static_cast<u8*>(sys::reserve(kSealScratchBytes));
  plainScratch_ = static_cast<u8*>(sys::reserve(kScratchBytes));
  const bool hasMemory = tlsAt_ != nullptr && sealScratch_ != nullptr && plainScratch_ != nullptr;
  if (!hasMemory) return Status::fromErrno(ENOMEM);
  records_.emplace(*tlsTable_.ciphers());
  if (options_.handshakeThreads != 0) {
    pool_.emplace(options_.tls, block_->wakeFd.load(kRelaxed));
    pool_->start(options_.handshakeThreads);
  }
  return Status::ok();
}

const ListenerSpec* Shard::findListener(u32 id) const {
  if (id >= kListenersMax || listenerAt_[id] == kNoIndex) return nullptr;
  return &snapshot_.listener(listenerAt_[id]);
}

u32 Shard::findCluster(u32 id) const { return id < kClustersMax ? clusterAt_[id] : kNoIndex; }

void Shard::stop() {
  if (isStopped_) return;
  nowNs_ = sys::nowNs();
  for (u32 i = 0; i < tunnels_.touched(); i++) {
    const Tunnel& tunnel = tunnels_[i];
    const bool isLive = tunnel.state != TunnelState::kClosed && tunnel.downstream != kNoIndex;
    // What is on its way to its end has its reason.
    const bool isEnding =
        tunnel.state == TunnelState::kFlushing || tunnel.state == TunnelState::kLingering;
    if (isLive) close(i, isEnding ? tunnel.reason : CloseReason::kShardStopped, How::kReset);
  }
  while (established_.count() > 0) runTask(established_.pop());
  while (exchanges_.count() > 0) runTask(exchanges_.pop());
  while (steps_.count() > 0) runTask(steps_.pop());
  while (hellos_.count() > 0) runTask(hellos_.pop());
  closeUnused();
  if (pooledTunnel_ != kNoIndex) wheel_.disarm(pooledTunnel_);
  freeClosed();
  MailboxMessage message;
  while (board_.mailbox(options_.index).pop(&message)) {
    bump(count(message.listener, ListenerCounter::kOpened));
    refuse(message, CloseReason::kShardStopped);
  }
  publish();
  isStopped_ = true;
  sys::close(timerFd_);
  sys::close(epollFd_);
  timerFd_ = -1;
  epollFd_ = -1;
}

bool Shard::kill(Handle handle) {
  const Tunnel* tunnel = tunnels_.resolve(handle);
  if (tunnel == nullptr || tunnel->state >= TunnelState::kPooled) return false;
  close(handle.index, CloseReason::kKilled, How::kReset);
  // Not inside a turn: the record is freed by the next one.
  (void)sys::eventSignal(block_->wakeFd.load(kRelaxed));
  return true;
}

void Shard::assertConserved() {
  u32 live = 0;
  for (u32 i = 0; i < tunnels_.touched(); i++) {
    const Tunnel& tunnel = tunnels_[i];
    if (tunnel.state == TunnelState::kClosed) continue;
    HF_ASSERT(TimerWheel<TimerOf>::isArmed(tunnel.timer));
    live++;
  }
  HF_ASSERT(live == wheel_.count());
  HF_ASSERT(live <= tunnels_.inUse());
  u32 secured = 0;
  for (u32 i = 0; i < conns_.touched(); i++) {
    const Conn& conn = conns_[i];
    if ((conn.flags & kConnOpen) != 0 && (conn.flags & kConnTls) != 0) secured++;
  }
  HF_ASSERT(secured == tlsConns_.inUse());
  if (httpAt_ != nullptr) assertHttpConserved();
  if (logged_ != nullptr) assertLoggedConserved();
  assertThrottlesConserved();
  wheel_.assertConserved();
}

}  // namespace holdfast::proxy
