// The walk over the policies of a phase; what each kind does is in files of its own.
#include "policy/policy_list.h"

#include <algorithm>
#include <optional>

#include "policy/basic_auth.h"
#include "policy/conditions.h"
#include "policy/cors.h"
#include "policy/edited_headers.h"
#include "policy/limits.h"
#include "policy/policy_check.h"
#include "policy/policy_view.h"
#include "policy/rules.h"

namespace holdfast::policy {
namespace {

constexpr u64 kSecondMs = 1000;
// What is slowed down on purpose may come in bursts of a tenth of a second.
constexpr u64 kFaultBurstShare = 10;

class Walk {
 public:
  Walk(const PolicyView& view, const Facts& facts, const Tools& tools, u64 nowNs, Outcome* outcome)
      : view_(view), facts_(&facts), tools_(tools), nowNs_(nowNs), outcome_(outcome) {}

  // False when the policy refuses.
  bool ask(const FlatPolicy& policy) {
    if (outcome_->requestFields.count != 0 && !edited_.has_value()) [[unlikely]]
      lookThroughEdits();
    if (!holds(view_, policy.entry, *facts_, &tools_.scratch)) return true;
    PolicyCell& cell = tools_.board.policy(tools_.shard, policy.id);
    rule_ = {};
    isShadowRule_ = isAnswered_ = isClosed_ = false;
    const u32 answerFields = outcome_->answerFields.count;
    const bool isAllowed = judge(policy);
    if (isAllowed || policy.isShadow != 0) {
      const bool isShadow = !isAllowed || isShadowRule_;
      cell.count(isShadow ? PolicyCounter::kShadowDenied : PolicyCounter::kAllowed);
      // What a refusal would have said belongs to no other one.
      if (!isAllowed) outcome_->answerFields.count = answerFields;
      return true;
    }
    cell.count(isAnswered_ ? PolicyCounter::kAllowed : PolicyCounter::kDenied);
    const bool isAnswer = policy.phase == Phase::kRequest && !isClosed_;
    outcome_->verdict = isAnswer ? Verdict::kAnswer : Verdict::kClose;
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
        return takeOne(view_, policy, *facts_, tools_, nowNs_, outcome_);
      case PolicyKind::kCors:
        return judgeCors(policy);
      case PolicyKind::kBasicAuth:
        return judgeUser(policy);
      case PolicyKind::kSizeLimit:
        return judgeSize(policy);
      case PolicyKind::kHeaders:
        return edit(policy);
      case PolicyKind::kFault:
        return inject(policy);
      case PolicyKind::kConcurrency:
        return enter(policy);
      case PolicyKind::kAccessLog:
        return log(policy);
      case PolicyKind::kCompression:
        return askCoding(policy);
      case PolicyKind::kMirror:
        return copy(policy);
      default:
        return false;
    }
  }

  bool judgeCors(const FlatPolicy& policy) {
    const FlatCors& cors = view_.items<FlatCors>(view_.header().cors)[policy.item];
    const CorsVerdict verdict = answerCors(view_, cors, *facts_, &tools_.scratch, outcome_);
    isAnswered_ = verdict == CorsVerdict::kAnswered;
    if (isAnswered_) rule_ = "preflight";
    if (verdict == CorsVerdict::kForeign) rule_ = "origin";
    return verdict == CorsVerdict::kPasses;
  }

  bool judgeUser(const FlatPolicy& policy) {
    const FlatAuth& auth = view_.items<FlatAuth>(view_.header().auths)[policy.item];
    return isKnownUser(view_, auth, *facts_, outcome_);
  }

  bool judgeSize(const FlatPolicy& policy) {
    const FlatSize& size = view_.items<FlatSize>(view_.header().sizes)[policy.item];
    const u64 most = size.requestBytesMax;
    if (most != 0 && facts_->contentLength != kNoLength && facts_->contentLength > most)
      return false;
    if (policy.isShadow == 0) {
      tighten(&outcome_->requestBytesMax, most);
      tighten(&outcome_->responseBytesMax, size.responseBytesMax);
    }
    return true;
  }

  static void tighten(u64* limit, u64 to) {
    if (to != 0 && (*limit == 0 || to < *limit)) *limit = to;
  }

  bool edit(const FlatPolicy& policy) {
    const PolicyHeader& header = view_.header();
    const Range& list = view_.items<Range>(header.editLists)[policy.item];
    for (const FlatEdit& one : view_.items<FlatEdit>(header.edits, list)) {
      outcome_->add(one.isResponse != 0 ? &outcome_->responseFields : &outcome_->requestFields,
                    {one.kind, one.id, view_.text(one.name), view_.text(one.value)});
    }
    return true;
  }

  bool log(const FlatPolicy& policy) {
    const PolicyHeader& header = view_.header();
    const Range& list = view_.items<Range>(header.logLists)[policy.item];
    for (const FlatLog& one : view_.items<FlatLog>(header.logs, list)) {
      outcome_->addLog({view_.text(one.name), view_.text(one.value)});
    }
    return true;
  }

  bool inject(const FlatPolicy& policy) {
    const InjectParts& parts = view_.items<InjectParts>(view_.header().injects)[policy.item];
    const bool isDelayed = tools_.random.chance(parts.delayMillionths, kMillion);
    if (isDelayed && policy.isShadow == 0) {
      outcome_->delayMs += parts.delayMs;
      tools_.board.policy(tools_.shard, policy.id).count(PolicyCounter::kDelayed);
    }
    isClosed_ = tools_.random.chance(parts.closeMillionths, kMillion);
    if (isClosed_) rule_ = "close";
    if (!isClosed_ && !tools_.random.chance(parts.abortMillionths, kMillion)) return true;
    if (!isClosed_) rule_ = "abort";
    return false;
  }

  bool copy(const FlatPolicy& policy) {
    const MirrorParts& parts = view_.items<MirrorParts>(view_.header().mirrors)[policy.item];
    const bool isDrawn = tools_.random.chance(parts.millionths, kMillion);
    if (!isDrawn || outcome_->mirrorCount == kMirrorsOfRequestMax) return true;
    outcome_->mirrors[outcome_->mirrorCount++] = parts;
    return true;
  }

  bool enter(const FlatPolicy& policy) {
    const ConcurrencyRules& rules =
        view_.items<ConcurrencyRules>(view_.header().gradients)[policy.item];
    if (outcome_->ticketCount == kTicketsMax) return true;
    ConcurrencyCell& cell = tools_.board.concurrency(policy.id);
    const bool isIn = cell.enter(rules, nowNs_);
    if (!isIn && policy.isShadow == 0) return false;
    if (!isIn) cell.force();
    tools_.board.policy(tools_.shard, policy.id).count(PolicyCounter::kActive);
    outcome_->tickets[outcome_->ticketCount++] = policy.id;
    return isIn;
  }

  bool askCoding(const FlatPolicy& policy) {
    const FlatCompression& each =
        view_.items<FlatCompression>(view_.header().compressions)[policy.item];
    codec::AcceptedCodings accepted;
    const http::HeaderLookup& headers = facts_->headers;
    std::string_view line;
    for (u32 nth = 0; headers.find != nullptr && nth < http::kHeaderFieldsLookedAt; nth++) {
      if (!headers.find(headers.owner, "accept-encoding", nth, &line)) break;
      accepted.take(line);
    }
    outcome_->compression = {policy.id, accepted.choose({each.codings, each.codingCount}),
                             each.level, each.bytesMin, view_.text(each.types)};
    if (each.isHidden != 0) {
      outcome_->add(&outcome_->requestFields, {http1::FieldEdit::Kind::kRemove,
                                               http1::FieldId::kAcceptEncoding,
                                               "accept-encoding",
                                               {}});
    }
    return true;
  }

  bool judgeRules(const FlatPolicy& policy) {
    const FlatRbac& rbac = view_.items<FlatRbac>(view_.header().rbacs)[policy.item];
    const RuleVerdict verdict = decide(view_, rbac, *facts_, &tools_.scratch);
    isShadowRule_ = verdict.shadowRule != kNoIndex;
    if (verdict.action == Action::kAllow) return true;
    const FlatRule* const rules = view_.items<FlatRule>(view_.header().rules);
    rule_ = verdict.rule == kNoIndex ? std::string_view("default")
                                     : view_.text(rules[verdict.rule].name);
    return false;
  }

  // What policies in front changed is what those behind them see.
  void lookThroughEdits() {
    edits_ = {&outcome_->requestFields, facts_->headers};
    edited_.emplace(*facts_);
    edited_->headers = {&edits_, findEdited};
    facts_ = &*edited_;
  }

  const PolicyView& view_;
  const Facts* facts_;
  const Tools& tools_;
  u64 nowNs_;
  Outcome* outcome_;
  std::optional<Facts> edited_;
  EditedHeaders edits_;
  std::string_view rule_{};
  bool isShadowRule_ = false;
  bool isAnswered_ = false;  // refused to nobody: the answer is what was asked for
  bool isClosed_ = false;
};

// True when these facts are slowed down on purpose: then `hold` has a bucket of its own.
bool findFault(const PolicyView& view, const FlatPolicy& policy, const Facts& facts,
               const Tools& tools, LimitHold* hold) {
  const InjectParts& parts = view.items<InjectParts>(view.header().injects)[policy.item];
  if (parts.throttleMillionths == 0) return false;
  if (!holds(view, policy.entry, facts, &tools.scratch)) return false;
  if (!tools.random.chance(parts.throttleMillionths, kMillion)) return false;
  const u64 burst = std::max(parts.throttleBytes / kFaultBurstShare, kThrottleBytesMin);
  BucketRate rate;
  if (!makeBucketRate(parts.throttleBytes, kSecondMs, burst, &rate)) return false;
  *hold = {tools.random.nextU64(), rate, policy.id, policy.isShadow != 0,
           static_cast<u8>(parts.throttleDirections)};
  return true;
}

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
    if (found == holds.size()) break;
    if (policy.kind == PolicyKind::kFault && counted == Counted::kBytes) {
      found += findFault(view, policy, facts, tools, &holds[found]) ? 1 : 0;
    }
    if (policy.kind != PolicyKind::kRateLimit) continue;
    const FlatLimit& limit = view.items<FlatLimit>(header.limits)[policy.item];
    if (limit.counted != counted) continue;
    if (!policy::holds(view, policy.entry, facts, &tools.scratch)) continue;
    holds[found++] = {bucketKeyOf(view, policy, limit, facts, tools.board), limit.rate, policy.id,
                      policy.isShadow != 0, static_cast<u8>(limit.directions)};
    if (counted == Counted::kBytes) {
      tools.board.policy(tools.shard, policy.id).count(PolicyCounter::kAllowed);
    }
  }
  return found;
}

void leave(u32 ticket, const Tools& tools, u64 micros) {
  tools.board.policy(tools.shard, ticket).lower(PolicyCounter::kActive);
  tools.board.concurrency(ticket).leave(micros);
}

}  // namespace holdfast::policy
