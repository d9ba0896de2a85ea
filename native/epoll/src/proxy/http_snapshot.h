// What a snapshot holds for HTTP: flat records beside those of listeners and clusters.
//
// Laid flat by flattenHttp (http_snapshot.cc) from HttpParts; read by the exchange. The route table
// of a listener stands in the snapshot too, and numbers the routes of its HttpSpec.
// Invariant: what isHttpValid() accepted refers to nothing outside its snapshot, so that readers
// check positions nowhere else.
#pragma once

#include <span>
#include <vector>

#include "codec/http1_field.h"
#include "codec/http1_rules.h"
#include "proxy/http_parts.h"
#include "proxy/http_record.h"

namespace holdfast::proxy {

struct SnapshotHeader;

// A text of the snapshot.
struct TextSpec {
  u32 offset = 0;  // in the texts
  u32 length = 0;
};

enum HttpFlag : u32 {
  kHttpSlashMerged = 1u << 0,
  kHttpEscapedSlash = 1u << 1,
  kHttpUnderscore = 1u << 2,
  kHttpForwardedFor = 1u << 3,
  kHttpForwarded = 1u << 4,
  kHttpRequestId = 1u << 5,
};

struct HttpSpec {
  u32 tableOffset = 0;  // of the route table, in the snapshot; a multiple of 8
  u32 tableBytes = 0;
  u32 routeFirst = 0;
  u32 routeCount = 0;
  u32 headBytesMax = 0;
  u32 targetBytesMax = 0;
  u32 fieldsMax = 0;
  u32 requestsMax = 0;
  u32 headMs = 0;
  u32 keepAliveMs = 0;
  u32 bodyMs = 0;
  u32 flags = 0;
  TraceMode trace = TraceMode::kPass;
  u32 cidrFirst = 0;  // trusted peers
  u32 cidrCount = 0;
  TextSpec via;
  TextSpec serverName;
};

struct HttpEditSpec {
  HttpEditParts::Kind kind = HttpEditParts::Kind::kSet;
  http1::FieldId id = http1::FieldId::kOther;
  TextSpec name;
  TextSpec value;  // compiled template
};

struct WebSocketSpec {
  u64 frameBytesMax = 0;  // 0: what a tracker can follow
  u32 isAllowed = 0;
  u32 isValidated = 0;
  u32 isPingCounted = 0;
  u32 idleMs = 0;
  u32 pingMs = 0;
  u32 pongMs = 0;
  u32 maxAgeMs = 0;
  u32 maxAgeJitterPermille = 0;
};

// What WebSockets keep of their route; equal ones share a set.
struct FramesSettings {
  WebSocketSpec spec;
  u32 route = 0;
  u32 refs = 0;
  u32 circuit = kNoIndex;  // whose connections count the WebSockets
  bool hasDeflate = false;
  u32 chain = 0;  // of filters
};

struct HttpRouteSpec {
  u64 bodyBytesMax = 0;  // 0: none
  WebSocketSpec webSocket;
  u32 id = 0;
  HttpAction action = HttpAction::kCluster;
  u32 status = 0;
  u32 requestMs = 0;
  u32 perTryMs = 0;
  u32 idleMs = 0;
  u32 retries = 0;
  u32 retryOn = 0;
  HashSource hashSource = HashSource::kAddress;
  u32 cookieSeconds = 0;
  u32 requestEditFirst = 0;
  u32 requestEditCount = 0;
  u32 responseEditFirst = 0;
  u32 responseEditCount = 0;
  u32 filterChain = 0;  // id; 0: none
  u32 reserved = 0;
  TextSpec policies;  // in the policies; empty: none
  TextSpec text;      // compiled template
  TextSpec contentType;
  TextSpec host;
  TextSpec hashName;
  TextSpec cookiePath;
};

// How requests are read.
[[nodiscard]] inline http1::Rules rulesOf(const HttpSpec& spec) {
  http1::Rules rules;
  rules.headBytesMax = spec.headBytesMax;
  rules.targetBytesMax = spec.targetBytesMax;
  rules.fieldsMax = spec.fieldsMax;
  rules.isUnderscoreAllowed = (spec.flags & kHttpUnderscore) != 0;
  return rules;
}

// The parts of HTTP, laid flat. Texts go to `texts`, networks to `cidrs`.
struct FlatHttp {
  std::vector<HttpSpec> specs;
  std::vector<HttpRouteSpec> routes;
  std::vector<HttpEditSpec> edits;
  std::vector<u8> tables;    // each at a multiple of 8; offsets are relative to its beginning
  std::vector<u8> policies;  // of listeners and routes, the same way
};

// Appends one listener. False when its route table or one of its templates cannot be compiled:
// control code has checked them before.
[[nodiscard]] bool flattenHttp(const HttpParts& parts, FlatHttp* flat, std::vector<u8>* texts,
                               std::vector<Cidr>* cidrs);

// Appends the policies of a listener or a route. False when they cannot be compiled.
[[nodiscard]] bool flattenPolicies(const std::vector<policy::PolicyParts>& parts,
                                   std::vector<u8>* bytes, TextSpec* spec);

// The format of access records. False when the template cannot be compiled.
[[nodiscard]] bool flattenAccess(AccessFormat format, const std::string& text,
                                 std::vector<u8>* texts, SnapshotHeader* header);

// Checks what the header says of HTTP against the bytes of the snapshot.
[[nodiscard]] bool isHttpValid(const u8* bytes, const SnapshotHeader& header);

}  // namespace holdfast::proxy
