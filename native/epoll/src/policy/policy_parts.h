// What native filters ("policies") of one place are made of, as control code states them before
// they are laid flat.
//
// Filled on the main thread from the configuration, given to compilePolicies once, then let go. A
// place is a listener or a route; its policies are evaluated in the order of the list.
// Invariant: nothing here is read by a shard.
#pragma once

#include <iterator>
#include <string>
#include <vector>

#include "codec/content_coding.h"
#include "codec/http1_write.h"
#include "http/regex.h"
#include "http/route_parts.h"
#include "http/template.h"
#include "runtime/address.h"
#include "runtime/base.h"

namespace holdfast::policy {

enum class PolicyKind : u32 {
  kRbac,
  kRateLimit,
  kIpAccess,
  kCors,
  kBasicAuth,
  kSizeLimit,
  kHeaders,
  kFault,
  kConcurrency,
  kAccessLog,
  kCompression,
  kMirror,
  kCount,
};
// As `use` has them behind "holdfast/": the reason word of records.
inline constexpr const char* kPolicyKindNames[] = {
    "rbac",    "rate-limit", "ip-access",   "cors",       "basic-auth",  "size-limit",
    "headers", "fault",      "concurrency", "access-log", "compression", "mirror"};
static_assert(std::size(kPolicyKindNames) == static_cast<size_t>(PolicyKind::kCount));

// When a policy is asked. kNone: only when the path counts what it limits (messages, bytes).
enum class Phase : u32 { kAccept, kOpen, kRequest, kNone, kCount };
inline constexpr const char* kPhaseNames[] = {"accept", "open", "request", "none"};
static_assert(std::size(kPhaseNames) == static_cast<size_t>(Phase::kCount));

// What a text test looks at. Several values: one of them is enough.
enum class Source : u32 {
  kHost,
  kPath,  // without the parameters of segments
  kHeader,
  kQuery,  // a parameter, not decoded
  kCookie,
  kSubject,  // of the client's certificate
  kAltName,  // DNS:a, URI:b, IP:c, email:d
  kCount,
};
inline constexpr const char* kSourceNames[] = {"host",   "path",    "header", "query",
                                               "cookie", "subject", "altName"};
static_assert(std::size(kSourceNames) == static_cast<size_t>(Source::kCount));

enum class TextKind : u32 { kExact, kPresent, kPrefix, kSuffix, kRegex, kSegments, kCount };
inline constexpr const char* kTextKindNames[] = {"exact",  "present", "prefix",
                                                 "suffix", "regex",   "segments"};
static_assert(std::size(kTextKindNames) == static_cast<size_t>(TextKind::kCount));

enum class TestKind : u32 { kAll, kAny, kNot, kAddress, kMethod, kTls, kText, kCount };
inline constexpr const char* kTestKindNames[] = {"all",    "any", "not", "address",
                                                 "method", "tls", "text"};
static_assert(std::size(kTestKindNames) == static_cast<size_t>(TestKind::kCount));

// A condition. `all` of nothing holds, `any` of nothing does not.
struct TestParts {
  TestKind kind = TestKind::kAll;
  std::vector<TestParts> parts{};  // kAll, kAny; kNot has one
  std::vector<Cidr> networks{};    // kAddress
  u32 methods = 0;                 // kMethod: a bit for each
  Source source = Source::kHost;   // kText, with a name for headers, parameters and cookies
  std::string name{};
  TextKind text = TextKind::kExact;
  std::vector<std::string> values{};  // any of them; none with kPresent
};

enum class Action : u32 { kAllow, kDeny, kCount };
inline constexpr const char* kActionNames[] = {"allow", "deny"};
static_assert(std::size(kActionNames) == static_cast<size_t>(Action::kCount));

struct RuleParts {
  std::string name;
  Action action = Action::kAllow;
  bool isShadow = false;  // its match is counted and decides nothing
  TestParts when{};
};

// The first rule that matches decides; without one, the default does.
struct RbacParts {
  std::vector<RuleParts> rules{};
  Action fallback = Action::kDeny;
};

// What a bucket is kept for each of.
enum class KeyKind : u32 {
  kAddress,  // of the client; IPv6 by its first `prefixBits`
  kHost,
  kPath,
  kMethod,
  kRoute,
  kHeader,
  kCookie,
  kQuery,
  kSubject,
  kCount,
};
inline constexpr const char* kKeyKindNames[] = {"address", "host",   "path",  "method", "route",
                                                "header",  "cookie", "query", "subject"};
static_assert(std::size(kKeyKindNames) == static_cast<size_t>(KeyKind::kCount));

struct KeyParts {
  KeyKind kind = KeyKind::kAddress;
  std::string name{};
  u32 prefixBits = 64;
};

enum class Counted : u32 { kRequests, kConnections, kMessages, kBytes, kCount };
inline constexpr const char* kCountedNames[] = {"requests", "connections", "messages", "bytes"};
static_assert(std::size(kCountedNames) == static_cast<size_t>(Counted::kCount));

// Whose bytes: bits, by who sends them.
inline constexpr u32 kFromClient = 1u << 0;
inline constexpr u32 kToClient = 1u << 1;
inline constexpr u32 kBothDirections = kFromClient | kToClient;

struct LimitParts {
  Counted counted = Counted::kRequests;
  u32 directions = kBothDirections;  // kBytes
  std::vector<KeyParts> by{};        // empty: one bucket for all
  u64 count = 1;
  u64 periodMs = 1000;
  u64 burst = 1;
  bool hasRetryAfter = true;
  bool hasFields = false;  // RateLimit and RateLimit-Policy
};

// Cross-origin requests (WHATWG Fetch 3.2). Texts are values of fields.
struct CorsParts {
  TestParts origins{};  // on the header "origin"
  bool isAnyOrigin = false;
  bool hasCredentials = false;
  std::string methods{};
  std::string headers{};  // empty: those that are asked for
  std::string exposed{};
  u32 maxAgeSeconds = 0;  // 0: as clients like
};

struct UserParts {
  std::string name;
  std::string salt{};
  std::string digest{};  // 32 bytes: PBKDF2 with HMAC-SHA-256
  u32 rounds = 1;
};

struct AuthParts {
  std::string realm{};
  std::vector<UserParts> users{};
  std::string userHeader{};  // set to the name of the user; empty: none
  bool isHidden = false;     // the endpoint gets no Authorization
};

struct SizeParts {
  u64 requestBytesMax = 0;  // 0: no limit of its own
  u64 responseBytesMax = 0;
};

// A change to a field, with its value as it is.
struct EditParts {
  bool isResponse = false;
  http1::FieldEdit::Kind kind = http1::FieldEdit::Kind::kSet;
  std::string name{};
  std::string value{};
};

// A field of access records.
struct LogParts {
  std::string name{};
  std::string value{};  // template
};

// Nothing is slowed down below so many bytes a second: a record of TLS comes whole.
inline constexpr u64 kThrottleBytesMin = 1024;

// Faults that are made on purpose, for so many of a million.
struct InjectParts {
  u32 abortMillionths = 0;
  u32 closeMillionths = 0;  // instead of an answer
  u32 delayMillionths = 0;
  u32 delayMs = 0;
  u32 throttleMillionths = 0;
  u32 throttleDirections = kToClient;
  u64 throttleBytes = kThrottleBytesMin;  // a second
};

// A copy of the request for an endpoint of another cluster, for so many of a million requests.
struct MirrorParts {
  u32 cluster = 0;  // id
  u32 millionths = 0;
  u32 contentBytesMax = 0;  // requests with more content are not copied
  u32 timeoutMs = 0;        // for all of the copy; 0: as long as the route waits
};

// Requests under way at once, as many as latency allows.
struct GradientParts {
  u32 least = 1;
  u32 most = 1000;
  u32 initial = 20;
  u32 windowMs = 100;            // over which latency is averaged
  u32 baselineMs = 60'000;       // for so long the lowest average counts, and as long again
  u32 tolerancePermille = 1500;  // of the lowest average: no more than that is load
};

// Responses that are compressed for clients that take it.
struct CompressionParts {
  std::vector<codec::ContentCoding> codings{};  // the one that is liked best first
  codec::CodingLevel level = codec::CodingLevel::kFast;
  u64 bytesMin = 0;                  // of a length that is known
  std::vector<std::string> types{};  // media types: text/html, text/*
  bool isHidden = false;             // the endpoint gets no Accept-Encoding
};

// One use of a native filter.
struct PolicyParts {
  PolicyKind kind = PolicyKind::kRbac;
  Phase phase = Phase::kRequest;
  std::string name{};  // for records and fields: a short word
  u32 id = 0;          // on the board: what it counts, and whose buckets are its own
  bool isShadow = false;
  u32 status = 403;    // of a refusal
  TestParts when{};    // does not hold: the policy is passed over
  RbacParts rbac{};    // kRbac, kIpAccess
  LimitParts limit{};  // kRateLimit
  CorsParts cors{};
  AuthParts auth{};
  SizeParts size{};
  std::vector<EditParts> edits{};
  std::vector<LogParts> logs{};
  InjectParts inject{};
  GradientParts gradient{};
  CompressionParts compression{};
  MirrorParts mirror{};
};

inline constexpr u32 kPoliciesMax = 64;        // of one place
inline constexpr u32 kPolicyRulesMax = 65536;  // of one place
inline constexpr u32 kTestNestingMax = 16;
inline constexpr u32 kTestsMax = 1u << 20;     // of one place
inline constexpr u32 kNetworksMax = 1u << 20;  // of one test
inline constexpr u32 kKeyPartsMax = 4;
inline constexpr u32 kUsersMax = 4096;  // of one policy
// A round is two blocks of SHA-256: the most take a shard less than a tenth of a millisecond.
inline constexpr u32 kPasswordRoundsMax = 100;
inline constexpr u32 kPolicyEditsMax = 20;  // of one policy
inline constexpr u32 kPolicyTypesMax = 64;  // media types of one policy
inline constexpr u32 kMillion = 1'000'000;
inline constexpr u32 kInjectDelayMsMax = 600'000;
inline constexpr u32 kConcurrencyMax = 1'000'000;
inline constexpr u32 kMirrorContentBytesMax = 1024 * 1024;
inline constexpr u32 kMirrorTimeoutMsMax = 600'000;
inline constexpr size_t kPolicyTextMax = 8192;
inline constexpr size_t kPolicyNameMax = 63;
inline constexpr u64 kPolicyBytesMax = u64{1} << 28;

enum class PolicyFaultKind : u8 {
  kRegex,  // `regex` says why
  kTooMany,
  kTooLong,
  kEmpty,
  kNesting,
  kPath,       // `path` says why
  kFieldName,  // no header can have that name
  kHostName,
  kRate,
  kStatus,
  kKind,
  kFieldValue,
  kFieldPlanned,
  kUser,
  kUserTwice,
  kAmount,
  kTooLarge,
  kLogName,
  kTemplate,  // `text` says why
  kType,
  kNoCompressor,
  kCount,
};
inline constexpr const char* kPolicyFaultTexts[] = {
    "not a regular expression that is supported",
    "too many",
    "too long",
    "empty",
    "conditions are nested more than 16 deep",
    "no path that a request can have",
    "not a header name",
    "not a host name, *.name or *",
    "count and period must be at least 1, and a bucket must fill within a year",
    "not a status",
    "no policy of this kind",
    "bytes that no field value has",
    "a field that frames the message or belongs to one hop cannot be changed",
    "a user has a name without a colon, a salt, 32 bytes of digest and 1 to 100 rounds",
    "two users have that name",
    "an amount that is out of range",
    "the policies of one place are too large",
    "not a name for a field of access records: lower-case letters, digits, \"_\", \".\" and \"-\", "
    "a letter first, at most 32",
    "not a template",
    "no media type: write text/html, or text/* for all of a kind",
    "this program has no library for that algorithm: use another one, or the Node.js of the "
    "release",
};
static_assert(std::size(kPolicyFaultTexts) == static_cast<size_t>(PolicyFaultKind::kCount));

// One thing that is wrong, and where: numbers are positions in the parts.
struct PolicyFault {
  PolicyFaultKind kind = PolicyFaultKind::kEmpty;
  u32 policy = 0;
  u32 rule = kNoIndex;  // of the policy; kNoIndex: elsewhere
  std::string value{};  // the text that is wrong
  http::RegexError regex{};
  http::RouteFaultKind path = http::RouteFaultKind::kCount;
  http::TemplateFault text{};
};

}  // namespace holdfast::policy
