// See concurrency.h. Whoever enters behind the end of a window closes it.
#include "runtime/concurrency.h"

#include <algorithm>
#include <cmath>

namespace holdfast {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr u64 kMsNs = 1'000'000;
// A window never lets the limit fall by more than half.
constexpr u64 kGradientPermilleMin = 500;
constexpr u64 kPermille = 1000;

}  // namespace

bool ConcurrencyCell::enter(const ConcurrencyRules& rules, u64 nowNs) {
  u32 allowed = limit.load(kRelaxed);
  if (allowed == 0) {
    limit.compare_exchange_strong(allowed, rules.initial, kRelaxed);
    allowed = rules.initial;
  }
  if (nowNs - windowStartNs.load(kRelaxed) >= rules.windowMs * kMsNs) {
    closeWindow(rules, nowNs);
    allowed = limit.load(kRelaxed);
  }
  // Rules may have changed since the limit was made.
  allowed = std::clamp(allowed, rules.least, rules.most);
  if (active.fetch_add(1, kRelaxed) < allowed) return true;
  active.fetch_sub(1, kRelaxed);
  return false;
}

void ConcurrencyCell::leave(u64 micros) {
  active.fetch_sub(1, kRelaxed);
  if (micros == 0) return;
  sumMicros.fetch_add(micros, kRelaxed);
  samples.fetch_add(1, kRelaxed);
}

void ConcurrencyCell::closeWindow(const ConcurrencyRules& rules, u64 nowNs) {
  const u32 enough = samples.load(kRelaxed);
  u64 start = windowStartNs.load(kRelaxed);
  if (enough < kConcurrencySamplesMin) return;
  if (!windowStartNs.compare_exchange_strong(start, nowNs, kRelaxed)) return;
  const u64 sum = sumMicros.exchange(0, kRelaxed);
  const u32 count = samples.exchange(0, kRelaxed);
  if (count == 0) return;
  const u64 average = std::max<u64>(sum / count, 1);
  const u64 baseline = updateBaseline(rules, average, nowNs);
  const u64 tolerated = baseline * rules.tolerancePermille / kPermille;
  const u64 gradient = std::clamp(tolerated * kPermille / average, kGradientPermilleMin, kPermille);
  const u64 before = limit.load(kRelaxed);
  u64 after = before * gradient / kPermille;
  // What is not used says nothing about more of it.
  const bool isUsed = active.load(kRelaxed) * u64{2} >= before;
  if (isUsed) after += static_cast<u64>(std::sqrt(static_cast<double>(before)));
  limit.store(static_cast<u32>(std::clamp<u64>(after, rules.least, rules.most)), kRelaxed);
}

u64 ConcurrencyCell::updateBaseline(const ConcurrencyRules& rules, u64 average, u64 nowNs) {
  const u64 held = baselineMicros.load(kRelaxed);
  const u64 lowest = lowestMicros.load(kRelaxed);
  u64 now = held == 0 ? average : std::min(held, average);
  u64 period = lowest == 0 ? average : std::min(lowest, average);
  if (nowNs - baselineStartNs.load(kRelaxed) >= rules.baselineMs * kMsNs) {
    baselineStartNs.store(nowNs, kRelaxed);
    if (held != 0) now = std::min(period, held + held / 10 + 1);
    period = average;
  }
  baselineMicros.store(now, kRelaxed);
  lowestMicros.store(period, kRelaxed);
  return now;
}

}  // namespace holdfast
