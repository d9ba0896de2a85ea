// Hash tables of the hash balancers: from a client's hash to an endpoint, the same in every shard.
//
// Built by control code when a snapshot is compiled, then read as flat words that may lie in shared
// memory. Two kinds: Maglev (an even table, one load per lookup) and a ring (ketama-like points).
// Invariant: a table depends on the set of members only, not on their order, the machine or the
// process; so every shard, and the next process after an upgrade, sends a client to the same place.
// Does not know health or load: a caller that cannot use an answer asks again with the next probe.
#pragma once

#include <span>
#include <vector>

#include "runtime/base.h"

namespace holdfast::proxy {

enum class HashKind : u8 { kMaglev, kRing };

// `identity` is a hash of what makes the endpoint itself: its address, not its position.
struct HashMember {
  u64 identity = 0;
  u32 weight = 1;
};

// Maglev tables are prime so that every step length visits every entry. The size decides how even
// the shares are (within 1 % at 100 entries for each member), and a change of size moves almost
// every client; so there is one size for all common clusters (256 KiB) and one for very large ones,
// instead of a ladder that a growing cluster would climb. A single member needs one entry.
inline constexpr u32 kMaglevEntries = 65537;
inline constexpr u32 kMaglevEntriesLarge = 655373;
inline constexpr u32 kMaglevMembersMax = kMaglevEntries / 100;  // from here on the large table

// Points of a ring for a member of mean weight, as ketama has them, and their limit in one ring (a
// member has at least one, whatever the limit says).
inline constexpr u32 kRingPointsPerMember = 160;
inline constexpr u32 kRingPointsMax = 65536;

// Returns the words of a table whose answers are positions in `members`; empty when no member has
// weight. Members with equal identities share its place by position. O(table size), allocates.
[[nodiscard]] std::vector<u32> buildHashTable(HashKind kind, std::span<const HashMember> members);

// Reads a table. A value; borrows the words.
class HashTableView {
 public:
  HashTableView(std::span<const u32> words, HashKind kind) : words_(words), kind_(kind) {}

  // The member for a client. Probe 0 is its place; each further probe names another candidate,
  // which may be the same member again. kNoIndex when the table is empty.
  [[nodiscard]] u32 lookup(u64 hash, u32 probe) const;

  // True when every answer lies below `memberCount` and the words are a table of this kind.
  // O(size).
  [[nodiscard]] bool isValid(u32 memberCount) const;

 private:
  [[nodiscard]] u32 lookupRing(u32 hash, u32 probe) const;

  std::span<const u32> words_;
  HashKind kind_;
};

}  // namespace holdfast::proxy
