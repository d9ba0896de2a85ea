// How tunnels end: deadlines, FIN on both sides, resets that wait for bytes under way, and closing.
//
// The last stop of every path through a shard. Invariant: a tunnel is counted, logged and given
// back exactly once, in close(); an abnormal end is never shown to the other side as a clean one.
#include <algorithm>
#include <cerrno>

#include "proxy/access_record.h"
#include "proxy/shard.h"

namespace holdfast::proxy {
namespace {

bool isDue(u32 tick, u32 now) { return tick != 0 && !isTickBefore(now, tick); }

// Why a side ended abnormally.
CloseReason reasonOf(Side side, int error) {
  const bool isClient = side == Side::kDownstream;
  if (error == EPROTO) return isClient ? CloseReason::kClientTls : CloseReason::kEndpointTls;
  if (error == ENODATA) {
    return isClient ? CloseReason::kClientTruncated : CloseReason::kEndpointTruncated;
  }
  if (error == ETIMEDOUT || error == EHOSTUNREACH) {
    return isClient ? CloseReason::kClientTimeout : CloseReason::kEndpointTimeout;
  }
  return isClient ? CloseReason::kClientReset : CloseReason::kEndpointReset;
}

}  // namespace

void Shard::enterState(u32 tunnel, TunnelState state, u32 deadlineTicks) {
  Tunnel& record = tunnels_[tunnel];
  record.state = state;
  record.deadlineTick = nowTick_ + std::max(deadlineTicks, 1u);
  wheel_.arm(tunnel, record.deadlineTick);
}

// Arms the nearest deadline of an open tunnel. Traffic moves none of them: when the wheel fires,
// what is really due is computed from lastActiveTick.
void Shard::rearm(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  if (record.state != TunnelState::kOpen) return;
  u32 next = nowTick_ + TimerWheel<TimerOf>::kTicksMax / 2;
  const auto consider = [&](u32 tick) {
    if (tick != 0 && isTickBefore(tick, next)) next = tick;
  };
  const u32 flags = conns_[record.downstream].flags | conns_[record.upstream].flags;
  if ((flags & kConnEof) != 0 && record.halfCloseTicks != 0) {
    consider(record.lastActiveTick + record.halfCloseTicks);
  }
  if ((flags & (kConnError | kConnBroken)) != 0)
    consider(record.lastActiveTick + ticksOf(kFlushMs));
  if (record.idleTicks != 0) consider(record.lastActiveTick + record.idleTicks);
  if (record.flags & kTunnelOptionsDue) consider(record.openedTick + ticksOf(kOptionsDueMs));
  consider(record.ageTick);
  consider(record.drainTick);
  consider(record.accessTick);
  if (hasFrames(record)) consider(record.frames.pingTick);
  if (record.bufferHigh == 0) consider(throttleTick(tunnel));
  wheel_.arm(tunnel, next);
}

void Shard::fireTimer(u32 tunnel) {
  switch (tunnels_[tunnel].state) {
    case TunnelState::kHeader:
      return close(tunnel, CloseReason::kProxyHeaderTimeout, How::kReset);
    case TunnelState::kFiltering:
      return close(tunnel, CloseReason::kFilter, How::kReset);
    case TunnelState::kHello:
    case TunnelState::kHandshake:
      bump(count(tunnels_[tunnel].listener, ListenerCounter::kTlsFailed));
      return close(tunnel, CloseReason::kHandshakeTimeout, How::kReset);
    case TunnelState::kConnecting:
    case TunnelState::kEndpointHandshake:
      if (isHttp(tunnel) && ticksLeft(tunnel) == 0) return expireConnect(tunnel);
      return failConnect(tunnel, ETIMEDOUT);
    case TunnelState::kOpen:
      return fireOpen(tunnel);
    case TunnelState::kHttp:
      return fireHttp(tunnel);
    case TunnelState::kPooled:
      return sweepUnused();
    case TunnelState::kMirror:
      return fireMirror(tunnel);
    case TunnelState::kFlushing:
      return tryEndFlush(tunnel);
    case TunnelState::kLingering:
      if (!isDue(tunnels_[tunnel].deadlineTick, nowTick_)) return endCuts(tunnel);
      return close(tunnel, tunnels_[tunnel].reason, How::kReset);
    case TunnelState::kClosed:
      return;
  }
}

void Shard::fireOpen(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  if (record.bufferHigh == 0) wakeThrottled(tunnel);
  if (hasFrames(record) && fireFrames(tunnel)) return;
  if (isDue(record.drainTick, nowTick_)) {
    return endOpen(tunnel, CloseReason::kDrained, codec::kCloseServiceRestart);
  }
  if (isDue(record.ageTick, nowTick_)) {
    return endOpen(tunnel, CloseReason::kMaxAge, codec::kCloseGoingAway);
  }
  if (isDue(record.lastActiveTick + ticksOf(kFlushMs), nowTick_)) {
    if (endAbnormal(record.downstream) || endAbnormal(record.upstream)) return;
  }
  const u32 flags = conns_[record.downstream].flags | conns_[record.upstream].flags;
  if ((flags & kConnEof) != 0 && record.halfCloseTicks != 0 &&
      isDue(record.lastActiveTick + record.halfCloseTicks, nowTick_)) {
    return close(tunnel, CloseReason::kHalfCloseTimeout, How::kReset);
  }
  if (record.idleTicks != 0 && isDue(record.lastActiveTick + record.idleTicks, nowTick_)) {
    // Bytes that a reader did not take are lost here: no FIN may say that they were all.
    const bool isWhole = conns_[record.downstream].pending.isEmpty() &&
                         conns_[record.upstream].pending.isEmpty() &&
                         (flags & (kConnPaused | kConnBlocked)) == 0;
    if (isWhole && hasFrames(record)) {
      return endFrames(tunnel, CloseReason::kIdleTimeout, codec::kCloseGoingAway);
    }
    return close(tunnel, CloseReason::kIdleTimeout, isWhole ? How::kFin : How::kReset);
  }
  if ((record.flags & kTunnelOptionsDue) &&
      isDue(record.openedTick + ticksOf(kOptionsDueMs), nowTick_)) {
    setUpstreamOptions(tunnel);
  }
  if (isDue(record.accessTick, nowTick_)) {
    writeAccessRecord(tunnel, false);
    armAccessRecord(tunnel);
  }
  rearm(tunnel);
}

// Our own end of an open tunnel: said with a close frame where there are frames.
void Shard::endOpen(u32 tunnel, CloseReason reason, u16 code) {
  if (hasFrames(tunnels_[tunnel])) return endFrames(tunnel, reason, code);
  linger(tunnel, reason);
}

// Ends the tunnel of a side that ended abnormally; called when nobody took its last bytes for
// kFlushMs. False when it did not.
bool Shard::endAbnormal(u32 conn) {
  Conn& record = conns_[conn];
  int error = record.brokenErrno;
  if ((record.flags & kConnBroken) == 0) {
    if ((record.flags & kConnError) == 0) return false;
    record.flags = static_cast<u16>(record.flags & ~kConnError);
    error = sys::takeSocketError(record.fd);
    if (error <= 0) return false;
  }
  close(record.tunnel, reasonOf(record.side, error), How::kReset);
  return true;
}

// Closes the tunnel when both ends have finished and every byte is with the kernel.
void Shard::finishIfDone(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  const Conn& down = conns_[record.downstream];
  const Conn& up = conns_[record.upstream];
  if ((down.flags & up.flags & kConnEof) == 0) return;
  if (!down.pending.isEmpty() || !up.pending.isEmpty()) return;
  // Who is to get RST must not get FIN.
  if (isCutOff(tunnel, Side::kDownstream) || isCutOff(tunnel, Side::kUpstream)) return;
  // A close_notify that the kernel does not take at once is waited for as bytes are.
  bool isSaid = true;
  for (const u32 index : {record.downstream, record.upstream}) {
    Conn& conn = conns_[index];
    constexpr u16 kOver = kConnFinSent | kConnBroken;
    if ((conn.flags & kConnTls) == 0 || (conn.flags & kOver) != 0 || closeNotify(index)) continue;
    conn.flags |= kConnFinDue;
    isSaid = false;
  }
  if (!isSaid) return;
  if (record.state == TunnelState::kLingering) return close(tunnel, record.reason, How::kFin);
  const bool isClientFirst = (record.flags & kTunnelClientFirst) != 0;
  close(tunnel, isClientFirst ? CloseReason::kClientClosed : CloseReason::kEndpointClosed,
        How::kFin);
}

// `conn` ended abnormally and all it sent was read. The other side gets what is under way, then
// RST.
void Shard::relayReset(u32 conn, int error) {
  Conn& record = conns_[conn];
  const u32 tunnel = record.tunnel;
  Tunnel& owner = tunnels_[tunnel];
  if (isCutOff(tunnel, record.side)) {
    record.flags |= kConnBroken;
    return endCuts(tunnel);
  }
  if (owner.state == TunnelState::kLingering) return close(tunnel, owner.reason, How::kReset);
  owner.reason = reasonOf(record.side, error);
  const u32 other = peerIndex(record);
  // An alert that we sent must not be overtaken by a reset.
  closeConn(conn, error == EPROTO ? How::kFin : How::kReset);
  Conn& peer = conns_[other];
  const bool isGone = (peer.flags & (kConnBroken | kConnError)) != 0;
  if (isGone || (peer.flags & kConnOpen) == 0) return close(tunnel, owner.reason, How::kReset);
  // Nobody reads from the peer any more: a pause would only count time.
  if (peer.flags & kConnPaused) paused_--;
  peer.flags = static_cast<u16>(peer.flags & ~(kConnPaused | kConnBlocked));
  enterState(tunnel, TunnelState::kFlushing, ticksOf(kFlushMs));
  tryEndFlush(tunnel);
}

// Waits until the surviving side has everything that came before the reset: an RST would throw away
// what the kernel has not delivered yet.
void Shard::tryEndFlush(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  const u32 survivor =
      (conns_[record.downstream].flags & kConnOpen) ? record.downstream : record.upstream;
  Conn& conn = conns_[survivor];
  if ((conn.flags & kConnError) || isDue(record.deadlineTick, nowTick_)) {
    return close(tunnel, record.reason, How::kReset);
  }
  while (!conn.pending.isEmpty() && (conn.flags & kConnWritable)) {
    HF_UNINITIALIZED iovec parts[kChunksPerSend];
    const int count = chunks_.gather(conn.pending, parts);
    const IoResult result = sys::sendVector(conn.fd, parts, count);
    if (result.kind == IoResult::Kind::kFailed) return close(tunnel, record.reason, How::kReset);
    if (result.kind != IoResult::Kind::kDone) {
      conn.flags = static_cast<u16>(conn.flags & ~kConnWritable);
      break;
    }
    chunks_.consume(conn.pending, result.bytes);
  }
  if (conn.pending.isEmpty() && sys::bytesUnacknowledged(conn.fd) <= 0) {
    return close(tunnel, record.reason, How::kReset);
  }
  const u32 poll = nowTick_ + ticksOf(kFlushPollMs);
  wheel_.arm(tunnel, isTickBefore(poll, record.deadlineTick) ? poll : record.deadlineTick);
}

// Our own end of an open tunnel: FIN to both sides behind what is pending, then the peers have
// kLingerMs to finish theirs. Closing at once would turn bytes under way into a reset.
void Shard::linger(u32 tunnel, CloseReason reason) {
  Tunnel& record = tunnels_[tunnel];
  record.reason = reason;
  if (record.bufferHigh == 0) endThrottle(tunnel);
  enterState(tunnel, TunnelState::kLingering, ticksOf(kLingerMs));
  for (const u32 index : {record.downstream, record.upstream}) {
    Conn& conn = conns_[index];
    if (conn.flags & kConnPaused) paused_--;
    conn.flags = static_cast<u16>(conn.flags & ~(kConnPaused | kConnBlocked));
    if ((conn.flags & kConnFinSent) == 0) {
      if (conn.pending.isEmpty()) {
        sendFin(index);
      } else {
        conn.flags |= kConnFinDue;
      }
    }
    queue(index);
  }
}

void Shard::closeConn(u32 conn, How how) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnOpen) == 0) return;
  if (record.flags & kConnPaused) paused_--;
  if (record.flags & kConnTls) endTls(conn, how);
  if (!record.pending.isEmpty()) chunks_.clear(record.pending);
  if (how == How::kReset) (void)sys::armReset(record.fd);
  sys::close(record.fd);
  record.fd = -1;
  // That there are frames is a mark of the tunnel, until its end.
  record.flags = static_cast<u16>(record.flags & (kConnQueued | kConnFrames));
}

void Shard::close(u32 tunnel, CloseReason reason, How how) {
  Tunnel& record = tunnels_[tunnel];
  if (record.state == TunnelState::kClosed) return;
  if (isMirror(tunnel)) return endMirror(tunnel, ClusterHttpCounter::kMirrorsCut);
  record.reason = reason;
  if (isHttp(tunnel)) {
    endHttp(tunnel);
  } else if (hasFrames(record)) {
    releaseFrames(tunnel);
  } else {
    writeAccessRecord(tunnel, true);
  }
  record.state = TunnelState::kClosed;
  wheel_.disarm(tunnel);
  closeConn(record.downstream, how);
  if (record.upstream != kNoIndex) closeConn(record.upstream, how);
  if (record.bufferHigh == 0) endThrottle(tunnel);
  leaveEndpoint(tunnel);
  if (filters_ != nullptr) endConnection(tunnel);
  if (logged_ != nullptr) endLogged(tunnel);
  if (record.flags & kTunnelAddressHeld) (void)board_.addresses().release(record.addressKey);
  countClosed(record.listener, reason);
  record.link = closedHead_;
  closedHead_ = tunnel;
}

// The next record of a connection that lives on. The interval is the log's, so the present one.
void Shard::armAccessRecord(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  const ListenerSpec* listener = findListener(record.listener);
  const bool isAsked = listener != nullptr && listener->accessIntervalMs != 0;
  record.accessTick = isAsked ? nowTick_ + ticksOf(listener->accessIntervalMs) : 0;
}

void Shard::writeAccessRecord(u32 tunnel, bool isEnd) {
  const Tunnel& record = tunnels_[tunnel];
  if ((record.flags & kTunnelAccessLog) == 0) return;
  if (hasFrames(record)) return writeTunnelRecord(tunnel, RecordEvent::kInterval, HttpEnd::kOk);
  AccessRecord line;
  line.isEnd = isEnd;
  line.unixMs = sys::realtimeMs();
  line.shard = options_.index;
  line.handle = tunnels_.handleOf(tunnel);
  line.listener = board_.listener(record.listener).name;
  line.cluster = board_.cluster(record.cluster).name;
  line.endpoint = record.endpoint == kNoIndex ? "" : board_.endpoint(record.endpoint).display;
  line.client = record.client;
  line.bytesFromClient = conns_[record.downstream].bytesIn;
  line.bytesFromEndpoint = conns_[record.upstream].bytesIn;
  line.durationMs = u64{nowTick_ - record.openedTick} * kTickMs;
  line.connectMicros = (record.flags & kTunnelEstablished) ? record.connectMicros : 0;
  line.reason = record.reason;
  const Conn& client = conns_[record.downstream];
  const bool isTls = (client.flags & kConnTls) != 0 && tlsOf(record.downstream).facts != kNoIndex;
  if (isTls) {
    line.isTls = true;
    line.isTlsResumed = (tlsOf(record.downstream).flags & kTlsResumed) != 0;
    line.tls = facts_.view(tlsOf(record.downstream).facts);
  }
  line.tlsError = tlsError_;
  HF_UNINITIALIZED codec::LogFields fields;
  if (logged_ != nullptr) readLogged(tunnel, kNoIndex, &fields);
  line.fields = fields.packed();
  HF_UNINITIALIZED char text[kAccessRecordMax];
  const u32 length = formatAccessRecord(line, text, sizeof(text));
  const bool isKept = board_.log(options_.index).push(text, length);
  bump(count(isKept ? ShardCounter::kAccessRecords : ShardCounter::kAccessDropped));
}

u32 Shard::drain(u32 overMs) {
  isDraining_ = true;
  nowNs_ = sys::nowNs();
  drainStartTick_ = static_cast<u32>((nowNs_ - startNs_) / (kTickMs * 1'000'000ull)) + 1;
  drainTicks_ = ticksOf(overMs);
  drainCursor_ = 0;
  wake();
  return tunnels();
}

void Shard::undrain() {
  isDraining_ = false;
  drainCursor_ = 0;  // the same walk takes the times back
  wake();
}

// Gives each tunnel its random moment within the drain, a bounded number of slots per turn.
void Shard::spreadDrain() {
  enter(Activity::kDrain);
  const u32 end = std::min(drainCursor_ + kDrainSlotsMax, tunnels_.touched());
  for (; drainCursor_ < end; drainCursor_++) {
    Tunnel& tunnel = tunnels_[drainCursor_];
    if (tunnel.state == TunnelState::kClosed) continue;
    if (isDraining_ && isMirror(drainCursor_)) {
      endMirror(drainCursor_, ClusterHttpCounter::kMirrorsCut);
      continue;
    }
    tunnel.drainTick = isDraining_ ? drainStartTick_ + 1 + random_.below(drainTicks_ + 1) : 0;
    if (tunnel.state == TunnelState::kOpen) rearm(drainCursor_);
    if (tunnel.state == TunnelState::kHttp) armHttp(drainCursor_);
  }
  if (drainCursor_ >= tunnels_.touched()) drainCursor_ = kNoIndex;
}

u32 Shard::cutDrained(u32 cursor, u32* ended) {
  enter(Activity::kDrain);
  nowNs_ = sys::nowNs();
  nowTick_ = static_cast<u32>((nowNs_ - startNs_) / (kTickMs * 1'000'000ull)) + 1;
  const u32 end = std::min(cursor + kDrainSlotsMax, tunnels_.touched());
  for (; cursor < end; cursor++) {
    if (cutTunnel(cursor)) (*ended)++;
  }
  // Not inside a turn: what was queued or closed here is for the next one.
  wake();
  enter(Activity::kIdle);
  return cursor < tunnels_.touched() ? cursor : kNoIndex;
}

// True when there is something for its peer to read still. One that flushes or lingers ends by
// itself.
bool Shard::cutTunnel(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  if (isMirror(tunnel)) {
    endMirror(tunnel, ClusterHttpCounter::kMirrorsCut);
    return false;
  }
  switch (record.state) {
    case TunnelState::kHeader:
    case TunnelState::kFiltering:
    case TunnelState::kHello:
    case TunnelState::kHandshake:
      close(tunnel, CloseReason::kDrained, How::kReset);
      return false;
    case TunnelState::kConnecting:
    case TunnelState::kEndpointHandshake:
    case TunnelState::kHttp:
      if (!isHttp(tunnel)) {
        close(tunnel, CloseReason::kDrained, How::kReset);
        return false;
      }
      if (httpOf(tunnel).exchange == kNoIndex) {
        lingerHttp(tunnel, CloseReason::kDrained);
      } else {
        cutExchange(tunnel);
      }
      return true;
    case TunnelState::kOpen:
      // A frame that did not come to its end within the grace has no other end.
      if (hasFrames(record) && (record.frames.flags & kFramesCloseDue) != 0) {
        close(tunnel, record.reason, How::kReset);
        return false;
      }
      endOpen(tunnel, CloseReason::kDrained, codec::kCloseServiceRestart);
      return true;
    case TunnelState::kFlushing:
    case TunnelState::kLingering:
    case TunnelState::kPooled:
    case TunnelState::kMirror:
    case TunnelState::kClosed:
      return false;
  }
  return false;
}

}  // namespace holdfast::proxy
