// WebSockets: open tunnels whose bytes are followed, so that the gateway counts messages and knows
// the places where it may put a frame of its own.
//
// Bytes are forwarded as in any tunnel; on the way through the scratch the trackers of both
// directions look at the headers of frames. Pings and closes of the gateway go between two frames;
// where one is under way they wait for its end.
// Invariant: bytes of a frame that breaks a rule, and of what follows a close, are not forwarded;
// a frame that has begun is never interrupted by one of ours.
#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/filter_host.h"
#include "proxy/frames.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

namespace {

bool isDue(u32 tick, u32 now) { return tick != 0 && !isTickBefore(now, tick); }

// Pings of ours, so that their pongs are told from others.
constexpr u8 kPingPayload[] = {'h', 'o', 'l', 'd', 'f', 'a', 's', 't'};

std::string_view textOf(CloseReason reason) {
  switch (reason) {
    case CloseReason::kDrained:
      return "restarting";
    case CloseReason::kMaxAge:
      return "maximum age";
    case CloseReason::kIdleTimeout:
      return "idle";
    case CloseReason::kPongTimeout:
      return "no pong";
    default:
      return {};
  }
}

HttpEnd endOf(CloseReason reason) {
  switch (reason) {
    case CloseReason::kClientClosed:
    case CloseReason::kEndpointClosed:
      return HttpEnd::kClosed;
    case CloseReason::kClientTimeout:
      return HttpEnd::kClientTimeout;
    case CloseReason::kEndpointReset:
    case CloseReason::kEndpointTimeout:
    case CloseReason::kEndpointTls:
    case CloseReason::kEndpointTruncated:
      return HttpEnd::kEndpointReset;
    case CloseReason::kIdleTimeout:
    case CloseReason::kHalfCloseTimeout:
      return HttpEnd::kIdleTimeout;
    case CloseReason::kMaxAge:
      return HttpEnd::kMaxAge;
    case CloseReason::kDrained:
      return HttpEnd::kDrained;
    case CloseReason::kKilled:
      return HttpEnd::kKilled;
    case CloseReason::kPongTimeout:
      return HttpEnd::kPongTimeout;
    case CloseReason::kFrameInvalid:
      return HttpEnd::kFrameInvalid;
    case CloseReason::kFilter:
      return HttpEnd::kFilter;
    case CloseReason::kShardStopped:
      return HttpEnd::kShardStopped;
    default:
      return HttpEnd::kClientAbort;
  }
}

}  // namespace

// Position of equal settings, with one more reference; kNoIndex when there is no room.
u32 Shard::holdSettings(const FramesSettings& wanted) {
  u32 free = kNoIndex;
  for (u32 i = 0; i < framesSettings_.size(); i++) {
    FramesSettings& held = framesSettings_[i];
    if (held.refs == 0) {
      free = i;
      continue;
    }
    const bool isSame = held.route == wanted.route && held.hasDeflate == wanted.hasDeflate &&
                        held.circuit == wanted.circuit && held.chain == wanted.chain &&
                        std::memcmp(&held.spec, &wanted.spec, sizeof(wanted.spec)) == 0;
    if (!isSame) continue;
    held.refs++;
    return i;
  }
  if (free == kNoIndex) {
    if (framesSettings_.size() >= kFramesSettingsMax) return kNoIndex;
    free = static_cast<u32>(framesSettings_.size());
    framesSettings_.emplace_back();
  }
  framesSettings_[free] = wanted;
  framesSettings_[free].refs = 1;
  return free;
}

// The exchange of the tunnel became a WebSocket. `rest` bytes of the endpoint's lie in the scratch.
void Shard::openFrames(u32 tunnel, u32 settings, bool hasDeflate, size_t rest) {
  Tunnel& record = tunnels_[tunnel];
  const u32 upstream = httpAt_[record.upstream] - 1;
  FramesSettings wanted = framesSettings_[settings];
  framesSettings_[settings].refs--;
  wanted.hasDeflate = hasDeflate;
  // It stays one of its cluster's connections.
  if (httpUpstreams_[upstream].isCounted != 0) wanted.circuit = httpUpstreams_[upstream].circuit;
  settings = holdSettings(wanted);
  const u32 slot = framePool_.take();  // as many as tunnels
  HttpConn& http = httpOf(tunnel);
  ChunkChain early = http.kept;
  http.kept = ChunkChain{};
  if (settings == kNoIndex) leaveConnections(httpUpstreams_[upstream]);
  httpUpstreams_.release(upstream);
  httpAt_[record.upstream] = 0;
  const u32 chain = settings == kNoIndex ? 0 : framesSettings_[settings].chain;
  if (chain != 0) (void)holdChain(chain);
  // What is not limited touches no memory of limits.
  if (const u32 limits = std::exchange(exchangeOf(tunnel).limits, kNoIndex); limits != kNoIndex) {
    limitsAt_[slot] = limits + 1;
  }
  freeExchange(tunnel);
  freeHttp(tunnel);
  if (settings == kNoIndex) {
    isOpenAsked_ = false;
    releaseTrackers(slot);
    if (!early.isEmpty()) chunks_.clear(early);
    return close(tunnel, CloseReason::kShardLimit, How::kReset);
  }
  HttpCell& cell = board_.http(options_.index, record.listener);
  cell.count(HttpCounter::kWebSocketsOpened);
  cell.count(HttpCounter::kWebSocketsActive);
  const WebSocketSpec& spec = framesSettings_[settings].spec;
  ::new (framePool_.at(slot)) codec::FrameTracker[2];
  const u32 pingTick = spec.pingMs == 0 ? 0 : nowTick_ + ticksOf(spec.pingMs);
  record.frames =
      TunnelFrames{slot, static_cast<u16>(settings & kFramesSettingsBits), 0, 0, pingTick};
  record.pongTick = 0;
  record.idleTicks = ticksOf(spec.idleMs);
  if (spec.maxAgeMs != 0) record.ageTick = drawAge(spec.maxAgeMs, spec.maxAgeJitterPermille);
  record.state = TunnelState::kOpen;
  record.flags |= kTunnelEstablished;
  record.lastActiveTick = nowTick_;
  armAccessRecord(tunnel);
  bump(count(record.listener, ListenerCounter::kEstablished));
  const u32 route = framesSettings_[settings].route;
  if (route != kNoIndex) {
    board_.route(options_.index, route).count(RouteCounter::kWebSocketsActive);
  }
  conns_[record.downstream].flags |= kConnFrames;
  conns_[record.upstream].flags |= kConnFrames;
  if (filters_ != nullptr) {
    for (const Side side : {Side::kDownstream, Side::kUpstream}) {
      holdOf(record, side) = MessageHold{};
      if (isOpenAsked_) holdOf(record, side).waiting = 1;
    }
  }
  // What both connections carried before is not the WebSocket's.
  conns_[record.downstream].bytesIn = early.bytes;
  conns_[record.upstream].bytesIn = rest;
  setNodelay(conns_[record.downstream]);
  setNodelay(conns_[record.upstream]);
  wheel_.disarm(tunnel);
  rearm(tunnel);
  if (std::exchange(isOpenAsked_, false) && isOpenRefused_) {
    for (const Side side : {Side::kDownstream, Side::kUpstream}) holdOf(record, side).waiting = 0;
    if (!early.isEmpty()) chunks_.clear(early);
    return endFrames(tunnel, CloseReason::kFilter, codec::kCloseTryAgainLater);
  }
  // Frames that came with the head of the response, or too early, are forwarded as frames.
  if (rest != 0 && !pass(record.upstream, record.downstream, rest)) {
    // Held, or the end of it.
    if (record.state != TunnelState::kOpen || !isHeld(record.upstream)) {
      if (!early.isEmpty()) chunks_.clear(early);
      return;
    }
  }
  if (!early.isEmpty()) {
    const size_t length = chunks_.moveTo(early, scratch_);
    if (!pass(record.downstream, record.upstream, length)) return;
  }
  for (const u32 conn : {record.downstream, record.upstream}) {
    if ((conns_[conn].flags & (kConnReadable | kConnError)) != 0) queue(conn);
  }
}

// Gives `length` bytes of the scratch to `to`, as far as they are frames that may pass. False when
// reading should stop.
bool Shard::passFrames(u32 from, u32 to, size_t length) {
  const u32 tunnel = conns_[from].tunnel;
  Tunnel& record = tunnels_[tunnel];
  const bool isClient = conns_[from].side == Side::kDownstream;
  const u16 closed = isClient ? kFramesClosedEndpoint : kFramesClosedClient;
  // Behind a close of ours nobody reads.
  if ((record.frames.flags & closed) != 0) return true;
  const FramesSettings& settings = settingsOf(record);
  codec::FrameTracker& tracker = trackerOf(record, conns_[from].side);
  // So it does behind one of theirs.
  if (tracker.isClosed()) return true;
  if (filters_ != nullptr && settings.chain != 0) {
    if (messageChain(record, conns_[from].side) != nullptr) return passMessages(from, to, length);
    if (isHeld(from)) {
      holdRest(tunnel, conns_[from].side, {scratch_, length});
      return false;
    }
  }
  const codec::FrameReport report =
      tracker.take({scratch_, length}, frameRulesOf(record, conns_[from].side));
  noteFrames(tunnel, conns_[from].side, report);
  const bool isCut = tracker.isClosed() || tracker.violation() != codec::FrameViolation::kNone ||
                     (record.frames.flags & kFramesCloseDue) != 0;
  const u32 activeTick = record.lastActiveTick;
  const bool isRefused = tracker.violation() != codec::FrameViolation::kNone;
  if (isCut && (isRefused || report.boundary != codec::kNoBoundary)) {
    // Where a frame began before these bytes, its rest is withheld.
    length = report.boundary == codec::kNoBoundary ? 0 : report.boundary;
  }
  if (length != 0) {
    const bool isPassed = (conns_[to].flags & kConnTls) != 0 ? passSealed(from, to, length)
                                                             : deliver(from, to, length);
    if (!isPassed) return false;
  }
  constexpr u16 kSigns =
      1u << static_cast<u8>(codec::Opcode::kPing) | 1u << static_cast<u8>(codec::Opcode::kPong);
  const bool isSign = report.frames != 0 && (report.opcodes & ~kSigns) == 0 &&
                      tracker.isAtBoundary() && settings.spec.isPingCounted == 0;
  if (isSign) record.lastActiveTick = activeTick;
  if (tracker.violation() != codec::FrameViolation::kNone) {
    refuseFrames(tunnel, conns_[from].side, report);
    return false;
  }
  const bool isLimited = isClient && limitPool_.inUse() != 0 && report.messages != 0;
  if (isLimited && !takeMessages(record, report.messages)) {
    endFrames(tunnel, CloseReason::kFilter, codec::kClosePolicy);
    return false;
  }
  if ((record.frames.flags & kFramesCloseDue) == 0) return true;
  if (report.boundary != codec::kNoBoundary) {
    // A frame that began behind the cut is withheld: this is the place for the close.
    record.frames.flags = (record.frames.flags | closed) & kFramesFlags;
    HF_UNINITIALIZED u8 room[codec::kCloseReasonMax];
    std::string_view text = closeTextOf(record, room);
    if (text.empty()) text = textOf(record.reason);
    const u16 code = record.frames.closeCode;
    if (!tracker.isClosed() && !sendClose(tunnel, conns_[to].side, code, text)) return false;
  }
  return !settleClose(tunnel);
}

// `from` sent a frame that breaks a rule: each side that has no frame under way is told, and that
// is the end.
void Shard::refuseFrames(u32 tunnel, Side from, const codec::FrameReport& report) {
  Tunnel& record = tunnels_[tunnel];
  const codec::FrameViolation violation = trackerOf(record, from).violation();
  HttpCell& cell = board_.http(options_.index, record.listener);
  auto& counters = from == Side::kDownstream ? cell.frameViolationsFromClients
                                             : cell.frameViolationsFromEndpoints;
  bump(counters[static_cast<size_t>(violation)]);
  const u16 code = codec::closeCodeOf(violation);
  if (record.frames.closeCode == 0) record.frames.closeCode = code;
  const bool isClient = from == Side::kDownstream;
  const Side other = isClient ? Side::kUpstream : Side::kDownstream;
  const u16 closed = isClient ? kFramesClosedClient : kFramesClosedEndpoint;
  bool isWhole = (record.frames.flags & closed) != 0;
  if (!isWhole && isBetweenFrames(tunnel, other)) {
    isWhole = true;
    (void)sendClose(tunnel, from, code,
                    codec::kFrameViolationNames[static_cast<size_t>(violation)]);
    if (record.state != TunnelState::kOpen) return;
  }
  // What went to the other side ends where the frame began, unless that was before these bytes.
  const bool isOtherWhole = report.boundary != codec::kNoBoundary;
  if (isOtherWhole) (void)sendClose(tunnel, other, codec::kCloseGoingAway, {});
  if (record.state != TunnelState::kOpen) return;
  const u16 otherClosed = isClient ? kFramesClosedEndpoint : kFramesClosedClient;
  const u16 whole = (isWhole ? closed : 0) | (isOtherWhole ? otherClosed : 0);
  record.frames.flags = (record.frames.flags | whole) & kFramesFlags;
  if (!isWhole) cutSide(tunnel, from);
  if (!isOtherWhole) cutSide(tunnel, other);
  linger(tunnel, CloseReason::kFrameInvalid);
  if (record.state == TunnelState::kLingering) endCuts(tunnel);
}

// Who has a part of a frame gets RST, as soon as it has what went before: FIN would look as if that
// were all. The other one ends alone. Nothing of this one is read any more.
void Shard::cutSide(u32 tunnel, Side side) {
  const Tunnel& record = tunnels_[tunnel];
  conns_[side == Side::kDownstream ? record.downstream : record.upstream].flags |=
      kConnEof | kConnFinSent;
}

// True for a side of a lingering tunnel that is to get RST.
bool Shard::isCutOff(u32 tunnel, Side side) const {
  const Tunnel& record = tunnels_[tunnel];
  if (record.state != TunnelState::kLingering || !hasFrames(record)) return false;
  const u16 closed = side == Side::kDownstream ? kFramesClosedClient : kFramesClosedEndpoint;
  const u32 conn = side == Side::kDownstream ? record.downstream : record.upstream;
  return (record.frames.flags & closed) == 0 && (conns_[conn].flags & kConnOpen) != 0;
}

// Resets the sides that are cut off and have what they were to get, or take nothing for kFlushMs.
// The tunnel ends with the last of them, or goes on to linger.
void Shard::endCuts(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  const u32 flushTick = record.deadlineTick - ticksOf(kLingerMs) + ticksOf(kFlushMs);
  bool isWaiting = false;
  for (const Side side : {Side::kDownstream, Side::kUpstream}) {
    if (!isCutOff(tunnel, side)) continue;
    const u32 index = side == Side::kDownstream ? record.downstream : record.upstream;
    Conn& conn = conns_[index];
    int error = 0;
    if ((conn.flags & kConnWritable) != 0 && !conn.pending.isEmpty() &&
        !transmit(index, nullptr, 0, &error)) {
      conn.flags |= kConnBroken;
    }
    const bool isGone = (conn.flags & (kConnBroken | kConnError)) != 0;
    const bool isDelivered = conn.pending.isEmpty() && sys::bytesUnacknowledged(conn.fd) <= 0;
    if (!isGone && !isDelivered && !isDue(flushTick, nowTick_)) {
      isWaiting = true;
      continue;
    }
    closeConn(index, How::kReset);
    conns_[index].flags |= kConnEof | kConnFinSent;
  }
  if (!isWaiting) {
    wheel_.arm(tunnel, record.deadlineTick);
    return finishIfDone(tunnel);
  }
  wheel_.arm(tunnel, nowTick_ + ticksOf(kFlushPollMs));
}

// The gateway ends the WebSocket: both sides get a close frame, each as soon as no frame to it is
// under way.
void Shard::endFrames(u32 tunnel, CloseReason reason, u16 code) {
  Tunnel& record = tunnels_[tunnel];
  if ((record.frames.flags & kFramesCloseDue) != 0) return;
  record.reason = reason;
  record.frames.flags |= kFramesCloseDue;
  record.frames.closeCode = code;
  record.frames.pingTick = nowTick_ + ticksOf(kLingerMs);
  if (record.bufferHigh == 0) endThrottle(tunnel);
  (void)settleClose(tunnel);
  rearm(tunnel);
}

// Sends the closes that are due where no frame is under way. True when the tunnel goes on to end.
bool Shard::settleClose(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  HF_UNINITIALIZED u8 room[codec::kCloseReasonMax];
  std::string_view text = closeTextOf(record, room);
  if (text.empty()) text = textOf(record.reason);
  for (const Side to : {Side::kDownstream, Side::kUpstream}) {
    const u16 sent = to == Side::kDownstream ? kFramesClosedClient : kFramesClosedEndpoint;
    if ((record.frames.flags & sent) != 0) continue;
    const Side from = to == Side::kDownstream ? Side::kUpstream : Side::kDownstream;
    const codec::FrameTracker& tracker = trackerOf(record, from);
    if (!isBetweenFrames(tunnel, from) && !tracker.isClosed()) continue;
    record.frames.flags = (record.frames.flags | sent) & kFramesFlags;
    if (tracker.isClosed()) continue;
    if (!sendClose(tunnel, to, record.frames.closeCode, text)) return true;
  }
  constexpr u16 kBoth = kFramesClosedClient | kFramesClosedEndpoint;
  if ((record.frames.flags & kBoth) != kBoth) return false;
  linger(tunnel, record.reason);
  return true;
}

// Sends a close frame where no frame is under way. False when the socket broke.
bool Shard::sendClose(u32 tunnel, Side to, u16 code, std::string_view reason) {
  const Tunnel& record = tunnels_[tunnel];
  board_.http(options_.index, record.listener).count(HttpCounter::kCloseFramesSent);
  u8 frame[codec::kControlFrameMax];
  codec::Writer writer({frame, sizeof(frame)});
  const codec::Mask mask = drawMask();
  codec::writeClose(code, reason, to == Side::kDownstream ? nullptr : &mask, &writer);
  return sendFrame(tunnel, to, {frame, writer.size()});
}

bool Shard::sendFrame(u32 tunnel, Side to, std::span<const u8> frame) {
  const Tunnel& record = tunnels_[tunnel];
  const u32 conn = to == Side::kDownstream ? record.downstream : record.upstream;
  if ((conns_[conn].flags & (kConnBroken | kConnFinSent)) != 0) return true;
  const int error = emit(conn, frame.data(), frame.size());
  return error == 0 || isUnmissed(conn, error);
}

codec::Mask Shard::drawMask() {
  const u32 bits = random_.nextU32();
  codec::Mask mask;
  for (size_t i = 0; i < sizeof(bits); i++) mask.bytes[i] = static_cast<u8>(bits >> 8 * i);
  return mask;
}

// Deadlines of an open WebSocket. True when nothing else of it is to be looked at.
bool Shard::fireFrames(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  if ((record.frames.flags & kFramesCloseDue) != 0) {
    if (!isDue(record.frames.pingTick, nowTick_)) {
      rearm(tunnel);
    } else {
      close(tunnel, record.reason, How::kReset);
    }
    return true;
  }
  if (!isDue(record.frames.pingTick, nowTick_)) return false;
  const WebSocketSpec& spec = settingsOf(record).spec;
  if ((record.frames.flags & kFramesPinged) != 0) {
    board_.http(options_.index, record.listener).count(HttpCounter::kPongTimeouts);
    endFrames(tunnel, CloseReason::kPongTimeout, codec::kCloseGoingAway);
    return true;
  }
  const bool isHeard = (record.frames.flags & kFramesHeard) != 0;
  record.frames.flags = record.frames.flags & ~kFramesHeard & kFramesFlags;
  record.frames.pingTick = nowTick_ + ticksOf(spec.pingMs);
  if (isHeard || !isBetweenFrames(tunnel, Side::kUpstream)) return false;
  u8 frame[codec::kControlFrameMax];
  codec::Writer writer({frame, sizeof(frame)});
  codec::writePing(kPingPayload, nullptr, &writer);
  board_.http(options_.index, record.listener).count(HttpCounter::kPingsSent);
  record.frames.flags = (record.frames.flags | kFramesPinged) & kFramesFlags;
  record.frames.pingTick = nowTick_ + ticksOf(spec.pongMs);
  if (sendFrame(tunnel, Side::kDownstream, {frame, writer.size()})) return false;
  rearm(tunnel);
  return true;
}

// The trackers of a WebSocket, and what limits its messages.
void Shard::releaseTrackers(u32 slot) {
  if (limitPool_.inUse() != 0 && limitsAt_[slot] != 0) {
    limitPool_.release(std::exchange(limitsAt_[slot], 0) - 1);
  }
  framePool_.release(slot);
}

// The tunnel ends, for the reason in its record.
void Shard::releaseFrames(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  FramesSettings& settings = settingsOf(record);
  HttpCell& cell = board_.http(options_.index, record.listener);
  cell.count(HttpCounter::kWebSocketsClosed);
  cell.lower(HttpCounter::kWebSocketsActive);
  cell.count(endOf(record.reason));
  if (settings.route != kNoIndex) {
    board_.route(options_.index, settings.route).lower(RouteCounter::kWebSocketsActive);
  }
  writeTunnelRecord(tunnel, RecordEvent::kTunnel, endOf(record.reason));
  if (settings.circuit != kNoIndex) leave(board_.cluster(settings.circuit), Circuit::kConnections);
  if (filters_ != nullptr) endTunnelFilters(tunnel);
  settings.refs--;
  releaseTrackers(record.frames.trackers);
  conns_[record.downstream].flags =
      static_cast<u16>(conns_[record.downstream].flags & ~kConnFrames);
}

}  // namespace holdfast::proxy
