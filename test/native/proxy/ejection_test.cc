// Ejection by errors and by latency: when, for how long, how many at most, and what ends a row.
#include <atomic>
#include <thread>
#include <vector>

#include "proxy/balancer_bench.h"
#include "proxy/latency.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

void byErrors(ClusterSpec& cluster) {
  cluster.ejectAfterErrors = 3;
  cluster.ejectMs = 1000;
  cluster.ejectMsMax = 4000;
  cluster.ejectPercentMax = 50;
}

void byLatency(ClusterSpec& cluster) {
  cluster.ejectLatencyPermille = 3000;
  cluster.ejectMs = 20'000;
  cluster.ejectMsMax = 300'000;
  cluster.ejectPercentMax = 50;
}

void fail(BalancerBench& bench, u32 position, u32 times) {
  for (u32 i = 0; i < times; ++i) bench.answer(position, 100, true);
}

bool isEjected(BalancerBench& bench, u32 position) {
  return bench.entry(position).ejectedUntilMs.load() > bench.nowMs;
}

TEST(errorsInARowEjectAndAnAnswerStartsAnew) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1}, byErrors);
  fail(bench, 0, 2);
  bench.answer(0, 100);
  fail(bench, 0, 2);
  CHECK(!isEjected(bench, 0));
  fail(bench, 0, 1);
  CHECK(isEjected(bench, 0));
  CHECK_EQ(bench.shares(30)[0], 0);
  CHECK_EQ(bench.entry(0).ejections.load(), 1);
  CHECK_EQ(bench.entry(0).ejectionsByErrors.load(), 1);
  CHECK_EQ(bench.entry(0).errors.load(), 5);
  CHECK_EQ(bench.entry(0).answers.load(), 6);
  // Only half of them may be ejected, so the second one stays.
  fail(bench, 1, 9);
  CHECK(!isEjected(bench, 1));
  bench.nowMs += 1100;
  CHECK(bench.shares(30)[0] > 0);
}

TEST(errorsEjectForLongerEachTimeUntilAnAnswer) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1}, byErrors);
  const auto ejectionMs = [&] {
    fail(bench, 0, 3);
    const u64 length = bench.entry(0).ejectedUntilMs.load() - bench.nowMs;
    bench.nowMs += length;
    return length;
  };
  CHECK_EQ(ejectionMs(), 1000);
  CHECK_EQ(ejectionMs(), 2000);
  // A connect that works says nothing about answers.
  bench.balancer().onConnected(kFirstId, 10);
  CHECK_EQ(ejectionMs(), 4000);
  CHECK_EQ(ejectionMs(), 4000);
  bench.answer(0, 100);
  CHECK_EQ(ejectionMs(), 1000);
}

TEST(whatWasSentBeforeAnEjectionCountsForNothing) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1}, byErrors);
  fail(bench, 0, 3);
  const u64 until = bench.entry(0).ejectedUntilMs.load();
  fail(bench, 0, 20);
  bench.answer(0, 100);
  CHECK_EQ(bench.entry(0).ejectedUntilMs.load(), until);
  bench.nowMs = until;
  fail(bench, 0, 2);
  CHECK(!isEjected(bench, 0));
  fail(bench, 0, 1);
  CHECK_EQ(bench.entry(0).ejectedUntilMs.load(), until + 2000);
}

TEST(withoutALimitErrorsEjectNobody) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1});
  fail(bench, 0, 1000);
  CHECK(!isEjected(bench, 0));
  CHECK_EQ(bench.entry(0).errors.load(), 1000);
}

// Answers of each endpoint within one window; the first of the next window has the old one judged.
void window(BalancerBench& bench, const std::vector<u32>& micros, u32 answers) {
  bench.nowMs = (latencyWindowOf(bench.nowMs) + 1) * u64{kLatencyWindowMs};
  for (u32 i = 0; i < answers; ++i) {
    for (u32 position = 0; position < micros.size(); ++position) {
      if (micros[position] != 0) bench.answer(position, micros[position]);
    }
  }
}

// Moves on to the next window.
void judge(BalancerBench& bench) {
  bench.nowMs += kLatencyWindowMs;
  bench.answer(0, 1);
}

TEST(anEndpointMuchSlowerThanTheMedianIsEjected) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1, 1}, byLatency);
  window(bench, {2000, 2100, 6500, 1900}, 30);
  CHECK(!isEjected(bench, 2));
  judge(bench);
  CHECK(isEjected(bench, 2));
  CHECK_EQ(bench.entry(2).ejectionsByLatency.load(), 1);
  CHECK_EQ(bench.shares(30)[2], 0);
  for (const u32 position : {0u, 1u, 3u}) CHECK(!isEjected(bench, position));
  bench.nowMs += 20'000;
  CHECK(bench.shares(40)[2] > 0);
  // Still slow: for twice as long. Then fast, and the row has ended.
  window(bench, {2000, 2100, 9000, 1900}, 30);
  judge(bench);
  CHECK_EQ(bench.entry(2).ejectedUntilMs.load(), bench.nowMs + 40'000);
  bench.nowMs += 40'000;
  window(bench, {2000, 2100, 2000, 1900}, 30);
  judge(bench);
  CHECK(!isEjected(bench, 2));
  CHECK_EQ(bench.entry(2).ejectionsInARow.load(), 0);
}

TEST(ofTwoEndpointsTheSlowerOneIsEjected) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1}, byLatency);
  window(bench, {30'000, 2000}, 30);
  judge(bench);
  CHECK(isEjected(bench, 0));
  CHECK(!isEjected(bench, 1));
}

TEST(latencyIsNotJudgedFromFewAnswersOrSmallDifferences) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1}, byLatency);
  window(bench, {2000, 2000, 900'000}, 19);
  judge(bench);
  CHECK(!isEjected(bench, 2));
  // 10 times slower, but by less than a millisecond.
  window(bench, {90, 90, 900}, 100);
  judge(bench);
  CHECK(!isEjected(bench, 2));
  // Nobody to compare with.
  window(bench, {0, 0, 900'000}, 100);
  judge(bench);
  CHECK(!isEjected(bench, 2));
  // What was measured two windows ago is forgotten.
  window(bench, {2000, 2000, 900'000}, 100);
  bench.nowMs += kLatencyWindowMs;
  judge(bench);
  CHECK(!isEjected(bench, 2));
}

TEST(latencyEjectsNoMoreThanItsShare) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1, 1, 1, 1}, [](ClusterSpec& cluster) {
    byLatency(cluster);
    cluster.ejectPercentMax = 20;
  });
  window(bench, {2000, 2000, 2000, 90'000, 90'000}, 30);
  judge(bench);
  CHECK_EQ(isEjected(bench, 3) + isEjected(bench, 4), 1);
}

TEST(shardsThatEjectAtOnceKeepTheirShare) {
  constexpr u32 kShards = 4;
  constexpr u32 kEndpoints = 8;
  for (u32 round = 0; round < 50; ++round) {
    BalancerBench bench(Balance::kRoundRobin, std::vector<u32>(kEndpoints, 1), byErrors);
    std::atomic<u32> ready{0};
    std::vector<std::thread> threads;
    for (u32 shard = 0; shard < kShards; ++shard) {
      threads.emplace_back([&, shard] {
        const std::unique_ptr<Balancer> balancer = bench.another(shard);
        ready.fetch_add(1);
        while (ready.load() < kShards) std::this_thread::yield();
        for (u32 i = 0; i < 40; ++i) {
          for (u32 position = 0; position < kEndpoints; ++position) {
            const u32 id = kFirstId + (position + shard) % kEndpoints;
            balancer->onAnswered(id, 100, true, bench.nowMs);
            balancer->onConnectFailed(id, bench.nowMs);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    u32 ejected = 0;
    for (u32 position = 0; position < kEndpoints; ++position) {
      if (isEjected(bench, position)) ++ejected;
    }
    if (!CHECK_EQ(ejected, kEndpoints / 2)) break;
  }
}

TEST(aSubsetFollowsTheHealthEpochOfItsCluster) {
  BalancerBench bench(Balance::kRoundRobin, {1, 1}, [](ClusterSpec& cluster) {
    byErrors(cluster);
    cluster.parent = 77;
  });
  CHECK(bench.shares(20)[0] > 0);
  const u32 before = bench.board().cluster(77).healthEpoch.load();
  fail(bench, 0, 3);
  CHECK(bench.board().cluster(77).healthEpoch.load() != before);
  CHECK_EQ(bench.shares(20)[0], 0);
}

}  // namespace
}  // namespace holdfast::proxy
