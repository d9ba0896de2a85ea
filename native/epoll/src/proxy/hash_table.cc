// Builds and reads the tables of the hash balancers; see hash_table.h.
//
// Maglev follows Eisenbud et al., NSDI 2016, section 3.4, with weights as turns that lighter
// members sit out. The ring follows ketama with nested points: a member's first k points are the
// same whatever its weight is, so a change of weight moves only what it must.
#include "proxy/hash_table.h"

#include <algorithm>
#include <bit>

#include "runtime/random.h"

namespace holdfast::proxy {
namespace {

// Independent 64-bit hashes of one identity.
u64 hashOf(u64 identity, u64 which) {
  u64 state = identity ^ (which * 0xd1342543de82ef95u);
  return splitMix64(&state);
}

// Maps 32 random bits to [0, bound) without a division.
u32 scale(u32 bits, size_t bound) { return static_cast<u32>((u64{bits} * bound) >> 32); }

// Positions of the members that have weight, in an order that does not depend on the input's.
std::vector<u32> orderOf(std::span<const HashMember> members) {
  std::vector<u32> order;
  for (u32 i = 0; i < members.size(); ++i) {
    if (members[i].weight != 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](u32 a, u32 b) {
    if (members[a].identity != members[b].identity) {
      return members[a].identity < members[b].identity;
    }
    return a < b;
  });
  return order;
}

struct MaglevTurn {
  u32 position;
  u32 weight;
  u32 next;    // the entry it asks for next
  u32 step;    // to the one after that, modulo the table
  u64 target;  // its next turn comes when round * weight reaches this
};

std::vector<u32> buildMaglev(std::span<const HashMember> members, const std::vector<u32>& order) {
  if (order.size() == 1) return {order[0]};
  const u32 entries = order.size() <= kMaglevMembersMax ? kMaglevEntries : kMaglevEntriesLarge;
  u32 weightMax = 0;
  std::vector<MaglevTurn> turns;
  for (u32 position : order) {
    const HashMember& member = members[position];
    weightMax = std::max(weightMax, member.weight);
    turns.push_back(
        MaglevTurn{position, member.weight, static_cast<u32>(hashOf(member.identity, 1) % entries),
                   static_cast<u32>(hashOf(member.identity, 2) % (entries - 1)) + 1, 0});
  }
  // A turn in every round belongs to the next power of two, so that a small change of the heaviest
  // weight does not change the turns of all others. At most 2 * entries rounds.
  const u64 fullWeight = std::bit_ceil(weightMax);
  std::vector<u32> words(entries, kNoIndex);
  u32 filled = 0;
  for (u64 round = 1; filled < entries; ++round) {
    for (MaglevTurn& turn : turns) {
      if (filled == entries) break;
      if (round * turn.weight < turn.target) continue;
      turn.target += fullWeight;
      while (words[turn.next] != kNoIndex) turn.next = (turn.next + turn.step) % entries;
      words[turn.next] = turn.position;
      ++filled;
    }
  }
  return words;
}

struct RingPoint {
  u32 hash;
  u32 rank;  // place in the order, which breaks ties the same way everywhere
};

std::vector<u32> buildRing(std::span<const HashMember> members, const std::vector<u32>& order) {
  u64 weightSum = 0;
  for (u32 position : order) weightSum += members[position].weight;
  const u64 total = std::min<u64>(order.size() * kRingPointsPerMember, kRingPointsMax);
  std::vector<RingPoint> points;
  for (u32 rank = 0; rank < order.size(); ++rank) {
    const HashMember& member = members[order[rank]];
    const u64 count = std::max<u64>(total * member.weight / weightSum, 1);
    for (u64 i = 0; i < count; ++i) {
      points.push_back(RingPoint{static_cast<u32>(hashOf(member.identity, 16 + i) >> 32), rank});
    }
  }
  std::sort(points.begin(), points.end(), [](const RingPoint& a, const RingPoint& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.rank < b.rank;
  });
  // All hashes first, so that a search touches only them.
  std::vector<u32> words;
  words.reserve(points.size() * 2);
  for (const RingPoint& point : points) words.push_back(point.hash);
  for (const RingPoint& point : points) words.push_back(order[point.rank]);
  return words;
}

}  // namespace

std::vector<u32> buildHashTable(HashKind kind, std::span<const HashMember> members) {
  const std::vector<u32> order = orderOf(members);
  if (order.empty()) return {};
  return kind == HashKind::kMaglev ? buildMaglev(members, order) : buildRing(members, order);
}

u32 HashTableView::lookup(u64 hash, u32 probe) const {
  if (words_.empty()) return kNoIndex;
  if (kind_ == HashKind::kRing) return lookupRing(static_cast<u32>(hash >> 32), probe);
  // Each probe looks somewhere else, so the clients of one lost member spread over all others.
  u64 state = hash + probe;
  const u64 bits = probe == 0 ? hash : splitMix64(&state);
  return words_[scale(static_cast<u32>(bits >> 32), words_.size())];
}

u32 HashTableView::lookupRing(u32 hash, u32 probe) const {
  const size_t count = words_.size() / 2;
  const std::span<const u32> hashes = words_.first(count);
  const auto found = std::lower_bound(hashes.begin(), hashes.end(), hash);
  const size_t index = static_cast<size_t>(found - hashes.begin());
  return words_[count + (index + probe) % count];
}

bool HashTableView::isValid(u32 memberCount) const {
  if (words_.empty()) return false;
  std::span<const u32> answers = words_;
  if (kind_ == HashKind::kRing) {
    if (words_.size() % 2 != 0) return false;
    const std::span<const u32> hashes = words_.first(words_.size() / 2);
    if (!std::is_sorted(hashes.begin(), hashes.end())) return false;
    answers = words_.subspan(words_.size() / 2);
  }
  return std::all_of(answers.begin(), answers.end(),
                     [memberCount](u32 answer) { return answer < memberCount; });
}

}  // namespace holdfast::proxy
