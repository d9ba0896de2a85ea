// The client's side of HTTP: its requests are read one after another, and their content is passed
// on.
//
// A read task takes what the socket has into the scratch. A head that is not whole waits in the
// HttpConn, and so does what came behind a request until that is answered; content goes on from
// the scratch, within the watermarks of the listener. An idle client holds no buffer.
// Invariant: bytes are looked at once, in order; nothing of a request that was refused, or of what
// came behind it, reaches an endpoint.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proxy/shard.h"

namespace holdfast::proxy {

// The client is known, counted and, where the listener has TLS, its handshake is done.
void Shard::beginHttp(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  if ((record.flags & kTunnelHeaderQueued) != 0 || (conns_[record.downstream].flags & kConnTls)) {
    if (!passProxyHeader(tunnel, 0, HeaderUse::kDrop)) return;
  }
  releaseUpstream(record.upstream);
  record.upstream = kNoIndex;
  const u32 slot = httpConns_.take();  // as many as tunnels
  httpConns_[slot].sinceTick = nowTick_;
  httpAt_[record.downstream] = slot + 1;
  record.state = TunnelState::kHttp;
  record.lastActiveTick = nowTick_;
  if (isDraining_) record.drainTick = nowTick_ + 1 + random_.below(drainTicks_ + 1);
  wheel_.disarm(tunnel);
  armHttp(tunnel);
  // The end of a handshake may wait still, and the edge that told of room is gone.
  const Conn& client = conns_[record.downstream];
  const bool isWaiting = !client.pending.isEmpty();
  if (isWaiting || (client.flags & (kConnReadable | kConnError)) != 0) queue(record.downstream);
}

const HttpSpec* Shard::findHttp(u32 tunnel) const {
  const ListenerSpec* listener = findListener(tunnels_[tunnel].listener);
  const bool isHttpListener = listener != nullptr && listener->http != kNoIndex;
  return isHttpListener ? &snapshot_.http(listener->http) : nullptr;
}

// Reads plain bytes to scratch_ + offset, at most `room`.
Received Shard::receive(u32 conn, size_t offset, u32 room) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnEof) != 0) return {Received::Kind::kEnd, 0, 0};
  if ((record.flags & kConnTls) != 0) return receiveRecords(conn, offset, room);
  const IoResult result = sys::recv(record.fd, scratch_ + offset, room);
  switch (result.kind) {
    case IoResult::Kind::kDone:
      record.bytesIn += result.bytes;
      (void)noteDrained(conn, result.bytes < room);
      return {Received::Kind::kBytes, result.bytes, 0};
    case IoResult::Kind::kAgain:
      return receiveNothing(conn);
    case IoResult::Kind::kEof:
      record.flags |= kConnEof;
      record.flags = static_cast<u16>(record.flags & ~kConnReadable);
      return {Received::Kind::kEnd, 0, 0};
    case IoResult::Kind::kFailed:
      break;
  }
  return {Received::Kind::kFailed, 0, result.sysErrno};
}

// The socket has nothing: it is drained, or what it has is an error.
Received Shard::receiveNothing(u32 conn) {
  Conn& record = conns_[conn];
  record.flags = static_cast<u16>(record.flags & ~kConnReadable);
  if ((record.flags & kConnError) == 0) return {};
  record.flags = static_cast<u16>(record.flags & ~kConnError);
  const int error = sys::takeSocketError(record.fd);
  return error > 0 ? Received{Received::Kind::kFailed, 0, error} : Received{};
}

Received Shard::receiveRecords(u32 conn, size_t offset, u32 room) {
  Conn& record = conns_[conn];
  if ((tlsOf(conn).flags & kTlsAbortDue) != 0) return {Received::Kind::kFailed, 0, EPROTO};
  IoResult result;
  // What is opened moves behind what is kept.
  const size_t most = kScratchBytes - offset - tlsOf(conn).received.bytes;
  const size_t total = fillRecords(conn, std::min(room, static_cast<u32>(most)), &result);
  switch (result.kind) {
    case IoResult::Kind::kDone:
      break;
    case IoResult::Kind::kAgain:
      return receiveNothing(conn);
    case IoResult::Kind::kEof:
      // Without close_notify nobody knows whether that was all (RFC 8446 6.1).
      return {Received::Kind::kFailed, 0, ENODATA};
    case IoResult::Kind::kFailed:
      return {Received::Kind::kFailed, 0, result.sysErrno};
  }
  if (total == 0) return {};
  const tls::Opened opened = openAll(conn, total);
  record.bytesIn += opened.produced;
  // Behind what waits it goes with the next bytes: who reads nothing gets no more memory by asking.
  // Nor does anything go behind a record that was lost.
  if (opened.isReplyDue && record.pending.isEmpty() && (record.flags & kConnBroken) == 0) {
    const tls::Sealed sealed =
        records_->sealDue(recordsOf(tlsOf(conn)), {sealScratch_, kSealScratchBytes});
    bump(count(ShardCounter::kTlsReplies));
    int error = 0;
    if (!transmit(conn, sealScratch_, sealed.produced, &error)) {
      noteBroken(conn, error);
      return {Received::Kind::kFailed, 0, error};
    }
  }
  // A reply of an engine was lost: no answer could follow it.
  if (record.side == Side::kDownstream && (record.flags & kConnBroken) != 0) {
    return {Received::Kind::kFailed, 0, record.brokenErrno};
  }
  if (opened.event == tls::OpenEvent::kAlert || opened.event == tls::OpenEvent::kViolation) {
    refuseRecords(conn, opened);
    // What an endpoint said before may be the answer. A client could not be given one any more.
    if (record.side == Side::kDownstream || opened.produced == 0) {
      return {Received::Kind::kFailed, 0, EPROTO};
    }
    tlsOf(conn).flags |= kTlsAbortDue;
    record.flags |= kConnReadable;
  }
  if (opened.event == tls::OpenEvent::kCloseNotify) {
    record.flags |= kConnEof;
    if (opened.produced == 0) return {Received::Kind::kEnd, 0, 0};
  }
  if (opened.produced == 0) return {};
  if (offset != 0) std::memmove(scratch_ + offset, scratch_, opened.produced);
  return {Received::Kind::kBytes, opened.produced, 0};
}

// A task of the client's socket.
void Shard::serveClient(u32 conn) {
  Conn& client = conns_[conn];
  const u32 tunnel = client.tunnel;
  if ((client.flags & kConnWritable) != 0 && !client.pending.isEmpty()) {
    if (const int error = flushPending(conn); error != 0) return clientGone(tunnel, error);
  }
  const u32 upstream = tunnels_[tunnel].upstream;
  if (upstream != kNoIndex) resumeReader(upstream, conn);
  if ((client.flags & kConnError) != 0 && (client.flags & kConnReadable) == 0) {
    client.flags = static_cast<u16>(client.flags & ~kConnError);
    const int error = sys::takeSocketError(client.fd);
    if (error > 0) return clientGone(tunnel, error);
  }
  u32 budget = kReadBudgetBytes;
  while (tunnels_[tunnel].state == TunnelState::kHttp) {
    const bool isBusy = httpOf(tunnel).exchange != kNoIndex;
    if (!(isBusy ? readContent(tunnel, &budget) : readRequest(tunnel, &budget))) return;
    if (budget == 0) return queue(conn);
  }
}

// Looks for the next request. False when nothing more can be done for now.
bool Shard::readRequest(u32 tunnel, u32* budget) {
  const u32 conn = tunnels_[tunnel].downstream;
  Conn& client = conns_[conn];
  HttpConn& http = httpOf(tunnel);
  // Who does not read its answers is not asked for more.
  if (!client.pending.isEmpty()) return false;
  const HttpSpec* spec = findHttp(tunnel);
  if (spec == nullptr) {
    // The listener went: what is on its way to nowhere is not taken.
    lingerHttp(tunnel, CloseReason::kUnrouted);
    return false;
  }
  const http1::Rules rules = rulesOf(*spec);
  const size_t held = http.kept.bytes;
  size_t total = 0;
  if ((http.flags & kHttpUnread) != 0) {
    http.flags = static_cast<u16>(http.flags & ~kHttpUnread);
    total = chunks_.moveTo(http.kept, scratch_);
    http.sinceTick = nowTick_;
    // Requests that came together are taken out of the chain one by one.
    *budget -= std::min(*budget, kUnreadPrice);
  } else {
    if ((client.flags & (kConnReadable | kConnEof)) == 0) return false;
    const Received got = receive(conn, held, kHttpReadBytes);
    switch (got.kind) {
      case Received::Kind::kNothing:
        return (client.flags & kConnReadable) != 0;
      case Received::Kind::kEnd:
        close(tunnel, CloseReason::kClientClosed, How::kFin);
        return false;
      case Received::Kind::kFailed:
        clientGone(tunnel, got.error);
        return false;
      case Received::Kind::kBytes:
        break;
    }
    *budget -= std::min(*budget, static_cast<u32>(got.bytes));
    bump(count(tunnels_[tunnel].listener, ListenerCounter::kBytesFromClients), got.bytes);
    tunnels_[tunnel].lastActiveTick = nowTick_;
    if (held == 0) {
      http.sinceTick = nowTick_;
    } else if (http1::canKeep({scratch_ + held, got.bytes}, rules, &http.scan)) {
      const size_t kept = chunks_.append(http.kept, scratch_ + held, got.bytes);
      if (kept != got.bytes) answer(tunnel, 503, HttpEnd::kNoMemory);
      return kept == got.bytes && (client.flags & kConnReadable) != 0;
    } else {
      (void)chunks_.moveTo(http.kept, scratch_);
    }
    total = held + got.bytes;
  }
  const http1::HeadResult result = http1::takeRequest({scratch_, total}, rules, &http.scan, &head_);
  switch (result.kind) {
    case http1::HeadResult::Kind::kNeedMore:
      if (chunks_.append(http.kept, scratch_, total) != total) {
        answer(tunnel, 503, HttpEnd::kNoMemory);
        return false;
      }
      armHttp(tunnel);
      return (client.flags & (kConnReadable | kConnEof)) != 0;
    case http1::HeadResult::Kind::kViolation:
      refuseRequest(tunnel, result.violation);
      return false;
    case http1::HeadResult::Kind::kHead:
      startExchange(tunnel, total);
      return true;
  }
  return false;
}

void Shard::refuseRequest(u32 tunnel, http1::Violation violation) {
  HttpCell& cell = board_.http(options_.index, tunnels_[tunnel].listener);
  bump(cell.violationsFromClients[static_cast<size_t>(violation)]);
  const u16 status = http1::statusOf(violation);
  httpOf(tunnel).flags |= kHttpCloseDue;
  violation_ = http1::nameOf(violation);
  const bool isLong = violation == http1::Violation::kBodyTooLong;
  answer(tunnel, status == 0 ? 400 : status,
         isLong ? HttpEnd::kBodyTooLong : HttpEnd::kRequestInvalid);
  violation_ = "";
}

// Passes on content of the request under way. False when nothing more can be done for now.
bool Shard::readContent(u32 tunnel, u32* budget) {
  const Tunnel& record = tunnels_[tunnel];
  const u32 conn = record.downstream;
  Conn& client = conns_[conn];
  HttpConn& http = httpOf(tunnel);
  Exchange& exchange = exchangePool_[http.exchange];
  if (exchange.request.isEnded()) {
    // Nobody waits for the answer of a client that went away; one that sends its next request has
    // it wait in the kernel.
    if ((client.flags & (kConnReadHup | kConnEof)) != 0) clientGone(tunnel, 0);
    return false;
  }
  // It waits for filters, and has no connection yet or one that is not open.
  const bool isUnsent = (exchange.flags & kExParked) != 0 && (exchange.flags & kExSent) == 0;
  if (record.upstream == kNoIndex || isUnsent) return false;
  if ((client.flags & (kConnReadable | kConnEof)) == 0) return false;
  Conn& upstream = conns_[record.upstream];
  if ((upstream.flags & kConnBroken) != 0) return false;
  const size_t held = http.kept.bytes;
  u32 room = chunks_.hasRoom(kHttpReadBytes) ? kHttpReadBytes : kChunkBytes;
  if (upstream.pending.bytes >= record.bufferHigh && !mayFill(conn, upstream, &room)) return false;
  const Received got = receive(conn, held, room);
  switch (got.kind) {
    case Received::Kind::kNothing:
      return (client.flags & kConnReadable) != 0;
    case Received::Kind::kEnd:
    case Received::Kind::kFailed:
      clientGone(tunnel, got.error);
      return false;
    case Received::Kind::kBytes:
      break;
  }
  *budget -= std::min(*budget, static_cast<u32>(got.bytes));
  bump(count(record.listener, ListenerCounter::kBytesFromClients), got.bytes);
  if (record.bufferHigh == 0) spendThrottle(conn, got.bytes);
  tunnels_[tunnel].lastActiveTick = nowTick_;
  const size_t total = held + got.bytes;
  if (held != 0) (void)chunks_.moveTo(http.kept, scratch_);
  setNodelay(upstream);
  const ContentFlow flow{&exchange.request,    &http.scan,
                         &http.kept,           &exchange.bytesIn,
                         record.upstream,      (exchange.flags & kExRequestChunked) != 0,
                         &http1::kTrailerRules};
  outLength_ = 0;
  size_t taken = 0;
  int error = 0;
  // More than what a try can be repeated with.
  if ((exchange.flags & kExReplayable) != 0) {
    exchange.flags &= ~u32{kExReplayable};
    chunks_.clear(exchange.head);
  }
  if (exchange.mirror != kNoIndex) [[unlikely]]
    copyToMirrors(exchange, total);
  const Passed passed = passContent(flow, {scratch_, total}, &taken, &error);
  if (passed == Passed::kViolation) {
    const http1::Violation violation = exchange.request.violation();
    dropUpstream(tunnel, false, How::kReset);
    if ((exchange.flags & kExAnswered) != 0) {
      cutAnswer(tunnel, HttpEnd::kRequestInvalid);
    } else {
      refuseRequest(tunnel, violation);
    }
    return false;
  }
  if (passed == Passed::kEnd) {
    keepUnread(http, {scratch_ + taken, total - taken});
    if (exchange.mirror != kNoIndex) [[unlikely]]
      endMirrors(tunnel);
  }
  if (passed == Passed::kBroken || !flushOut(record.upstream, &error)) {
    // Where the request ends was not looked for, so that nothing can follow it.
    if (passed == Passed::kBroken) http.flags |= kHttpCloseDue;
    // What the endpoint said before it broke off comes first: it may be the answer.
    upstream.flags |= kConnBroken | kConnReadable;
    upstream.brokenErrno = static_cast<u8>(error);
    chunks_.clear(upstream.pending);
    queue(record.upstream);
    return false;
  }
  if (passed == Passed::kEnd) noteRequestEnd(exchange);
  armHttp(tunnel);
  return true;
}

// Passes content on, with its framing taken off and put on again, into the out scratch and from
// there to `flow.to`. kEnd: the message is whole, and `taken` bytes belong to it. kBroken: `error`.
Passed Shard::passContent(const ContentFlow& flow, std::span<const u8> bytes, size_t* taken,
                          int* error) {
  u8 line[http1::kChunkSizeLineBytesMax];
  const auto put = [&](std::string_view text) {
    return putOut(flow.to, reinterpret_cast<const u8*>(text.data()), text.size(), error);
  };
  size_t at = 0;
  while (!flow.body->isEnded()) {
    const http1::BodyPiece piece = flow.body->take(bytes.subspan(at));
    if (piece.contentBytes != 0) {
      *flow.count += piece.contentBytes;
      codec::Writer size({line, sizeof(line)});
      if (flow.isChunked) {
        (void)http1::writeChunkSize(piece.contentBytes, &size);
        if (!putOut(flow.to, line, size.size(), error)) return Passed::kBroken;
      }
      if (!putOut(flow.to, bytes.data() + at + piece.contentAt, piece.contentBytes, error)) {
        return Passed::kBroken;
      }
      if (flow.isChunked && !put(http1::kCrlf)) return Passed::kBroken;
    }
    at += piece.taken;
    if (piece.event == http1::BodyEvent::kViolation) return Passed::kViolation;
    if (piece.event == http1::BodyEvent::kEnd) break;
    if (piece.event == http1::BodyEvent::kMore) {
      if (at >= bytes.size()) return Passed::kMore;
      continue;
    }
    const std::span<const u8> rest = bytes.subspan(at);
    const http1::HeadResult result = http1::takeTrailers(rest, *flow.rules, flow.scan, &head_);
    if (result.kind == http1::HeadResult::Kind::kViolation) return Passed::kViolation;
    if (result.kind == http1::HeadResult::Kind::kNeedMore) {
      (void)chunks_.append(*flow.kept, rest.data(), rest.size());
      return Passed::kMore;
    }
    flow.body->finishTrailers();
    at += head_.length;
    *taken = at;
    if (!flow.isChunked) return Passed::kEnd;
    u8 trailers[2 * http1::kTrailerBytesMax];
    codec::Writer writer({trailers, sizeof(trailers)});
    if (!http1::writeTrailers(head_, &writer)) return Passed::kViolation;
    return putOut(flow.to, trailers, writer.size(), error) ? Passed::kEnd : Passed::kBroken;
  }
  *taken = at;
  if (flow.isChunked && !put(http1::kLastChunk)) return Passed::kBroken;
  return Passed::kEnd;
}

// Puts bytes into the out scratch; long runs go out from where they are. False when `to` broke.
bool Shard::putOut(u32 to, const u8* bytes, size_t length, int* error) {
  const bool isDirect = to != kNoIndex && length >= kDirectRunBytes;
  const bool isFull = outLength_ + length > kHttpOutBytes;
  if (to != kNoIndex && (isDirect || isFull) && !flushOut(to, error)) return false;
  if (isDirect) {
    *error = emit(to, bytes, length);
    return *error == 0;
  }
  HF_ASSERT(outLength_ + length <= kHttpOutBytes);
  std::memcpy(outScratch_ + outLength_, bytes, length);
  outLength_ += length;
  return true;
}

bool Shard::flushOut(u32 to, int* error) {
  if (outLength_ == 0) return true;
  *error = emit(to, outScratch_, outLength_);
  outLength_ = 0;
  return *error == 0;
}

// Writes what waits for the socket. 0, or the errno.
int Shard::flushPending(u32 conn) {
  int error = 0;
  setNodelay(conns_[conn]);
  const u32 before = conns_[conn].pending.bytes;
  const bool isSent = transmit(conn, nullptr, 0, &error);
  if (conns_[conn].pending.bytes != before) {
    tunnels_[conns_[conn].tunnel].lastActiveTick = nowTick_;
  }
  return isSent ? 0 : error;
}

// `conn` is not read until what it filled is below the low watermark.
void Shard::pauseFor(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnPaused) != 0) return;
  record.flags |= kConnPaused;
  if (record.side == Side::kDownstream) exchangeOf(record.tunnel).flags |= kExHeldBack;
  paused_++;
  bump(count(ShardCounter::kPauses));
}

// True when the other side of an exchange waits for this socket to take bytes.
bool Shard::isReaderPaused(const Conn& conn) const {
  const Tunnel& record = tunnels_[conn.tunnel];
  const u32 other = conn.side == Side::kDownstream ? record.upstream : record.downstream;
  return other != kNoIndex && (conns_[other].flags & kConnPaused) != 0;
}

// Lets `reader` be read again when what it fills, the chain of `writer`, has drained enough.
void Shard::resumeReader(u32 reader, u32 writer) {
  Conn& record = conns_[reader];
  if ((record.flags & kConnPaused) == 0) return;
  if (conns_[writer].pending.bytes > tunnels_[record.tunnel].bufferLow) return;
  record.flags = static_cast<u16>(record.flags & ~kConnPaused);
  paused_--;
  bump(count(ShardCounter::kResumes));
  if (record.side == Side::kDownstream) armHttp(record.tunnel);
  if ((record.flags & (kConnReadable | kConnEof)) != 0) queue(reader);
}

}  // namespace holdfast::proxy
