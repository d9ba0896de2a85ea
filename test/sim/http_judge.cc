// What must be true of every world with HTTP when it is over.
//
// Whoever asked and stayed was answered, nothing is counted that is not there any more, and nothing
// is left but connections that wait for requests until they are too old.
#include "sim/http_scenario.h"

namespace holdfast::sim {

void HttpScenario::judge() {
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    for (size_t i = 0; i < countOf<CloseReason>(); ++i) {
      outcome_.closedBy[i] += board_->cell(shard, 0).closed[i].load(std::memory_order_relaxed);
    }
  }
  for (const auto& client : clients_) {
    outcome_.pairs += client->served != 0 ? 1 : 0;
    outcome_.bytes += client->stream->sent;
    judgeClient(*client);
  }
  for (const Ask& ask : book_.asks) judgeTalk(ask);
  judgeGauges();
  if (library_ != nullptr) judgeTls();
  judgeRecords();
  judgeLeft();
}

void HttpScenario::judgeClient(const HttpClient& client) {
  using enum CloseReason;
  const auto closed = [this](CloseReason reason) {
    return outcome_.closedBy[static_cast<size_t>(reason)];
  };
  if (!client.isOver()) world_.fail("a client's connection never ended", client.id);
  const bool isTimed =
      book_.hasSilent || hadStalls_ || book_.hasShortKeepAlive || book_.hasSlowFilters;
  const bool isEnded = policies_.hasMaxAge || policies_.hasKills || policies_.hasDrain ||
                       policies_.hasMemoryCap || closed(kShardLimit) != 0 ||
                       closed(kProxyHeaderTimeout) != 0 || closed(kUnrouted) != 0;
  if (isTimed || isEnded || !client.isSound() || client.isStuck || client.hasStopped) return;
  outcome_.strict += 1;
  if (client.leaving == HttpClient::Leaving::kAbort || client.isServed()) return;
  // What remains is an answer that its endpoint spoiled behind the head.
  const Ask& ask = *client.asks[client.answered];
  bool wasRough = ask.wasRough;
  for (const Stream* stream : ask.streams) wasRough = wasRough || stream->wasBroken;
  if (client.wire.isCut() && wasRough) return;
  if (client.isUpgraded) return;
  // The kernel lost it before it was accepted.
  if (hadAcceptErrors_ && client.stream->isFarReset && client.stream->sent == 0) return;
  world_.fail("a client was not answered", client.id);
}

// What is booked as a fault of TLS was one, and no nonce was used twice.
void HttpScenario::judgeTls() {
  if (library_->gatewayAead.wasNonceReused()) world_.fail("the gateway used a nonce twice", 0);
  using enum CloseReason;
  const auto closed = [this](CloseReason reason) {
    return outcome_.closedBy[static_cast<size_t>(reason)];
  };
  u64 cut = 0;
  u64 broken = library_->refused;
  for (const auto& client : clients_) {
    cut += client->wire.isRough() ? 1 : 0;
    const bool isBroken = client->stream->isFarResetSent || client->wasCut ||
                          client->stream->wasBroken || client->wasHalfClosed;
    broken += isBroken || client->wire.isRough() ? 1 : 0;
  }
  u64 cutEndpoints = 0;
  for (const auto& endpoint : endpoints_) {
    cutEndpoints += endpoint->wire.isRough() ? 1 : 0;
  }
  if (closed(kClientTls) + closed(kEndpointTls) + closed(kTlsExhausted) != 0) {
    world_.fail("a violation of TLS was booked that nobody made", 0);
  }
  if (closed(kClientTruncated) > cut) world_.fail("a polite client was booked as cut off", 0);
  if (closed(kEndpointTruncated) > cutEndpoints) {
    world_.fail("a polite endpoint was booked as cut off", 0);
  }
  if (closed(kHandshakeFailed) > broken) world_.fail("handshakes of polite clients failed", 0);
  if (!book_.hasSilent && !hadStalls_ && closed(kHandshakeTimeout) != 0) {
    world_.fail("a polite client had no time for its handshake", 0);
  }
}

// What one end of a WebSocket wrote is with the other, unless somebody ended it early.
void HttpScenario::judgeTalk(const Ask& ask) {
  const FrameTalk* client = ask.clientTalk;
  const FrameTalk* endpoint = ask.endpointTalk;
  if (client == nullptr || endpoint == nullptr) return;
  if (book_.hasSilent || book_.hasSlowFilters || hadStalls_) return;
  if (policies_.hasKills || policies_.hasMemoryCap) return;
  if (client->isClosedByGateway() || endpoint->isClosedByGateway()) return;
  if (endpoint->isRough()) return;
  const bool isWhole = client->firstBad() == ~size_t{0} && endpoint->firstBad() == ~size_t{0};
  for (const HttpClient* at : {clients_[ask.client - 1].get()}) {
    const bool isSound = at->isSound() && at->leaving != HttpClient::Leaving::kAbort &&
                         !at->wire.isCut() && at->isUpgraded;
    if (!isSound || !isWhole || policies_.hasMaxAge || policies_.hasDrain) return;
  }
  // Where messages are looked at, one that never became whole stays behind.
  const size_t least = policies_.hasFilters ? client->sentWhole() : client->sent();
  if (client->isOver() && endpoint->received() < least) {
    world_.fail("frames of a client are lost, ask", ask.id);
  }
}

void HttpScenario::judgeGauges() {
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    const HttpCell& cell = board_->http(shard, 0);
    for (const HttpCounter gauge : {HttpCounter::kRequestsActive, HttpCounter::kWebSocketsActive}) {
      const u64 left = cell.counters[static_cast<size_t>(gauge)].load();
      if (left != 0) world_.fail(kHttpCounterTable[static_cast<size_t>(gauge)].name, shard);
    }
    for (const proxy::ClusterSpec& cluster : parts_.clusters) {
      const auto& counters = board_->clusterHttp(shard, cluster.id).counters;
      if (counters[static_cast<size_t>(ClusterHttpCounter::kIdle)].load() != 0) {
        world_.fail("unused connections are left over", shard);
      }
      if (counters[static_cast<size_t>(ClusterHttpCounter::kMirrorsActive)].load() != 0) {
        world_.fail("copies are left over", shard);
      }
    }
    for (const proxy::HttpRouteParts& route : parts_.http[0].routes) {
      const auto& counters = board_->route(shard, route.id).counters;
      const auto at = [&](RouteCounter counter) {
        return counters[static_cast<size_t>(counter)].load();
      };
      u64 ended = at(RouteCounter::kUnanswered);
      for (size_t i = 0; i < 5; ++i) {
        ended += counters[static_cast<size_t>(RouteCounter::kResponses1xx) + i].load();
      }
      if (at(RouteCounter::kRequests) != ended)
        world_.fail("requests of a route are lost", route.id);
      if (at(RouteCounter::kWebSocketsActive) != 0) world_.fail("a route's gauge", route.id);
    }
  }
  for (const proxy::ClusterSpec& cluster : parts_.clusters) {
    for (const auto& active : board_->cluster(cluster.id).active) {
      if (active.load() != 0) world_.fail("a circuit's gauge is left over", cluster.id);
    }
  }
  for (const proxy::EndpointSpec& endpoint : parts_.endpoints) {
    const u32 active = board_->endpointActive(endpoint.id).load();
    if (active != 0) world_.fail("an endpoint's count is left over", active);
  }
}

// One line for each request and each WebSocket, and none for the connection.
void HttpScenario::judgeRecords() {
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    const HttpCell& cell = board_->http(shard, 0);
    u64 ended = 0;
    for (const auto& end : cell.ends) ended += end.load();
    const u64 sockets = cell.counters[static_cast<size_t>(HttpCounter::kWebSocketsClosed)].load();
    std::string text(kLogRingBytes, ' ');
    text.resize(board_->log(shard).pop(text.data(), kLogRingBytes));
    const auto count = [&text](std::string_view event) {
      u64 found = 0;
      for (size_t at = 0; (at = text.find(event, at)) != std::string::npos; ++at) ++found;
      return found;
    };
    const u64 dropped =
        board_->shard(shard).counters[static_cast<size_t>(ShardCounter::kAccessDropped)].load();
    if (parts_.listeners[0].accessLog == 0 || dropped != 0) continue;
    if (count("\"event\":\"request\"") != ended - sockets) {
      world_.fail("records of requests are miscounted", shard);
    }
    if (count("\"event\":\"tunnel\"") != sockets) {
      world_.fail("records of WebSockets are miscounted", shard);
    }
    const u64 limited = outcome_.closedBy[static_cast<size_t>(CloseReason::kShardLimit)];
    // Those that end before they said who they are have no other record.
    const bool isAsked = parts_.listeners[0].cidrCount != 0 || policies_.hasFilters ||
                         parts_.listeners[0].tls != kNoIndex;
    if (!isAsked && count("\"event\":\"close\"") > limited) {
      world_.fail("records of connections were written", shard);
    }
  }
}

void HttpScenario::judgeLeft() {
  for (const auto& shard : shards_) {
    if (shard->tunnels() != 0) world_.fail("a tunnel never ended; left", shard->tunnels());
    if (shard->pendingChunks() != 0) world_.fail("chunks are left over", shard->pendingChunks());
    if (shard->heldBeside() != 0) world_.fail("plans are left over", shard->heldBeside());
  }
  if (board_->header().pendingBytes.load() != 0) world_.fail("pending bytes are left over", 0);
  if (board_->connections() != 0) world_.fail("connections are miscounted", 0);
  for (const auto& stream : world_.streams) {
    if (stream->shutdowns > 1) world_.fail("FIN was sent twice on stream", stream->id);
    if (stream->fd >= 0) world_.fail("a descriptor is still open on stream", stream->id);
  }
  for (const auto& filters : filters_) {
    filters->judge();
    for (const auto& [reason, ends] : filters->endsWaiting()) outcome_.endsWaiting[reason] += ends;
  }
  for (auto& shard : shards_) shard->stop();
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    const auto throttles = static_cast<size_t>(ShardCounter::kThrottles);
    outcome_.waits += board_->shard(shard).counters[throttles].load();
  }
  for (u32 shard = 0; shard < shardCount_; ++shard) {
    for (const ShardCounter gauge :
         {ShardCounter::kPaused, ShardCounter::kThrottled, ShardCounter::kTunnels,
          ShardCounter::kTimers, ShardCounter::kTlsConns, ShardCounter::kTlsOnEngine,
          ShardCounter::kTlsInFlight, ShardCounter::kTlsWaiting}) {
      const u64 left = board_->shard(shard).counters[static_cast<size_t>(gauge)].load();
      if (left != 0) world_.fail(kShardCounterTable[static_cast<size_t>(gauge)].name, shard);
    }
  }
  acceptor_->stop();
  if (world_.openFiles() != 1 + shardCount_) {
    world_.fail("descriptors are left over", world_.openFiles());
  }
}

}  // namespace holdfast::sim
