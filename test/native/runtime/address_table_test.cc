// AddressTable against a map, at its limits, and used by several threads through two mappings.
#include "runtime/address_table.h"

#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast {
namespace {

using Outcome = AddressTable::Outcome;

// A memfd that can be mapped more than once, as the shards do.
class SharedMemory {
 public:
  explicit SharedMemory(size_t bytes) : bytes_(bytes), fd_(memfd_create("table", MFD_CLOEXEC)) {
    CHECK_EQ(ftruncate(fd_, static_cast<off_t>(bytes)), 0);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() {
    for (void* mapping : mappings_) munmap(mapping, bytes_);
    close(fd_);
  }

  void* map() {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    CHECK(memory != MAP_FAILED);
    mappings_.push_back(memory);
    return memory;
  }

 private:
  size_t bytes_;
  int fd_;
  std::vector<void*> mappings_;
};

TEST(addressTableAgreesWithAMap) {
  for (u64 seed = 1; seed <= 20 && check::failures() == 0; ++seed) {
    Random random(seed);
    const u32 capacity = 1 + random.below(900);
    SharedMemory memory(AddressTable::bytesFor(capacity));
    AddressTable table;
    table.format(memory.map(), capacity);
    std::map<u64, u32> model;
    // Few distinct home slots, so that clusters, wraps and shifts happen all the time.
    const u64 homes = 1 + random.below(40);
    u64 connections = 0;
    for (int step = 0; step < 20000 && check::failures() == 0; ++step) {
      const u64 home =
          (AddressTable::kStripeSlots - homes / 2 + random.below(static_cast<u32>(homes))) %
          AddressTable::kStripeSlots;
      const u64 key = (u64{random.below(8)} << 61) | (u64{random.below(16)} << 12) | home;
      if (random.chance(random.chance(1, 2) ? 3 : 1, 4)) {
        const u32 limit = random.below(4);
        const u32 held = model.contains(key) ? model[key] : 0;
        const Outcome outcome = table.acquire(key, limit);
        if (outcome == Outcome::kOk) {
          CHECK(limit == 0 || held < limit);
          model[key] = held + 1;
          ++connections;
        } else {
          CHECK(outcome == Outcome::kAtLimit ? limit != 0 && held >= limit : held == 0);
        }
      } else {
        CHECK_EQ(table.release(key), model.contains(key));
        if (model.contains(key)) {
          --connections;
          if (--model[key] == 0) model.erase(key);
        }
      }
      CHECK_EQ(table.count(key), model.contains(key) ? model[key] : 0);
      if (step % 64 == 0) table.assertConserved();
    }
    CHECK_EQ(table.totals().connections, connections);
    CHECK_EQ(table.totals().addresses, model.size());
    for (const auto& [key, count] : model) {
      CHECK_EQ(table.count(key), count);
      for (u32 i = 0; i < count; ++i) CHECK(table.release(key));
    }
    CHECK_EQ(table.totals().addresses, 0);
  }
}

TEST(addressTableHoldsItsCapacity) {
  for (u32 capacity : {1u, 320u, 1000u, 100000u}) {
    SharedMemory memory(AddressTable::bytesFor(capacity));
    AddressTable table;
    table.format(memory.map(), capacity);
    Random random(capacity);
    std::vector<u64> keys(capacity);
    for (u64& key : keys) {
      key = random.nextU64();
      CHECK(table.acquire(key, 1) == Outcome::kOk);
    }
    CHECK_EQ(table.totals().addresses, capacity);
    for (u64 key : keys) CHECK(table.acquire(key, 1) == Outcome::kAtLimit);
    for (u64 key : keys) CHECK(table.release(key));
    CHECK_EQ(table.totals().connections, 0);
  }
}

TEST(addressTableSaysWhenItIsFull) {
  SharedMemory memory(AddressTable::bytesFor(1));
  AddressTable table;
  table.format(memory.map(), 1);
  for (u64 key = 0; key < AddressTable::kStripeAddressesMax; ++key) {
    CHECK(table.acquire(key * 7919, 0) == Outcome::kOk);
  }
  CHECK(table.acquire(1, 0) == Outcome::kFull);
  CHECK(table.acquire(7919, 0) == Outcome::kOk);  // a known address still counts
  CHECK(!table.release(1));
  CHECK(table.release(0));
  CHECK(table.acquire(1, 0) == Outcome::kOk);
  table.assertConserved();
}

TEST(addressTableAttachesToFormattedMemoryOnly) {
  SharedMemory memory(AddressTable::bytesFor(100));
  AddressTable table;
  CHECK(!table.attach(memory.map()));
  table.format(memory.map(), 100);
  CHECK(table.acquire(5, 0) == Outcome::kOk);
  AddressTable other;
  CHECK(other.attach(memory.map()));
  CHECK_EQ(other.count(5), 1);
  CHECK(other.release(5));
  CHECK_EQ(table.count(5), 0);
}

TEST(addressTableIsExactUnderThreads) {
  constexpr u32 kThreads = 4;
  constexpr u32 kRounds = 20000;
  constexpr u32 kLimit = 3;
  SharedMemory memory(AddressTable::bytesFor(64));
  AddressTable first;
  first.format(memory.map(), 64);
  AddressTable second;
  CHECK(second.attach(memory.map()));
  std::vector<std::thread> threads;
  for (u32 t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      AddressTable& table = t % 2 == 0 ? first : second;
      Random random(t);
      std::vector<u64> held;
      for (u32 round = 0; round < kRounds; ++round) {
        const u64 key = random.below(32);
        if (random.chance(1, 2) || held.empty()) {
          const Outcome outcome = table.acquire(key, kLimit);
          CHECK(outcome != Outcome::kFull);
          if (outcome == Outcome::kOk) held.push_back(key);
        } else {
          CHECK(table.release(held.back()));
          held.pop_back();
        }
        if (table.count(key) > kLimit) CHECK(false);
      }
      for (u64 key : held) CHECK(table.release(key));
    });
  }
  for (std::thread& thread : threads) thread.join();
  first.assertConserved();
  CHECK_EQ(first.totals().connections, 0);
  CHECK_EQ(first.totals().addresses, 0);
}

}  // namespace
}  // namespace holdfast
