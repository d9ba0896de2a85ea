// AddressTable: how many live connections each client address has, shared by all shards.
//
// Lives in memory that the caller maps; the acceptor and every shard use it at the same time, each
// through its own mapping. Keys are keyed hashes of addresses (see hashNetwork), so neither
// addresses nor pointers are stored. Zeroed memory with a header is an empty table, and pages
// become resident only when touched.
// Invariant: within a stripe every key is reachable from its home slot without crossing a free
// slot, and a slot is free exactly when its count is 0. One stripe is changed under its own lock
// only. Does not allocate, does not know which shard acquired what, does not expire anything.
#pragma once

#include <atomic>

#include "runtime/base.h"

namespace holdfast {

class AddressTable {
 public:
  enum class Outcome : u8 {
    kOk,
    kAtLimit,  // the address holds `limit` connections already
    kFull,     // no slot is left for a further address
  };

  // Memory for `capacity` addresses at once. A table is filled unevenly: the reserve makes kFull
  // before `capacity` a matter of one in billions.
  [[nodiscard]] static size_t bytesFor(u32 capacity);

  AddressTable() = default;

  // Makes an empty table in `memory`, which must be zeroed, 64-byte aligned and bytesFor(capacity)
  // long, and outlive this object. Before anyone else attaches.
  void format(void* memory, u32 capacity);

  // Uses a table that was formatted elsewhere; false when `memory` does not begin with one.
  [[nodiscard]] bool attach(void* memory);

  // Counts one more connection of `key`; limit 0: no limit. Any thread, O(1).
  [[nodiscard]] Outcome acquire(u64 key, u32 limit);

  // Counts one connection less; false when `key` has none, and then nothing changes. Any thread.
  bool release(u64 key);

  // Live connections of `key`. Any thread.
  [[nodiscard]] u32 count(u64 key) const;

  // Live connections and addresses of the whole table; stripes are read one after the other, so
  // the sum is exact only while nothing changes. O(stripes).
  struct Totals {
    u64 connections = 0;
    u64 addresses = 0;
  };
  [[nodiscard]] Totals totals() const;

  // Debug: aborts when a key cannot be reached or a counter is wrong. O(capacity).
  void assertConserved() const;

  // Slots of one stripe, and how many of them may be taken so that probing stays short.
  static constexpr u32 kStripeSlots = 512;
  static constexpr u32 kStripeAddressesMax = 448;

 private:
  struct Header;
  struct Stripe;
  class StripeLock;

  [[nodiscard]] Stripe& stripeOf(u64 key) const;

  Header* header_ = nullptr;
  Stripe* stripes_ = nullptr;
};

}  // namespace holdfast
