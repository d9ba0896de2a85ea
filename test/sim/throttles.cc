// See throttles.h.
#include "sim/throttles.h"

namespace holdfast::sim {
namespace {

constexpr u64 kSharedMin = 32 * 1024;  // bytes a second, of all connections of a world
constexpr u64 kOwnMin = 8 * 1024;
constexpr u32 kIdFirst = 30;

policy::PolicyParts drawShared(Random& random) {
  policy::PolicyParts parts;
  parts.kind = policy::PolicyKind::kRateLimit;
  parts.phase = policy::Phase::kNone;
  parts.limit.counted = policy::Counted::kBytes;
  parts.limit.directions = 1 + random.below(policy::kBothDirections);
  if (random.chance(1, 2)) parts.limit.by = {{policy::KeyKind::kAddress}};
  parts.limit.count = kSharedMin << random.below(6);
  parts.limit.burst = random.chance(1, 2) ? 1 : 1 + random.below(65536);
  return parts;
}

policy::PolicyParts drawOwn(Random& random) {
  policy::PolicyParts parts;
  parts.kind = policy::PolicyKind::kFault;
  parts.phase = policy::Phase::kOpen;
  parts.inject.throttleMillionths = random.chance(1, 2) ? policy::kMillion : policy::kMillion / 2;
  parts.inject.throttleDirections = 1 + random.below(policy::kBothDirections);
  parts.inject.throttleBytes = kOwnMin << random.below(8);
  return parts;
}

}  // namespace

std::vector<policy::PolicyParts> drawThrottles(Random& random) {
  std::vector<policy::PolicyParts> policies;
  const u32 count = 1 + random.below(2);
  for (u32 i = 0; i < count; ++i) {
    policies.push_back(random.chance(1, 2) ? drawShared(random) : drawOwn(random));
    policies.back().id = kIdFirst + i;
    policies.back().name = "slow";
    policies.back().isShadow = random.chance(1, 8);
  }
  return policies;
}

}  // namespace holdfast::sim
