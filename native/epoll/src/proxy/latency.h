// Latency of endpoints as balancers and ejection see it: a peak-sensitive average, and means of
// windows of the clock.
//
// The words lie on the board, one set for each endpoint, written by all shards: what one shard
// learns helps the others, an endpoint that gets few requests is known all the same, and a reload
// forgets nothing. Two shards that write at once may lose a sample, never tear a word.
// Invariant: an estimate falls only by time, and rises at once. Plain functions of words; does not
// choose or eject.
#pragma once

#include <algorithm>
#include <limits>

#include "runtime/board.h"

namespace holdfast::proxy {

// An estimate loses half of what it is above the newer samples in this time, or up to 40 % later
// where samples come often (many short straight pieces instead of one).
inline constexpr u32 kPeakHalfLifeMs = 5000;
// Samples below the estimate count once in this time: more of them add nothing but writes.
inline constexpr u32 kPeakStepMs = 10;
// Estimates end here, 18 minutes.
inline constexpr u32 kPeakMicrosMax = 1u << 30;
// Means are taken over windows of this length.
inline constexpr u32 kLatencyWindowMs = 5000;

// What is left of `value` after `elapsedMs`: halved for each half-life, straight in between.
[[nodiscard]] constexpr u32 decay(u32 value, u64 elapsedMs) {
  const u64 halvings = elapsedMs / kPeakHalfLifeMs;
  if (halvings >= std::numeric_limits<u32>::digits) return 0;
  const u32 halved = value >> halvings;
  const u64 rest = elapsedMs % kPeakHalfLifeMs;
  return static_cast<u32>(halved - u64{halved} * rest / (2 * kPeakHalfLifeMs));
}

// An estimate and the time of its last sample in one word; 0: nothing was measured yet.
class PeakLatency {
 public:
  explicit constexpr PeakLatency(u64 word) : word_(word) {}

  [[nodiscard]] constexpr u64 word() const { return word_; }
  [[nodiscard]] constexpr bool isKnown() const { return word_ != 0; }
  [[nodiscard]] constexpr u32 micros(u64 nowMs) const { return decay(held(), elapsed(nowMs)); }

  // The estimate after a sample; the same word where it changes nothing.
  [[nodiscard]] constexpr PeakLatency after(u32 micros, u64 nowMs) const {
    const u32 sample = std::clamp(micros, 1u, kPeakMicrosMax);
    if (!isKnown() || sample >= held()) return make(sample, nowMs);
    if (elapsed(nowMs) < kPeakStepMs) return *this;
    const u32 above = decay(held() - sample, elapsed(nowMs));
    return make(sample + std::min(above, held() - sample - 1), nowMs);
  }

  // The estimate after a request that failed: a quick refusal does not make an endpoint look fast.
  [[nodiscard]] constexpr PeakLatency afterError(u32 micros, u64 nowMs) const {
    return after(std::max(micros, held()), nowMs);
  }

 private:
  [[nodiscard]] static constexpr PeakLatency make(u32 micros, u64 nowMs) {
    return PeakLatency{u64{micros} << 32 | static_cast<u32>(nowMs)};
  }
  [[nodiscard]] constexpr u32 held() const { return static_cast<u32>(word_ >> 32); }
  // The stamp holds 32 bits of the clock. Another shard's clock may be a turn behind: no time then.
  [[nodiscard]] constexpr u64 elapsed(u64 nowMs) const {
    const u32 elapsed = static_cast<u32>(nowMs) - static_cast<u32>(word_);
    return elapsed > std::numeric_limits<u32>::max() / 2 ? 0 : elapsed;
  }

  u64 word_;
};

[[nodiscard]] constexpr u32 latencyWindowOf(u64 nowMs) {
  return static_cast<u32>(nowMs / kLatencyWindowMs);
}

// Adds an answer to the window of `nowMs`.
inline void noteLatency(EndpointEntry& entry, u32 micros, u64 nowMs) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const u32 number = latencyWindowOf(nowMs);
  LatencyWindow& window = entry.windows[number & 1];
  u32 seen = window.number.load(kRelaxed);
  // One shard clears it; what others add until then is lost with the old window.
  if (seen != number && window.number.compare_exchange_strong(seen, number, kRelaxed)) {
    window.micros.store(0, kRelaxed);
    window.answers.store(0, kRelaxed);
  }
  window.micros.fetch_add(micros, kRelaxed);
  window.answers.fetch_add(1, kRelaxed);
}

// Mean of window `number` in microseconds; 0 when it has fewer than `answersMin` answers.
[[nodiscard]] inline u64 meanLatency(const EndpointEntry& entry, u32 number, u32 answersMin) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const LatencyWindow& window = entry.windows[number & 1];
  const u32 answers = window.answers.load(kRelaxed);
  if (window.number.load(kRelaxed) != number || answers == 0 || answers < answersMin) return 0;
  return std::max<u64>(window.micros.load(kRelaxed) / answers, 1);
}

}  // namespace holdfast::proxy
