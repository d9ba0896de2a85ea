// Hash tables: even shares, few moves when members change, and the same answers
// everywhere.
#include "proxy/hash_table.h"

#include <algorithm>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

constexpr u32 kClients = 100000;

std::vector<HashMember> members(u32 count, u32 weight = 1) {
  std::vector<HashMember> result;
  for (u32 i = 0; i < count; ++i) {
    u64 state = i;
    result.push_back(HashMember{splitMix64(&state), weight});
  }
  return result;
}

// The identity that each of kClients clients is sent to.
std::vector<u64> placements(HashKind kind, const std::vector<HashMember>& from, u32 probe = 0) {
  const std::vector<u32> words = buildHashTable(kind, from);
  const HashTableView view(words, kind);
  CHECK(view.isValid(static_cast<u32>(from.size())));
  Random random(1);
  std::vector<u64> placed;
  for (u32 i = 0; i < kClients; ++i)
    placed.push_back(from[view.lookup(random.nextU64(), probe)].identity);
  return placed;
}

double shareOf(const std::vector<u64>& placed, const HashMember& member) {
  return static_cast<double>(std::count(placed.begin(), placed.end(), member.identity)) / kClients;
}

double movedShare(const std::vector<u64>& before, const std::vector<u64>& after) {
  u32 moved = 0;
  for (u32 i = 0; i < kClients; ++i) moved += before[i] != after[i] ? 1 : 0;
  return static_cast<double>(moved) / kClients;
}

void checkShares(HashKind kind, const std::vector<HashMember>& from, double tolerance) {
  const std::vector<u64> placed = placements(kind, from);
  double weightSum = 0;
  for (const HashMember& member : from) weightSum += member.weight;
  for (const HashMember& member : from) {
    const double expected = member.weight / weightSum;
    const double share = shareOf(placed, member);
    CHECK(share > expected * (1 - tolerance) && share < expected * (1 + tolerance));
  }
}

TEST(maglevSharesAreEven) {
  checkShares(HashKind::kMaglev, members(10), 0.05);
  checkShares(HashKind::kMaglev, members(3), 0.02);
  checkShares(HashKind::kMaglev, members(1), 0.001);
}

TEST(ringSharesAreRoughlyEven) {
  checkShares(HashKind::kRing, members(10), 0.35);
  checkShares(HashKind::kRing, members(1), 0.001);
}

TEST(hashSharesFollowWeights) {
  for (HashKind kind : {HashKind::kMaglev, HashKind::kRing}) {
    std::vector<HashMember> weighted = members(6);
    for (u32 i = 0; i < 6; ++i) weighted[i].weight = 1 + i * 2;
    checkShares(kind, weighted, kind == HashKind::kMaglev ? 0.05 : 0.35);
    weighted[3].weight = 0;
    CHECK_EQ(shareOf(placements(kind, weighted), weighted[3]), 0.0);
  }
}

TEST(hashTableDoesNotDependOnOrder) {
  for (HashKind kind : {HashKind::kMaglev, HashKind::kRing}) {
    std::vector<HashMember> forward = members(12);
    forward[4].weight = 7;
    std::vector<HashMember> shuffled = forward;
    Random random(3);
    for (u32 i = 11; i > 0; --i) std::swap(shuffled[i], shuffled[random.below(i + 1)]);
    CHECK(placements(kind, forward) == placements(kind, shuffled));
    CHECK(buildHashTable(kind, forward) == buildHashTable(kind, forward));
  }
}

TEST(removingAMemberMovesLittleMoreThanItsClients) {
  for (HashKind kind : {HashKind::kMaglev, HashKind::kRing}) {
    const std::vector<HashMember> before = members(20);
    std::vector<HashMember> after = before;
    after.erase(after.begin() + 7);
    const std::vector<u64> placed = placements(kind, before);
    const double own = shareOf(placed, before[7]);
    const double moved = movedShare(placed, placements(kind, after));
    CHECK(moved >= own);
    CHECK(moved < own + (kind == HashKind::kMaglev ? 0.03 : 0.001));
  }
}

TEST(changingAWeightMovesLittle) {
  for (HashKind kind : {HashKind::kMaglev, HashKind::kRing}) {
    const std::vector<HashMember> before = members(20, 10);
    std::vector<HashMember> after = before;
    after[3].weight = 11;
    const double moved = movedShare(placements(kind, before), placements(kind, after));
    CHECK(moved > 0);
    CHECK(moved < 0.04);
  }
}

TEST(laterProbesReachOtherMembers) {
  for (HashKind kind : {HashKind::kMaglev, HashKind::kRing}) {
    const std::vector<HashMember> from = members(8);
    const std::vector<u32> words = buildHashTable(kind, from);
    const HashTableView view(words, kind);
    Random random(5);
    for (int client = 0; client < 1000; ++client) {
      const u64 hash = random.nextU64();
      u32 seen = 0;
      for (u32 probe = 0; probe < 64; ++probe) seen |= 1u << view.lookup(hash, probe);
      CHECK(__builtin_popcount(seen) >= 6);
    }
    // Without member 0, its clients go to every other one.
    std::vector<u32> heirs(8, 0);
    for (int client = 0; client < 20000; ++client) {
      const u64 hash = random.nextU64();
      if (view.lookup(hash, 0) != 0) continue;
      u32 probe = 1;
      while (view.lookup(hash, probe) == 0) ++probe;
      heirs[view.lookup(hash, probe)] += 1;
    }
    for (u32 heir = 1; heir < 8; ++heir) CHECK(heirs[heir] > 100);
  }
}

TEST(hashTableSizesAreBounded) {
  std::vector<HashMember> many = members(16384);
  for (u32 i = 0; i < many.size(); ++i) many[i].weight = 1 + i % 256;
  CHECK_EQ(buildHashTable(HashKind::kMaglev, many).size(), kMaglevEntriesLarge);
  CHECK(buildHashTable(HashKind::kRing, many).size() <= 2 * (kRingPointsMax + many.size()));
  CHECK_EQ(buildHashTable(HashKind::kMaglev, members(2)).size(), kMaglevEntries);
  CHECK_EQ(buildHashTable(HashKind::kMaglev, members(1)).size(), 1);
  CHECK(buildHashTable(HashKind::kMaglev, {}).empty());
  CHECK(buildHashTable(HashKind::kRing, members(3, 0)).empty());
}

TEST(hashTableOfEqualIdentitiesUsesEach) {
  for (HashKind kind : {HashKind::kMaglev}) {
    const std::vector<HashMember> twins(2, HashMember{77, 1});
    const std::vector<u32> words = buildHashTable(kind, twins);
    const auto ones = std::count(words.begin(), words.end(), 1u);
    CHECK(ones > static_cast<std::ptrdiff_t>(words.size()) / 3);
  }
}

TEST(hashTableViewRefusesBadWords) {
  const std::vector<u32> empty;
  CHECK(!HashTableView(empty, HashKind::kMaglev).isValid(1));
  CHECK_EQ(HashTableView(empty, HashKind::kRing).lookup(1, 0), kNoIndex);
  const std::vector<u32> outside = {0, 1, 2};
  CHECK(!HashTableView(outside, HashKind::kMaglev).isValid(2));
  CHECK(HashTableView(outside, HashKind::kMaglev).isValid(3));
  CHECK(!HashTableView(outside, HashKind::kRing).isValid(3));
  const std::vector<u32> unsorted = {9, 5, 0, 0};
  CHECK(!HashTableView(unsorted, HashKind::kRing).isValid(1));
  const std::vector<u32> ring = {5, 9, 0, 1};
  const HashTableView view(ring, HashKind::kRing);
  CHECK(view.isValid(2));
  CHECK_EQ(view.lookup(u64{4} << 32, 0), 0);
  CHECK_EQ(view.lookup(u64{6} << 32, 0), 1);
  CHECK_EQ(view.lookup(u64{10} << 32, 0), 0);  // around the ring
  CHECK_EQ(view.lookup(u64{10} << 32, 1), 1);
}

}  // namespace
}  // namespace holdfast::proxy
