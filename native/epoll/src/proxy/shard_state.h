// ShardState: all that a shard keeps, and the plain questions that its parts ask of it.
//
// Records lie in pools and are found by index; what only some connections have (TLS, HTTP, frames)
// lies beside them and is found by side tables. Invariant: one thread touches it, that of its
// shard, and nothing here is a pointer into JavaScript. What is done with it is in shard.h.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/http1_write.h"
#include "codec/log_field.h"
#include "codec/websocket.h"
#include "http/route_table.h"
#include "http/template.h"
#include "proxy/balancer.h"
#include "proxy/circuit.h"
#include "proxy/coded_response.h"
#include "proxy/connection_view.h"
#include "proxy/handshake_pool.h"
#include "proxy/http_conn.h"
#include "proxy/http_record.h"
#include "proxy/mirror.h"
#include "proxy/shard_options.h"
#include "proxy/snapshot.h"
#include "proxy/throttle.h"
#include "proxy/tls_conn.h"
#include "proxy/tls_facts.h"
#include "proxy/tls_table.h"
#include "proxy/tunnel.h"
#include "runtime/board.h"
#include "runtime/pool.h"
#include "runtime/random.h"
#include "runtime/task_queue.h"
#include "tls/record_layer.h"

#include "compression/compressor_pool.h"
#include "policy/policy_list.h"

namespace holdfast::proxy {

class ShardState {
 protected:
  struct TimerOf {
    Pool<Tunnel>* tunnels;
    TimerNode& operator()(u32 index) const { return (*tunnels)[index].timer; }
  };

  ShardState(Board& board, const ShardOptions& options);
  ~ShardState();

  // With HTTP there are conns to endpoints that no client has at the moment.
  // Beside the conns of clients and endpoints some that are closed may wait for their task.
  [[nodiscard]] u32 connsMax() const { return tunnelsMax() * 3 + kUnusedUpstreamsMax; }
  // Those of clients, and of copies of requests.
  [[nodiscard]] u32 tunnelsMax() const { return options_.connectionsMax + kMirrorsMax; }
  [[nodiscard]] size_t sideTableBytes() const { return sizeof(u32) * (size_t{connsMax()} + 1); }
  [[nodiscard]] size_t loggedBytes() const {
    return 2 * sizeof(ChunkChain) * (size_t{tunnelsMax()} + 1);
  }

  [[nodiscard]] u32 ticksOf(u32 ms) const { return (ms + kTickMs - 1) / kTickMs; }
  [[nodiscard]] u64 nowMs() const { return nowNs_ / 1'000'000; }
  void enter(Activity activity) {
    block_->activity.store(static_cast<u32>(activity), std::memory_order_relaxed);
  }
  [[nodiscard]] std::atomic<u64>& count(ShardCounter counter) {
    return block_->counters[static_cast<size_t>(counter)];
  }
  [[nodiscard]] std::atomic<u64>& count(u32 listener, ListenerCounter counter) {
    return board_.cell(options_.index, listener).counters[static_cast<size_t>(counter)];
  }

  [[nodiscard]] TlsConn& tlsOf(u32 conn) { return tlsConns_[tlsAt_[conn] - 1]; }
  [[nodiscard]] tls::RecordState* recordsOf(const TlsConn& tls) {
    return reinterpret_cast<tls::RecordState*>(recordPools_[tls.recordClass].at(tls.record));
  }
  [[nodiscard]] tls::Handshake handshakeOf(const TlsConn& tls) {
    return tls::Handshake{tlsTable_.engineAt(tls.engine), tls.object};
  }
  [[nodiscard]] bool mayBeginHandshake() const { return handshakes_ < kHandshakesMax; }
  [[nodiscard]] bool isStepLeft() const {
    return steps_.count() > 0 || (hellos_.count() > 0 && mayBeginHandshake());
  }

  [[nodiscard]] bool isHttp(u32 tunnel) const {
    return httpAt_ != nullptr && httpAt_[tunnels_[tunnel].downstream] != 0;
  }
  [[nodiscard]] HttpConn& httpOf(u32 tunnel) {
    return httpConns_[httpAt_[tunnels_[tunnel].downstream] - 1];
  }
  [[nodiscard]] Exchange& exchangeOf(u32 tunnel) { return exchangePool_[httpOf(tunnel).exchange]; }
  [[nodiscard]] MirrorPlan& planOf(const Exchange& exchange) {
    return *reinterpret_cast<MirrorPlan*>(mirrorPlans_.at(exchange.mirror));
  }
  // True for the copy of a request, in whatever state.
  [[nodiscard]] bool isMirror(u32 tunnel) {
    const Tunnel& record = tunnels_[tunnel];
    if (mirrors_ == 0 || record.state == TunnelState::kClosed || record.downstream == kNoIndex) {
      return false;
    }
    return isHttp(tunnel) && httpOf(tunnel).exchange != kNoIndex &&
           (exchangeOf(tunnel).flags & kExMirror) != 0;
  }
  [[nodiscard]] HttpUpstream& upstreamOf(u32 conn) { return httpUpstreams_[httpAt_[conn] - 1]; }

  [[nodiscard]] codec::FrameTracker& trackerOf(const Tunnel& tunnel, Side from) {
    return reinterpret_cast<codec::FrameTracker*>(
        framePool_.at(tunnel.frames.trackers))[from == Side::kDownstream ? 0 : 1];
  }
  [[nodiscard]] FramesSettings& settingsOf(const Tunnel& tunnel) {
    return framesSettings_[tunnel.frames.settings];
  }
  // True for a WebSocket.
  [[nodiscard]] bool hasFrames(const Tunnel& tunnel) const {
    return isFollowed(tunnel) && tunnel.frames.settings != kChunkSettings;
  }
  // True for a TCP connection whose filters look at what is sent.
  [[nodiscard]] bool hasChunks(const Tunnel& tunnel) const {
    return isFollowed(tunnel) && tunnel.frames.settings == kChunkSettings;
  }
  [[nodiscard]] bool isFollowed(const Tunnel& tunnel) const {
    return (conns_[tunnel.downstream].flags & kConnFrames) != 0;
  }

  [[nodiscard]] Conn& peerOf(const Conn& conn) {
    const Tunnel& tunnel = tunnels_[conn.tunnel];
    return conns_[conn.side == Side::kDownstream ? tunnel.upstream : tunnel.downstream];
  }
  [[nodiscard]] u32 peerIndex(const Conn& conn) const {
    const Tunnel& tunnel = tunnels_[conn.tunnel];
    return conn.side == Side::kDownstream ? tunnel.upstream : tunnel.downstream;
  }

  Board& board_;
  ShardOptions options_;
  ShardBlock* block_ = nullptr;
  int epollFd_ = -1;
  int timerFd_ = -1;
  u64 nowNs_ = 0;
  u32 nowTick_ = 0;
  u64 startNs_ = 0;  // tick 0
  u32 armedTick_ = 0;
  bool isTimerArmed_ = false;
  bool isStopped_ = true;
  bool isHostReady_ = false;
  bool isStepTurn_ = false;  // a handshake's step was run in this turn
  u8* scratch_ = nullptr;
  u8* sealScratch_ = nullptr;   // what is to be sent, sealed
  u8* plainScratch_ = nullptr;  // what an engine opened
  Random random_;
  Pool<Conn> conns_;
  Pool<Tunnel> tunnels_;
  ChunkPool chunks_;
  TaskList<Pool<Conn>> established_;
  TaskList<Pool<Conn>> exchanges_;
  TaskList<Pool<Conn>> steps_;   // of handshakes that have begun
  TaskList<Pool<Conn>> hellos_;  // of handshakes that have not
  TimerWheel<TimerOf> wheel_;
  u32 paused_ = 0;         // connections whose reading is paused
  u32 throttled_ = 0;      // directions that wait for a filter that limits bytes
  u64 pausedSinceNs_ = 0;  // up to when paused time is accounted
  // Fields of access records, by tunnel and by exchange in turn; null: none was ever set.
  ChunkChain* logged_ = nullptr;
  u32 closedHead_ = kNoIndex;  // tunnels to free at the end of the turn
  Snapshot snapshot_;
  // HTTP, once a snapshot has it.
  Pool<HttpConn> httpConns_;
  Pool<Exchange> exchangePool_;
  Pool<HttpUpstream> httpUpstreams_;
  SlotPool framePool_;              // two trackers each
  SlotPool limitPool_;              // MessageLimits
  SlotPool throttlePool_;           // Throttle
  u32* throttleAt_ = nullptr;       // by tunnel: slot of its Throttle and 1, or 0
  SlotPool mirrorPlans_;            // MirrorPlan
  u32 mirrors_ = 0;                 // tunnels of copies, closed ones included
  u32* limitsAt_ = nullptr;         // by tracker slot: slot of its limits and 1, or 0
  u32* httpAt_ = nullptr;           // by conn: slot of its HttpConn or HttpUpstream and 1, or 0
  UnusedList* unusedOf_ = nullptr;  // by endpoint
  u32 unused_ = 0;                  // connections to endpoints without an exchange
  u32 pooledTunnel_ = kNoIndex;     // they belong to it
  u32 sweepCursor_ = 0;
  u8* outScratch_ = nullptr;  // what is to be sent, before it is sealed
  size_t outLength_ = 0;
  u8* textScratch_ = nullptr;  // values of fields of the message in hand
  size_t textLength_ = 0;
  Pool<CodedResponse> codedPool_;
  std::vector<CodingSettings> codingSettings_;
  compression::CompressorPool compressors_;
  u8* codedScratch_ = nullptr;  // what came out of a compressor
  u32 codedLength_ = 0;
  http1::Head head_;                         // the one in hand
  std::unique_ptr<http1::Head> editedHead_;  // as filters of a route are shown it
  std::unique_ptr<http::RegexScratch> regexScratch_;
  std::vector<http::RouteTable> routeTables_;  // by position of the HTTP spec
  std::vector<FramesSettings> framesSettings_;
  std::vector<RetryBudget> retryBudgets_;       // by cluster position
  policy::Outcome outcome_;                     // of the connection or request in hand
  char denied_[kDeniedTextMax + 1] = {};        // who refused it
  std::unique_ptr<ShardFilters> filters_;       // once a host is there
  const FilterAnswer* filterAnswer_ = nullptr;  // that the exchange in hand goes on with
  std::string_view closeText_;                  // of a close frame that filters ask for
  bool isOpenAsked_ = false;                    // of the WebSocket that is being opened
  bool isOpenRefused_ = false;                  // there was no room to ask
  const char* violation_ = "";                  // of the message that is being refused
  TlsTable tlsTable_;
  std::optional<tls::RecordLayer> records_;  // once a snapshot has TLS
  Pool<TlsConn> tlsConns_;
  SlotPool recordPools_[kRecordClasses];
  u32* tlsAt_ = nullptr;  // by conn: slot of its TlsConn and 1, or 0
  TlsFacts facts_;
  std::optional<HandshakePool> pool_;
  std::vector<HandshakeAnswer> answers_;              // of the pool, in this turn
  u32 handshakes_ = 0;                                // of clients, under way
  u32 engineConns_ = 0;                               // that keep a handshake object
  char tlsError_[HF_TLS_REASON_BYTES_MAX + 1] = {};   // of the connection that is being closed
  std::vector<std::unique_ptr<Balancer>> balancers_;  // by cluster position
  u32 listenerAt_[kListenersMax];                     // position by id, or kNoIndex
  u32 clusterAt_[kClustersMax];
  bool isDraining_ = false;
  u32 drainStartTick_ = 0;
  u32 drainTicks_ = 0;
  u32 drainCursor_ = kNoIndex;  // next slot to get its time
  sys::Event events_[sys::kEventsMax];
};

}  // namespace holdfast::proxy
