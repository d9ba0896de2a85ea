// BucketTable: token buckets by key, shared by all shards, without a lock.
//
// Lives on the board. A bucket is one number, the time at which it is full again (the generic cell
// rate algorithm), so that taking tokens is one compare-and-swap and a bucket that is full again
// is the same as none: its slot is free for another key. Keys are keyed hashes, no addresses.
// Invariant: while a bucket keeps its slot, no more is granted than its rate and burst allow,
// however many threads take. Where no slot is left, everything is granted and the answer says so:
// limits fail open.
// Does not know what is limited, does not allocate, does not expire anything by itself.
#pragma once

#include <atomic>

#include "runtime/base.h"

namespace holdfast {

// What a bucket gives: `count` tokens in `periodMs`, at most `burst` at once.
struct BucketRate {
  u64 ticksPerToken = 0;  // of 1/65536 tick
  u64 depthTicks = 0;     // how far ahead of the clock a bucket may be
};

// What the two are counted in.
inline constexpr u32 kBucketTickNs = 16;
inline constexpr u64 kBucketTicksPerMs = 1'000'000 / kBucketTickNs;
inline constexpr u32 kBucketFractionBits = 16;

// Of both planes; count and period are at least 1.
inline constexpr u64 kRateCountMax = 1'000'000'000'000u;  // a TB for each period
inline constexpr u64 kRatePeriodMsMax = u64{7} * 24 * 3600 * 1000;
// A bucket that takes longer than this to fill cannot be told apart from one that is ahead of it.
inline constexpr u64 kBucketFillMsMax = u64{366} * 24 * 3600 * 1000;

// False when the numbers are outside of the limits.
[[nodiscard]] bool makeBucketRate(u64 count, u64 periodMs, u64 burst, BucketRate* out);

struct BucketTake {
  bool isGranted = true;
  bool isFull = false;  // no slot was left: granted without being counted
  u64 remaining = 0;    // whole tokens left
  u64 waitNs = 0;       // refused: until as many would be granted; otherwise: until none are owed
  u64 fullInNs = 0;     // until the bucket is full again
};

class BucketTable {
 public:
  // Slots of one table, and how many of them one key may lie in.
  static constexpr u32 kSlots = 1u << 20;
  static constexpr u32 kProbes = 16;

  [[nodiscard]] static constexpr size_t bytesFor() { return sizeof(Slot) * kSlots; }

  BucketTable() = default;
  // Zeroed memory is an empty table; at a multiple of 64, bytesFor() long. Times that are given
  // later count from `epochNs`.
  BucketTable(void* memory, u64 epochNs) : slots_(static_cast<Slot*>(memory)), epochNs_(epochNs) {}

  // Takes `tokens` when the bucket has as many, else none. Any thread, O(kProbes).
  BucketTake take(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs);
  // Takes them whether they are there or not: for what has happened already. The bucket owes then,
  // and `waitNs` says how long.
  BucketTake charge(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs);
  // Gives tokens back that were charged and not used.
  BucketTake refund(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs);

 private:
  // `state` is kTagBits of the key above the tick at which the bucket is full again. A thread that
  // loses the slot in the middle of a take is not counted; the tag keeps it from charging the key
  // that has the slot now.
  struct Slot {
    std::atomic<u64> key;  // 0: never used
    std::atomic<u64> state;
  };
  enum class Mode : u8 { kTake, kCharge, kRefund };

  [[nodiscard]] Slot* find(u64 key, u64 nowTick);
  BucketTake spend(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs, Mode mode);

  Slot* slots_ = nullptr;
  u64 epochNs_ = 0;
};

}  // namespace holdfast
