// What policies cost for each request: rules by path, by address and by claim,
// and a rate limit.
//
// Prints one line for each case: nanoseconds with everything in the nearest
// caches, and with all of it thrown out of them before each request, code too:
// what a request costs in the product is in between. Under callgrind, the
// instructions between the markers (`--toggle-collect=measure*`). See
// docs/filters-builtin.md for the figures.
// Invariant: requests, rules and seeds are the same in every run; two thirds of
// the requests are allowed by a rule, the others by none.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sys.h"

#include "policy/policy_list.h"

namespace {

using namespace holdfast;
using namespace holdfast::policy;

constexpr u32 kRules = 1000;
constexpr u32 kRequests = 1024;

using Fields = std::vector<std::pair<std::string, std::string>>;

bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  for (const auto& [fieldName, fieldValue] : *static_cast<const Fields*>(owner)) {
    if (fieldName != name || nth-- != 0) continue;
    *value = fieldValue;
    return true;
  }
  return false;
}

// A request as browsers send them.
struct Request {
  std::string path;
  Fields fields;
  Facts facts;
};

TestParts textOf(Source source, TextKind kind, std::string value, std::string name = {}) {
  TestParts test;
  test.kind = TestKind::kText;
  test.source = source;
  test.text = kind;
  test.values = {std::move(value)};
  test.name = std::move(name);
  return test;
}

TestParts networkOf(u32 number) {
  TestParts test;
  test.kind = TestKind::kAddress;
  Cidr cidr;
  const std::string text =
      "10." + std::to_string(number / 250) + "." + std::to_string(number % 250) + ".0/24";
  if (parseCidr(text, &cidr)) test.networks.push_back(cidr);
  return test;
}

std::string pathOf(u32 number) {
  return "/api/v1/tenant-" + std::to_string(number % 40) + "/resource-" + std::to_string(number);
}

enum class Kind { kPaths, kNetworks, kClaims, kMixed };

PolicyParts rulesOf(Kind kind) {
  PolicyParts policy;
  policy.name = "rules";
  for (u32 i = 0; i < kRules; ++i) {
    RuleParts rule;
    rule.name = "rule-" + std::to_string(i);
    TestParts methods;
    methods.kind = TestKind::kMethod;
    methods.methods = 6;
    const Kind own = kind != Kind::kMixed ? kind : static_cast<Kind>(i % 3);
    rule.when.parts.push_back(methods);
    if (own == Kind::kPaths) {
      rule.when.parts.push_back(textOf(Source::kPath, TextKind::kSegments, pathOf(i)));
    } else if (own == Kind::kNetworks) {
      rule.when.parts.push_back(networkOf(i));
    } else {
      rule.when.parts.push_back(
          textOf(Source::kHeader, TextKind::kExact, "user-" + std::to_string(i), "x-subject"));
    }
    policy.rbac.rules.push_back(std::move(rule));
  }
  return policy;
}

PolicyParts setOf() {
  PolicyParts policy;
  policy.name = "set";
  RuleParts rule;
  rule.when.kind = TestKind::kAddress;
  for (u32 i = 0; i < kRules; ++i) rule.when.networks.push_back(networkOf(i).networks[0]);
  policy.rbac.rules.push_back(std::move(rule));
  return policy;
}

PolicyParts limitOf() {
  PolicyParts policy;
  policy.kind = PolicyKind::kRateLimit;
  policy.name = "limit";
  policy.status = 429;
  policy.limit.by = {{}};
  policy.limit.count = 1'000'000;
  policy.limit.burst = 1'000'000;
  return policy;
}

// Every request brings the same wrong password: what a check costs at most.
PolicyParts passwordsOf(u32 rounds) {
  PolicyParts policy;
  policy.kind = PolicyKind::kBasicAuth;
  policy.name = "users";
  policy.status = 401;
  policy.auth.users = {{"ann", "salt", std::string(32, 'x'), rounds}};
  return policy;
}

std::vector<std::unique_ptr<Request>> makeRequests() {
  std::vector<std::unique_ptr<Request>> requests;
  Random random(7);
  for (u32 i = 0; i < kRequests; ++i) {
    auto request = std::make_unique<Request>();
    const u32 number = random.below(kRules * 3 / 2);
    request->path = pathOf(number) + "/items";
    request->fields = {{"host", "a.example"},
                       {"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
                       {"accept", "text/html,application/xhtml+xml"},
                       {"accept-language", "en-GB,en;q=0.9"},
                       {"accept-encoding", "gzip, deflate, br, zstd"},
                       {"x-subject", "user-" + std::to_string(number)},
                       {"cookie", "sid=0123456789abcdef"},
                       {"cache-control", "no-cache"},
                       {"authorization", "Basic YW5uOjAxMjM0NTY3ODlhYmNkZWY="}};
    Facts& facts = request->facts;
    const std::string client = "10." + std::to_string(number / 250) + "." +
                               std::to_string(number % 250) + "." + std::to_string(i % 250);
    if (!parseIp(client, 1, &facts.client)) std::abort();
    facts.method = 1;
    facts.host = "a.example";
    facts.path = request->path;
    facts.headers = {&request->fields, &findField};
    requests.push_back(std::move(request));
  }
  return requests;
}

// Callgrind counts in here only.
[[gnu::noinline]] u32 measureRound(const PolicyList& list, const Tools& tools, u64 nowNs,
                                   const std::vector<std::unique_ptr<Request>>& requests,
                                   Outcome* outcome) {
  u32 allowed = 0;
  for (const auto& request : requests) {
    outcome->clear();
    if (list.check(Phase::kRequest, request->facts, tools, nowNs, outcome)) ++allowed;
  }
  return allowed;
}

// Larger than the caches of one core, which hold nothing that is not in the
// last of them too.
constexpr size_t kEvictedBytes = 4u << 20;
constexpr size_t kLineBytes = 64;
constexpr u32 kColdRequests = 512;

// Reads as much as caches hold, so that what was there is gone.
[[gnu::noinline]] u64 evict(const std::vector<u64>& room) {
  u64 sum = 0;
  for (size_t at = 0; at < room.size(); at += kLineBytes / sizeof(u64)) sum += room[at];
  return sum;
}

u64 nanosecondsNow() {
  return static_cast<u64>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double medianOf(std::vector<u64>* values) {
  std::nth_element(values->begin(), values->begin() + values->size() / 2, values->end());
  return static_cast<double>((*values)[values->size() / 2]);
}

// The middle of the costs of single requests, each behind an eviction; reading
// the clock costs as much as it does there when nothing is done.
double measureCold(const PolicyList& list, const Tools& tools, u64 nowNs,
                   const std::vector<std::unique_ptr<Request>>& requests, Outcome* outcome) {
  std::vector<u64> room(kEvictedBytes / sizeof(u64), 1);
  std::vector<u64> idle;
  std::vector<u64> busy;
  volatile u64 kept = 0;
  for (u32 i = 0; i < kColdRequests; ++i) {
    for (std::vector<u64>* to : {&idle, &busy}) {
      const Facts& facts = requests[i]->facts;
      kept = kept + evict(room);
      const u64 begin = nanosecondsNow();
      if (to == &busy) {
        outcome->clear();
        kept = kept + (list.check(Phase::kRequest, facts, tools, nowNs, outcome) ? 1 : 0);
      }
      to->push_back(nanosecondsNow() - begin);
    }
  }
  return medianOf(&busy) - medianOf(&idle);
}

void run(const char* name, const std::vector<PolicyParts>& policies, Board* board, u32 rounds) {
  const auto scratch = std::make_unique<http::RegexScratch>();
  Random random(1);
  const Tools tools{*board, 0, *scratch, random};
  std::vector<u8> bytes;
  std::vector<PolicyFault> faults;
  PolicyList list;
  if (!compilePolicies(policies, &bytes, &faults) || !list.attach(bytes)) std::abort();
  const auto requests = makeRequests();
  const auto outcome = std::make_unique<Outcome>();
  const u64 nowNs = sys::nowNs();
  u32 allowed = measureRound(list, tools, nowNs, requests, outcome.get());
  double best = 1e9;
  for (u32 round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    allowed = measureRound(list, tools, nowNs + round, requests, outcome.get());
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
    best = std::min(best, spent.count() / kRequests);
  }
  const double cold = rounds == 0 ? 0 : measureCold(list, tools, nowNs, requests, outcome.get());
  std::printf("%-28s %7.1f ns  %7.1f ns evicted  %4u of %u allowed  %zu bytes\n", name, best, cold,
              allowed, kRequests, bytes.size());
}

}  // namespace

// policy_bench [case [rounds]]: all cases without one.
int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  const u32 rounds = argc > 2 ? static_cast<u32>(std::atoi(argv[2])) : 200;
  Board board;
  BoardOptions options;
  options.shards = 1;
  if (!board.create(options).isOk()) return 1;
  const std::pair<const char*, std::vector<PolicyParts>> cases[] = {
      {"limit", {limitOf()}},
      {"set", {setOf()}},
      {"paths", {rulesOf(Kind::kPaths)}},
      {"networks", {rulesOf(Kind::kNetworks)}},
      {"claims", {rulesOf(Kind::kClaims)}},
      {"mixed", {rulesOf(Kind::kMixed)}},
      {"password, 1 round", {passwordsOf(1)}},
      {"password, 100 rounds", {passwordsOf(100)}},
      {"mixed+limit", {rulesOf(Kind::kMixed), limitOf()}},
  };
  for (const auto& [name, policies] : cases) {
    if (only.empty() || only == name) run(name, policies, &board, rounds);
  }
  return 0;
}
