// Conn and Tunnel: all that a proxied connection is in user memory, as plain data.
//
// A Tunnel joins two Conns: the downstream (client) and the upstream (endpoint). Both live in pools
// of their shard and are named by index inside a turn and by Handle across turns.
// Nothing a connection needs lives elsewhere, so these bytes, the pending chains and two
// descriptors can be handed to another process.
// Invariant: in every state but kClosed the tunnel's timer is armed.
#pragma once

#include <iterator>

#include "runtime/address.h"
#include "runtime/base.h"
#include "runtime/chunk.h"
#include "runtime/counters.h"
#include "runtime/timer_wheel.h"

namespace holdfast::proxy {

enum class Side : u8 { kDownstream, kUpstream };

// Bits of Conn::flags.
enum ConnFlag : u16 {
  kConnReadable = 1u << 0,  // the kernel may have bytes: a read will tell
  kConnWritable = 1u << 1,  // the last write was taken whole
  kConnReadHup = 1u << 2,   // FIN announced; it may still lie behind bytes
  kConnError = 1u << 3,     // EPOLLERR or EPOLLHUP was reported
  kConnEof = 1u << 4,       // end of stream was read
  kConnFinDue = 1u << 5,    // send FIN once the pending chain is empty
  kConnFinSent = 1u << 6,
  kConnPaused = 1u << 7,   // reading waits: the other side is at its high watermark
  kConnBlocked = 1u << 8,  // reading waits for the other side's EPOLLOUT, nothing is buffered
  kConnBroken = 1u << 9,   // a write failed: its end is abnormal whatever read says
  kConnQueued = 1u << 10,  // a task for it is in the queue; never two
  kConnOpen = 1u << 11,    // owns a descriptor
  // The kernel may cut a read with more behind it: urgent data was seen, or a Unix socket, where a
  // passed descriptor does that.
  kConnCutReads = 1u << 12,
  kConnNodelayDue = 1u << 13,  // TCP_NODELAY is set before the second write: the first never waits
  kConnTls = 1u << 14,         // what goes over the socket is TLS; its TlsConn has the rest
  kConnFrames = 1u << 15,      // what it sends is followed: WebSocket frames, or chunks of TCP
};

// One socket. Fields read per event come first.
struct Conn {
  u32 generation = 0;
  i32 fd = -1;
  u32 tunnel = kNoIndex;
  u32 link = kNoIndex;  // next in the task queue; next free slot when released
  u16 flags = 0;
  Side side = Side::kDownstream;
  u8 brokenErrno = 0;
  ChunkChain pending;  // bytes this socket has not taken yet
  u64 bytesIn = 0;     // received from this socket
};
static_assert(sizeof(Conn) == 40);

// clang-format off
// States of a tunnel and who moves it on. It starts in kHeader when its peer is trusted to send a
// PROXY header; kHello and kHandshake are for listeners with TLS, kEndpointHandshake for clusters.
// Where the listener has filters it waits for them in kFiltering, behind kHeader and before
// kConnecting.
//
//   kHeader --> kHello or kHandshake --> kConnecting --> kEndpointHandshake --> kOpen --> kClosed
//      |                                  ^   ^  |                |              ^ |
//      +----------------------------------+   +--+----------------+              | |
//                                         next endpoint                          | |
//                                                kConnecting --------------------+ |
//                                                  reset, bytes under way --> kFlushing
//                                                  age, drain --------------> kLingering
//
// With HTTP a tunnel waits for requests in kHttp, goes to kConnecting and back for each that needs
// a new connection, and to kOpen with a WebSocket. kPooled is no client's: the one tunnel of a
// shard that unused connections to endpoints belong to. Nor is kMirror: the copy of a request, that
// goes from there to kConnecting and back, and waits for its answer.
// Every state leads to kClosed by its own deadline; kFlushing and kLingering lead nowhere else.
// clang-format on
enum class TunnelState : u8 {
  kHeader,             // waits for a PROXY header
  kFiltering,          // waits for filters of its listener
  kHello,              // waits for the ClientHello that says where to go
  kHandshake,          // TLS with the client
  kConnecting,         // TCP to an endpoint
  kEndpointHandshake,  // TLS with it
  kOpen,
  kHttp,
  kFlushing,
  kLingering,
  kPooled,
  kMirror,
  kClosed,
};
inline constexpr const char* kTunnelStateNames[] = {
    "header", "filtering", "hello",    "handshake", "connecting", "endpoint-handshake",
    "open",   "http",      "flushing", "lingering", "pooled",     "mirror",
    "closed",
};
static_assert(std::size(kTunnelStateNames) == static_cast<size_t>(TunnelState::kClosed) + 1);

enum TunnelFlag : u8 {
  kTunnelHeaderQueued = 1u << 0,  // a checked PROXY header still lies in the receive queue
  kTunnelOptionsDue = 1u << 1,    // upstream keepalive options are set once it lives for a while
  kTunnelEstablished = 1u << 2,   // reached an endpoint at least once
  kTunnelEndpointHeld = 1u << 3,  // counted in the endpoint's live connections
  kTunnelAddressHeld = 1u << 4,   // counted in the per-address table
  kTunnelAccessLog = 1u << 5,
  kTunnelClientFirst = 1u << 6,  // the client's FIN came before the endpoint's
  kTunnelSecured = 1u << 7,      // the endpoint that is being connected to is spoken to with TLS
};

inline constexpr u32 kTriedMax = 3;  // endpoints that a retry avoids

enum FramesFlag : u16 {
  kFramesHeard = 1u << 0,           // the client sent a frame since the last look
  kFramesPinged = 1u << 1,          // our ping waits for an answer
  kFramesCloseDue = 1u << 2,        // a close of ours waits for the end of a frame
  kFramesClosedClient = 1u << 3,    // it was sent to the client
  kFramesClosedEndpoint = 1u << 4,  // it was sent to the endpoint
};
inline constexpr u16 kFramesFlags = 0x1f;
// Sets of settings of WebSockets that a shard can have at a time.
inline constexpr u32 kFramesSettingsMax = 2047;
inline constexpr u16 kFramesSettingsBits = 0x7ff;
// In their place: no WebSocket, but a TCP connection whose filters look at what is sent.
inline constexpr u32 kChunkSettings = kFramesSettingsMax;

// Of an open WebSocket: where its trackers and settings are, and when its peer is looked after.
struct TunnelFrames {
  u32 trackers;       // slot
  u16 settings : 11;  // in the shard's table
  u16 flags : 5;
  u16 closeCode;  // 0: none was seen
  u32 pingTick;   // of the next ping, of its answer, or of a close that waits; 0: never
};
static_assert(sizeof(TunnelFrames) == 12);

struct Tunnel {
  u32 generation = 0;
  u32 link = kNoIndex;  // list of closed tunnels; next free slot when released
  u32 downstream = kNoIndex;
  u32 upstream = kNoIndex;
  TimerNode timer;
  TunnelState state = TunnelState::kClosed;
  u8 flags = 0;
  CloseReason reason = CloseReason::kCount;
  u8 retriesLeft = 0;
  u16 listener = 0;  // board ids
  u16 cluster = 0;
  u32 endpoint = kNoIndex;
  union {
    u32 tried[kTriedMax] = {kNoIndex, kNoIndex, kNoIndex};
    TunnelFrames frames;  // with kConnFrames
  };
  // Copied from the snapshot when the connection opened, so that a reload does not touch it. Ticks.
  u32 idleTicks = 0;
  u32 halfCloseTicks = 0;
  u32 bufferHigh = 0;
  u32 bufferLow = 0;
  u32 openedTick = 0;
  u32 lastActiveTick = 0;
  union {
    u32 deadlineTick = 0;  // of the present state, when it has one of its own
    u32 pongTick;          // with kConnFrames, open: of the last pong; 0: none
  };
  u32 ageTick = 0;     // maxAge; 0: none
  u32 drainTick = 0;   // set by drain; 0: none
  u32 accessTick = 0;  // next interval record; 0: none
  u32 connectMicros = 0;
  Address client;  // as the PROXY header says, otherwise the socket's peer
  u64 addressKey = 0;
};
static_assert(sizeof(Tunnel) == 128);

// The budget of design section 3: an idle proxied pair, all user memory.
inline constexpr size_t kIdlePairBytesMax = 256;
static_assert(2 * sizeof(Conn) + sizeof(Tunnel) <= kIdlePairBytesMax);

}  // namespace holdfast::proxy
