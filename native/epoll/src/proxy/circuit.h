// Circuit limits of a cluster over all shards, and the budget of retries of one shard.
//
// The gauges lie on the board (ClusterEntry), under the id of the cluster, or of the cluster that
// it is a subset of (circuitOf). Whoever entered a gauge leaves it once, on whatever way it ends.
// Invariant: a gauge never goes above its limit, and nobody is refused who would have fitted.
// The budget is plain data that a shard keeps for each cluster. Does not queue: who is refused is
// answered by the caller.
#pragma once

#include "proxy/snapshot.h"
#include "runtime/board.h"

namespace holdfast::proxy {

// One retry takes so much of a budget.
inline constexpr u32 kRetryPrice = 1000;
// What a shard may retry each second however few requests there are.
inline constexpr u32 kRetriesPerSecondMin = 3;
// What is not used is kept up to here.
inline constexpr u32 kRetryTokensMax = 100 * kRetryPrice;

// Where the gauges of a cluster lie.
[[nodiscard]] inline ClusterEntry& circuitOf(Board& board, const ClusterSpec& cluster) {
  return board.cluster(cluster.parent == kNoIndex ? cluster.id : cluster.parent);
}

// Takes one of `max` (0: no limit). False, and counted as refused, when all are taken.
[[nodiscard]] bool tryEnter(ClusterEntry& entry, Circuit circuit, u32 max);
// Gives back what tryEnter() took.
void leave(ClusterEntry& entry, Circuit circuit);

// A token bucket that requests fill and retries empty.
struct RetryBudget {
  u32 tokens = kRetriesPerSecondMin * kRetryPrice;
  u64 floorAtMs = 0;  // when the floor was last filled

  // Each request adds `permille` of a retry.
  void noteRequest(u32 permille);
  // Takes one retry. False, and counted on the board, when there is none. A budget of 0 permille is
  // no budget: everything may be retried.
  [[nodiscard]] bool takeRetry(ClusterEntry& entry, u32 permille, u64 nowMs);
};

}  // namespace holdfast::proxy
