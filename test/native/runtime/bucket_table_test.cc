// Token buckets: what they grant over time, when slots run out, and from several threads at once.
#include "runtime/bucket_table.h"

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "runtime/sys.h"

#include "check.h"

namespace holdfast {
namespace {

constexpr u64 kMs = 1'000'000;
constexpr u64 kSecond = 1000 * kMs;
constexpr u64 kNow = 5 * kSecond;

class World {
 public:
  World() : memory_(sys::reserve(BucketTable::bytesFor())), table(memory_, kSecond) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { sys::unreserve(memory_, BucketTable::bytesFor()); }

 private:
  void* memory_;

 public:
  BucketTable table;
};

BucketRate rateOf(u64 count, u64 periodMs, u64 burst) {
  BucketRate rate;
  CHECK(makeBucketRate(count, periodMs, burst, &rate));
  return rate;
}

TEST(bucketsGrantTheBurstAndThenTheRate) {
  World world;
  const BucketRate rate = rateOf(10, 1000, 3);
  for (u64 left = 3; left > 0; --left) {
    const BucketTake take = world.table.take(77, rate, 1, kNow);
    CHECK(take.isGranted);
    CHECK_EQ(take.remaining, left - 1);
  }
  const BucketTake refused = world.table.take(77, rate, 1, kNow);
  CHECK(!refused.isGranted && !refused.isFull);
  CHECK(refused.waitNs > 99 * kMs && refused.waitNs < 101 * kMs);
  CHECK(world.table.take(78, rate, 1, kNow).isGranted);
  CHECK(!world.table.take(77, rate, 1, kNow + 99 * kMs).isGranted);
  CHECK(world.table.take(77, rate, 1, kNow + 101 * kMs).isGranted);
  CHECK(!world.table.take(77, rate, 1, kNow + 101 * kMs).isGranted);
  // Full again, and no fuller.
  CHECK_EQ(world.table.take(77, rate, 2, kNow + 60 * kSecond).remaining, 1);
}

TEST(bucketsThatTakeMonthsToFillCountWhatIsLeft) {
  World world;
  constexpr u64 kWeekMs = u64{7} * 24 * 3600 * 1000;
  for (const u64 burst : {1'000, 10'000, 50'000}) {
    const BucketRate rate = rateOf(1000, kWeekMs, burst);
    const BucketTake take = world.table.take(burst, rate, 1, kNow);
    CHECK(take.isGranted);
    CHECK_EQ(take.remaining, burst - 1);
  }
}

TEST(bucketsHoldToSlowAndFastRates) {
  World world;
  const BucketRate slow = rateOf(1, 24 * 3600 * 1000, 1);
  CHECK(world.table.take(1, slow, 1, kNow).isGranted);
  CHECK(!world.table.take(1, slow, 1, kNow + 86'000 * kSecond).isGranted);
  CHECK(world.table.take(1, slow, 1, kNow + 86'401 * kSecond).isGranted);
  const BucketRate fast = rateOf(1'000'000'000, 1000, 1 << 20);
  u64 granted = 0;
  for (u64 step = 0; step < 10'000; ++step) {
    if (world.table.take(3, fast, 4096, kNow + step * 1000).isGranted) granted += 4096;
  }
  // Ten milliseconds of a gigabyte a second, and the burst.
  CHECK(granted > 10'900'000 && granted < 11'200'000);
}

TEST(bucketsOweWhatHasPassedAlready) {
  World world;
  const BucketRate rate = rateOf(1000, 1000, 1000);
  CHECK_EQ(world.table.charge(5, rate, 1000, kNow).waitNs, 0);
  const BucketTake owed = world.table.charge(5, rate, 500, kNow);
  CHECK(owed.isGranted && owed.waitNs > 499 * kMs && owed.waitNs < 501 * kMs);
  CHECK(!world.table.take(5, rate, 1, kNow + 400 * kMs).isGranted);
  CHECK(world.table.take(5, rate, 1, kNow + 502 * kMs).isGranted);
  // More than can be owed is cut, not wrapped.
  CHECK(world.table.charge(6, rate, ~u64{0}, kNow).waitNs > kSecond);
  CHECK(!world.table.take(6, rate, 1, kNow + kSecond).isGranted);
}

TEST(bucketsTakeBackWhatWasNotUsed) {
  World world;
  const BucketRate rate = rateOf(1000, 1000, 1000);
  CHECK(world.table.charge(5, rate, 1500, kNow).waitNs > 0);
  CHECK_EQ(world.table.refund(5, rate, 1000, kNow).waitNs, 0);
  CHECK(world.table.take(5, rate, 500, kNow).isGranted);
  CHECK(!world.table.take(5, rate, 1, kNow).isGranted);
  // Never more than the burst.
  CHECK(world.table.refund(5, rate, 1'000'000, kNow).remaining <= 1000);
  CHECK(world.table.take(5, rate, 1000, kNow).isGranted);
  CHECK(!world.table.take(5, rate, 1, kNow).isGranted);
}

TEST(bucketsForgetWhatAnotherRateMade) {
  World world;
  CHECK(world.table.take(9, rateOf(1, 24 * 3600 * 1000, 1), 1, kNow).isGranted);
  const BucketRate fast = rateOf(100, 1000, 2);
  CHECK(world.table.take(9, fast, 1, kNow).isGranted);
  CHECK(world.table.take(9, fast, 1, kNow).isGranted);
  CHECK(!world.table.take(9, fast, 1, kNow).isGranted);
}

TEST(bucketsRefuseRatesThatMakeNoSense) {
  BucketRate rate;
  CHECK(!makeBucketRate(0, 1000, 1, &rate));
  CHECK(!makeBucketRate(1, 0, 1, &rate));
  CHECK(!makeBucketRate(1, 1000, 0, &rate));
  CHECK(!makeBucketRate(1, kRatePeriodMsMax + 1, 1, &rate));
  CHECK(!makeBucketRate(1, kRatePeriodMsMax, 1000, &rate));
  CHECK(makeBucketRate(1, kRatePeriodMsMax, 50, &rate));
  CHECK(makeBucketRate(kRateCountMax, 1, kRateCountMax, &rate));
}

TEST(bucketsFailOpenWhenThereIsNoSlot) {
  World world;
  const BucketRate rate = rateOf(1, 3600 * 1000, 1);
  // Keys with one home: as many as one key is looked for in.
  const auto keyOf = [](u64 number) { return number << 32 | 1; };
  for (u64 i = 1; i <= BucketTable::kProbes; ++i) {
    CHECK(!world.table.take(keyOf(i), rate, 1, kNow).isFull);
  }
  const BucketTake full = world.table.take(keyOf(100), rate, 1, kNow);
  CHECK(full.isFull && full.isGranted);
  CHECK(!world.table.take(keyOf(1), rate, 1, kNow).isGranted);
  // A bucket that is full again gives its slot away.
  const u64 later = kNow + 3601 * kSecond;
  CHECK(!world.table.take(keyOf(100), rate, 1, later).isFull);
  CHECK(!world.table.take(keyOf(100), rate, 1, later).isGranted);
}

TEST(bucketsGrantNoMoreToManyThreads) {
  World world;
  constexpr u32 kThreads = 4;
  constexpr u64 kKeys = 16;
  constexpr u64 kBurst = 500;
  const BucketRate rate = rateOf(1, 3600 * 1000, kBurst);
  std::atomic<u64> granted[kKeys] = {};
  std::vector<std::thread> threads;
  for (u32 thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (u64 i = 0; i < 2 * kKeys * kBurst; ++i) {
        const u64 key = i % kKeys;
        const BucketTake take = world.table.take(key * 0x9e3779b97f4a7c15u, rate, 1, kNow);
        if (take.isGranted && !take.isFull) granted[key].fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<u64>& count : granted) CHECK_EQ(count.load(), kBurst);
}

TEST(bucketsChangeHandsUnderManyThreads) {
  World world;
  constexpr u32 kThreads = 4;
  const BucketRate rate = rateOf(1000, 1000, 1);
  std::atomic<u64> takes{0};
  std::vector<std::thread> threads;
  for (u32 thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      // Many keys with one home: slots expire and are taken over all the time.
      for (u64 i = 0; i < 20'000; ++i) {
        const u64 key = ((i * (thread + 1)) % 64 + 1) << 32 | 1;
        (void)world.table.take(key, rate, 1, kNow + i * 50'000);
        takes.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(takes.load(), kThreads * 20'000);
  // Whatever happened, nothing owes more than one token for long.
  const u64 later = kNow + 60 * kSecond;
  for (u64 key = 1; key <= 64; ++key) {
    CHECK(world.table.take(key << 32 | 1, rate, 1, later + key * kSecond).isGranted);
  }
}

}  // namespace
}  // namespace holdfast
