// What a listener with HTTP and the clusters behind it are told, as control code states it before
// it is laid flat.
//
// Filled on the main thread from the configuration (binding/http_reader.cc), laid flat by
// compileSnapshot, then let go. Routes stand in the order in which http::RouteTableParts counts
// them. Invariant: nothing here is read by a shard. Templates are texts with variables in them
// (http/template.h); times are milliseconds and 0 means never, sizes are bytes and 0 means no limit
// of its own, unless a comment says otherwise.
#pragma once

#include <string>
#include <vector>

#include "http/route_parts.h"
#include "runtime/address.h"
#include "runtime/base.h"

#include "policy/policy_parts.h"

namespace holdfast::proxy {

enum class HttpAction : u32 {
  kCluster,   // the endpoints of one of the route's splits answer
  kRedirect,  // `text` is the template of Location
  kRespond,   // `text` is the content
  kCount,
};

// What a failed try is followed by another one for. Bits.
enum HttpRetryOn : u32 {
  kRetryConnect = 1u << 0,    // nothing was sent: no connection, or a stale one
  kRetryReset = 1u << 1,      // the endpoint ended without an answer; idempotent requests only
  kRetryPerTry = 1u << 2,     // no answer within perTryMs; idempotent requests only
  kRetryStatus502 = 1u << 3,  // of idempotent requests
  kRetryStatus503 = 1u << 4,
  kRetryStatus504 = 1u << 5,
  kRetryStatus5xx = 1u << 6,
  kRetryStatus429 = 1u << 7,
  kRetryUnsafe = 1u << 8,  // the route says that every method may be tried again
  kRetryHedge = 1u << 9,   // no answer within perTryMs: another try beside this one
};
inline constexpr const char* kHttpRetryNames[] = {
    "connect", "reset", "timeout", "502", "503", "504", "5xx", "429", "unsafe", "hedge",
};

// What a request is told apart by, for clusters that balance by hash.
enum class HashSource : u32 { kAddress, kHeader, kCookie, kQuery, kCount };
inline constexpr const char* kHashSourceNames[] = {"address", "header", "cookie", "query"};

struct HttpEditParts {
  enum class Kind : u32 { kAdd, kSet, kRemove, kCount };

  Kind kind = Kind::kSet;
  std::string name;
  std::string value{};  // template
};

struct WebSocketParts {
  bool isAllowed = false;
  bool isValidated = false;    // frames are checked whole, text for UTF-8
  bool isPingCounted = false;  // pings and pongs are activity
  u64 frameBytesMax = 0;
  u32 idleMs = 0;
  u32 pingMs = 0;  // the gateway pings a client that was silent for this long
  u32 pongMs = 0;  // and closes when nothing came for so long after its ping
  u32 maxAgeMs = 0;
  u32 maxAgeJitterPermille = 0;
};

// What a route does with requests that it took.
struct HttpRouteParts {
  u32 id = 0;  // on the board
  HttpAction action = HttpAction::kCluster;
  u32 status = 0;             // kRedirect, kRespond
  std::string text{};         // template
  std::string contentType{};  // kRespond with content
  std::string host{};         // Host for the endpoint; empty: the client's
  u32 requestMs = 0;          // from the whole head to the head of the response
  u32 perTryMs = 0;           // from the choice of an endpoint to the head of the response
  u32 idleMs = 0;             // no byte of content in either direction
  u64 bodyBytesMax = 0;       // of a request
  u32 retries = 0;
  u32 retryOn = kRetryConnect;
  HashSource hashSource = HashSource::kAddress;
  std::string hashName{};    // of the header, cookie or parameter
  u32 cookieSeconds = 0;     // kCookie: a request without it gets one for this long; 0: none
  std::string cookiePath{};  // of that cookie
  std::vector<HttpEditParts> requestEdits{};
  std::vector<HttpEditParts> responseEdits{};
  WebSocketParts webSocket{};
  u32 filterChain = 0;  // id; 0: none
  std::vector<policy::PolicyParts> policies{};
};

enum class TraceMode : u32 { kPass, kCreate, kRemove, kCount };
inline constexpr const char* kTraceModeNames[] = {"pass", "create", "remove"};

// Of a listener.
struct HttpParts {
  bool isEnabled = false;
  u32 headBytesMax = 0;  // at least 1024
  u32 targetBytesMax = 0;
  u32 fieldsMax = 0;
  u32 requestsMax = 0;  // of one connection
  u32 headMs = 0;       // from the first byte of a head to its last
  u32 keepAliveMs = 0;  // between two requests
  u32 bodyMs = 0;       // no byte of a request's content
  bool isSlashMerged = true;
  bool isEscapedSlashAllowed = false;
  bool isUnderscoreAllowed = false;
  bool hasForwardedFor = true;  // X-Forwarded-For, -Proto, -Host
  bool hasForwarded = false;    // Forwarded (RFC 7239)
  bool hasRequestId = true;     // X-Request-Id
  TraceMode trace = TraceMode::kPass;
  std::string via{};            // pseudonym in Via; empty: no field
  std::string serverName{};     // Server of responses; empty: what the endpoint says
  std::vector<Cidr> trusted{};  // peers whose forwarding fields are believed
  http::RouteTableParts table{};
  std::vector<HttpRouteParts> routes{};
};

// Of a cluster.
struct ClusterHttpParts {
  u32 idleMs = 0;           // an unused connection is closed after this
  u32 ageMs = 0;            // and one of this age after its request
  u32 requestsMax = 0;      // of one connection
  u32 idlePerEndpoint = 0;  // unused connections that a shard keeps to one endpoint; 0: none
  // Of all shards together; 0: no limit.
  u32 connectionsMax = 0;
  u32 requestsActiveMax = 0;
  u32 pendingMax = 0;           // requests that wait for a connect
  u32 retriesMax = 0;           // under way
  u32 retryBudgetPermille = 0;  // retries per request; 0: no budget
};

}  // namespace holdfast::proxy
