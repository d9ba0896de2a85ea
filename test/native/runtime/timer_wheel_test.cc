// TimerWheel against a sorted list, and its promises to callbacks that change the wheel.
#include "runtime/timer_wheel.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast {
namespace {

struct NodesOf {
  std::vector<TimerNode>* nodes;
  TimerNode& operator()(u32 index) const { return (*nodes)[index]; }
};

struct Bench {
  explicit Bench(u32 size, u32 startTick = 0) : nodes(size), wheel(NodesOf{&nodes}, startTick) {}
  std::vector<TimerNode> nodes;
  TimerWheel<NodesOf> wheel;

  std::vector<u32> advance(u32 tick, u32 expirationsMax = 1000000) {
    std::vector<u32> fired;
    (void)wheel.advance(
        tick, [&](u32 index) { fired.push_back(index); }, expirationsMax);
    return fired;
  }
};

// A delta whose magnitude is spread over all levels of the wheel.
u32 randomDelta(Random& random) {
  const u32 bits = random.below(31);
  return random.nextU32() & ((1u << bits) - 1);
}

// Runs random operations against std::set<(ticks since start, index)>.
void runModel(u64 seed, u32 startTick, u32 expirationsMax) {
  constexpr u32 kNodes = 64;
  Random random(seed);
  Bench bench(kNodes, startTick);
  std::set<std::pair<u64, u32>> model;
  std::vector<u64> deadline(kNodes, 0);
  u64 now = 0;   // ticks since startTick, without a wrap
  u64 done = 0;  // the wheel's now() in the same count
  auto erase = [&](u32 index) { model.erase({deadline[index], index}); };
  for (int step = 0; step < 4000 && check::failures() == 0; ++step) {
    const u32 index = random.below(kNodes);
    const u32 action = random.below(8);
    if (action < 4) {
      const u64 at = std::min<u64>(now + randomDelta(random), done + 0x7fffffffu);
      erase(index);
      deadline[index] = std::max(at, done + 1);
      model.insert({deadline[index], index});
      bench.wheel.arm(index, startTick + static_cast<u32>(at));
    } else if (action == 4) {
      erase(index);
      bench.wheel.disarm(index);
      CHECK(!bench.wheel.isArmed(bench.nodes[index]));
    } else {
      now += random.chance(1, 3) ? randomDelta(random) : random.below(100);
      if (now - done > 0x7fffffffu) now = done + 0x7fffffffu;
      const u32 nowTick = startTick + static_cast<u32>(now);
      do {
        u64 lastDeadline = 0;
        for (u32 fired : bench.advance(nowTick, expirationsMax)) {
          CHECK(deadline[fired] <= now);
          CHECK(deadline[fired] >= lastDeadline);
          CHECK(model.contains({deadline[fired], fired}));
          lastDeadline = deadline[fired];
          erase(fired);
        }
        done += bench.wheel.now() - static_cast<u32>(startTick + done);
      } while (bench.wheel.isBehind() && random.chance(3, 4));
      if (!bench.wheel.isBehind()) {
        CHECK(model.empty() || model.begin()->first > now);
        CHECK_EQ(bench.wheel.now(), nowTick);
      }
    }
    bench.wheel.assertConserved();
    CHECK_EQ(bench.wheel.count(), model.size());
    const u32 ahead = bench.wheel.nextExpiryTick() - bench.wheel.now();
    if (!model.empty()) CHECK(ahead <= std::max(model.begin()->first, done) - done);
    if (!bench.wheel.isBehind()) CHECK(ahead > 0);
  }
  if (check::failures() != 0) check::fail(__FILE__, __LINE__, "seed " + std::to_string(seed));
}

TEST(timerWheelAgreesWithASortedList) {
  for (u64 seed = 1; seed <= 30 && check::failures() == 0; ++seed) runModel(seed, 0, 1000000);
}

TEST(timerWheelAgreesWithASortedListAcrossTheWrap) {
  for (u64 seed = 1; seed <= 30 && check::failures() == 0; ++seed) {
    runModel(seed, 0u - static_cast<u32>(seed * 1000), 1000000);
  }
}

TEST(timerWheelResumesWhenItsBudgetIsUsed) {
  for (u64 seed = 1; seed <= 30 && check::failures() == 0; ++seed) {
    runModel(seed, static_cast<u32>(seed) << 28, 1 + static_cast<u32>(seed % 3));
  }
}

TEST(timerWheelFiresOnTheExactTick) {
  for (u32 delta : {1u, 2u, 63u, 64u, 65u, 4095u, 4096u, 262144u, 16777216u, 0x7fffffffu}) {
    Bench bench(1, 12345);
    bench.wheel.arm(0, 12345 + delta);
    CHECK(bench.advance(12345 + delta - 1).empty());
    CHECK_EQ(bench.advance(12345 + delta).size(), 1);
    CHECK(!TimerWheel<NodesOf>::isArmed(bench.nodes[0]));
  }
}

TEST(timerWheelFiresAPastDeadlineOnTheNextTick) {
  Bench bench(2, 1000);
  bench.wheel.arm(0, 1000);
  bench.wheel.arm(1, 10);
  CHECK_EQ(bench.wheel.nextExpiryTick(), 1001);
  CHECK(bench.advance(1000).empty());
  CHECK_EQ(bench.advance(1001).size(), 2);
}

TEST(timerWheelIgnoresTimeThatRunsBackwards) {
  Bench bench(1, 1000);
  bench.wheel.arm(0, 1100);
  CHECK(bench.advance(1050).empty());
  CHECK(bench.advance(900).empty());
  CHECK_EQ(bench.wheel.now(), 1050);
  CHECK_EQ(bench.advance(1100).size(), 1);
}

TEST(timerWheelLetsACallbackArmItself) {
  Bench bench(1);
  bench.wheel.arm(0, 10);
  u32 fired = 0;
  (void)bench.wheel.advance(
      100,
      [&](u32 index) {
        ++fired;
        bench.wheel.arm(index, bench.wheel.now());  // as early as can be
      },
      5);
  CHECK_EQ(fired, 5);
  CHECK(bench.wheel.isBehind());
  CHECK_EQ(bench.wheel.now(), 14);
  CHECK(bench.wheel.isArmed(bench.nodes[0]));
}

TEST(timerWheelLetsACallbackDisarmOthersOfTheSameTick) {
  Bench bench(100);
  for (u32 index = 0; index < 100; ++index) bench.wheel.arm(index, 4096);
  std::vector<u32> fired;
  (void)bench.wheel.advance(
      4096,
      [&](u32 index) {
        fired.push_back(index);
        for (u32 other = 0; other < 100; ++other) {
          if (other / 2 == index / 2 && other != index) bench.wheel.disarm(other);
        }
      },
      1000);
  CHECK_EQ(fired.size(), 50);
  CHECK_EQ(bench.wheel.count(), 0);
}

TEST(timerWheelLetsACallbackMoveOthersOfTheSameTick) {
  Bench bench(10);
  for (u32 index = 0; index < 10; ++index) bench.wheel.arm(index, 64);
  u32 fired = 0;
  (void)bench.wheel.advance(
      64,
      [&](u32) {
        ++fired;
        for (u32 other = 0; other < 10; ++other) {
          if (bench.wheel.isArmed(bench.nodes[other])) bench.wheel.arm(other, 70);
        }
        bench.wheel.assertConserved();
      },
      1000);
  CHECK_EQ(fired, 1);
  CHECK_EQ(bench.wheel.count(), 9);
  CHECK_EQ(bench.wheel.nextExpiryTick(), 70);
  CHECK_EQ(bench.advance(70).size(), 9);
}

TEST(timerWheelLetsACallbackFreeAndReuseARecord) {
  Bench bench(8);
  for (u32 index = 0; index < 8; ++index) bench.wheel.arm(index, 5 + index % 2);
  u32 fired = 0;
  (void)bench.wheel.advance(
      6,
      [&](u32 index) {
        ++fired;
        bench.wheel.disarm((index + 1) % 8);
        bench.nodes[(index + 1) % 8] = TimerNode{};  // what a pool does with a freed slot
        bench.wheel.arm((index + 1) % 8, 1000);
        bench.wheel.assertConserved();
      },
      1000);
  CHECK_EQ(fired, 4);
  CHECK_EQ(bench.wheel.count(), 4);
  CHECK_EQ(bench.advance(1000).size(), 4);
}

TEST(timerWheelBoundsTheNodesItMoves) {
  // All nodes share one far slot: opening it must not visit them in one call.
  constexpr u32 kNodes = 10000;
  Bench bench(kNodes);
  for (u32 index = 0; index < kNodes; ++index) bench.wheel.arm(index, 262144 + 1 + index % 4000);
  CHECK(bench.advance(262144, 100).empty());
  CHECK(bench.wheel.isBehind());
  u32 calls = 1;
  for (; bench.wheel.isBehind(); ++calls) CHECK(bench.advance(262144, 100).empty());
  CHECK(calls >= kNodes / (100 * TimerWheel<NodesOf>::kMovesPerExpiration));
  CHECK_EQ(bench.advance(262144 + 4000).size(), kNodes);
}

TEST(timerWheelWithNothingArmedAnswersAFarBound) {
  Bench bench(1, 77);
  CHECK_EQ(bench.wheel.nextExpiryTick(), 77 + TimerWheel<NodesOf>::kTicksMax);
  CHECK(bench.advance(500000).empty());
  CHECK_EQ(bench.wheel.now(), 500000);
}

}  // namespace
}  // namespace holdfast
