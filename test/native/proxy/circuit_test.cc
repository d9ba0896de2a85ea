// Circuit limits: gauges that stay below their limits from several threads, and retry budgets.
#include "proxy/circuit.h"

#include <thread>
#include <vector>

#include "check.h"

namespace holdfast::proxy {
namespace {

constexpr u32 kId = 5;

struct BoardFixture {
  BoardFixture() {
    BoardOptions options;
    options.shards = 1;
    options.connectionsMax = 1;
    CHECK(board.create(options).isOk());
  }
  ClusterEntry& entry() { return board.cluster(kId); }
  u32 active(Circuit circuit) { return entry().active[static_cast<size_t>(circuit)].load(); }
  u64 refused(Circuit circuit) { return entry().refused[static_cast<size_t>(circuit)].load(); }

  Board board;
};

TEST(circuitsAdmitUpToTheirLimit) {
  BoardFixture fixture;
  for (u32 i = 0; i < 3; ++i) CHECK(tryEnter(fixture.entry(), Circuit::kPending, 3));
  CHECK(!tryEnter(fixture.entry(), Circuit::kPending, 3));
  CHECK_EQ(fixture.active(Circuit::kPending), 3);
  CHECK_EQ(fixture.refused(Circuit::kPending), 1);
  CHECK_EQ(fixture.active(Circuit::kRequests), 0);
  leave(fixture.entry(), Circuit::kPending);
  CHECK(tryEnter(fixture.entry(), Circuit::kPending, 3));
  // A limit that was lowered below what is there admits nobody and forgets nobody.
  CHECK(!tryEnter(fixture.entry(), Circuit::kPending, 1));
  CHECK_EQ(fixture.active(Circuit::kPending), 3);
}

TEST(circuitsWithoutALimitCountAllTheSame) {
  BoardFixture fixture;
  for (u32 i = 0; i < 5000; ++i) CHECK(tryEnter(fixture.entry(), Circuit::kRequests, 0));
  CHECK_EQ(fixture.active(Circuit::kRequests), 5000);
  CHECK_EQ(fixture.refused(Circuit::kRequests), 0);
}

TEST(circuitsHoldFromManyThreads) {
  BoardFixture fixture;
  constexpr u32 kMax = 3;
  constexpr u32 kThreads = 4;
  constexpr u32 kRounds = 20'000;
  std::atomic<u32> inside{0};
  std::atomic<u32> above{0};
  std::atomic<u64> refused{0};
  std::vector<std::thread> threads;
  for (u32 i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (u32 round = 0; round < kRounds; ++round) {
        if (!tryEnter(fixture.entry(), Circuit::kRetries, kMax)) {
          refused.fetch_add(1);
          continue;
        }
        if (inside.fetch_add(1) >= kMax) above.fetch_add(1);
        inside.fetch_sub(1);
        leave(fixture.entry(), Circuit::kRetries);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(above.load(), 0);
  CHECK_EQ(fixture.active(Circuit::kRetries), 0);
  CHECK_EQ(fixture.refused(Circuit::kRetries), refused.load());
}

TEST(aSubsetEntersTheCircuitsOfItsCluster) {
  BoardFixture fixture;
  ClusterSpec spec;
  spec.id = kId + 1;
  CHECK(&circuitOf(fixture.board, spec) == &fixture.board.cluster(kId + 1));
  spec.parent = kId;
  CHECK(&circuitOf(fixture.board, spec) == &fixture.entry());
}

TEST(retryBudgetsFollowRequests) {
  BoardFixture fixture;
  RetryBudget budget;
  constexpr u64 kNow = 50'000;
  // The floor first.
  for (u32 i = 0; i < kRetriesPerSecondMin; ++i) {
    CHECK(budget.takeRetry(fixture.entry(), 200, kNow));
  }
  CHECK(!budget.takeRetry(fixture.entry(), 200, kNow));
  CHECK_EQ(fixture.entry().budgetRefused.load(), 1);
  for (u32 i = 0; i < 50; ++i) budget.noteRequest(200);
  u32 retries = 0;
  while (budget.takeRetry(fixture.entry(), 200, kNow)) ++retries;
  CHECK_EQ(retries, 10);
}

TEST(retryBudgetsHaveAFloorAndACeiling) {
  BoardFixture fixture;
  RetryBudget budget;
  u64 now = 50'000;
  u32 retries = 0;
  for (u32 i = 0; i < 1000; ++i) {
    if (budget.takeRetry(fixture.entry(), 200, now)) ++retries;
    now += 10;
  }
  // 10 seconds without requests: three each second.
  CHECK(retries >= 30 && retries <= 34);
  // A pause does not save up more than one second of it.
  now += 3'600'000;
  retries = 0;
  while (budget.takeRetry(fixture.entry(), 200, now)) ++retries;
  CHECK_EQ(retries, kRetriesPerSecondMin);
  for (u32 i = 0; i < 1'000'000; ++i) budget.noteRequest(1000);
  retries = 0;
  while (budget.takeRetry(fixture.entry(), 200, now)) ++retries;
  CHECK_EQ(retries, kRetryTokensMax / kRetryPrice);
}

TEST(withoutABudgetEverythingMayBeTriedAgain) {
  BoardFixture fixture;
  RetryBudget budget;
  for (u32 i = 0; i < 1000; ++i) CHECK(budget.takeRetry(fixture.entry(), 0, 1));
  CHECK_EQ(fixture.entry().budgetRefused.load(), 0);
}

}  // namespace
}  // namespace holdfast::proxy
