// The mailbox and the log ring: order, capacity, and two threads.
#include "runtime/spsc_ring.h"

#include <memory>
#include <string>
#include <thread>

#include "check.h"

namespace holdfast {
namespace {

TEST(mailboxKeepsOrderAndRefusesWhenFull) {
  auto ring = std::make_unique<SpscRing<u32, 8>>();
  u32 message = 0;
  CHECK(ring->isEmpty());
  CHECK(!ring->pop(&message));
  for (u32 round = 0; round < 5; ++round) {
    for (u32 i = 0; i < 8; ++i) CHECK(ring->push(round * 10 + i));
    CHECK(!ring->push(99));
    for (u32 i = 0; i < 8; ++i) {
      CHECK(ring->pop(&message));
      CHECK_EQ(message, round * 10 + i);
    }
    CHECK(ring->isEmpty());
  }
}

TEST(mailboxLosesNothingBetweenTwoThreads) {
  constexpr u32 kMessages = 200000;
  auto ring = std::make_unique<SpscRing<u64, 64>>();
  std::thread writer([&] {
    for (u64 i = 0; i < kMessages; ++i) {
      while (!ring->push(i * 3)) std::this_thread::yield();
    }
  });
  for (u64 i = 0; i < kMessages; ++i) {
    u64 message = 0;
    while (!ring->pop(&message)) std::this_thread::yield();
    if (!CHECK_EQ(message, i * 3)) break;
  }
  writer.join();
  CHECK(ring->isEmpty());
}

TEST(logRingTakesRecordsWholeOrNotAtAll) {
  auto ring = std::make_unique<LogRing<16>>();
  CHECK(ring->push("0123456789", 10));
  CHECK(!ring->push("0123456789", 10));
  CHECK(ring->push("abcdef", 6));
  CHECK_EQ(ring->bytesHeld(), 16);
  char out[32];
  CHECK_EQ(ring->pop(out, 4), 4);
  CHECK_EQ(std::string_view(out, 4), "0123");
  CHECK(ring->push("wxyz", 4));
  CHECK_EQ(ring->pop(out, sizeof(out)), 16);
  CHECK_EQ(std::string_view(out, 16), "456789abcdefwxyz");
  CHECK_EQ(ring->pop(out, sizeof(out)), 0);
}

TEST(logRingKeepsBytesInOrderBetweenTwoThreads) {
  constexpr u32 kRecords = 20000;
  auto ring = std::make_unique<LogRing<1024>>();
  std::thread writer([&] {
    for (u32 i = 0; i < kRecords; ++i) {
      const std::string record = std::to_string(i) + "\n";
      while (!ring->push(record.data(), static_cast<u32>(record.size()))) {
        std::this_thread::yield();
      }
    }
  });
  std::string all;
  const std::string last = std::to_string(kRecords - 1) + "\n";
  while (!all.ends_with("\n" + last)) {
    char out[100];
    const u32 length = ring->pop(out, sizeof(out));
    all.append(out, length);
    if (length == 0) std::this_thread::yield();
  }
  writer.join();
  std::string expected;
  for (u32 i = 0; i < kRecords; ++i) expected += std::to_string(i) + "\n";
  CHECK(all == expected);
}

}  // namespace
}  // namespace holdfast
