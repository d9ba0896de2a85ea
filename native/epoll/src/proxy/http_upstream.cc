// Connections to endpoints for HTTP: found among the unused ones or made, given a request, and kept
// afterwards.
//
// Unused connections stand in a list for each endpoint, the one used last in front, so that those
// in excess grow old and are closed. They belong to the shard's pooled tunnel. A request whose kept
// connection turns out to be dead before anything came back is sent again at once; other failures
// are followed by another try where the route says so.
// Invariant: a connection is kept only after a whole response to a whole request with nothing
// behind it; bytes or an end on an unused one close it.
#include <algorithm>
#include <cerrno>

#include "proxy/acceptor.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

namespace {

u32 microsOf(u64 ns) { return static_cast<u32>(ns / 1000); }

HttpEnd endOf(CloseReason reason) {
  switch (reason) {
    case CloseReason::kNoEndpoint:
      return HttpEnd::kNoEndpoint;
    case CloseReason::kEndpointLimit:
      return HttpEnd::kOverLimit;
    case CloseReason::kConnectTimeout:
      return HttpEnd::kConnectTimeout;
    case CloseReason::kEndpointHandshake:
      return HttpEnd::kEndpointHandshake;
    default:
      return HttpEnd::kConnectFailed;
  }
}

u16 statusOf(HttpEnd end) {
  switch (end) {
    case HttpEnd::kNoEndpoint:
    case HttpEnd::kOverLimit:
    case HttpEnd::kConnectFailed:
      return 503;
    case HttpEnd::kConnectTimeout:
    case HttpEnd::kRequestTimeout:
    case HttpEnd::kPerTryTimeout:
      return 504;
    default:
      return 502;
  }
}

}  // namespace

// Chooses an endpoint for the exchange and sends it the request, now or when it is connected.
void Shard::dispatch(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  exchange.attempts++;
  exchange.triedNs = nowNs_;
  exchange.tryTick = exchange.perTryTicks == 0 ? 0 : nowTick_ + exchange.perTryTicks;
  exchange.flags &= ~u32{kExReused | kExSent | kExResponseSeen};
  startConnect(tunnel);
}

// Gives the tunnel an unused connection to the endpoint that was picked. False when there is none.
bool Shard::attachUnused(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  if ((exchange.flags & kExFresh) != 0 || unusedOf_[record.endpoint].first == 0) return false;
  const u32 slot = unusedOf_[record.endpoint].first - 1;
  // One that its endpoint ended or wrote on is for serveUnused() to judge.
  constexpr u16 kEvents = kConnReadable | kConnReadHup | kConnError | kConnEof | kConnBroken;
  const u16 flags = conns_[httpUpstreams_[slot].conn].flags;
  if ((flags & kEvents) != 0) return false;
  // One from before a reload that asks for TLS, for none, or to be told of the client.
  const ClusterSpec& cluster = snapshot_.cluster(findCluster(record.cluster));
  const bool isSecured = (flags & kConnTls) != 0;
  if (isSecured != (cluster.tls != kNoIndex) || cluster.proxyProtocol != 0) return false;
  removeUnused(slot);
  // Of a connect that failed before.
  if (record.upstream != kNoIndex) releaseUpstream(record.upstream);
  leaveCircuit(exchange, kExPending, Circuit::kPending);
  leaveCircuit(exchange, kExConnection, Circuit::kConnections);
  HttpUpstream& upstream = httpUpstreams_[slot];
  upstream.requests++;
  Conn& conn = conns_[upstream.conn];
  conn.tunnel = tunnel;
  record.upstream = upstream.conn;
  record.state = TunnelState::kHttp;
  record.reason = CloseReason::kCount;
  exchange.flags |= kExReused;
  board_.clusterHttp(options_.index, record.cluster).count(ClusterHttpCounter::kReused);
  return true;
}

// An empty conn for a connect.
void Shard::takeUpstream(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  record.upstream = conns_.take();
  Conn& conn = conns_[record.upstream];
  conn.tunnel = tunnel;
  conn.side = Side::kUpstream;
}

// The tunnel's new connection to its endpoint is open.
void Shard::httpConnected(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  // The cluster went meanwhile, and with it what its endpoints are to be told of the client.
  const u32 position = findCluster(record.cluster);
  if (position == kNoIndex) return giveUpConnect(tunnel, CloseReason::kNoEndpoint);
  const bool isSecured = (conns_[record.upstream].flags & kConnTls) != 0;
  const u32 version = snapshot_.cluster(position).proxyProtocol;
  // With TLS it went ahead of the handshake.
  if (version != 0 && !isSecured && !passProxyHeader(tunnel, version, HeaderUse::kSend)) return;
  const u32 slot = httpUpstreams_.take();  // as many as conns to endpoints
  HttpUpstream& upstream = httpUpstreams_[slot];
  upstream.conn = record.upstream;
  upstream.endpoint = record.endpoint;
  upstream.cluster = record.cluster;
  upstream.circuit = exchange.circuit;
  upstream.openedTick = nowTick_;
  upstream.requests = 1;
  upstream.isCounted = (exchange.flags & kExConnection) != 0 ? 1 : 0;
  exchange.flags &= ~u32{kExConnection};
  leaveCircuit(exchange, kExPending, Circuit::kPending);
  httpAt_[record.upstream] = slot + 1;
  exchange.connectMicros = record.connectMicros;
  board_.clusterHttp(options_.index, record.cluster).count(ClusterHttpCounter::kOpened);
  SocketOptions options = snapshot_.cluster(position).socket;
  options.nodelay = 0;  // set before its second write
  setSocketOptions(conns_[record.upstream].fd, options);
  record.state = TunnelState::kHttp;
  wheel_.disarm(tunnel);
  armHttp(tunnel);
  sendRequest(tunnel);
}

// Sends what there is of the request.
void Shard::sendRequest(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  Conn& upstream = conns_[record.upstream];
  upstream.flags |= kConnWritable;
  if ((exchange.flags & kExReused) != 0) setNodelay(upstream);
  exchange.flags |= kExSent;
  board_.clusterHttp(options_.index, record.cluster).count(ClusterHttpCounter::kRequests);
  int error = 0;
  if ((exchange.flags & kExMirror) != 0) [[unlikely]] {
    error = sendCopy(tunnel);
  } else {
    HF_UNINITIALIZED iovec parts[kChunksPerSend];
    const int count = chunks_.gather(exchange.head, parts);
    for (int i = 0; i < count && error == 0; i++) {
      error = emit(record.upstream, static_cast<const u8*>(parts[i].iov_base), parts[i].iov_len);
    }
  }
  const bool isKept = (exchange.flags & kExReplayable) != 0 &&
                      ((exchange.flags & kExReused) != 0 || exchange.retriesLeft != 0);
  if (error == 0 && !isKept) {
    exchange.flags &= ~u32{kExReplayable};
    chunks_.clear(exchange.head);
  }
  if (error != 0) {
    upstream.flags |= kConnBroken | kConnReadable;
    upstream.brokenErrno = static_cast<u8>(error);
    chunks_.clear(upstream.pending);
  }
  const Conn& client = conns_[record.downstream];
  if ((upstream.flags & (kConnReadable | kConnError)) != 0) queue(record.upstream);
  const bool isMore = !exchange.request.isEnded() || (client.flags & kConnReadHup) != 0;
  if (isMore && (client.flags & (kConnReadable | kConnError | kConnEof)) != 0) {
    queue(record.downstream);
  }
  armHttp(tunnel);
}

// The exchange lets go of its connection, which is kept or closed.
void Shard::dropUpstream(u32 tunnel, bool isReusable, How how) {
  Tunnel& record = tunnels_[tunnel];
  leaveEndpoint(tunnel);
  if (httpOf(tunnel).exchange != kNoIndex) {
    Exchange& exchange = exchangeOf(tunnel);
    leaveCircuit(exchange, kExPending, Circuit::kPending);
    leaveCircuit(exchange, kExConnection, Circuit::kConnections);
  }
  const u32 conn = record.upstream;
  if (conn == kNoIndex) return;
  record.upstream = kNoIndex;
  Conn& upstream = conns_[conn];
  upstream.tunnel = pooledTunnel_;
  const bool isOpen = (upstream.flags & kConnOpen) != 0 && httpAt_[conn] != 0;
  if (!isOpen) {
    closeConn(conn, how);
    return releaseUpstream(conn);
  }
  const u32 slot = httpAt_[conn] - 1;
  HttpUpstream& kept = httpUpstreams_[slot];
  const u32 position = findCluster(kept.cluster);
  ClusterHttpCell& cell = board_.clusterHttp(options_.index, kept.cluster);
  constexpr u16 kOver = kConnReadHup | kConnError | kConnEof | kConnBroken;
  bool isKept = isReusable && position != kNoIndex && (upstream.flags & kOver) == 0 &&
                upstream.pending.isEmpty() && unused_ < kUnusedUpstreamsMax && !isDraining_;
  if (isKept) {
    const ClusterSpec& cluster = snapshot_.cluster(position);
    const ClusterHttpParts& http = cluster.http;
    // A PROXY header speaks of one client.
    isKept = http.idlePerEndpoint != 0 && cluster.proxyProtocol == 0;
    const bool isOld =
        (http.requestsMax != 0 && kept.requests >= http.requestsMax) ||
        (http.ageMs != 0 && !isTickBefore(nowTick_, kept.openedTick + ticksOf(http.ageMs)));
    if (isKept && isOld) cell.count(ClusterHttpCounter::kExpired);
    isKept = isKept && !isOld;
    isKept = isKept && unusedOf_[kept.endpoint].count < http.idlePerEndpoint;
  }
  if (!isKept) {
    cell.count(ClusterHttpCounter::kDiscarded);
    closeConn(conn, how);
    return releaseUpstream(conn);
  }
  if ((upstream.flags & kConnPaused) != 0) paused_--;
  upstream.flags = static_cast<u16>(upstream.flags & ~(kConnPaused | kConnBlocked));
  kept.isUnused = 1;
  kept.unusedTick = nowTick_;
  kept.previous = kNoIndex;
  UnusedList& unused = unusedOf_[kept.endpoint];
  kept.next = unused.first == 0 ? kNoIndex : unused.first - 1;
  if (kept.next != kNoIndex) httpUpstreams_[kept.next].previous = slot;
  unused.first = slot + 1;
  unused.count++;
  unused_++;
  cell.count(ClusterHttpCounter::kIdle);
  // What came behind the response is there already: the task will find and judge it.
  if ((upstream.flags & kConnReadable) != 0) queue(conn);
}

// The conn is closed: its records go back, at once or when its task was taken.
void Shard::releaseUpstream(u32 conn) {
  if (conn == kNoIndex) return;
  if (httpAt_[conn] != 0) {
    leaveConnections(upstreamOf(conn));
    httpUpstreams_.release(httpAt_[conn] - 1);
    httpAt_[conn] = 0;
  }
  Conn& record = conns_[conn];
  record.tunnel = pooledTunnel_;
  if ((record.flags & kConnQueued) == 0) conns_.release(conn);
}

void Shard::removeUnused(u32 slot) {
  HttpUpstream& upstream = httpUpstreams_[slot];
  if (upstream.previous != kNoIndex) {
    httpUpstreams_[upstream.previous].next = upstream.next;
  } else {
    unusedOf_[upstream.endpoint].first = upstream.next == kNoIndex ? 0 : upstream.next + 1;
  }
  unusedOf_[upstream.endpoint].count--;
  if (upstream.next != kNoIndex) httpUpstreams_[upstream.next].previous = upstream.previous;
  upstream.previous = upstream.next = kNoIndex;
  upstream.isUnused = 0;
  unused_--;
  board_.clusterHttp(options_.index, upstream.cluster).lower(ClusterHttpCounter::kIdle);
}

// A task of an unused connection: nothing good can come from it. One that was closed is given back.
void Shard::serveUnused(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnOpen) == 0) return releaseUpstream(conn);
  constexpr u16 kEvents = kConnReadable | kConnReadHup | kConnError;
  if ((record.flags & kEvents) == 0) return;
  const Received got = receive(conn, 0, kChunkBytes);
  // TLS brings tickets and new keys.
  if (got.kind == Received::Kind::kNothing && (record.flags & (kConnReadHup | kConnError)) == 0) {
    if ((record.flags & kConnReadable) != 0) queue(conn);
    return;
  }
  removeUnused(httpAt_[conn] - 1);
  if (got.kind == Received::Kind::kBytes) {
    bump(board_.clusterHttp(options_.index, upstreamOf(conn).cluster)
             .counters[static_cast<size_t>(ClusterHttpCounter::kDiscarded)]);
  }
  closeConn(conn, How::kFin);
  releaseUpstream(conn);
}

// Closes what was unused for too long, a bounded number of records at a time.
void Shard::sweepUnused() {
  const u32 touched = httpUpstreams_.touched();
  const u32 slots = std::min(touched, kUnusedSweepSlots);
  for (u32 i = 0; i < slots; i++, sweepCursor_++) {
    if (sweepCursor_ >= touched) sweepCursor_ = 0;
    const HttpUpstream& upstream = httpUpstreams_[sweepCursor_];
    if (upstream.isUnused == 0) continue;
    const u32 position = findCluster(upstream.cluster);
    if (position != kNoIndex) {
      const ClusterHttpParts& http = snapshot_.cluster(position).http;
      const bool isUnusedLong =
          http.idleMs != 0 && !isTickBefore(nowTick_, upstream.unusedTick + ticksOf(http.idleMs));
      const bool isOld =
          http.ageMs != 0 && !isTickBefore(nowTick_, upstream.openedTick + ticksOf(http.ageMs));
      if (!isUnusedLong && !isOld) continue;
    }
    const u32 conn = upstream.conn;
    board_.clusterHttp(options_.index, upstream.cluster).count(ClusterHttpCounter::kExpired);
    removeUnused(sweepCursor_);
    closeConn(conn, How::kFin);
    releaseUpstream(conn);
  }
  wheel_.arm(pooledTunnel_, nowTick_ + ticksOf(kUnusedSweepMs));
}

// Those that a cluster of the next snapshot would make otherwise: with another TLS config or name.
void Shard::closeOutdated(const Snapshot& next) {
  bool isOutdated[kClustersMax] = {};
  for (u32 i = 0; i < next.clusterCount(); i++) {
    const ClusterSpec& cluster = next.cluster(i);
    const u32 position = findCluster(cluster.id);
    if (position == kNoIndex || cluster.tls == kNoIndex) continue;
    const ClusterSpec& present = snapshot_.cluster(position);
    if (present.tls == kNoIndex) continue;
    const u64(&digest)[2] = next.tls(cluster.tls).digest;
    const u64(&before)[2] = snapshot_.tls(present.tls).digest;
    isOutdated[cluster.id] = digest[0] != before[0] || digest[1] != before[1] ||
                             next.text(cluster.serverName) != snapshot_.text(present.serverName);
  }
  for (u32 i = 0; i < httpUpstreams_.touched(); i++) {
    const HttpUpstream& upstream = httpUpstreams_[i];
    if (upstream.isUnused == 0 || !isOutdated[upstream.cluster]) continue;
    const u32 conn = upstream.conn;
    removeUnused(i);
    closeConn(conn, How::kFin);
    releaseUpstream(conn);
  }
}

// All of them, when the shard stops.
void Shard::closeUnused() {
  for (u32 i = 0; i < httpUpstreams_.touched(); i++) {
    if (httpUpstreams_[i].isUnused == 0) continue;
    const u32 conn = httpUpstreams_[i].conn;
    removeUnused(i);
    closeConn(conn, How::kFin);
    releaseUpstream(conn);
  }
}

// No connection could be made.
void Shard::giveUpConnect(u32 tunnel, CloseReason reason) {
  if (!isHttp(tunnel)) return close(tunnel, reason, How::kReset);
  if (isMirror(tunnel)) return giveUpMirror(tunnel, reason);
  tunnels_[tunnel].reason = CloseReason::kCount;
  Exchange& exchange = exchangeOf(tunnel);
  if (exchange.hedged != kNoIndex) {
    dropUpstream(tunnel, false, How::kReset);
    return promoteHedged(tunnel);
  }
  const HttpEnd end = exchange.end != HttpEnd::kOk && reason == CloseReason::kNoEndpoint
                          ? exchange.end
                          : endOf(reason);
  answer(tunnel, statusOf(end), end);
}

// Makes another try when `condition` (of HttpRetryOn) allows one. False when it does not.
bool Shard::retryExchange(u32 tunnel, u32 condition) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  constexpr u32 kNeeded = kExReplayable;
  if ((exchange.flags & kNeeded) != kNeeded || (exchange.flags & kExAnswered) != 0) return false;
  // Nothing came back on a connection that had served before: the endpoint closed it as we wrote,
  // and a request that may be repeated is. It does not count as a try (RFC 9112 9.3.1).
  const bool isStale = condition == kRetryReset && (exchange.flags & kExReused) != 0 &&
                       exchange.kept.isEmpty() && exchange.interims == 0 &&
                       (exchange.flags & kExIdempotent) != 0;
  ClusterHttpCell& cell = board_.clusterHttp(options_.index, record.cluster);
  if (isStale) {
    cell.count(ClusterHttpCounter::kStale);
    exchange.flags |= kExFresh;
    exchange.attempts--;
  } else {
    if ((exchange.retryOn & condition) == 0 || !takeRetry(tunnel)) return false;
  }
  dropUpstream(tunnel, false, How::kReset);
  if (!exchange.kept.isEmpty()) chunks_.clear(exchange.kept);
  exchange.scan = http1::HeadScan{};
  exchange.interims = 0;
  dispatch(tunnel);
  return true;
}

// Takes one of the tries that the route, its budget and its cluster allow. False when there is
// none.
bool Shard::takeRetry(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  const bool isSafe =
      (exchange.flags & kExIdempotent) != 0 || (exchange.retryOn & kRetryUnsafe) != 0;
  const u32 position = findCluster(record.cluster);
  if (!isSafe || exchange.retriesLeft == 0 || position == kNoIndex) return false;
  const ClusterSpec& cluster = snapshot_.cluster(position);
  ClusterEntry& entry = circuitOf(board_, cluster);
  const bool isHeld = (exchange.flags & kExRetry) != 0;
  const bool isEntered = isHeld || tryEnter(entry, Circuit::kRetries, cluster.http.retriesMax);
  const u32 permille = cluster.http.retryBudgetPermille;
  if (!isEntered || !retryBudgets_[position].takeRetry(entry, permille, nowMs())) {
    if (isEntered && !isHeld) leave(entry, Circuit::kRetries);
    board_.http(options_.index, record.listener).count(HttpCounter::kRetryBudgetExhausted);
    return false;
  }
  exchange.flags |= kExRetry;
  exchange.retriesLeft--;
  board_.http(options_.index, record.listener).count(HttpCounter::kRetries);
  board_.clusterHttp(options_.index, record.cluster).count(ClusterHttpCounter::kRetries);
  if (exchange.route != kNoIndex) {
    board_.route(options_.index, exchange.route).count(RouteCounter::kRetries);
  }
  std::copy_backward(record.tried, record.tried + kTriedMax - 1, record.tried + kTriedMax);
  record.tried[0] = record.endpoint;
  return true;
}

// Counts the request among those of its cluster. False when there are too many.
bool Shard::enterCircuits(u32 tunnel, const ClusterSpec& cluster) {
  Exchange& exchange = exchangeOf(tunnel);
  if ((exchange.flags & kExCircuit) != 0) return true;
  retryBudgets_[findCluster(cluster.id)].noteRequest(cluster.http.retryBudgetPermille);
  ClusterEntry& entry = circuitOf(board_, cluster);
  exchange.circuit = static_cast<u16>(cluster.parent == kNoIndex ? cluster.id : cluster.parent);
  if (!tryEnter(entry, Circuit::kRequests, cluster.http.requestsActiveMax)) return false;
  exchange.flags |= kExCircuit;
  return true;
}

// The same for a connection that is about to be made.
bool Shard::enterConnect(u32 tunnel, const ClusterSpec& cluster) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  ClusterEntry& entry = circuitOf(board_, cluster);
  if ((exchange.flags & kExPending) == 0) {
    if (!tryEnter(entry, Circuit::kPending, cluster.http.pendingMax)) return false;
    exchange.flags |= kExPending;
  }
  if ((exchange.flags & kExConnection) == 0) {
    if (!tryEnter(entry, Circuit::kConnections, cluster.http.connectionsMax)) return false;
    exchange.flags |= kExConnection;
  }
  if (record.upstream == kNoIndex) takeUpstream(tunnel);
  return true;
}

void Shard::leaveCircuit(Exchange& exchange, u32 flag, Circuit circuit) {
  if ((exchange.flags & flag) == 0) return;
  exchange.flags &= ~flag;
  leave(board_.cluster(exchange.circuit), circuit);
}

// The request is over.
void Shard::leaveCircuits(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  leaveCircuit(exchange, kExPending, Circuit::kPending);
  leaveCircuit(exchange, kExConnection, Circuit::kConnections);
  leaveCircuit(exchange, kExRetry, Circuit::kRetries);
  leaveCircuit(exchange, kExCircuit, Circuit::kRequests);
}

void Shard::leaveConnections(HttpUpstream& upstream) {
  if (upstream.isCounted == 0) return;
  upstream.isCounted = 0;
  leave(board_.cluster(upstream.circuit), Circuit::kConnections);
}

// The endpoint failed before a whole head of a response came.
void Shard::upstreamFailed(u32 tunnel, HttpEnd end) {
  Exchange& exchange = exchangeOf(tunnel);
  board_.clusterHttp(options_.index, tunnels_[tunnel].cluster).count(ClusterHttpCounter::kFailures);
  exchange.end = end;
  const bool isStale = (exchange.flags & kExReused) != 0 && end == HttpEnd::kEndpointReset;
  if (!isStale) noteAnswered(tunnel, true);
  if (exchange.hedged != kNoIndex) {
    // The try that was left behind may still answer.
    dropUpstream(tunnel, false, How::kReset);
    return promoteHedged(tunnel);
  }
  u32 condition = 0;
  if (end == HttpEnd::kEndpointReset) condition = kRetryReset;
  if (end == HttpEnd::kPerTryTimeout) condition = kRetryPerTry;
  if (condition != 0 && retryExchange(tunnel, condition)) return;
  answer(tunnel, statusOf(end), end);
}

// Tells the balancer how the endpoint did.
void Shard::noteAnswered(u32 tunnel, bool isError) {
  const Tunnel& record = tunnels_[tunnel];
  const Exchange& exchange = exchangeOf(tunnel);
  const u32 position = findCluster(record.cluster);
  if (position == kNoIndex || record.endpoint == kNoIndex) return;
  const u32 micros = microsOf(nowNs_ - exchange.triedNs);
  balancers_[position]->onAnswered(record.endpoint, micros, isError, nowMs());
}

}  // namespace holdfast::proxy
