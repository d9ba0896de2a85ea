// ConcurrencyCell: how many requests may be under way at once, as many as latency allows.
//
// Lives on the board, one for each use of the filter, shared by all shards. Latency is averaged
// over windows; the limit shrinks by how far the average is above the lowest one (a gradient), and
// grows by its square root while there is no load to be seen. The lowest average rises by a tenth
// at most in each of its own periods, so that overload that lasts is not taken for the normal
// state. Invariant: plain atomics, no lock; one thread closes a window. `active` is what entered
// and has not left. Does not know requests, and does not notice shards that end: Board::endPolicies
// does.
#pragma once

#include <atomic>

#include "runtime/base.h"

namespace holdfast {

struct ConcurrencyRules {
  u32 least = 1;
  u32 most = 1000;
  u32 initial = 20;
  u32 windowMs = 100;
  u32 baselineMs = 60'000;
  u32 tolerancePermille = 1500;
};

// A window with fewer answers goes on: their average says little.
inline constexpr u32 kConcurrencySamplesMin = 8;

struct alignas(64) ConcurrencyCell {
  std::atomic<u32> active;
  std::atomic<u32> limit;  // 0: nothing entered yet
  alignas(64) std::atomic<u64> sumMicros;
  std::atomic<u32> samples;
  alignas(64) std::atomic<u64> windowStartNs;
  std::atomic<u64> baselineStartNs;
  std::atomic<u64> baselineMicros;  // 0: none yet
  std::atomic<u64> lowestMicros;    // of the period; 0: none yet

  // Counts one more. False, and nothing is counted, at the limit.
  bool enter(const ConcurrencyRules& rules, u64 nowNs);
  // Counts one more whatever the limit is.
  void force() { active.fetch_add(1, std::memory_order_relaxed); }
  // One less, which took `micros`; 0: its time says nothing about the endpoint.
  void leave(u64 micros);

 private:
  void closeWindow(const ConcurrencyRules& rules, u64 nowNs);
  u64 updateBaseline(const ConcurrencyRules& rules, u64 average, u64 nowNs);
};

}  // namespace holdfast
