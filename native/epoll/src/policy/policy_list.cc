// The walk over the policies of a phase; what each kind does is in files of its own.
#include "policy/policy_list.h"

#include "policy/conditions.h"
#include "policy/limits.h"
#include "policy/policy_check.h"
#include "policy/policy_view.h"
#include "policy/rules.h"

namespace holdfast::policy {
namespace {

class Walk {
 public:
  Walk(const PolicyView& view, const Facts& facts, const Tools& tools, u64 nowNs, Outcome* outcome)
      : view_(view), facts_(facts), tools_(tools), nowNs_(nowNs), outcome_(outcome) {}

  // False when the policy refuses.
  bool ask(const FlatPolicy& policy) {
    if (!holds(view_, policy.entry, facts_, &tools_.scratch)) return true;
    PolicyCell& cell = tools_.board.policy(tools_.shard, policy.id);
    rule_ = {};
    isShadowRule_ = false;
    const bool isAllowed = judge(policy);
    if (isAllowed || policy.isShadow != 0) {
      const bool isShadow = !isAllowed || isShadowRule_;
      cell.count(isShadow ? PolicyCounter::kShadowDenied : PolicyCounter::kAllowed);
      return true;
    }
    cell.count(PolicyCounter::kDenied);
    outcome_->verdict = policy.phase == Phase::kRequest ? Verdict::kAnswer : Verdict::kClose;
    outcome_->status = static_cast<u16>(policy.status);
    outcome_->kind = kPolicyKindNames[static_cast<size_t>(policy.kind)];
    outcome_->policy = view_.text(policy.name);
    outcome_->rule = rule_;
    return false;
  }

 private:
  bool judge(const FlatPolicy& policy) {
    switch (policy.kind) {
      case PolicyKind::kRbac:
      case PolicyKind::kIpAccess:
        return judgeRules(policy);
      case PolicyKind::kRateLimit:
        return takeOne(view_, policy, facts_, tools_, nowNs_, outcome_);
      default:
        return false;
    }
  }

  bool judgeRules(const FlatPolicy& policy) {
    const FlatRbac& rbac = view_.items<FlatRbac>(view_.header().rbacs)[policy.item];
    const RuleVerdict verdict = decide(view_, rbac, facts_, &tools_.scratch);
    isShadowRule_ = verdict.shadowRule != kNoIndex;
    if (verdict.action == Action::kAllow) return true;
    const FlatRule* const rules = view_.items<FlatRule>(view_.header().rules);
    rule_ = verdict.rule == kNoIndex ? std::string_view("default")
                                     : view_.text(rules[verdict.rule].name);
    return false;
  }

  const PolicyView& view_;
  const Facts& facts_;
  const Tools& tools_;
  u64 nowNs_;
  Outcome* outcome_;
  std::string_view rule_{};
  bool isShadowRule_ = false;
};

}  // namespace

bool PolicyList::attach(std::span<const u8> bytes) {
  if (!isPolicyTable(bytes)) return false;
  bytes_ = bytes;
  return true;
}

bool PolicyList::has(Phase phase) const {
  return !isEmpty() && (PolicyView(bytes_).header().phases >> static_cast<u32>(phase) & 1) != 0;
}

bool PolicyList::limits(Counted counted) const {
  return !isEmpty() && (PolicyView(bytes_).header().counted >> static_cast<u32>(counted) & 1) != 0;
}

bool PolicyList::check(Phase phase, const Facts& facts, const Tools& tools, u64 nowNs,
                       Outcome* outcome) const {
  if (!has(phase)) return true;
  const PolicyView view(bytes_);
  Walk walk(view, facts, tools, nowNs, outcome);
  const PolicyHeader& header = view.header();
  const std::span policies(view.items<FlatPolicy>(header.policies), header.policies.count);
  for (const FlatPolicy& policy : policies) {
    if (policy.phase == phase && !walk.ask(policy)) return false;
  }
  return true;
}

u32 PolicyList::findLimits(Counted counted, const Facts& facts, const Tools& tools,
                           std::span<LimitHold> holds) const {
  if (!limits(counted)) return 0;
  const PolicyView view(bytes_);
  const PolicyHeader& header = view.header();
  u32 found = 0;
  const std::span policies(view.items<FlatPolicy>(header.policies), header.policies.count);
  for (const FlatPolicy& policy : policies) {
    if (policy.kind != PolicyKind::kRateLimit || found == holds.size()) continue;
    const FlatLimit& limit = view.items<FlatLimit>(header.limits)[policy.item];
    if (limit.counted != counted) continue;
    if (!policy::holds(view, policy.entry, facts, &tools.scratch)) continue;
    holds[found++] = {bucketKeyOf(view, policy, limit, facts, tools.board), limit.rate, policy.id,
                      policy.isShadow != 0};
  }
  return found;
}

}  // namespace holdfast::policy
