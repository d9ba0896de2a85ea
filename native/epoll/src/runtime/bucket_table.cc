// The rate algorithm and the probing behind BucketTable; see bucket_table.h for its contract.
//
// A key is looked for in the slots from its home on; the first one that is free or full again is
// taken over. Two threads that bring the same new key at once meet at the same slot.
#include "runtime/bucket_table.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr u32 kTickNs = kBucketTickNs;
constexpr u32 kTagBits = 8;
constexpr u32 kTickBits = 64 - kTagBits;  // 36 years
constexpr u64 kTickMask = (u64{1} << kTickBits) - 1;
constexpr u32 kFractionBits = kBucketFractionBits;
constexpr u64 kTicksPerMs = kBucketTicksPerMs;
// A bucket may owe at least so much, however small it is: a read is not split for it.
constexpr u64 kDebtMsMin = 60'000;
// Swaps that may fail in a row; each failure is another thread's success.
constexpr u32 kAttemptsMax = 64;

static_assert(kRatePeriodMsMax * kTicksPerMs < u64{1} << (64 - kFractionBits));
static_assert(2 * kBucketFillMsMax * kTicksPerMs < kTickMask / 8);

u64 tagOf(u64 key) { return key >> kTickBits << kTickBits; }

constexpr u64 kTickParts = u64{1} << kFractionBits;

// Ticks that tokens stand for; at most `most`.
u64 costOf(const BucketRate& rate, u64 tokens, u64 most) {
  const bool isWhole = rate.ticksPerToken % kTickParts == 0;
  const u64 parts = isWhole ? rate.ticksPerToken / kTickParts : rate.ticksPerToken;
  u64 cost = 0;
  if (__builtin_mul_overflow(parts, tokens, &cost)) return most;
  return std::min(isWhole ? cost : cost / kTickParts, most);
}

// Whole tokens that ticks stand for.
u64 tokensOf(const BucketRate& rate, u64 ticks) {
  __extension__ using Wide = unsigned __int128;
  if (ticks >> (64 - kFractionBits) == 0) return (ticks << kFractionBits) / rate.ticksPerToken;
  return static_cast<u64>((Wide{ticks} << kFractionBits) / rate.ticksPerToken);
}

}  // namespace

bool makeBucketRate(u64 count, u64 periodMs, u64 burst, BucketRate* out) {
  if (count == 0 || count > kRateCountMax || burst == 0 || burst > kRateCountMax) return false;
  if (periodMs == 0 || periodMs > kRatePeriodMsMax) return false;
  const u64 periodParts = periodMs * kTicksPerMs << kFractionBits;
  BucketRate rate;
  rate.ticksPerToken = std::max<u64>(periodParts / count, 1);
  // Whole ticks where that is off by less than a thousandth: tokens taken one by one then add up.
  if (rate.ticksPerToken >= 1024 * kTickParts) {
    rate.ticksPerToken = (rate.ticksPerToken + kTickParts - 1) / kTickParts * kTickParts;
  }
  rate.depthTicks = std::max<u64>(costOf(rate, burst, ~u64{0}), 1);
  if (rate.depthTicks > kBucketFillMsMax * kTicksPerMs) return false;
  *out = rate;
  return true;
}

BucketTake BucketTable::take(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs) {
  return spend(key, rate, tokens, nowNs, Mode::kTake);
}

BucketTake BucketTable::charge(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs) {
  return spend(key, rate, tokens, nowNs, Mode::kCharge);
}

BucketTake BucketTable::refund(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs) {
  return spend(key, rate, tokens, nowNs, Mode::kRefund);
}

// The slot of `key`, or one that it took over; null when all are in use.
BucketTable::Slot* BucketTable::find(u64 key, u64 nowTick) {
  const u32 home = static_cast<u32>(key) & (kSlots - 1);
  for (u32 attempt = 0; attempt < kAttemptsMax; ++attempt) {
    Slot* free = nullptr;
    u64 freeKey = 0;
    for (u32 i = 0; i < kProbes; ++i) {
      Slot& slot = slots_[(home + i) & (kSlots - 1)];
      const u64 held = slot.key.load(kRelaxed);
      if (held == key) return &slot;
      if (free != nullptr) continue;
      if (held == 0 || (slot.state.load(kRelaxed) & kTickMask) <= nowTick) {
        free = &slot;
        freeKey = held;
      }
      // Slots are never emptied: behind one that was never used there is nothing.
      if (held == 0) break;
    }
    if (free == nullptr) return nullptr;
    if (free->key.compare_exchange_strong(freeKey, key, kRelaxed)) return free;
  }
  return nullptr;
}

BucketTake BucketTable::spend(u64 key, const BucketRate& rate, u64 tokens, u64 nowNs, Mode mode) {
  key |= 1;  // 0 is no key
  const u64 nowTick = nowNs > epochNs_ ? (nowNs - epochNs_) / kTickNs + 1 : 1;
  BucketTake out;
  Slot* const slot = find(key, nowTick);
  if (slot == nullptr) {
    out.isFull = true;
    return out;
  }
  const u64 cost = costOf(rate, tokens, 2 * kBucketFillMsMax * kTicksPerMs);
  u64 state = slot->state.load(kRelaxed);
  for (u32 attempt = 0; attempt < kAttemptsMax; ++attempt) {
    // What another key left behind counts for nothing, nor does a debt that this rate cannot make:
    // the rate was another one before a reload.
    const bool isOurs = (state & ~kTickMask) == tagOf(key);
    const u64 held = isOurs ? state & kTickMask : 0;
    const u64 debtMax = std::max(4 * rate.depthTicks, kDebtMsMin * kTicksPerMs);
    const u64 from = held > nowTick && held - nowTick <= debtMax ? held : nowTick;
    const u64 left = from - nowTick > cost ? from - cost : nowTick;
    const u64 to = mode == Mode::kRefund ? left : std::min(from + cost, nowTick + debtMax);
    const u64 limit = nowTick + rate.depthTicks;
    out.isGranted = mode != Mode::kTake || to <= limit;
    const u64 after = out.isGranted ? to : from;
    out.waitNs = to > limit ? (to - limit) * kTickNs : 0;
    out.fullInNs = (after - nowTick) * kTickNs;
    out.remaining = after >= limit ? 0 : tokensOf(rate, limit - after);
    if (!out.isGranted) return out;
    if (slot->state.compare_exchange_weak(state, tagOf(key) | to, kRelaxed)) return out;
  }
  // So many others took from it meanwhile that this one is not counted.
  out.isFull = true;
  return out;
}

}  // namespace holdfast
