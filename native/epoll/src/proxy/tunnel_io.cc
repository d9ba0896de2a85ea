// Forwarding: bytes from one socket of a tunnel to the other, straight through the shard's scratch.
//
// A message costs one recv and one send. Only what the peer's socket does not take is copied into
// its pending chain; above the high watermark reading pauses until the chain is at the low one.
// When the memory cap is reached, bytes are looked at without being consumed, and what the peer
// does not take stays in the kernel, so that fast connections go on and slow ones cost nothing
// more. A short read means that the socket is drained (edge-triggered readiness, with FIN announced
// separately), except where the kernel cuts reads: at urgent data, and on Unix sockets.
#include <algorithm>
#include <cerrno>

#include "proxy/filter_host.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

void Shard::forward(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnWritable) && !record.pending.isEmpty()) {
    flush(conn);
    if (tunnels_[record.tunnel].state != TunnelState::kOpen) return;
  }
  if (record.flags & kConnWritable) resumePeer(conn);
  if ((record.flags & kConnError) && (record.flags & kConnEof)) {
    // The stream had ended; what is left to learn is that writing is over too.
    record.flags = static_cast<u16>(record.flags & ~kConnError);
    const int error = sys::takeSocketError(record.fd);
    if (error > 0) return relayReset(conn, error);
  }
  constexpr u16 kNoRead = kConnPaused | kConnBlocked | kConnEof;
  if ((record.flags & kConnReadable) && (record.flags & kNoRead) == 0) return readFrom(conn);
  // It has ended abnormally, and what it sent before waits for a slow reader: not for long.
  if (record.flags & (kConnError | kConnBroken)) rearm(record.tunnel);
}

void Shard::readFrom(u32 conn) {
  const u32 to = peerIndex(conns_[conn]);
  u32 budget = kReadBudgetBytes;
  while (readOnce(conn, to, &budget)) {
    if (budget == 0) {
      // More may be there; the others first.
      queue(conn);
      return;
    }
  }
}

bool Shard::readOnce(u32 from, u32 to, u32* budget) {
  Conn& source = conns_[from];
  Conn& sink = conns_[to];
  if (sink.flags & kConnBroken) return false;
  const Tunnel& tunnel = tunnels_[source.tunnel];
  if (sink.pending.bytes >= tunnel.bufferHigh) [[unlikely]] {
    return readHeldBack(from, to, budget);
  }
  const u32 room =
      sink.pending.isEmpty() ? kScratchBytes : std::min(kScratchBytes, tunnel.bufferHigh);
  return readUpTo(from, to, budget, room);
}

// A read whose sink is full, or of a tunnel that is throttled.
__attribute__((noinline)) bool Shard::readHeldBack(u32 from, u32 to, u32* budget) {
  Conn& source = conns_[from];
  const Conn& sink = conns_[to];
  const u32 high = bufferHighOf(source.tunnel);
  if (sink.pending.bytes >= high) {
    source.flags |= kConnPaused;
    paused_++;
    bump(count(ShardCounter::kPauses));
    return false;
  }
  u32 room = grantFor(from);
  if (room == 0) return false;
  room = std::min({room, kScratchBytes, sink.pending.isEmpty() ? kScratchBytes : high});
  // The tunnel may be over behind the read, and pays for it all the same.
  const u32 paid = takeAllowance(from, room);
  const u64 before = source.bytesIn;
  const bool isMore = readUpTo(from, to, budget, room);
  settleAllowance(from, paid, source.bytesIn - before);
  return isMore;
}

__attribute__((always_inline)) inline bool Shard::readUpTo(u32 from, u32 to, u32* budget,
                                                           u32 room) {
  Conn& source = conns_[from];
  Conn& sink = conns_[to];
  const Tunnel& tunnel = tunnels_[source.tunnel];
  constexpr u16 kLookedInto = kConnTls | kConnFrames;
  if ((source.flags | sink.flags) & kLookedInto) {
    const bool isFiltered =
        hasFilters() && (source.flags & kConnFrames) != 0 && tunnelChain(tunnel) != 0;
    if (!isFiltered) return readSecured(from, to, budget, room);
    if (isHeld(from)) return false;
    if (holdOf(tunnel, source.side).restBytes != 0) {
      finishHeld(source.tunnel, source.side);
      return false;
    }
    if ((source.flags & kConnTls) != 0 && (tlsOf(from).flags & (kTlsEndDue | kTlsAbortDue)) != 0) {
      endRecords(from);
      return false;
    }
    return readSecured(from, to, budget, std::min(room, kFilterReadBytes));
  }
  if (!chunks_.hasRoom(room)) return readUnbuffered(from, to, budget, room);

  const IoResult result = sys::recv(source.fd, scratch_, room);
  switch (result.kind) {
    case IoResult::Kind::kDone: {
      *budget -= std::min(*budget, static_cast<u32>(result.bytes));
      source.bytesIn += result.bytes;
      if (!deliver(from, to, result.bytes)) return false;
      constexpr u16 kReadOn = kConnReadHup | kConnError | kConnCutReads | kConnBroken;
      const bool isDrained = result.bytes < room && (source.flags & kReadOn) == 0;
      if (isDrained) source.flags = static_cast<u16>(source.flags & ~kConnReadable);
      return !isDrained;
    }
    case IoResult::Kind::kAgain:
      source.flags = static_cast<u16>(source.flags & ~kConnReadable);
      if (source.flags & kConnError) {
        source.flags = static_cast<u16>(source.flags & ~kConnError);
        const int error = sys::takeSocketError(source.fd);
        if (error > 0) relayReset(from, error);
      } else if (source.flags & kConnBroken) {
        // It takes nothing any more and has no more to give: a Unix peer that shut reading.
        relayReset(from, source.brokenErrno);
      }
      return false;
    case IoResult::Kind::kEof:
      endOfStream(from);
      return false;
    case IoResult::Kind::kFailed:
      relayReset(from, result.sysErrno);
      return false;
  }
  return false;
}

// Sends `length` bytes of the scratch to `to`; what it does not take waits in its chain.
// False when the sink broke.
bool Shard::deliver(u32 from, u32 to, size_t length) {
  const Conn& source = conns_[from];
  Conn& sink = conns_[to];
  Tunnel& tunnel = tunnels_[source.tunnel];
  tunnel.lastActiveTick = nowTick_;
  bump(count(ShardCounter::kMessages));
  bump(count(tunnel.listener, source.side == Side::kDownstream
                                  ? ListenerCounter::kBytesFromClients
                                  : ListenerCounter::kBytesFromEndpoints),
       length);
  size_t sent = 0;
  if (sink.pending.isEmpty() && (sink.flags & kConnWritable)) {
    if ((sink.flags & kConnNodelayDue) && source.bytesIn > length) setNodelay(sink);
    const IoResult result = sys::send(sink.fd, scratch_, length);
    if (result.kind == IoResult::Kind::kFailed) {
      writeFailed(to, result.sysErrno);
      return false;
    }
    sent = result.kind == IoResult::Kind::kDone ? result.bytes : 0;
    if (sent == length) return true;
    sink.flags = static_cast<u16>(sink.flags & ~kConnWritable);
  }
  const size_t left = length - sent;
  const size_t kept = chunks_.append(sink.pending, scratch_ + sent, left);
  // hasRoom() promised it, but for what was looked into at the cap: that has kBeyondCapBytes a
  // conn.
  HF_ASSERT(kept == left || (source.flags & (kConnTls | kConnFrames)) != 0);
  bump(count(ShardCounter::kBytesBuffered), kept);
  if (kept == left) return true;
  writeFailed(to, ENOBUFS);
  return false;
}

// At the memory cap: nothing is consumed that the peer has not taken.
bool Shard::readUnbuffered(u32 from, u32 to, u32* budget, u32 room) {
  Conn& source = conns_[from];
  Conn& sink = conns_[to];
  Tunnel& tunnel = tunnels_[source.tunnel];
  if (!sink.pending.isEmpty() || (sink.flags & kConnWritable) == 0) {
    source.flags |= kConnBlocked;
    return false;
  }
  const IoResult seen = sys::peek(source.fd, scratch_, room);
  if (seen.kind == IoResult::Kind::kAgain) {
    source.flags = static_cast<u16>(source.flags & ~kConnReadable);
    if (source.flags & kConnBroken) relayReset(from, source.brokenErrno);
    return false;
  }
  if (seen.kind == IoResult::Kind::kEof) {
    endOfStream(from);
    return false;
  }
  if (seen.kind == IoResult::Kind::kFailed) {
    relayReset(from, seen.sysErrno);
    return false;
  }
  bump(count(ShardCounter::kUnbufferedReads));
  setNodelay(sink);
  const IoResult taken = sys::send(sink.fd, scratch_, seen.bytes);
  if (taken.kind == IoResult::Kind::kFailed) {
    writeFailed(to, taken.sysErrno);
    return false;
  }
  const size_t sent = taken.kind == IoResult::Kind::kDone ? taken.bytes : 0;
  if (sent > 0) {
    (void)sys::discard(source.fd, sent);
    *budget -= std::min(*budget, static_cast<u32>(sent));
    source.bytesIn += sent;
    tunnel.lastActiveTick = nowTick_;
    bump(count(ShardCounter::kMessages));
    bump(count(tunnel.listener, source.side == Side::kDownstream
                                    ? ListenerCounter::kBytesFromClients
                                    : ListenerCounter::kBytesFromEndpoints),
         sent);
  }
  if (sent == seen.bytes) return true;
  sink.flags = static_cast<u16>(sink.flags & ~kConnWritable);
  source.flags |= kConnBlocked;
  return false;
}

// Writes the pending chain until it is empty or the socket takes no more.
void Shard::flush(u32 conn) {
  Conn& record = conns_[conn];
  setNodelay(record);
  while (!record.pending.isEmpty()) {
    HF_UNINITIALIZED iovec parts[kChunksPerSend];
    const int count = chunks_.gather(record.pending, parts);
    const IoResult result = sys::sendVector(record.fd, parts, count);
    if (result.kind == IoResult::Kind::kFailed) return writeFailed(conn, result.sysErrno);
    if (result.kind != IoResult::Kind::kDone) {
      record.flags = static_cast<u16>(record.flags & ~kConnWritable);
      return resumePeer(conn);
    }
    chunks_.consume(record.pending, result.bytes);
    tunnels_[record.tunnel].lastActiveTick = nowTick_;
  }
  if (record.flags & kConnFinDue) {
    record.flags = static_cast<u16>(record.flags & ~kConnFinDue);
    finishIfDone(record.tunnel);
    if ((record.flags & kConnOpen) == 0) return;
    sendFin(conn);
  }
  resumePeer(conn);
}

// Lets the other side be read again when this one has drained enough.
void Shard::resumePeer(u32 conn) {
  const Conn& record = conns_[conn];
  const u32 other = peerIndex(record);
  Conn& peer = conns_[other];
  if ((peer.flags & kConnPaused) && record.pending.bytes <= tunnels_[record.tunnel].bufferLow) {
    peer.flags = static_cast<u16>(peer.flags & ~kConnPaused);
    paused_--;
    bump(count(ShardCounter::kResumes));
    if (peer.flags & kConnReadable) queue(other);
  }
  if ((peer.flags & kConnBlocked) && (record.flags & kConnWritable)) {
    peer.flags = static_cast<u16>(peer.flags & ~kConnBlocked);
    if (peer.flags & kConnReadable) queue(other);
  }
}

// The FIN of `conn` was read: it goes to the other side once, after the last byte.
void Shard::endOfStream(u32 conn) {
  Conn& record = conns_[conn];
  if (record.flags & kConnBroken) return relayReset(conn, record.brokenErrno);
  record.flags |= kConnEof;
  record.flags = static_cast<u16>(record.flags & ~kConnReadable);
  Tunnel& tunnel = tunnels_[record.tunnel];
  tunnel.lastActiveTick = nowTick_;
  if ((record.flags & kConnFrames) != 0 && hasChunks(tunnel)) dropPart(tunnel, record.side);
  const u32 other = peerIndex(record);
  if ((conns_[other].flags & kConnEof) == 0 && record.side == Side::kDownstream) {
    tunnel.flags |= kTunnelClientFirst;
  }
  Conn& peer = conns_[other];
  if (!peer.pending.isEmpty()) {
    peer.flags |= kConnFinDue;
  } else {
    finishIfDone(record.tunnel);
    if (tunnel.state == TunnelState::kClosed) return;
    sendFin(other);
  }
  // A reset that came behind the FIN is known already; no other event will tell of it.
  if (record.flags & kConnError) queue(conn);
  rearm(record.tunnel);
}

// A write to `conn` failed. What it has sent before it broke still goes to the other side; then the
// end is relayed as the abnormal one it is.
void Shard::writeFailed(u32 conn, int error) {
  Conn& record = conns_[conn];
  record.flags |= kConnBroken | kConnReadable;
  record.flags = static_cast<u16>(record.flags & ~(kConnWritable | kConnFinDue));
  record.brokenErrno = static_cast<u8>(error);
  chunks_.clear(record.pending);
  // Nothing is left to read, or nobody is left to give it to.
  const bool isPeerBroken = (conns_[peerIndex(record)].flags & kConnBroken) != 0;
  if ((record.flags & kConnEof) || isPeerBroken) return relayReset(conn, error);
  queue(conn);
}

// While lingering, input is read and dropped: our FIN is out, and the peer's must come.
void Shard::discardInput(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnOpen) == 0) return;
  if (isCutOff(record.tunnel, record.side)) return endCuts(record.tunnel);
  if ((record.flags & kConnWritable) && !record.pending.isEmpty()) {
    flush(conn);
    if (tunnels_[record.tunnel].state != TunnelState::kLingering) return;
  }
  u32 budget = kReadBudgetBytes;
  while ((record.flags & kConnReadable) && (record.flags & kConnEof) == 0) {
    const IoResult result = sys::recv(record.fd, scratch_, kScratchBytes);
    if (result.kind == IoResult::Kind::kAgain) {
      record.flags = static_cast<u16>(record.flags & ~kConnReadable);
      return;
    }
    if (result.kind == IoResult::Kind::kFailed) return relayReset(conn, result.sysErrno);
    if (result.kind == IoResult::Kind::kEof) {
      record.flags |= kConnEof;
      // What it was to get before our FIN was lost: that is no clean end.
      if (record.flags & kConnBroken) return relayReset(conn, record.brokenErrno);
      return finishIfDone(record.tunnel);
    }
    budget -= std::min(budget, static_cast<u32>(result.bytes));
    if (budget == 0) return queue(conn);
  }
}

}  // namespace holdfast::proxy
