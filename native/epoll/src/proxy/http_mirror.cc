// Copies of requests for other clusters: an exchange without a client, whose answer nobody gets.
//
// A copy is a tunnel like that of a client with a request under way, but its downstream conn has no
// descriptor. So it finds its endpoint, connects, shakes hands, counts and keeps connections as any
// request does; only reading the answer is its own (kMirror), and every way that would answer a
// client ends here instead. It is made when its request is whole, and begins in a task of its own.
// Invariant: its request neither waits for it nor learns of it; it ends within its deadline.
#include <algorithm>
#include <cerrno>
#include <new>

#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

u32 microsOf(u64 ns) { return static_cast<u32>(ns / 1000); }

const u8* bytesOf(std::string_view text) { return reinterpret_cast<const u8*>(text.data()); }

}  // namespace

// Policies ask for copies of the request. One that is a copy itself is not copied again: mirrors
// could lead round in a circle.
void Shard::planMirrors(const Request& request) {
  if (isDraining_ || !request.field(kMirrorField).empty()) return;
  Exchange& exchange = exchangePool_[request.exchange];
  if (exchange.mirror == kNoIndex) {
    exchange.mirror = mirrorPlans_.take();  // as many as exchanges
    ::new (mirrorPlans_.at(exchange.mirror)) MirrorPlan();
  }
  MirrorPlan& plan = planOf(exchange);
  for (u32 i = 0; i < outcome_.mirrorCount; i++) {
    if (plan.count == policy::kMirrorsOfRequestMax) {
      countMirror(outcome_.mirrors[i].cluster, ClusterHttpCounter::kMirrorsOverLimit);
    } else {
      plan.targets[plan.count++] = outcome_.mirrors[i];
    }
  }
}

void Shard::countMirror(u32 cluster, ClusterHttpCounter counter) {
  board_.clusterHttp(options_.index, cluster).count(counter);
}

// The head of the request stands in front of its content so far, as its endpoint gets them, in the
// out scratch.
void Shard::beginMirrors(u32 tunnel, size_t headBytes) {
  Exchange& exchange = exchangeOf(tunnel);
  // Who asks for a WebSocket asks for a connection.
  if ((exchange.flags & kExWebSocket) != 0) return dropMirrorPlan(exchange);
  MirrorPlan& plan = planOf(exchange);
  const u64 known = head_.hasLength ? head_.contentLength : 0;
  leaveOutMirrors(plan, std::max(known, exchange.bytesIn));
  const bool isKept = keepForMirrors(plan, outScratch_, headBytes - http1::kCrlf.size()) &&
                      keepForMirrors(plan, bytesOf(kMirrorLine), kMirrorLine.size()) &&
                      keepForMirrors(plan, outScratch_ + headBytes, outLength_ - headBytes);
  if (!isKept || plan.count == 0) return dropMirrorPlan(exchange);
  if (exchange.request.isEnded()) launchMirrors(tunnel);
}

// False, and counted, when there is no memory; then nobody gets a copy.
bool Shard::keepForMirrors(MirrorPlan& plan, const u8* bytes, size_t length) {
  if (plan.count == 0) return true;
  if (chunks_.hasRoom(length) && chunks_.append(plan.bytes, bytes, length) == length) return true;
  for (u32 i = 0; i < plan.count; i++) {
    countMirror(plan.targets[i].cluster, ClusterHttpCounter::kMirrorsNoMemory);
  }
  plan.count = 0;
  return false;
}

// Those that may not have so much content.
void Shard::leaveOutMirrors(MirrorPlan& plan, u64 contentBytes) {
  u32 kept = 0;
  for (u32 i = 0; i < plan.count; i++) {
    const policy::MirrorParts target = plan.targets[i];
    if (contentBytes <= target.contentBytesMax) {
      plan.targets[kept++] = target;
    } else {
      countMirror(target.cluster, ClusterHttpCounter::kMirrorsTooLong);
    }
  }
  plan.count = kept;
}

// Content of the request lies in the first `total` bytes of the scratch, and is going to be passed
// on from there.
void Shard::copyToMirrors(Exchange& exchange, size_t total) {
  MirrorPlan& plan = planOf(exchange);
  const bool isChunked = (exchange.flags & kExRequestChunked) != 0;
  http1::Body body = exchange.request;
  u64 contentBytes = exchange.bytesIn;
  u8 line[http1::kChunkSizeLineBytesMax];
  for (size_t at = 0; at < total && !body.isEnded() && plan.count != 0;) {
    const http1::BodyPiece piece = body.take({scratch_ + at, total - at});
    contentBytes += piece.contentBytes;
    if (piece.contentBytes != 0) leaveOutMirrors(plan, contentBytes);
    if (piece.contentBytes != 0 && isChunked) {
      codec::Writer size({line, sizeof(line)});
      (void)http1::writeChunkSize(piece.contentBytes, &size);
      (void)keepForMirrors(plan, line, size.size());
    }
    (void)keepForMirrors(plan, scratch_ + at + piece.contentAt, piece.contentBytes);
    if (piece.contentBytes != 0 && isChunked) {
      (void)keepForMirrors(plan, bytesOf(http1::kCrlf), http1::kCrlf.size());
    }
    at += piece.taken;
    // Trailers are not copied.
    if (piece.event != http1::BodyEvent::kMore) break;
  }
  if (plan.count == 0) dropMirrorPlan(exchange);
}

// The last of the content, which came later than the head, was copied.
void Shard::endMirrors(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  MirrorPlan& plan = planOf(exchange);
  const bool isChunked = (exchange.flags & kExRequestChunked) != 0;
  if (isChunked && !keepForMirrors(plan, bytesOf(http1::kLastChunk), http1::kLastChunk.size())) {
    return dropMirrorPlan(exchange);
  }
  launchMirrors(tunnel);
}

// The request is whole.
void Shard::launchMirrors(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  MirrorPlan& plan = planOf(exchange);
  for (u32 i = 0; i < plan.count; i++) {
    ChunkChain copy;
    if (i + 1 == plan.count) {
      copy = plan.bytes;
      plan.bytes = ChunkChain{};
    } else if (!copyChain(plan.bytes, &copy)) {
      countMirror(plan.targets[i].cluster, ClusterHttpCounter::kMirrorsNoMemory);
      continue;
    }
    launchMirror(tunnel, plan.targets[i], copy);
  }
  dropMirrorPlan(exchange);
}

bool Shard::copyChain(const ChunkChain& from, ChunkChain* to) {
  if (!chunks_.hasRoom(from.bytes)) return false;
  u8 piece[kChunkBytes];
  for (u32 at = 0; at < from.bytes;) {
    const u32 length = std::min(from.bytes - at, kChunkBytes);
    chunks_.copyFrom(from, at, length, piece);
    if (chunks_.append(*to, piece, length) != length) {
      chunks_.clear(*to);
      return false;
    }
    at += length;
  }
  return true;
}

// Makes a copy out of `bytes`; it goes its way in the task of its conn.
void Shard::launchMirror(u32 tunnel, const policy::MirrorParts& target, ChunkChain& bytes) {
  const u32 index = mirrors_ < kMirrorsMax && !isDraining_ ? tunnels_.take() : kNoIndex;
  if (index == kNoIndex) {
    countMirror(target.cluster, isDraining_ ? ClusterHttpCounter::kMirrorsCut
                                            : ClusterHttpCounter::kMirrorsOverLimit);
    return chunks_.clear(bytes);
  }
  mirrors_++;
  countMirror(target.cluster, ClusterHttpCounter::kMirrorsActive);
  const Tunnel& from = tunnels_[tunnel];
  const Exchange& asked = exchangeOf(tunnel);
  Tunnel& record = tunnels_[index];
  // There are as many of these as of tunnels.
  record.downstream = conns_.take();
  conns_[record.downstream].tunnel = index;
  conns_[record.downstream].side = Side::kDownstream;
  const u32 http = httpConns_.take();
  httpAt_[record.downstream] = http + 1;
  httpConns_[http].exchange = exchangePool_.take();
  record.listener = from.listener;
  record.cluster = static_cast<u16>(target.cluster);
  record.client = from.client;
  record.bufferHigh = bufferHighOf(tunnel);
  record.bufferLow = from.bufferLow;
  record.openedTick = record.lastActiveTick = nowTick_;
  const u32 position = findCluster(target.cluster);
  if (position != kNoIndex) {
    record.retriesLeft = static_cast<u8>(std::min(snapshot_.cluster(position).retries, 255u));
  }
  Exchange& copy = exchangeOf(index);
  copy.tunnel = index;
  copy.flags = kExMirror | kExReplayable | (asked.flags & kExIdempotent);
  copy.method = asked.method;
  copy.hash = asked.hash;
  copy.hasHash = asked.hasHash;
  copy.startedNs = nowNs_;
  copy.head = bytes;
  u32 ticks = asked.requestTicks == 0 ? ticksOf(kMirrorTimeoutMs) : asked.requestTicks;
  if (target.timeoutMs != 0) ticks = ticksOf(target.timeoutMs);
  enterState(index, TunnelState::kMirror, ticks);
  copy.requestTick = record.deadlineTick;
  queue(record.downstream);
}

// The request is over, or its copies are made.
void Shard::dropMirrorPlan(Exchange& exchange) {
  MirrorPlan& plan = planOf(exchange);
  if (!plan.bytes.isEmpty()) chunks_.clear(plan.bytes);
  mirrorPlans_.release(exchange.mirror);
  exchange.mirror = kNoIndex;
}

// Another snapshot: ids of clusters that it does not have may become those of others. What has not
// chosen an endpoint by now lets go of them.
void Shard::forgetMirrors() {
  for (u32 i = 0; i < exchangePool_.touched() && mirrorPlans_.inUse() != 0; i++) {
    if (exchangePool_[i].mirror == kNoIndex) continue;
    MirrorPlan& plan = planOf(exchangePool_[i]);
    u32 kept = 0;
    for (u32 at = 0; at < plan.count; at++) {
      if (findCluster(plan.targets[at].cluster) == kNoIndex) continue;
      plan.targets[kept++] = plan.targets[at];
    }
    plan.count = kept;
  }
  for (u32 i = 0; i < tunnels_.touched() && mirrors_ != 0; i++) {
    const Tunnel& record = tunnels_[i];
    const bool isNew = record.state == TunnelState::kMirror && record.upstream == kNoIndex;
    if (isNew && findCluster(record.cluster) == kNoIndex) {
      endMirror(i, ClusterHttpCounter::kMirrorFailures);
    }
  }
}

// The bytes of a copy, to the endpoint that it has now. They stay: another try may need them.
int Shard::sendCopy(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  record.state = TunnelState::kMirror;
  wheel_.arm(tunnel, exchange.requestTick);
  if ((exchange.flags & kExMirrorSent) == 0) {
    exchange.flags |= kExMirrorSent;
    countMirror(record.cluster, ClusterHttpCounter::kMirrors);
  }
  if (!chunks_.hasRoom(exchange.head.bytes)) return ENOBUFS;
  int error = 0;
  for (u32 at = 0; at < exchange.head.bytes && error == 0;) {
    const u32 length = std::min(exchange.head.bytes - at, kHttpOutBytes);
    chunks_.copyFrom(exchange.head, at, length, outScratch_);
    error = emit(record.upstream, outScratch_, length);
    at += length;
  }
  return error;
}

// A task of a copy: its first one, or of the socket to its endpoint.
void Shard::serveMirror(u32 conn) {
  Conn& upstream = conns_[conn];
  const u32 tunnel = upstream.tunnel;
  if (upstream.side == Side::kDownstream) return dispatch(tunnel);
  if ((upstream.flags & kConnOpen) == 0 || conn != tunnels_[tunnel].upstream) return;
  if ((upstream.flags & kConnWritable) != 0 && !upstream.pending.isEmpty()) {
    if (const int error = flushPending(conn); error != 0) {
      // What the endpoint said before it broke off comes first: it may be the answer.
      upstream.flags |= kConnBroken | kConnReadable;
      upstream.brokenErrno = static_cast<u8>(error);
      chunks_.clear(upstream.pending);
    }
  }
  // One read: who waits for an answer comes first.
  const Handle handle = conns_.handleOf(conn);
  while (readMirror(tunnel)) {
    const Conn* now = conns_.resolve(handle);
    if (now == nullptr || now->tunnel != tunnel) return;
    if ((now->flags & kConnReadable) != 0) return queue(conn);
  }
}

// False when nothing more can be done for now.
bool Shard::readMirror(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  Conn& upstream = conns_[record.upstream];
  Exchange& exchange = exchangeOf(tunnel);
  if ((upstream.flags & (kConnReadable | kConnEof | kConnError)) == 0) return false;
  const size_t held = exchange.kept.bytes;
  const Received got = receive(record.upstream, held, kScratchBytes - static_cast<u32>(held));
  if (got.kind == Received::Kind::kNothing && (upstream.flags & kConnBroken) == 0) {
    return (upstream.flags & kConnReadable) != 0;
  }
  if (got.kind != Received::Kind::kBytes) {
    const bool isEnd = got.kind == Received::Kind::kEnd && (upstream.flags & kConnBroken) == 0;
    if ((exchange.flags & kExAnswered) == 0) {
      failMirror(tunnel, HttpEnd::kEndpointReset);
    } else {
      const bool isWhole = isEnd && exchange.response.takeEof() == http1::Violation::kNone;
      if (!isWhole) noteAnswered(tunnel, true);
      endMirror(tunnel, ClusterHttpCounter::kCount);
    }
    return false;
  }
  if (held != 0) (void)chunks_.moveTo(exchange.kept, scratch_);
  return takeMirrorAnswer(tunnel, held + got.bytes);
}

// Bytes of the answer lie in the scratch. False when the copy went on elsewhere, or is over.
bool Shard::takeMirrorAnswer(u32 tunnel, size_t total) {
  Exchange& exchange = exchangeOf(tunnel);
  std::span<const u8> bytes(scratch_, total);
  while ((exchange.flags & kExAnswered) == 0) {
    bool goesOn = false;
    if (!takeMirrorHead(tunnel, &bytes, &goesOn)) return goesOn;
  }
  if (!exchange.response.isEnded()) {
    // Passed on to nowhere.
    const ContentFlow flow{&exchange.response,   &exchange.scan, &exchange.kept,
                           &exchange.bytesOut,   kNoIndex,       false,
                           &http1::kTrailerRules};
    size_t taken = 0;
    int error = 0;
    outLength_ = 0;
    const Passed passed = passContent(flow, bytes, &taken, &error);
    outLength_ = 0;
    const bool isOver = passed == Passed::kViolation || exchange.bytesOut > kMirrorAnswerBytesMax;
    if (passed == Passed::kMore && !isOver) return true;
    if (passed == Passed::kViolation) noteAnswered(tunnel, true);
    if (isOver || taken != bytes.size()) exchange.flags &= ~u32{kExPersistent};
  } else if (!bytes.empty()) {
    // Bytes behind the response belong to nobody.
    exchange.flags &= ~u32{kExPersistent};
  }
  endMirror(tunnel, ClusterHttpCounter::kCount);
  return false;
}

// Takes one head at the front of `bytes`. False when there is nothing more to take; `goesOn` then
// says that more is to come.
bool Shard::takeMirrorHead(u32 tunnel, std::span<const u8>* bytes, bool* goesOn) {
  Exchange& exchange = exchangeOf(tunnel);
  const http1::ResponseTo to{exchange.method, http1::UpgradeTo::kNone};
  const http1::HeadResult result =
      http1::takeResponse(*bytes, http1::kResponseRules, to, &exchange.scan, &head_);
  if (result.kind == http1::HeadResult::Kind::kNeedMore) {
    // At the memory cap too: it is no more than a head, and goes with the copy.
    *goesOn = chunks_.append(exchange.kept, bytes->data(), bytes->size()) == bytes->size();
    if (!*goesOn) endMirror(tunnel, ClusterHttpCounter::kMirrorFailures);
    return false;
  }
  const bool isHead = result.kind == http1::HeadResult::Kind::kHead && !head_.isSwitch;
  const bool isInterim = isHead && head_.status < 200;
  if (!isHead || (isInterim && ++exchange.interims > kInterimsMax)) {
    failMirror(tunnel, HttpEnd::kEndpointInvalid);
    return false;
  }
  *bytes = bytes->subspan(head_.length);
  if (isInterim) return true;
  exchange.response = http1::Body(head_, http1::kBodyBytesMax);
  if (exchange.response.violation() != http1::Violation::kNone) {
    failMirror(tunnel, HttpEnd::kEndpointInvalid);
    return false;
  }
  exchange.flags |= kExAnswered;
  const bool isUntilClose = head_.bodyKind == http1::BodyKind::kUntilClose;
  if (head_.isPersistent && !isUntilClose) exchange.flags |= kExPersistent;
  const u32 cluster = tunnels_[tunnel].cluster;
  countMirror(cluster, clusterResponseCounterOf(head_.status));
  countMirror(cluster, mirrorResponseCounterOf(head_.status));
  board_.clusterLatency(options_.index, cluster).record(microsOf(nowNs_ - exchange.triedNs));
  noteAnswered(tunnel, head_.status >= 500);
  return true;
}

// The endpoint failed before a whole head of a response came.
void Shard::failMirror(u32 tunnel, HttpEnd end) {
  const Exchange& exchange = exchangeOf(tunnel);
  const Conn& upstream = conns_[tunnels_[tunnel].upstream];
  const bool isOurs = (upstream.flags & kConnBroken) != 0 && upstream.brokenErrno == ENOBUFS;
  if (isOurs) return endMirror(tunnel, ClusterHttpCounter::kMirrorsNoMemory);
  countMirror(tunnels_[tunnel].cluster, ClusterHttpCounter::kFailures);
  const bool isStale = (exchange.flags & kExReused) != 0 && end == HttpEnd::kEndpointReset;
  if (!isStale) noteAnswered(tunnel, true);
  // As for any request: a kept connection that its endpoint closed just now counts as no try.
  if (isStale && retryExchange(tunnel, kRetryReset)) return;
  endMirror(tunnel, ClusterHttpCounter::kMirrorFailures);
}

// No connection could be made.
void Shard::giveUpMirror(u32 tunnel, CloseReason reason) {
  const bool isLimit = reason == CloseReason::kEndpointLimit;
  endMirror(tunnel,
            isLimit ? ClusterHttpCounter::kMirrorsOverLimit : ClusterHttpCounter::kMirrorFailures);
}

// The deadline, or an earlier one that is past.
void Shard::fireMirror(u32 tunnel) {
  const Exchange& exchange = exchangeOf(tunnel);
  if (isTickBefore(nowTick_, exchange.requestTick)) return wheel_.arm(tunnel, exchange.requestTick);
  if ((exchange.flags & kExAnswered) != 0) return endMirror(tunnel, ClusterHttpCounter::kCount);
  if ((exchange.flags & kExSent) != 0) {
    countMirror(tunnels_[tunnel].cluster, ClusterHttpCounter::kFailures);
    noteAnswered(tunnel, true);
  }
  endMirror(tunnel, ClusterHttpCounter::kMirrorFailures);
}

// The copy is over; `counter` says why, and kCount that it was answered.
void Shard::endMirror(u32 tunnel, ClusterHttpCounter counter) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  const bool isAnswered = (exchange.flags & kExAnswered) != 0;
  if (!isAnswered && counter != ClusterHttpCounter::kCount) countMirror(record.cluster, counter);
  board_.clusterHttp(options_.index, record.cluster).lower(ClusterHttpCounter::kMirrorsActive);
  const bool isWhole =
      isAnswered && exchange.response.isEnded() && (exchange.flags & kExPersistent) != 0;
  dropUpstream(tunnel, isWhole, isWhole ? How::kFin : How::kReset);
  leaveCircuits(tunnel);
  for (ChunkChain* chain : {&exchange.head, &exchange.kept}) {
    if (!chain->isEmpty()) chunks_.clear(*chain);
  }
  exchangePool_.release(httpOf(tunnel).exchange);
  freeHttp(tunnel);
  record.state = TunnelState::kClosed;
  // Only copies close without a reason: freeClosed() counts them by that.
  record.reason = CloseReason::kCount;
  wheel_.disarm(tunnel);
  record.link = closedHead_;
  closedHead_ = tunnel;
}

}  // namespace holdfast::proxy
