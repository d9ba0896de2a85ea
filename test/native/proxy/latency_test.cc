// Latency: estimates that rise at once and fall by time, and the balancer that goes by them.
#include "proxy/latency.h"

#include <vector>

#include "proxy/balancer_bench.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

constexpr u64 kNow = 1'000'000;

TEST(decayHalvesWithEachHalfLife) {
  CHECK_EQ(decay(4000, 0), 4000);
  CHECK_EQ(decay(4000, kPeakHalfLifeMs), 2000);
  CHECK_EQ(decay(4000, 2 * kPeakHalfLifeMs), 1000);
  const u32 between = decay(4000, kPeakHalfLifeMs / 2);
  CHECK(between > 2000 && between < 4000);
  CHECK_EQ(decay(~0u, 1'000'000'000), 0);
  for (u64 ms = 1; ms < 60'000; ++ms) {
    if (!CHECK(decay(1'000'000, ms) <= decay(1'000'000, ms - 1))) break;
  }
}

TEST(peakLatencyRisesAtOnceAndFallsByTime) {
  PeakLatency latency{0};
  CHECK(!latency.isKnown());
  latency = latency.after(500, kNow);
  CHECK_EQ(latency.micros(kNow), 500);
  latency = latency.after(9000, kNow);
  CHECK_EQ(latency.micros(kNow), 9000);
  // Samples of the same moment do not lower it, whatever their number.
  for (u32 i = 0; i < 1000; ++i) latency = latency.after(500, kNow);
  CHECK_EQ(latency.micros(kNow), 9000);
  u64 now = kNow;
  for (u32 i = 0; i < 500; ++i) latency = latency.after(500, now += kPeakStepMs);
  CHECK(latency.micros(now) > 4000 && latency.micros(now) < 6500);
  for (u32 i = 0; i < 5000; ++i) latency = latency.after(500, now += kPeakStepMs);
  CHECK_EQ(latency.micros(now), 500);
}

TEST(peakLatencyFadesWithoutSamples) {
  const PeakLatency latency = PeakLatency{0}.after(8000, kNow);
  CHECK_EQ(latency.micros(kNow + 3 * kPeakHalfLifeMs), 1000);
  // A shard whose clock is a turn behind sees no time, not 49 days.
  CHECK_EQ(latency.micros(kNow - 1), 8000);
  CHECK_EQ(latency.after(100, kNow - 1).micros(kNow), 8000);
}

TEST(peakLatencyOfErrorsIsNeverLower) {
  PeakLatency latency = PeakLatency{0}.after(8000, kNow);
  u64 now = kNow;
  for (u32 i = 0; i < 1000; ++i) latency = latency.afterError(10, now += 100);
  CHECK_EQ(latency.micros(now), 8000);
  CHECK_EQ(latency.afterError(20'000, now).micros(now), 20'000);
}

// Requests that come one each millisecond, each answered in its endpoint's time.
std::vector<u32> run(BalancerBench& bench, const std::vector<u32>& millis, u32 requests) {
  struct Answer {
    u64 atMs;
    u32 position;
  };
  std::vector<Answer> underWay;
  std::vector<u32> shares(millis.size(), 0);
  for (u32 i = 0; i < requests; ++i) {
    bench.nowMs++;
    std::erase_if(underWay, [&](const Answer& answer) {
      if (answer.atMs > bench.nowMs) return false;
      bench.answer(answer.position, millis[answer.position] * 1000);
      bench.release(answer.position);
      return true;
    });
    const u32 position = bench.pick();
    shares[position] += 1;
    underWay.push_back({bench.nowMs + millis[position], position});
  }
  for (const Answer& answer : underWay) bench.release(answer.position);
  return shares;
}

TEST(peakEwmaGivesASlowEndpointLittleUntilItRecovers) {
  BalancerBench bench(Balance::kPeakEwma, {1, 1, 1});
  const std::vector<u32> calm = run(bench, {5, 5, 5}, 3000);
  for (const u32 share : calm) CHECK(share > 700 && share < 1300);
  // 40 times slower: hardly anything.
  const std::vector<u32> slow = run(bench, {5, 200, 5}, 3000);
  CHECK(slow[1] > 0 && slow[1] < 60);
  // It is as fast as the others again: found out by the few requests that it still gets.
  (void)run(bench, {5, 5, 5}, 40'000);
  const std::vector<u32> well = run(bench, {5, 5, 5}, 3000);
  for (const u32 share : well) CHECK(share > 700 && share < 1300);
}

TEST(peakEwmaSendsAnUnknownEndpointOneRequestFirst) {
  BalancerBench bench(Balance::kPeakEwma, {1, 1});
  for (u32 i = 0; i < 20; ++i) bench.answer(0, 2000);
  u32 first = 0;
  for (u32 i = 0; i < 100; ++i) first += bench.pick() == 1 ? 1 : 0;
  CHECK_EQ(first, 1);
  CHECK_EQ(bench.active(1), 1);
  bench.answer(1, 2000);
  u32 later = 0;
  for (u32 i = 0; i < 90; ++i) later += bench.pick() == 1 ? 1 : 0;
  CHECK_EQ(later, 90);
}

TEST(peakEwmaHonoursWeightsAmongEquals) {
  BalancerBench bench(Balance::kPeakEwma, {1, 3});
  // Rather many at work at once, so that weights and not single requests decide.
  const std::vector<u32> shares = run(bench, {40, 40}, 8000);
  CHECK(shares[0] > 1600 && shares[0] < 2400);
}

}  // namespace
}  // namespace holdfast::proxy
