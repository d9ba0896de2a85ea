// The striped open-addressing table behind AddressTable; see address_table.h for its contract.
//
// A key's high bits choose its stripe and its low bits the home slot inside it. Probing is linear
// over the dense counts, and removal shifts later entries back, so there are no tombstones.
#include "runtime/address_table.h"

#include <thread>

namespace holdfast {
namespace {

constexpr u64 kMagic = 0x31656c6261547248u;  // "HrTable1"
// Addresses a stripe is meant for: 448 is seven standard deviations above.
constexpr u32 kStripeAddressesMean = 320;
constexpr u32 kSlotMask = AddressTable::kStripeSlots - 1;
// A holder keeps the lock for tens of nanoseconds unless it lost its core; then waiting is
// pointless.
constexpr u32 kSpinsBeforeYield = 128;

void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

u32 stripesFor(u32 capacity) {
  return capacity == 0 ? 1 : (capacity - 1) / kStripeAddressesMean + 1;
}

u32 homeOf(u64 key) { return static_cast<u32>(key) & kSlotMask; }

}  // namespace

struct alignas(64) AddressTable::Header {
  u64 magic;
  u32 stripes;
  u32 reserved;
};

struct alignas(64) AddressTable::Stripe {
  std::atomic<u32> isLocked;
  u32 addresses;
  u64 connections;
  u32 counts[kStripeSlots];  // 0: the slot is free
  u64 keys[kStripeSlots];

  // The slot of `key`, or the free slot where its probing ends; kNoIndex when all are taken.
  [[nodiscard]] u32 find(u64 key) const {
    for (u32 step = 0; step < kStripeSlots; ++step) {
      const u32 slot = (homeOf(key) + step) & kSlotMask;
      if (counts[slot] == 0 || keys[slot] == key) return slot;
    }
    return kNoIndex;
  }

  // Frees `hole` and moves back each later entry whose probing would stop there.
  void erase(u32 hole) {
    --addresses;
    counts[hole] = 0;
    for (u32 step = 1; step < kStripeSlots; ++step) {
      const u32 slot = (hole + step) & kSlotMask;
      if (counts[slot] == 0) return;
      const u32 fromHome = (slot - homeOf(keys[slot])) & kSlotMask;
      if (fromHome < step) continue;  // its home lies behind the hole
      counts[hole] = counts[slot];
      keys[hole] = keys[slot];
      counts[slot] = 0;
      hole = slot;
      step = 0;
    }
  }
};

class AddressTable::StripeLock {
 public:
  explicit StripeLock(Stripe& stripe) : isLocked_(stripe.isLocked) {
    for (u32 spins = 0; isLocked_.exchange(1, std::memory_order_acquire) != 0; ++spins) {
      while (isLocked_.load(std::memory_order_relaxed) != 0) {
        if (++spins < kSpinsBeforeYield) {
          pauseCpu();
        } else {
          std::this_thread::yield();
        }
      }
    }
  }
  StripeLock(const StripeLock&) = delete;
  StripeLock& operator=(const StripeLock&) = delete;
  ~StripeLock() { isLocked_.store(0, std::memory_order_release); }

 private:
  std::atomic<u32>& isLocked_;
};

size_t AddressTable::bytesFor(u32 capacity) {
  return sizeof(Header) + size_t{stripesFor(capacity)} * sizeof(Stripe);
}

void AddressTable::format(void* memory, u32 capacity) {
  HF_ASSERT(reinterpret_cast<uintptr_t>(memory) % alignof(Header) == 0);
  header_ = static_cast<Header*>(memory);
  header_->magic = kMagic;
  header_->stripes = stripesFor(capacity);
  stripes_ = reinterpret_cast<Stripe*>(header_ + 1);
}

bool AddressTable::attach(void* memory) {
  Header* header = static_cast<Header*>(memory);
  if (header->magic != kMagic || header->stripes == 0) return false;
  header_ = header;
  stripes_ = reinterpret_cast<Stripe*>(header_ + 1);
  return true;
}

AddressTable::Stripe& AddressTable::stripeOf(u64 key) const {
  return stripes_[((key >> 32) * header_->stripes) >> 32];
}

AddressTable::Outcome AddressTable::acquire(u64 key, u32 limit) {
  Stripe& stripe = stripeOf(key);
  const StripeLock lock(stripe);
  const u32 slot = stripe.find(key);
  if (slot == kNoIndex) return Outcome::kFull;
  const u32 held = stripe.counts[slot];
  if (held == 0) {
    if (stripe.addresses >= kStripeAddressesMax) return Outcome::kFull;
    stripe.addresses += 1;
    stripe.keys[slot] = key;
  } else if (held == 0xffffffffu || (limit != 0 && held >= limit)) {
    return Outcome::kAtLimit;
  }
  stripe.counts[slot] = held + 1;
  stripe.connections += 1;
  return Outcome::kOk;
}

bool AddressTable::release(u64 key) {
  Stripe& stripe = stripeOf(key);
  const StripeLock lock(stripe);
  const u32 slot = stripe.find(key);
  if (slot == kNoIndex || stripe.counts[slot] == 0) return false;
  stripe.connections -= 1;
  if (stripe.counts[slot] == 1) {
    stripe.erase(slot);
  } else {
    stripe.counts[slot] -= 1;
  }
  return true;
}

u32 AddressTable::count(u64 key) const {
  Stripe& stripe = stripeOf(key);
  const StripeLock lock(stripe);
  const u32 slot = stripe.find(key);
  return slot == kNoIndex ? 0 : stripe.counts[slot];
}

AddressTable::Totals AddressTable::totals() const {
  Totals totals;
  for (u32 i = 0; i < header_->stripes; ++i) {
    const StripeLock lock(stripes_[i]);
    totals.connections += stripes_[i].connections;
    totals.addresses += stripes_[i].addresses;
  }
  return totals;
}

void AddressTable::assertConserved() const {
  for (u32 i = 0; i < header_->stripes; ++i) {
    Stripe& stripe = stripes_[i];
    const StripeLock lock(stripe);
    u32 addresses = 0;
    u64 connections = 0;
    for (u32 slot = 0; slot < kStripeSlots; ++slot) {
      if (stripe.counts[slot] == 0) continue;
      HF_ASSERT(stripe.find(stripe.keys[slot]) == slot);
      HF_ASSERT(&stripeOf(stripe.keys[slot]) == &stripe);
      addresses += 1;
      connections += stripe.counts[slot];
    }
    HF_ASSERT(addresses == stripe.addresses && connections == stripe.connections);
  }
}

}  // namespace holdfast
