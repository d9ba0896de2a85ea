// Drawing a scenario from its seed, and driving it.
#include "sim/scenario.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "sim/throttles.h"

namespace holdfast::sim {
namespace {

constexpr u32 kStormSteps = 1500;
constexpr u32 kFloodClients = kMailboxSlots * 2 + 100;
constexpr u32 kFloodTurns = 2 * kFloodClients / proxy::kAcceptBatchMax;
// A gateway that has work without a cause for this many rounds is spinning.
constexpr u32 kRoundsWithoutCauseMax = 2000;
// After the faults have stopped, everything is over within the longest timeout and some.
constexpr u64 kCalmNsMax = 400'000'000'000;
constexpr u32 kHandshakeMs = 5000;
constexpr size_t kHelloQueueBytes = 32768;
constexpr u32 kScratchBytes = proxy::kScratchBytes;
// Header, explicit nonce, type and tag of a record.
constexpr u64 kRecordOverhead = tls::kRecordHeaderBytes + 8 + 1 + tls::kTagBytes;

Address ip(std::string_view text, u32 port) {
  Address address;
  HF_ASSERT(parseIp(text, static_cast<u16>(port), &address));
  return address;
}

}  // namespace

Scenario::Scenario(u64 seed, Series series, bool isTracing) : world_(seed) {
  world = &world_;
  world_.isTracing = isTracing;
  drawKnobs();
  drawSnapshot();
  if (series == Series::kTls) drawTls();
  policies_.hasFilters = world_.random.chance(1, 4);
  if (policies_.hasFilters) drawFilters();
  startGateway();
}

Scenario::~Scenario() {
  shards_.clear();
  filters_.clear();
  acceptor_.reset();
  board_.reset();
  world = nullptr;
  toyLibrary = nullptr;
}

// Each fault takes part with probability 1/4, with its own strength.
void Scenario::drawKnobs() {
  Random& random = world_.random;
  const auto draw = [&](u32 strength) {
    return random.chance(1, 4) ? 1 + random.below(strength) : 0;
  };
  Knobs& knobs = world_.knobs;
  knobs.shortRecv = draw(500);
  knobs.shortSend = draw(500);
  knobs.sendAgain = draw(300);
  knobs.sendError = random.chance(1, 2) ? 0 : draw(10);
  knobs.sendRefused = random.chance(1, 2) ? 0 : draw(10);
  knobs.spuriousWake = draw(300);
  knobs.duplicateEvent = draw(300);
  knobs.fewEvents = draw(500);
  knobs.dribble = draw(900);
  knobs.timeoutError = random.chance(1, 2) ? 0 : draw(5);
  knobs.urgent = draw(100);
  knobs.acceptError = draw(500);
  knobs.connectRefused = draw(400);
  knobs.connectHang = draw(300);
  knobs.connectAtOnce = draw(800);
  knobs.connectErrorNow = draw(300);
  knobs.resetAfterAccept = draw(300);
  knobs.socketError = draw(200);
  knobs.watchError = draw(100);
  knobs.clockStall = draw(10);
  waitingInCalm_ = random.chance(1, 2) ? Peer::Role::kClient : Peer::Role::kEndpoint;
  policies_.hasMaxAge = random.chance(1, 8);
  policies_.hasKills = random.chance(1, 8);
  policies_.hasDrain = random.chance(1, 12);
  policies_.hasReloads = random.chance(1, 6);
  policies_.hasMemoryCap = random.chance(1, 6);
  policies_.hasSilentPeers = random.chance(1, 6);
  policies_.hasFlood = random.chance(1, 400);
  world_.isBulk = random.chance(1, 60);
  policies_.hasThrottles = random.chance(1, 5) && !policies_.hasFlood && !world_.isBulk;
}

void Scenario::drawSnapshot() {
  Random& random = world_.random;
  proxy::ListenerSpec listener;
  listener.idleMs = 60'000;
  listener.halfCloseMs = 30'000;
  if (policies_.hasMaxAge) listener.maxAgeMs = 20 + random.below(2000);
  listener.maxAgeJitterPermille = random.below(1001);
  listener.proxyHeaderMs = 500;
  listener.bufferHigh = 1u << random.between(8, 16);
  listener.bufferLow = random.below(listener.bufferHigh);
  listener.connectionsPerAddressMax = random.chance(1, 4) ? 1 + random.below(5) : 0;
  listener.accessLog = random.chance(1, 2) ? 1 : 0;
  listener.accessIntervalMs = random.chance(1, 4) ? 100 : 0;
  if (random.chance(1, 2)) {
    Cidr trusted;
    HF_ASSERT(parseCidr("10.1.0.0/16", &trusted));
    parts_.cidrs.push_back(trusted);
    listener.cidrCount = 1;
  }
  parts_.listeners.push_back(listener);
  if (policies_.hasThrottles) parts_.policies.push_back(drawThrottles(random));

  proxy::ClusterSpec cluster;
  cluster.balance =
      static_cast<proxy::Balance>(random.below(static_cast<u32>(proxy::Balance::kCount)));
  cluster.endpointCount = 1 + random.below(4);
  cluster.connectMs = 300;
  cluster.retries = random.below(4);
  cluster.proxyProtocol = random.below(3);
  cluster.ejectAfter = random.chance(1, 3) ? 2 : 0;
  cluster.ejectMs = 200;
  cluster.ejectMsMax = 1000;
  cluster.ejectPercentMax = random.below(101);
  cluster.panicPercent = random.below(101);
  for (u32 i = 0; i < cluster.endpointCount; ++i) {
    proxy::EndpointSpec endpoint;
    endpoint.id = 10 + i;
    endpoint.weight = 1 + random.below(3);
    endpoint.connectionsMax = random.chance(1, 6) ? 1 + random.below(4) : 0;
    sockaddr_storage storage;
    endpoint.addressLength =
        toSockaddr(ip(i % 2 == 0 ? "10.9.0.1" : "fd00::9", 1000 + i), &storage);
    std::copy_n(reinterpret_cast<const u8*>(&storage), endpoint.addressLength,
                reinterpret_cast<u8*>(&endpoint.address));
    parts_.endpoints.push_back(endpoint);
  }
  parts_.clusters.push_back(cluster);
}

// Who speaks TLS, how rough it is, and what the engine does.
void Scenario::drawTls() {
  Random& random = world_.random;
  library_ = std::make_unique<ToyLibrary>();
  toyLibrary = library_.get();
  const u32 kind = random.below(8);
  secured_.isPassedThrough = kind == 0;
  secured_.isClient = kind <= 5;
  secured_.isEndpoint = kind == 0 || kind >= 3;
  secured_.hasRoughPeers = random.chance(1, 3);
  if (random.chance(1, 4)) library_->refusedPermille = 1 + random.below(200);
  for (const u8 role : {HF_TLS_TERMINATING, HF_TLS_ORIGINATING}) {
    proxy::TlsConfigParts& config = parts_.tls.emplace_back();
    config.name = role == HF_TLS_TERMINATING ? "clients" : "endpoints";
    config.role = role;
    config.isDetached = random.chance(3, 4);
    config.tickets = random.below(3);
    (void)config.domains.emplace_back();
  }
  proxy::ListenerSpec& listener = parts_.listeners[0];
  listener.handshakeMs = kHandshakeMs;
  if (secured_.isPassedThrough) {
    listener.tlsMode = proxy::TlsMode::kPassthrough;
    // A look does not go across the mark of urgent data, in a hello as little as elsewhere.
    world_.knobs.urgent = 0;
    return;
  }
  if (secured_.isClient) {
    listener.tlsMode = proxy::TlsMode::kTerminate;
    listener.tls = 0;
  }
  if (secured_.isEndpoint) parts_.clusters[0].tls = 1;
}

// What is sent is looked at, in one direction or both, in pieces of any size.
void Scenario::drawFilters() {
  Random& random = world_.random;
  proxy::FilterChainParts chain;
  chain.id = 1;
  chain.mask = proxy::kNeedMessage | proxy::kNeedBinary;
  for (const u32 need : {proxy::kNeedFromClient, proxy::kNeedFromEndpoint, proxy::kNeedSerial,
                         proxy::kNeedAccept, proxy::kNeedOpen, proxy::kNeedEnd}) {
    if (random.chance(2, 3)) chain.mask |= need;
  }
  chain.messageBytesMax = 1 + random.below(random.chance(1, 2) ? 300 : 20'000);
  if (!world_.isBulk && random.chance(1, 6)) {
    // Every byte is a frame, so that any stream is whole ones, and no batch has room for a read.
    codec::FramingSpec& framing = chain.framing.emplace_back();
    framing.frameBytesMax = 1;
    framing.variantCount = 1;
    framing.variants[0].header = 1;
  }
  parts_.filterChains = {chain};
  parts_.listeners[0].filterChain = chain.id;
}

int Scenario::compile() {
  const int fd = proxy::compileSnapshot(parts_);
  HF_ASSERT(fd >= 0);
  return fd;
}

void Scenario::startGateway() {
  Random& random = world_.random;
  shardCount_ = 1 + random.below(2);
  connectionsMax_ = random.chance(1, 4) ? 4 : 64;
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
  const int snapshot = compile();
  for (u32 i = 0; i < shardCount_; ++i) {
    proxy::ShardOptions shard;
    shard.index = i;
    shard.connectionsMax = connectionsMax_;
    shard.pendingBytesMax = shardPendingMax_;
    shard.seed = random.nextU64();
    if (library_ != nullptr) shard.tls = &library_->table;
    shards_.push_back(std::make_unique<proxy::Shard>(*board_, shard));
    HF_ASSERT(shards_.back()->start().isOk());
    epollFds_.push_back(world_.lastEpollFd);
    if (policies_.hasFilters) {
      const proxy::FilterChainParts& chain = parts_.filterChains[0];
      filters_.push_back(std::make_unique<SimFilters>(world_, *shards_.back()));
      filters_.back()->attach();
      filters_.back()->know(chain.id, (chain.mask & proxy::kNeedSerial) != 0);
    }
    HF_ASSERT(shards_.back()->applySnapshot(snapshot).isOk());
  }
  sys::close(snapshot);
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
  const proxy::ListenResult listening = acceptor_->listen(spec);
  HF_ASSERT(listening.handle >= 0);
  std::swap(none, world_.knobs);
  for (size_t fd = 0; fd < world_.files.size(); ++fd) {
    const File* file = world_.files[fd].get();
    if (file != nullptr && file->kind == File::Kind::kListening) listenFd_ = static_cast<int>(fd);
  }
  world_.owner = this;
  world_.onConnect = &Scenario::acceptedByEndpoint;
  world_.onFail = &Scenario::printPeers;
  clientsLeft_ = 1 + random.below(random.chance(1, 4) ? 30 : 6);
  if (policies_.hasFlood) clientsLeft_ = kFloodClients;
  outcome_.clients = clientsLeft_;
  world_.connectNsMax = (parts_.clusters[0].connectMs + 100) * u64{1'000'000};
}

void Scenario::newClient() {
  Random& random = world_.random;
  --clientsLeft_;
  Stream* stream = world_.makeStream();
  const bool isHeaderListener = parts_.listeners[0].cidrCount != 0;
  const bool isTrusted = isHeaderListener && random.chance(2, 3);
  const u32 id = static_cast<u32>(peers_.size()) + 1;
  stream->farAddress = ip(isTrusted ? "10.1.0.7" : "10.2.0.7", 2000 + id);
  stream->nearAddress = ip("10.0.0.1", 80);
  // A hello that is only looked at must find room in the kernel, as it does in a real one.
  if (secured_.isPassedThrough) {
    stream->nearQueueMax = std::max<size_t>(stream->nearQueueMax, kHelloQueueBytes);
  }
  auto newPeer = std::make_unique<Peer>(world_, Peer::Role::kClient, stream, peers_);
  Peer& peer = *newPeer;
  peers_.push_back(std::move(newPeer));
  peer.claimed = stream->farAddress;
  if (isTrusted) {
    constexpr HeaderPlan kPlans[] = {HeaderPlan::kV1,      HeaderPlan::kV2,  HeaderPlan::kV2,
                                     HeaderPlan::kUnknown, HeaderPlan::kCut, HeaderPlan::kGarbage,
                                     HeaderPlan::kStall};
    peer.headerPlan = kPlans[random.below(random.chance(3, 4) ? 4 : 7)];
    if (peer.headerPlan != HeaderPlan::kUnknown) {
      peer.claimed = ip(random.chance(1, 2) ? "192.0.2.9" : "2001:db8::9", 3000 + id);
    }
  }
  if (random.chance(1, 6)) peer.ending = Ending::kReset;
  if (random.chance(1, 8)) peer.reading = Reading::kSlow;
  if (policies_.hasSilentPeers && random.chance(1, 3)) {
    peer.ending = random.chance(1, 2) ? Ending::kNever : peer.ending;
    peer.reading = random.chance(1, 2) ? Reading::kStops : peer.reading;
    peer.stopsAt = random.below(2000);
  }
  if (world_.isBulk) peer.planned *= 16;
  if (secured_.isClient) giveTls(peer, HF_TLS_ORIGINATING);
  if (isCalm_) peer.calmDown(waitingInCalm_);
  world_.file(listenFd_, "listening").listening.backlog.push_back(stream);
  world_.wake(listenFd_);
}

void Scenario::giveTls(Peer& peer, u8 role) {
  Random& random = world_.random;
  peer.tls = std::make_unique<TlsEnd>(random, library_->peersAead.table(), role, random.below(3));
  if (!secured_.hasRoughPeers) return;
  const bool isMet = role == HF_TLS_ORIGINATING || !secured_.isPassedThrough;
  if (isMet && random.chance(1, 8))
    peer.tls->plan = static_cast<HandshakePlan>(1 + random.below(3));
  // With pass-through they would be rough to each other.
  if (secured_.isPassedThrough) return;
  if (random.chance(1, 3)) peer.tls->lastWord = static_cast<LastWord>(1 + random.below(3));
}

void Scenario::acceptedByEndpoint(void* owner, Stream* stream) {
  Scenario& self = *static_cast<Scenario*>(owner);
  Random& random = self.world_.random;
  auto newPeer = std::make_unique<Peer>(self.world_, Peer::Role::kEndpoint, stream, self.peers_);
  Peer& peer = *newPeer;
  self.peers_.push_back(std::move(newPeer));
  peer.isHeaderExpected = self.parts_.clusters[0].proxyProtocol != 0;
  if (random.chance(1, 8)) peer.ending = Ending::kReset;
  if (random.chance(1, 8)) peer.reading = Reading::kSlow;
  if (self.world_.draw(self.world_.knobs.resetAfterAccept)) {
    peer.ending = Ending::kReset;
    peer.planned = 0;
    stream->isFarResetSent = true;
  }
  if (self.policies_.hasSilentPeers) {
    if (random.chance(1, 6)) peer.ending = Ending::kNever;
    if (random.chance(1, 4)) peer.reading = Reading::kStops;
    peer.stopsAt = random.below(500);
  }
  if (self.world_.isBulk) peer.planned *= 16;
  if (self.secured_.isEndpoint) self.giveTls(peer, HF_TLS_TERMINATING);
  if (self.isCalm_) peer.calmDown(self.waitingInCalm_);
}

void Scenario::printPeers(void* owner) {
  for (const auto& peer : static_cast<Scenario*>(owner)->peers_) {
    const Stream& at = *peer->stream;
    std::fprintf(stderr,
                 "  peer %u %s: wrote %llu of %llu, read %llu of %u, delivered %llu, ending %u, "
                 "reading %u, fd %d%s%s%s%s%s%s\n",
                 peer->id, peer->role == Peer::Role::kClient ? "client" : "endpoint",
                 static_cast<unsigned long long>(peer->written),
                 static_cast<unsigned long long>(peer->planned),
                 static_cast<unsigned long long>(peer->received), peer->partner,
                 static_cast<unsigned long long>(at.bytesDelivered), static_cast<u32>(peer->ending),
                 static_cast<u32>(peer->reading), at.fd, at.isFarFinSent ? " sent-fin" : "",
                 at.isFarResetSent ? " sent-reset" : "", at.isFarEof ? " saw-eof" : "",
                 at.isFarReset ? " saw-reset" : "", peer->wasCut ? " cut" : "",
                 at.wasBroken ? " broken" : "");
  }
}

Outcome Scenario::run() {
  storm();
  calm();
  judge();
  outcome_.traceHash = world_.traceHash;
  return outcome_;
}

void Scenario::storm() {
  if (policies_.hasFlood) {
    while (clientsLeft_ > 0) newClient();
    for (u32 i = 0; i < kFloodTurns; ++i) {
      (void)acceptor_->turn();
      world_.nowNs += 5'000'000;
      world_.expireTimers();
    }
  }
  for (u32 i = 0; i < kStormSteps; ++i) {
    step();
    const bool isOver = clientsLeft_ == 0 && board_->connections() == 0 && i % 16 == 0;
    if (isOver && world_.file(listenFd_, "listening").listening.backlog.empty()) return;
  }
}

void Scenario::step() {
  Random& random = world_.random;
  const u32 kind = random.below(100);
  if (kind < 35) {
    if (!world_.streams.empty()) {
      Stream& stream = *world_.streams[random.below(static_cast<u32>(world_.streams.size()))];
      (void)moveStream(stream);
    }
  } else if (kind < 65) {
    if (!peers_.empty()) {
      Peer& peer = *peers_[random.below(static_cast<u32>(peers_.size()))];
      (void)(random.chance(1, 2) ? peer.act() : peer.read());
    }
  } else if (kind < 85) {
    const u32 index = random.below(shardCount_);
    // A thread that seldom gets its core finds much to do when it does.
    if (world_.isBulk && random.chance(29, 30)) return;
    if (policies_.hasFilters && random.chance(1, 3)) (void)filters_[index]->answerLate(false);
    if (world_.isReady(epollFds_[index]) || random.chance(1, 8)) turnShard(index);
  } else if (kind < 90) {
    (void)acceptor_->turn();
  } else if (kind < 94) {
    if (clientsLeft_ > 0) newClient();
  } else if (kind < 98) {
    world_.nowNs += random.below(random.chance(1, 8) ? 20'000'000 : 500'000);
    if (world_.draw(world_.knobs.clockStall)) {
      world_.nowNs += random.below(3'000'000'000u);
      hadStalls_ = true;
      world_.connectNsMax = 0;
    }
    world_.expireTimers();
  } else {
    interfere();
  }
}

// What operators and the network do now and then.
void Scenario::interfere() {
  Random& random = world_.random;
  const u32 index = random.below(shardCount_);
  proxy::Shard& shard = *shards_[index];
  if (policies_.hasKills && random.chance(1, 4)) {
    std::vector<proxy::ConnectionView> views;
    (void)shard.list(0, 64, 64, proxy::ConnectionFilter{}, &views);
    if (!views.empty()) {
      const Handle victim = views[random.below(static_cast<u32>(views.size()))].handle;
      if (shard.kill(victim)) killed_.emplace_back(index, victim);
    }
    for (const auto& [owner, handle] : killed_) {
      if (shards_[owner]->kill(handle)) world_.fail("a connection died by an old handle", owner);
    }
  }
  if (policies_.hasDrain && random.chance(1, 20)) {
    if (random.chance(2, 3)) {
      (void)shard.drain(random.below(200));
    } else {
      shard.undrain();
    }
  }
  if (policies_.hasReloads && random.chance(1, 4)) reload(shard);
  if (!world_.streams.empty() && world_.draw(world_.knobs.timeoutError * 20)) {
    Stream& stream = *world_.streams[random.below(static_cast<u32>(world_.streams.size()))];
    if (stream.fd >= 0 && stream.state == Stream::State::kConnected) {
      for (const auto& peer : peers_) peer->wasCut = peer->wasCut || peer->stream == &stream;
      stream.inbound.clear();
      world_.breakFar(stream);
      world_.breakNear(stream, random.chance(3, 4) ? ETIMEDOUT : EHOSTUNREACH);
    }
  }
}

// Configs that changed are made anew; handshakes under way keep theirs.
void Scenario::reload(proxy::Shard& shard) {
  parts_.generation += 1;
  for (proxy::TlsConfigParts& config : parts_.tls) {
    if (world_.random.chance(1, 2)) continue;
    config.isDetached = !config.isDetached;
    config.ticketSeconds += 1;
  }
  const int snapshot = compile();
  HF_ASSERT(shard.applySnapshot(snapshot).isOk());
  sys::close(snapshot);
}

bool Scenario::moveStream(Stream& stream) {
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

void Scenario::turnShard(u32 index) {
  (void)shards_[index]->turn();
  outcome_.turns += 1;
  checkTurn(index);
}

// Everything off, everyone polite: all that is left must come to its end by itself.
void Scenario::calm() {
  world_.knobs = Knobs{};
  if (library_ != nullptr) library_->refusedPermille = 0;
  isCalm_ = true;
  for (const auto& peer : peers_) peer->calmDown(waitingInCalm_);
  const u64 end = world_.nowNs + kCalmNsMax;
  u32 roundsWithoutCause = 0;
  while (world_.nowNs < end) {
    const u64 shown = shownBytes();
    bool hasMoved = moveWorld();
    const bool hasRun = runGateway();
    // Small messages pass filters for many turns without a move outside.
    hasMoved |= shownBytes() > shown;
    roundsWithoutCause = hasMoved ? 0 : roundsWithoutCause + 1;
    if (roundsWithoutCause > kRoundsWithoutCauseMax) world_.fail("the gateway spins", 0);
    if (hasMoved || hasRun) continue;
    const u64 next = world_.nextTimerNs();
    if (next == 0) break;
    world_.nowNs = std::max(world_.nowNs, next);
    world_.expireTimers();
    roundsWithoutCause = 0;
  }
}

bool Scenario::moveWorld() {
  bool hasMoved = false;
  if (clientsLeft_ > 0) {
    newClient();
    hasMoved = true;
  }
  for (size_t i = 0; i < world_.streams.size(); ++i) hasMoved |= moveStream(*world_.streams[i]);
  for (size_t i = 0; i < peers_.size(); ++i) {
    hasMoved |= peers_[i]->act();
    hasMoved |= peers_[i]->read();
  }
  return hasMoved;
}

bool Scenario::runGateway() {
  bool hasRun = false;
  for (const auto& filters : filters_) hasRun |= filters->answerLate(true);
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

// Invariants that hold after every turn.
void Scenario::checkTurn(u32 index) {
  proxy::Shard& shard = *shards_[index];
  shard.assertConserved();
  const BoardHeader& header = board_->header();
  const u64 pending = header.pendingBytes.load(std::memory_order_relaxed);
  // With TLS a conn may hold what was opened or has begun, with filters what waits for them; chunks
  // are not shared.
  u64 beyond = 0;
  if (library_ != nullptr || policies_.hasFilters) {
    for (const auto& each : shards_) {
      beyond += each->tunnels() * 2 * (proxy::kBeyondCapBytes + 4 * u64{kChunkBytes});
    }
  }
  // Turns run one after the other here, so no two shards ask for the last bytes at once.
  if (pending > header.pendingBytesMax + beyond)
    world_.fail("more pending than the process may hold", 0);
  if (u64{shard.pendingChunks()} * kChunkBytes > shardPendingMax_ + beyond) {
    world_.fail("more pending than the shard may hold", index);
  }
  std::vector<proxy::ConnectionView> views;
  (void)shard.list(0, 1024, 1024, proxy::ConnectionFilter{}, &views);
  // Reading stops at the high watermark, so what is above it came in one read.
  u64 readMax = 0;
  for (const auto& stream : world_.streams) readMax = std::max<u64>(readMax, stream->nearQueueMax);
  u64 pendingMax = 2 * (parts_.listeners[0].bufferHigh + std::min<u64>(readMax, kScratchBytes));
  if (library_ != nullptr) {
    pendingMax = tls::RecordLayer::sealedBytesMax(pendingMax) + 2 * proxy::kBeyondCapBytes;
    // Messages that filters let through one by one are records of their own, even of one byte.
    if (policies_.hasFilters) pendingMax += 2 * proxy::kFilterReadBytes * kRecordOverhead;
  }
  for (const proxy::ConnectionView& view : views) {
    if (view.pendingBytes > pendingMax) world_.fail("more pending than a tunnel may hold", index);
    checkClient(view);
  }
}

// Once its PROXY header was read, a client is known by what the header said.
void Scenario::checkClient(const proxy::ConnectionView& view) {
  for (const auto& peer : peers_) {
    const bool isSocket = peer->stream->farAddress == view.client;
    if (peer->role != Peer::Role::kClient || !isSocket) continue;
    const bool isNamedOtherwise = peer->claimed != peer->stream->farAddress;
    const bool isHeaderRead = view.state != proxy::TunnelState::kHeader;
    if (isNamedOtherwise && isHeaderRead)
      world_.fail("a client goes by its balancer's name", peer->id);
  }
}

}  // namespace holdfast::sim
