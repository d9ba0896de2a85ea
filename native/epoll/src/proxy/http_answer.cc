// The endpoint's side of HTTP: its response is read, judged and passed on.
//
// A read task takes what the socket has into the scratch; head and content go to the client in one
// write where they came in one read. What the client does not take waits in its conn's chain, and
// above the high watermark the endpoint is not read.
// Invariant: the client gets one final head for its request; content that ends too early is never
// shown as whole.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "http/head_fields.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

u32 microsOf(u64 ns) { return static_cast<u32>(ns / 1000); }

// Statuses of the endpoint that a route may try again for.
u32 conditionOf(u16 status) {
  u32 condition = 0;
  if (status >= 500) condition |= kRetryStatus5xx;
  if (status == 502) condition |= kRetryStatus502;
  if (status == 503) condition |= kRetryStatus503;
  if (status == 504) condition |= kRetryStatus504;
  if (status == 429) condition |= kRetryStatus429;
  return condition;
}

}  // namespace

// A task of the socket to the endpoint.
void Shard::serveUpstream(u32 conn) {
  Conn& upstream = conns_[conn];
  const u32 tunnel = upstream.tunnel;
  if ((upstream.flags & kConnOpen) == 0) return;
  if (conn != tunnels_[tunnel].upstream) return serveHedged(conn);
  if ((upstream.flags & kConnWritable) != 0 && !upstream.pending.isEmpty()) {
    if (const int error = flushPending(conn); error != 0) {
      upstream.flags |= kConnBroken | kConnReadable;
      upstream.brokenErrno = static_cast<u8>(error);
      chunks_.clear(upstream.pending);
    }
  }
  resumeReader(tunnels_[tunnel].downstream, conn);
  // One read: beside thousands of downloads a small answer waits for one of each.
  u32 budget = kScratchBytes;
  const Handle handle = conns_.handleOf(conn);
  while (readAnswer(tunnel, &budget)) {
    // The exchange may be over, and the connection another tunnel's.
    const Conn* now = conns_.resolve(handle);
    if (now == nullptr || now->tunnel != tunnel) return;
    if (budget == 0) return queue(conn);
  }
}

// False when nothing more can be done for now.
bool Shard::readAnswer(u32 tunnel, u32* budget) {
  const Tunnel& record = tunnels_[tunnel];
  if (record.state != TunnelState::kHttp || record.upstream == kNoIndex) return false;
  const u32 conn = record.upstream;
  Conn& upstream = conns_[conn];
  const Conn& client = conns_[record.downstream];
  Exchange& exchange = exchangeOf(tunnel);
  // The response waits for its filters.
  if ((exchange.flags & kExParked) != 0) return false;
  if (isCodedDue(exchange)) {
    *budget = 0;
    return drainCoded(tunnel);
  }
  if ((upstream.flags & (kConnReadable | kConnEof | kConnError)) == 0) return false;
  const size_t held = exchange.kept.bytes;
  u32 room = kScratchBytes - static_cast<u32>(held);
  if (client.pending.bytes >= record.bufferHigh) [[unlikely]] {
    if (!mayFill(conn, client, &room)) return false;
  } else if (!client.pending.isEmpty()) {
    room = std::min(room, record.bufferHigh);
  }
  // To compress takes time: a small read is a task.
  const bool isCandidate = exchange.coded != kNoIndex;
  if (isCandidate) room = std::min(room, kCodedReadBytes);
  if (!chunks_.hasRoom(room)) {
    // At the memory cap a reader that is behind gets no more.
    if (!client.pending.isEmpty() || (client.flags & kConnWritable) == 0) {
      pauseFor(conn);
      return false;
    }
    constexpr u16 kSealed = kConnTls;
    const bool isPlain = ((client.flags | upstream.flags) & kSealed) == 0 &&
                         (exchange.flags & (kExAnswered | kExResponseChunked)) == kExAnswered;
    if (isPlain && exchange.response.contentLeft() != 0)
      return passUnbuffered(tunnel, budget, room);
    room = std::min(room, kChunkBytes);
  }
  const Received got = receive(conn, held, room);
  switch (got.kind) {
    case Received::Kind::kNothing:
      if ((upstream.flags & kConnBroken) == 0) {
        if (isCandidate && (exchange.flags & kExCoded) != 0) flushCoded(tunnel);
        return (upstream.flags & kConnReadable) != 0;
      }
      endOfAnswer(tunnel, upstream.brokenErrno);
      return false;
    case Received::Kind::kEnd:
      // A failed write has taken the error of a reset, and what is left to read is an end.
      endOfAnswer(tunnel, (upstream.flags & kConnBroken) != 0 ? upstream.brokenErrno : 0);
      return false;
    case Received::Kind::kFailed:
      endOfAnswer(tunnel, got.error);
      return false;
    case Received::Kind::kBytes:
      break;
  }
  *budget -= isCandidate ? *budget : std::min(*budget, static_cast<u32>(got.bytes));
  bump(count(record.listener, ListenerCounter::kBytesFromEndpoints), got.bytes);
  bump(count(ShardCounter::kMessages));
  if (record.bufferHigh == 0) spendThrottle(conn, got.bytes);
  tunnels_[tunnel].lastActiveTick = nowTick_;
  if (held != 0) (void)chunks_.moveTo(exchange.kept, scratch_);
  dropHedged(tunnel);
  takeAnswer(tunnel, held + got.bytes);
  return true;
}

// At the memory cap, content that goes on as it is: nothing is consumed that the client has not
// taken.
bool Shard::passUnbuffered(u32 tunnel, u32* budget, u32 room) {
  const Tunnel& record = tunnels_[tunnel];
  Conn& upstream = conns_[record.upstream];
  Conn& client = conns_[record.downstream];
  Exchange& exchange = exchangeOf(tunnel);
  const u64 most = std::min<u64>(room, exchange.response.contentLeft());
  const IoResult seen = sys::peek(upstream.fd, scratch_, static_cast<size_t>(most));
  if (seen.kind == IoResult::Kind::kAgain) {
    upstream.flags = static_cast<u16>(upstream.flags & ~kConnReadable);
    return false;
  }
  if (seen.kind != IoResult::Kind::kDone) {
    const bool isEnd = seen.kind == IoResult::Kind::kEof;
    if (isEnd) upstream.flags |= kConnEof;
    endOfAnswer(tunnel, isEnd ? 0 : seen.sysErrno);
    return false;
  }
  bump(count(ShardCounter::kUnbufferedReads));
  const IoResult taken = sys::send(client.fd, scratch_, seen.bytes);
  if (taken.kind == IoResult::Kind::kFailed) {
    clientGone(tunnel, taken.sysErrno);
    return false;
  }
  const size_t sent = taken.kind == IoResult::Kind::kDone ? taken.bytes : 0;
  if (sent < seen.bytes) {
    client.flags = static_cast<u16>(client.flags & ~kConnWritable);
    pauseFor(record.upstream);
  }
  if (sent == 0) return false;
  (void)sys::discard(upstream.fd, sent);
  (void)exchange.response.take({scratch_, sent});
  exchange.bytesOut += sent;
  upstream.bytesIn += sent;
  *budget -= std::min(*budget, static_cast<u32>(sent));
  bump(count(record.listener, ListenerCounter::kBytesFromEndpoints), sent);
  if (record.bufferHigh == 0) spendThrottle(record.upstream, sent);
  tunnels_[tunnel].lastActiveTick = nowTick_;
  if (exchange.response.isEnded()) {
    finishExchange(tunnel);
    return false;
  }
  return sent == seen.bytes;
}

// The endpoint ended its stream; error 0: with FIN.
void Shard::endOfAnswer(u32 tunnel, int error) {
  Exchange& exchange = exchangeOf(tunnel);
  if ((exchange.flags & kExAnswered) == 0) return upstreamFailed(tunnel, HttpEnd::kEndpointReset);
  const bool isWhole = error == 0 && exchange.response.takeEof() == http1::Violation::kNone;
  if (!isWhole) return cutAnswer(tunnel, HttpEnd::kTruncated);
  if ((exchange.flags & kExCoded) != 0) {
    exchange.flags &= ~u32{kExPersistent};
    return takeAnswer(tunnel, 0);
  }
  if ((exchange.flags & kExResponseChunked) != 0) {
    const auto* last = reinterpret_cast<const u8*>(http1::kLastChunk.data());
    const int failed = emit(tunnels_[tunnel].downstream, last, http1::kLastChunk.size());
    if (failed != 0) return clientGone(tunnel, failed);
  }
  exchange.flags &= ~u32{kExPersistent};
  finishExchange(tunnel);
}

// Bytes of the response lie in the scratch.
void Shard::takeAnswer(u32 tunnel, size_t total) {
  const u32 client = tunnels_[tunnel].downstream;
  Exchange& exchange = exchangeOf(tunnel);
  std::span<const u8> bytes(scratch_, total);
  outLength_ = 0;
  textLength_ = 0;
  int error = 0;
  while ((exchange.flags & kExAnswered) == 0) {
    if (!takeAnswerHead(tunnel, &bytes)) return;
  }
  const bool isCoded = (exchange.flags & kExCoded) != 0;
  if (isCoded || !exchange.response.isEnded()) {
    const ContentFlow flow{
        &exchange.response,   &exchange.scan, &exchange.kept,
        &exchange.bytesOut,   client,         (exchange.flags & kExResponseChunked) != 0,
        &http1::kTrailerRules};
    size_t taken = 0;
    const Passed passed = isCoded ? passCoded(tunnel, bytes, &taken, &error)
                                  : passContent(flow, bytes, &taken, &error);
    if (passed == Passed::kBroken) return clientGone(tunnel, error);
    if (passed == Passed::kNoMemory) {
      if (!flushOut(client, &error)) return clientGone(tunnel, error);
      return cutAnswer(tunnel, HttpEnd::kNoMemory);
    }
    if (passed == Passed::kViolation) {
      const auto violation = static_cast<size_t>(exchange.response.violation());
      bump(board_.http(options_.index, tunnels_[tunnel].listener)
               .violationsFromEndpoints[violation]);
      if (!flushOut(client, &error)) return clientGone(tunnel, error);
      violation_ = http1::nameOf(exchange.response.violation());
      cutAnswer(tunnel, HttpEnd::kEndpointInvalid);
      violation_ = "";
      return;
    }
    if (passed == Passed::kMore) {
      if (!flushOut(client, &error)) return clientGone(tunnel, error);
      return armHttp(tunnel);
    }
    bytes = bytes.subspan(taken);
  }
  // Bytes behind the response belong to nobody.
  if (!bytes.empty()) exchange.flags &= ~u32{kExPersistent};
  if (!flushOut(client, &error)) return clientGone(tunnel, error);
  finishExchange(tunnel);
}

// Takes one head at the front of `bytes`. False when there is nothing more to take: it is not
// whole, or the exchange went on elsewhere.
bool Shard::takeAnswerHead(u32 tunnel, std::span<const u8>* bytes) {
  Exchange& exchange = exchangeOf(tunnel);
  const bool isSwitchAsked = (exchange.flags & kExWebSocket) != 0;
  const http1::ResponseTo to{
      exchange.method, isSwitchAsked ? http1::UpgradeTo::kWebSocket : http1::UpgradeTo::kNone};
  const http1::HeadResult result =
      http1::takeResponse(*bytes, http1::kResponseRules, to, &exchange.scan, &head_);
  int error = 0;
  switch (result.kind) {
    case http1::HeadResult::Kind::kNeedMore:
      if (chunks_.append(exchange.kept, bytes->data(), bytes->size()) != bytes->size()) {
        answer(tunnel, 503, HttpEnd::kNoMemory);
      } else if (!flushOut(tunnels_[tunnel].downstream, &error)) {
        clientGone(tunnel, error);
      }
      return false;
    case http1::HeadResult::Kind::kViolation:
      bump(board_.http(options_.index, tunnels_[tunnel].listener)
               .violationsFromEndpoints[static_cast<size_t>(result.violation)]);
      if (!flushOut(tunnels_[tunnel].downstream, &error)) {
        clientGone(tunnel, error);
        return false;
      }
      violation_ = http1::nameOf(result.violation);
      upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
      violation_ = "";
      return false;
    case http1::HeadResult::Kind::kHead:
      break;
  }
  const std::span<const u8> whole = *bytes;
  *bytes = bytes->subspan(head_.length);
  if (head_.isSwitch) {
    if (exchange.chain == 0 || !askResponse(tunnel, whole)) upgrade(tunnel, *bytes);
    return false;
  }
  if (head_.status < 200) return passInterim(tunnel);
  if ((exchange.flags & kExResponseSeen) != 0) return writeAnswerHead(tunnel);
  if (exchange.firstByteMicros == 0) {
    exchange.firstByteMicros = std::max(1u, microsOf(nowNs_ - exchange.startedNs));
  }
  board_.clusterHttp(options_.index, tunnels_[tunnel].cluster)
      .count(clusterResponseCounterOf(head_.status));
  board_.clusterLatency(options_.index, tunnels_[tunnel].cluster)
      .record(microsOf(nowNs_ - exchange.triedNs));
  noteAnswered(tunnel, head_.status >= 500);
  if (const u32 condition = conditionOf(head_.status); condition != 0 && outLength_ == 0) {
    const u32 wanted = condition & exchange.retryOn;
    if (wanted != 0 && retryExchange(tunnel, wanted)) return false;
  }
  if (exchange.chain != 0 && askResponse(tunnel, whole)) return false;
  return writeAnswerHead(tunnel);
}

// A 1xx goes to clients that know of them. False when the endpoint sends too many.
bool Shard::passInterim(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  if (++exchange.interims > kInterimsMax) {
    int error = 0;
    if (!flushOut(tunnels_[tunnel].downstream, &error)) {
      clientGone(tunnel, error);
    } else {
      upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
    }
    return false;
  }
  if ((exchange.flags & kExOldClient) != 0) return true;
  HttpCell& cell = board_.http(options_.index, tunnels_[tunnel].listener);
  cell.count(HttpCounter::kResponses1xx);
  if (head_.status == 100) cell.count(HttpCounter::kContinues);
  // A try that was told to go on has had its effect.
  exchange.flags &= ~u32{kExReplayable};
  codec::Writer writer({outScratch_ + outLength_, kHttpOutBytes - outLength_});
  if (!http1::writeResponseHead(head_, http1::planResponse(head_), &writer)) return true;
  outLength_ += writer.size();
  return true;
}

// Writes the final head as the client is to get it. False when the exchange ended.
bool Shard::writeAnswerHead(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  http1::ResponsePlan plan = http1::planResponse(head_);
  const u64 most = exchange.responseBytesMax;
  exchange.response = http1::Body(head_, most == 0 ? http1::kBodyBytesMax : most);
  if (exchange.response.violation() != http1::Violation::kNone) {
    exchange.flags &= ~u32{kExReplayable};
    upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
    return false;
  }
  exchange.status = head_.status;
  // Nor is an endpoint that was asked for a WebSocket asked for anything else on that connection.
  const bool isSwitchAsked = (exchange.flags & kExWebSocket) != 0;
  const bool isUntilClose = head_.bodyKind == http1::BodyKind::kUntilClose;
  if (head_.isPersistent && !isUntilClose && !isSwitchAsked) exchange.flags |= kExPersistent;
  const bool isOld = (exchange.flags & kExOldClient) != 0;
  const bool isOpenEnded =
      head_.bodyKind == http1::BodyKind::kUntilClose || head_.bodyKind == http1::BodyKind::kChunked;
  // HTTP/1.0 has no chunks: the end of the connection ends the content.
  plan.isChunked = isOpenEnded && !isOld;
  // A client that still sends its request when the answer comes is not asked to go on.
  const bool isKept = (exchange.flags & kExKeepAsked) != 0 && exchange.request.isEnded() &&
                      !(isOld && isOpenEnded) && !isClosing(tunnel) &&
                      (httpOf(tunnel).flags & kHttpCloseDue) == 0;
  if (plan.isChunked) exchange.flags |= kExResponseChunked;
  plan.hop = !isKept ? http1::Hop::kClose : isOld ? http1::Hop::kKeepAlive : http1::Hop::kKeep;
  if (!isKept) httpOf(tunnel).flags |= kHttpCloseDue;
  HF_UNINITIALIZED EditList edits;
  editResponse(tunnel, edits);
  if (exchange.coded != kNoIndex) codeResponse(tunnel, plan, edits);
  plan.edits = edits.all();
  codec::Writer writer({outScratch_ + outLength_, kHttpOutBytes - outLength_});
  if (edits.isFull() || !http1::writeResponseHead(head_, plan, &writer)) {
    exchange.flags &= ~u32{kExReplayable};
    upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
    return false;
  }
  outLength_ += writer.size();
  exchange.flags |= kExAnswered;
  if (!exchange.head.isEmpty()) chunks_.clear(exchange.head);
  exchange.flags &= ~u32{kExReplayable};
  const u32 micros = exchange.firstByteMicros;
  if (exchange.route != kNoIndex)
    board_.routeLatency(options_.index, exchange.route).record(micros);
  board_.http(options_.index, tunnels_[tunnel].listener).count(responseCounterOf(exchange.status));
  return true;
}

// The endpoint agreed to a WebSocket; `rest` came behind its head.
void Shard::upgrade(u32 tunnel, std::span<const u8> rest) {
  Exchange& exchange = exchangeOf(tunnel);
  const codec::UpgradeResponse answered = http::upgradeResponseOf(head_);
  const auto violation = answered.check(head_.status, exchange.accept);
  if (violation != codec::HandshakeViolation::kNone || (exchange.flags & kExWebSocket) == 0) {
    exchange.flags &= ~u32{kExReplayable};
    return upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
  }
  http1::ResponsePlan plan = http1::planResponse(head_);
  plan.hop = http1::Hop::kWebSocket;
  HF_UNINITIALIZED EditList edits;
  editResponse(tunnel, edits);
  plan.edits = edits.all();
  codec::Writer writer({outScratch_ + outLength_, kHttpOutBytes - outLength_});
  if (edits.isFull() || !http1::writeResponseHead(head_, plan, &writer)) {
    exchange.flags &= ~u32{kExReplayable};
    return upstreamFailed(tunnel, HttpEnd::kEndpointInvalid);
  }
  outLength_ += writer.size();
  exchange.status = 101;
  exchange.end = HttpEnd::kUpgraded;
  exchange.firstByteMicros = std::max(1u, microsOf(nowNs_ - exchange.startedNs));
  board_.clusterLatency(options_.index, tunnels_[tunnel].cluster)
      .record(microsOf(nowNs_ - exchange.triedNs));
  noteAnswered(tunnel, false);
  HttpCell& cell = board_.http(options_.index, tunnels_[tunnel].listener);
  int error = 0;
  if (!flushOut(tunnels_[tunnel].downstream, &error)) return clientGone(tunnel, error);
  cell.count(HttpCounter::kResponses1xx);
  const u32 settings = exchange.settings;
  exchange.settings = kNoIndex;
  const bool hasDeflate = answered.hasDeflate() && !isMessageAsked(exchange.chain);
  if (exchange.chain != 0) askOpen(tunnel, exchange);
  std::memmove(scratch_, rest.data(), rest.size());
  openFrames(tunnel, settings, hasDeflate, rest.size());
}

}  // namespace holdfast::proxy
