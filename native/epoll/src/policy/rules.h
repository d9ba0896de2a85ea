// Rules that allow and deny: which of them decides about a connection or request.
//
// Rules are found by what the request has (path, host, header, certificate, address); only those
// that could match are looked at, and the first one of the list that does match decides.
// Invariant: the verdict is the one that asking every rule in turn would give.
#pragma once

#include "policy/policy_list.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

struct RuleVerdict {
  Action action = Action::kAllow;
  u32 rule = kNoIndex;  // in `rules`; kNoIndex: the default decided
  // A shadow rule in front of it that would have denied.
  u32 shadowRule = kNoIndex;
};

[[nodiscard]] RuleVerdict decide(const PolicyView& view, const FlatRbac& rbac, const Facts& facts,
                                 http::RegexScratch* scratch);

}  // namespace holdfast::policy
