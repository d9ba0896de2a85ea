// Driving a world with HTTP.
#include "sim/http_scenario.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "codec/proxy_protocol.h"

#include "compression/toy_compressor.h"

namespace holdfast::sim {
namespace {

constexpr u32 kStormSteps = 4000;
constexpr u32 kRoundsWithoutCauseMax = 2000;
constexpr u64 kCalmNsMax = 400'000'000'000;
// Longer than requests and unused connections may take.
constexpr u32 kThinkMsMax = 40'000;

Address ip(std::string_view text, u32 port) {
  Address address;
  HF_ASSERT(parseIp(text, static_cast<u16>(port), &address));
  return address;
}

}  // namespace

HttpScenario::HttpScenario(u64 seed, bool isTracing) : world_(seed) {
  world = &world_;
  world_.isTracing = isTracing;
  drawKnobs();
  drawSnapshot();
  startGateway();
}

HttpScenario::~HttpScenario() {
  shards_.clear();
  filters_.clear();
  HF_ASSERT(compression::toy::open == 0);
  acceptor_.reset();
  board_.reset();
  world = nullptr;
  toyLibrary = nullptr;
}

Outcome HttpScenario::run() {
  storm();
  calm();
  judge();
  outcome_.traceHash = world_.traceHash;
  return outcome_;
}

void HttpScenario::storm() {
  for (u32 i = 0; i < kStormSteps; ++i) {
    step();
    if (i % 16 == 0 && clientsLeft_ == 0 && isOver()) return;
  }
}

// Nobody is left but unused connections to endpoints.
bool HttpScenario::isOver() const {
  return board_->connections() == 0 && copiesActive() == 0 &&
         world_.files[static_cast<size_t>(listenFd_)]->listening.backlog.empty();
}

u64 HttpScenario::copiesActive() const {
  u64 active = 0;
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    for (const proxy::ClusterSpec& cluster : parts_.clusters) {
      constexpr auto kActive = static_cast<size_t>(ClusterHttpCounter::kMirrorsActive);
      active += board_->clusterHttp(shard, cluster.id).counters[kActive].load();
    }
  }
  return active;
}

void HttpScenario::step() {
  Random& random = world_.random;
  const u32 kind = random.below(100);
  if (kind < 35) {
    if (world_.streams.empty()) return;
    (void)moveStream(*world_.streams[random.below(static_cast<u32>(world_.streams.size()))]);
  } else if (kind < 50) {
    if (clients_.empty()) return;
    HttpClient& client = *clients_[random.below(static_cast<u32>(clients_.size()))];
    (void)(random.chance(1, 2) ? client.act() : client.read());
  } else if (kind < 65) {
    if (endpoints_.empty()) return;
    HttpEndpoint& endpoint = *endpoints_[random.below(static_cast<u32>(endpoints_.size()))];
    (void)(random.chance(1, 2) ? endpoint.act() : endpoint.read());
  } else if (kind < 85) {
    const u32 index = random.below(shardCount_);
    if (policies_.hasFilters && random.chance(1, 3)) (void)filters_[index]->answerLate(false);
    if (world_.isReady(epollFds_[index]) || random.chance(1, 8)) turnShard(index);
  } else if (kind < 90) {
    (void)acceptor_->turn();
  } else if (kind < 93) {
    if (clientsLeft_ > 0) newClient();
  } else if (kind < 98) {
    world_.nowNs += random.below(random.chance(1, 8) ? 20'000'000 : 500'000);
    if (world_.draw(world_.knobs.clockStall)) {
      world_.nowNs += random.below(3'000'000'000u);
      hadStalls_ = true;
    }
    world_.expireTimers();
  } else {
    interfere();
  }
}

// What operators and the network do now and then.
void HttpScenario::interfere() {
  Random& random = world_.random;
  for (const auto& filters : filters_) (void)filters->answerLate(false);
  proxy::Shard& shard = *shards_[random.below(shardCount_)];
  if (policies_.hasKills && random.chance(1, 4)) {
    std::vector<proxy::ConnectionView> views;
    (void)shard.list(0, 64, 64, proxy::ConnectionFilter{}, &views);
    if (!views.empty()) {
      (void)shard.kill(views[random.below(static_cast<u32>(views.size()))].handle);
    }
  }
  if (policies_.hasDrain && random.chance(1, 10)) {
    if (random.chance(2, 3)) {
      (void)shard.drain(random.below(200));
    } else {
      shard.undrain();
    }
  }
  if (policies_.hasReloads && random.chance(1, 3)) {
    reload(shard);
  }
  if (world_.streams.empty() || !world_.draw(world_.knobs.timeoutError * 20)) return;
  Stream& stream = *world_.streams[random.below(static_cast<u32>(world_.streams.size()))];
  if (stream.fd < 0 || stream.state != Stream::State::kConnected) return;
  for (const auto& client : clients_) client->wasCut |= client->stream == &stream;
  for (const auto& endpoint : endpoints_) {
    if (endpoint->stream == &stream) endpoint->cut();
  }
  stream.inbound.clear();
  world_.breakFar(stream);
  world_.breakNear(stream, random.chance(3, 4) ? ETIMEDOUT : EHOSTUNREACH);
}

void HttpScenario::newClient() {
  --clientsLeft_;
  Stream* stream = world_.makeStream();
  const u32 id = static_cast<u32>(clients_.size()) + 1;
  stream->farAddress = ip("10.2.0.7", 2000 + id);
  stream->nearAddress = ip("10.0.0.1", 80);
  clients_.push_back(std::make_unique<HttpClient>(world_, book_, id, stream));
  introduce(*clients_.back());
  if (parts_.listeners[0].tls != kNoIndex) clients_.back()->wire.secure(HF_TLS_ORIGINATING);
  if (book_.isCalm) clients_.back()->calmDown();
  world_.file(listenFd_, "listening").listening.backlog.push_back(stream);
  world_.wake(listenFd_);
}

// Some clients come through a balancer that says who they are.
void HttpScenario::introduce(HttpClient& client) {
  Stream& stream = *client.stream;
  Address named = stream.farAddress;
  if (parts_.listeners[0].cidrCount != 0 && world_.random.chance(2, 3)) {
    stream.farAddress = ip("10.1.0.7", 2000 + client.id);
    named = ip(world_.random.chance(1, 2) ? "192.0.2.9" : "2001:db8::9", 3000 + client.id);
    codec::ProxyHeader header;
    header.source = named;
    header.destination = ip(named.isIpv6() ? "2001:db8::1" : "10.0.0.1", 80);
    u8 buffer[256];
    codec::Writer writer(buffer);
    (void)(world_.random.chance(1, 2) ? codec::encodeProxyV1(header, &writer)
                                      : codec::encodeProxyV2(header, &writer));
    stream.inbound.append({reinterpret_cast<const char*>(buffer), writer.size()});
  }
  char text[kAddressTextMax];
  const std::string from(text, formatIp(named, text, sizeof(text)));
  for (Ask* ask : client.asks) ask->from = from;
}

void HttpScenario::acceptedByEndpoint(void* owner, Stream* stream) {
  HttpScenario& self = *static_cast<HttpScenario*>(owner);
  const u32 id = static_cast<u32>(self.endpoints_.size()) + 1;
  u32 cluster = 0;
  for (const proxy::EndpointSpec& endpoint : self.parts_.endpoints) {
    const u32 position = endpoint.id - self.parts_.endpoints[0].id;
    const bool isIt =
        stream->farAddress ==
        fromSockaddr(reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.addressLength);
    if (isIt && position >= self.parts_.clusters[1].endpointFirst) cluster = 1;
  }
  self.endpoints_.push_back(std::make_unique<HttpEndpoint>(self.world_, self.book_, id, stream));
  self.endpoints_.back()->isHeaderExpected = self.book_.proxyProtocol[cluster] != 0;
  if (self.parts_.clusters[cluster].tls != kNoIndex) {
    self.endpoints_.back()->wire.secure(HF_TLS_TERMINATING);
  }
  if (self.world_.draw(self.world_.knobs.resetAfterAccept)) stream->isFarResetSent = true;
}

bool HttpScenario::moveStream(Stream& stream) {
  if (stream.state == Stream::State::kConnecting) {
    const auto found = std::find(world_.connecting.begin(), world_.connecting.end(), &stream);
    if (found == world_.connecting.end() || stream.isNearClosed) return false;
    world_.connecting.erase(found);
    world_.answerConnect(stream);
    return true;
  }
  if (world_.random.chance(1, 2)) {
    return world_.deliverInbound(stream) || world_.deliverOutbound(stream);
  }
  return world_.deliverOutbound(stream) || world_.deliverInbound(stream);
}

void HttpScenario::turnShard(u32 index) {
  (void)shards_[index]->turn();
  outcome_.turns += 1;
  shards_[index]->assertConserved();
}

// Everything off, everyone polite: all that is left must come to its end by itself.
void HttpScenario::calm() {
  hadAcceptErrors_ = world_.knobs.acceptError != 0;
  world_.knobs = Knobs{};
  if (library_ != nullptr) library_->refusedPermille = 0;
  book_.isCalm = true;
  for (const auto& client : clients_) client->calmDown();
  for (const auto& endpoint : endpoints_) endpoint->calmDown();
  const u64 end = world_.nowNs + kCalmNsMax;
  u32 roundsWithoutCause = 0;
  while (world_.nowNs < end) {
    const bool hasMoved = moveWorld();
    const bool hasRun = runGateway();
    roundsWithoutCause = hasMoved ? 0 : roundsWithoutCause + 1;
    if (roundsWithoutCause > kRoundsWithoutCauseMax) world_.fail("the gateway spins", 0);
    if (hasMoved || hasRun || answerSlowly()) continue;
    u32 unused = 0;
    for (const auto& endpoint : endpoints_) unused += endpoint->stream->fd >= 0 ? 1 : 0;
    const u64 next = world_.nextTimerNs();
    if (next == 0 || (isOver() && unused == 0)) break;
    world_.nowNs = std::max(world_.nowNs, next);
    world_.expireTimers();
    roundsWithoutCause = 0;
  }
}

bool HttpScenario::moveWorld() {
  bool hasMoved = false;
  if (clientsLeft_ > 0) {
    newClient();
    hasMoved = true;
  }
  for (size_t i = 0; i < world_.streams.size(); ++i) hasMoved |= moveStream(*world_.streams[i]);
  for (size_t i = 0; i < clients_.size(); ++i) {
    hasMoved |= clients_[i]->act();
    hasMoved |= clients_[i]->read();
  }
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    hasMoved |= endpoints_[i]->act();
    hasMoved |= endpoints_[i]->read();
  }
  return hasMoved;
}

// Filters that are slow let time pass while nothing else happens.
bool HttpScenario::answerSlowly() {
  if (!book_.hasSlowFilters || world_.nowNs < slowUntilNs_) return false;
  slowUntilNs_ = world_.nowNs + world_.random.below(kThinkMsMax) * u64{1'000'000};
  bool hasAnswered = false;
  for (const auto& filters : filters_) hasAnswered |= filters->answerLate(true);
  return hasAnswered;
}

bool HttpScenario::runGateway() {
  bool hasRun = false;
  if (!book_.hasSlowFilters) {
    for (const auto& filters : filters_) hasRun |= filters->answerLate(true);
  }
  if (world_.isReady(acceptorEpollFd_)) {
    (void)acceptor_->turn();
    hasRun = true;
  }
  for (u32 i = 0; i < shardCount_; ++i) {
    if (!world_.isReady(epollFds_[i])) continue;
    turnShard(i);
    hasRun = true;
  }
  return hasRun;
}

void HttpScenario::printAll(void* owner) {
  const HttpScenario& self = *static_cast<HttpScenario*>(owner);
  std::fprintf(stderr, "  gentle %d, calm %d\n", self.book_.isGentle ? 1 : 0,
               self.book_.isCalm ? 1 : 0);
  for (const auto& client : self.clients_) client->print();
  for (const auto& endpoint : self.endpoints_) endpoint->print();
}

}  // namespace holdfast::sim
