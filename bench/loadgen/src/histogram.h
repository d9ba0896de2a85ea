// A latency histogram with the bucket layout of HdrHistogram: three digits, 1 ns to 137 s, fixed
// memory.
//
// Recording is a shift and an increment. The layout equals that of the public HdrHistogram
// libraries for (1, 2^37, 3), so that a reader rebuilds the same histogram from the (value, count)
// pairs.
// Invariant: every value is counted; one above the range counts in the last bucket.
#pragma once

#include <string>
#include <vector>

#include "types.h"

namespace holdfast::loadgen {

class Histogram {
 public:
  static constexpr u64 kHighestValue = (u64{1} << 37) - 1;
  static constexpr u32 kDigits = 3;

  Histogram();

  void record(u64 valueNs, u64 times = 1);
  u64 count() const { return count_; }
  u64 max() const { return max_; }
  // The highest value equivalent to the one at `percentile` (0 to 100); 0 when nothing was
  // recorded.
  u64 valueAt(double percentile) const;
  // `{"unit":"ns",...,"pairs":[value,count,...]}` with the lowest equivalent value of each bucket.
  std::string json() const;

  static u32 indexOf(u64 value);
  static u64 lowestOf(u32 index);
  static u64 highestOf(u32 index);

 private:
  std::vector<u64> counts_;
  u64 count_ = 0;
  u64 max_ = 0;
  u64 min_ = kNever;
  double sum_ = 0;
};

}  // namespace holdfast::loadgen
