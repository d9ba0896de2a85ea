// Conditions of policies: a walk over tests, each of which says where to go on.
//
// What `when` and rules are compiled to; shared by everything that evaluates policies.
//
// Invariant: a walk takes each step at most once and allocates nothing.
#pragma once

#include "policy/policy_list.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

// True when the condition that begins at `entry` holds.
[[nodiscard]] bool holds(const PolicyView& view, u32 entry, const Facts& facts,
                         http::RegexScratch* scratch);

// The bytes of an address as numbers: of IPv4, and of IPv6.
[[nodiscard]] u32 numberOf4(const Address& address);
[[nodiscard]] Ip6 numberOf6(const u8 (&ip)[16]);

}  // namespace holdfast::policy
