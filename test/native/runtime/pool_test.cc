// Pool: capacity, reuse, and handles that never reach a slot's next owner.
#include "runtime/pool.h"

#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast {
namespace {

struct Record {
  u32 generation = 0;
  u32 link = kNoIndex;
  u64 payload = 7;
};

TEST(poolTakesUpToItsCapacity) {
  Pool<Record> pool;
  CHECK(pool.reserve(3).isOk());
  for (u32 i = 0; i < 3; ++i) CHECK_EQ(pool.take(), i);
  CHECK_EQ(pool.take(), kNoIndex);
  CHECK_EQ(pool.inUse(), 3);
  pool.release(1);
  CHECK_EQ(pool.take(), 1);
  CHECK_EQ(pool.touched(), 3);
}

TEST(poolHandsOutFreshFields) {
  Pool<Record> pool;
  CHECK(pool.reserve(1).isOk());
  pool[pool.take()].payload = 99;
  pool.release(0);
  CHECK_EQ(pool[pool.take()].payload, 7);
}

TEST(poolHandlesGoStaleOnRelease) {
  Pool<Record> pool;
  CHECK(pool.reserve(2).isOk());
  const u32 index = pool.take();
  const Handle first = pool.handleOf(index);
  CHECK(pool.resolve(first) == &pool[index]);
  CHECK(first.generation != 0);
  pool.release(index);
  CHECK(pool.resolve(first) == nullptr);
  CHECK_EQ(pool.take(), index);
  CHECK(pool.resolve(first) == nullptr);
  CHECK(pool.resolve(pool.handleOf(index)) != nullptr);
  CHECK(pool.resolve(Handle{}) == nullptr);
  CHECK(pool.resolve(Handle{1, 1}) == nullptr);  // never taken
}

TEST(poolGenerationsSkipZeroWhenTheyWrap) {
  Pool<Record> pool;
  CHECK(pool.reserve(1).isOk());
  pool[pool.take()].generation = 0xffffffffu;
  pool.release(0);
  CHECK_EQ(pool[pool.take()].generation, 1);
}

TEST(poolAgreesWithAModel) {
  constexpr u32 kCapacity = 50;
  Pool<Record> pool;
  CHECK(pool.reserve(kCapacity).isOk());
  Random random(11);
  std::vector<u32> held;
  std::vector<Handle> stale;
  for (u64 step = 0; step < 20000; ++step) {
    if (random.chance(1, 2)) {
      const u32 index = pool.take();
      CHECK_EQ(index == kNoIndex, held.size() == kCapacity);
      if (index == kNoIndex) continue;
      pool[index].payload = step + 100;
      held.push_back(index);
    } else if (!held.empty()) {
      const u32 at = random.below(static_cast<u32>(held.size()));
      if (stale.size() < 200) stale.push_back(pool.handleOf(held[at]));
      pool.release(held[at]);
      held.erase(held.begin() + at);
    }
    CHECK_EQ(pool.inUse(), held.size());
  }
  for (const Handle handle : stale) CHECK(pool.resolve(handle) == nullptr);
}

TEST(poolTreatsADoubleReleaseOfAnEmptyPoolAsAProgrammingError) {
  CHECK(check::isAborting([] {
    Pool<Record> pool;
    (void)pool.reserve(1);
    pool.release(pool.take());
    pool.release(0);
  }));
}

}  // namespace
}  // namespace holdfast
