// Operations on a timer wheel, checked against a plain table of deadlines.
//
// Each byte of the input is an operation on one of 32 nodes; callbacks take operations from the
// same input, so re-entrancy is covered too. Every deadline fires once, on time, and in order.
#include <algorithm>
#include <array>

#include "runtime/timer_wheel.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;

constexpr u32 kNodes = 32;
constexpr size_t kOperationsMax = 1024;  // bytes of the input that are used

struct World {
  struct NodeOf {
    World* world;
    TimerNode& operator()(u32 index) const { return world->nodes[index]; }
  };

  explicit World(std::span<const u8> input)
      : choices(input), start(choices.takeU32()), wheel(NodeOf{this}, start) {}

  std::array<TimerNode, kNodes> nodes{};
  std::array<u64, kNodes> deadlines{};  // ticks since `start` without a wrap; 0: none
  fuzz::Choices choices;
  u32 start;
  u64 done = 0;  // the wheel's time
  u64 asked = 0;
  TimerWheel<NodeOf> wheel;

  void follow() { done += wheel.now() - static_cast<u32>(start + done); }

  // A distance of any magnitude in two bytes.
  u64 takeDelta() {
    const u8 shift = choices.takeU8() % 31;
    return (u64{choices.takeU8()} << shift >> 7) & 0x7fffffffu;
  }

  void change(u8 operation) {
    const u32 index = operation % kNodes;
    follow();
    if ((operation & 0x20) != 0) {
      wheel.disarm(index);
      deadlines[index] = 0;
      return;
    }
    const u64 at = done + std::min<u64>(takeDelta(), 0x7fffffffu);
    wheel.arm(index, start + static_cast<u32>(at));
    deadlines[index] = std::max(at, done + 1);
  }

  void fire(u32 index, u64* last) {
    follow();
    FUZZ_CHECK(deadlines[index] != 0 && deadlines[index] == done);
    FUZZ_CHECK(deadlines[index] >= *last && deadlines[index] <= asked);
    *last = deadlines[index];
    deadlines[index] = 0;
    FUZZ_CHECK(!wheel.isArmed(nodes[index]));
    const u8 operation = choices.takeU8();
    if ((operation & 0x80) != 0) change(operation & 0x3f);
  }

  void advance(u8 operation) {
    const u64 furthest = done + 0x7fffffffu;
    asked = std::min(std::max(asked, done + takeDelta()), furthest);
    const u32 expirationsMax = (operation & 1) != 0 ? 1 + operation % 3u : 1000;
    u64 last = done;
    (void)wheel.advance(
        start + static_cast<u32>(asked), [&](u32 index) { fire(index, &last); }, expirationsMax);
    follow();
    wheel.assertConserved();
    if (wheel.isBehind()) return;
    FUZZ_CHECK(done == asked);
    for (u64 deadline : deadlines) FUZZ_CHECK(deadline == 0 || deadline > done);
  }

  void check() {
    u32 armed = 0;
    u64 earliest = done + 0x7fffffffu;
    for (u64 deadline : deadlines) {
      armed += deadline != 0 ? 1 : 0;
      if (deadline != 0) earliest = std::min(earliest, deadline);
    }
    FUZZ_CHECK(wheel.count() == armed);
    FUZZ_CHECK(wheel.nextExpiryTick() - wheel.now() <= std::max(earliest, done) - done);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  World world({bytes, std::min(length, kOperationsMax)});
  while (!world.choices.isAtEnd()) {
    const u8 operation = world.choices.takeU8();
    if ((operation & 0xc0) == 0xc0) {
      world.advance(operation);
    } else {
      world.change(operation & 0x3f);
    }
    world.check();
  }
  return 0;
}
