// The tables of everything that is counted, and of why connections end: one row each, used by both
// planes.
//
// The board stores the numbers, the binding hands names and sentences to TypeScript, metrics and
// logs print them. Adding a row here is all it takes to count something new.
// Invariant: a counter has one writing thread; readers see it late but never torn.
#pragma once

#include <atomic>

#include "runtime/base.h"

namespace holdfast {

// X(identifier, name, kind, sentence): written by the shard alone.
#define HF_SHARD_COUNTERS(X)                                                                      \
  X(Turns, "turns", "counter", "Turns of the reactor.")                                           \
  X(Events, "events", "counter", "Readiness events taken from the kernel.")                       \
  X(StaleEvents, "staleEvents", "counter", "Events dropped because their connection was gone.")   \
  X(Tasks, "tasks", "counter", "Tasks run.")                                                      \
  X(TasksDeferred, "tasksDeferred", "counter", "Tasks put off to the next turn by a budget.")     \
  X(Messages, "messages", "counter", "Successful reads that were forwarded.")                     \
  X(BytesBuffered, "bytesBuffered", "counter", "Bytes copied because the reader was slow.")       \
  X(Pauses, "pauses", "counter", "Times reading paused at the high watermark.")                   \
  X(Resumes, "resumes", "counter", "Times reading resumed at the low watermark.")                 \
  X(UnbufferedReads, "unbufferedReads", "counter",                                                \
    "Reads that left what was not taken in the kernel because the memory cap was reached.")       \
  X(Paused, "paused", "gauge", "Connections whose reading is paused for a slow reader.")          \
  X(PausedNs, "pausedNanoseconds", "counter", "Time connections spent paused, summed over them.") \
  X(Throttles, "throttles", "counter", "Times reading waited because a filter limits bytes.")     \
  X(Throttled, "throttled", "gauge", "Directions of connections that wait for such a filter.")    \
  X(ThrottledNs, "throttledNanoseconds", "counter", "Time they waited, summed, when it is over.") \
  X(PendingChunks, "pendingChunks", "gauge", "Chunks of 4 KiB that hold bytes for slow readers.") \
  X(Tunnels, "tunnels", "gauge", "Tunnel records in use.")                                        \
  X(Timers, "timers", "gauge", "Armed deadlines.")                                                \
  X(Expirations, "expirations", "counter", "Deadlines that came.")                                \
  X(Admissions, "admissions", "counter", "Accepted sockets taken from the mailbox.")              \
  X(Connects, "connects", "counter", "Connects started to endpoints.")                            \
  X(ConnectFailures, "connectFailures", "counter", "Connects that failed or timed out.")          \
  X(ConnectRetries, "connectRetries", "counter", "Connects tried again on another endpoint.")     \
  X(PickFailures, "pickFailures", "counter", "Connections for which no endpoint was usable.")     \
  X(TlsInFlight, "tlsInFlight", "gauge", "TLS handshakes under way.")                             \
  X(TlsWaiting, "tlsWaiting", "gauge", "Connections whose handshake waits for its turn.")         \
  X(TlsConns, "tlsConnections", "gauge", "Sockets with TLS, on either side.")                     \
  X(TlsOnEngine, "tlsOnEngine", "gauge", "Sockets with TLS that keep a handshake object.")        \
  X(TlsReplies, "tlsReplies", "counter",                                                          \
    "Records sent on behalf of TLS alone: answers to key updates and refusals.")                  \
  X(AccessRecords, "accessRecords", "counter", "Access records written to the log ring.")         \
  X(AccessDropped, "accessDropped", "counter",                                                    \
    "Access records dropped because the ring was full.")                                          \
  X(AccessFieldsDropped, "accessFieldsDropped", "counter",                                        \
    "Fields that filters set for access records and that found no room.")

// X(identifier, name, kind, sentence): per listener and shard, summed when read; RatePauses is the
// acceptor's, in ListenerEntry.
#define HF_LISTENER_COUNTERS(X)                                                              \
  X(Opened, "opened", "counter", "Connections that a shard took over.")                      \
  X(Closed, "closed", "counter", "Connections that ended.")                                  \
  X(Established, "established", "counter", "Connections that reached an endpoint.")          \
  X(BytesFromClients, "bytesFromClients", "counter", "Bytes received from clients.")         \
  X(BytesFromEndpoints, "bytesFromEndpoints", "counter", "Bytes received from endpoints.")   \
  X(ProxyHeaders, "proxyHeaders", "counter", "PROXY headers accepted.")                      \
  X(RatePauses, "ratePauses", "counter", "Times accepting paused for limits.acceptRate.")    \
  X(TlsFull, "tlsHandshakesFull", "counter", "Full TLS handshakes with clients.")            \
  X(TlsResumed, "tlsHandshakesResumed", "counter", "Resumed TLS handshakes with clients.")   \
  X(TlsFailed, "tlsHandshakesFailed", "counter", "TLS handshakes with clients that failed.") \
  X(TlsMicros, "tlsHandshakeMicros", "counter",                                              \
    "Microseconds from a client's first bytes to the end of its TLS handshake, summed.")

// X(identifier, name, kind, sentence): per endpoint, written by all shards.
#define HF_ENDPOINT_COUNTERS(X)                                                               \
  X(Active, "active", "gauge", "Live connections.")                                           \
  X(Connects, "connects", "counter", "Connects started.")                                     \
  X(ConnectFailures, "connectFailures", "counter", "Connects that failed or timed out.")      \
  X(Ejections, "ejections", "counter", "Passive ejections.")                                  \
  X(EjectionsByErrors, "ejectionsByErrors", "counter",                                        \
    "Of these, for errors in a row (ejection.afterErrors).")                                  \
  X(EjectionsByLatency, "ejectionsByLatency", "counter",                                      \
    "Of these, for slow answers (ejection.latencyFactor).")                                   \
  X(Answers, "answers", "counter", "Requests that were answered, or failed.")                 \
  X(Errors, "errors", "counter", "Of these, 5xx, resets and timeouts.")                       \
  X(AnswerMicros, "answerMicros", "counter",                                                  \
    "Microseconds from requests to the first bytes of their answers, summed.")                \
  X(Healthy, "healthy", "gauge", "1 unless active health checks found it down.")              \
  X(LimitHits, "limitHits", "counter", "Times the connection cap kept it from being picked.") \
  X(ConnectMicros, "connectMicros", "counter", "Microseconds spent in successful connects.")

// X(identifier, name, kind, sentence): per cluster, written by all shards. The first ones are what
// circuit limits are about (Circuit), followed by the refusals of each.
#define HF_CLUSTER_COUNTERS(X)                                                                  \
  X(Requests, "requestsActive", "gauge", "Requests under way.")                                 \
  X(Pending, "requestsPending", "gauge", "Requests that wait for a connect.")                   \
  X(Retries, "retriesActive", "gauge", "Retries under way.")                                    \
  X(Connections, "httpConnections", "gauge", "HTTP connections to endpoints, in use or kept.")  \
  X(RequestsRefused, "requestsRefused", "counter", "Requests refused by limits.requests.")      \
  X(PendingRefused, "pendingRefused", "counter", "Requests refused by limits.pending.")         \
  X(RetriesRefused, "retriesRefused", "counter", "Retries left out because of limits.retries.") \
  X(ConnectionsRefused, "httpConnectionsRefused", "counter",                                    \
    "Requests refused by limits.connections.")                                                  \
  X(BudgetRefused, "retryBudgetRefused", "counter",                                             \
    "Retries left out because of limits.retryBudget.")

// X(identifier, name, who, sentence): `who` ended the connection.
#define HF_CLOSE_REASONS(X)                                                                       \
  X(ClientClosed, "client-closed", "client", "Both directions ended; the client ended first.")    \
  X(EndpointClosed, "endpoint-closed", "endpoint",                                                \
    "Both directions ended; the endpoint ended first.")                                           \
  X(ClientReset, "client-reset", "client", "The client reset the connection.")                    \
  X(EndpointReset, "endpoint-reset", "endpoint", "The endpoint reset the connection.")            \
  X(ClientTimeout, "client-timeout", "client",                                                    \
    "The client stopped answering (TCP user timeout or keepalive).")                              \
  X(EndpointTimeout, "endpoint-timeout", "endpoint",                                              \
    "The endpoint stopped answering (TCP user timeout or keepalive).")                            \
  X(IdleTimeout, "idle-timeout", "gateway", "No byte in either direction for timeouts.idle.")     \
  X(HalfCloseTimeout, "half-close-timeout", "gateway",                                            \
    "One direction had ended and the other was silent for timeouts.halfClose.")                   \
  X(MaxAge, "max-age", "gateway", "The connection reached timeouts.maxAge.")                      \
  X(Drained, "drained", "gateway", "The gateway was draining.")                                   \
  X(Killed, "killed", "gateway", "An operator ended it.")                                         \
  X(ConnectRefused, "connect-refused", "gateway", "The endpoint refused the connect.")            \
  X(ConnectTimeout, "connect-timeout", "gateway",                                                 \
    "No endpoint answered the connect within connect.timeout.")                                   \
  X(ConnectUnreachable, "connect-unreachable", "gateway", "The endpoint could not be reached.")   \
  X(ConnectFailed, "connect-failed", "gateway",                                                   \
    "The connect failed for a local reason, such as no free port.")                               \
  X(NoEndpoint, "no-endpoint", "gateway", "The cluster has no usable endpoint.")                  \
  X(EndpointLimit, "endpoint-limit", "gateway",                                                   \
    "Every usable endpoint has all the connections it may have.")                                 \
  X(ProxyHeaderInvalid, "proxy-header-invalid", "gateway",                                        \
    "A trusted peer sent something else than a PROXY header.")                                    \
  X(ProxyHeaderTimeout, "proxy-header-timeout", "gateway",                                        \
    "The PROXY header did not arrive in time.")                                                   \
  X(HandshakeFailed, "handshake-failed", "client",                                                \
    "The TLS handshake with the client failed; tlsError says why.")                               \
  X(HandshakeTimeout, "handshake-timeout", "client",                                              \
    "The client did not end its TLS handshake within tls.handshakeTimeout.")                      \
  X(HelloInvalid, "hello-invalid", "client",                                                      \
    "The client sent something else than a ClientHello of TLS to be passed through.")             \
  X(ClientTls, "client-tls-violation", "client",                                                  \
    "The client broke a rule of TLS after the handshake, or said with an alert that we did.")     \
  X(ClientTruncated, "client-truncated", "client",                                                \
    "The client ended the connection without close_notify: bytes may be missing.")                \
  X(EndpointHandshake, "endpoint-handshake-failed", "endpoint",                                   \
    "The TLS handshake with the endpoint failed; tlsError says why.")                             \
  X(EndpointTls, "endpoint-tls-violation", "endpoint",                                            \
    "The endpoint broke a rule of TLS after the handshake, or said with an alert that we did.")   \
  X(EndpointTruncated, "endpoint-truncated", "endpoint",                                          \
    "The endpoint ended the connection without close_notify: bytes may be missing.")              \
  X(TlsExhausted, "tls-exhausted", "gateway",                                                     \
    "The keys of a TLS 1.2 connection have protected as much as they may.")                       \
  X(HttpClosed, "http-closed", "gateway",                                                         \
    "The last response said that the connection ends with it.")                                   \
  X(HttpInvalid, "http-violation", "client", "The client broke a rule of HTTP.")                  \
  X(FrameInvalid, "websocket-violation", "either",                                                \
    "A frame broke a rule of WebSocket or its limit.")                                            \
  X(CodecInvalid, "codec-violation", "either",                                                    \
    "Bytes of a TCP connection are no frame of its listener's codec.")                            \
  X(PongTimeout, "pong-timeout", "client", "The client answered no ping in time.")                \
  X(Filter, "filter", "gateway", "A filter closed the connection.")                               \
  X(AddressLimit, "address-limit", "gateway",                                                     \
    "The client address holds limits.connectionsPerAddress connections already.")                 \
  X(ShardLimit, "shard-limit", "gateway", "The shard has no free connection record.")             \
  X(Unrouted, "unrouted", "gateway", "The listener was removed while the socket was on its way.") \
  X(ShardStopped, "shard-stopped", "gateway", "The shard stopped or died.")

// X(identifier, name, sentence): sockets the acceptor closed at once, with RST.
#define HF_REFUSALS(X)                                                                 \
  X(ProcessLimit, "process-limit", "limits.connections of the process is reached.")    \
  X(ListenerLimit, "listener-limit", "limits.connections of the listener is reached.") \
  X(NoShard, "no-shard", "No shard is ready.")

// What a shard is doing, for the stall report.
#define HF_ACTIVITIES(X)                    \
  X(Idle, "waiting, or running JavaScript") \
  X(Poll, "polling the kernel")             \
  X(Read, "forwarding bytes")               \
  X(Admit, "taking over accepted sockets")  \
  X(Connect, "connecting to endpoints")     \
  X(Handshake, "TLS handshakes")            \
  X(Timers, "running deadlines")            \
  X(Snapshot, "applying a snapshot")        \
  X(List, "listing connections")            \
  X(Drain, "draining")                      \
  X(Filters, "running filters")

#define HF_ENUM_FIRST(identifier, ...) k##identifier,

enum class ShardCounter : u8 { HF_SHARD_COUNTERS(HF_ENUM_FIRST) kCount };
enum class ListenerCounter : u8 { HF_LISTENER_COUNTERS(HF_ENUM_FIRST) kCount };
enum class EndpointCounter : u8 { HF_ENDPOINT_COUNTERS(HF_ENUM_FIRST) kCount };
enum class ClusterCounter : u8 { HF_CLUSTER_COUNTERS(HF_ENUM_FIRST) kCount };
enum class CloseReason : u8 { HF_CLOSE_REASONS(HF_ENUM_FIRST) kCount };
enum class Refusal : u8 { HF_REFUSALS(HF_ENUM_FIRST) kCount };
enum class Activity : u8 { HF_ACTIVITIES(HF_ENUM_FIRST) kCount };

struct CounterInfo {
  const char* name;
  const char* kind;
  const char* help;
};
struct CloseReasonInfo {
  const char* name;
  const char* who;
  const char* help;
};
struct NameInfo {
  const char* name;
  const char* help;
};

#define HF_ROW_COUNTER(identifier, name, kind, help) CounterInfo{name, kind, help},
#define HF_ROW_REASON(identifier, name, who, help) CloseReasonInfo{name, who, help},
#define HF_ROW_NAME(identifier, name, help) NameInfo{name, help},
#define HF_ROW_ACTIVITY(identifier, name) name,

inline constexpr CounterInfo kShardCounterTable[] = {HF_SHARD_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CounterInfo kListenerCounterTable[] = {HF_LISTENER_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CounterInfo kEndpointCounterTable[] = {HF_ENDPOINT_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CounterInfo kClusterCounterTable[] = {HF_CLUSTER_COUNTERS(HF_ROW_COUNTER)};
inline constexpr CloseReasonInfo kCloseReasonTable[] = {HF_CLOSE_REASONS(HF_ROW_REASON)};
inline constexpr NameInfo kRefusalTable[] = {HF_REFUSALS(HF_ROW_NAME)};
inline constexpr const char* kActivityTable[] = {HF_ACTIVITIES(HF_ROW_ACTIVITY)};

template <typename E>
constexpr size_t countOf() {
  return static_cast<size_t>(E::kCount);
}

// Adds without a locked instruction: the calling thread is the only writer.
inline void bump(std::atomic<u64>& counter, u64 by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace holdfast
