// The kinds of policies besides rules and rate limits: CORS, basic authentication, sizes, edits of
// fields, faults made on purpose, copies, and the adaptive limit.
#include "codec/sha256.h"

#include "policy_world.h"

namespace holdfast::policy {
namespace {

constexpr u64 kMs = 1'000'000;

PolicyParts policyOf(PolicyKind kind, u32 status) {
  PolicyParts policy;
  policy.kind = kind;
  policy.name = "p";
  policy.id = 5;
  policy.status = status;
  return policy;
}

std::string fieldOf(const FieldEdits& fields, std::string_view name) {
  return PolicyWorld::fieldOf(fields, name);
}

// --- CORS -----------------------------------------------------------------------------------

PolicyParts corsOf() {
  PolicyParts policy = policyOf(PolicyKind::kCors, 204);
  policy.cors.origins = textTest(Source::kHeader, TextKind::kExact,
                                 {"https://a.example", "https://b.example"}, "Origin");
  policy.cors.methods = "GET, PUT";
  policy.cors.headers = "x-token";
  policy.cors.exposed = "x-count";
  policy.cors.maxAgeSeconds = 600;
  policy.cors.hasCredentials = true;
  return policy;
}

TestFacts preflightOf(const std::string& origin) {
  TestFacts facts;
  facts.method = static_cast<u8>(http1::Method::kOptions);
  facts.headers = {{"origin", origin},
                   {"access-control-request-method", "PUT"},
                   {"access-control-request-headers", "x-token, x-other"}};
  return facts;
}

TEST(corsAnswersPreflights) {
  PolicyWorld world({corsOf()});
  const TestFacts known = preflightOf("https://b.example");
  const TestFacts foreign = preflightOf("https://c.example");
  CHECK(!world.ask(known));
  const FieldEdits& answer = world.outcome.answerFields;
  CHECK_EQ(world.outcome.status, 204);
  CHECK(world.outcome.verdict == Verdict::kAnswer);
  CHECK_EQ(world.outcome.rule, "preflight");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Origin"), "https://b.example");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Credentials"), "true");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Methods"), "GET, PUT");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Headers"), "x-token");
  CHECK_EQ(fieldOf(answer, "Access-Control-Max-Age"), "600");
  CHECK_EQ(fieldOf(answer, "Vary"), "Origin");
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 5), 1);
  CHECK(!world.ask(foreign));
  CHECK_EQ(world.outcome.rule, "origin");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Origin"), "");
  CHECK_EQ(fieldOf(answer, "Vary"), "Origin");
  CHECK_EQ(world.counted(PolicyCounter::kDenied, 5), 1);
}

TEST(corsTellsResponses) {
  PolicyWorld world({corsOf()});
  TestFacts facts;
  const FieldEdits& fields = world.outcome.responseFields;
  CHECK(world.ask(facts));
  CHECK_EQ(fieldOf(fields, "Vary"), "Origin");
  CHECK_EQ(fields.count, 4);
  // What an endpoint allows by itself is taken out.
  for (u32 i = 1; i < 4; ++i) CHECK(fields.edits[i].kind == http1::FieldEdit::Kind::kRemove);
  facts.headers = {{"origin", "https://a.example"}};
  CHECK(world.ask(facts));
  CHECK_EQ(fieldOf(fields, "Access-Control-Allow-Origin"), "https://a.example");
  CHECK_EQ(fieldOf(fields, "Access-Control-Expose-Headers"), "x-count");
  CHECK_EQ(fieldOf(fields, "Access-Control-Allow-Methods"), "");
  facts.headers = {{"origin", "https://c.example"}};
  CHECK(world.ask(facts));
  CHECK_EQ(fieldOf(fields, "Access-Control-Allow-Origin"), "");
  // Whoever sends two origins is no browser.
  facts.headers = {{"origin", "https://c.example"}, {"origin", "https://a.example"}};
  CHECK(world.ask(facts));
  CHECK_EQ(fieldOf(fields, "Access-Control-Allow-Origin"), "");
}

TEST(corsForAllRepeatsWhatIsAsked) {
  PolicyParts policy = corsOf();
  policy.cors.isAnyOrigin = true;
  policy.cors.hasCredentials = false;
  policy.cors.headers.clear();
  policy.cors.maxAgeSeconds = 0;
  PolicyWorld world({policy});
  const TestFacts facts = preflightOf("https://c.example");
  CHECK(!world.ask(facts));
  const FieldEdits& answer = world.outcome.answerFields;
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Origin"), "*");
  CHECK_EQ(fieldOf(answer, "Access-Control-Allow-Headers"), "x-token, x-other");
  CHECK_EQ(fieldOf(answer, "Vary"), "Access-Control-Request-Headers");
  CHECK_EQ(fieldOf(answer, "Access-Control-Max-Age"), "");
}

// --- Basic authentication -------------------------------------------------------------------

PolicyParts authOf() {
  PolicyParts policy = policyOf(PolicyKind::kBasicAuth, 401);
  for (const char* const name : {"zoe", "ann", "max"}) {
    const std::string salt = std::string("salt-") + name;
    const codec::Sha256Digest digest = codec::pbkdf2Sha256(
        std::string(name) + ":secret", {reinterpret_cast<const u8*>(salt.data()), salt.size()}, 3);
    policy.auth.users.push_back(
        {name, salt, std::string(reinterpret_cast<const char*>(digest.data()), digest.size()), 3});
  }
  policy.auth.realm = "gateway";
  policy.auth.userHeader = "X-User";
  policy.auth.isHidden = true;
  return policy;
}

TEST(basicAuthKnowsItsUsers) {
  PolicyWorld world({authOf()});
  const auto asks = [&world](const std::string& value) {
    TestFacts facts;
    facts.headers = {{"authorization", value}};
    return world.ask(facts);
  };
  // "ann:ann:secret", "zoe:zoe:secret"
  CHECK(asks("Basic YW5uOmFubjpzZWNyZXQ="));
  CHECK_EQ(fieldOf(world.outcome.requestFields, "X-User"), "ann");
  CHECK(world.outcome.requestFields.edits[1].kind == http1::FieldEdit::Kind::kRemove);
  CHECK(asks("basic  em9lOnpvZTpzZWNyZXQ"));
  CHECK_EQ(fieldOf(world.outcome.requestFields, "X-User"), "zoe");
  // A wrong password, an unknown user, no colon, no base64, nothing, another scheme.
  for (const char* const value :
       {"Basic YW5uOmFubjpzZWNyZXU=", "Basic Ym9iOmJvYjpzZWNyZXQ=", "Basic YW5u", "Basic !!!!",
        "Basic ", "Basic", "", "Bearer YW5uOmFubjpzZWNyZXQ=", "Basic Y"}) {
    CHECK(!asks(value));
    CHECK_EQ(world.outcome.status, 401);
    CHECK_EQ(fieldOf(world.outcome.answerFields, "WWW-Authenticate"),
             "Basic realm=\"gateway\", charset=\"UTF-8\"");
    CHECK_EQ(world.outcome.requestFields.count, 0);
  }
  CHECK(!asks("Basic " + std::string(2000, 'A')));
  CHECK(!world.ask({}));
  TestFacts twice;
  twice.headers = {{"authorization", "Basic YW5uOmFubjpzZWNyZXQ="}, {"authorization", "Basic Y"}};
  CHECK(!world.ask(twice));
}

TEST(basicAuthRefusesUsersThatMakeNoSense) {
  const auto faultOf = [](PolicyParts policy) {
    std::vector<u8> bytes;
    std::vector<PolicyFault> faults;
    CHECK(!compilePolicies({policy}, &bytes, &faults));
    return faults.empty() ? PolicyFaultKind::kCount : faults[0].kind;
  };
  PolicyParts policy = authOf();
  policy.auth.users[0].digest.pop_back();
  CHECK(faultOf(policy) == PolicyFaultKind::kUser);
  policy = authOf();
  policy.auth.users[0].rounds = kPasswordRoundsMax + 1;
  CHECK(faultOf(policy) == PolicyFaultKind::kUser);
  policy = authOf();
  policy.auth.users[0].name = "ann";
  CHECK(faultOf(policy) == PolicyFaultKind::kUserTwice);
  policy = authOf();
  policy.auth.realm = "a\"b";
  CHECK(faultOf(policy) == PolicyFaultKind::kFieldValue);
}

// --- Sizes and fields -----------------------------------------------------------------------

TEST(sizeLimitsTightenAndRefuse) {
  PolicyParts wide = policyOf(PolicyKind::kSizeLimit, 413);
  wide.size = {2000, 0};
  PolicyParts narrow = policyOf(PolicyKind::kSizeLimit, 413);
  narrow.size = {1000, 5000};
  PolicyWorld world({wide, narrow});
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.requestBytesMax, 1000);
  CHECK_EQ(world.outcome.responseBytesMax, 5000);
  TestFacts facts;
  facts.contentLength = 1000;
  CHECK(world.ask(facts));
  facts.contentLength = 1001;
  CHECK(!world.ask(facts));
  CHECK_EQ(world.outcome.status, 413);
}

TEST(headersAreEdited) {
  using Kind = http1::FieldEdit::Kind;
  PolicyParts policy = policyOf(PolicyKind::kHeaders, 403);
  policy.edits = {{false, Kind::kSet, "X-Env", "live"},
                  {true, Kind::kRemove, "Server", ""},
                  {true, Kind::kAdd, "X-Frame-Options", "DENY"}};
  PolicyWorld world({policy});
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.requestFields.count, 1);
  CHECK_EQ(fieldOf(world.outcome.requestFields, "X-Env"), "live");
  CHECK_EQ(world.outcome.responseFields.count, 2);
  CHECK_EQ(fieldOf(world.outcome.responseFields, "X-Frame-Options"), "DENY");
  std::vector<u8> bytes;
  std::vector<PolicyFault> faults;
  policy.edits = {{false, Kind::kSet, "Content-Length", "1"}, {false, Kind::kSet, "a", "b\nc"}};
  CHECK(!compilePolicies({policy}, &bytes, &faults));
  CHECK(faults.size() == 2 && faults[0].kind == PolicyFaultKind::kFieldPlanned &&
        faults[1].kind == PolicyFaultKind::kFieldValue);
}

TEST(fieldsOfRecordsAreNamedWithTheirTemplates) {
  PolicyParts policy = policyOf(PolicyKind::kAccessLog, 403);
  policy.logs = {{"tenant", "%{header.X-Tenant}"}, {"region", "eu-1"}};
  PolicyParts put = policyOf(PolicyKind::kAccessLog, 403);
  put.logs = {{"method", "P"}};
  put.when.kind = TestKind::kMethod;
  put.when.methods = 1u << static_cast<u32>(http1::Method::kPut);
  PolicyWorld world({policy, put});
  TestFacts facts;
  facts.method = static_cast<u8>(http1::Method::kGet);
  CHECK(world.ask(facts));
  CHECK_EQ(world.outcome.logCount, 2u);
  CHECK_EQ(world.outcome.logs[0].name, "tenant");
  CHECK(!http::isPlain(world.outcome.logs[0].value));
  CHECK_EQ(world.outcome.logs[1].value, "eu-1");
  facts.method = static_cast<u8>(http1::Method::kPut);
  CHECK(world.ask(facts));
  CHECK_EQ(world.outcome.logCount, 3u);
  for (u32 i = 0; i < codec::kLogFieldsMax - 2; ++i) {
    policy.logs.push_back({"f" + std::to_string(i), "x"});
  }
  world.use({policy, policy, policy});
  CHECK(world.ask({}));
  CHECK(world.outcome.areLogsCut && world.outcome.logCount == kOutcomeLogsMax);
  CHECK(!world.outcome.isCut);
}

TEST(fieldsOfRecordsThatAreWrongAreTold) {
  PolicyParts policy = policyOf(PolicyKind::kAccessLog, 403);
  const auto faultOf = [](const PolicyParts& parts) {
    std::vector<u8> bytes;
    std::vector<PolicyFault> faults;
    CHECK(!compilePolicies({parts}, &bytes, &faults) && faults.size() == 1);
    return faults.empty() ? PolicyFaultKind::kCount : faults[0].kind;
  };
  policy.logs = {{"Bad", "x"}};
  CHECK(faultOf(policy) == PolicyFaultKind::kLogName);
  for (const char* value : {"a %{nothing}", "%{header.x", "a\nb", "%{status}", "%{cluster}"}) {
    policy.logs = {{"good", value}};
    CHECK(faultOf(policy) == PolicyFaultKind::kTemplate);
  }
  policy.logs.assign(codec::kLogFieldsMax + 1, {"good", "x"});
  CHECK(faultOf(policy) == PolicyFaultKind::kTooMany);
}

TEST(whatAPolicyChangesIsWhatThoseBehindItSee) {
  using Kind = http1::FieldEdit::Kind;
  PolicyParts edit = policyOf(PolicyKind::kHeaders, 403);
  edit.edits = {{false, Kind::kSet, "X-Role", "user"}, {false, Kind::kAdd, "x-role", "guest"}};
  PolicyParts removal = policyOf(PolicyKind::kHeaders, 403);
  removal.edits = {{false, Kind::kRemove, "x-role", ""}};
  PolicyParts addition = policyOf(PolicyKind::kHeaders, 403);
  addition.edits = {{false, Kind::kAdd, "x-role", "admin"}};
  const auto denies = [](const char* role) {
    PolicyParts policy = policyOf(PolicyKind::kRbac, 403);
    policy.rbac.fallback = Action::kAllow;
    policy.rbac.rules.push_back({"role", Action::kDeny, false,
                                 textTest(Source::kHeader, TextKind::kExact, {role}, "X-Role")});
    return policy;
  };
  TestFacts facts;
  facts.headers = {{"x-role", "admin"}, {"x-role", "owner"}};
  PolicyWorld world({denies("owner")});
  CHECK(!world.ask(facts));
  // What was replaced is not seen, and what replaces it is.
  world.use({edit, denies("admin"), denies("owner")});
  CHECK(world.ask(facts));
  for (const char* role : {"user", "guest"}) {
    world.use({edit, denies(role)});
    CHECK(!world.ask(facts));
    world.use({edit, removal, denies(role)});
    CHECK(world.ask(facts));
  }
  // What is added stands behind what came.
  world.use({addition, denies("owner")});
  CHECK(!world.ask(facts));
  facts.headers = {};
  world.use({addition, denies("admin")});
  CHECK(!world.ask(facts));
}

TEST(fieldsThatHaveNoRoomAreLeftOut) {
  PolicyParts policy = policyOf(PolicyKind::kHeaders, 403);
  for (u32 i = 0; i < kPolicyEditsMax; ++i) {
    policy.edits.push_back({true, http1::FieldEdit::Kind::kAdd, "x", "y"});
  }
  PolicyWorld world({policy, policy, policy, policy});
  CHECK(world.ask({}));
  CHECK(world.outcome.isCut);
  CHECK_EQ(world.outcome.responseFields.count, kOutcomeFieldsMax);
}

// --- Faults on purpose ----------------------------------------------------------------------

TEST(faultsComeAsOftenAsAsked) {
  PolicyParts policy = policyOf(PolicyKind::kFault, 503);
  policy.inject = {250'000, 0, 500'000, 40};
  PolicyWorld world({policy});
  u32 aborted = 0;
  u32 delayed = 0;
  for (u32 i = 0; i < 4000; ++i) {
    if (!world.ask({})) ++aborted;
    if (world.outcome.delayMs != 0) ++delayed;
  }
  CHECK(aborted > 900 && aborted < 1100);
  CHECK(delayed > 1850 && delayed < 2150);
  CHECK_EQ(world.counted(PolicyCounter::kDelayed, 5), delayed);
  policy.inject = {kMillion, kMillion, 0, 0};
  world.use({policy});
  CHECK(!world.ask({}));
  CHECK(world.outcome.verdict == Verdict::kClose);
  policy.inject = {kMillion, 0, kMillion, 40};
  policy.isShadow = true;
  world.use({policy});
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.delayMs, 0);
}

// --- Copies ---------------------------------------------------------------------------------

TEST(copiesAreAskedForAsOftenAsSaid) {
  PolicyParts policy = policyOf(PolicyKind::kMirror, 403);
  policy.mirror = {7, 250'000, 1000, 50};
  PolicyWorld world({policy});
  u32 copied = 0;
  for (u32 i = 0; i < 4000; ++i) {
    CHECK(world.ask({}));
    copied += world.outcome.mirrorCount;
  }
  CHECK(copied > 900 && copied < 1100);
  policy.mirror.millionths = 0;
  world.use({policy});
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.mirrorCount, 0u);
  policy.mirror.millionths = kMillion;
  world.use(std::vector<PolicyParts>(6, policy));
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.mirrorCount, kMirrorsOfRequestMax);
  CHECK_EQ(world.outcome.mirrors[0].cluster, 7u);
  CHECK_EQ(world.outcome.mirrors[0].contentBytesMax, 1000u);
  CHECK_EQ(world.outcome.mirrors[0].timeoutMs, 50u);
}

TEST(copiesHaveLimits) {
  const MirrorParts wrong[] = {{kClustersMax, 0, 0, 0},
                               {0, kMillion + 1, 0, 0},
                               {0, 0, kMirrorContentBytesMax + 1, 0},
                               {0, 0, 0, kMirrorTimeoutMsMax + 1}};
  for (const MirrorParts& parts : wrong) {
    PolicyParts policy = policyOf(PolicyKind::kMirror, 403);
    policy.mirror = parts;
    std::vector<u8> bytes;
    std::vector<PolicyFault> faults;
    CHECK(!compilePolicies({policy}, &bytes, &faults));
    CHECK(faults.size() == 1 && faults[0].kind == PolicyFaultKind::kAmount);
  }
}

// --- The adaptive limit ---------------------------------------------------------------------

class Load {
 public:
  explicit Load(const GradientParts& rules) {
    PolicyParts policy = policyOf(PolicyKind::kConcurrency, 503);
    policy.gradient = rules;
    world.use({policy});
  }

  // Windows in which as many requests as are let in take `micros` each.
  void run(u32 windows, u64 micros) {
    for (u32 i = 0; i < windows; ++i) {
      u32 entered = 0;
      while (entered < 5000 && world.ask({})) ++entered;
      limit = entered;
      // One more is asked for at the end of the window, while the load is still there.
      for (u32 j = 0; j + 1 < entered; ++j) leave(5, world.tools(), micros);
      for (u32 j = 0; j + 1 < entered; ++j) world.tools().board.concurrency(5).force();
      world.nowNs += 101 * kMs;
      if (world.ask({})) leave(5, world.tools(), 0);
      for (u32 j = 0; j < entered; ++j) world.tools().board.concurrency(5).leave(0);
    }
  }

  PolicyWorld world;
  u32 limit = 0;
};

TEST(adaptiveLimitsGrowWhileLatencyHolds) {
  Load load({1, 200, 20, 100, 60'000, 1500});
  load.run(1, 1000);
  CHECK_EQ(load.limit, 20);
  load.run(60, 1000);
  CHECK_EQ(load.limit, 200);
  CHECK_EQ(load.world.tools().board.concurrency(5).active.load(), 0);
}

TEST(adaptiveLimitsFallWithLatencyAndRecover) {
  Load load({5, 200, 100, 100, 60'000, 1500});
  load.run(5, 1000);
  const u32 before = load.limit;
  load.run(12, 20'000);
  CHECK(load.limit < before / 4);
  CHECK(load.limit >= 5);
  load.run(40, 1000);
  CHECK(load.limit > before);
}

TEST(adaptiveLimitsRefuseAndGiveBack) {
  PolicyParts policy = policyOf(PolicyKind::kConcurrency, 503);
  policy.gradient = {2, 2, 2, 100, 60'000, 1500};
  PolicyWorld world({policy});
  CHECK(world.ask({}));
  CHECK_EQ(world.outcome.ticketCount, 1);
  CHECK(world.ask({}));
  CHECK(!world.ask({}));
  CHECK_EQ(world.outcome.ticketCount, 0);
  CHECK_EQ(world.outcome.status, 503);
  CHECK_EQ(world.counted(PolicyCounter::kActive, 5), 2);
  leave(5, world.tools(), 1000);
  CHECK(world.ask({}));
  // A shard that is gone leaves nothing behind.
  world.tools().board.endPolicies(0);
  CHECK_EQ(world.counted(PolicyCounter::kActive, 5), 0);
  CHECK(world.ask({}) && world.ask({}));
  policy.isShadow = true;
  world.use({policy});
  CHECK(world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kShadowDenied, 5), 1);
}

}  // namespace
}  // namespace holdfast::policy
