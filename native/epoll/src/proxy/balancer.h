// Balancer: chooses an endpoint of one cluster for a new connection, inside one shard.
//
// Reads load, latency and health from the board, so all shards see the same endpoints; keeps only
// positions and the list of usable endpoints, which it renews when health changes or a time limit
// passes. Told how connects and requests end, it ejects endpoints (ejection.cc).
// Invariant: a pick holds one count of `active` on the board (a tunnel, or a request); its taker
// gives it back. Weights count in every balancer. Slow start scales weights of endpoints that just
// came up (not in the hash balancers, whose tables are fixed).
#pragma once

#include <span>
#include <vector>

#include "proxy/snapshot.h"
#include "runtime/board.h"
#include "runtime/random.h"

namespace holdfast::proxy {

struct Pick {
  const EndpointSpec* endpoint = nullptr;
  bool isAtLimit = false;  // with null: some endpoint was usable but had all it may have
};

// What a choice may depend on. Hash balancers take `hash` where there is one, else the address.
struct PickKey {
  Address client;
  u64 hash = 0;
  bool hasHash = false;
};

class Balancer {
 public:
  Balancer(const Snapshot& snapshot, const ClusterSpec& cluster, Board& board, u64 seed);

  // Goes on where `former` stopped, which chose for the cluster in the snapshot before: with other
  // weights or endpoints, and with positions of its own. Before the first pick. O(endpoints).
  void resume(const Balancer& former);

  // `avoid` holds endpoint ids that failed for this connection already. O(endpoints) at worst.
  [[nodiscard]] Pick pick(u64 nowMs, const PickKey& key, std::span<const u32> avoid);

  // Tell the board how a connect to `endpoint` ended; may eject it.
  void onConnected(u32 endpoint, u32 micros);
  void onConnectFailed(u32 endpoint, u64 nowMs);

  // Once for each request that reached `endpoint`: the time to the first byte of its response, or
  // to the failure. An error is a 5xx, a reset or a timeout. May eject the endpoint, and once in a
  // window of kLatencyWindowMs any other of the cluster: O(endpoints) then, O(1) else.
  void onAnswered(u32 endpoint, u32 micros, bool isError, u64 nowMs);

 private:
  enum class Cause : u32 { kNone, kConnects, kErrors, kLatency };

  // ejection.cc
  void noteError(EndpointEntry& entry, u64 nowMs);
  void judgeLatency(u32 window, u64 nowMs);
  [[nodiscard]] bool eject(EndpointEntry& entry, Cause cause, u64 nowMs);
  [[nodiscard]] bool ejectAlone(EndpointEntry& entry, Cause cause, u64 nowMs);
  static void endRow(EndpointEntry& entry, Cause cause);

  [[nodiscard]] u64 weightOfAll() const;
  void refresh(u64 nowMs);
  [[nodiscard]] bool isUsable(u32 position, u64 nowMs) const;
  [[nodiscard]] u32 slowStartWeight(u32 position, u64 nowMs) const;
  [[nodiscard]] bool tryHold(u32 position);
  [[nodiscard]] static bool isAvoided(u32 id, std::span<const u32> avoid);

  // Each returns a position held on the board, or kNoIndex.
  u32 pickRoundRobin(std::span<const u32> avoid);
  u32 pickWeighted(std::span<const u32> avoid);
  u32 pickRandom(std::span<const u32> avoid);
  u32 pickLeast(std::span<const u32> avoid);
  u32 pickTwo(u64 nowMs, std::span<const u32> avoid);
  [[nodiscard]] u64 loadOf(u32 id, u64 nowMs) const;
  u32 pickHash(const PickKey& key, std::span<const u32> avoid);
  u32 pickAny(std::span<const u32> avoid);

  const ClusterSpec* cluster_;
  const EndpointSpec* endpoints_;
  const u32* table_;
  Board& board_;
  ClusterEntry& entry_;  // of the cluster, or of the one that it is a subset of
  Random random_;
  bool isUniform_ = true;   // all usable weights equal
  bool isAtLimit_ = false;  // some candidate of this pick was at its cap
  u32 epoch_ = 0;
  u64 refreshAtMs_ = 0;
  u32 rotation_ = 0;
  u64 weightSum_ = 0;
  std::vector<u32> usable_;      // positions
  std::vector<u32> weights_;     // by index of usable_, scaled by kWeightScale
  std::vector<i64> credits_;     // smooth weighted round robin, by position
  std::vector<u8> isUsableNow_;  // by position
  std::vector<u64> means_;       // of the endpoints that are judged, while judging
};

}  // namespace holdfast::proxy
