// What the tests of policies share: facts with header fields, tables of policies on a board of
// their own, and a naive judge of conditions and rules.
//
// The naive judge asks every rule in turn, by the sentences of policy_parts.h and with std::regex;
// it knows nothing of steps, sets or an index. Invariant: it shares no code with the policies but
// the structs that describe them.
#pragma once

#include <algorithm>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "policy/policy_list.h"

namespace holdfast::policy {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  for (const auto& [fieldName, fieldValue] : *static_cast<const Fields*>(owner)) {
    if (fieldName != name || nth-- != 0) continue;
    *value = fieldValue;
    return true;
  }
  return false;
}

inline Address addressOf(std::string_view text) {
  Address address;
  CHECK(parseIp(text, 0, &address));
  return address;
}

inline Cidr networkOf(std::string_view text) {
  Cidr cidr;
  CHECK(parseCidr(text, &cidr));
  return cidr;
}

struct TestFacts {
  std::string client = "192.0.2.1";
  bool isTls = false;
  std::string subject{};
  std::vector<std::string> altNames{};
  u8 method = 1;
  std::string host = "a.example";
  std::string path = "/";
  std::string query{};
  Fields headers{};  // names in lower case
  u32 route = kNoIndex;
  u64 contentLength = kNoLength;
};

// --- Parts ----------------------------------------------------------------------------------

inline TestParts textTest(Source source, TextKind kind, std::vector<std::string> values,
                          std::string name = {}) {
  TestParts test;
  test.kind = TestKind::kText;
  test.source = source;
  test.text = kind;
  test.values = std::move(values);
  test.name = std::move(name);
  return test;
}

inline TestParts addressTest(const std::vector<std::string>& networks) {
  TestParts test;
  test.kind = TestKind::kAddress;
  for (const std::string& network : networks) test.networks.push_back(networkOf(network));
  return test;
}

inline TestParts methodTest(u32 methods) {
  TestParts test;
  test.kind = TestKind::kMethod;
  test.methods = methods;
  return test;
}

inline TestParts joined(TestKind kind, std::vector<TestParts> parts) {
  TestParts test;
  test.kind = kind;
  test.parts = std::move(parts);
  return test;
}

inline RuleParts ruleOf(std::string name, Action action, TestParts when) {
  return {std::move(name), action, false, std::move(when)};
}

inline PolicyParts rbacOf(std::vector<RuleParts> rules, Action fallback = Action::kDeny) {
  PolicyParts policy;
  policy.kind = PolicyKind::kRbac;
  policy.name = "rbac";
  policy.id = 7;
  policy.rbac.rules = std::move(rules);
  policy.rbac.fallback = fallback;
  return policy;
}

inline PolicyParts limitOf(u64 count, u64 burst, std::vector<KeyParts> by = {}) {
  PolicyParts policy;
  policy.kind = PolicyKind::kRateLimit;
  policy.name = "limit";
  policy.id = 9;
  policy.status = 429;
  policy.limit.count = count;
  policy.limit.burst = burst;
  policy.limit.by = std::move(by);
  return policy;
}

// --- Tables ---------------------------------------------------------------------------------

// Policies on a board, with a clock that tests move.
class PolicyWorld {
 public:
  explicit PolicyWorld(const std::vector<PolicyParts>& policies) : PolicyWorld() { use(policies); }
  PolicyWorld() : scratch_(std::make_unique<http::RegexScratch>()) {
    BoardOptions options;
    options.shards = 1;
    options.connectionsMax = 16;
    CHECK(board_.create(options).isOk());
    nowNs = board_.header().epochNs + 1'000'000'000;
  }

  void use(const std::vector<PolicyParts>& policies) {
    std::vector<PolicyFault> faults;
    const bool isCompiled = compilePolicies(policies, &bytes_, &faults);
    for (const PolicyFault& fault : faults) {
      check::fail(__FILE__, __LINE__, kPolicyFaultTexts[static_cast<size_t>(fault.kind)]);
    }
    CHECK(isCompiled && list_.attach(bytes_));
  }

  bool ask(const TestFacts& asked, Phase phase = Phase::kRequest) {
    outcome.clear();
    return list_.check(phase, factsOf(asked), tools(), nowNs, &outcome);
  }

  Facts factsOf(const TestFacts& asked) {
    altNames_.clear();
    for (const std::string& name : asked.altNames) {
      altNames_ += (altNames_.empty() ? "" : ",") + name;
    }
    Facts facts;
    facts.client = addressOf(asked.client);
    facts.isTls = asked.isTls;
    facts.subject = asked.subject;
    facts.altNames = altNames_;
    facts.method = asked.method;
    facts.host = asked.host;
    facts.path = asked.path;
    facts.query = asked.query;
    facts.headers = {&asked.headers, &findField};
    facts.route = asked.route;
    facts.contentLength = asked.contentLength;
    return facts;
  }

  Tools tools() { return {board_, 0, *scratch_, random_}; }
  u64 counted(PolicyCounter counter, u32 id) {
    return board_.policy(0, id).counters[static_cast<size_t>(counter)].load();
  }
  // The value of a field of the answer; "" without.
  static std::string fieldOf(const FieldEdits& fields, std::string_view name) {
    for (const http1::FieldEdit& edit : fields.all()) {
      if (edit.name == name) return std::string(edit.value);
    }
    return {};
  }

  [[nodiscard]] const PolicyList& list() const { return list_; }
  [[nodiscard]] const std::vector<u8>& bytes() const { return bytes_; }

  u64 nowNs = 0;
  Outcome outcome;

 private:
  Board board_;
  std::unique_ptr<http::RegexScratch> scratch_;
  Random random_{1};
  std::vector<u8> bytes_;
  std::string altNames_;
  PolicyList list_;
};

// --- The naive judge ------------------------------------------------------------------------

inline std::vector<std::string> naiveValues(const TestParts& test, const TestFacts& facts) {
  std::vector<std::string> values;
  const auto split = [&values](std::string text, char separator, bool isTrimmed,
                               const std::string& name) {
    size_t begin = 0;
    while (begin <= text.size() && !text.empty()) {
      const size_t end = std::min(text.find(separator, begin), text.size());
      std::string pair = text.substr(begin, end - begin);
      begin = end + 1;
      while (isTrimmed && pair.starts_with(' ')) pair.erase(0, 1);
      const size_t equals = std::min(pair.find('='), pair.size());
      const bool isWhole = equals == pair.size();
      if (pair.substr(0, equals) != name || pair.empty() || (isTrimmed && isWhole)) continue;
      values.push_back(isWhole ? "" : pair.substr(equals + 1));
    }
  };
  switch (test.source) {
    case Source::kHost:
      return {facts.host};
    case Source::kPath:
      return {facts.path};
    case Source::kSubject:
      return facts.subject.empty() ? values : std::vector<std::string>{facts.subject};
    case Source::kAltName:
      return facts.altNames;
    case Source::kHeader:
      for (const auto& [name, value] : facts.headers) {
        if (name == test.name) values.push_back(value);
      }
      return values;
    case Source::kCookie:
      for (const auto& [name, value] : facts.headers) {
        if (name == "cookie") split(value, ';', true, test.name);
      }
      return values;
    default:
      split(facts.query, '&', false, test.name);
      return values;
  }
}

inline bool naiveFits(TextKind kind, const std::string& wanted, const std::string& value) {
  switch (kind) {
    case TextKind::kExact:
      return value == wanted;
    case TextKind::kPrefix:
      return value.substr(0, wanted.size()) == wanted;
    case TextKind::kSuffix:
      return value.size() >= wanted.size() && value.substr(value.size() - wanted.size()) == wanted;
    case TextKind::kSegments:
      return value == wanted || value.substr(0, wanted.size() + 1) == wanted + "/";
    case TextKind::kRegex:
      return std::regex_match(value, std::regex(wanted));
    default:
      return true;
  }
}

inline bool naiveHolds(const TestParts& test, const TestFacts& facts) {
  const auto isHeld = [&facts](const TestParts& part) { return naiveHolds(part, facts); };
  switch (test.kind) {
    case TestKind::kAll:
      return std::all_of(test.parts.begin(), test.parts.end(), isHeld);
    case TestKind::kAny:
      return std::any_of(test.parts.begin(), test.parts.end(), isHeld);
    case TestKind::kNot:
      return !naiveHolds(test.parts[0], facts);
    case TestKind::kAddress:
      return std::any_of(test.networks.begin(), test.networks.end(), [&facts](const Cidr& network) {
        return network.contains(addressOf(facts.client));
      });
    case TestKind::kMethod:
      return (test.methods & 1u << facts.method) != 0;
    case TestKind::kTls:
      return facts.isTls;
    default:
      break;
  }
  for (const std::string& value : naiveValues(test, facts)) {
    if (test.text == TextKind::kPresent) return true;
    for (const std::string& wanted : test.values) {
      if (naiveFits(test.text, wanted, value)) return true;
    }
  }
  return false;
}

// The name of the rule that decides, "default" without; in `isAllowed` what it says.
inline std::string naiveDecision(const RbacParts& rbac, const TestFacts& facts, bool* isAllowed) {
  for (const RuleParts& rule : rbac.rules) {
    if (rule.isShadow || !naiveHolds(rule.when, facts)) continue;
    *isAllowed = rule.action == Action::kAllow;
    return rule.name;
  }
  *isAllowed = rbac.fallback == Action::kAllow;
  return "default";
}

}  // namespace holdfast::policy
