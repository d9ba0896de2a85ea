// compilePolicies: checks every part, then lays conditions, rules and their index flat.
//
// Everything that is wrong is told at once; only what is right is laid out.
// Invariant: what leaves here passes the check of PolicyList::attach.
#include <algorithm>
#include <map>
#include <string>

#include "http/route_forms.h"

#include "policy/conditions.h"
#include "policy/key_hash.h"
#include "policy/kinds_compile.h"
#include "policy/policy_list.h"
#include "policy/rule_index.h"

namespace holdfast::policy {
namespace {

u32 lastOf4(u32 first, u32 bits) { return first | static_cast<u32>((u64{1} << (128 - bits)) - 1); }
Ip6 lastOf6(const Ip6& first, u32 bits) {
  const u64 high = bits >= 64 ? 0 : ~u64{0} >> bits;
  const u64 low = bits >= 128 ? 0 : bits > 64 ? ~u64{0} >> (bits - 64) : ~u64{0};
  return {first.high | high, first.low | low};
}

class Compiler {
 public:
  Compiler(const std::vector<PolicyParts>& policies, std::vector<PolicyFault>* faults)
      : parts_(policies), faults_(faults) {}

  bool run(std::vector<u8>* bytes) {
    if (parts_.size() > kPoliciesMax) fail(PolicyFaultKind::kTooMany);
    for (policy_ = 0; policy_ < parts_.size() && policy_ < kPoliciesMax; ++policy_) {
      addPolicy(parts_[policy_]);
    }
    if (faults_->empty() && !flat_.layFlat(bytes)) fail(PolicyFaultKind::kTooLarge);
    return faults_->empty();
  }

 private:
  // --- What is wrong -------------------------------------------------------------------------

  PolicyFault& fail(PolicyFaultKind kind, const std::string& value = {}) {
    PolicyFault& fault = faults_->emplace_back();
    fault.kind = kind;
    fault.policy = policy_;
    fault.rule = rule_;
    fault.value = value;
    return fault;
  }

  TextRef addText(std::string_view text) { return flat_.addText(text); }

  // Returns kNoIndex after a fault.
  u32 addRegex(const std::string& pattern) {
    http::RegexError error;
    const u32 position = flat_.addRegex(pattern, &error);
    if (position == kNoIndex) fail(PolicyFaultKind::kRegex, pattern).regex = error;
    return position;
  }

  // --- Policies ------------------------------------------------------------------------------

  void addPolicy(const PolicyParts& parts) {
    rule_ = kNoIndex;
    FlatPolicy flat;
    flat.kind = parts.kind;
    flat.phase = parts.phase;
    flat.name = addText(parts.name);
    flat.id = std::min(parts.id, kPolicyOther);
    flat.isShadow = parts.isShadow ? 1 : 0;
    flat.status = parts.status;
    if (parts.name.empty() || parts.name.size() > kPolicyNameMax) {
      fail(PolicyFaultKind::kTooLong, parts.name);
    }
    if (parts.status < 200 || parts.status > 599) fail(PolicyFaultKind::kStatus);
    flat.entry = addCondition(parts.when);
    flat.item = addKind(parts);
    if (parts.phase < Phase::kCount) flat_.header.phases |= 1u << static_cast<u32>(parts.phase);
    flat_.policies.push_back(flat);
    if (flat_.size() > kPolicyBytesMax) fail(PolicyFaultKind::kTooLarge);
  }

  // What the policy is made of: its position in the section of its kind.
  u32 addKind(const PolicyParts& parts) {
    KindFaults faults;
    http::TemplateFault text;
    u32 item = 0;
    switch (parts.kind) {
      case PolicyKind::kRbac:
      case PolicyKind::kIpAccess:
        return addRbac(parts.rbac);
      case PolicyKind::kRateLimit:
        item = addLimit(parts.limit, parts.name, &flat_, &faults);
        break;
      case PolicyKind::kCors:
        item = addCors(parts.cors, addCondition(parts.cors.origins), &flat_, &faults);
        break;
      case PolicyKind::kBasicAuth:
        item = addAuth(parts.auth, &flat_, &faults);
        break;
      case PolicyKind::kSizeLimit:
        item = addSize(parts.size, &flat_);
        break;
      case PolicyKind::kHeaders:
        item = addEdits(parts.edits, &flat_, &faults);
        break;
      case PolicyKind::kFault:
        item = addInject(parts.inject, &flat_, &faults);
        break;
      case PolicyKind::kConcurrency:
        item = addGradient(parts.gradient, &flat_, &faults);
        break;
      case PolicyKind::kAccessLog:
        item = addLogs(parts.logs, &flat_, &faults, &text);
        break;
      case PolicyKind::kCompression:
        item = addCompression(parts.compression, &flat_, &faults);
        break;
      case PolicyKind::kMirror:
        item = addMirror(parts.mirror, &flat_, &faults);
        break;
      default:
        fail(PolicyFaultKind::kKind);
        break;
    }
    for (const auto& [kind, value] : faults) fail(kind, value).text = text;
    return item;
  }

  // --- Conditions ----------------------------------------------------------------------------

  // Brings the texts of a condition into the form that requests have.
  void normalize(TestParts* test, u32 depth) {
    if (depth > kTestNestingMax || ++tests_ > kTestsMax) {
      if (!isTooDeep_) {
        fail(depth > kTestNestingMax ? PolicyFaultKind::kNesting : PolicyFaultKind::kTooMany);
      }
      isTooDeep_ = true;
      return;
    }
    for (TestParts& part : test->parts) normalize(&part, depth + 1);
    if (test->kind == TestKind::kNot && test->parts.size() != 1) fail(PolicyFaultKind::kEmpty);
    if (test->kind == TestKind::kAddress && test->networks.size() > kNetworksMax) {
      fail(PolicyFaultKind::kTooMany);
    }
    if (test->kind == TestKind::kText) normalizeText(test);
  }

  void normalizeText(TestParts* test) {
    const bool isNamed = test->source == Source::kHeader || test->source == Source::kQuery ||
                         test->source == Source::kCookie;
    if (test->source == Source::kHeader) {
      if (!http::isFieldName(test->name)) fail(PolicyFaultKind::kFieldName, test->name);
      test->name = http::lowered(test->name);
    }
    if (isNamed && test->name.empty()) fail(PolicyFaultKind::kEmpty);
    if (!isNamed) test->name.clear();
    if (test->kind == TestKind::kText && test->text == TextKind::kPresent) test->values.clear();
    for (std::string& value : test->values) {
      if (value.size() > kPolicyTextMax) {
        fail(PolicyFaultKind::kTooLong, value.substr(0, kPolicyNameMax));
        continue;
      }
      if (test->text == TextKind::kRegex || test->text == TextKind::kSuffix) continue;
      if (test->source == Source::kHost) normalizeHost(*test, &value);
      if (test->source == Source::kPath) normalizePath(*test, &value);
    }
  }

  void normalizeHost(const TestParts& test, std::string* value) {
    *value = http::lowered(*value);
    const bool isName = test.text != TextKind::kExact || http::isHostName(*value);
    if (!isName) fail(PolicyFaultKind::kHostName, *value);
  }

  void normalizePath(const TestParts& test, std::string* value) {
    const http::PathKind kind = test.text == TextKind::kExact      ? http::PathKind::kExact
                                : test.text == TextKind::kSegments ? http::PathKind::kSegments
                                                                   : http::PathKind::kPrefix;
    const http::FormFault fault = http::canonicalizePath(kind, value);
    if (!fault.isNone()) fail(PolicyFaultKind::kPath, *value).path = fault.kind;
    while (test.text == TextKind::kSegments && value->ends_with('/')) value->pop_back();
  }

  u32 addCondition(const TestParts& parts) {
    TestParts test = parts;
    isTooDeep_ = false;
    normalize(&test, 0);
    return isTooDeep_ ? kFails : lay(test, kHolds, kFails);
  }

  // Lays a condition so that it goes on at one of two steps that stand already. Its own first step.
  u32 lay(const TestParts& test, u32 onTrue, u32 onFalse) {
    switch (test.kind) {
      case TestKind::kAll: {
        u32 next = onTrue;
        for (size_t i = test.parts.size(); i > 0; --i) next = lay(test.parts[i - 1], next, onFalse);
        return next;
      }
      case TestKind::kAny: {
        u32 next = onFalse;
        for (size_t i = test.parts.size(); i > 0; --i) next = lay(test.parts[i - 1], onTrue, next);
        return next;
      }
      case TestKind::kNot:
        return test.parts.empty() ? onFalse : lay(test.parts[0], onFalse, onTrue);
      case TestKind::kAddress:
        return addStep({test.kind, addAddresses(test.networks), onTrue, onFalse});
      case TestKind::kMethod:
        return addStep({test.kind, test.methods, onTrue, onFalse});
      case TestKind::kTls:
        return addStep({test.kind, 0, onTrue, onFalse});
      default:
        return layText(test, onTrue, onFalse);
    }
  }

  u32 layText(const TestParts& test, u32 onTrue, u32 onFalse) {
    FlatMatcher matcher;
    matcher.source = test.source;
    matcher.kind = test.text;
    matcher.name = addText(test.name);
    if (test.text == TextKind::kPresent) return addMatcher(matcher, onTrue, onFalse);
    const bool isSet = test.text == TextKind::kExact && test.values.size() > 1;
    if (isSet) {
      std::vector<std::string> sorted = test.values;
      std::sort(sorted.begin(), sorted.end());
      sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
      matcher.values = {static_cast<u32>(flat_.texts.size()), static_cast<u32>(sorted.size())};
      for (const std::string& value : sorted) flat_.texts.push_back(addText(value));
      return addMatcher(matcher, onTrue, onFalse);
    }
    u32 next = onFalse;
    for (size_t i = test.values.size(); i > 0; --i) {
      const std::string& value = test.values[i - 1];
      if (test.text == TextKind::kRegex) {
        matcher.regex = addRegex(value);
      } else {
        matcher.value = addText(value);
      }
      next = addMatcher(matcher, onTrue, next);
    }
    return next;
  }

  u32 addMatcher(const FlatMatcher& matcher, u32 onTrue, u32 onFalse) {
    flat_.matchers.push_back(matcher);
    return addStep({TestKind::kText, static_cast<u32>(flat_.matchers.size() - 1), onTrue, onFalse});
  }

  u32 addStep(const FlatStep& step) {
    flat_.steps.push_back(step);
    return static_cast<u32>(flat_.steps.size() - 1);
  }

  template <typename Flat>
  static Range merge(std::vector<Flat> ranges, std::vector<Flat>* out) {
    std::sort(ranges.begin(), ranges.end(),
              [](const Flat& a, const Flat& b) { return a.first < b.first; });
    const u32 first = static_cast<u32>(out->size());
    for (const Flat& range : ranges) {
      const bool isInside = out->size() > first && !(out->back().last < range.first);
      if (!isInside) {
        out->push_back(range);
      } else if (out->back().last < range.last) {
        out->back().last = range.last;
      }
    }
    return {first, static_cast<u32>(out->size()) - first};
  }

  u32 addAddresses(const std::vector<Cidr>& networks) {
    std::vector<FlatRange4> ranges4;
    std::vector<FlatRange6> ranges6;
    for (const Cidr& network : networks) {
      if (network.network.isIpv4()) {
        const u32 first = numberOf4(network.network);
        ranges4.push_back({first, lastOf4(first, network.prefixBits)});
      } else {
        const Ip6 first = numberOf6(network.network.ip);
        ranges6.push_back({first, lastOf6(first, network.prefixBits)});
      }
    }
    flat_.addressSets.push_back(
        {merge(std::move(ranges4), &flat_.ranges4), merge(std::move(ranges6), &flat_.ranges6)});
    return static_cast<u32>(flat_.addressSets.size() - 1);
  }

  // --- Rules ---------------------------------------------------------------------------------

  u32 addRbac(const RbacParts& parts) {
    FlatRbac flat;
    flat.fallback = parts.fallback;
    const u32 base = static_cast<u32>(flat_.rules.size());
    flat.rules = {base, static_cast<u32>(parts.rules.size())};
    if (base + parts.rules.size() > kPolicyRulesMax) {
      fail(PolicyFaultKind::kTooMany);
      return 0;
    }
    std::vector<RuleParts> normal = parts.rules;
    for (rule_ = 0; rule_ < normal.size(); ++rule_) {
      RuleParts& rule = normal[rule_];
      if (rule.name.size() > kPolicyNameMax) fail(PolicyFaultKind::kTooLong, rule.name);
      isTooDeep_ = false;
      normalize(&rule.when, 0);
      if (isTooDeep_) rule.when = {};
      flat_.rules.push_back({addText(rule.name), lay(rule.when, kHolds, kFails), rule.action,
                             rule.isShadow ? 1u : 0u});
      if (rule.isShadow) flat.hasShadow = 1;
    }
    rule_ = kNoIndex;
    addIndex(indexRules(normal), base, &flat);
    flat_.rbacs.push_back(flat);
    return static_cast<u32>(flat_.rbacs.size() - 1);
  }

  Range addCandidates(const std::vector<u32>& rules, u32 base) {
    const Range range{static_cast<u32>(flat_.candidates.size()), static_cast<u32>(rules.size())};
    for (const u32 rule : rules) flat_.candidates.push_back(base + rule);
    return range;
  }

  void addIndex(const RuleIndex& index, u32 base, FlatRbac* flat) {
    flat->always = addCandidates(index.always, base);
    flat->dimensions = {static_cast<u32>(flat_.dimensions.size()),
                        static_cast<u32>(index.texts.size())};
    for (const auto& [dimension, keys] : index.texts) {
      const Range range{static_cast<u32>(flat_.keys.size()), static_cast<u32>(keys.size())};
      const u32 position = static_cast<u32>(flat_.dimensions.size());
      flat_.dimensions.push_back({dimension.first, 0, addText(dimension.second), range, {}});
      addKeys(keys, base);
      flat_.dimensions[position].hash = addKeyHash(range, &flat_);
    }
    flat->nets4 = {static_cast<u32>(flat_.nets4.size()), static_cast<u32>(index.nets4.size())};
    for (const auto& [net, rules] : index.nets4) {
      FlatNet4 flatNet;
      flatNet.first = net.first;
      flatNet.last = lastOf4(net.first, net.second);
      flatNet.candidates = addCandidates(rules, base);
      addNet(flatNet, flat->nets4.first, &flat_.nets4);
    }
    flat->nets6 = {static_cast<u32>(flat_.nets6.size()), static_cast<u32>(index.nets6.size())};
    for (const auto& [net, rules] : index.nets6) {
      FlatNet6 flatNet;
      flatNet.first = net.first;
      flatNet.last = lastOf6(net.first, net.second);
      flatNet.candidates = addCandidates(rules, base);
      addNet(flatNet, flat->nets6.first, &flat_.nets6);
    }
    flat->hash4 = addNet4Hash(flat->nets4, &flat_);
    flat->hash6 = addNet6Hash(flat->nets6, &flat_);
  }

  // Texts come sorted, so those that one begins with stand in front of it.
  void addKeys(const std::map<std::string, RuleIndex::Key>& keys, u32 base) {
    std::vector<std::pair<u32, std::string_view>> open;
    for (const auto& [text, rules] : keys) {
      while (!open.empty() && !text.starts_with(open.back().second)) open.pop_back();
      FlatKey flat;
      flat.text = addText(text);
      flat.ancestor = open.empty() ? kNoIndex : open.back().first;
      flat.exact = addCandidates(rules.exact, base);
      flat.prefix = addCandidates(rules.prefix, base);
      open.emplace_back(static_cast<u32>(flat_.keys.size()), text);
      flat_.keys.push_back(flat);
    }
  }

  // Networks come sorted likewise.
  template <typename Net>
  static void addNet(Net net, u32 first, std::vector<Net>* nets) {
    u32 at = nets->size() > first ? static_cast<u32>(nets->size() - 1) : kNoIndex;
    while (at != kNoIndex && (*nets)[at].last < net.first) at = (*nets)[at].ancestor;
    net.ancestor = at;
    nets->push_back(net);
  }

  const std::vector<PolicyParts>& parts_;
  std::vector<PolicyFault>* faults_;
  u32 policy_ = 0;  // those being compiled
  u32 rule_ = kNoIndex;
  u32 tests_ = 0;
  bool isTooDeep_ = false;
  FlatPolicies flat_;
};

}  // namespace

bool compilePolicies(const std::vector<PolicyParts>& policies, std::vector<u8>* bytes,
                     std::vector<PolicyFault>* faults) {
  bytes->clear();
  faults->clear();
  return Compiler(policies, faults).run(bytes);
}

}  // namespace holdfast::policy
