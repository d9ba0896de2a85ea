// Rules that allow and deny: each kind of condition, order, shadows, and ten thousand random
// requests against random rules, judged a second time without an index.
#include "policy/rules.h"

#include "runtime/random.h"

#include "policy_world.h"

namespace holdfast::policy {
namespace {

constexpr u32 kGet = 1u << 1;

TEST(rulesDecideInOrder) {
  PolicyWorld world({rbacOf({
      ruleOf("no-admin", Action::kDeny, textTest(Source::kPath, TextKind::kSegments, {"/admin"})),
      ruleOf("office", Action::kAllow, addressTest({"192.0.2.0/24", "2001:db8::/32"})),
  })});
  CHECK(world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 7), 1);
  TestFacts admin;
  admin.path = "/admin/x";
  CHECK(!world.ask(admin));
  CHECK(world.outcome.verdict == Verdict::kAnswer);
  CHECK_EQ(world.outcome.status, 403);
  CHECK_EQ(world.outcome.kind, "rbac");
  CHECK_EQ(world.outcome.rule, "no-admin");
  admin.path = "/administrator";
  CHECK(world.ask(admin));
  TestFacts other;
  other.client = "198.51.100.1";
  CHECK(!world.ask(other));
  CHECK_EQ(world.outcome.rule, "default");
  other.client = "2001:db8::1";
  CHECK(world.ask(other));
  CHECK_EQ(world.counted(PolicyCounter::kDenied, 7), 2);
}

TEST(rulesReadAllSources) {
  const auto isHeld = [](TestParts test, const TestFacts& facts) {
    PolicyWorld world({rbacOf({ruleOf("r", Action::kAllow, std::move(test))})});
    return world.ask(facts);
  };
  TestFacts facts;
  facts.headers = {{"x-team", "red"}, {"x-team", "blue"}, {"cookie", "a=1; b=2"}};
  facts.query = "v=2&empty&w=";
  facts.subject = "CN=client,O=Example";
  facts.altNames = {"DNS:a.example", "URI:spiffe://x/y"};
  CHECK(isHeld(textTest(Source::kHeader, TextKind::kExact, {"blue"}, "X-Team"), facts));
  CHECK(!isHeld(textTest(Source::kHeader, TextKind::kExact, {"green"}, "x-team"), facts));
  CHECK(isHeld(textTest(Source::kHeader, TextKind::kPresent, {}, "x-team"), facts));
  CHECK(isHeld(textTest(Source::kCookie, TextKind::kExact, {"2"}, "b"), facts));
  CHECK(!isHeld(textTest(Source::kCookie, TextKind::kPresent, {}, "c"), facts));
  CHECK(isHeld(textTest(Source::kQuery, TextKind::kExact, {"2"}, "v"), facts));
  CHECK(isHeld(textTest(Source::kQuery, TextKind::kExact, {""}, "empty"), facts));
  CHECK(isHeld(textTest(Source::kSubject, TextKind::kPrefix, {"CN=client"}), facts));
  CHECK(isHeld(textTest(Source::kAltName, TextKind::kExact, {"URI:spiffe://x/y"}), facts));
  CHECK(!isHeld(textTest(Source::kAltName, TextKind::kExact, {"DNS:a"}), facts));
  CHECK(isHeld(textTest(Source::kHost, TextKind::kSuffix, {".example"}), facts));
  CHECK(isHeld(textTest(Source::kPath, TextKind::kRegex, {"/.*"}), facts));
  CHECK(isHeld(methodTest(kGet), facts));
  CHECK(!isHeld(joined(TestKind::kNot, {methodTest(kGet)}), facts));
  TestParts tls;
  tls.kind = TestKind::kTls;
  CHECK(!isHeld(tls, facts));
  facts.isTls = true;
  CHECK(isHeld(tls, facts));
}

TEST(rulesKeepFamiliesApart) {
  PolicyWorld world({rbacOf({ruleOf("all6", Action::kAllow, addressTest({"::/0"}))})});
  TestFacts facts;
  CHECK(!world.ask(facts));
  facts.client = "::1";
  CHECK(world.ask(facts));
  PolicyWorld four({rbacOf({ruleOf("all4", Action::kAllow, addressTest({"0.0.0.0/0"}))})});
  CHECK(!four.ask(facts));
  facts.client = "255.255.255.255";
  CHECK(four.ask(facts));
}

TEST(rulesBringPathsIntoTheFormOfRequests) {
  PolicyWorld world({rbacOf(
      {ruleOf("r", Action::kAllow, textTest(Source::kPath, TextKind::kExact, {"/caf%c3%a9"}))})});
  TestFacts facts;
  facts.path = "/caf%C3%A9";
  CHECK(world.ask(facts));
}

TEST(rulesShadowsAreCountedOnly) {
  RuleParts shadow = ruleOf("new", Action::kDeny, methodTest(kGet));
  shadow.isShadow = true;
  PolicyWorld world({rbacOf({shadow}, Action::kAllow)});
  CHECK(world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kShadowDenied, 7), 1);
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 7), 0);
  // A rule in front of it decides, so the shadow would have changed nothing.
  world.use({rbacOf({ruleOf("first", Action::kAllow, {}), shadow}, Action::kAllow)});
  CHECK(world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 7), 1);
  PolicyParts whole = rbacOf({});
  whole.isShadow = true;
  world.use({whole});
  CHECK(world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kShadowDenied, 7), 2);
}

TEST(rulesAtAcceptClose) {
  PolicyParts policy = rbacOf({ruleOf("r", Action::kAllow, addressTest({"10.0.0.0/8"}))});
  policy.phase = Phase::kAccept;
  PolicyWorld world({policy});
  CHECK(world.list().has(Phase::kAccept) && !world.list().has(Phase::kRequest));
  CHECK(world.ask({}));
  CHECK(!world.ask({}, Phase::kAccept));
  CHECK(world.outcome.verdict == Verdict::kClose);
}

TEST(rulesPassOverWhatTheConditionLeavesOut) {
  PolicyParts policy = rbacOf({});
  policy.when = textTest(Source::kPath, TextKind::kSegments, {"/api/"});
  PolicyWorld world({policy});
  CHECK(world.ask({}));
  TestFacts facts;
  facts.path = "/api";
  CHECK(!world.ask(facts));
}

TEST(policiesTellWhatIsWrong) {
  const auto faultOf = [](TestParts test) {
    std::vector<u8> bytes;
    std::vector<PolicyFault> faults;
    const bool isCompiled =
        compilePolicies({rbacOf({ruleOf("r", Action::kAllow, std::move(test))})}, &bytes, &faults);
    CHECK(!isCompiled && bytes.empty() && faults.size() == 1);
    CHECK_EQ(faults[0].rule, 0);
    return faults[0].kind;
  };
  CHECK(faultOf(textTest(Source::kPath, TextKind::kRegex, {"("})) == PolicyFaultKind::kRegex);
  CHECK(faultOf(textTest(Source::kPath, TextKind::kExact, {"x"})) == PolicyFaultKind::kPath);
  CHECK(faultOf(textTest(Source::kHost, TextKind::kExact, {"a b"})) == PolicyFaultKind::kHostName);
  CHECK(faultOf(textTest(Source::kHeader, TextKind::kPresent, {}, "a b")) ==
        PolicyFaultKind::kFieldName);
  TestParts deep = methodTest(1);
  for (u32 i = 0; i <= kTestNestingMax; ++i) deep = joined(TestKind::kAll, {deep});
  CHECK(faultOf(deep) == PolicyFaultKind::kNesting);
}

// --- Random rules ---------------------------------------------------------------------------

class Draw {
 public:
  explicit Draw(u64 seed) : random_(seed) {}

  u32 below(u32 bound) { return random_.below(bound); }
  std::string pathOf() {
    static const char* const kSegments[] = {"/a", "/b", "/ab", "/a.b", "/long-segment"};
    std::string path;
    for (u32 i = 1 + below(3); i > 0; --i) path += kSegments[below(5)];
    return path;
  }
  std::string networkText() {
    const std::string four = "10." + std::to_string(below(3)) + "." + std::to_string(below(3)) +
                             "." + std::to_string(below(3));
    const std::string six =
        "2001:db8:" + std::to_string(below(3)) + "::" + std::to_string(below(3));
    static const u32 kBits4[] = {2, 8, 16, 24, 31, 32};
    static const u32 kBits6[] = {0, 16, 32, 48, 64, 127, 128};
    return below(3) != 0 ? four + "/" + std::to_string(kBits4[below(6)])
                         : six + "/" + std::to_string(kBits6[below(7)]);
  }
  TestFacts facts() {
    TestFacts facts;
    facts.client = networkText();
    facts.client.resize(facts.client.find('/'));
    facts.path = pathOf();
    facts.host = below(2) != 0 ? "a.example" : "b.a.example";
    facts.method = static_cast<u8>(1 + below(3));
    for (u32 i = below(4); i > 0; --i) {
      facts.headers.emplace_back(below(2) != 0 ? "x-a" : "x-b", word());
    }
    if (below(2) != 0) facts.headers.emplace_back("cookie", "s=" + word() + "; t=" + word());
    if (below(2) != 0) facts.query = "q=" + word() + "&r";
    if (below(2) != 0) facts.subject = "CN=" + word();
    for (u32 i = below(3); i > 0; --i) facts.altNames.push_back("DNS:" + word());
    facts.isTls = below(2) != 0;
    return facts;
  }
  TestParts test(u32 depth) {
    const u32 kind = below(depth > 2 ? 9 : 12);
    if (kind >= 9) {
      if (kind == 11) return joined(TestKind::kNot, {test(depth + 1)});
      std::vector<TestParts> parts;
      for (u32 i = below(4); i > 0; --i) parts.push_back(test(depth + 1));
      return joined(kind == 9 ? TestKind::kAll : TestKind::kAny, parts);
    }
    if (kind == 0) return methodTest(below(16));
    if (kind <= 2) {
      std::vector<std::string> networks;
      for (u32 i = 1 + below(3); i > 0; --i) networks.push_back(networkText());
      return addressTest(networks);
    }
    if (kind <= 5) {
      static const TextKind kKinds[] = {TextKind::kExact, TextKind::kPrefix, TextKind::kSegments,
                                        TextKind::kSuffix, TextKind::kRegex};
      const TextKind how = kKinds[below(5)];
      std::vector<std::string> values;
      for (u32 i = 1 + below(3); i > 0; --i) {
        values.push_back(how == TextKind::kRegex ? pathOf() + "(/a)*" : pathOf());
      }
      return textTest(Source::kPath, how, values);
    }
    static const std::pair<Source, const char*> kSources[] = {
        {Source::kHeader, "x-a"}, {Source::kHeader, "x-b"}, {Source::kCookie, "s"},
        {Source::kQuery, "q"},    {Source::kSubject, ""},   {Source::kAltName, ""}};
    const auto& [source, name] = kSources[below(6)];
    const std::string prefix = source == Source::kSubject   ? "CN="
                               : source == Source::kAltName ? "DNS:"
                                                            : "";
    const TextKind how = static_cast<TextKind>(below(4));
    return textTest(source, how, {prefix + word(), prefix + word()}, name);
  }

 private:
  std::string word() {
    static const char* const kWords[] = {"red", "blue", "re", "", "redder", "blues"};
    return kWords[below(6)];
  }

  Random random_;
};

TEST(rulesAgreeWithAskingEachInTurn) {
  for (u64 seed = 1; seed <= 100 && check::failures() == 0; ++seed) {
    Draw draw(seed);
    std::vector<RuleParts> rules;
    const u32 count = 1 + draw.below(40);
    for (u32 i = 0; i < count; ++i) {
      rules.push_back(ruleOf("r" + std::to_string(i),
                             draw.below(2) != 0 ? Action::kAllow : Action::kDeny, draw.test(0)));
      rules.back().isShadow = draw.below(8) == 0;
    }
    const PolicyParts policy = rbacOf(rules, draw.below(2) != 0 ? Action::kAllow : Action::kDeny);
    PolicyWorld world({policy});
    for (u32 i = 0; i < 100 && check::failures() == 0; ++i) {
      const TestFacts facts = draw.facts();
      bool isAllowed = false;
      const std::string rule = naiveDecision(policy.rbac, facts, &isAllowed);
      CHECK_EQ(world.ask(facts), isAllowed);
      if (!isAllowed) CHECK_EQ(world.outcome.rule, rule);
    }
  }
}

// So many keys that tables are large, by few lengths and by more than a table is asked for.
TEST(rulesAreFoundAmongThousands) {
  for (u32 lengths : {1u, 8u, 20u}) {
    Draw draw(lengths);
    std::vector<RuleParts> rules;
    const auto pathOf = [&draw, lengths] {
      return "/tenant/" + std::string(1 + draw.below(lengths), 'x') +
             std::to_string(draw.below(60));
    };
    const auto networkOf = [&draw, lengths] {
      const std::string bits = std::to_string(32 - draw.below(lengths));
      const std::string at = std::to_string(draw.below(2)) + "." + std::to_string(draw.below(250));
      return draw.below(2) != 0
                 ? "10.1." + at + "/" + bits
                 : "2001:db8::" + at.substr(2) + ":0/" + std::to_string(128 - draw.below(lengths));
    };
    for (u32 i = 0; i < 1500; ++i) {
      const TextKind kind = draw.below(3) != 0 ? TextKind::kPrefix : TextKind::kExact;
      TestParts test = draw.below(2) != 0 ? addressTest({networkOf()})
                                          : textTest(Source::kPath, kind, {pathOf()});
      rules.push_back(ruleOf("r" + std::to_string(i),
                             draw.below(2) != 0 ? Action::kAllow : Action::kDeny, test));
    }
    const PolicyParts policy = rbacOf(rules);
    PolicyWorld world({policy});
    u32 found = 0;
    for (u32 i = 0; i < 500 && check::failures() == 0; ++i) {
      TestFacts facts;
      facts.client = networkOf();
      facts.client.resize(facts.client.find('/'));
      facts.path = pathOf() + (draw.below(2) != 0 ? "/items" : "");
      bool isAllowed = false;
      const std::string rule = naiveDecision(policy.rbac, facts, &isAllowed);
      CHECK_EQ(world.ask(facts), isAllowed);
      if (!isAllowed) CHECK_EQ(world.outcome.rule, rule);
      if (rule != "default") ++found;
    }
    CHECK(found > 100);
  }
}

}  // namespace
}  // namespace holdfast::policy
