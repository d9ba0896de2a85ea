// See kinds_compile.h.
#include "policy/kinds_compile.h"

#include <algorithm>

#include "codec/log_field.h"
#include "http/route_forms.h"
#include "http/template.h"
#include "runtime/board.h"

namespace holdfast::policy {
namespace {

constexpr size_t kDigestBytes = 32;
constexpr u32 kWindowMsMax = 60'000;
constexpr u32 kBaselineMsMax = 3'600'000;
constexpr u32 kToleranceMax = 10'000;
constexpr size_t kTypeBytesMax = 127;  // of a media type (RFC 6838 4.2)

template <typename T>
u32 push(std::vector<T>* section, const T& item) {
  section->push_back(item);
  return static_cast<u32>(section->size() - 1);
}

// Nothing that ends a line, and nothing that is not text (RFC 9110 5.5).
bool isFieldValue(std::string_view value) {
  return value.size() <= kPolicyTextMax && std::all_of(value.begin(), value.end(), [](char byte) {
           return byte == '\t' || (byte >= ' ' && byte != 0x7f);
         });
}

void checkValue(std::string_view value, KindFaults* faults) {
  if (!isFieldValue(value)) faults->emplace_back(PolicyFaultKind::kFieldValue, "");
}

http1::FieldId idOf(const std::string& name) {
  return http1::classifyField({reinterpret_cast<const u8*>(name.data()), name.size()});
}

// `text/html`, `text/*`: tokens with a slash between (RFC 9110 8.3.1).
bool isMediaType(const std::string& type) {
  const size_t slash = type.find('/');
  if (slash == std::string::npos || type.size() > kTypeBytesMax) return false;
  const std::string kind = type.substr(0, slash);
  const std::string name = type.substr(slash + 1);
  return kind != "*" && http::isFieldName(kind) && http::isFieldName(name);
}

// A field that policies may write.
void checkName(const std::string& name, KindFaults* faults) {
  if (!http::isFieldName(name)) {
    faults->emplace_back(PolicyFaultKind::kFieldName, name);
  } else if (!http1::isEditable(idOf(name))) {
    faults->emplace_back(PolicyFaultKind::kFieldPlanned, name);
  }
}

// False for what a request does not have yet when its policies are asked.
bool isKnownToPolicies(std::string_view compiled) {
  http::TemplatePiece piece;
  while (http::takePiece(&compiled, &piece)) {
    if (!piece.isVariable) continue;
    if (piece.variable == http::Variable::kCluster) return false;
    if (piece.variable == http::Variable::kTraceParent) return false;
  }
  return true;
}

}  // namespace

u32 addCors(const CorsParts& parts, u32 entry, FlatPolicies* flat, KindFaults* faults) {
  for (const std::string& value : {parts.methods, parts.headers, parts.exposed}) {
    checkValue(value, faults);
  }
  FlatCors cors;
  cors.entry = entry;
  cors.isAnyOrigin = parts.isAnyOrigin ? 1 : 0;
  cors.hasCredentials = parts.hasCredentials ? 1 : 0;
  cors.methods = flat->addText(parts.methods);
  cors.headers = flat->addText(parts.headers);
  cors.exposed = flat->addText(parts.exposed);
  const bool hasAge = parts.maxAgeSeconds != 0;
  cors.maxAge = flat->addText(hasAge ? std::to_string(parts.maxAgeSeconds) : std::string());
  return push(&flat->cors, cors);
}

u32 addAuth(const AuthParts& parts, FlatPolicies* flat, KindFaults* faults) {
  FlatAuth auth;
  std::vector<UserParts> users = parts.users;
  std::sort(users.begin(), users.end(),
            [](const UserParts& a, const UserParts& b) { return a.name < b.name; });
  if (users.size() > kUsersMax) faults->emplace_back(PolicyFaultKind::kTooMany, "");
  if (users.empty()) faults->emplace_back(PolicyFaultKind::kEmpty, "");
  auth.users = {static_cast<u32>(flat->users.size()), static_cast<u32>(users.size())};
  for (size_t i = 0; i < users.size(); ++i) {
    const UserParts& user = users[i];
    const bool isUser = !user.name.empty() && isFieldValue(user.name) &&
                        user.name.find(':') == std::string::npos && !user.salt.empty() &&
                        user.salt.size() <= kPolicyNameMax && user.digest.size() == kDigestBytes &&
                        user.rounds >= 1 && user.rounds <= kPasswordRoundsMax;
    if (!isUser) faults->emplace_back(PolicyFaultKind::kUser, user.name);
    if (i > 0 && users[i - 1].name == user.name) {
      faults->emplace_back(PolicyFaultKind::kUserTwice, user.name);
    }
    auth.rounds = std::max(auth.rounds, std::min(user.rounds, kPasswordRoundsMax));
    flat->users.push_back({flat->addText(user.name), flat->addText(user.salt),
                           flat->addText(user.digest), user.rounds, 0});
  }
  const bool isQuotable = parts.realm.find_first_of("\"\\") == std::string::npos;
  if (!isQuotable) faults->emplace_back(PolicyFaultKind::kFieldValue, parts.realm);
  checkValue(parts.realm, faults);
  auth.challenge = flat->addText("Basic realm=\"" + parts.realm + "\", charset=\"UTF-8\"");
  if (!parts.userHeader.empty()) checkName(parts.userHeader, faults);
  auth.userHeader = flat->addText(parts.userHeader);
  auth.isHidden = parts.isHidden ? 1 : 0;
  return push(&flat->auths, auth);
}

u32 addSize(const SizeParts& parts, FlatPolicies* flat) {
  return push(&flat->sizes, FlatSize{parts.requestBytesMax, parts.responseBytesMax});
}

u32 addEdits(const std::vector<EditParts>& parts, FlatPolicies* flat, KindFaults* faults) {
  if (parts.size() > kPolicyEditsMax) faults->emplace_back(PolicyFaultKind::kTooMany, "");
  const Range range{static_cast<u32>(flat->edits.size()), static_cast<u32>(parts.size())};
  for (const EditParts& part : parts) {
    checkName(part.name, faults);
    checkValue(part.value, faults);
    FlatEdit edit;
    edit.name = flat->addText(part.name);
    edit.value = flat->addText(part.value);
    edit.kind = part.kind;
    edit.id = idOf(part.name);
    edit.isResponse = part.isResponse ? 1 : 0;
    flat->edits.push_back(edit);
  }
  return push(&flat->editLists, range);
}

u32 addLogs(const std::vector<LogParts>& parts, FlatPolicies* flat, KindFaults* faults,
            http::TemplateFault* fault) {
  if (parts.size() > codec::kLogFieldsMax) faults->emplace_back(PolicyFaultKind::kTooMany, "");
  const Range range{static_cast<u32>(flat->logs.size()), static_cast<u32>(parts.size())};
  for (const LogParts& part : parts) {
    if (!codec::isLogFieldName(part.name)) {
      faults->emplace_back(PolicyFaultKind::kLogName, part.name);
    }
    std::string compiled;
    http::TemplateFault found;
    bool isRight = http::compileTemplate(part.value, &compiled, &found);
    if (isRight && !isKnownToPolicies(compiled)) {
      found = {http::TemplateProblem::kNotHere, 0, 0};
      isRight = false;
    }
    if (!isRight) {
      *fault = found;
      faults->emplace_back(PolicyFaultKind::kTemplate, part.value);
    }
    flat->logs.push_back({flat->addText(part.name), flat->addText(compiled)});
  }
  return push(&flat->logLists, range);
}

bool isInjectValid(const InjectParts& parts) {
  return parts.abortMillionths <= kMillion && parts.closeMillionths <= kMillion &&
         parts.delayMillionths <= kMillion && parts.delayMs <= kInjectDelayMsMax &&
         parts.throttleMillionths <= kMillion && parts.throttleDirections >= 1 &&
         parts.throttleDirections <= kBothDirections && parts.throttleBytes >= kThrottleBytesMin &&
         parts.throttleBytes <= kRateCountMax;
}

u32 addInject(const InjectParts& parts, FlatPolicies* flat, KindFaults* faults) {
  if (!isInjectValid(parts)) faults->emplace_back(PolicyFaultKind::kAmount, "");
  if (parts.throttleMillionths != 0) {
    flat->header.counted |= 1u << static_cast<u32>(Counted::kBytes);
  }
  return push(&flat->injects, parts);
}

bool areGradientsValid(const ConcurrencyRules& rules) {
  return rules.least >= 1 && rules.least <= rules.most && rules.most <= kConcurrencyMax &&
         rules.initial >= rules.least && rules.initial <= rules.most && rules.windowMs >= 1 &&
         rules.windowMs <= kWindowMsMax && rules.baselineMs >= rules.windowMs &&
         rules.baselineMs <= kBaselineMsMax && rules.tolerancePermille >= 1000 &&
         rules.tolerancePermille <= kToleranceMax;
}

u32 addGradient(const GradientParts& parts, FlatPolicies* flat, KindFaults* faults) {
  const ConcurrencyRules rules{parts.least,    parts.most,       parts.initial,
                               parts.windowMs, parts.baselineMs, parts.tolerancePermille};
  if (!areGradientsValid(rules)) faults->emplace_back(PolicyFaultKind::kAmount, "");
  return push(&flat->gradients, rules);
}

u32 addCompression(const CompressionParts& parts, FlatPolicies* flat, KindFaults* faults) {
  FlatCompression compression;
  if (parts.codings.empty() || parts.types.empty()) {
    faults->emplace_back(PolicyFaultKind::kEmpty, "");
  }
  if (parts.codings.size() > codec::kContentCodings || parts.types.size() > kPolicyTypesMax) {
    faults->emplace_back(PolicyFaultKind::kTooMany, "");
    return push(&flat->compressions, compression);
  }
  for (const codec::ContentCoding coding : parts.codings) {
    compression.codings[compression.codingCount++] = coding;
  }
  std::string types;
  for (const std::string& type : parts.types) {
    if (!isMediaType(type)) faults->emplace_back(PolicyFaultKind::kType, type);
    types += (types.empty() ? "" : "\n") + http::lowered(type);
  }
  compression.types = flat->addText(types);
  compression.bytesMin = parts.bytesMin;
  compression.level = parts.level;
  compression.isHidden = parts.isHidden ? 1 : 0;
  return push(&flat->compressions, compression);
}

bool isMirrorValid(const MirrorParts& parts) {
  return parts.cluster < kClustersMax && parts.millionths <= kMillion &&
         parts.contentBytesMax <= kMirrorContentBytesMax && parts.timeoutMs <= kMirrorTimeoutMsMax;
}

u32 addMirror(const MirrorParts& parts, FlatPolicies* flat, KindFaults* faults) {
  if (!isMirrorValid(parts)) faults->emplace_back(PolicyFaultKind::kAmount, "");
  return push(&flat->mirrors, parts);
}

u32 addLimit(const LimitParts& parts, const std::string& name, FlatPolicies* flat,
             KindFaults* faults) {
  FlatLimit limit;
  if (!makeBucketRate(parts.count, parts.periodMs, parts.burst, &limit.rate)) {
    faults->emplace_back(PolicyFaultKind::kRate, "");
  }
  limit.count = parts.count;
  limit.periodMs = parts.periodMs;
  limit.burst = parts.burst;
  limit.counted = parts.counted;
  limit.hasRetryAfter = parts.hasRetryAfter ? 1 : 0;
  limit.hasFields = parts.hasFields ? 1 : 0;
  limit.directions = parts.directions;
  const bool isWithin = parts.directions >= 1 && parts.directions <= kBothDirections;
  if (!isWithin) faults->emplace_back(PolicyFaultKind::kAmount, "");
  limit.by = {static_cast<u32>(flat->keyParts.size()), static_cast<u32>(parts.by.size())};
  if (parts.by.size() > kKeyPartsMax) faults->emplace_back(PolicyFaultKind::kTooMany, "");
  for (const KeyParts& key : parts.by) {
    const bool isField = key.kind == KeyKind::kHeader;
    if (isField && !http::isFieldName(key.name)) {
      faults->emplace_back(PolicyFaultKind::kFieldName, key.name);
    }
    flat->keyParts.push_back({key.kind, std::min(key.prefixBits, 128u),
                              flat->addText(isField ? http::lowered(key.name) : key.name)});
  }
  const u64 seconds = std::max<u64>((parts.periodMs + 999) / 1000, 1);
  limit.quota = flat->addText("\"" + name + "\";q=" + std::to_string(parts.count) +
                              ";w=" + std::to_string(seconds));
  flat->header.counted |= 1u << static_cast<u32>(parts.counted);
  return push(&flat->limits, limit);
}

}  // namespace holdfast::policy
