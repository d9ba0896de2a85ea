// How requests end: answers of the gateway's own, deadlines, and what becomes of the connections.
//
// Invariant: each request is counted and logged once, in freeExchange(); a client that got a part
// of a response that cannot be finished sees its connection reset, never a clean end.
#include <algorithm>
#include <cerrno>

#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

bool isDue(u32 tick, u32 now) { return tick != 0 && !isTickBefore(now, tick); }

}  // namespace

// True when the connection takes no further request.
bool Shard::isClosing(u32 tunnel) const {
  const Tunnel& record = tunnels_[tunnel];
  return isDraining_ || isDue(record.ageTick, nowTick_) || isDue(record.drainTick, nowTick_) ||
         (conns_[record.downstream].flags & kConnEof) != 0;
}

// Answers without an endpoint: the request under way, or, without one, bytes that are no request.
void Shard::answer(u32 tunnel, u16 status, HttpEnd end, std::span<const http1::FieldEdit> edits,
                   std::string_view content) {
  Tunnel& record = tunnels_[tunnel];
  record.state = TunnelState::kHttp;
  HttpConn& http = httpOf(tunnel);
  HttpCell& cell = board_.http(options_.index, record.listener);
  bool isHead = false;
  if (http.exchange != kNoIndex) {
    Exchange& exchange = exchangePool_[http.exchange];
    dropUpstream(tunnel, false, How::kReset);
    if ((exchange.flags & kExParked) != 0 && !http.kept.isEmpty()) {
      // Where it ends was not looked at, so that nothing can follow it.
      chunks_.clear(http.kept);
      http.flags |= kHttpCloseDue;
    }
    exchange.end = end;
    exchange.status = status;
    exchange.flags |= kExAnswered;
    isHead = exchange.method == http1::Method::kHead;
    const bool isKept = (exchange.flags & kExKeepAsked) != 0 && exchange.request.isEnded() &&
                        !isClosing(tunnel) && status != 400;
    if (!isKept) http.flags |= kHttpCloseDue;
    const u64 micros = (sys::nowNs() - exchange.startedNs) / 1000;
    exchange.firstByteMicros = static_cast<u32>(std::max<u64>(1, micros));
    if (exchange.route != kNoIndex) {
      board_.routeLatency(options_.index, exchange.route).record(exchange.firstByteMicros);
    }
  } else {
    http.flags |= kHttpCloseDue;
    cell.count(end);
    writeRequestRecord(tunnel, status, end);
  }
  cell.count(responseCounterOf(status));
  if (end == HttpEnd::kOverLimit && http.exchange != kNoIndex &&
      (exchangePool_[http.exchange].flags & kExWebSocket) != 0) {
    return answerTryLater(tunnel);
  }
  const bool isClosed = (http.flags & kHttpCloseDue) != 0;
  http1::ResponsePlan plan;
  plan.status = status;
  plan.reason = http1::reasonOf(status);
  plan.hasLength = status != 204 && status != 304;
  plan.contentLength = content.size();
  plan.hop = isClosed ? http1::Hop::kClose : http1::Hop::kKeep;
  const bool isOld =
      http.exchange != kNoIndex && (exchangePool_[http.exchange].flags & kExOldClient) != 0;
  if (isOld && !isClosed) plan.hop = http1::Hop::kKeepAlive;
  HF_UNINITIALIZED EditList all;
  if (http.exchange != kNoIndex && !exchangePool_[http.exchange].toClient.isEmpty()) {
    for (const http1::FieldEdit& edit : edits) all.put(edit.kind, edit.id, edit.name, edit.value);
    putKept(exchangePool_[http.exchange].toClient, all);
    all.settle(edits.size());
    edits = all.all();
  }
  plan.edits = edits;
  codec::Writer writer({outScratch_, kHttpOutBytes});
  if (all.isFull() || !http1::writeOwnResponseHead(plan, &writer)) {
    writer = codec::Writer({outScratch_, kHttpOutBytes});
    const std::string_view text = http1::closingResponse(500);
    writer.putText(text.data(), text.size());
    http.flags |= kHttpCloseDue;
    content = {};
  }
  int error = emit(record.downstream, outScratch_, writer.size());
  if (error == 0 && !isHead && plan.hasLength && !content.empty()) {
    const auto* bytes = reinterpret_cast<const u8*>(content.data());
    error = emit(record.downstream, bytes, content.size());
  }
  if (error != 0) return clientGone(tunnel, error);
  if (http.exchange != kNoIndex) exchangePool_[http.exchange].bytesOut = content.size();
  finishExchange(tunnel);
}

// A WebSocket that is one too many: its client could not see a status, but it sees a close code
// that tells it to come back later.
void Shard::answerTryLater(u32 tunnel) {
  const u32 conn = tunnels_[tunnel].downstream;
  Exchange& exchange = exchangeOf(tunnel);
  httpOf(tunnel).flags |= kHttpCloseDue;
  EditList edits;
  edits.set(http1::FieldId::kSecWebSocketAccept, "Sec-WebSocket-Accept",
            {exchange.accept.data(), exchange.accept.size()});
  http1::ResponsePlan plan;
  plan.status = 101;
  plan.reason = http1::reasonOf(101);
  plan.hop = http1::Hop::kWebSocket;
  plan.edits = edits.all();
  codec::Writer writer({outScratch_, kHttpOutBytes});
  if (!http1::writeOwnResponseHead(plan, &writer)) return clientGone(tunnel, EPIPE);
  codec::writeClose(codec::kCloseTryAgainLater, "try again later", nullptr, &writer);
  board_.http(options_.index, tunnels_[tunnel].listener).count(HttpCounter::kCloseFramesSent);
  const int error = emit(conn, outScratch_, writer.size());
  if (error != 0) return clientGone(tunnel, error);
  finishExchange(tunnel);
}

// The response is with the client, or waits for it in its chain.
void Shard::finishExchange(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  HttpConn& http = httpOf(tunnel);
  if (http.exchange != kNoIndex) {
    const Exchange& exchange = exchangePool_[http.exchange];
    const bool isWhole = exchange.request.isEnded() && (exchange.flags & kExPersistent) != 0;
    // The rest of a request that nobody reads is not waited for.
    if (!exchange.request.isEnded()) http.flags |= kHttpCloseDue;
    dropUpstream(tunnel, isWhole, How::kFin);
    freeExchange(tunnel);
  }
  if ((http.flags & kHttpCloseDue) != 0) return lingerHttp(tunnel, CloseReason::kHttpClosed);
  http.sinceTick = nowTick_;
  record.endpoint = kNoIndex;
  Conn& client = conns_[record.downstream];
  if ((client.flags & kConnPaused) != 0) {
    client.flags = static_cast<u16>(client.flags & ~kConnPaused);
    paused_--;
  }
  constexpr u16 kWork = kConnReadable | kConnEof | kConnError;
  if ((http.flags & kHttpUnread) != 0 || (client.flags & kWork) != 0) queue(record.downstream);
  armHttp(tunnel);
}

// Counts, logs and gives back the exchange. Its connection is gone from it already.
void Shard::freeExchange(u32 tunnel) {
  HttpConn& http = httpOf(tunnel);
  const u32 index = http.exchange;
  Exchange& exchange = exchangePool_[index];
  HttpCell& cell = board_.http(options_.index, tunnels_[tunnel].listener);
  cell.lower(HttpCounter::kRequestsActive);
  cell.count(exchange.end);
  if (exchange.route != kNoIndex) {
    const bool isSeen = (exchange.flags & kExAnswered) != 0 || exchange.status == 101;
    board_.route(options_.index, exchange.route).countEnd(isSeen ? exchange.status : 0);
  }
  writeRequestRecord(tunnel, exchange.status, exchange.end);
  if (logged_ != nullptr) endLogged(tunnel, index);
  leaveCircuits(tunnel);
  dropHedged(tunnel);
  const bool isFiltered = exchange.chain != 0;
  if (isFiltered) endExchangeFilters(index);
  if (exchange.ticketCount != 0) leaveLimits(exchange);
  for (ChunkChain* chain : {&exchange.head, &exchange.edits, &exchange.note, &exchange.kept}) {
    if (!chain->isEmpty()) chunks_.clear(*chain);
  }
  if (isFiltered || (exchange.flags & (kExListenerPassed | kExRoutePassed)) != 0) {
    for (ChunkChain* chain : {&exchange.asked, &exchange.toEndpoint, &exchange.toClient}) {
      if (!chain->isEmpty()) chunks_.clear(*chain);
    }
    if (exchange.coded != kNoIndex) freeCoding(exchange);
    if (exchange.mirror != kNoIndex) dropMirrorPlan(exchange);
  }
  // A WebSocket stays what its request was.
  const bool isThrottled = tunnels_[tunnel].bufferHigh == 0;
  if (isThrottled && exchange.end != HttpEnd::kUpgraded) endThrottle(tunnel);
  if (exchange.settings != kNoIndex) framesSettings_[exchange.settings].refs--;
  if (exchange.limits != kNoIndex) limitPool_.release(exchange.limits);
  exchangePool_.release(index);
  http.exchange = kNoIndex;
}

// The tunnel is no longer HTTP: it ends, or is a WebSocket from here on.
void Shard::freeHttp(u32 tunnel) {
  HttpConn& http = httpOf(tunnel);
  if (!http.kept.isEmpty()) chunks_.clear(http.kept);
  u32& slot = httpAt_[tunnels_[tunnel].downstream];
  httpConns_.release(slot - 1);
  slot = 0;
}

// The tunnel is being closed, whatever it was about.
void Shard::endHttp(u32 tunnel) {
  if (httpOf(tunnel).exchange != kNoIndex) {
    Exchange& exchange = exchangeOf(tunnel);
    const CloseReason reason = tunnels_[tunnel].reason;
    if (exchange.end == HttpEnd::kOk || exchange.status == 0) {
      if (reason == CloseReason::kKilled) exchange.end = HttpEnd::kKilled;
      if (reason == CloseReason::kDrained) exchange.end = HttpEnd::kDrained;
      if (reason == CloseReason::kMaxAge) exchange.end = HttpEnd::kMaxAge;
      if (reason == CloseReason::kShardStopped) exchange.end = HttpEnd::kShardStopped;
    }
    dropUpstream(tunnel, false, How::kReset);
    freeExchange(tunnel);
  }
  freeHttp(tunnel);
}

// The response cannot be finished. The client gets what is under way, then RST.
void Shard::cutAnswer(u32 tunnel, HttpEnd end) {
  Tunnel& record = tunnels_[tunnel];
  exchangeOf(tunnel).end = end;
  const bool isEndpoint = end == HttpEnd::kTruncated || end == HttpEnd::kEndpointInvalid;
  if (isEndpoint) noteAnswered(tunnel, true);
  dropUpstream(tunnel, false, How::kReset);
  freeExchange(tunnel);
  freeHttp(tunnel);
  // Its requests were logged.
  record.flags = static_cast<u8>(record.flags & ~kTunnelAccessLog);
  record.reason = isEndpoint ? CloseReason::kEndpointReset : CloseReason::kHttpInvalid;
  if (end == HttpEnd::kIdleTimeout) record.reason = CloseReason::kIdleTimeout;
  if (end == HttpEnd::kClientTimeout) record.reason = CloseReason::kClientTimeout;
  if (end == HttpEnd::kDrained) record.reason = CloseReason::kDrained;
  takeUpstream(tunnel);
  Conn& client = conns_[record.downstream];
  if ((client.flags & kConnPaused) != 0) paused_--;
  client.flags = static_cast<u16>(client.flags & ~(kConnPaused | kConnBlocked));
  enterState(tunnel, TunnelState::kFlushing, ticksOf(kFlushMs));
  tryEndFlush(tunnel);
}

// The client's connection ended, with an error or (0) cleanly.
void Shard::clientGone(u32 tunnel, int error) {
  HttpConn& http = httpOf(tunnel);
  if (http.exchange != kNoIndex) {
    const bool isTimeout = error == ETIMEDOUT || error == EHOSTUNREACH;
    exchangePool_[http.exchange].end = isTimeout ? HttpEnd::kClientTimeout : HttpEnd::kClientAbort;
  }
  CloseReason reason = error == 0 ? CloseReason::kClientClosed : CloseReason::kClientReset;
  if (error == EPROTO) reason = CloseReason::kClientTls;
  if (error == ENODATA) reason = CloseReason::kClientTruncated;
  if (error == EKEYEXPIRED) reason = CloseReason::kTlsExhausted;
  if (error == ETIMEDOUT || error == EHOSTUNREACH) reason = CloseReason::kClientTimeout;
  // An alert that we sent must not be overtaken by a reset.
  close(tunnel, reason, error == EPROTO ? How::kFin : How::kReset);
}

// FIN behind what is pending; then what the client still sends is read and dropped for a while, so
// that it can read the answer (RFC 9112 9.6).
void Shard::lingerHttp(u32 tunnel, CloseReason reason) {
  Tunnel& record = tunnels_[tunnel];
  if (httpOf(tunnel).exchange != kNoIndex) {
    dropUpstream(tunnel, false, How::kReset);
    freeExchange(tunnel);
  }
  freeHttp(tunnel);
  record.flags = static_cast<u8>(record.flags & ~kTunnelAccessLog);
  takeUpstream(tunnel);
  conns_[record.upstream].flags |= kConnEof | kConnFinSent;
  conns_[record.downstream].flags |= kConnReadable;
  linger(tunnel, reason);
}

// Arms the nearest deadline. Traffic moves none of them: when the wheel fires, what is really due
// is computed.
void Shard::armHttp(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  if (record.state != TunnelState::kHttp) return;
  const HttpConn& http = httpOf(tunnel);
  u32 next = nowTick_ + TimerWheel<TimerOf>::kTicksMax / 2;
  const auto consider = [&](u32 tick) {
    if (tick != 0 && isTickBefore(tick, next)) next = tick;
  };
  if (http.exchange != kNoIndex) {
    const Exchange& exchange = exchangePool_[http.exchange];
    if ((exchange.flags & kExAnswered) == 0) {
      consider(exchange.requestTick);
      if ((exchange.flags & kExParked) == 0) consider(exchange.tryTick);
      consider(exchange.delayTick);
    }
    if (exchange.idleTicks != 0) consider(record.lastActiveTick + exchange.idleTicks);
    const Conn& client = conns_[record.downstream];
    const bool isSending = !exchange.request.isEnded() && (client.flags & kConnPaused) == 0 &&
                           (exchange.flags & kExParked) == 0 &&
                           !isThrottled(tunnel, Side::kDownstream);
    if (exchange.bodyTicks != 0 && (isSending || !client.pending.isEmpty())) {
      consider(record.lastActiveTick + exchange.bodyTicks);
    }
    if (!exchange.request.isEnded()) consider(exchange.rateTick);
    if (record.bufferHigh == 0) consider(throttleTick(tunnel));
  } else if (const HttpSpec* spec = findHttp(tunnel); spec != nullptr) {
    const u32 ms = http.kept.isEmpty() ? spec->keepAliveMs : spec->headMs;
    if (ms != 0) consider(http.sinceTick + ticksOf(ms));
  } else {
    consider(nowTick_ + 1);
  }
  consider(record.ageTick);
  consider(record.drainTick);
  // One that fires too early only looks and goes on.
  const TimerNode& timer = record.timer;
  if (TimerWheel<TimerOf>::isArmed(timer) && !isTickBefore(next, timer.expiryTick)) return;
  wheel_.arm(tunnel, next);
}

// How long the request under way, and its present try, may wait for an answer still.
u32 Shard::ticksLeft(u32 tunnel) {
  const Exchange& exchange = exchangeOf(tunnel);
  u32 left = TimerWheel<TimerOf>::kTicksMax / 2;
  for (const u32 tick : {exchange.requestTick, exchange.tryTick}) {
    if (tick != 0) left = isDue(tick, nowTick_) ? 0 : std::min(left, tick - nowTick_);
  }
  return left;
}

// That time is over before the endpoint was connected to.
void Shard::expireConnect(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  if ((exchange.flags & kExMirror) != 0) return fireMirror(tunnel);
  if (isDue(exchange.requestTick, nowTick_)) {
    return answer(tunnel, 504, HttpEnd::kRequestTimeout);
  }
  // Nothing was sent: where connects are tried again, this one is a connect that failed.
  if (tunnels_[tunnel].retriesLeft != 0) {
    exchange.tryTick = nowTick_ + exchange.perTryTicks;
    return failConnect(tunnel, ETIMEDOUT);
  }
  exchange.tryTick = 0;
  upstreamFailed(tunnel, HttpEnd::kPerTryTimeout);
}

void Shard::fireHttp(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  HttpConn& http = httpOf(tunnel);
  const bool isOver = isDue(record.drainTick, nowTick_) || isDue(record.ageTick, nowTick_);
  const bool isDrained = isDue(record.drainTick, nowTick_);
  if (http.exchange != kNoIndex) {
    if (record.bufferHigh == 0) wakeThrottled(tunnel);
    if (isOver) {
      http.flags |= kHttpCloseDue;
      record.ageTick = record.drainTick = 0;
    }
    if (fireExchange(tunnel)) return;
    return armHttp(tunnel);
  }
  // Who does not take its answer gets no more time than for a head.
  const Conn& client = conns_[record.downstream];
  const HttpSpec* spec = findHttp(tunnel);
  if (spec == nullptr) return lingerHttp(tunnel, CloseReason::kUnrouted);
  if (!http.kept.isEmpty() && (http.flags & kHttpUnread) == 0) {
    if (spec->headMs == 0 || !isDue(http.sinceTick + ticksOf(spec->headMs), nowTick_)) {
      return armHttp(tunnel);
    }
    return answer(tunnel, 408, HttpEnd::kHeadTimeout);
  }
  if (isOver && client.pending.isEmpty()) {
    // Who was served just now may have sent the next request: its answer tells of the end.
    const u32 quietTick = http.sinceTick + ticksOf(kQuietMs);
    if (!isDue(quietTick, nowTick_)) {
      wheel_.arm(tunnel, quietTick);
      return;
    }
    return lingerHttp(tunnel, isDrained ? CloseReason::kDrained : CloseReason::kMaxAge);
  }
  if (spec->keepAliveMs != 0 && isDue(http.sinceTick + ticksOf(spec->keepAliveMs), nowTick_)) {
    if (!client.pending.isEmpty()) {
      if (!isDue(record.lastActiveTick + ticksOf(spec->keepAliveMs), nowTick_)) {
        wheel_.arm(tunnel, record.lastActiveTick + ticksOf(spec->keepAliveMs));
        return;
      }
      return close(tunnel, CloseReason::kIdleTimeout, How::kReset);
    }
    return lingerHttp(tunnel, CloseReason::kIdleTimeout);
  }
  armHttp(tunnel);
}

// The request under way has had the grace of a drain.
void Shard::cutExchange(u32 tunnel) {
  if ((exchangeOf(tunnel).flags & kExAnswered) != 0) return cutAnswer(tunnel, HttpEnd::kDrained);
  answer(tunnel, 503, HttpEnd::kDrained);
}

// True when the content of the request came too slowly since the last look, and not for the sake of
// the endpoint.
bool Shard::isTooSlow(Exchange& exchange) const {
  if (!isDue(exchange.rateTick, nowTick_)) return false;
  constexpr u64 kExpected = u64{kContentRateMin} * kContentRateMs / 1000;
  const bool isSlow = exchange.bytesIn - exchange.rateBytes < kExpected;
  const bool isHeldBack = (exchange.flags & kExHeldBack) != 0;
  exchange.rateBytes = exchange.bytesIn;
  exchange.rateTick = nowTick_ + ticksOf(kContentRateMs);
  exchange.flags &= ~u32{kExHeldBack};
  return isSlow && !isHeldBack;
}

// True when a deadline ended or moved the exchange.
bool Shard::fireExchange(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  const bool isAnswered = (exchange.flags & kExAnswered) != 0;
  if (!isAnswered && isDue(exchange.requestTick, nowTick_)) {
    noteAnswered(tunnel, true);
    answer(tunnel, 504, HttpEnd::kRequestTimeout);
    return true;
  }
  if (isDue(exchange.delayTick, nowTick_)) {
    endDelay(tunnel);
    return true;
  }
  const bool isParked = (exchange.flags & kExParked) != 0;
  if (!isAnswered && !isParked && isDue(exchange.tryTick, nowTick_)) {
    exchange.tryTick = 0;
    if (startHedge(tunnel)) return true;
    upstreamFailed(tunnel, HttpEnd::kPerTryTimeout);
    return true;
  }
  const Conn& client = conns_[record.downstream];
  // A client that waits for a slow endpoint to take its content is not to blame.
  // Nor is one whose request waits for filters, or that a filter slows down.
  const bool isSending = !exchange.request.isEnded() && (client.flags & kConnPaused) == 0 &&
                         !isParked && !isThrottled(tunnel, Side::kDownstream);
  const bool isTaking = !client.pending.isEmpty();
  const bool isStalled =
      exchange.bodyTicks != 0 && isDue(record.lastActiveTick + exchange.bodyTicks, nowTick_);
  if (isTaking && isStalled) {
    cutAnswer(tunnel, HttpEnd::kClientTimeout);
    return true;
  }
  const bool isSlow = !exchange.request.isEnded() && isTooSlow(exchange);
  if (isSending && (isStalled || isSlow)) {
    if (isAnswered) {
      cutAnswer(tunnel, HttpEnd::kBodyTimeout);
    } else {
      answer(tunnel, 408, HttpEnd::kBodyTimeout);
    }
    return true;
  }
  if (exchange.idleTicks != 0 && isDue(record.lastActiveTick + exchange.idleTicks, nowTick_)) {
    if (isAnswered) {
      cutAnswer(tunnel, HttpEnd::kIdleTimeout);
    } else {
      answer(tunnel, 504, HttpEnd::kIdleTimeout);
    }
    return true;
  }
  return false;
}

// What HTTP needs, once a snapshot has it.
Status Shard::prepareHttp(const Snapshot& next) {
  if (next.httpCount() == 0 || httpAt_ != nullptr) return Status::ok();
  const u32 clients = options_.connectionsMax;
  if (Status status = httpConns_.reserve(tunnelsMax()); !status.isOk()) return status;
  if (Status status = exchangePool_.reserve(tunnelsMax()); !status.isOk()) return status;
  if (Status status = httpUpstreams_.reserve(connsMax()); !status.isOk()) return status;
  const Status frames = framePool_.reserve(2 * sizeof(codec::FrameTracker), clients);
  if (!frames.isOk()) return frames;
  static_assert(sizeof(MessageLimits) % 8 == 0);
  const Status limits = limitPool_.reserve(sizeof(MessageLimits), clients);
  if (!limits.isOk()) return limits;
  if (Status status = codedPool_.reserve(clients); !status.isOk()) return status;
  const Status plans = mirrorPlans_.reserve(sizeof(MirrorPlan), clients);
  if (!plans.isOk()) return plans;
  limitsAt_ = static_cast<u32*>(sys::reserve(sizeof(u32) * (size_t{clients} + 1)));
  if (limitsAt_ == nullptr) return Status::fromErrno(ENOMEM);
  unusedOf_ = static_cast<UnusedList*>(sys::reserve(sizeof(UnusedList) * kEndpointsMax));
  if (outScratch_ == nullptr) outScratch_ = static_cast<u8*>(sys::reserve(kHttpOutBytes));
  textScratch_ = static_cast<u8*>(sys::reserve(kHttpTextBytes));
  regexScratch_ = std::make_unique<http::RegexScratch>();
  u32* side = static_cast<u32*>(sys::reserve(sideTableBytes()));
  codedScratch_ = static_cast<u8*>(sys::reserve(kCodedOutBytes));
  const bool hasMemory = codedScratch_ != nullptr && unusedOf_ != nullptr &&
                         outScratch_ != nullptr && textScratch_ != nullptr && side != nullptr;
  pooledTunnel_ = hasMemory ? tunnels_.take() : kNoIndex;
  if (pooledTunnel_ == kNoIndex) return Status::fromErrno(ENOMEM);
  httpAt_ = side;
  tunnels_[pooledTunnel_].state = TunnelState::kPooled;
  wheel_.arm(pooledTunnel_, nowTick_ + ticksOf(kUnusedSweepMs));
  return Status::ok();
}

// Reads the route tables of the snapshot in use, which were checked when it was mapped.
void Shard::attachTables() {
  routeTables_.assign(snapshot_.httpCount(), http::RouteTable());
  for (u32 i = 0; i < snapshot_.httpCount(); i++) {
    routeTables_[i].attachChecked(snapshot_.routeTable(snapshot_.http(i)));
  }
}

}  // namespace holdfast::proxy
