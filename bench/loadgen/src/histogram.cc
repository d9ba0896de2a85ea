// The HDR bucket arithmetic; see histogram.h.
//
// A bucket holds values of one power of two; it has 1024 sub-buckets (2048 in the first one), which
// gives three significant digits. Does not merge: merging is done by the reader, on the pairs.
#include "histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "json.h"

namespace holdfast::loadgen {

namespace {

constexpr u32 kSubBits = 11;  // 2048 sub-buckets: 2 x 10^3, rounded up to a power of two
constexpr u32 kHalfBits = kSubBits - 1;
constexpr u32 kHalfCount = u32{1} << kHalfBits;
constexpr u64 kSubMask = (u64{1} << kSubBits) - 1;

}  // namespace

u32 Histogram::indexOf(u64 value) {
  const u32 bits = 64 - static_cast<u32>(std::countl_zero(value | kSubMask));
  const u32 bucket = bits - kSubBits;
  const u32 sub = static_cast<u32>(value >> bucket);
  return ((bucket + 1) << kHalfBits) + sub - kHalfCount;
}

u64 Histogram::lowestOf(u32 index) {
  const u32 row = index >> kHalfBits;
  if (row == 0) return index;
  return u64{(index & (kHalfCount - 1)) + kHalfCount} << (row - 1);
}

u64 Histogram::highestOf(u32 index) { return lowestOf(index + 1) - 1; }

Histogram::Histogram() : counts_(indexOf(kHighestValue) + 1, 0) {}

void Histogram::record(u64 valueNs, u64 times) {
  const u64 value = std::min(valueNs, kHighestValue);
  counts_[indexOf(value)] += times;
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
  max_ = std::max(max_, value);
  min_ = std::min(min_, value);
}

u64 Histogram::valueAt(double percentile) const {
  if (count_ == 0) return 0;
  const double exact = std::ceil(percentile / 100.0 * static_cast<double>(count_));
  const u64 wanted = std::max<u64>(1, static_cast<u64>(exact));
  u64 seen = 0;
  for (u32 index = 0; index < counts_.size(); ++index) {
    seen += counts_[index];
    if (seen >= wanted) return std::min(highestOf(index), max_);
  }
  return max_;
}

std::string Histogram::json() const {
  std::string pairs = "[";
  for (u32 index = 0; index < counts_.size(); ++index) {
    if (counts_[index] == 0) continue;
    if (pairs.size() > 1) pairs += ',';
    pairs += std::to_string(lowestOf(index)) + ',' + std::to_string(counts_[index]);
  }
  JsonObject object;
  object.text("unit", "ns")
      .number("lowest", 1)
      .number("highest", kHighestValue)
      .number("digits", kDigits);
  object.number("count", count_).number("min", count_ == 0 ? 0 : min_).number("max", max_);
  object.real("mean", count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_));
  object.number("p50", valueAt(50)).number("p90", valueAt(90)).number("p99", valueAt(99));
  object.number("p999", valueAt(99.9)).nested("pairs", pairs + "]");
  return object.str();
}

}  // namespace holdfast::loadgen
