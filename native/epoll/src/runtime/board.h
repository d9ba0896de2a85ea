// Board: the memory that all threads of one process share, as plain data behind a memfd.
//
// Holds counters, names, endpoint health and load, the per-address table, and for each shard a
// mailbox and a log ring. The main thread makes it; shards attach by descriptor. No pointers
// inside, so each thread may map it elsewhere, and a later process can be given it.
// Invariant: every field says who writes it; whatever several threads write is atomic.
// Pages become resident when touched, so the fixed tables cost nothing until used; of what HTTP
// counts, readers touch only what a mark says was used.
#pragma once

#include <atomic>

#include "runtime/address.h"
#include "runtime/address_table.h"
#include "runtime/base.h"
#include "runtime/bucket_table.h"
#include "runtime/concurrency.h"
#include "runtime/counters.h"
#include "runtime/http_counters.h"
#include "runtime/spsc_ring.h"
#include "runtime/sys.h"

namespace holdfast {

inline constexpr u32 kShardsMax = 64;
inline constexpr u32 kListenersMax = 256;
inline constexpr u32 kClustersMax = 1024;
inline constexpr u32 kEndpointsMax = 16384;
inline constexpr u32 kRoutesMax = 4096;
inline constexpr u32 kRouteOther = kRoutesMax - 1;  // counts the routes that have no id
inline constexpr u32 kPolicyUsesMax = 4096;
inline constexpr u32 kPolicyOther = kPolicyUsesMax - 1;  // counts the uses that have no id
inline constexpr u32 kNameMax = 63;                      // bytes of a listener or cluster name
inline constexpr u32 kRouteNameMax = 127;
inline constexpr u32 kDisplayMax = 111;         // bytes of an endpoint as shown in records
inline constexpr u32 kMailboxSlots = 1024;      // accepted sockets under way to one shard
inline constexpr u32 kLogRingBytes = 1u << 20;  // access records of one shard under way

static_assert(std::atomic<u64>::is_always_lock_free && std::atomic<u32>::is_always_lock_free);

// An accepted socket on its way to its shard. The shard owns the descriptor from pop on.
struct MailboxMessage {
  i32 fd = -1;
  u16 listener = 0;
  u16 reserved = 0;
  Address client;
  u32 padding = 0;
};
static_assert(sizeof(MailboxMessage) == 32);

using Mailbox = SpscRing<MailboxMessage, kMailboxSlots>;
using AccessRing = LogRing<kLogRingBytes>;

struct alignas(64) ShardBlock {
  // Written by the acceptor.
  std::atomic<u64> assigned;
  // Written by the main thread before the shard attaches.
  std::atomic<i32> wakeFd;
  std::atomic<u32> ready;
  // Written by the shard.
  alignas(64) std::atomic<u64> closed;
  std::atomic<u64> heartbeats;
  std::atomic<u64> turnStartNs;
  std::atomic<u32> isInTurn;
  std::atomic<u32> activity;
  std::atomic<u64> counters[countOf<ShardCounter>()];
};

// Counters of one listener in one shard; written by that shard.
struct alignas(64) ListenerCell {
  std::atomic<u64> counters[countOf<ListenerCounter>()];
  std::atomic<u64> closed[countOf<CloseReason>()];
};

struct alignas(64) ListenerEntry {
  char name[kNameMax + 1];
  // Written by the acceptor.
  std::atomic<u64> assigned;
  std::atomic<u64> ratePauses;
  std::atomic<u64> refused[countOf<Refusal>()];
  // Written by main: it had routes of HTTP, so its HttpCells may have been touched.
  u32 isHttp;
};

// What a cluster has under way in all shards, where it may be limited.
enum class Circuit : u8 { kRequests, kPending, kRetries, kConnections, kCount };

struct alignas(64) ClusterEntry {
  char name[kNameMax + 1];
  // Changes whenever an endpoint of the cluster became usable or unusable.
  std::atomic<u32> healthEpoch;
  std::atomic<u32> latencyWindow;  // the last one that was judged; written by shards
  std::atomic<u32> isEjecting;     // one shard at a time counts and ejects
  // Written by shards for each request: apart from what is read for each pick.
  alignas(64) std::atomic<u32> active[countOf<Circuit>()];
  std::atomic<u64> refused[countOf<Circuit>()];
  std::atomic<u64> budgetRefused;
};

// Written by main, before a snapshot names the id.
struct alignas(64) RouteEntry {
  char name[kRouteNameMax + 1];  // empty: it never belonged to a route
};

// Time of answers within one window of the clock.
struct LatencyWindow {
  std::atomic<u64> micros;
  std::atomic<u32> answers;
  std::atomic<u32> number;
};

struct alignas(64) EndpointEntry {
  std::atomic<u32> healthy;              // written by main: what active checks found
  std::atomic<u32> consecutiveFailures;  // written by shards
  std::atomic<u64> ejectedUntilMs;       // CLOCK_MONOTONIC; written by shards
  std::atomic<u64> upSinceMs;            // start of the slow-start window
  std::atomic<u32> ejectionsInARow;
  std::atomic<u64> connects;
  std::atomic<u64> connectFailures;
  std::atomic<u64> ejections;
  std::atomic<u64> limitHits;
  std::atomic<u64> connectMicros;
  char display[kDisplayMax + 1];
  // Written by shards for each answer: apart from what is read for each pick.
  alignas(64) std::atomic<u64> peakLatency;  // see proxy/latency.h
  std::atomic<u64> answers;
  std::atomic<u64> answerMicros;
  std::atomic<u64> errors;
  LatencyWindow windows[2];  // the present one and the one before
  std::atomic<u64> ejectionsByErrors;
  std::atomic<u64> ejectionsByLatency;
  std::atomic<u32> consecutiveErrors;
  std::atomic<u32> ejectionCause;
};

struct BoardHeader {
  u32 magic;
  u32 version;
  u32 shards;
  u32 addressSlots;
  u64 bytes;
  u64 addressTableOffset;
  u64 mailboxOffset;
  u64 logOffset;
  u64 pendingBytesMax;
  u64 epochNs;                                // CLOCK_MONOTONIC: since when buckets count
  u8 addressKey[16];                          // secret of the per-address table
  alignas(64) std::atomic<u64> pendingBytes;  // chunk bytes of all shards
};

struct BoardOptions {
  u32 shards = 1;
  u32 connectionsMax = 0;
  u64 pendingBytesMax = 0;
};

class Board {
 public:
  Board() = default;
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
  ~Board();

  // Main thread: makes the memory, the wake-up descriptors and the secret.
  Status create(const BoardOptions& options);
  // Other threads: maps what `fd` names. EINVAL when it is not a board of this version.
  Status attach(int fd);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] u32 shards() const { return header_->shards; }
  [[nodiscard]] BoardHeader& header() { return *header_; }
  [[nodiscard]] ShardBlock& shard(u32 index) { return shards_[index]; }
  [[nodiscard]] ListenerCell& cell(u32 shard, u32 listener) {
    return cells_[size_t{shard} * kListenersMax + listener];
  }
  [[nodiscard]] ListenerEntry& listener(u32 id) { return listeners_[id]; }
  [[nodiscard]] ClusterEntry& cluster(u32 id) { return clusters_[id]; }
  [[nodiscard]] EndpointEntry& endpoint(u32 id) { return endpoints_[id]; }
  // Live connections of an endpoint, kept dense so that balancers scan few cache lines.
  [[nodiscard]] std::atomic<u32>& endpointActive(u32 id) { return endpointActive_[id]; }
  [[nodiscard]] Mailbox& mailbox(u32 shard) { return mailboxes_[shard]; }
  [[nodiscard]] AccessRing& log(u32 shard) { return logs_[shard]; }
  [[nodiscard]] HttpCell& http(u32 shard, u32 listener) {
    return https_[size_t{shard} * kListenersMax + listener];
  }
  [[nodiscard]] RouteCell& route(u32 shard, u32 id) {
    return routes_[size_t{shard} * kRoutesMax + id];
  }
  // From the head of a request to the head of the response sent to the client, microseconds.
  [[nodiscard]] Histogram& routeLatency(u32 shard, u32 id) {
    return routeLatencies_[size_t{shard} * kRoutesMax + id];
  }
  [[nodiscard]] ClusterHttpCell& clusterHttp(u32 shard, u32 cluster) {
    return clusterHttps_[size_t{shard} * kClustersMax + cluster];
  }
  // From the choice of an endpoint to the first byte of its response, microseconds.
  [[nodiscard]] Histogram& clusterLatency(u32 shard, u32 cluster) {
    return clusterLatencies_[size_t{shard} * kClustersMax + cluster];
  }
  [[nodiscard]] RouteEntry& routeEntry(u32 id) { return routeEntries_[id]; }
  [[nodiscard]] const char* routeName(u32 id) { return routeEntries_[id].name; }
  [[nodiscard]] PolicyCell& policy(u32 shard, u32 id) {
    return policies_[size_t{shard} * kPolicyUsesMax + id];
  }
  [[nodiscard]] ConcurrencyCell& concurrency(u32 policy) { return concurrencies_[policy]; }
  // Takes back what adaptive limits let into a shard that is gone.
  void endPolicies(u32 shard);
  // Of the rate limits of all shards.
  [[nodiscard]] BucketTable& buckets() { return buckets_; }
  [[nodiscard]] AddressTable& addresses() { return addresses_; }
  [[nodiscard]] HashKey addressKey() const;

  // Handed over and not yet closed. Exact on the acceptor's thread up to closes under way.
  [[nodiscard]] u64 shardConnections(u32 shard) const;
  [[nodiscard]] u64 listenerConnections(u32 listener) const;
  [[nodiscard]] u64 connections() const;

 private:
  Status lay(u8* memory);

  int fd_ = -1;
  bool isOwner_ = false;
  u8* memory_ = nullptr;
  size_t bytes_ = 0;
  BoardHeader* header_ = nullptr;
  ShardBlock* shards_ = nullptr;
  ListenerCell* cells_ = nullptr;
  ListenerEntry* listeners_ = nullptr;
  ClusterEntry* clusters_ = nullptr;
  EndpointEntry* endpoints_ = nullptr;
  std::atomic<u32>* endpointActive_ = nullptr;
  Mailbox* mailboxes_ = nullptr;
  AccessRing* logs_ = nullptr;
  HttpCell* https_ = nullptr;
  RouteEntry* routeEntries_ = nullptr;
  RouteCell* routes_ = nullptr;
  Histogram* routeLatencies_ = nullptr;
  ClusterHttpCell* clusterHttps_ = nullptr;
  Histogram* clusterLatencies_ = nullptr;
  PolicyCell* policies_ = nullptr;
  ConcurrencyCell* concurrencies_ = nullptr;
  BucketTable buckets_;
  AddressTable addresses_;
};

}  // namespace holdfast
