// Throttled tunnels: reading waits while the buckets of filters that limit bytes are empty, and the
// rest is the back-pressure of TCP.
//
// Where a bucket has enough, what was read is charged behind the read. Where it has not, a quantum
// is paid for ahead, and the timer of the tunnel wakes its reader when the bucket no longer owes
// it: so many readers of one bucket have their turns one after another, and nobody polls.
// Invariant: who waits has no kConnReadable, and gets it back when the wait ends, whatever ends it.
// Does not refuse, close or drop anything; a deadline does not come because of a wait alone.
#include <algorithm>
#include <new>

#include "proxy/http_request.h"
#include "proxy/shard.h"

namespace holdfast::proxy {
namespace {

constexpr u64 kTickNs = u64{kTickMs} * 1'000'000;

u32 indexOf(Side side) { return side == Side::kDownstream ? 0 : 1; }

bool limits(const policy::LimitHold& hold, Side from) {
  return (hold.directions >> indexOf(from) & 1) != 0;
}

// What a bucket brings in a tick of the wheel, at least kThrottleBytesMin, at most one read.
u32 quantumOf(const policy::LimitHold& hold) {
  constexpr u64 kTicksOfBucket = u64{kTickMs} * kBucketTicksPerMs;
  const u64 bytes = (kTicksOfBucket << kBucketFractionBits) / hold.rate.ticksPerToken;
  return static_cast<u32>(std::clamp<u64>(bytes, policy::kThrottleBytesMin, kScratchBytes));
}

}  // namespace

Throttle* Shard::throttleOf(u32 tunnel) {
  const u32 slot = throttleAt_[tunnel];
  return slot == 0 ? nullptr : reinterpret_cast<Throttle*>(throttlePool_.at(slot - 1));
}

// True while reading from that side waits for tokens.
bool Shard::isThrottled(u32 tunnel, Side from) {
  if (tunnels_[tunnel].bufferHigh != 0) return false;
  const Throttle* throttle = throttleOf(tunnel);
  return throttle != nullptr && throttle->directions[indexOf(from)].wakeTick != 0;
}

u32 Shard::bufferHighOf(u32 tunnel) {
  const u32 high = tunnels_[tunnel].bufferHigh;
  const Throttle* throttle = high == 0 ? throttleOf(tunnel) : nullptr;
  return throttle == nullptr ? high : throttle->bufferHigh;
}

// Adds the limits of bytes of a place.
void Shard::findThrottles(const policy::PolicyList& list, const policy::Facts& facts,
                          Throttle* throttle) {
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  const std::span<policy::LimitHold> room =
      std::span(throttle->holds).subspan(throttle->count).first(policy::kLimitHoldsMax);
  throttle->count += list.findLimits(policy::Counted::kBytes, facts, tools, room);
}

// From here on the tunnel is throttled.
void Shard::beginThrottle(u32 tunnel, Throttle& throttle) {
  Tunnel& record = tunnels_[tunnel];
  for (const Side from : {Side::kDownstream, Side::kUpstream}) {
    Throttle::Direction& direction = throttle.directions[indexOf(from)];
    for (const policy::LimitHold& hold : std::span(throttle.holds, throttle.count)) {
      if (!limits(hold, from)) continue;
      const u32 quantum = quantumOf(hold);
      direction.quantum = direction.quantum == 0 ? quantum : std::min(direction.quantum, quantum);
    }
  }
  throttle.bufferHigh = record.bufferHigh;
  const u32 slot = throttlePool_.take();  // as many as tunnels
  ::new (throttlePool_.at(slot)) Throttle(throttle);
  throttleAt_[tunnel] = slot + 1;
  record.bufferHigh = 0;
}

// A connection without HTTP is about to be used.
void Shard::throttleConnection(u32 tunnel, const policy::PolicyList& list) {
  Throttle throttle;
  findThrottles(list, factsOf(tunnel), &throttle);
  if (throttle.count != 0) beginThrottle(tunnel, throttle);
}

// A request is about to be routed; `total` bytes of the scratch begin with its head. Its head, what
// came with it, and the first bytes of its response are paid for here. False when it waits.
bool Shard::throttleRequest(const Request& request, size_t total) {
  if (throttleOf(request.tunnel) != nullptr) return true;
  Throttle throttle;
  for (const TextSpec& spec : {request.listener->policies, request.route->policies}) {
    policy::PolicyList list;
    list.attachChecked(snapshot_.policies(spec));
    if (!list.limits(policy::Counted::kBytes)) continue;
    findThrottles(list, factsOf(request), &throttle);
  }
  if (throttle.count == 0) return true;
  beginThrottle(request.tunnel, throttle);
  const http1::Head& head = *request.head;
  u64 content = total - head.length;
  if (head.hasLength) content = std::min(content, head.contentLength);
  if (head.bodyKind == http1::BodyKind::kNone) content = 0;
  const u64 waitNs =
      std::max(chargeThrottle(request.tunnel, Side::kDownstream, head.length + content),
               chargeThrottle(request.tunnel, Side::kUpstream, policy::kThrottleBytesMin));
  Throttle::Direction& response = throttleOf(request.tunnel)->directions[1];
  if (response.quantum != 0) response.allowance = policy::kThrottleBytesMin;
  if (waitNs == 0) return true;
  bump(count(ShardCounter::kThrottles));
  bump(count(ShardCounter::kThrottledNs), waitNs);
  return holdUp(request, static_cast<u32>(waitNs / 1'000'000 + 1), total);
}

// Takes bytes of a direction from all its buckets. Returns for how long they owe.
u64 Shard::chargeThrottle(u32 tunnel, Side from, u64 bytes) {
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  const Throttle& throttle = *throttleOf(tunnel);
  u64 waitNs = 0;
  for (const policy::LimitHold& hold : std::span(throttle.holds, throttle.count)) {
    if (!limits(hold, from)) continue;
    waitNs = std::max(waitNs, policy::chargeTo(hold, tools, bytes, nowNs_));
  }
  return waitNs;
}

// How many bytes may be read from `conn` now. 0: its tunnel's timer wakes it when there are some.
u32 Shard::grantFor(u32 conn) {
  const u32 tunnel = conns_[conn].tunnel;
  const Side from = conns_[conn].side;
  const Throttle& throttle = *throttleOf(tunnel);
  Throttle::Direction& direction = throttleOf(tunnel)->directions[indexOf(from)];
  if (direction.quantum == 0) return kScratchBytes;
  if (direction.wakeTick != 0) {
    // An event came meanwhile.
    Conn& source = conns_[conn];
    source.flags = static_cast<u16>(source.flags & ~kConnReadable);
    if ((source.flags & kConnError) == 0) return 0;
    // Nobody waits for the answer of a client that reset; a tunnel ends when nothing moves.
    if (!isHttp(tunnel)) {
      rearm(tunnel);
    } else if (from == Side::kDownstream) {
      queue(conn);
    }
    return 0;
  }
  if (direction.allowance != 0) return direction.allowance;
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  u64 left = kScratchBytes;
  u64 waitNs = 0;
  for (const policy::LimitHold& hold : std::span(throttle.holds, throttle.count)) {
    if (!limits(hold, from)) continue;
    const policy::BytesLeft now = policy::bytesLeft(hold, tools, nowNs_);
    left = std::min(left, now.bytes);
    waitNs = std::max(waitNs, now.waitNs);
  }
  if (left >= direction.quantum) return static_cast<u32>(left);
  constexpr u64 kWaitNsMax = u64{kThrottleWaitMs} * 1'000'000;
  if (waitNs < kWaitNsMax) {
    waitNs = chargeThrottle(tunnel, from, direction.quantum);
    direction.allowance = direction.quantum;
    if (waitNs == 0) return direction.quantum;
  }
  waitForTokens(conn, direction, std::min(waitNs, kWaitNsMax));
  return 0;
}

void Shard::waitForTokens(u32 conn, Throttle::Direction& direction, u64 waitNs) {
  Conn& source = conns_[conn];
  const u32 tunnel = source.tunnel;
  source.flags = static_cast<u16>(source.flags & ~kConnReadable);
  direction.wakeTick = nowTick_ + static_cast<u32>((waitNs + kTickNs - 1) / kTickNs);
  if (direction.wakeTick == 0) direction.wakeTick = 1;
  direction.sinceNs = nowNs_;
  throttled_++;
  count(ShardCounter::kThrottled).store(throttled_, std::memory_order_relaxed);
  bump(count(ShardCounter::kThrottles));
  if (!isHttp(tunnel)) return rearm(tunnel);
  if (source.side == Side::kDownstream) exchangeOf(tunnel).flags |= kExHeldBack;
  armHttp(tunnel);
}

// Takes up to `most` bytes that were paid for.
u32 Shard::takeAllowance(u32 conn, u64 most) {
  const u32 side = indexOf(conns_[conn].side);
  Throttle::Direction& direction = throttleOf(conns_[conn].tunnel)->directions[side];
  const u32 taken = static_cast<u32>(std::min<u64>(most, direction.allowance));
  direction.allowance -= taken;
  return taken;
}

// `bytes` were read, of which `paid` were paid for: the others are charged, or some are left. Of a
// tunnel that ended meanwhile nothing is.
void Shard::settleAllowance(u32 conn, u32 paid, u64 bytes) {
  const u32 tunnel = conns_[conn].tunnel;
  const Side from = conns_[conn].side;
  Throttle* throttle = throttleOf(tunnel);
  if (throttle == nullptr) return;
  if (bytes > paid) {
    (void)chargeThrottle(tunnel, from, bytes - paid);
  } else {
    throttle->directions[indexOf(from)].allowance += paid - static_cast<u32>(bytes);
  }
}

// `bytes` of a message were read.
void Shard::spendThrottle(u32 conn, u64 bytes) {
  settleAllowance(conn, takeAllowance(conn, bytes), bytes);
}

// A read of a tunnel with HTTP whose sink is full, or that is throttled. True when up to `room`
// bytes may be read.
bool Shard::mayFill(u32 conn, const Conn& sink, u32* room) {
  const u32 tunnel = conns_[conn].tunnel;
  const u32 high = bufferHighOf(tunnel);
  if (sink.pending.bytes >= high) {
    pauseFor(conn);
    return false;
  }
  u32 granted = 0;
  const bool isHead =
      conns_[conn].side == Side::kUpstream && (exchangeOf(tunnel).flags & kExAnswered) == 0;
  const u32 quantum = isHead ? throttleOf(tunnel)->directions[1].quantum : 0;
  if (quantum != 0) {
    // The endpoint's time to answer runs: its head is charged, and not held back.
    const u32 allowance = throttleOf(tunnel)->directions[1].allowance;
    granted = std::max(allowance, static_cast<u32>(policy::kThrottleBytesMin));
  } else {
    granted = grantFor(conn);
  }
  *room = std::min({*room, granted, sink.pending.isEmpty() ? kScratchBytes : high});
  return granted != 0;
}

// The timer of a throttled tunnel: whoever waited for long enough reads on. While somebody waits
// the connection is not idle: the gateway holds it back.
void Shard::wakeThrottled(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Throttle* throttle = throttleOf(tunnel);
  if (throttle == nullptr) return;
  bool isWaiting = false;
  for (const Side from : {Side::kDownstream, Side::kUpstream}) {
    Throttle::Direction& direction = throttle->directions[indexOf(from)];
    if (direction.wakeTick == 0) continue;
    isWaiting = true;
    const bool isClient = from == Side::kDownstream;
    if (isClient && isHttp(tunnel)) exchangeOf(tunnel).flags |= kExHeldBack;
    if (isClient && hasFrames(record)) putOffPong(tunnel);
    if (isTickBefore(nowTick_, direction.wakeTick)) continue;
    endWait(direction, isClient ? record.downstream : record.upstream);
  }
  constexpr u16 kAbnormal = kConnError | kConnBroken;
  u16 flags = conns_[record.downstream].flags;
  if (record.upstream != kNoIndex) flags |= conns_[record.upstream].flags;
  if (isWaiting && (flags & kAbnormal) == 0) record.lastActiveTick = nowTick_;
}

void Shard::endWait(Throttle::Direction& direction, u32 conn) {
  direction.wakeTick = 0;
  throttled_--;
  count(ShardCounter::kThrottled).store(throttled_, std::memory_order_relaxed);
  bump(count(ShardCounter::kThrottledNs), nowNs_ - direction.sinceNs);
  if (conn == kNoIndex || (conns_[conn].flags & kConnOpen) == 0) return;
  conns_[conn].flags |= kConnReadable;
  queue(conn);
}

// The pong may lie in what is not read yet.
void Shard::putOffPong(u32 tunnel) {
  TunnelFrames& frames = tunnels_[tunnel].frames;
  const bool isDue = (frames.flags & kFramesPinged) != 0 && frames.pingTick != 0 &&
                     !isTickBefore(nowTick_, frames.pingTick);
  if (isDue) frames.pingTick = nowTick_ + ticksOf(settingsOf(tunnels_[tunnel]).spec.pongMs);
}

// The next end of a wait; 0: nobody waits.
u32 Shard::throttleTick(u32 tunnel) {
  const Throttle* throttle = throttleOf(tunnel);
  if (throttle == nullptr) return 0;
  const u32 client = throttle->directions[0].wakeTick;
  const u32 endpoint = throttle->directions[1].wakeTick;
  if (client == 0 || endpoint == 0) return client | endpoint;
  return isTickBefore(client, endpoint) ? client : endpoint;
}

// The connection, the request or the WebSocket is over, or is being ended: what is left of it is
// not held back.
void Shard::endThrottle(u32 tunnel) {
  Throttle* throttle = throttleOf(tunnel);
  if (throttle == nullptr) return;
  Tunnel& record = tunnels_[tunnel];
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  for (const Side from : {Side::kDownstream, Side::kUpstream}) {
    Throttle::Direction& direction = throttle->directions[indexOf(from)];
    if (direction.wakeTick != 0) {
      endWait(direction, from == Side::kDownstream ? record.downstream : record.upstream);
    }
    if (direction.allowance == 0) continue;
    for (const policy::LimitHold& hold : std::span(throttle->holds, throttle->count)) {
      if (limits(hold, from)) policy::refundTo(hold, tools, direction.allowance, nowNs_);
    }
  }
  record.bufferHigh = throttle->bufferHigh;
  throttlePool_.release(throttleAt_[tunnel] - 1);
  throttleAt_[tunnel] = 0;
}

Status Shard::prepareThrottles() {
  const u32 tunnels = tunnelsMax() + 1;
  if (Status status = throttlePool_.reserve(sizeof(Throttle), tunnels); !status.isOk()) {
    return status;
  }
  throttleAt_ = static_cast<u32*>(sys::reserve(sizeof(u32) * (size_t{tunnels} + 1)));
  return throttleAt_ == nullptr ? Status::fromErrno(ENOMEM) : Status::ok();
}

void Shard::assertThrottlesConserved() {
  u32 held = 0;
  u32 waiting = 0;
  for (u32 i = 0; i < tunnels_.touched(); i++) {
    const Throttle* throttle = throttleOf(i);
    if (throttle == nullptr) continue;
    const Tunnel& tunnel = tunnels_[i];
    HF_ASSERT(tunnel.bufferHigh == 0 && tunnel.state < TunnelState::kPooled);
    held++;
    for (const u32 side : {0u, 1u}) {
      const Throttle::Direction& direction = throttle->directions[side];
      if (direction.wakeTick == 0) continue;
      waiting++;
      const bool isRunning =
          tunnel.state == TunnelState::kOpen || tunnel.state == TunnelState::kHttp;
      const u32 expiry = tunnel.timer.expiryTick;
      HF_ASSERT(!isRunning || !isTickBefore(std::max(direction.wakeTick, nowTick_ + 1), expiry));
    }
  }
  HF_ASSERT(held == throttlePool_.inUse());
  HF_ASSERT(waiting == throttled_);
}

}  // namespace holdfast::proxy
