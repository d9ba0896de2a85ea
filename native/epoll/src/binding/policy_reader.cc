// Words become numbers here and nowhere deeper; fields that a kind does not have are not read.
#include "binding/policy_reader.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "binding/objects.h"
#include "codec/http1_bytes.h"
#include "codec/http1_field.h"
#include "codec/log_field.h"
#include "runtime/board.h"

#include "compression/compressor_library.h"
#include "policy/policy_list.h"

namespace holdfast::binding {
namespace {

inline constexpr size_t kTextMax = 16 * 1024;
constexpr const char* kEditKinds[] = {"add", "set", "remove"};
inline constexpr u32 kNestingMax = policy::kTestNestingMax + 2;  // the compiler says what is wrong

std::vector<std::string> textsOf(const Fields& fields, const char* name) {
  const Napi::Array items = fields.arrayOf(name, policy::kNetworksMax);
  std::vector<std::string> texts;
  texts.reserve(items.Length());
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    std::string text = item.IsString() ? item.As<Napi::String>().Utf8Value() : std::string();
    if (!item.IsString() || text.size() > kTextMax || text.find('\0') != std::string::npos) {
      fields.wrong(name, "a list of short texts");
      break;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<Cidr> networksOf(const Fields& fields, const char* name) {
  std::vector<Cidr> networks;
  for (const std::string& text : textsOf(fields, name)) {
    Cidr network;
    if (!parseCidr(text, &network)) fields.wrong(name, "networks such as 10.0.0.0/8");
    networks.push_back(network);
  }
  return networks;
}

u32 methodsOf(const Fields& fields) {
  u32 bits = 0;
  for (const std::string& name : textsOf(fields, "methods")) {
    const auto method = http1::classifyMethod({reinterpret_cast<const u8*>(name.data()),  //
                                               name.size()});
    if (method == http1::Method::kOther) fields.wrong("methods", "methods that are known");
    bits |= 1u << static_cast<u32>(method);
  }
  return bits;
}

policy::TestParts readTest(Napi::Value value, const std::string& path, Problem& problem,
                           u32 depth = 0) {
  policy::TestParts test;
  if (depth > kNestingMax) {
    problem.note(path + " is nested too deep");
    return test;
  }
  const Fields fields(value, path, problem);
  test.kind = kindOf<policy::TestKind>(fields, "kind", policy::kTestKindNames);
  switch (test.kind) {
    case policy::TestKind::kAll:
    case policy::TestKind::kAny:
    case policy::TestKind::kNot: {
      const Napi::Array parts = fields.arrayOf("parts", policy::kTestsMax);
      for (u32 i = 0; i < parts.Length() && problem.isNone(); i++) {
        test.parts.push_back(readTest(parts.Get(i), placeOf(path, "parts", i), problem, depth + 1));
      }
      return test;
    }
    case policy::TestKind::kAddress:
      test.networks = networksOf(fields, "networks");
      return test;
    case policy::TestKind::kMethod:
      test.methods = methodsOf(fields);
      return test;
    case policy::TestKind::kText:
      test.source = kindOf<policy::Source>(fields, "source", policy::kSourceNames);
      test.name = fields.stringOf("name", kTextMax);
      test.text = kindOf<policy::TextKind>(fields, "match", policy::kTextKindNames);
      test.values = textsOf(fields, "values");
      return test;
    default:
      return test;
  }
}

policy::RbacParts readRules(const Fields& fields, Problem& problem) {
  policy::RbacParts parts;
  parts.fallback = kindOf<policy::Action>(fields, "fallback", policy::kActionNames);
  const Napi::Array rules = fields.arrayOf("rules", policy::kPolicyRulesMax);
  for (u32 i = 0; i < rules.Length() && problem.isNone(); i++) {
    const Fields from(rules.Get(i), placeOf(fields.path(), "rules", i), problem);
    policy::RuleParts& rule = parts.rules.emplace_back();
    rule.name = from.stringOf("name", policy::kPolicyNameMax);
    rule.action = kindOf<policy::Action>(from, "action", policy::kActionNames);
    rule.isShadow = from.boolOf("isShadow");
    rule.when = readTest(from.valueOf("when"), from.path() + ".when", problem);
  }
  return parts;
}

policy::LimitParts readLimit(const Fields& fields, Problem& problem) {
  policy::LimitParts limit;
  limit.counted = kindOf<policy::Counted>(fields, "counted", policy::kCountedNames);
  limit.count = fields.u64Of("count");
  limit.periodMs = fields.u64Of("periodMs");
  limit.burst = fields.u64Of("burst");
  limit.hasRetryAfter = fields.boolOf("hasRetryAfter");
  limit.hasFields = fields.boolOf("hasFields");
  limit.directions = fields.u32Of("directions", policy::kBothDirections);
  const Napi::Array by = fields.arrayOf("by", policy::kKeyPartsMax);
  for (u32 i = 0; i < by.Length() && problem.isNone(); i++) {
    const Fields from(by.Get(i), placeOf(fields.path(), "by", i), problem);
    policy::KeyParts& key = limit.by.emplace_back();
    key.kind = kindOf<policy::KeyKind>(from, "kind", policy::kKeyKindNames);
    key.name = from.stringOf("name", kTextMax);
    key.prefixBits = from.u32Of("prefixBits", 128);
  }
  return limit;
}

policy::CorsParts readCors(const Fields& fields, Problem& problem) {
  policy::CorsParts cors;
  cors.origins = readTest(fields.valueOf("origins"), fields.path() + ".origins", problem);
  cors.isAnyOrigin = fields.boolOf("isAnyOrigin");
  cors.hasCredentials = fields.boolOf("hasCredentials");
  cors.methods = fields.stringOf("methods", kTextMax);
  cors.headers = fields.stringOf("headers", kTextMax);
  cors.exposed = fields.stringOf("exposed", kTextMax);
  cors.maxAgeSeconds = fields.u32Of("maxAgeSeconds");
  return cors;
}

// Bytes that stand in hexadecimal digits; empty when they do not.
std::string bytesOfHex(const std::string& text) {
  std::string bytes;
  if (text.size() % 2 != 0) return bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = http1::hexValue(static_cast<u8>(text[i]));
    const int low = http1::hexValue(static_cast<u8>(text[i + 1]));
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

policy::AuthParts readAuth(const Fields& fields, Problem& problem) {
  policy::AuthParts auth;
  auth.realm = fields.stringOf("realm", kTextMax);
  auth.userHeader = fields.stringOf("userHeader", kTextMax);
  auth.isHidden = fields.boolOf("isHidden");
  const Napi::Array users = fields.arrayOf("users", policy::kUsersMax);
  for (u32 i = 0; i < users.Length() && problem.isNone(); i++) {
    const Fields from(users.Get(i), placeOf(fields.path(), "users", i), problem);
    policy::UserParts& user = auth.users.emplace_back();
    user.name = from.stringOf("name", kTextMax);
    user.salt = bytesOfHex(from.stringOf("salt", kTextMax));
    user.digest = bytesOfHex(from.stringOf("digest", kTextMax));
    user.rounds = from.u32Of("rounds");
  }
  return auth;
}

std::vector<policy::EditParts> readEdits(const Fields& fields, Problem& problem) {
  std::vector<policy::EditParts> edits;
  const Napi::Array items = fields.arrayOf("edits", 4 * policy::kPolicyEditsMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields from(items.Get(i), placeOf(fields.path(), "edits", i), problem);
    policy::EditParts& edit = edits.emplace_back();
    edit.isResponse = from.boolOf("isResponse");
    edit.kind = kindOf<http1::FieldEdit::Kind>(from, "kind", kEditKinds);
    edit.name = from.stringOf("name", kTextMax);
    edit.value = from.stringOf("value", kTextMax);
  }
  return edits;
}

std::vector<policy::LogParts> readLogs(const Fields& fields, Problem& problem) {
  std::vector<policy::LogParts> logs;
  const Napi::Array items = fields.arrayOf("fields", 4 * codec::kLogFieldsMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields from(items.Get(i), placeOf(fields.path(), "fields", i), problem);
    logs.push_back({from.stringOf("name", kTextMax), from.stringOf("value", kTextMax)});
  }
  return logs;
}

policy::InjectParts readInject(const Fields& fields) {
  return {fields.u32Of("abortMillionths"),    fields.u32Of("closeMillionths"),
          fields.u32Of("delayMillionths"),    fields.u32Of("delayMs"),
          fields.u32Of("throttleMillionths"), fields.u32Of("throttleDirections"),
          fields.u64Of("throttleBytes")};
}

policy::GradientParts readGradient(const Fields& fields) {
  return {fields.u32Of("least"),    fields.u32Of("most"),       fields.u32Of("initial"),
          fields.u32Of("windowMs"), fields.u32Of("baselineMs"), fields.u32Of("tolerancePermille")};
}

policy::CompressionParts readCompression(const Fields& fields, Problem& problem) {
  policy::CompressionParts compression;
  for (const std::string& name : textsOf(fields, "algorithms")) {
    const auto* const found = std::find(std::begin(codec::kContentCodingNames),
                                        std::end(codec::kContentCodingNames), name);
    if (found == std::end(codec::kContentCodingNames)) {
      problem.note(fields.path() + ".algorithms has one that is not known");
      break;
    }
    compression.codings.push_back(
        static_cast<codec::ContentCoding>(found - std::begin(codec::kContentCodingNames)));
  }
  compression.level = kindOf<codec::CodingLevel>(fields, "level", codec::kCodingLevelNames);
  compression.bytesMin = fields.u64Of("bytesMin");
  compression.types = textsOf(fields, "types");
  compression.isHidden = fields.boolOf("isHidden");
  return compression;
}

policy::MirrorParts readMirror(const Fields& fields) {
  return {fields.u32Of("cluster", kClustersMax - 1), fields.u32Of("millionths"),
          fields.u32Of("contentBytesMax"), fields.u32Of("timeoutMs")};
}

policy::PolicyParts readPolicy(const Fields& fields, Problem& problem) {
  policy::PolicyParts parts;
  parts.kind = kindOf<policy::PolicyKind>(fields, "kind", policy::kPolicyKindNames);
  parts.phase = kindOf<policy::Phase>(fields, "phase", policy::kPhaseNames);
  parts.name = fields.stringOf("name", policy::kPolicyNameMax);
  parts.id = fields.u32Of("id", kPolicyUsesMax - 1);
  parts.isShadow = fields.boolOf("isShadow");
  parts.status = fields.u32Of("status", 999);
  parts.when = readTest(fields.valueOf("when"), fields.path() + ".when", problem);
  switch (parts.kind) {
    case policy::PolicyKind::kRateLimit:
      parts.limit = readLimit(fields, problem);
      break;
    case policy::PolicyKind::kCors:
      parts.cors = readCors(fields, problem);
      break;
    case policy::PolicyKind::kBasicAuth:
      parts.auth = readAuth(fields, problem);
      break;
    case policy::PolicyKind::kSizeLimit:
      parts.size = {fields.u64Of("requestBytesMax"), fields.u64Of("responseBytesMax")};
      break;
    case policy::PolicyKind::kHeaders:
      parts.edits = readEdits(fields, problem);
      break;
    case policy::PolicyKind::kFault:
      parts.inject = readInject(fields);
      break;
    case policy::PolicyKind::kConcurrency:
      parts.gradient = readGradient(fields);
      break;
    case policy::PolicyKind::kAccessLog:
      parts.logs = readLogs(fields, problem);
      break;
    case policy::PolicyKind::kCompression:
      parts.compression = readCompression(fields, problem);
      break;
    case policy::PolicyKind::kMirror:
      parts.mirror = readMirror(fields);
      break;
    default:
      parts.rbac = readRules(fields, problem);
      break;
  }
  return parts;
}

// Algorithms that this process has no library for.
void findMissing(const std::vector<policy::PolicyParts>& parts,
                 std::vector<policy::PolicyFault>* faults) {
  for (u32 i = 0; i < parts.size(); i++) {
    for (const codec::ContentCoding coding : parts[i].compression.codings) {
      if (compression::processLibrary()->isThere(coding)) continue;
      policy::PolicyFault& fault = faults->emplace_back();
      fault.kind = policy::PolicyFaultKind::kNoCompressor;
      fault.policy = i;
      fault.value = codec::kContentCodingNames[static_cast<size_t>(coding)];
    }
  }
}

}  // namespace

std::vector<policy::PolicyParts> readPolicies(Napi::Value value, const std::string& path,
                                              Problem& problem) {
  std::vector<policy::PolicyParts> policies;
  if (!value.IsArray()) {
    problem.note(path + " must be a list");
    return policies;
  }
  const Napi::Array items = value.As<Napi::Array>();
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    policies.push_back(readPolicy(Fields(items.Get(i), place, problem), problem));
  }
  return policies;
}

Napi::Value checkPolicies(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Problem problem;
  const std::vector<policy::PolicyParts> parts = readPolicies(info[0], "policies", problem);
  if (throwIf(env, problem)) return env.Undefined();
  std::vector<u8> bytes;
  std::vector<policy::PolicyFault> faults;
  (void)policy::compilePolicies(parts, &bytes, &faults);
  findMissing(parts, &faults);
  Napi::Array out = Napi::Array::New(env);
  for (const policy::PolicyFault& fault : faults) {
    const bool isRegex = fault.kind == policy::PolicyFaultKind::kRegex;
    const bool isPath = fault.kind == policy::PolicyFaultKind::kPath;
    const bool isTemplate = fault.kind == policy::PolicyFaultKind::kTemplate;
    Napi::Object row = Napi::Object::New(env);
    row.Set("policy", fault.policy);
    row.Set("rule", fault.rule == kNoIndex ? -1.0 : static_cast<double>(fault.rule));
    row.Set("value", fault.value);
    row.Set("position", isRegex      ? static_cast<double>(fault.regex.position)
                        : isTemplate ? static_cast<double>(fault.text.position)
                                     : -1.0);
    const auto textOf = [](const auto& texts, auto kind) { return texts[size_t(kind)]; };
    row.Set("text", isRegex      ? textOf(http::kRegexFaultTexts, fault.regex.fault)
                    : isPath     ? textOf(http::kRouteFaultTexts, fault.path)
                    : isTemplate ? textOf(http::kTemplateProblemTexts, fault.text.problem)
                                 : textOf(policy::kPolicyFaultTexts, fault.kind));
    out.Set(out.Length(), row);
  }
  return out;
}

Napi::Value BoardObject::policyCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kPolicyUsesMax, "policy");
  if (index < 0) return info.Env().Undefined();
  Napi::Array out = Napi::Array::New(info.Env(), countOf<PolicyCounter>());
  for (u32 i = 0; i < countOf<PolicyCounter>(); i++) {
    u64 total = 0;
    for (u32 shard = 0; shard < board_->shards(); shard++) {
      const PolicyCell& cell = board_->policy(shard, static_cast<u32>(index));
      total += cell.counters[i].load(std::memory_order_relaxed);
    }
    out.Set(i, static_cast<double>(static_cast<i64>(total) < 0 ? 0 : total));
  }
  constexpr u32 kLimit = static_cast<u32>(PolicyCounter::kLimit);
  const u32 limit = board_->concurrency(static_cast<u32>(index)).limit.load();
  out.Set(kLimit, static_cast<double>(limit));
  return out;
}

void BoardObject::setPolicy(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kPolicyUsesMax, "policy");
  if (index < 0 || index == kPolicyOther) return;
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    PolicyCell& cell = board_->policy(shard, static_cast<u32>(index));
    for (std::atomic<u64>& counter : cell.counters) counter.store(0, std::memory_order_relaxed);
  }
  ConcurrencyCell& concurrency = board_->concurrency(static_cast<u32>(index));
  concurrency.active.store(0, std::memory_order_relaxed);
  concurrency.limit.store(0, std::memory_order_relaxed);
  concurrency.baselineMicros.store(0, std::memory_order_relaxed);
}

}  // namespace holdfast::binding
