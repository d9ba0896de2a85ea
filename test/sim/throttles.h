// Filters that limit bytes, drawn from a seed, for worlds with and without HTTP.
//
// What they slow down must arrive whole, and nobody may be left waiting for tokens: that the worlds
// judge as they judge everything else. Invariant: none is so slow that the calm would end before
// the last byte.
#pragma once

#include <vector>

#include "runtime/random.h"

#include "policy/policy_parts.h"

namespace holdfast::sim {

// The policies of a listener: one or two limits of bytes, shared or of each connection or request.
std::vector<policy::PolicyParts> drawThrottles(Random& random);

}  // namespace holdfast::sim
