// Drawing a world with HTTP from its seed: faults, policies, routes and clusters.
//
// What the peers have to know of it goes into the book; the rest is between the gateway and the
// kernel. Invariant: every configuration of a world means the same for every request.
#include <algorithm>
#include <utility>

#include "compression/toy_compressor.h"
#include "sim/http_scenario.h"
#include "sim/throttles.h"

namespace holdfast::sim {
namespace {

constexpr u32 kClusters = 2;
constexpr u32 kLongMs = 60'000;
constexpr u32 kHandshakeMs = 5000;

Address ip(std::string_view text, u32 port) {
  Address address;
  HF_ASSERT(parseIp(text, static_cast<u16>(port), &address));
  return address;
}

http::RouteParts routeTo(std::string_view path, u32 cluster) {
  http::RouteParts route;
  route.pathKind = http::PathKind::kSegments;
  route.path = std::string(path);
  if (cluster != kNoIndex) route.splits.push_back({cluster, 1});
  return route;
}

}  // namespace

// Each fault takes part with probability 1/4, with its own strength; a gentle world has none that
// an endpoint could be blamed for.
void HttpScenario::drawKnobs() {
  Random& random = world_.random;
  const auto draw = [&](u32 strength) {
    return random.chance(1, 4) ? 1 + random.below(strength) : 0;
  };
  book_.isGentle = random.chance(1, 4);
  Knobs& knobs = world_.knobs;
  knobs.shortRecv = draw(500);
  knobs.shortSend = draw(500);
  knobs.sendAgain = draw(300);
  knobs.spuriousWake = draw(300);
  knobs.duplicateEvent = draw(300);
  knobs.fewEvents = draw(500);
  knobs.dribble = draw(900);
  knobs.connectAtOnce = draw(800);
  book_.hasSockets = random.chance(1, 2);
  book_.hasPings = random.chance(1, 4);
  book_.isValidated = random.chance(1, 3);
  book_.frameMax = random.chance(1, 4) ? 500 : 0;
  book_.bodyMax = random.chance(1, 3) ? 1000 : 0;
  book_.retries = random.below(3);
  book_.isRetriedUnsafe = random.chance(1, 6);
  policies_.hasReloads = random.chance(1, 4);
  book_.hasCompression = random.chance(1, 2);
  book_.hasFilters = policies_.hasFilters = random.chance(1, 2);
  policies_.hasMirrors = random.chance(1, 2);
  if (book_.isGentle) return;
  knobs.sendError = random.chance(1, 2) ? 0 : draw(10);
  knobs.sendRefused = random.chance(1, 2) ? 0 : draw(10);
  knobs.timeoutError = random.chance(1, 2) ? 0 : draw(5);
  knobs.urgent = random.chance(1, 2) ? 0 : draw(100);
  knobs.acceptError = draw(500);
  knobs.connectRefused = draw(400);
  knobs.connectHang = draw(300);
  knobs.connectErrorNow = draw(300);
  knobs.resetAfterAccept = draw(300);
  knobs.socketError = draw(200);
  knobs.watchError = draw(100);
  knobs.clockStall = draw(10);
  book_.hasSilent = random.chance(1, 6);
  book_.hasSlowFilters = policies_.hasFilters && random.chance(1, 4);
  book_.hasShortKeepAlive = random.chance(1, 6);
  policies_.hasMaxAge = random.chance(1, 8);
  policies_.hasKills = random.chance(1, 8);
  policies_.hasDrain = random.chance(1, 10);
  policies_.hasMemoryCap = random.chance(1, 6);
  policies_.hasLimits = random.chance(1, 6);
  policies_.hasThrottles = random.chance(1, 4);
}

void HttpScenario::drawSnapshot() {
  Random& random = world_.random;
  proxy::ListenerSpec listener;
  listener.idleMs = kLongMs;
  listener.halfCloseMs = 30'000;
  if (policies_.hasMaxAge) listener.maxAgeMs = 20 + random.below(2000);
  listener.maxAgeJitterPermille = random.below(1001);
  listener.proxyHeaderMs = 500;
  listener.bufferHigh = 1u << random.between(8, 16);
  listener.bufferLow = random.below(listener.bufferHigh);
  listener.accessLog = random.chance(1, 2) ? 1 : 0;
  listener.accessIntervalMs = random.chance(1, 4) ? 100 : 0;
  if (random.chance(1, 4)) {
    Cidr trusted;
    HF_ASSERT(parseCidr("10.1.0.0/16", &trusted));
    parts_.cidrs.push_back(trusted);
    listener.cidrCount = 1;
  }
  parts_.listeners.push_back(listener);
  if (policies_.hasThrottles) parts_.policies.push_back(drawThrottles(random));
  drawRoutes(parts_.http.emplace_back());
  for (u32 i = 0; i < kClusters; ++i) drawCluster(i);
  if (random.chance(1, 3)) drawTls();
  if (policies_.hasFilters) drawFilters();
}

void HttpScenario::drawRoutes(proxy::HttpParts& http) {
  Random& random = world_.random;
  http.isEnabled = true;
  http.headBytesMax = random.chance(1, 4) ? 2048 : 32768;
  http.targetBytesMax = 1024;
  http.fieldsMax = 100;
  http.requestsMax = random.chance(1, 4) ? 1 + random.below(3) : 0;
  http.headMs = book_.hasShortKeepAlive ? 200 : 10'000;
  http.keepAliveMs = book_.hasShortKeepAlive ? 100 : kLongMs;
  http.bodyMs = 30'000;
  http.hasForwarded = random.chance(1, 4);
  http.hasRequestId = random.chance(1, 2);
  http.trace = static_cast<proxy::TraceMode>(random.below(3));
  if (random.chance(1, 4)) http.via = "hf";
  http::HostParts& host = http.table.hosts.emplace_back();
  host.names = {"*"};
  const auto add = [&](std::string_view path, u32 cluster) -> proxy::HttpRouteParts& {
    host.routes.push_back(routeTo(path, cluster));
    proxy::HttpRouteParts& route = http.routes.emplace_back();
    route.id = static_cast<u32>(http.routes.size());
    route.requestMs = 20'000;
    route.idleMs = 25'000;
    route.retries = book_.retries;
    return route;
  };
  const u32 all = proxy::kRetryConnect | proxy::kRetryReset | proxy::kRetryPerTry |
                  proxy::kRetryStatus503 | proxy::kRetryStatus429;
  proxy::HttpRouteParts& first = add("/a", 0);
  first.retryOn = all;
  if (book_.isRetriedUnsafe) first.retryOn |= proxy::kRetryUnsafe;
  if (random.chance(1, 4) && !book_.isGentle) first.perTryMs = 5'000;
  if (random.chance(1, 6)) {
    first.perTryMs = 1 + random.below(30);
    first.retryOn |= proxy::kRetryHedge;
    book_.isHedged = true;
  }
  proxy::HttpRouteParts& second = add("/b", 1);
  host.routes.back().rewrite.kind = http::RewriteKind::kPrefix;
  host.routes.back().rewrite.text = "/v2";
  second.bodyBytesMax = book_.bodyMax;
  using Kind = proxy::HttpEditParts::Kind;
  second.requestEdits = {{Kind::kSet, "X-Edit", "ours"}, {Kind::kAdd, "X-Path", "%{path}"}};
  second.responseEdits = {{Kind::kSet, "X-Ours", "edited"}, {Kind::kRemove, "X-Theirs", ""}};
  if (random.chance(1, 3)) {
    second.hashSource = proxy::HashSource::kCookie;
    second.hashName = "sid";
    second.cookieSeconds = 60;
  }
  proxy::HttpRouteParts& redirect = add("/r", kNoIndex);
  redirect.action = proxy::HttpAction::kRedirect;
  redirect.status = 308;
  redirect.text = "https://%{host}%{path}";
  proxy::HttpRouteParts& fixed = add("/f", kNoIndex);
  fixed.action = proxy::HttpAction::kRespond;
  fixed.status = 200;
  fixed.text = std::string(kFixedText);
  fixed.contentType = "text/plain";
  proxy::HttpRouteParts& socket = add("/w", random.below(kClusters));
  socket.retryOn = all;
  socket.webSocket.isAllowed = true;
  socket.webSocket.isValidated = book_.isValidated;
  socket.webSocket.isPingCounted = random.chance(1, 2);
  socket.webSocket.frameBytesMax = book_.frameMax;
  socket.webSocket.idleMs = kLongMs;
  if (book_.hasPings) {
    socket.webSocket.pingMs = 20 + random.below(500);
    socket.webSocket.pongMs = book_.isGentle ? kLongMs : 100 + random.below(500);
  }
  if (policies_.hasMaxAge) socket.webSocket.maxAgeMs = 50 + random.below(2000);
  // Routes move while others are added.
  if (book_.hasCompression) drawCompression(http.routes[0], http.routes[1]);
  if (policies_.hasMirrors) drawMirrors(http);
}

// On the listener, on both ways, or on all of them.
void HttpScenario::drawCompression(proxy::HttpRouteParts& first, proxy::HttpRouteParts& second) {
  Random& random = world_.random;
  policy::PolicyParts use;
  use.kind = policy::PolicyKind::kCompression;
  use.name = "compression";
  using enum codec::ContentCoding;
  use.compression.codings = {kBrotli, kGzip, kZstd};
  use.compression.types = {"text/*"};
  use.compression.bytesMin = random.chance(1, 2) ? 0 : random.below(2000);
  const u32 where = random.below(3);
  if (where != 0) {
    if (parts_.policies.empty()) parts_.policies.emplace_back();
    parts_.policies[0].push_back(use);
  }
  use.compression.isHidden = random.chance(1, 2);
  use.compression.codings = {kZstd, kGzip};
  if (where != 1) first.policies = second.policies = {use};
}

// Copies for endpoints that serve requests as well, so that their connections are the same.
void HttpScenario::drawMirrors(proxy::HttpParts& http) {
  Random& random = world_.random;
  policy::PolicyParts mirror;
  mirror.kind = policy::PolicyKind::kMirror;
  mirror.name = "mirror";
  mirror.id = 1;
  mirror.mirror.millionths = random.chance(1, 2) ? policy::kMillion : policy::kMillion / 2;
  mirror.mirror.contentBytesMax = random.chance(1, 4) ? random.below(2000) : 1u << 20;
  mirror.mirror.timeoutMs = random.chance(1, 4) ? 1 + random.below(200) : 0;
  for (proxy::HttpRouteParts& route : http.routes) {
    mirror.mirror.cluster = random.below(kClusters);
    route.policies.push_back(mirror);
  }
}

void HttpScenario::drawCluster(u32 id) {
  Random& random = world_.random;
  proxy::ClusterSpec cluster;
  cluster.id = id;
  cluster.balance =
      static_cast<proxy::Balance>(random.below(static_cast<u32>(proxy::Balance::kCount)));
  cluster.endpointFirst = static_cast<u32>(parts_.endpoints.size());
  cluster.endpointCount = 1 + random.below(3);
  cluster.connectMs = 300;
  cluster.retries = random.below(4);
  if (random.chance(1, 5)) cluster.proxyProtocol = 1 + random.below(2);
  book_.proxyProtocol[id] = cluster.proxyProtocol;
  if (!book_.isGentle) {
    cluster.ejectAfter = random.chance(1, 3) ? 2 : 0;
    cluster.ejectAfterErrors = random.chance(1, 4) ? 3 : 0;
  }
  cluster.ejectMs = 200;
  cluster.ejectMsMax = 1000;
  cluster.ejectPercentMax = random.below(101);
  cluster.panicPercent = random.below(101);
  for (u32 i = 0; i < cluster.endpointCount; ++i) {
    proxy::EndpointSpec endpoint;
    endpoint.id = 10 + static_cast<u32>(parts_.endpoints.size());
    endpoint.weight = 1 + random.below(3);
    endpoint.connectionsMax = policies_.hasLimits && random.chance(1, 3) ? 1 + random.below(4) : 0;
    sockaddr_storage storage;
    endpoint.addressLength =
        toSockaddr(ip(i % 2 == 0 ? "10.9.0.1" : "fd00::9", 1000 + endpoint.id), &storage);
    std::copy_n(reinterpret_cast<const u8*>(&storage), endpoint.addressLength,
                reinterpret_cast<u8*>(&endpoint.address));
    parts_.endpoints.push_back(endpoint);
  }
  parts_.clusters.push_back(cluster);
  proxy::ClusterHttpParts& http = parts_.clusterHttp.emplace_back();
  http.idleMs = random.chance(1, 3) ? 50 + random.below(3000) : 30'000;
  http.ageMs = random.chance(1, 4) ? 50 + random.below(3000) : 0;
  http.requestsMax = random.chance(1, 4) ? 1 + random.below(4) : 0;
  http.idlePerEndpoint = random.below(4);
  if (!policies_.hasLimits) return;
  http.connectionsMax = random.chance(1, 2) ? 1 + random.below(4) : 0;
  http.requestsActiveMax = random.chance(1, 2) ? 1 + random.below(4) : 0;
  http.pendingMax = random.chance(1, 2) ? 1 + random.below(3) : 0;
  http.retriesMax = random.chance(1, 2) ? 1 : 0;
  http.retryBudgetPermille = random.chance(1, 2) ? 200 : 0;
}

// TLS with clients, with endpoints of one cluster or both, or on all sides.
void HttpScenario::drawTls() {
  Random& random = world_.random;
  library_ = std::make_unique<ToyLibrary>();
  toyLibrary = library_.get();
  if (!book_.isGentle && random.chance(1, 4)) library_->refusedPermille = 1 + random.below(200);
  for (const u8 role : {HF_TLS_TERMINATING, HF_TLS_ORIGINATING}) {
    proxy::TlsConfigParts& config = parts_.tls.emplace_back();
    config.name = role == HF_TLS_TERMINATING ? "clients" : "endpoints";
    config.role = role;
    config.isDetached = random.chance(3, 4);
    config.tickets = random.below(3);
    (void)config.domains.emplace_back();
  }
  const u32 where = 1 + random.below(7);
  if ((where & 1) != 0) {
    parts_.listeners[0].tlsMode = proxy::TlsMode::kTerminate;
    parts_.listeners[0].tls = 0;
    parts_.listeners[0].handshakeMs = kHandshakeMs;
  }
  for (u32 i = 0; i < kClusters; ++i) {
    if ((where >> (1 + i) & 1) == 0) continue;
    parts_.clusters[i].tls = 1;
    // It is the deadline of the handshake as well, which takes as many turns as the peer likes.
    parts_.clusters[i].connectMs = kHandshakeMs;
  }
}

// A new chain for every listener and route, with other needs than the one before.
void HttpScenario::drawFilters() {
  Random& random = world_.random;
  const u32 id = parts_.filterChains.empty() ? 1 : parts_.filterChains[0].id + 1;
  proxy::FilterChainParts chain;
  chain.id = id;
  chain.mask = random.nextU32() & (proxy::kFilterNeeds & ~proxy::kNeedMessage);
  // What is looked at is validated.
  if (book_.isValidated && random.chance(2, 3)) chain.mask |= proxy::kNeedMessage;
  chain.messageBytesMax = random.chance(1, 2) ? random.below(200) : proxy::kFilterMessageMax;
  chain.requestFields = {"host", "x-ask"};
  chain.responseFields = {"content-type"};
  parts_.filterChains = {chain};
  if (!parts_.listeners.empty()) parts_.listeners[0].filterChain = id;
  for (proxy::HttpParts& http : parts_.http) {
    for (proxy::HttpRouteParts& route : http.routes) route.filterChain = id;
  }
}

void HttpScenario::applyTo(proxy::Shard& shard) {
  const int snapshot = proxy::compileSnapshot(parts_);
  HF_ASSERT(snapshot >= 0);
  const auto at = static_cast<size_t>(
      std::find_if(shards_.begin(), shards_.end(),
                   [&shard](const auto& each) { return each.get() == &shard; }) -
      shards_.begin());
  if (policies_.hasFilters) {
    const proxy::FilterChainParts& chain = parts_.filterChains[0];
    filters_[at]->know(chain.id, (chain.mask & proxy::kNeedSerial) != 0);
  }
  HF_ASSERT(shard.applySnapshot(snapshot).isOk());
  sys::close(snapshot);
  if (!policies_.hasFilters) return;
  const u32 former = std::exchange(chainOf_[at], parts_.filterChains[0].id);
  if (former != 0 && former != chainOf_[at]) filters_[at]->retire(former);
}

// Another configuration, under which every request means the same: limits change, endpoints go and
// come back, and in worlds that are not gentle a cluster or the listener is gone for a while.
void HttpScenario::reload(proxy::Shard& shard) {
  Random& random = world_.random;
  parts_.generation += 1;
  for (proxy::ClusterHttpParts& each : parts_.clusterHttp) each.idlePerEndpoint = random.below(4);
  if (policies_.hasFilters && random.chance(1, 2)) drawFilters();
  for (proxy::TlsConfigParts& config : parts_.tls) {
    if (random.chance(1, 2)) continue;
    config.isDetached = !config.isDetached;
    config.ticketSeconds += 1;
  }
  const auto listeners = parts_.listeners;
  const auto clusters = parts_.clusters;
  const auto clusterHttp = parts_.clusterHttp;
  const auto http = parts_.http;
  const u32 kind = random.below(8);
  if (kind < 2) {
    // The routes lead elsewhere.
    for (http::RouteParts& route : parts_.http[0].table.hosts[0].routes) {
      for (http::SplitParts& split : route.splits) split.cluster = random.below(kClusters);
    }
  } else if (kind == 2) {
    for (proxy::ClusterSpec& cluster : parts_.clusters) cluster.endpointCount = 1;
  } else if (kind == 3 && !book_.isGentle) {
    parts_.clusters.pop_back();
    parts_.clusterHttp.pop_back();
    for (http::RouteParts& route : parts_.http[0].table.hosts[0].routes) {
      for (http::SplitParts& split : route.splits) split.cluster = 0;
    }
  } else if (kind == 4 && !book_.isGentle && random.chance(1, 4)) {
    parts_.listeners.clear();
    parts_.http.clear();
  }
  applyTo(shard);
  parts_.listeners = listeners;
  parts_.clusters = clusters;
  parts_.clusterHttp = clusterHttp;
  parts_.http = http;
}

void HttpScenario::startGateway() {
  Random& random = world_.random;
  shardCount_ = 1 + random.below(2);
  connectionsMax_ = !book_.isGentle && random.chance(1, 5) ? 4 : 64;
  shardPendingMax_ = policies_.hasMemoryCap ? u64{kChunkBytes} * random.below(64) : 16u << 20;
  BoardOptions options;
  options.shards = shardCount_;
  options.connectionsMax = 256;
  options.pendingBytesMax = policies_.hasMemoryCap && random.chance(1, 2)
                                ? u64{kChunkBytes} * random.below(96)
                                : 64u << 20;
  board_ = std::make_unique<Board>();
  HF_ASSERT(board_->create(options).isOk());
  for (const proxy::EndpointSpec& endpoint : parts_.endpoints) {
    board_->endpoint(endpoint.id).healthy.store(1, std::memory_order_relaxed);
  }
  for (u32 i = 0; i < shardCount_; ++i) {
    proxy::ShardOptions shard;
    shard.index = i;
    shard.connectionsMax = connectionsMax_;
    shard.pendingBytesMax = shardPendingMax_;
    shard.seed = random.nextU64();
    shard.compressors = compression::toy::library();
    if (library_ != nullptr) shard.tls = &library_->table;
    shards_.push_back(std::make_unique<proxy::Shard>(*board_, shard));
    HF_ASSERT(shards_.back()->start().isOk());
    epollFds_.push_back(world_.lastEpollFd);
    if (policies_.hasFilters) {
      filters_.push_back(std::make_unique<SimFilters>(world_, *shards_.back()));
      filters_.back()->attach();
      if (book_.hasSlowFilters) filters_.back()->slowDown();
    }
    chainOf_.push_back(0);
    applyTo(*shards_.back());
  }
  acceptor_ = std::make_unique<proxy::Acceptor>(*board_);
  HF_ASSERT(acceptor_->start().isOk());
  acceptorEpollFd_ = world_.lastEpollFd;
  for (u32 i = 0; i < shardCount_; ++i) acceptor_->setShardReady(i, 1);
  Knobs none;
  std::swap(none, world_.knobs);  // starting up is not what is tested here
  sockaddr_storage storage;
  proxy::ListenSpec spec;
  spec.addressLength = toSockaddr(ip("10.0.0.1", 80), &storage);
  spec.address = reinterpret_cast<const sockaddr*>(&storage);
  HF_ASSERT(acceptor_->listen(spec).handle >= 0);
  std::swap(none, world_.knobs);
  for (size_t fd = 0; fd < world_.files.size(); ++fd) {
    const File* file = world_.files[fd].get();
    if (file != nullptr && file->kind == File::Kind::kListening) listenFd_ = static_cast<int>(fd);
  }
  world_.owner = this;
  world_.onConnect = &HttpScenario::acceptedByEndpoint;
  world_.onFail = &HttpScenario::printAll;
  clientsLeft_ = 1 + random.below(random.chance(1, 3) ? 20 : 6);
  outcome_.clients = clientsLeft_;
}

}  // namespace holdfast::sim
