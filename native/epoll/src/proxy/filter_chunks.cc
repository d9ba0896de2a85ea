// Filters of what TCP connections send: chunks as they were read, or frames of a codec.
//
// Where the chain of a listener asks for messages, a connection that reached its endpoint is
// followed: its bytes go into a hold (filter_messages.cc), are cut into messages there and wait for
// their answers. Without a codec a message is what one read brought. Invariant: no byte of a
// direction that is looked at passes unseen, but those of a frame that is too long where the chain
// says so; a frame that the end of the stream cuts off goes nowhere.
#include <algorithm>

#include "proxy/filter_host.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

// The connection reached its endpoint; nothing has passed.
void Shard::openChunks(u32 tunnel) {
  const u32 chain = filters_->connections[tunnel].chain;
  if (chain == 0 || !isMessageAsked(chain)) return;
  Tunnel& record = tunnels_[tunnel];
  record.frames = TunnelFrames{kNoIndex, kChunkSettings & kFramesSettingsBits, 0, 0, 0};
  conns_[record.downstream].flags |= kConnFrames;
  conns_[record.upstream].flags |= kConnFrames;
  for (const Side side : {Side::kDownstream, Side::kUpstream}) {
    holdOf(record, side) = MessageHold{};
  }
}

// Takes `length` bytes of the scratch. False when reading should stop.
bool Shard::passChunks(u32 from, u32 to, size_t length) {
  const u32 tunnel = conns_[from].tunnel;
  Tunnel& record = tunnels_[tunnel];
  const Side side = conns_[from].side;
  if (messageChain(record, side) == nullptr) {
    return (conns_[to].flags & kConnTls) != 0 ? passSealed(from, to, length)
                                              : deliver(from, to, length);
  }
  MessageHold& hold = holdOf(record, side);
  record.lastActiveTick = nowTick_;
  if (hold.waiting != 0 || hold.restBytes != 0) {
    holdRest(tunnel, side, {scratch_, length});
    return false;
  }
  if (chunks_.append(hold.raw, scratch_, length) != length) {
    close(tunnel, CloseReason::kShardLimit, How::kReset);
    return false;
  }
  return cutChunks(from, to) && hold.waiting == 0;
}

// Cuts what is in the hold into messages. False when the tunnel ended.
bool Shard::cutChunks(u32 from, u32 to) {
  const u32 tunnel = conns_[from].tunnel;
  const Side side = conns_[from].side;
  MessageHold& hold = holdOf(tunnels_[tunnel], side);
  const FilterChain& chain = *messageChain(tunnels_[tunnel], side);
  for (;;) {
    const u32 own = hold.raw.bytes - hold.queuedBytes;
    if (own == 0) return true;
    // What passes as it comes keeps its place behind what waits.
    const bool isSerial = (chain.mask & kNeedSerial) != 0 || hold.passingBytes != 0;
    if (hold.waiting != 0 && (isSerial || hold.isParked)) {
      hold.restBytes = own;
      return true;
    }
    if (hold.passingBytes != 0) {
      const u32 part = std::min(own, hold.passingBytes);
      hold.passingBytes -= part;
      if (!giveHeld(from, to, part)) return false;
      continue;
    }
    const u32 bytes = measureChunk(from, chain, own);
    if (tunnels_[tunnel].state != TunnelState::kOpen) return false;
    if (hold.passingBytes != 0) continue;
    if (bytes == 0 || bytes > own) return true;
    hold.isBegun = true;
    if (!holdMessage(from, bytes, (chain.mask & kNeedBinary) != 0)) return false;
  }
}

// Bytes of the message that begins behind what waits; 0: more are needed to know. Ends the tunnel
// where they are no frame, or one that is too long.
u32 Shard::measureChunk(u32 from, const FilterChain& chain, u32 own) {
  if (chain.framing.empty()) return std::min(own, std::max(chain.messageBytesMax, 1u));
  const codec::FramingSpec& framing = chain.framing.front();
  const u32 tunnel = conns_[from].tunnel;
  MessageHold& hold = holdOf(tunnels_[tunnel], conns_[from].side);
  HF_UNINITIALIZED u8 front[codec::kFramingHeaderMax];
  const u32 seen = std::min(own, codec::framingHeaderBytes(framing));
  chunks_.copyFrom(hold.raw, hold.queuedBytes, seen, front);
  const codec::FrameMeasure measure = codec::measureFrame(framing, {front, seen}, !hold.isBegun);
  if (measure.fault != codec::FramingFault::kNone) {
    close(tunnel, CloseReason::kCodecInvalid, How::kReset);
    return 0;
  }
  if (measure.bytes <= chain.messageBytesMax) return measure.bytes;
  if (chain.isOversizeClosed) {
    close(tunnel, CloseReason::kFilter, How::kReset);
    return 0;
  }
  hold.isBegun = true;
  hold.passingBytes = measure.bytes;
  return 0;
}

// Sends what stands for a message. False when that side broke.
bool Shard::givePlain(u32 from, u32 to, std::string_view bytes) {
  if (bytes.empty()) return true;
  return giveFrames(from, to, {reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
}

// The stream has ended: what is not a whole frame is nothing.
void Shard::dropPart(const Tunnel& tunnel, Side side) {
  MessageHold& hold = holdOf(tunnel, side);
  if (hold.waiting == 0 && !hold.raw.isEmpty()) chunks_.clear(hold.raw);
}

}  // namespace holdfast::proxy
