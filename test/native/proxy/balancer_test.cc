// Balancers: shares by weight and load, health, caps, endpoints to avoid, and ejection for failed
// connects.
#include "proxy/balancer.h"

#include <algorithm>
#include <vector>

#include "proxy/balancer_bench.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

constexpr Balance kAll[] = {Balance::kRoundRobin,   Balance::kRandom, Balance::kLeastConnections,
                            Balance::kLeastRequest, Balance::kMaglev, Balance::kRingHash,
                            Balance::kPeakEwma};

TEST(balancersHoldOneConnectionForEachPick) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 1, 1});
    u32 sum = 0;
    for (const u32 share : bench.shares(300)) sum += share;
    CHECK_EQ(sum, 300);
    CHECK_EQ(bench.active(0) + bench.active(1) + bench.active(2), 300);
  }
}

TEST(balancersSpreadEvenly) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 1, 1});
    for (const u32 share : bench.shares(3000)) CHECK(share > 700 && share < 1300);
  }
}

TEST(balancersFollowWeights) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 3});
    const std::vector<u32> shares = bench.shares(4000);
    CHECK(shares[0] > 700 && shares[0] < 1400);
  }
}

TEST(roundRobinWithWeightsSpreadsTheHeavyOne) {
  BalancerBench bench(Balance::kRoundRobin, {2, 1, 1});
  u32 inARow = 0;
  u32 longest = 0;
  for (u32 i = 0; i < 40; ++i) {
    inARow = bench.pick() == 0 ? inARow + 1 : 0;
    longest = std::max(longest, inARow);
  }
  CHECK(longest <= 2);
}

TEST(turnsGoOnOverSnapshots) {
  BalancerBench weighted(Balance::kRoundRobin, {3, 1});
  std::vector<u32> counts(2, 0);
  for (u32 i = 0; i < 40; ++i) {
    counts[weighted.pick()] += 1;
    weighted.renew();
  }
  CHECK_EQ(counts[1], 10u);
  BalancerBench equal(Balance::kRoundRobin, {1, 1, 1});
  std::vector<u32> turns(3, 0);
  for (u32 i = 0; i < 30; ++i) {
    turns[equal.pick()] += 1;
    equal.renew();
  }
  CHECK_EQ(turns[0], 10u);
  CHECK_EQ(turns[2], 10u);
}

// Debts of large weights would keep an endpoint away for long where weights are small.
TEST(creditsAreScaledToNewWeights) {
  BalancerBench bench(Balance::kRoundRobin, {250, 249});
  (void)bench.pick();
  bench.renew({2, 1});
  std::vector<u32> counts(2, 0);
  for (u32 i = 0; i < 30; ++i) counts[bench.pick()] += 1;
  CHECK(counts[0] >= 19 && counts[0] <= 21);
  // One that is gone and one that comes.
  bench.renew({1});
  CHECK_EQ(bench.pick(), 0u);
  bench.renew({1, 1});
  CHECK_EQ(bench.shares(10)[1], 5u);
}

TEST(leastConnectionsFillsWhatIsEmpty) {
  BalancerBench bench(Balance::kLeastConnections, {1, 1, 1});
  (void)bench.shares(30);
  for (u32 i = 0; i < 8; ++i) bench.release(1);
  for (u32 i = 0; i < 8; ++i) CHECK_EQ(bench.pick(), 1);
}

TEST(balancersLeaveOutWhatIsUnhealthy) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 1, 1});
    bench.entry(1).healthy.store(0);
    bench.healthChanged();
    const std::vector<u32> shares = bench.shares(300);
    CHECK_EQ(shares[1], 0);
    CHECK_EQ(shares[0] + shares[2], 300);
    bench.entry(1).healthy.store(1);
    bench.healthChanged();
    CHECK(bench.shares(300)[1] > 0);
  }
}

TEST(balancersAvoidWhatFailedForThisConnection) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 1, 1});
    for (u32 i = 0; i < 50; ++i) {
      const u32 position = bench.pick({kFirstId, kFirstId + 2});
      CHECK_EQ(position, 1);
      bench.release(1);
    }
    CHECK_EQ(bench.pick({kFirstId, kFirstId + 1, kFirstId + 2}), kNoIndex);
    CHECK_EQ(bench.active(0) + bench.active(1) + bench.active(2), 0);
  }
}

TEST(balancersKeepTheCapsOfEndpoints) {
  BalancerBench::connectionsMax = 5;
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1, 1});
    const std::vector<u32> shares = bench.shares(20);
    CHECK_EQ(shares[0], 5);
    CHECK_EQ(shares[1], 5);
    CHECK_EQ(bench.pick(), kNoIndex);
    CHECK(bench.isAtLimit);
    CHECK(bench.entry(0).limitHits.load() + bench.entry(1).limitHits.load() > 0);
    bench.release(1);
    CHECK_EQ(bench.pick(), 1);
  }
  BalancerBench::connectionsMax = 0;
}

TEST(hashBalancersKeepAClientAtItsPlace) {
  for (const Balance balance : {Balance::kMaglev, Balance::kRingHash}) {
    BalancerBench bench(balance, {1, 1, 1, 1});
    const u32 place = bench.pick();
    for (u32 i = 0; i < 20; ++i) CHECK_EQ(bench.pick(), place);
    bench.client.port = 999;
    CHECK_EQ(bench.pick(), place);
    bench.entry((place + 1) % 4).healthy.store(0);
    bench.healthChanged();
    CHECK_EQ(bench.pick(), place);
    bench.entry(place).healthy.store(0);
    bench.healthChanged();
    const u32 other = bench.pick();
    CHECK(other != place && other != (place + 1) % 4);
    CHECK_EQ(bench.pick(), other);
  }
}

TEST(hashBalancersTakeTheKeyInsteadOfTheAddress) {
  for (const Balance balance : {Balance::kMaglev, Balance::kRingHash}) {
    BalancerBench bench(balance, {1, 1, 1, 1});
    bench.hasHash = true;
    bench.hash = 0x0123456789abcdef;
    const u32 place = bench.pick();
    for (const u32 share : bench.shares(200)) CHECK(share == 0 || share == 200);
    CHECK_EQ(bench.pick(), place);
    std::vector<u32> counts(4, 0);
    for (u32 i = 0; i < 400; ++i) {
      bench.hash += 0x9e3779b97f4a7c15;
      counts[bench.pick()] += 1;
    }
    for (const u32 count : counts) CHECK(count > 40);
  }
}

TEST(failuresInARowEjectAndEjectionEnds) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1}, [](ClusterSpec& cluster) {
    cluster.ejectAfter = 3;
    cluster.ejectMs = 1000;
    cluster.ejectMsMax = 4000;
    cluster.ejectPercentMax = 50;
  });
  const auto fail = [&](u32 position, u32 times) {
    for (u32 i = 0; i < times; ++i)
      bench.balancer().onConnectFailed(kFirstId + position, bench.nowMs);
  };
  fail(0, 2);
  CHECK(bench.shares(30)[0] > 0);
  bench.balancer().onConnected(kFirstId, 10);  // a success in between starts the count anew
  fail(0, 2);
  CHECK(bench.shares(30)[0] > 0);
  fail(0, 1);
  bench.nowMs += 200;
  CHECK_EQ(bench.shares(30)[0], 0);
  // Only half of them may be ejected, so the second one stays.
  fail(1, 3);
  bench.nowMs += 200;
  CHECK(bench.shares(30)[1] > 0);
  bench.nowMs += 1000;
  CHECK(bench.shares(30)[0] > 0);
  // The next ejection lasts twice as long.
  fail(0, 3);
  bench.nowMs += 1500;
  CHECK_EQ(bench.shares(30)[0], 0);
  bench.nowMs += 1000;
  CHECK(bench.shares(30)[0] > 0);
}

TEST(belowThePanicThresholdAllAreUsed) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1, 1},
                      [](ClusterSpec& cluster) { cluster.panicPercent = 50; });
  for (const u32 position : {0u, 1u}) bench.entry(position).healthy.store(0);
  bench.healthChanged();
  CHECK_EQ(bench.shares(40)[0], 0);
  bench.entry(2).healthy.store(0);
  bench.healthChanged();
  for (const u32 share : bench.shares(40)) CHECK_EQ(share, 10);
}

TEST(withoutUsableEndpointsThereIsNoPick) {
  for (const Balance balance : kAll) {
    BalancerBench bench(balance, {1});
    bench.entry(0).healthy.store(0);
    bench.healthChanged();
    CHECK_EQ(bench.pick(), kNoIndex);
    CHECK(!bench.isAtLimit);
  }
}

TEST(slowStartRaisesAnEndpointsShareOverTime) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1},
                      [](ClusterSpec& cluster) { cluster.slowStartMs = 10'000; });
  bench.entry(0).upSinceMs.store(bench.nowMs);
  bench.healthChanged();
  const u32 early = bench.shares(200)[0];
  bench.nowMs += 5000;
  const u32 halfway = bench.shares(200)[0];
  bench.nowMs += 6000;
  const u32 late = bench.shares(200)[0];
  CHECK(early > 0 && early < 40);
  CHECK(halfway > 50 && halfway < 85);
  CHECK_EQ(late, 100);
}

}  // namespace
}  // namespace holdfast::proxy
