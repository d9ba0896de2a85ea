// Filters of WebSocket messages: frames wait until their message is whole and was looked at.
//
// Where a chain asks for messages of a direction, its bytes go into a hold instead of straight on.
// At the end of a message its payload is put into the batch, unmasked and joined; with the answer
// the frames go on as they came, or others in their place. While a message waits, its direction is
// not read. Invariant: messages keep their order; what was not shown because it is longer than the
// chain allows is passed on or ends the tunnel, as the chain says, and never waits whole.
// Does not inflate: where messages are looked at, compression is not offered to the endpoint.
#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/filter_host.h"
#include "proxy/frames.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

namespace {

inline constexpr u32 kMessageNeeds = kNeedFromClient | kNeedFromEndpoint;
inline constexpr u8 kOpcodeBits = 0x0f;
inline constexpr u8 kControlBit = 0x08;
// Of a message that crosses to nobody, so that no answer finds it.
inline constexpr u32 kUnseenRecord = kAnswerLate - 1;

}  // namespace

bool Shard::isMessageAsked(u32 id) const {
  const FilterChain* chain = chainOf(id);
  return chain != nullptr && (chain->mask & kNeedMessage) != 0;
}

// The chain that an open tunnel runs.
u32 Shard::tunnelChain(const Tunnel& tunnel) const {
  if (!hasChunks(tunnel)) return framesSettings_[tunnel.frames.settings].chain;
  return filters_->connections[conns_[tunnel.downstream].tunnel].chain;
}

// The chain that wants to see messages of `from`; null: none.
const FilterChain* Shard::messageChain(const Tunnel& tunnel, Side from) const {
  const FilterChain* chain = chainOf(tunnelChain(tunnel));
  if (chain == nullptr || (chain->mask & kNeedMessage) == 0) return nullptr;
  const u32 need = from == Side::kDownstream ? kNeedFromClient : kNeedFromEndpoint;
  return (chain->mask & need) != 0 ? chain : nullptr;
}

MessageHold& Shard::holdOf(const Tunnel& tunnel, Side from) {
  const size_t at = conns_[tunnel.downstream].tunnel;
  return filters_->holds[2 * at + (from == Side::kDownstream ? 0 : 1)];
}

// True when a filter has ended the tunnel: nothing behind that passes.
bool Shard::isClosedByFilter(const Tunnel& tunnel) const {
  return (tunnel.frames.flags & kFramesCloseDue) != 0 && tunnel.reason == CloseReason::kFilter;
}

// True when the direction must not be read: messages of it wait for answers.
bool Shard::isHeld(u32 conn) {
  const Tunnel& tunnel = tunnels_[conns_[conn].tunnel];
  if ((conns_[conn].flags & kConnFrames) == 0 || filters_ == nullptr) return false;
  return holdOf(tunnel, conns_[conn].side).waiting != 0;
}

// True when nothing that `from` sent is under way to the other side: the place for a frame of ours.
bool Shard::isBetweenFrames(u32 tunnel, Side from) {
  const Tunnel& record = tunnels_[tunnel];
  if (filters_ != nullptr) {
    const MessageHold& hold = holdOf(record, from);
    if (hold.waiting != 0) return false;
    // What is not whole was not sent.
    const bool isSeen = messageChain(record, from) != nullptr;
    if (isSeen && !hold.isPassing) return !trackerOf(record, from).isClosed();
  }
  return trackerOf(record, from).isAtBoundary();
}

// Takes `length` bytes of the scratch, of a direction whose messages are looked at. False when
// reading should stop.
bool Shard::passMessages(u32 from, u32 to, size_t length) {
  const u32 tunnel = conns_[from].tunnel;
  Tunnel& record = tunnels_[tunnel];
  const Side side = conns_[from].side;
  const bool isClient = side == Side::kDownstream;
  const u16 closed = isClient ? kFramesClosedEndpoint : kFramesClosedClient;
  codec::FrameTracker& tracker = trackerOf(record, side);
  MessageHold& hold = holdOf(record, side);
  const u32 activeTick = record.lastActiveTick;
  if (hold.waiting != 0 || hold.restBytes != 0) {
    holdRest(tunnel, side, {scratch_, length});
    return false;
  }
  if (isClosedByFilter(record)) return true;
  bool isSign = true;
  size_t at = 0;
  while (at < length && (record.frames.flags & closed) == 0 && !tracker.isClosed()) {
    codec::FrameRules rules = frameRulesOf(record, side);
    rules.stopsAtFrame = true;
    const std::span<const u8> bytes(scratch_ + at, length - at);
    const codec::FrameReport report = tracker.take(bytes, rules);
    noteFrames(tunnel, side, report);
    constexpr u16 kSigns =
        1u << static_cast<u8>(codec::Opcode::kPing) | 1u << static_cast<u8>(codec::Opcode::kPong);
    if (report.frames == 0 || (report.opcodes & ~kSigns) != 0) isSign = false;
    const bool isKept = chunks_.append(hold.raw, bytes.data(), report.taken) == report.taken;
    at += report.taken;
    if (!isKept) {
      close(tunnel, CloseReason::kShardLimit, How::kReset);
      return false;
    }
    if (tracker.violation() != codec::FrameViolation::kNone) {
      // What came before it goes first.
      if (hold.waiting == 0) refuseHeld(tunnel, side);
      return false;
    }
    if (!takeFrame(from, to, report)) return false;
    const bool isLimited = isClient && limitPool_.inUse() != 0 && report.messages != 0;
    if (isLimited && !takeMessages(record, report.messages)) {
      endFrames(tunnel, CloseReason::kFilter, codec::kClosePolicy);
      return false;
    }
    if (record.state != TunnelState::kOpen || !hasFrames(record)) return false;
    const FilterChain* chain = messageChain(record, side);
    const bool isSerial = chain != nullptr && (chain->mask & kNeedSerial) != 0;
    if (hold.waiting != 0 && (isSerial || hold.isParked)) break;
  }
  const bool isPingCounted = settingsOf(record).spec.isPingCounted != 0;
  record.lastActiveTick = isSign && !isPingCounted ? activeTick : nowTick_;
  // What is left is looked at when the answer is there.
  if (at < length && (record.frames.flags & closed) == 0 && !tracker.isClosed()) {
    holdRest(tunnel, side, {scratch_ + at, length - at});
  }
  return hold.waiting == 0;
}

// Keeps bytes that are not looked at yet behind what waits.
void Shard::holdRest(u32 tunnel, Side side, std::span<const u8> bytes) {
  MessageHold& hold = holdOf(tunnels_[tunnel], side);
  hold.restBytes += static_cast<u32>(bytes.size());
  if (chunks_.append(hold.raw, bytes.data(), bytes.size()) == bytes.size()) return;
  close(tunnel, CloseReason::kShardLimit, How::kReset);
}

// Bytes were put into the hold; `report` says whether a frame ended with them. False when reading
// should stop.
bool Shard::takeFrame(u32 from, u32 to, const codec::FrameReport& report) {
  const u32 tunnel = conns_[from].tunnel;
  Tunnel& record = tunnels_[tunnel];
  const Side side = conns_[from].side;
  const codec::FrameTracker& tracker = trackerOf(record, side);
  MessageHold& hold = holdOf(record, side);
  const FilterChain& chain = *messageChain(record, side);
  const u32 own = hold.raw.bytes - hold.queuedBytes;
  if (own == 0) return true;
  if (hold.isPassing) {
    if (!giveHeld(from, to, own)) return false;
    if (report.messages == 0 && !tracker.isClosed()) return true;
    hold.isPassing = false;
    if ((record.frames.flags & kFramesCloseDue) != 0) return !settleClose(tunnel);
    return true;
  }
  if (report.frames != 0 && tracker.isClosed()) {
    // A message that the close cut off is nothing.
    if (hold.waiting != 0) return holdMessage(from, own, false);
    codec::Opcode opcode;
    return giveControls(from, to, own, &opcode);
  }
  u8 first = 0;
  chunks_.copyFrom(hold.raw, hold.queuedBytes, 1, &first);
  const auto opcode = static_cast<codec::Opcode>(first & kOpcodeBits);
  const bool isControl = (first & kControlBit) != 0;
  const bool isBinary = opcode == codec::Opcode::kBinary;
  const bool isShown = (chain.mask & (isBinary ? kNeedBinary : kNeedText)) != 0;
  if (report.messages != 0) {
    if (!isShown && hold.waiting == 0) return giveHeld(from, to, own);
    return holdMessage(from, own, isShown);
  }
  if (report.frames != 0 && !tracker.isInMessage()) {
    // A ping or pong between two messages.
    return hold.waiting == 0 ? giveHeld(from, to, own) : holdMessage(from, own, false);
  }
  const bool isLong = own > chain.messageBytesMax + kFilterFramingMax;
  if (hold.waiting != 0 || isControl || (isShown && !isLong)) return true;
  if (isShown && chain.isOversizeClosed) {
    endFrames(tunnel, CloseReason::kFilter, codec::kCloseTooBig);
    return false;
  }
  hold.isPassing = true;
  return giveHeld(from, to, own);
}

// The first `wireBytes` behind the messages that wait are one more that does: shown to the filters,
// or only in its place. False when reading should stop.
bool Shard::holdMessage(u32 from, u32 wireBytes, bool isShown) {
  const u32 tunnel = conns_[from].tunnel;
  const Tunnel& record = tunnels_[tunnel];
  const Side side = conns_[from].side;
  MessageHold& hold = holdOf(record, side);
  FilterRecord asked;
  asked.at = kUnseenRecord;
  asked.hook = FilterHook::kMessage;
  asked.holder = FilterHolder::kTunnel;
  asked.isFromEndpoint = side == Side::kUpstream;
  asked.wireBytes = wireBytes;
  asked.handle = tunnels_.handleOf(tunnel);
  MessagePut put = MessagePut::kTooLong;
  const u32 offset = hold.queuedBytes;
  hold.queuedBytes += wireBytes;
  hold.waiting++;
  if (isShown) put = putMessage(asked, hold, offset);
  switch (put) {
    case MessagePut::kWritten:
      return true;
    case MessagePut::kNoRoom:
      hold.isParked = true;
      filters_->due.push_back(asked);
      return true;
    case MessagePut::kTooLong:
      break;
  }
  if (isShown && messageChain(record, side)->isOversizeClosed) {
    hold.waiting--;
    endFrames(tunnel, CloseReason::kFilter, codec::kCloseTooBig);
    return false;
  }
  filters_->batch.addUnseen(asked);
  return true;
}

// Writes the record of a message that stands at `offset` of the hold.
Shard::MessagePut Shard::putMessage(const FilterRecord& asked, const MessageHold& hold,
                                    u32 offset) {
  FilterBatch& batch = filters_->batch;
  const Tunnel& record = tunnels_[asked.handle.index];
  const u32 id = tunnelChain(record);
  const u32 most = chainOf(id)->messageBytesMax;
  // Many small frames.
  if (asked.wireBytes > most + kFilterFramingMax) return MessagePut::kTooLong;
  const bool isPlain = hasChunks(record);
  const u32 side = asked.isFromEndpoint ? kFilterFlagFromEndpoint : 0;
  if (!batch.begin(asked, id, side, kMessageRecordWords, asked.wireBytes)) {
    return MessagePut::kNoRoom;
  }
  u8* bytes = batch.bytesEnd();
  chunks_.copyFrom(hold.raw, offset, asked.wireBytes, bytes);
  codec::Unwrapped message{asked.wireBytes, codec::Opcode::kBinary};
  if (!isPlain) message = codec::unwrapMessage({bytes, asked.wireBytes});
  if (message.bytes > most) return MessagePut::kTooLong;
  if (message.opcode == codec::Opcode::kBinary) batch.put(5, side | kFilterFlagBinary);
  batch.putSpan(6, batch.byteCount(), static_cast<u32>(message.bytes));
  batch.advanceBytes(static_cast<u32>(message.bytes));
  batch.end(kMessageRecordWords);
  return MessagePut::kWritten;
}

// Sends the first `length` bytes of the hold as they came. False when that side broke.
bool Shard::giveHeld(u32 from, u32 to, u32 length) {
  MessageHold& hold = holdOf(tunnels_[conns_[from].tunnel], conns_[from].side);
  while (length != 0) {
    const u32 part = std::min(length, kHttpOutBytes);
    chunks_.copyFrom(hold.raw, 0, part, outScratch_);
    chunks_.consume(hold.raw, part);
    length -= part;
    if (!giveFrames(from, to, {outScratch_, part})) return false;
  }
  return true;
}

// Sends only the control frames among the first `length` bytes of the hold, which are whole frames.
bool Shard::giveControls(u32 from, u32 to, u32 length, codec::Opcode* opcode) {
  MessageHold& hold = holdOf(tunnels_[conns_[from].tunnel], conns_[from].side);
  HF_ASSERT(length <= kHttpOutBytes);
  chunks_.copyFrom(hold.raw, 0, length, outScratch_);
  chunks_.consume(hold.raw, length);
  const codec::Unwrapped controls = codec::keepControls({outScratch_, length});
  *opcode = controls.opcode;
  return controls.bytes == 0 || giveFrames(from, to, {outScratch_, controls.bytes});
}

// Sends whole frames that are `from`'s, or stand for them. False when that side broke.
bool Shard::giveFrames(u32 from, u32 to, std::span<const u8> bytes) {
  const Conn& source = conns_[from];
  Conn& sink = conns_[to];
  Tunnel& tunnel = tunnels_[source.tunnel];
  tunnel.lastActiveTick = nowTick_;
  bump(count(ShardCounter::kMessages));
  bump(count(tunnel.listener, source.side == Side::kDownstream
                                  ? ListenerCounter::kBytesFromClients
                                  : ListenerCounter::kBytesFromEndpoints),
       bytes.size());
  if ((sink.flags & (kConnBroken | kConnFinSent)) != 0) return false;
  setNodelay(sink);
  const int error = emit(to, bytes.data(), bytes.size());
  return error == 0 || isUnmissed(to, error);
}

// A message at the front of its hold goes on as `answer` says; null: as it came. Messages that go
// on one after another leave in one write.
void Shard::settleMessage(const FilterRecord& record, const FilterAnswer* answer) {
  const u32 tunnel = record.handle.index;
  Tunnel& owner = tunnels_[tunnel];
  const Side side = record.isFromEndpoint ? Side::kUpstream : Side::kDownstream;
  MessageHold& hold = holdOf(owner, side);
  if (hold.waiting == 0) return;
  const bool isLate = answer != nullptr && answer->record == kAnswerLate;
  if (answer != nullptr && answer->verdict == FilterVerdict::kPark) {
    hold.isParked = true;
    return;
  }
  const u32 from = side == Side::kDownstream ? owner.downstream : owner.upstream;
  const u32 to = side == Side::kDownstream ? owner.upstream : owner.downstream;
  // One that is parked is alone.
  const u32 wireBytes = isLate ? hold.queuedBytes - hold.readyBytes : record.wireBytes;
  HF_ASSERT(wireBytes + hold.readyBytes <= hold.queuedBytes);
  hold.waiting--;
  hold.isParked = false;
  const u32 before = std::exchange(hold.readyBytes, 0);
  const u16 closed = side == Side::kDownstream ? kFramesClosedEndpoint : kFramesClosedClient;
  if ((owner.frames.flags & closed) != 0 || isClosedByFilter(owner)) {
    hold.queuedBytes -= before + wireBytes;
    // What was let through ahead of the close still goes, unless a close frame is out already.
    const bool isOut = (owner.frames.flags & closed) != 0;
    if (before != 0 && !isOut && !giveHeld(from, to, before)) return;
    chunks_.consume(hold.raw, isOut ? before + wireBytes : wireBytes);
    return finishHeld(tunnel, side);
  }
  const FilterVerdict verdict = answer == nullptr ? FilterVerdict::kContinue : answer->verdict;
  const bool isStopped = verdict == FilterVerdict::kClose || verdict == FilterVerdict::kDrop ||
                         verdict == FilterVerdict::kReplace;
  const u32 ready = isStopped ? before : before + wireBytes;
  if (!isStopped && hold.waiting != 0) {
    hold.readyBytes = ready;
    return;
  }
  hold.queuedBytes -= before + wireBytes;
  if (ready != 0 && !giveHeld(from, to, ready)) return;
  bool isOpen = true;
  switch (verdict) {
    case FilterVerdict::kClose:
      chunks_.consume(hold.raw, wireBytes);
      return closeByMessage(tunnel, *answer);
    case FilterVerdict::kDrop: {
      if (hasChunks(owner)) {
        chunks_.consume(hold.raw, wireBytes);
        break;
      }
      codec::Opcode opcode;
      isOpen = giveControls(from, to, wireBytes, &opcode);
      break;
    }
    case FilterVerdict::kReplace: {
      if (hasChunks(owner)) {
        chunks_.consume(hold.raw, wireBytes);
        isOpen = givePlain(from, to, answer->first);
        break;
      }
      codec::Opcode opcode = codec::Opcode::kText;
      isOpen = giveControls(from, to, wireBytes, &opcode);
      if (!isOpen) break;
      const codec::Mask mask = drawMask();
      codec::Writer writer({outScratch_, kHttpOutBytes});
      const std::span<const u8> payload(reinterpret_cast<const u8*>(answer->first.data()),
                                        answer->first.size());
      codec::writeMessage(opcode, payload, record.isFromEndpoint ? nullptr : &mask, &writer);
      isOpen = !writer.isFailed() && giveFrames(from, to, writer.written());
      break;
    }
    default:
      break;
  }
  if (isOpen) finishHeld(tunnel, side);
}

// When no message of the direction waits any more, what was put off is done.
void Shard::finishHeld(u32 tunnel, Side side) {
  Tunnel& record = tunnels_[tunnel];
  MessageHold& hold = holdOf(record, side);
  if (hold.waiting != 0 || record.state != TunnelState::kOpen) return;
  const u32 from = side == Side::kDownstream ? record.downstream : record.upstream;
  const u32 to = side == Side::kDownstream ? record.upstream : record.downstream;
  const bool isPlain = hasChunks(record);
  if (!isPlain && trackerOf(record, side).violation() != codec::FrameViolation::kNone) {
    return refuseHeld(tunnel, side);
  }
  if ((record.frames.flags & kFramesCloseDue) != 0 && settleClose(tunnel)) return;
  if (hold.restBytes != 0) {
    if (conns_[to].pending.bytes >= bufferHighOf(tunnel)) return pauseHeld(from);
    const u32 rest = std::exchange(hold.restBytes, 0);
    const u32 before = hold.raw.bytes - rest;
    HF_ASSERT(rest <= kScratchBytes);
    chunks_.copyFrom(hold.raw, before, rest, scratch_);
    // What is not whole stays in front.
    if (before == 0) {
      chunks_.clear(hold.raw);
    } else {
      chunks_.cut(hold.raw, before);
    }
    if (!pass(from, to, rest)) return;
  }
  const Conn& source = conns_[from];
  if ((source.flags & (kConnReadable | kConnEof | kConnError)) != 0) queue(from);
}

// What was read and not looked at waits until the other side has taken what it was given: small
// messages that pass one by one, sealed each, are many times what was read.
void Shard::pauseHeld(u32 from) {
  Conn& source = conns_[from];
  source.flags |= kConnReadable;
  if ((source.flags & kConnPaused) != 0) return;
  source.flags |= kConnPaused;
  paused_++;
  bump(count(ShardCounter::kPauses));
}

// A frame broke a rule, and all that came before it has gone.
void Shard::refuseHeld(u32 tunnel, Side side) {
  MessageHold& hold = holdOf(tunnels_[tunnel], side);
  if (!hold.raw.isEmpty()) chunks_.clear(hold.raw);
  codec::FrameReport report;
  // What is passed on as it comes may end anywhere.
  if (!hold.isPassing) report.boundary = 0;
  refuseFrames(tunnel, side, report);
}

// A filter of messages ends the tunnel.
void Shard::closeByMessage(u32 tunnel, const FilterAnswer& answer) {
  if (answer.code == 0 || hasChunks(tunnels_[tunnel]))
    return close(tunnel, CloseReason::kFilter, How::kReset);
  closeText_ = answer.first;
  endFrames(tunnel, CloseReason::kFilter, static_cast<u16>(answer.code));
  closeText_ = {};
  const Tunnel& record = tunnels_[tunnel];
  const bool isDue = (record.frames.flags & kFramesCloseDue) != 0;
  if (record.state != TunnelState::kOpen || !hasFrames(record) || !isDue) return;
  ChunkChain& kept = holdOf(record, Side::kDownstream).closeText;
  if (!kept.isEmpty()) return;
  const size_t length = codec::utf8CutLength(answer.first, codec::kCloseReasonMax);
  (void)chunks_.append(kept, reinterpret_cast<const u8*>(answer.first.data()), length);
}

// What a close that is due says; `room` is for what was kept.
std::string_view Shard::closeTextOf(const Tunnel& tunnel, std::span<u8> room) {
  if (!closeText_.empty()) return closeText_;
  if (filters_ == nullptr || tunnel.reason != CloseReason::kFilter) return {};
  const ChunkChain& kept = holdOf(tunnel, Side::kDownstream).closeText;
  if (kept.isEmpty()) return {};
  chunks_.copyFrom(kept, 0, kept.bytes, room.data());
  return {reinterpret_cast<const char*>(room.data()), kept.bytes};
}

// A WebSocket was opened: its filters see the request that asked for it. `exchange` has it still.
void Shard::askOpen(u32 tunnel, const Exchange& exchange) {
  const FilterChain* chain = chainOf(exchange.chain);
  if (chain == nullptr || (chain->mask & kNeedOpen) == 0) return;
  FilterRecord asked;
  asked.hook = FilterHook::kOpen;
  asked.holder = FilterHolder::kTunnel;
  asked.handle = tunnels_.handleOf(tunnel);
  // Nothing passes before the answer; without room for the record nobody comes in unseen.
  isOpenAsked_ = true;
  isOpenRefused_ = !putAsked(asked, tunnel, exchange, nullptr);
}

// The record of a message finds room now.
void Shard::askTunnelAgain(const FilterRecord& record) {
  const Tunnel& tunnel = tunnels_[record.handle.index];
  if (tunnel.state != TunnelState::kOpen || !isFollowed(tunnel)) return;
  const Side side = record.isFromEndpoint ? Side::kUpstream : Side::kDownstream;
  MessageHold& hold = holdOf(tunnel, side);
  // It is the last of those that wait.
  switch (putMessage(record, hold, hold.queuedBytes - record.wireBytes)) {
    case MessagePut::kWritten:
      hold.isParked = false;
      break;
    case MessagePut::kNoRoom:
      filters_->due.push_back(record);
      break;
    case MessagePut::kTooLong:
      settleMessage(record, nullptr);
      break;
  }
}

void Shard::settleOpen(u32 tunnel, const FilterAnswer* answer) {
  if (answer != nullptr && answer->verdict == FilterVerdict::kClose) {
    for (const Side side : {Side::kDownstream, Side::kUpstream}) {
      holdOf(tunnels_[tunnel], side).waiting = 0;
    }
    return closeByMessage(tunnel, *answer);
  }
  for (const Side side : {Side::kDownstream, Side::kUpstream}) {
    MessageHold& hold = holdOf(tunnels_[tunnel], side);
    if (hold.waiting != 0) hold.waiting--;
    finishHeld(tunnel, side);
    if (tunnels_[tunnel].state != TunnelState::kOpen || !hasFrames(tunnels_[tunnel])) return;
  }
}

// Lets go of what both directions of a tunnel hold. True when something waited for an answer.
bool Shard::releaseHolds(u32 tunnel) {
  bool isParked = false;
  for (const Side side : {Side::kDownstream, Side::kUpstream}) {
    MessageHold& hold = holdOf(tunnels_[tunnel], side);
    isParked = isParked || hold.waiting != 0;
    if (!hold.raw.isEmpty()) chunks_.clear(hold.raw);
    if (!hold.closeText.isEmpty()) chunks_.clear(hold.closeText);
    hold = MessageHold{};
  }
  return isParked;
}

// The WebSocket is over; its trackers are there still.
void Shard::endTunnelFilters(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  const bool isParked = releaseHolds(tunnel);
  const u32 chain = framesSettings_[record.frames.settings].chain;
  FilterEnd end;
  end.record.hook = FilterHook::kEnd;
  end.record.holder = FilterHolder::kTunnel;
  end.record.handle = tunnels_.handleOf(tunnel);
  end.chain = chain;
  end.code = record.frames.closeCode;
  end.reason = kCloseReasonTable[static_cast<size_t>(record.reason)].name;
  end.bytesIn = conns_[record.downstream].bytesIn;
  end.bytesOut = conns_[record.upstream].bytesIn;
  end.micros = u64{nowTick_ - record.openedTick} * kTickMs * 1000;
  end.messagesIn = trackerOf(record, Side::kDownstream).messages();
  end.messagesOut = trackerOf(record, Side::kUpstream).messages();
  tellEnd(end, isParked);
  leaveChain(chain);
}

}  // namespace holdfast::proxy
