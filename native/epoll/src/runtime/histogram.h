// Histogram: how long things took, as counts in buckets that grow with the value.
//
// Lives on the board, one for each shard and route or cluster. Sixteen buckets for every power of
// two: a value is known to within 1/16 of itself, its middle to within 1/32 (3.2 %).
// Invariant: one thread records, with plain stores; readers see counts late but never torn, and
// merge the shards themselves. Zeroed memory is an empty histogram.
// Does not know its unit; the board's are in microseconds.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>

#include "runtime/base.h"

namespace holdfast {

inline constexpr u32 kHistogramSubBits = 4;
inline constexpr u32 kHistogramSubBuckets = 1u << kHistogramSubBits;
// The longest time that is told apart: 2^32 - 1 microseconds, 71 minutes. Longer ones count as it.
inline constexpr u64 kHistogramValueMax = 0xffffffffu;
// Values below kHistogramSubBuckets have a bucket each.
inline constexpr u32 kHistogramBuckets = (32 - kHistogramSubBits + 1) * kHistogramSubBuckets;

[[nodiscard]] constexpr u32 histogramBucketOf(u64 value) {
  const u32 bounded = static_cast<u32>(std::min(value, kHistogramValueMax));
  if (bounded < kHistogramSubBuckets) return bounded;
  const u32 shift = static_cast<u32>(std::bit_width(bounded)) - 1 - kHistogramSubBits;
  return (shift + 1) * kHistogramSubBuckets + ((bounded >> shift) & (kHistogramSubBuckets - 1));
}

// The smallest value of a bucket, and the largest.
[[nodiscard]] constexpr u64 histogramLowOf(u32 bucket) {
  if (bucket < kHistogramSubBuckets) return bucket;
  const u32 shift = bucket / kHistogramSubBuckets - 1;
  return u64{kHistogramSubBuckets + bucket % kHistogramSubBuckets} << shift;
}
[[nodiscard]] constexpr u64 histogramHighOf(u32 bucket) { return histogramLowOf(bucket + 1) - 1; }

static_assert(histogramBucketOf(kHistogramValueMax) == kHistogramBuckets - 1);
static_assert(histogramHighOf(kHistogramBuckets - 1) == kHistogramValueMax);

struct alignas(64) Histogram {
  std::atomic<u64> sum;
  std::atomic<u64> buckets[kHistogramBuckets];

  // The writing thread only.
  void record(u64 value) {
    add(sum, value);
    add(buckets[histogramBucketOf(value)], 1);
  }

  // While nobody records.
  void clear() {
    sum.store(0, std::memory_order_relaxed);
    for (std::atomic<u64>& bucket : buckets) bucket.store(0, std::memory_order_relaxed);
  }

 private:
  static void add(std::atomic<u64>& cell, u64 by) {
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
};
static_assert(sizeof(Histogram) <= 4096, "at most a page of the board for each that is used");

// What several histograms say together; a value, for readers.
struct HistogramSum {
  u64 count = 0;
  u64 sum = 0;
  u64 buckets[kHistogramBuckets] = {};

  void add(const Histogram& histogram) {
    sum += histogram.sum.load(std::memory_order_relaxed);
    for (u32 i = 0; i < kHistogramBuckets; i++) {
      const u64 here = histogram.buckets[i].load(std::memory_order_relaxed);
      buckets[i] += here;
      count += here;
    }
  }

  // How many values are at most `bound`. A bucket that the bound cuts counts when its middle lies
  // below: exact where bounds are powers of two less one, else off by half a bucket at most.
  [[nodiscard]] u64 countAtMost(u64 bound) const {
    u64 total = 0;
    for (u32 i = 0; i < kHistogramBuckets; i++) {
      if (histogramLowOf(i) + (histogramHighOf(i) - histogramLowOf(i)) / 2 > bound) break;
      total += buckets[i];
    }
    return total;
  }

  // The value below which `permille` of all lie, as the middle of its bucket; 0 of nothing.
  [[nodiscard]] u64 quantile(u32 permille) const {
    if (count == 0) return 0;
    const u64 rank = std::max<u64>(1, (count * permille + 999) / 1000);
    u64 seen = 0;
    for (u32 i = 0; i < kHistogramBuckets; i++) {
      seen += buckets[i];
      if (seen >= rank) return histogramLowOf(i) + (histogramHighOf(i) - histogramLowOf(i)) / 2;
    }
    return kHistogramValueMax;
  }
};

}  // namespace holdfast
