// Rate limits: whose bucket it is, what refusals say, limits of messages and bytes.
#include "policy/limits.h"

#include "policy_world.h"

namespace holdfast::policy {
namespace {

constexpr u64 kSecond = 1'000'000'000;

TEST(limitsRefuseWith429) {
  PolicyWorld world({limitOf(1, 2)});
  CHECK(world.ask({}) && world.ask({}));
  CHECK_EQ(world.outcome.responseFields.count, 0);
  CHECK(!world.ask({}));
  CHECK_EQ(world.outcome.status, 429);
  CHECK_EQ(world.outcome.kind, "rate-limit");
  CHECK_EQ(world.outcome.policy, "limit");
  CHECK_EQ(PolicyWorld::fieldOf(world.outcome.answerFields, "Retry-After"), "1");
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 9), 2);
  CHECK_EQ(world.counted(PolicyCounter::kDenied, 9), 1);
  world.nowNs += kSecond;
  CHECK(world.ask({}));
}

TEST(limitsTellWhatIsLeft) {
  PolicyParts policy = limitOf(60, 10);
  policy.limit.periodMs = 60'000;
  policy.limit.hasFields = true;
  policy.limit.hasRetryAfter = false;
  PolicyWorld world({policy});
  CHECK(world.ask({}));
  const FieldEdits& fields = world.outcome.responseFields;
  CHECK_EQ(PolicyWorld::fieldOf(fields, "RateLimit-Policy"), "\"limit\";q=60;w=60");
  CHECK_EQ(PolicyWorld::fieldOf(fields, "RateLimit"), "\"limit\";r=9;t=1");
  for (u32 i = 0; i < 9; ++i) CHECK(world.ask({}));
  CHECK(!world.ask({}));
  CHECK_EQ(fields.count, 0);
  CHECK_EQ(PolicyWorld::fieldOf(world.outcome.answerFields, "RateLimit"), "\"limit\";r=0;t=1");
  CHECK_EQ(PolicyWorld::fieldOf(world.outcome.answerFields, "Retry-After"), "");
}

TEST(limitsHaveBucketsForEachKey) {
  const auto isSame = [](std::vector<KeyParts> by, const TestFacts& a, const TestFacts& b) {
    PolicyWorld world({limitOf(1, 1, std::move(by))});
    CHECK(world.ask(a));
    return !world.ask(b);
  };
  TestFacts a;
  TestFacts b;
  b.client = "192.0.2.2";
  b.host = "b.example";
  b.path = "/b";
  b.query = "k=b";
  b.method = 2;
  b.route = 4;
  b.subject = "CN=b";
  b.headers = {{"x-key", "b"}, {"cookie", "id=b"}};
  CHECK(isSame({}, a, b));
  for (const KeyParts& key : std::vector<KeyParts>{{KeyKind::kAddress},
                                                   {KeyKind::kHost},
                                                   {KeyKind::kPath},
                                                   {KeyKind::kMethod},
                                                   {KeyKind::kRoute},
                                                   {KeyKind::kSubject},
                                                   {KeyKind::kHeader, "X-Key"},
                                                   {KeyKind::kCookie, "id"},
                                                   {KeyKind::kQuery, "k"}}) {
    CHECK(!isSame({key}, a, b));
    CHECK(isSame({key}, a, a) && isSame({key}, b, b));
    CHECK(!isSame({{KeyKind::kAddress}, key}, a, b));
  }
  TestFacts six = a;
  TestFacts neighbour = a;
  six.client = "2001:db8::1";
  neighbour.client = "2001:db8::ffff:1";
  CHECK(isSame({{KeyKind::kAddress}}, six, neighbour));
  CHECK(!isSame({{KeyKind::kAddress, "", 128}}, six, neighbour));
  TestFacts empty = a;
  empty.headers = {{"x-key", ""}};
  CHECK(!isSame({{KeyKind::kHeader, "x-key"}}, a, empty));
}

TEST(limitsOfTwoUsesAreApart) {
  PolicyParts other = limitOf(1, 5);
  other.id = 10;
  PolicyWorld world({limitOf(1, 5), other});
  for (u32 i = 0; i < 5; ++i) CHECK(world.ask({}));
  CHECK(!world.ask({}));
  CHECK_EQ(world.counted(PolicyCounter::kDenied, 9), 1);
  // What stands behind the one that refused is not asked.
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 10), 5);
}

TEST(limitsKeepTheirBucketsOverReloads) {
  PolicyWorld world({limitOf(1, 1)});
  CHECK(world.ask({}));
  world.use({rbacOf({}, Action::kAllow), limitOf(1, 1)});
  CHECK(!world.ask({}));
}

TEST(limitsInShadowCountOnly) {
  PolicyParts policy = limitOf(1, 1);
  policy.isShadow = true;
  PolicyWorld world({policy});
  CHECK(world.ask({}) && world.ask({}));
  CHECK_EQ(world.outcome.answerFields.count, 0);
  CHECK_EQ(world.counted(PolicyCounter::kShadowDenied, 9), 1);
}

TEST(limitsOfMessagesAndBytes) {
  PolicyParts messages = limitOf(10, 2, {{KeyKind::kAddress}});
  messages.phase = Phase::kNone;
  messages.limit.counted = Counted::kMessages;
  PolicyParts bytes = limitOf(1000, 1000, {{KeyKind::kAddress}});
  bytes.id = 11;
  bytes.phase = Phase::kNone;
  bytes.limit.counted = Counted::kBytes;
  PolicyWorld world({messages, bytes});
  CHECK(world.ask({}));
  CHECK(world.list().limits(Counted::kMessages) && !world.list().limits(Counted::kRequests));
  LimitHold holds[kLimitHoldsMax];
  const TestFacts facts;
  CHECK_EQ(world.list().findLimits(Counted::kMessages, world.factsOf(facts), world.tools(), holds),
           1);
  CHECK(takeFrom(holds[0], world.tools(), 1, world.nowNs));
  CHECK(takeFrom(holds[0], world.tools(), 1, world.nowNs));
  CHECK(!takeFrom(holds[0], world.tools(), 1, world.nowNs));
  CHECK_EQ(world.counted(PolicyCounter::kDenied, 9), 1);
  CHECK_EQ(world.list().findLimits(Counted::kBytes, world.factsOf(facts), world.tools(), holds), 1);
  CHECK_EQ(chargeTo(holds[0], world.tools(), 900, world.nowNs), 0);
  const u64 wait = chargeTo(holds[0], world.tools(), 600, world.nowNs);
  CHECK(wait > kSecond * 49 / 100 && wait < kSecond * 51 / 100);
  CHECK_EQ(world.counted(PolicyCounter::kDelayed, 11), 1);
  CHECK_EQ(world.counted(PolicyCounter::kAllowed, 11), 1);
  CHECK_EQ(bytesLeft(holds[0], world.tools(), world.nowNs).bytes, 0);
  CHECK_EQ(bytesLeft(holds[0], world.tools(), world.nowNs).waitNs, wait);
  refundTo(holds[0], world.tools(), 800, world.nowNs);
  const BytesLeft left = bytesLeft(holds[0], world.tools(), world.nowNs);
  CHECK(left.bytes >= 299 && left.bytes <= 300);
  CHECK_EQ(left.waitNs, 0);
}

TEST(limitsOfBytesInShadowHaveNoEnd) {
  PolicyParts bytes = limitOf(1000, 1000, {});
  bytes.phase = Phase::kNone;
  bytes.isShadow = true;
  bytes.limit.counted = Counted::kBytes;
  bytes.limit.directions = kToClient;
  PolicyWorld world({bytes});
  LimitHold hold[1];
  CHECK_EQ(world.list().findLimits(Counted::kBytes, world.factsOf({}), world.tools(), hold), 1);
  CHECK_EQ(hold[0].directions, kToClient);
  CHECK_EQ(chargeTo(hold[0], world.tools(), 5000, world.nowNs), 0);
  CHECK_EQ(world.counted(PolicyCounter::kShadowDenied, 9), 1);
  CHECK_EQ(bytesLeft(hold[0], world.tools(), world.nowNs).bytes, ~u64{0});
}

TEST(faultsSlowDownAShareWithBucketsOfTheirOwn) {
  PolicyParts fault;
  fault.kind = PolicyKind::kFault;
  fault.name = "slow";
  fault.id = 12;
  fault.inject.throttleMillionths = kMillion / 2;
  fault.inject.throttleBytes = 100'000;
  PolicyWorld world({fault});
  CHECK(world.list().limits(Counted::kBytes));
  LimitHold holds[2];
  u32 found = 0;
  u64 lastKey = 0;
  for (u32 i = 0; i < 1000; ++i) {
    if (world.list().findLimits(Counted::kBytes, world.factsOf({}), world.tools(), holds) == 0)
      continue;
    found++;
    CHECK(holds[0].key != lastKey);
    lastKey = holds[0].key;
  }
  CHECK(found > 400 && found < 600);
  CHECK_EQ(holds[0].directions, kToClient);
  CHECK_EQ(bytesLeft(holds[0], world.tools(), world.nowNs).bytes, 10'000);
}

}  // namespace
}  // namespace holdfast::policy
