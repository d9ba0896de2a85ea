// Forwarding with TLS on one side or both: records are opened and sealed between recv and send.
//
// The same rules as in tunnel_io.cc, with two more scratch buffers. What waits in a pending chain
// is sealed already, so that it goes out as it is; a record that is not whole waits in the
// TlsConn. At the memory cap a conn reads one record at a time, and only while its reader takes
// bytes: then it may hold one record beyond the cap, because an opened one cannot be put back.
// Invariant: every byte that was opened is sealed or sent once, in order.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proxy/shard.h"
#include "tls/record_wire.h"

namespace holdfast::proxy {

// Reads once from `from`. False when reading should stop for now.
bool Shard::readSecured(u32 from, u32 to, u32* budget, u32 room) {
  Conn& source = conns_[from];
  const bool isSealed = (source.flags & kConnTls) != 0;
  const bool isCapped =
      !chunks_.hasRoom(tls::RecordLayer::sealedBytesMax(room) + tls::kRecordWireBytesMax);
  if (isCapped) {
    const Conn& sink = conns_[to];
    if (!sink.pending.isEmpty() || (sink.flags & kConnWritable) == 0) {
      source.flags |= kConnBlocked;
      return false;
    }
    bump(count(ShardCounter::kUnbufferedReads));
    room = static_cast<u32>(tls::kRecordContentMax);
  }
  if (isSealed) {
    IoResult result;
    const size_t total = fillRecords(from, isCapped ? 0 : room, &result);
    if (result.kind != IoResult::Kind::kDone) return noteUnread(from, result);
    *budget -= std::min(*budget, static_cast<u32>(result.bytes));
    const bool isMore = (source.flags & kConnReadable) != 0;
    return total == 0 ? isMore : takeRecords(from, to, total, budget) && isMore;
  }
  const IoResult result = sys::recv(source.fd, scratch_, room);
  if (result.kind != IoResult::Kind::kDone) return noteUnread(from, result);
  const bool isDrained = noteDrained(from, result.bytes < room);
  *budget -= std::min(*budget, static_cast<u32>(result.bytes));
  source.bytesIn += result.bytes;
  return pass(from, to, result.bytes) && !isDrained;
}

// After a read that was `isShort`: true when the socket is drained, and the next bytes bring an
// edge.
bool Shard::noteDrained(u32 conn, bool isShort) {
  Conn& record = conns_[conn];
  constexpr u16 kReadOn = kConnReadHup | kConnError | kConnCutReads | kConnBroken;
  if (!isShort || (record.flags & kReadOn) != 0) return false;
  record.flags = static_cast<u16>(record.flags & ~kConnReadable);
  return true;
}

// Brings records into the scratch, behind what waited of one. Returns the bytes there once one may
// be whole, otherwise 0. `room` 0 asks for no more than the record that has begun: at the memory
// cap it cannot be left in the kernel, whose window may be too small for it.
size_t Shard::fillRecords(u32 conn, u32 room, IoResult* result) {
  Conn& record = conns_[conn];
  TlsConn& tls = tlsOf(conn);
  const size_t kept = tls.received.bytes;
  *result = IoResult::done(0);
  // What came behind a handshake is there without a read.
  if (kept >= tls.needed) return chunks_.moveTo(tls.received, scratch_);
  if (room == 0) room = static_cast<u32>(tls.needed - kept);
  room = std::min(room, static_cast<u32>(kScratchBytes - kept));
  *result = sys::recv(record.fd, scratch_ + kept, room);
  if (result->kind != IoResult::Kind::kDone) return 0;
  (void)noteDrained(conn, result->bytes < room);
  if (kept + result->bytes < tls.needed) {
    (void)chunks_.append(tls.received, scratch_ + kept, result->bytes);
    return 0;
  }
  if (kept != 0) (void)chunks_.moveTo(tls.received, scratch_);
  return kept + result->bytes;
}

// Nothing was read. Always false.
bool Shard::noteUnread(u32 from, const IoResult& result) {
  Conn& source = conns_[from];
  const bool isTls = (source.flags & kConnTls) != 0;
  // It broke a rule behind the answer that made it a WebSocket.
  if (isTls && (tlsOf(from).flags & kTlsAbortDue) != 0) {
    relayReset(from, EPROTO);
    return false;
  }
  switch (result.kind) {
    case IoResult::Kind::kAgain:
      source.flags = static_cast<u16>(source.flags & ~kConnReadable);
      if ((source.flags & kConnError) != 0) {
        source.flags = static_cast<u16>(source.flags & ~kConnError);
        const int error = sys::takeSocketError(source.fd);
        if (error > 0) relayReset(from, error);
      } else if ((source.flags & kConnBroken) != 0) {
        relayReset(from, source.brokenErrno);
      }
      break;
    case IoResult::Kind::kEof:
      if (!isTls) {
        endOfStream(from);
      } else {
        // Without close_notify nobody knows whether that was all (RFC 8446 6.1). A failed write has
        // taken the error of a reset, and what is left to read is an end.
        const bool isBroken = (source.flags & kConnBroken) != 0;
        relayReset(from, isBroken ? source.brokenErrno : ENODATA);
      }
      break;
    case IoResult::Kind::kFailed:
      relayReset(from, result.sysErrno);
      break;
    case IoResult::Kind::kDone:
      break;
  }
  return false;
}

// Opens what lies in the scratch and passes it on. False when reading should stop for now.
bool Shard::takeRecords(u32 from, u32 to, size_t total, u32* budget) {
  Conn& source = conns_[from];
  const tls::Opened opened = openAll(from, total);
  *budget -= std::min(*budget, static_cast<u32>(opened.produced));
  bool isPassed = true;
  if (opened.produced != 0) {
    source.bytesIn += opened.produced;
    isPassed = pass(from, to, opened.produced);
    // What filters hold is no reason to lose what came behind it.
    if (!isPassed && !isHeld(from)) return false;
  }
  if (opened.isReplyDue) replyDue(from);
  if ((source.flags & kConnOpen) == 0) return false;
  if (opened.event == tls::OpenEvent::kNeedMore || opened.event == tls::OpenEvent::kOutputFull) {
    return isPassed;
  }
  const bool isClean = opened.event == tls::OpenEvent::kCloseNotify;
  if (!isClean) refuseRecords(from, opened);
  tlsOf(from).flags |= isClean ? kTlsEndDue : kTlsAbortDue;
  source.flags |= kConnReadable;
  if (isPassed) endRecords(from);
  return false;
}

// The peer said that it has ended, or broke a rule, and all that came before has gone.
void Shard::endRecords(u32 conn) {
  if ((tlsOf(conn).flags & kTlsAbortDue) != 0) return relayReset(conn, EPROTO);
  endOfStream(conn);
}

// Opens what lies in the scratch; a record that is not whole waits.
tls::Opened Shard::openAll(u32 conn, size_t total) {
  const tls::Opened opened = openRecords(conn, total);
  TlsConn& tls = tlsOf(conn);
  tls.needed = static_cast<u16>(std::max(opened.needed, tls::kRecordHeaderBytes));
  const bool isOver = opened.event != tls::OpenEvent::kNeedMore;
  if (!isOver && opened.consumed < total) {
    // Ahead of what waits still, at the memory cap.
    (void)chunks_.append(tls.received, scratch_ + opened.consumed, total - opened.consumed);
  }
  return opened;
}

// The peer broke a rule, or says that we did: the alert that is due goes out, and never a clean
// end.
void Shard::refuseRecords(u32 conn, const tls::Opened& opened) {
  TlsConn& tls = tlsOf(conn);
  tls.flags |= kTlsFailed;
  const bool isOurs = opened.event == tls::OpenEvent::kViolation;
  const bool isBroken = (conns_[conn].flags & kConnBroken) != 0;
  if (!isOurs || isBroken || tls.phase != TlsPhase::kDetached) return;
  const tls::Sealed alert =
      records_->sealAlert(recordsOf(tls), opened.alert, {sealScratch_, kSealScratchBytes});
  int error = 0;
  (void)transmit(conn, sealScratch_, alert.produced, &error);
}

// Opens the whole records in the scratch, in place.
tls::Opened Shard::openRecords(u32 conn, size_t total) {
  TlsConn& tls = tlsOf(conn);
  if (tls.phase != TlsPhase::kDetached) return openByEngine(conn, total);
  const std::span<u8> bytes(scratch_, total);
  return records_->open(recordsOf(tls), bytes, bytes, nowMs());
}

tls::Opened Shard::openByEngine(u32 conn, size_t total) {
  TlsConn& tls = tlsOf(conn);
  tls::Handshake handshake = handshakeOf(tls);
  tls::Opened opened;
  HfTlsStep step = HF_TLS_DONE;
  while (step == HF_TLS_DONE || step == HF_TLS_WANT_OUTPUT) {
    HfTlsIo io{
        scratch_ + opened.consumed, total - opened.consumed, 0, sealScratch_, kSealScratchBytes, 0};
    size_t length = 0;
    // No record is longer opened than sealed.
    step = handshake.engine->read(tls.object, &io, plainScratch_ + opened.produced,
                                  kScratchBytes - opened.produced, &length);
    opened.consumed += io.consumed;
    opened.produced += length;
    int error = 0;
    // Behind a record that was lost nothing can be read.
    if (io.produced == 0 || (conns_[conn].flags & kConnBroken) != 0) continue;
    if (!mayReply(conn, io.produced)) {
      opened.consumed = total;
      opened.event = tls::OpenEvent::kViolation;
      break;
    }
    if (!transmit(conn, sealScratch_, io.produced, &error)) noteBroken(conn, error);
  }
  opened.needed = tls::kRecordHeaderBytes;
  if (total - opened.consumed >= tls::kRecordHeaderBytes) {
    opened.needed += tls::wireLength(scratch_ + opened.consumed);
  }
  // Behind its last record the rest stands where the plain bytes go.
  if (step == HF_TLS_WANT_INPUT && opened.consumed < total) {
    (void)chunks_.append(tls.received, scratch_ + opened.consumed, total - opened.consumed);
    opened.consumed = total;
  }
  std::memcpy(scratch_, plainScratch_, opened.produced);
  if (opened.event == tls::OpenEvent::kViolation) return opened;
  if (step == HF_TLS_CLOSED) opened.event = tls::OpenEvent::kCloseNotify;
  if (step == HF_TLS_FAILED) {
    HfTlsFailure failure;
    handshake.failure(&failure);
    const bool isTheirs = failure.alertReceived != 0xff;
    opened.event = isTheirs ? tls::OpenEvent::kAlert : tls::OpenEvent::kViolation;
    opened.alert = static_cast<tls::Alert>(isTheirs ? failure.alertReceived : failure.alertSent);
  }
  const bool isEnough = opened.produced != 0 || handshake.engine->ticketsReceived(tls.object) != 0;
  if (step == HF_TLS_WANT_INPUT && (tls.flags & kTlsDetachDue) != 0 && isEnough) detach(tls);
  return opened;
}

// What an engine answers by itself goes behind what waits. A peer that asks for answers (new keys,
// renegotiations) and reads none of them gets no more memory than a slow reader does.
bool Shard::mayReply(u32 conn, size_t length) {
  const Conn& record = conns_[conn];
  if (record.pending.isEmpty()) return true;
  const u64 most = u64{bufferHighOf(record.tunnel)} + kSealScratchBytes;
  const u64 bytes = record.pending.bytes + length;
  // At the memory cap as much as one record: every conn may hold that beyond it.
  const bool hasRoom = chunks_.hasRoom(length) || bytes <= tls::kRecordWireBytesMax ||
                       length <= chunks_.tailRoom(record.pending);
  return bytes <= most && hasRoom;
}

// Gives `length` plain bytes of the scratch to `to`. False when the sink broke.
bool Shard::pass(u32 from, u32 to, size_t length) {
  if ((conns_[from].flags & kConnFrames) != 0) {
    const bool isChunk = tunnels_[conns_[from].tunnel].frames.settings == kChunkSettings;
    return isChunk ? passChunks(from, to, length) : passFrames(from, to, length);
  }
  return (conns_[to].flags & kConnTls) != 0 ? passSealed(from, to, length)
                                            : deliver(from, to, length);
}

bool Shard::passSealed(u32 from, u32 to, size_t length) {
  noteMessage(conns_[from], length);
  Conn& sink = conns_[to];
  if ((sink.flags & kConnNodelayDue) && conns_[from].bytesIn > length) setNodelay(sink);
  const int error = emit(to, scratch_, length);
  return error == 0 || isUnmissed(to, error);
}

// emit() gave `error`: what was to go to `conn` is lost. True when nobody misses it, as `conn`
// broke a rule and only waits until filters let go of what it sent before; otherwise it is ended.
bool Shard::isUnmissed(u32 conn, int error) {
  const bool isTls = (conns_[conn].flags & kConnTls) != 0;
  if (isTls && (tlsOf(conn).flags & kTlsAbortDue) != 0) return true;
  if (isTls && error == EKEYEXPIRED) {
    close(conns_[conn].tunnel, CloseReason::kTlsExhausted, How::kReset);
  } else if (isTls && error == EPROTO) {
    relayReset(conn, EPROTO);
  } else {
    writeFailed(conn, error);
  }
  return false;
}

// Sends plain bytes, sealed where the conn has TLS, behind what waits. 0, or the errno of the
// socket; EPROTO: the engine is in the middle of a message of the peer and cannot seal before the
// rest comes; EKEYEXPIRED: the keys have protected all they may.
int Shard::emit(u32 conn, const u8* bytes, size_t length) {
  int error = 0;
  if ((conns_[conn].flags & kConnTls) == 0)
    return transmit(conn, bytes, length, &error) ? 0 : error;
  TlsConn& tls = tlsOf(conn);
  size_t at = 0;
  while (at < length) {
    const std::span<const u8> plain(bytes + at, length - at);
    size_t produced = 0;
    bool isStuck = false;
    auto event = tls::SealEvent::kDone;
    if (tls.phase == TlsPhase::kDetached) {
      const tls::Sealed sealed =
          records_->seal(recordsOf(tls), plain, {sealScratch_, kSealScratchBytes}, nowMs());
      at += sealed.consumed;
      produced = sealed.produced;
      event = sealed.event;
    } else {
      HfTlsIo io{nullptr, 0, 0, sealScratch_, kSealScratchBytes, 0};
      size_t taken = 0;
      const HfTlsStep step =
          handshakeOf(tls).engine->write(tls.object, &io, plain.data(), plain.size(), &taken);
      at += taken;
      produced = io.produced;
      if (step == HF_TLS_FAILED) event = tls::SealEvent::kFailed;
      isStuck = step == HF_TLS_WANT_INPUT;
    }
    if (produced != 0 && !transmit(conn, sealScratch_, produced, &error)) return error;
    // What was read to be sent cannot be put back.
    if (isStuck || event == tls::SealEvent::kExhausted || event == tls::SealEvent::kFailed) {
      tls.flags |= kTlsFailed;
      return isStuck ? EPROTO : EKEYEXPIRED;
    }
  }
  return 0;
}

// What TLS itself owes the peer; behind what waits it goes with the next bytes.
void Shard::replyDue(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnOpen) == 0 || !record.pending.isEmpty()) return;
  // Behind a record that was lost nothing can be read.
  if ((record.flags & kConnBroken) != 0) return;
  TlsConn& tls = tlsOf(conn);
  const tls::Sealed sealed = records_->sealDue(recordsOf(tls), {sealScratch_, kSealScratchBytes});
  bump(count(ShardCounter::kTlsReplies));
  int error = 0;
  if (sealed.produced != 0 && !transmit(conn, sealScratch_, sealed.produced, &error)) {
    writeFailed(conn, error);
  }
}

// Sends bytes as they are, behind what waits; what the socket does not take waits. False when the
// socket broke, or there is no memory at all.
bool Shard::transmit(u32 conn, const u8* bytes, size_t length, int* error) {
  Conn& record = conns_[conn];
  while ((record.flags & kConnWritable) != 0 && !record.pending.isEmpty()) {
    HF_UNINITIALIZED iovec parts[kChunksPerSend];
    const int count = chunks_.gather(record.pending, parts);
    const IoResult result = sys::sendVector(record.fd, parts, count);
    *error = result.sysErrno;
    if (result.kind == IoResult::Kind::kFailed) return false;
    if (result.kind != IoResult::Kind::kDone) {
      record.flags = static_cast<u16>(record.flags & ~kConnWritable);
    } else {
      chunks_.consume(record.pending, result.bytes);
    }
  }
  size_t sent = 0;
  if (length != 0 && (record.flags & kConnWritable) != 0) {
    const IoResult result = sys::send(record.fd, bytes, length);
    *error = result.sysErrno;
    if (result.kind == IoResult::Kind::kFailed) return false;
    sent = result.kind == IoResult::Kind::kDone ? result.bytes : 0;
    if (sent < length) record.flags = static_cast<u16>(record.flags & ~kConnWritable);
  }
  const size_t kept = chunks_.append(record.pending, bytes + sent, length - sent);
  if (kept != 0) bump(count(ShardCounter::kBytesBuffered), kept);
  // Beyond kBeyondCapBytes a conn: nothing of what was sealed may be left out.
  *error = ENOBUFS;
  return kept == length - sent;
}

// True when close_notify is with the kernel, or cannot be said any more.
bool Shard::closeNotify(u32 conn) {
  Conn& record = conns_[conn];
  // Behind a record that was lost it could not be read, and nothing was clean.
  if ((record.flags & kConnBroken) != 0) return true;
  TlsConn& tls = tlsOf(conn);
  size_t produced = 0;
  if (tls.phase == TlsPhase::kDetached) {
    constexpr u8 kOver = tls::kRecordCloseSent | tls::kRecordFailed;
    if ((recordsOf(tls)->flags & kOver) == 0) {
      produced = records_
                     ->sealAlert(recordsOf(tls), tls::Alert::kCloseNotify,
                                 {sealScratch_, kSealScratchBytes})
                     .produced;
    }
  } else if (tls.phase == TlsPhase::kEngine && (tls.flags & kTlsCloseSent) == 0) {
    tls.flags |= kTlsCloseSent;
    HfTlsIo io{nullptr, 0, 0, sealScratch_, kSealScratchBytes, 0};
    (void)handshakeOf(tls).engine->close(tls.object, &io);
    produced = io.produced;
  }
  int error = 0;
  if (produced == 0 || transmit(conn, sealScratch_, produced, &error)) {
    return record.pending.isEmpty();
  }
  noteBroken(conn, error);
  return true;
}

// What TLS itself sent was lost. The send has taken the error of a reset, and what is left to read
// is an end: it must not be taken for one that hides bytes, nor may anything be said behind the
// loss.
void Shard::noteBroken(u32 conn, int error) {
  Conn& record = conns_[conn];
  record.flags |= kConnBroken | kConnReadable;
  record.flags = static_cast<u16>(record.flags & ~kConnWritable);
  record.brokenErrno = static_cast<u8>(error);
  if (!record.pending.isEmpty()) chunks_.clear(record.pending);
}

// Ends our direction; nothing is pending.
void Shard::sendFin(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnTls) != 0 && !closeNotify(conn)) {
    record.flags |= kConnFinDue;
    return;
  }
  if ((record.flags & kConnBroken) != 0) queue(conn);
  (void)sys::shutdownWrite(record.fd);
  record.flags |= kConnFinSent;
}

void Shard::noteMessage(const Conn& source, size_t length) {
  Tunnel& tunnel = tunnels_[source.tunnel];
  tunnel.lastActiveTick = nowTick_;
  bump(count(ShardCounter::kMessages));
  bump(count(tunnel.listener, source.side == Side::kDownstream
                                  ? ListenerCounter::kBytesFromClients
                                  : ListenerCounter::kBytesFromEndpoints),
       length);
}

}  // namespace holdfast::proxy
