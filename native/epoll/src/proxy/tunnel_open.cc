// From an accepted socket to an open tunnel: PROXY header in, endpoint, connect, retries, header
// out.
//
// A PROXY header is looked at in the kernel's receive queue and left there until an endpoint
// answered, so a waiting connection holds no buffer, and its TLVs can be passed on without having
// been stored.
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

#include "codec/proxy_protocol.h"
#include "proxy/acceptor.h"
#include "proxy/filter_host.h"
#include "proxy/shard.h"

namespace holdfast::proxy {
namespace {

CloseReason reasonOf(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOENT:  // a Unix socket that nobody listens on
      return CloseReason::kConnectRefused;
    case ETIMEDOUT:
      return CloseReason::kConnectTimeout;
    case EPROTO:
      return CloseReason::kEndpointHandshake;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
      return CloseReason::kConnectUnreachable;
    default:
      return CloseReason::kConnectFailed;
  }
}

u32 microsOf(u64 ns) { return static_cast<u32>(ns / 1000); }

}  // namespace

void Shard::readHeader(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Conn& client = conns_[record.downstream];
  if ((client.flags & kConnReadable) == 0) return;
  const IoResult seen = sys::peek(client.fd, scratch_, kProxyHeaderMax);
  if (seen.kind == IoResult::Kind::kAgain) {
    client.flags = static_cast<u16>(client.flags & ~kConnReadable);
    return;
  }
  if (seen.kind == IoResult::Kind::kFailed) {
    return close(tunnel, CloseReason::kClientReset, How::kReset);
  }
  if (seen.kind == IoResult::Kind::kEof) {
    return close(tunnel, CloseReason::kProxyHeaderInvalid, How::kReset);
  }
  const codec::ProxyDecoded decoded =
      codec::decodeProxyHeader({scratch_, seen.bytes}, kProxyHeaderMax);
  if (decoded.kind == codec::ProxyDecoded::Kind::kNeedMore) {
    // The next byte brings a new edge; its end brings one too, and then nothing more can come.
    if (client.flags & (kConnReadHup | kConnError)) {
      return close(tunnel, CloseReason::kProxyHeaderInvalid, How::kReset);
    }
    client.flags = static_cast<u16>(client.flags & ~kConnReadable);
    return;
  }
  if (decoded.kind == codec::ProxyDecoded::Kind::kViolation) {
    return close(tunnel, CloseReason::kProxyHeaderInvalid, How::kReset);
  }
  bump(count(record.listener, ListenerCounter::kProxyHeaders));
  record.flags |= kTunnelHeaderQueued;
  const bool isNamed =
      decoded.header.command == codec::ProxyCommand::kProxy && decoded.header.source.isIp();
  if (isNamed) record.client = decoded.header.source;
  const ListenerSpec* listener = findListener(record.listener);
  if (listener == nullptr) return close(tunnel, CloseReason::kUnrouted, How::kReset);
  if (!holdAddress(tunnel, *listener)) return;
  direct(tunnel, *listener);
}

void Shard::renewBalancers() {
  std::vector<std::unique_ptr<Balancer>> balancers;
  std::vector<RetryBudget> budgets(snapshot_.clusterCount());
  for (u32 i = 0; i < snapshot_.clusterCount(); i++) {
    const ClusterSpec& cluster = snapshot_.cluster(i);
    balancers.push_back(std::make_unique<Balancer>(snapshot_, cluster, board_, random_.nextU64()));
    const u32 former = clusterAt_[cluster.id];
    if (former == kNoIndex) continue;
    balancers[i]->resume(*balancers_[former]);
    budgets[i] = retryBudgets_[former];
  }
  balancers_.swap(balancers);
  retryBudgets_.swap(budgets);
  std::fill(std::begin(clusterAt_), std::end(clusterAt_), kNoIndex);
  for (u32 i = 0; i < snapshot_.clusterCount(); i++) clusterAt_[snapshot_.cluster(i).id] = i;
}

// Picks endpoints until one connect is under way, or none is left.
void Shard::startConnect(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  const u32 position = findCluster(record.cluster);
  if (position == kNoIndex) return giveUpConnect(tunnel, CloseReason::kNoEndpoint);
  const ClusterSpec& cluster = snapshot_.cluster(position);
  const bool isForHttp = isHttp(tunnel);
  if (isForHttp && !enterCircuits(tunnel, cluster)) {
    return giveUpConnect(tunnel, CloseReason::kEndpointLimit);
  }
  PickKey key{record.client};
  if (isForHttp) {
    key.hash = exchangeOf(tunnel).hash;
    key.hasHash = exchangeOf(tunnel).hasHash;
  } else if (filters_ != nullptr) {
    key.hash = filters_->connections[tunnel].hash;
    key.hasHash = filters_->connections[tunnel].hasHash;
  }
  for (;;) {
    Pick pick = balancers_[position]->pick(nowMs(), key, record.tried);
    // A further try of a request goes to an endpoint that failed when there is no other.
    const bool isRetried = isForHttp && exchangeOf(tunnel).attempts > 1;
    if (isRetried && pick.endpoint == nullptr) pick = balancers_[position]->pick(nowMs(), key, {});
    if (pick.endpoint == nullptr) {
      bump(count(ShardCounter::kPickFailures));
      const bool isRetry = record.reason != CloseReason::kCount;
      const CloseReason none =
          pick.isAtLimit ? CloseReason::kEndpointLimit : CloseReason::kNoEndpoint;
      return giveUpConnect(tunnel, isRetry ? record.reason : none);
    }
    record.endpoint = pick.endpoint->id;
    record.flags |= kTunnelEndpointHeld;
    if (isForHttp) {
      if (hasFilters() && exchangeOf(tunnel).chain != 0 && askEndpoint(tunnel)) return;
      if (attachUnused(tunnel)) return sendRequest(tunnel);
    }
    if (!useEndpoint(tunnel, cluster, *pick.endpoint)) return;
  }
}

// Makes a connection to the endpoint that was picked. True when that failed and another endpoint is
// to be picked.
bool Shard::useEndpoint(u32 tunnel, const ClusterSpec& cluster, const EndpointSpec& endpoint) {
  Tunnel& record = tunnels_[tunnel];
  const bool isForHttp = isHttp(tunnel);
  if (isForHttp && !enterConnect(tunnel, cluster)) {
    giveUpConnect(tunnel, CloseReason::kEndpointLimit);
    return false;
  }
  if (cluster.tls != kNoIndex) record.flags |= kTunnelSecured;
  record.connectMicros = microsOf(sys::nowNs());
  u32 deadlineTicks = ticksOf(cluster.connectMs);
  if (isForHttp) deadlineTicks = std::min(deadlineTicks, ticksLeft(tunnel));
  enterState(tunnel, TunnelState::kConnecting, deadlineTicks);
  bump(count(ShardCounter::kConnects));
  board_.endpoint(record.endpoint).connects.fetch_add(1, std::memory_order_relaxed);
  const int error = connectTo(tunnel, cluster, endpoint);
  return error != 0 && noteConnectFailure(tunnel, error);
}

int Shard::connectTo(u32 tunnel, const ClusterSpec& cluster, const EndpointSpec& endpoint) {
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
  const bool isIp = address->sa_family != AF_UNIX;
  int fd;
  if (cluster.netnsFd >= 0 && isIp) {
    const int previous = sys::enterNetns(cluster.netnsFd);
    if (previous < 0) return -previous;
    fd = sys::socketStream(address->sa_family);
    sys::leaveNetns(previous);
  } else {
    fd = sys::socketStream(address->sa_family);
  }
  if (fd < 0) return -fd;
  const int connected = sys::connect(fd, address, endpoint.addressLength);
  if (connected < 0 && connected != -EINPROGRESS) {
    sys::close(fd);
    // So answers a Unix socket whose accept queue is full: nothing is short on this side.
    return connected == -EAGAIN && !isIp ? ECONNREFUSED : -connected;
  }
  // A new generation: events of an earlier attempt's descriptor must not reach this one.
  const u32 index = tunnels_[tunnel].upstream;
  Conn& upstream = conns_[index];
  conns_.renew(index);
  upstream.fd = fd;
  upstream.flags = static_cast<u16>((upstream.flags & kConnQueued) | kConnOpen);
  if (isIp && cluster.socket.nodelay != 0) upstream.flags |= kConnNodelayDue;
  if (!isIp) upstream.flags |= kConnCutReads;
  const int added =
      sys::epollAdd(epollFd_, fd, sys::Watch::kEdgeBoth, conns_.handleOf(index).pack());
  if (added < 0) {
    closeConn(index, How::kFin);
    return -added;
  }
  return 0;
}

// The endpoint's socket became ready while connecting: open, or failed.
void Shard::finishConnect(u32 tunnel) {
  const Conn& upstream = conns_[tunnels_[tunnel].upstream];
  if ((upstream.flags & kConnOpen) == 0) return;
  if (upstream.flags & kConnError) {
    // An endpoint that answered, spoke and then reset is delivered like any other reset; one that
    // reset without a word has not served anybody yet, so another may.
    const bool hasSpoken = sys::bytesReadable(upstream.fd) > 0;
    const int error = hasSpoken ? 0 : sys::takeSocketError(upstream.fd);
    if (error != 0) return failConnect(tunnel, error < 0 ? ECONNRESET : error);
  } else if ((upstream.flags & kConnWritable) == 0) {
    return;
  }
  const u32 position = findCluster(tunnels_[tunnel].cluster);
  const bool isSecured = (tunnels_[tunnel].flags & kTunnelSecured) != 0;
  if (position == kNoIndex || snapshot_.cluster(position).tls == kNoIndex) {
    // What was promised to be sealed is not sent in clear because the configuration went.
    if (isSecured) return giveUpConnect(tunnel, CloseReason::kNoEndpoint);
    return opened(tunnel);
  }
  const ClusterSpec& cluster = snapshot_.cluster(position);
  // It comes before the handshake, and another endpoint may need it again.
  if (cluster.proxyProtocol != 0 &&
      !passProxyHeader(tunnel, cluster.proxyProtocol, HeaderUse::kSend)) {
    return;
  }
  beginEndpointHandshake(tunnel, cluster);
}

void Shard::failConnect(u32 tunnel, int error) {
  if (noteConnectFailure(tunnel, error)) startConnect(tunnel);
}

// Books one failed attempt. True when another one may be made; otherwise the tunnel is closed.
bool Shard::noteConnectFailure(u32 tunnel, int error) {
  Tunnel& record = tunnels_[tunnel];
  bump(count(ShardCounter::kConnectFailures));
  record.reason = reasonOf(error);
  const u32 position = findCluster(record.cluster);
  const bool isLocal = record.reason == CloseReason::kConnectFailed;
  if (position != kNoIndex && !isLocal) {
    balancers_[position]->onConnectFailed(record.endpoint, nowMs());
  } else {
    board_.endpoint(record.endpoint).connectFailures.fetch_add(1, std::memory_order_relaxed);
  }
  if (record.retriesLeft == 0) {
    giveUpConnect(tunnel, record.reason);
    return false;
  }
  record.retriesLeft--;
  bump(count(ShardCounter::kConnectRetries));
  std::copy_backward(record.tried, record.tried + kTriedMax - 1, record.tried + kTriedMax);
  record.tried[0] = record.endpoint;
  leaveEndpoint(tunnel);
  closeConn(record.upstream, How::kFin);
  return true;
}

void Shard::leaveEndpoint(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  if ((record.flags & kTunnelEndpointHeld) == 0) return;
  record.flags = static_cast<u8>(record.flags & ~(kTunnelEndpointHeld | kTunnelSecured));
  board_.endpointActive(record.endpoint).fetch_sub(1, std::memory_order_relaxed);
}

// A client that reset before an endpoint was found needs none, unless it left bytes to deliver.
void Shard::checkClientWhileConnecting(u32 tunnel) {
  const Conn& client = conns_[tunnels_[tunnel].downstream];
  // Nobody waits for the answer of a client that went away.
  if ((client.flags & kConnReadHup) != 0 && isHttp(tunnel)) return clientGone(tunnel, 0);
  if ((client.flags & kConnError) == 0) return;
  if (sys::bytesReadable(client.fd) > 0) return;
  close(tunnel, CloseReason::kClientReset, How::kReset);
}

void Shard::opened(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  const u32 position = findCluster(record.cluster);
  record.connectMicros = microsOf(nowNs_) - record.connectMicros;
  record.reason = CloseReason::kCount;
  if (position != kNoIndex) {
    balancers_[position]->onConnected(record.endpoint, record.connectMicros);
  }
  if (isHttp(tunnel)) return httpConnected(tunnel);
  bump(count(record.listener, ListenerCounter::kEstablished));
  record.flags |= kTunnelEstablished | kTunnelOptionsDue;
  record.state = TunnelState::kOpen;
  record.lastActiveTick = nowTick_;
  if (filters_ != nullptr) openChunks(tunnel);
  armAccessRecord(tunnel);
  if (isDraining_) record.drainTick = nowTick_ + 1 + random_.below(drainTicks_ + 1);
  rearm(tunnel);
  conns_[record.upstream].flags |= kConnWritable;
  const bool isHeaderDue = position != kNoIndex && (conns_[record.upstream].flags & kConnTls) == 0;
  const u32 version = isHeaderDue ? snapshot_.cluster(position).proxyProtocol : 0;
  const HeaderUse use = version != 0 ? HeaderUse::kSendAndDrop : HeaderUse::kDrop;
  if (!passProxyHeader(tunnel, version, use)) return;
  for (const u32 conn : {record.downstream, record.upstream}) {
    // The end of a handshake may wait still, and the edge that told of room is gone.
    const bool isWaiting = !conns_[conn].pending.isEmpty();
    if (isWaiting || (conns_[conn].flags & (kConnReadable | kConnError)) != 0) queue(conn);
  }
}

// Sends our header ahead of the client's first byte, and consumes the client's own. False when the
// tunnel closed, or its request went on elsewhere.
bool Shard::passProxyHeader(u32 tunnel, u32 version, HeaderUse use) {
  Tunnel& record = tunnels_[tunnel];
  Conn& client = conns_[record.downstream];
  const bool isTls = (client.flags & kConnTls) != 0;
  const bool isQueued = (record.flags & kTunnelHeaderQueued) != 0;
  const bool isKept = isTls && !tlsOf(record.downstream).header.isEmpty();
  codec::ProxyHeader header;
  header.source = record.client;
  if (isQueued || isKept) {
    size_t held = 0;
    if (isKept) {
      held = chunks_.copyTo(tlsOf(record.downstream).header, scratch_);
    } else {
      const IoResult seen = sys::peek(client.fd, scratch_, kProxyHeaderMax);
      held = seen.kind == IoResult::Kind::kDone ? seen.bytes : 0;
    }
    const codec::ProxyDecoded decoded = codec::decodeProxyHeader({scratch_, held}, kProxyHeaderMax);
    // It was whole before; the kernel keeps what nobody consumed.
    if (decoded.kind != codec::ProxyDecoded::Kind::kHeader) {
      close(tunnel, CloseReason::kClientReset, How::kReset);
      return false;
    }
    if (decoded.header.command == codec::ProxyCommand::kProxy) header = decoded.header;
    if (use != HeaderUse::kSend) {
      if (isKept) {
        chunks_.clear(tlsOf(record.downstream).header);
      } else {
        (void)sys::discard(client.fd, decoded.length);
        record.flags = static_cast<u8>(record.flags & ~kTunnelHeaderQueued);
        client.flags |= kConnReadable;
      }
    }
  }
  if (use == HeaderUse::kDrop) return true;
  // The client of a copied request may be gone, and with it the address that it came to.
  if (client.fd < 0) header.destination.family = header.source.family;
  if (header.destination.family == 0) {
    sockaddr_storage local;
    socklen_t length = 0;
    if (sys::getSockName(client.fd, &local, &length) >= 0) {
      header.destination = fromSockaddr(reinterpret_cast<sockaddr*>(&local), length);
    }
  }
  if (header.source.family == 0) header.source = record.client;
  u8* tlvs = scratch_ + kProxyHeaderMax;
  if (isTls && version == 2) {
    const size_t length = addTlsTlvs(tunnel, header.tlvs, {tlvs, 2 * kProxyHeaderMax});
    header.tlvs = {tlvs, length};
  }
  u8* out = tlvs + 2 * kProxyHeaderMax;
  codec::Writer writer({out, 4 * kProxyHeaderMax});
  const bool isEncoded =
      version == 1 ? codec::encodeProxyV1(header, &writer) : codec::encodeProxyV2(header, &writer);
  Conn& upstream = conns_[record.upstream];
  setNodelay(upstream);
  const size_t length = writer.size();
  if (isEncoded) {
    const IoResult result = sys::send(upstream.fd, out, length);
    // A fresh socket's buffer takes a header whole; one that does not is not worth a special case.
    if (result.kind == IoResult::Kind::kDone && result.bytes == length) return true;
  }
  // A request may go to another endpoint still.
  if (isHttp(tunnel)) {
    failConnect(tunnel, ECONNRESET);
  } else {
    close(tunnel, CloseReason::kEndpointReset, How::kReset);
  }
  return false;
}

// What the client's handshake agreed on, as TLVs behind those that came; ours replace theirs.
// Returns the length.
size_t Shard::addTlsTlvs(u32 tunnel, std::span<const u8> tlvs, std::span<u8> out) {
  const TlsConn& tls = tlsOf(tunnels_[tunnel].downstream);
  codec::Writer writer(out);
  codec::Reader reader(tlvs);
  codec::ProxyTlv tlv;
  const auto put = [&writer](u8 type, std::string_view value) {
    if (value.empty()) return;
    writer.putU8(type);
    writer.putU16(static_cast<u16>(value.size()));
    writer.putText(value.data(), value.size());
  };
  while (codec::takeProxyTlv(&reader, &tlv)) {
    const bool isOurs = tlv.type == codec::kProxyTlvAlpn || tlv.type == codec::kProxyTlvAuthority ||
                        tlv.type == codec::kProxyTlvSsl || tlv.type == codec::kProxyTlvCrc32c;
    if (isOurs) continue;
    put(tlv.type, {reinterpret_cast<const char*>(tlv.value.data()), tlv.value.size()});
  }
  const TlsFactsView facts = facts_.view(tls.facts);
  put(codec::kProxyTlvAlpn, facts.alpn);
  put(codec::kProxyTlvAuthority, facts.serverName);
  writer.putU8(codec::kProxyTlvSsl);
  const codec::Writer::LengthMark mark = writer.beginLengthU16();
  const bool hasPeer = (tls.flags & kTlsHasPeer) != 0;
  u8 client = codec::kProxyTlsUsed;
  if (hasPeer) client |= codec::kProxyTlsCertificate | codec::kProxyTlsCertificateBefore;
  writer.putU8(client);
  writer.putU32(hasPeer && (tls.flags & kTlsVerified) != 0 ? 0 : 1);
  put(codec::kProxyTlvSslVersion, facts.version);
  put(codec::kProxyTlvSslCipher, facts.suite);
  std::string_view name(facts.subject);
  if (const size_t at = name.find("CN="); at != std::string_view::npos) {
    name.remove_prefix(at + 3);
    put(codec::kProxyTlvSslName, name.substr(0, name.find_first_of(",+")));
  }
  writer.endLengthU16(mark);
  return writer.isFailed() ? 0 : writer.size();
}

void Shard::setNodelay(Conn& conn) {
  if ((conn.flags & kConnNodelayDue) == 0) return;
  conn.flags = static_cast<u16>(conn.flags & ~kConnNodelayDue);
  (void)sys::setOption(conn.fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void Shard::setUpstreamOptions(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  record.flags = static_cast<u8>(record.flags & ~kTunnelOptionsDue);
  const u32 position = findCluster(record.cluster);
  if (position == kNoIndex) return;
  SocketOptions options = snapshot_.cluster(position).socket;
  options.nodelay = 0;  // set before its second write
  setSocketOptions(conns_[record.upstream].fd, options);
}

}  // namespace holdfast::proxy
