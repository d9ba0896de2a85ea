// Entering and leaving circuit gauges; the bucket of retries.
#include "proxy/circuit.h"

#include <algorithm>

namespace holdfast::proxy {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
inline constexpr u64 kMsPerSecond = 1000;

}  // namespace

bool tryEnter(ClusterEntry& entry, Circuit circuit, u32 max) {
  std::atomic<u32>& active = entry.active[static_cast<size_t>(circuit)];
  if (max == 0) {
    active.fetch_add(1, kRelaxed);
    return true;
  }
  // Adding first and taking back would refuse others for the moment in between.
  u32 seen = active.load(kRelaxed);
  while (seen < max) {
    if (active.compare_exchange_weak(seen, seen + 1, kRelaxed)) return true;
  }
  entry.refused[static_cast<size_t>(circuit)].fetch_add(1, kRelaxed);
  return false;
}

void leave(ClusterEntry& entry, Circuit circuit) {
  const u32 before = entry.active[static_cast<size_t>(circuit)].fetch_sub(1, kRelaxed);
  HF_DASSERT(before > 0);
  (void)before;
}

void RetryBudget::noteRequest(u32 permille) {
  tokens = std::min(tokens + permille, kRetryTokensMax);
}

bool RetryBudget::takeRetry(ClusterEntry& entry, u32 permille, u64 nowMs) {
  if (permille == 0) return true;
  constexpr u32 kFloor = kRetriesPerSecondMin * kRetryPrice;
  const u64 elapsedMs = nowMs > floorAtMs ? nowMs - floorAtMs : 0;
  if (tokens < kFloor) {
    const u64 filled = tokens + std::min(elapsedMs, kMsPerSecond) * kFloor / kMsPerSecond;
    tokens = static_cast<u32>(std::min<u64>(filled, kFloor));
  }
  floorAtMs = nowMs;
  if (tokens < kRetryPrice) {
    entry.budgetRefused.fetch_add(1, kRelaxed);
    return false;
  }
  tokens -= kRetryPrice;
  return true;
}

}  // namespace holdfast::proxy
