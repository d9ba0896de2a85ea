// The tables of everything that is counted about HTTP, and of why requests end: one row each, used
// by both planes.
//
// Cells of these counters lie on the board (board.h); the binding hands names and sentences to
// TypeScript; metrics, logs and docs print them. A row here is all it takes to count something new.
// Invariant: a cell has one writing thread, its shard.
// Does not count bytes and connections, nor what limits of clusters compare: counters.h does.
#pragma once

#include <atomic>

#include "runtime/base.h"
#include "runtime/counters.h"
#include "runtime/histogram.h"

namespace holdfast {

// X(identifier, name, kind, sentence): per listener and shard.
#define HF_HTTP_COUNTERS(X)                                                                     \
  X(Requests, "requests", "counter", "Requests whose head arrived whole and was valid.")        \
  X(RequestsActive, "requestsActive", "gauge", "Requests under way, WebSockets left out.")      \
  X(Responses1xx, "responses1xx", "counter",                                                    \
    "Interim responses, and switches to WebSocket, sent to clients.")                           \
  X(Responses2xx, "responses2xx", "counter", "Responses of the class 2xx sent to clients.")     \
  X(Responses3xx, "responses3xx", "counter", "Responses of the class 3xx sent to clients.")     \
  X(Responses4xx, "responses4xx", "counter", "Responses of the class 4xx sent to clients.")     \
  X(Responses5xx, "responses5xx", "counter", "Responses of the class 5xx sent to clients.")     \
  X(Continues, "continues", "counter", "100 Continue sent to clients that asked for it.")       \
  X(Retries, "retries", "counter", "Requests tried again, on another endpoint where possible.") \
  X(RetryBudgetExhausted, "retryBudgetExhausted", "counter",                                    \
    "Retries left out because the cluster's budget or limit of retries was reached.")           \
  X(WebSocketsOpened, "webSocketsOpened", "counter", "WebSockets that were opened.")            \
  X(WebSocketsActive, "webSocketsActive", "gauge", "Live WebSockets.")                          \
  X(WebSocketsClosed, "webSocketsClosed", "counter", "WebSockets that ended.")                  \
  X(WebSocketsRefused, "webSocketsRefused", "counter",                                          \
    "Upgrades refused because the route allows none or the request was not valid.")             \
  X(MessagesFromClients, "webSocketMessagesFromClients", "counter",                             \
    "Whole text and binary messages received from clients.")                                    \
  X(MessagesFromEndpoints, "webSocketMessagesFromEndpoints", "counter",                         \
    "Whole text and binary messages received from endpoints.")                                  \
  X(PingsSent, "webSocketPingsSent", "counter", "Pings that the gateway sent to clients.")      \
  X(PongTimeouts, "webSocketPongTimeouts", "counter",                                           \
    "WebSockets closed because the client answered no ping in time.")                           \
  X(CloseFramesSent, "webSocketClosesSent", "counter",                                          \
    "Close frames that the gateway sent on its own behalf, counted for each side.")

// X(identifier, name, kind, sentence): per cluster and shard.
#define HF_CLUSTER_HTTP_COUNTERS(X)                                                                \
  X(Requests, "requests", "counter",                                                               \
    "Requests sent to an endpoint of the cluster, tries counted.")                                 \
  X(Responses2xx, "responses2xx", "counter", "Responses of the class 2xx from endpoints.")         \
  X(Responses3xx, "responses3xx", "counter", "Responses of the class 3xx from endpoints.")         \
  X(Responses4xx, "responses4xx", "counter", "Responses of the class 4xx from endpoints.")         \
  X(Responses5xx, "responses5xx", "counter", "Responses of the class 5xx from endpoints.")         \
  X(Failures, "failures", "counter", "Tries that ended without a whole response head.")            \
  X(Retries, "retries", "counter", "Tries that followed a failed one.")                            \
  X(Opened, "connectionsOpened", "counter", "Connections opened to endpoints for HTTP.")           \
  X(Reused, "connectionsReused", "counter", "Requests sent on a connection that served before.")   \
  X(Stale, "connectionsStale", "counter",                                                          \
    "Kept connections that the endpoint had closed when a request was about to use them.")         \
  X(Expired, "connectionsExpired", "counter",                                                      \
    "Connections closed by idle time, age or number of requests.")                                 \
  X(Discarded, "connectionsDiscarded", "counter",                                                  \
    "Connections closed after a request because they could not be used again.")                    \
  X(Idle, "connectionsIdle", "gauge", "Unused connections kept to endpoints.")                     \
  X(Mirrors, "mirrors", "counter", "Copies of requests that mirrors sent to an endpoint.")         \
  X(MirrorResponses2xx, "mirrorResponses2xx", "counter", "Responses of the class 2xx to copies.")  \
  X(MirrorResponses3xx, "mirrorResponses3xx", "counter", "Responses of the class 3xx to copies.")  \
  X(MirrorResponses4xx, "mirrorResponses4xx", "counter", "Responses of the class 4xx to copies.")  \
  X(MirrorResponses5xx, "mirrorResponses5xx", "counter", "Responses of the class 5xx to copies.")  \
  X(MirrorFailures, "mirrorFailures", "counter",                                                   \
    "Copies that got no head of a response, or not in time.")                                      \
  X(MirrorsCut, "mirrorsCut", "counter",                                                           \
    "Copies given up without a response: a drain, or the shard stopped.")                          \
  X(MirrorsTooLong, "mirrorsTooLong", "counter", "Copies not made: more content than contentMax.") \
  X(MirrorsOverLimit, "mirrorsOverLimit", "counter",                                               \
    "Copies not sent: a limit of the cluster, or of copies at once.")                              \
  X(MirrorsNoMemory, "mirrorsNoMemory", "counter",                                                 \
    "Copies not made: the memory for bytes on their way was used up.")                             \
  X(MirrorsActive, "mirrorsActive", "gauge", "Copies under way.")

// X(identifier, name, kind, sentence): per use of a native filter and shard.
#define HF_POLICY_COUNTERS(X)                                                                     \
  X(Allowed, "allowed", "counter", "Requests and connections that the filter let through.")       \
  X(Denied, "denied", "counter", "Requests and connections that the filter refused.")             \
  X(ShadowDenied, "shadowDenied", "counter",                                                      \
    "Requests and connections that the filter, or a rule of it, would have refused without "      \
    "`shadow`.")                                                                                  \
  X(Uncounted, "uncounted", "counter",                                                            \
    "Takes that a rate limit granted without counting them because no slot was left.")            \
  X(Delayed, "delayed", "counter", "Requests that the filter held up, and waits for its bytes.")  \
  X(Active, "active", "gauge", "Requests that an adaptive limit let in and that have not ended.") \
  X(Limit, "limit", "gauge", "How many requests an adaptive limit lets in at once.")              \
  X(GzipResponses, "gzipResponses", "counter", "Responses that were compressed.")                 \
  X(GzipBytesIn, "gzipBytesIn", "counter", "Content given to compressors, and taken from them.")  \
  X(GzipBytesOut, "gzipBytesOut", "counter", "Content that came out of compressors with gzip.")   \
  X(BrotliResponses, "brotliResponses", "counter", "Responses that were compressed with Brotli.") \
  X(BrotliBytesIn, "brotliBytesIn", "counter", "Content given to compressors with Brotli.")       \
  X(BrotliBytesOut, "brotliBytesOut", "counter", "Content that came out of them with Brotli.")    \
  X(ZstdResponses, "zstdResponses", "counter", "Responses that were compressed with zstd.")       \
  X(ZstdBytesIn, "zstdBytesIn", "counter", "Content given to compressors with zstd.")             \
  X(ZstdBytesOut, "zstdBytesOut", "counter", "Content that came out of them with zstd.")          \
  X(Uncompressed, "uncompressed", "counter",                                                      \
    "Responses passed on as they were because there was no room for another compressor.")

// X(identifier, name): per route and shard. A request counts once when it was given to the route
// and once when it ended, so their difference is what is under way.
#define HF_ROUTE_COUNTERS(X)      \
  X(Requests, "requests")         \
  X(Responses1xx, "responses1xx") \
  X(Responses2xx, "responses2xx") \
  X(Responses3xx, "responses3xx") \
  X(Responses4xx, "responses4xx") \
  X(Responses5xx, "responses5xx") \
  X(Unanswered, "unanswered")     \
  X(Retries, "retries")           \
  X(WebSocketsActive, "webSocketsActive")

// X(identifier, name, who, sentence): why a request, or a WebSocket, ended. `who` decided it.
#define HF_HTTP_ENDS(X)                                                                          \
  X(Ok, "-", "endpoint", "The response of the endpoint was passed on whole.")                    \
  X(Direct, "direct", "gateway", "The gateway answered: a redirect or a fixed response.")        \
  X(Filter, "filter", "gateway", "A filter answered or closed.")                                 \
  X(Upgraded, "upgraded", "endpoint", "The connection became a WebSocket.")                      \
  X(Closed, "closed", "either", "The WebSocket ended with close frames or the end of a side.")   \
  X(ClientAbort, "client-abort", "client", "The client ended the connection before the end.")    \
  X(ClientTimeout, "client-timeout", "client",                                                   \
    "The client stopped answering, or took nothing of its response for http.timeouts.body.")     \
  X(RequestInvalid, "request-invalid", "client",                                                 \
    "The request broke a rule of HTTP or a limit; `violation` names it.")                        \
  X(HeadTimeout, "head-timeout", "client", "The head did not arrive within http.timeouts.head.") \
  X(BodyTimeout, "body-timeout", "client",                                                       \
    "No content of the request came for http.timeouts.body, or below 500 bytes a second.")       \
  X(BodyTooLong, "body-too-long", "client",                                                      \
    "The content of the request exceeds the route's body.")                                      \
  X(NoRoute, "no-route", "gateway", "No route of the listener matches the request.")             \
  X(UpgradeRefused, "upgrade-refused", "gateway",                                                \
    "The route allows no WebSocket, or the request for one was not valid.")                      \
  X(NoEndpoint, "no-endpoint", "gateway", "The cluster has no usable endpoint.")                 \
  X(OverLimit, "over-limit", "gateway", "A limit of the cluster or its endpoints was reached.")  \
  X(NoMemory, "no-memory", "gateway", "The memory for bytes on their way was used up.")          \
  X(ConnectFailed, "connect-failed", "endpoint", "No connection to the endpoint could be made.") \
  X(ConnectTimeout, "connect-timeout", "endpoint",                                               \
    "No endpoint answered the connect within connect.timeout.")                                  \
  X(EndpointHandshake, "endpoint-handshake", "endpoint",                                         \
    "The TLS handshake with the endpoint failed.")                                               \
  X(EndpointReset, "endpoint-reset", "endpoint",                                                 \
    "The endpoint ended the connection before the head of a response.")                          \
  X(EndpointInvalid, "endpoint-invalid", "endpoint",                                             \
    "The response broke a rule of HTTP; `violation` names it.")                                  \
  X(Truncated, "truncated", "endpoint",                                                          \
    "The endpoint ended the connection inside the content of its response.")                     \
  X(RequestTimeout, "request-timeout", "gateway",                                                \
    "No head of a response came within the route's timeouts.request.")                           \
  X(PerTryTimeout, "per-try-timeout", "gateway",                                                 \
    "No head of a response came within timeouts.perTry, and no try was left.")                   \
  X(IdleTimeout, "idle-timeout", "gateway",                                                      \
    "No byte in either direction for the route's timeouts.idle, or a WebSocket's idle.")         \
  X(PongTimeout, "pong-timeout", "client", "The client answered no ping in time.")               \
  X(FrameInvalid, "frame-invalid", "either",                                                     \
    "A frame broke a rule of WebSocket or its limit; `violation` names it.")                     \
  X(MaxAge, "max-age", "gateway", "The connection reached its maximum age.")                     \
  X(Drained, "drained", "gateway",                                                               \
    "The gateway drained; a request that outlasted drain.grace got 503, or RST in its answer.")  \
  X(Killed, "killed", "gateway", "An operator ended it.")                                        \
  X(ShardStopped, "shard-stopped", "gateway", "The shard stopped.")

enum class HttpCounter : u8 { HF_HTTP_COUNTERS(HF_ENUM_FIRST) kCount };
enum class ClusterHttpCounter : u8 { HF_CLUSTER_HTTP_COUNTERS(HF_ENUM_FIRST) kCount };
enum class RouteCounter : u8 { HF_ROUTE_COUNTERS(HF_ENUM_FIRST) kCount };
enum class PolicyCounter : u8 { HF_POLICY_COUNTERS(HF_ENUM_FIRST) kCount };
enum class HttpEnd : u8 { HF_HTTP_ENDS(HF_ENUM_FIRST) kCount };

inline constexpr CounterInfo kHttpCounterTable[] = {HF_HTTP_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CounterInfo kClusterHttpCounterTable[] = {
    HF_CLUSTER_HTTP_COUNTERS(HF_ROW_COUNTER)};
inline constexpr const char* kRouteCounterTable[] = {HF_ROUTE_COUNTERS(HF_ROW_ACTIVITY)};
inline constexpr CounterInfo kPolicyCounterTable[] = {HF_POLICY_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CloseReasonInfo kHttpEndTable[] = {HF_HTTP_ENDS(HF_ROW_REASON)};

[[nodiscard]] inline const char* nameOf(HttpEnd end) {
  return kHttpEndTable[static_cast<size_t>(end)].name;
}

// Room for http1::Violation and websocket::FrameViolation, which this layer does not know;
// proxy/http_record.cc checks that they fit.
inline constexpr u32 kViolationsMax = 48;
inline constexpr u32 kFrameViolationsMax = 24;

// Of one listener in one shard. `*FromClients`: in requests, in clients' frames.
struct alignas(64) HttpCell {
  std::atomic<u64> counters[countOf<HttpCounter>()];
  std::atomic<u64> ends[countOf<HttpEnd>()];
  std::atomic<u64> violationsFromClients[kViolationsMax];
  std::atomic<u64> violationsFromEndpoints[kViolationsMax];
  std::atomic<u64> frameViolationsFromClients[kFrameViolationsMax];
  std::atomic<u64> frameViolationsFromEndpoints[kFrameViolationsMax];

  void count(HttpCounter counter, u64 by = 1) { bump(counters[static_cast<size_t>(counter)], by); }
  void lower(HttpCounter gauge) { bump(counters[static_cast<size_t>(gauge)], ~u64{0}); }
  void count(HttpEnd end) { bump(ends[static_cast<size_t>(end)]); }
};

// Of one route in one shard. Latencies of routes lie apart: board.routeLatency().
struct alignas(64) RouteCell {
  std::atomic<u64> counters[countOf<RouteCounter>()];

  void count(RouteCounter counter) { bump(counters[static_cast<size_t>(counter)]); }
  void lower(RouteCounter gauge) { bump(counters[static_cast<size_t>(gauge)], ~u64{0}); }
  // The end of a request. Status 0: the client saw no head of a response.
  void countEnd(u32 status) {
    const bool isClass = status >= 100 && status < 600;
    const u32 offset = isClass ? status / 100 - 1 : 5;
    bump(counters[static_cast<size_t>(RouteCounter::kResponses1xx) + offset]);
  }
};
static_assert(static_cast<u32>(RouteCounter::kUnanswered) ==
              static_cast<u32>(RouteCounter::kResponses1xx) + 5);

// Of one use of a native filter in one shard.
struct alignas(64) PolicyCell {
  std::atomic<u64> counters[countOf<PolicyCounter>()];

  void count(PolicyCounter counter, u64 by = 1) {
    bump(counters[static_cast<size_t>(counter)], by);
  }
  void lower(PolicyCounter gauge) { bump(counters[static_cast<size_t>(gauge)], ~u64{0}); }
};

// The class of a response among the listener's counters; 200 to 599 also among the cluster's.
[[nodiscard]] constexpr HttpCounter responseCounterOf(u32 status) {
  const u32 offset = status >= 100 && status < 600 ? status / 100 - 1 : 4;
  return static_cast<HttpCounter>(static_cast<u32>(HttpCounter::kResponses1xx) + offset);
}
[[nodiscard]] constexpr ClusterHttpCounter clusterResponseCounterOf(u32 status) {
  const u32 offset = status >= 200 && status < 600 ? status / 100 - 2 : 3;
  return static_cast<ClusterHttpCounter>(static_cast<u32>(ClusterHttpCounter::kResponses2xx) +
                                         offset);
}

[[nodiscard]] constexpr ClusterHttpCounter mirrorResponseCounterOf(u32 status) {
  const u32 offset = status >= 200 && status < 600 ? status / 100 - 2 : 3;
  return static_cast<ClusterHttpCounter>(static_cast<u32>(ClusterHttpCounter::kMirrorResponses2xx) +
                                         offset);
}

// Of one cluster in one shard. Latencies of clusters lie apart: board.clusterLatency().
struct alignas(64) ClusterHttpCell {
  std::atomic<u64> counters[countOf<ClusterHttpCounter>()];

  void count(ClusterHttpCounter counter) { bump(counters[static_cast<size_t>(counter)]); }
  void lower(ClusterHttpCounter gauge) { bump(counters[static_cast<size_t>(gauge)], ~u64{0}); }
};

}  // namespace holdfast
