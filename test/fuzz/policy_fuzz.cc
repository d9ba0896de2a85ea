// Any bytes as policies: what the check accepts can be asked anything. And any bytes as the parts
// of policies: what compiles passes the check, and its rules decide as asking each in turn does.
//
// The second judge is the same condition alone: a rule decides when a policy of it alone takes the
// request, and no policy of a rule in front of it does. Invariant: no answer leaves the bytes.
#include <cstring>
#include <memory>
#include <string>

#include "fuzz/fuzz.h"
#include "policy/policy_layout.h"
#include "policy/policy_list.h"

namespace {

using namespace holdfast;
using namespace holdfast::policy;

constexpr size_t kRulesTried = 9;  // more than are tried without an index

struct World {
  World() : scratch(std::make_unique<http::RegexScratch>()) {
    BoardOptions options;
    options.shards = 1;
    FUZZ_CHECK(board.create(options).isOk());
  }
  Board board;
  std::unique_ptr<http::RegexScratch> scratch;
  Random random{1};
  Outcome outcome;
};

World& world() {
  static World kept;
  return kept;
}

bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  const auto* text = static_cast<const std::string*>(owner);
  if (nth > 1 || name.empty() || text->empty() || (name[0] != (*text)[0] && name != "cookie")) {
    return false;
  }
  *value = std::string_view(*text).substr(nth);
  return true;
}

Facts factsOf(std::string_view client, std::string_view path, const std::string& field) {
  Facts facts;
  FUZZ_CHECK(parseIp(client, 1, &facts.client));
  facts.isTls = path.size() % 2 == 0;
  facts.subject = field;
  facts.altNames = "DNS:a,b,,DNS:ab";
  facts.method = static_cast<u8>(path.size() & 15);
  facts.host = "a.b";
  facts.path = path;
  facts.query = field;
  facts.headers = {&field, &findField};
  return facts;
}

bool ask(const PolicyList& list, const Facts& facts, Phase phase = Phase::kRequest) {
  const Tools tools{world().board, 0, *world().scratch, world().random};
  world().outcome.clear();
  const u64 nowNs = world().board.header().epochNs + 1;
  const bool isAllowed = list.check(phase, facts, tools, nowNs, &world().outcome);
  FUZZ_CHECK(isAllowed == (world().outcome.verdict == Verdict::kContinue));
  FUZZ_CHECK(world().outcome.textLength <= kOutcomeTextBytes);
  for (u32 i = 0; i < world().outcome.ticketCount; ++i) {
    leave(world().outcome.tickets[i], tools, 1000);
  }
  LimitHold holds[2];
  for (u32 counted = 0; counted < static_cast<u32>(Counted::kCount); ++counted) {
    const u32 found = list.findLimits(static_cast<Counted>(counted), facts, tools, holds);
    FUZZ_CHECK(found <= std::size(holds));
    for (u32 i = 0; i < found; ++i) (void)chargeTo(holds[i], tools, 100, nowNs);
  }
  return isAllowed;
}

constexpr const char* kClients[] = {"10.0.0.1", "10.1.2.3", "255.255.255.255", "2001:db8::1"};
constexpr const char* kPaths[] = {"/", "/a", "/a/b", "/ab1", "*", ""};

void askAsBytes(std::span<const u8> input) {
  std::vector<u8> bytes(input.begin(), input.end());
  PolicyHeader header;
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.magic = kPolicyMagic;
  header.version = kPolicyVersion;
  header.bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(header));
  PolicyList list;
  if (!list.attach(bytes)) return;
  const std::string field = "x-a=1&b; a=b";
  for (const char* client : kClients) {
    for (const char* path : kPaths) {
      for (const Phase phase : {Phase::kAccept, Phase::kOpen, Phase::kRequest}) {
        (void)ask(list, factsOf(client, path, field), phase);
      }
    }
  }
}

std::string textOf(fuzz::Choices* choices) {
  static constexpr char kLetters[] = "/ab.*-[]()+?1\\x=&;A";
  std::string text;
  for (u32 length = choices->takeU8() & 7; length > 0; --length) {
    text += kLetters[choices->takeU8() % (sizeof(kLetters) - 1)];
  }
  return text;
}

Cidr networkOf(fuzz::Choices* choices) {
  Cidr cidr;
  const u8 choice = choices->takeU8();
  const std::string bits = std::to_string(choices->takeU8() % ((choice & 1) != 0 ? 33 : 129));
  const std::string text = (choice & 1) != 0 ? "10." + std::to_string(choice >> 6) + ".0.1/"
                                             : "2001:db8:" + std::to_string(choice >> 6) + "::1/";
  FUZZ_CHECK(parseCidr(text + bits, &cidr));
  return cidr;
}

TestParts testOf(fuzz::Choices* choices, u32 depth) {
  TestParts test;
  const u8 choice = choices->takeU8();
  test.kind = static_cast<TestKind>(choice % static_cast<u32>(TestKind::kCount));
  const bool isJoint = test.kind <= TestKind::kNot;
  if (isJoint && depth > 3) test.kind = TestKind::kTls;
  if (isJoint && depth <= 3) {
    const u32 parts = test.kind == TestKind::kNot ? 1 : choice >> 6;
    for (u32 i = 0; i < parts; ++i) test.parts.push_back(testOf(choices, depth + 1));
  }
  if (test.kind == TestKind::kAddress) {
    for (u32 i = 0; i <= choice >> 6; ++i) test.networks.push_back(networkOf(choices));
  }
  if (test.kind == TestKind::kMethod) test.methods = choices->takeU16();
  if (test.kind == TestKind::kText) {
    const u8 how = choices->takeU8();
    test.source = static_cast<Source>(how % static_cast<u32>(Source::kCount));
    test.text = static_cast<TextKind>((how >> 4) % static_cast<u32>(TextKind::kCount));
    test.name = (choice & 8) != 0 ? "a" : "x";
    const bool isPath = test.source == Source::kPath && test.text != TextKind::kSuffix;
    for (u32 i = 0; i <= choice >> 6; ++i) {
      test.values.push_back((isPath ? "/" : "") + textOf(choices));
    }
  }
  return test;
}

PolicyParts rbacOf(std::vector<RuleParts> rules) {
  PolicyParts policy;
  policy.name = "r";
  policy.rbac.rules = std::move(rules);
  return policy;
}

// True when the condition of a rule holds, asked in a policy of its own.
bool holdsAlone(RuleParts rule, const Facts& facts) {
  rule.action = Action::kAllow;
  rule.isShadow = false;
  std::vector<u8> bytes;
  std::vector<PolicyFault> faults;
  FUZZ_CHECK(compilePolicies({rbacOf({rule})}, &bytes, &faults));
  PolicyList list;
  FUZZ_CHECK(list.attach(bytes));
  return ask(list, facts);
}

void askAsParts(fuzz::Choices choices) {
  PolicyParts policy = rbacOf({});
  while (!choices.isAtEnd() && policy.rbac.rules.size() < kRulesTried) {
    RuleParts rule;
    rule.name = std::to_string(policy.rbac.rules.size());
    const u8 choice = choices.takeU8();
    rule.action = (choice & 1) != 0 ? Action::kAllow : Action::kDeny;
    rule.isShadow = (choice & 14) == 0;
    rule.when = testOf(&choices, 0);
    policy.rbac.rules.push_back(rule);
  }
  std::vector<u8> bytes;
  std::vector<PolicyFault> faults;
  if (!compilePolicies({policy}, &bytes, &faults)) {
    FUZZ_CHECK(!faults.empty() && bytes.empty());
    return;
  }
  PolicyList list;
  FUZZ_CHECK(list.attach(bytes));
  const std::string field = "a=1&b; x=a";
  for (const char* client : kClients) {
    for (const char* path : {"/", "/a", "/a/b"}) {
      const Facts facts = factsOf(client, path, field);
      bool isAllowed = false;
      for (const RuleParts& rule : policy.rbac.rules) {
        if (rule.isShadow || !holdsAlone(rule, facts)) continue;
        isAllowed = rule.action == Action::kAllow;
        break;
      }
      FUZZ_CHECK(ask(list, facts) == isAllowed);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  const std::span<const u8> input(bytes, length);
  askAsBytes(input);
  askAsParts(fuzz::Choices(input));
  return 0;
}
