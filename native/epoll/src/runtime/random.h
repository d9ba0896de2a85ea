// Random: a small generator for balancers, jitter and tests (xoshiro256**), as a value.
//
// One per shard, seeded from outside, so that a run can be repeated from its seed.
// Invariant: the same seed gives the same numbers on every machine.
// Not for secrets: its state can be computed from its output.
#pragma once

#include "runtime/base.h"

namespace holdfast {

// One step of SplitMix64: spreads a seed or a counter over 64 bits.
[[nodiscard]] constexpr u64 splitMix64(u64* state) {
  *state += 0x9e3779b97f4a7c15u;
  u64 z = *state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class Random {
 public:
  explicit constexpr Random(u64 seed) {
    for (u64& word : state_) word = splitMix64(&seed);
  }

  [[nodiscard]] constexpr u64 nextU64() {
    const u64 result = rotate(state_[1] * 5, 7) * 9;
    const u64 shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  [[nodiscard]] constexpr u32 nextU32() { return static_cast<u32>(nextU64() >> 32); }

  // Uniform in [0, bound); 0 when bound is 0. Unbiased (Lemire's multiply and reject).
  [[nodiscard]] constexpr u32 below(u32 bound) {
    u64 product = u64{nextU32()} * bound;
    if (static_cast<u32>(product) < bound) {
      const u32 threshold = (0u - bound) % bound;
      while (static_cast<u32>(product) < threshold) product = u64{nextU32()} * bound;
    }
    return static_cast<u32>(product >> 32);
  }

  // Uniform in [low, high], both included; `low` when high is not above it.
  [[nodiscard]] constexpr u64 between(u64 low, u64 high) {
    if (high <= low) return low;
    const u64 span = high - low + 1;
    if (span == 0) return nextU64();
    // The bias of one modulo over 64 bits is below 2^-32 for every span that fits 32 bits.
    return low + nextU64() % span;
  }

  // True with probability numerator / denominator.
  [[nodiscard]] constexpr bool chance(u32 numerator, u32 denominator) {
    return below(denominator) < numerator;
  }

 private:
  static constexpr u64 rotate(u64 value, int bits) {
    return (value << bits) | (value >> (64 - bits));
  }

  u64 state_[4] = {};
};
static_assert(sizeof(Random) == 32);

}  // namespace holdfast
