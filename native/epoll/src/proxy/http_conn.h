// HttpConn, Exchange and HttpUpstream: what HTTP keeps beside the records of tunnels and conns, as
// plain data.
//
// A client with HTTP has an HttpConn, found by a side table, so that a tunnel without HTTP pays
// nothing. While a request is under way it has an Exchange; the connection to an endpoint that
// serves it, or that waits for another one, has an HttpUpstream. A WebSocket keeps none of them.
// Invariant: an Exchange belongs to one HttpConn, and its tunnel has an upstream conn only while
// the exchange does.
#pragma once

#include "codec/http1_body.h"
#include "codec/http1_head.h"
#include "codec/websocket_handshake.h"
#include "proxy/filter_layout.h"
#include "proxy/tunnel.h"
#include "runtime/http_counters.h"

#include "policy/outcome.h"
#include "policy/policy_list.h"

namespace holdfast::proxy {

// What a read brought.
struct Received {
  enum class Kind : u8 { kBytes, kNothing, kEnd, kFailed };

  Kind kind = Kind::kNothing;
  size_t bytes = 0;
  int error = 0;
};

// What became of content that was passed on.
enum class Passed : u8 { kMore, kEnd, kViolation, kBroken, kNoMemory };
// One direction of content: where it is framed by `body` and goes to `to` (kNoIndex: nowhere
// yet).
struct ContentFlow {
  http1::Body* body;
  http1::HeadScan* scan;
  ChunkChain* kept;
  u64* count;
  u32 to;
  bool isChunked;
  const http1::Rules* rules;
};

enum HttpConnFlag : u16 {
  kHttpUnread = 1u << 0,    // `kept` was not looked at yet: no event will tell of it
  kHttpCloseDue = 1u << 1,  // no request is taken any more
};

struct HttpConn {
  u32 generation = 0;
  u32 link = kNoIndex;
  u32 exchange = kNoIndex;
  u32 requests = 0;
  http1::HeadScan scan;  // of a head, or of trailers, in `kept`
  ChunkChain kept;       // what came and was not taken: a part of a head, or later requests
  u32 sinceTick = 0;     // of the first byte of a head; without one, of the last end of a request
  u16 flags = 0;
  u16 reserved = 0;
};
static_assert(sizeof(HttpConn) == 44);

// The budget of design section 3: an idle client, all user memory: conn, tunnel, HttpConn, and the
// slot's index.
inline constexpr size_t kIdleHttpBytesMax = 384;
static_assert(sizeof(Conn) + sizeof(Tunnel) + sizeof(HttpConn) + sizeof(u32) <= kIdleHttpBytesMax);

enum ExchangeFlag : u32 {
  kExReused = 1u << 0,      // the connection to the endpoint had served another request
  kExSent = 1u << 1,        // the head went to the present endpoint
  kExAnswered = 1u << 2,    // the head of the final response went to the client
  kExReplayable = 1u << 3,  // all of the request is in `head`
  kExIdempotent = 1u << 4,
  kExPersistent = 1u << 5,  // the endpoint lets the connection be used again
  kExOldClient = 1u << 6,   // HTTP/1.0
  kExKeepAsked = 1u << 7,   // the client can be served again on its connection
  kExRequestChunked = 1u << 8,
  kExResponseChunked = 1u << 9,
  kExWebSocket = 1u << 10,   // the request asks for one
  kExCoded = 1u << 11,       // the response is compressed
  kExRetry = 1u << 13,       // counted in the cluster's retries
  kExFresh = 1u << 14,       // the next try makes a connection of its own
  kExCircuit = 1u << 15,     // counted in the cluster's requests
  kExPending = 1u << 17,     // counted in the cluster's connects under way
  kExConnection = 1u << 19,  // counted in its connections, until its HttpUpstream is
  kExHeldBack = 1u << 20,    // the client had to wait for the endpoint since rateTick was set
  kExHasQuery = 1u << 18,
  kExParked = 1u << 21,          // waits for its filters
  kExResponseSeen = 1u << 22,    // by the filters, of this try
  kExListenerPassed = 1u << 24,  // the policies of the listener let it go on
  kExRoutePassed = 1u << 25,     // and those of the route
  kExThrottled = 1u << 28,       // policies limit its bytes
  kExPicked = 1u << 23,          // the tunnel's cluster is that of its route
  kExMirror = 1u << 26,          // it is a copy of another one, without a client
  kExMirrorSent = 1u << 27,      // and was sent once at least
};

// Content of a request comes at this rate at least, looked at over such windows (the measure of
// Apache's mod_reqtimeout).
inline constexpr u32 kContentRateMin = 500;  // bytes per second
inline constexpr u32 kContentRateMs = 20'000;

// A connection is closed between two requests only when the last one was over for this long.
inline constexpr u32 kQuietMs = 250;

inline constexpr u32 kInterimsMax = 64;  // 1xx responses to one request

// How far the filters of an exchange have seen its request.
enum class ExchangeStage : u8 {
  kNew,
  kMatching,  // those of the listener have: its route is sought
  kRouted,    // those of the route have
};

// A request on its way, and its response.
// How far the policies of a listener went with a request, before those of its route.
struct PolicyMark {
  u64 requestBytesMax = 0;
  u64 responseBytesMax = 0;
  u16 requestEdits = 0;  // bytes
  u16 responseEdits = 0;
  u8 mirrors = 0;
  u8 tickets = 0;
  u16 reserved = 0;
};

struct Exchange {
  u32 generation = 0;
  u32 link = kNoIndex;
  u32 tunnel = kNoIndex;
  u32 flags = 0;
  u32 route = kNoIndex;     // board id
  u32 settings = kNoIndex;  // of the WebSocket it asks for, in the shard's table
  http1::Body request;
  http1::Body response;
  http1::HeadScan scan;   // of response heads and trailers
  ChunkChain head;        // what the endpoint is to get, or got: for another try
  ChunkChain edits;       // of the response
  ChunkChain note;        // texts for the access record
  ChunkChain kept;        // of a response head or trailers that are not whole, or that wait
  ChunkChain asked;       // what filters see of the request later
  ChunkChain toEndpoint;  // edits of the request by policies
  ChunkChain toClient;    // and of whatever response the client gets
  u64 startedNs = 0;      // the head was whole
  u64 triedNs = 0;        // the present endpoint was chosen
  u64 bytesIn = 0;        // content of the request
  u64 bytesOut = 0;       // content of the response
  u64 hash = 0;           // for balancing
  u32 hedged = kNoIndex;  // conn of a slow try that goes on beside the present one
  u32 hedgedEndpoint = kNoIndex;
  u32 connectMicros = 0;
  u32 firstByteMicros = 0;  // from startedNs to the head of the response; 0: none
  u32 requestTicks = 0;     // from the end of the request to the head of the response
  u32 requestTick = 0;      // the deadline of that; 0: none
  u32 tryTick = 0;          // the same, for this try
  u32 perTryTicks = 0;
  u32 idleTicks = 0;
  u32 bodyTicks = 0;        // the client sends or takes nothing for this long; 0: for ever
  u32 delayTick = 0;        // a policy holds it up until then; 0: none
  u32 rateTick = 0;         // when the rate of the request's content is looked at
  u64 rateBytes = 0;        // content up to the last look
  u64 requestBytesMax = 0;  // by policies; 0: none
  u64 responseBytesMax = 0;
  PolicyMark ofListener;
  u32 tickets[policy::kTicketsMax] = {};  // of adaptive limits
  u16 status = 0;
  u16 retryOn = 0;
  u16 circuit = 0;  // board id
  http1::Method method = http1::Method::kGet;
  u8 retriesLeft = 0;
  u8 attempts = 0;
  u8 interims = 0;
  HttpEnd end = HttpEnd::kOk;
  bool hasHash = false;
  u16 chain = 0;                               // of filters
  FilterHook waitsFor = FilterHook::kRequest;  // with kExParked
  ExchangeStage stage = ExchangeStage::kNew;
  u8 rematches = 0;
  u8 rechoices = 0;
  u8 ticketCount = 0;
  u32 limits = kNoIndex;  // of the messages of the WebSocket it asks for: slot
  u32 coded = kNoIndex;   // what is known of the compression of its response
  u32 mirror = kNoIndex;  // slot of the plan of its copies
  codec::WebSocketAccept accept{};
};
// The budget of design section 3, without the chains.
inline constexpr size_t kExchangeBytesMax = 512;
static_assert(sizeof(Exchange) <= kExchangeBytesMax);

// Limits of the messages of a WebSocket, beside its trackers.
struct MessageLimits {
  u32 count = 0;
  policy::LimitHold holds[policy::kLimitHoldsMax];
};

struct HttpUpstream {
  u32 generation = 0;
  u32 link = kNoIndex;
  u32 conn = kNoIndex;
  u32 endpoint = kNoIndex;
  u32 previous = kNoIndex;  // of the unused ones of its endpoint, the one used last in front
  u32 next = kNoIndex;
  u32 openedTick = 0;
  u32 unusedTick = 0;
  u32 requests = 0;
  u16 cluster = 0;  // board ids
  u16 circuit = 0;
  u8 isUnused = 0;
  u8 isCounted = 0;  // in the circuit's connections
};
static_assert(sizeof(HttpUpstream) == 44);

// Unused connections to one endpoint.
struct UnusedList {
  u32 first = 0;  // slot and 1 of the one used last; 0: none
  u32 count = 0;
};

// Unused connections to endpoints that a shard keeps at most.
inline constexpr u32 kUnusedUpstreamsMax = 4096;
inline constexpr u32 kUnusedSweepMs = 1000;
inline constexpr u32 kUnusedSweepSlots = 65536;

// How long a request waits in chains at most before it goes to an endpoint: head, content that came
// with it.
inline constexpr u32 kHttpReadBytes = 64 * 1024;
// What a later request of the same read takes of a task's budget.
inline constexpr u32 kUnreadPrice = 16 * 1024;
// Runs of content from this length on are sent from where they were read.
inline constexpr u32 kDirectRunBytes = 16 * 1024;
// A head with all that the gateway adds, and what comes behind it in one read.
inline constexpr u32 kHttpHeadOutBytes = 128 * 1024;
inline constexpr u32 kHttpOutBytes = kHttpHeadOutBytes + 2 * kHttpReadBytes + 16 * 1024;
inline constexpr u32 kHttpTextBytes = 128 * 1024;

}  // namespace holdfast::proxy
