// What must be true of every world when it is over.
//
// The rules are those of an operator: what arrived is what was sent, an end is relayed as what it
// was, nothing is lost that both sides wanted, and nothing is left behind.
#include <algorithm>

#include "sim/scenario.h"

namespace holdfast::sim {
namespace {

u64 sumClosed(const u64* closedBy, std::initializer_list<CloseReason> reasons) {
  u64 sum = 0;
  for (const CloseReason reason : reasons) sum += closedBy[static_cast<size_t>(reason)];
  return sum;
}

// A peer that will end when the other side has ended. One that waits for its bytes to be taken
// waits in vain once the gateway discards them.
bool isEnding(const Peer& peer) {
  return peer.ending == Ending::kFin || peer.ending == Ending::kFinAfterEof;
}

// A peer that takes everything to the end, on a connection without faults.
bool isSound(const Peer& peer) {
  return peer.isReliable() && !peer.wasCut && !peer.stream->wasBroken;
}

}  // namespace

void Scenario::judge() {
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    for (size_t i = 0; i < countOf<CloseReason>(); ++i) {
      outcome_.closedBy[i] += board_->cell(shard, 0).closed[i].load(std::memory_order_relaxed);
    }
  }
  for (const auto& filters : filters_) {
    filters->judge();
    for (const auto& [reason, ends] : filters->endsWaiting()) outcome_.endsWaiting[reason] += ends;
  }
  judgeCounters();
  judgeTimeouts();
  judgeThrottles();
  judgeReasons();
  if (library_ != nullptr) judgeTls();
  for (const auto& peer : peers_) {
    outcome_.bytes += peer->received;
    if (peer->role != Peer::Role::kClient) continue;
    const Peer* partner = partnerOf(*peer);
    if (partner != nullptr) judgePair(*peer, *partner);
  }
  for (const auto& stream : world_.streams) {
    if (stream->shutdowns > 1) world_.fail("FIN was sent twice on stream", stream->id);
    if (stream->fd >= 0) world_.fail("a descriptor is still open on stream", stream->id);
  }
  for (auto& shard : shards_) shard->stop();
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    for (const ShardCounter gauge :
         {ShardCounter::kPaused, ShardCounter::kTunnels, ShardCounter::kTimers,
          ShardCounter::kTlsConns, ShardCounter::kTlsOnEngine, ShardCounter::kTlsInFlight,
          ShardCounter::kTlsWaiting, ShardCounter::kThrottled}) {
      const u64 left = board_->shard(shard).counters[static_cast<size_t>(gauge)].load();
      if (left != 0) world_.fail(kShardCounterTable[static_cast<size_t>(gauge)].name, shard);
    }
  }
  acceptor_->stop();
  // What is left belongs to the board: its memory, and the wake-up of each shard.
  if (world_.openFiles() != 1 + shardCount_) {
    world_.fail("descriptors are left over", world_.openFiles());
  }
}

void Scenario::judgeCounters() {
  for (const auto& shard : shards_) {
    if (shard->tunnels() != 0) world_.fail("a tunnel never ended; left", shard->tunnels());
    if (shard->pendingChunks() != 0) world_.fail("chunks are left over", shard->pendingChunks());
  }
  if (board_->header().pendingBytes.load() != 0) world_.fail("pending bytes are left over", 0);
  if (board_->connections() != 0) world_.fail("connections are miscounted", 0);
  if (board_->listenerConnections(0) != 0) world_.fail("the listener's count is wrong", 0);
  if (board_->addresses().totals().connections != 0) world_.fail("addresses are left over", 0);
  for (const proxy::EndpointSpec& endpoint : parts_.endpoints) {
    const u32 active = board_->endpointActive(endpoint.id).load();
    if (active != 0) world_.fail("an endpoint's count is left over", active);
  }
}

// Liveness: a tunnel between peers that read and end ends by them, never by waiting for a timeout.
void Scenario::judgeTimeouts() {
  if (!world_.file(listenFd_, "listening").listening.backlog.empty()) {
    world_.fail("a client was never accepted", 0);
  }
  if (policies_.hasSilentPeers || hadStalls_) return;
  using enum CloseReason;
  const u64 waited = sumClosed(outcome_.closedBy, {kIdleTimeout, kHalfCloseTimeout});
  if (waited != 0) world_.fail("a tunnel stood still until its timeout", static_cast<i64>(waited));
}

// A bucket that all connections share lets no more through than it has: its burst, what time
// brings, and for each connection what is read at once.
void Scenario::judgeThrottles() {
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    const auto throttles = static_cast<size_t>(ShardCounter::kThrottles);
    outcome_.waits += board_->shard(shard).counters[throttles].load();
  }
  if (!policies_.hasThrottles) return;
  constexpr u64 kOnceMax = tls::kRecordContentMax + 2 * policy::kThrottleBytesMin;
  const double seconds = static_cast<double>(world_.nowNs) / 1e9;
  for (const policy::PolicyParts& parts : parts_.policies[0]) {
    if (parts.kind != policy::PolicyKind::kRateLimit || parts.isShadow) continue;
    u64 passed = 0;
    for (const auto& peer : peers_) {
      const bool isClient = peer->role == Peer::Role::kClient;
      const u32 counted = isClient ? policy::kToClient : policy::kFromClient;
      if ((parts.limit.directions & counted) != 0) passed += peer->received;
    }
    const double most = seconds * static_cast<double>(parts.limit.count);
    const u64 atOnce = parts.limit.burst + kOnceMax * peers_.size();
    if (passed > static_cast<u64>(most) + atOnce) world_.fail("a bucket gave too much", 0);
  }
}

// Bytes of messages that filters have seen. None is shown twice.
u64 Scenario::shownBytes() const {
  u64 shown = 0;
  u64 delivered = 0;
  for (const auto& filters : filters_) shown += filters->shownBytes();
  for (const auto& stream : world_.streams) delivered += stream->bytesDelivered;
  if (shown > delivered) world->fail("filters saw bytes twice", static_cast<i64>(shown));
  return shown;
}

// A reset is booked on a peer only when that peer, or a fault on its connection, made one.
void Scenario::judgeReasons() {
  u64 clients = 0;
  u64 endpoints = 0;
  for (const auto& peer : peers_) {
    const bool hasBroken = peer->hasReset() || peer->wasCut || peer->stream->wasBroken;
    (peer->role == Peer::Role::kClient ? clients : endpoints) += hasBroken ? 1 : 0;
  }
  using enum CloseReason;
  if (sumClosed(outcome_.closedBy, {kClientReset, kClientTimeout}) > clients) {
    world_.fail("a reset was booked on a client that made none", 0);
  }
  if (sumClosed(outcome_.closedBy, {kEndpointReset, kEndpointTimeout}) > endpoints) {
    world_.fail("a reset was booked on an endpoint that made none", 0);
  }
}

// What is booked as a fault of TLS was one, and no nonce was used twice.
void Scenario::judgeTls() {
  if (library_->gatewayAead.wasNonceReused()) world_.fail("the gateway used a nonce twice", 0);
  using enum CloseReason;
  for (const Peer::Role role : {Peer::Role::kClient, Peer::Role::kEndpoint}) {
    u64 rough = 0;
    u64 broken = library_->refused;
    for (const auto& peer : peers_) {
      if (peer->role != role) continue;
      const bool isBroken = peer->hasReset() || peer->wasCut || peer->stream->wasBroken;
      rough += peer->isRough() ? 1 : 0;
      broken += peer->isRough() || isBroken ? 1 : 0;
    }
    const bool isClient = role == Peer::Role::kClient;
    const auto tls = isClient ? kClientTls : kEndpointTls;
    const auto truncated = isClient ? kClientTruncated : kEndpointTruncated;
    // A reset, or whatever broke a connection, is no truncation.
    if (sumClosed(outcome_.closedBy, {tls, truncated}) > rough) {
      world_.fail("a fault of TLS was booked on a polite peer; clients are 0", isClient ? 0 : 1);
    }
    if (isClient && sumClosed(outcome_.closedBy, {kHandshakeFailed, kHelloInvalid}) > broken) {
      world_.fail("handshakes of polite clients failed", static_cast<i64>(broken));
    }
    const bool isTimed = isClient && !hadStalls_ && !policies_.hasSilentPeers;
    if (isTimed && sumClosed(outcome_.closedBy, {kHandshakeTimeout}) > rough) {
      world_.fail("a polite client had no time for its handshake", 0);
    }
  }
}

// When the gateway ends tunnels by age or drain, polite peers see a clean end all the same.
void Scenario::judgeLinger(const Peer& peer) {
  if (peer.stream->isFarReset) world_.fail("a lingering end was a reset for", peer.id);
}

// The endpoint that a client was joined with, as either of them learned.
const Peer* Scenario::partnerOf(const Peer& client) const {
  if (client.partner != kNoIndex) {
    const bool isKnown = client.partner >= 1 && client.partner <= peers_.size();
    if (!isKnown) world->fail("bytes of nobody arrived at client", client.id);
    return peers_[client.partner - 1].get();
  }
  for (const auto& peer : peers_) {
    if (peer->role == Peer::Role::kEndpoint && peer->partner == client.id) return peer.get();
  }
  return nullptr;
}

// True when the gateway ended nothing of its own accord, so that every end comes from a peer.
bool Scenario::isStrict() const {
  using enum CloseReason;
  return sumClosed(outcome_.closedBy, {kIdleTimeout, kHalfCloseTimeout, kMaxAge, kDrained, kKilled,
                                       kShardLimit, kShardStopped}) == 0;
}

void Scenario::judgePair(const Peer& client, const Peer& endpoint) {
  outcome_.pairs += 1;
  if (endpoint.role != Peer::Role::kEndpoint) world_.fail("two clients are joined", client.id);
  if (endpoint.partner != kNoIndex && endpoint.partner != client.id) {
    world_.fail("an endpoint got the bytes of another client", client.id);
  }
  judgeHeader(client, endpoint);
  judgeDirection(client, endpoint);
  judgeDirection(endpoint, client);
  if (isStrict()) outcome_.strict += 1;
  using enum CloseReason;
  const bool hasHardEnds = sumClosed(outcome_.closedBy, {kIdleTimeout, kHalfCloseTimeout, kKilled,
                                                         kShardLimit, kShardStopped}) != 0;
  const bool isPolite =
      isSound(client) && isSound(endpoint) && isEnding(client) && isEnding(endpoint);
  if (!isStrict() && !hasHardEnds && isPolite && !hadStalls_) {
    judgeLinger(client);
    judgeLinger(endpoint);
  }
}

void Scenario::judgeHeader(const Peer& client, const Peer& endpoint) {
  if (!endpoint.isHeaderExpected || endpoint.received == 0) return;
  if (endpoint.claimed != client.claimed) {
    world_.fail("the endpoint was told a wrong client address; client", client.id);
  }
}

void Scenario::judgeDirection(const Peer& from, const Peer& to) {
  // Every byte was compared when it came; here it is how many.
  if (to.received > from.written) world_.fail("more arrived than was sent to", to.id);
  const bool sawEof = to.hasSeenEnd();
  // Whoever ended the tunnel: a clean end hides no byte that the gateway had. Only its own
  // lingering ends discard, which is what they are for.
  const bool hasLingered = policies_.hasMaxAge || policies_.hasDrain;
  const u64 arrived = from.delivered();
  if (sawEof && !hasLingered && to.stream->farQueue.isEmpty() && to.received < arrived) {
    world_.fail("a clean end hides bytes from", to.id);
  }
  if (!isStrict()) return;
  const bool isFinDelivered = from.isEndDelivered();
  const bool hasTakenAll = to.stream->farQueue.isEmpty();
  if (sawEof && !isFinDelivered) world_.fail("an abnormal end became a clean one for", to.id);
  if (sawEof && hasTakenAll && to.received != from.written) {
    world_.fail("an end came before the last byte for", to.id);
  }
  if (from.wasCut || from.stream->wasBroken || !isSound(to)) return;
  if (isFinDelivered && !from.hasReset() && !sawEof) {
    world_.fail("a clean end was not relayed to", to.id);
  }
  // What the gateway's kernel had before a reset is delivered before the reset is relayed, unless
  // the thread stood still for longer than a flush may take, or a filter held it back for so long.
  const bool isTimely = !hadStalls_ && !policies_.hasThrottles;
  const bool isDeliveryDue = (from.hasReset() || from.isRough()) && isTimely;
  if (isDeliveryDue && to.received < arrived) {
    world_.fail("bytes that came before a reset were lost for", to.id);
  }
}

}  // namespace holdfast::sim
