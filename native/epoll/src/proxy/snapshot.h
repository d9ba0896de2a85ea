// Snapshot: what the path needs of the configuration, as flat, immutable, position-independent
// bytes.
//
// Compiled once on the main thread into a sealed memfd; every shard maps the same pages read-only.
// Connections copy what they need when they open, so a snapshot is let go as soon as it is
// replaced.
// Invariant: a mapped snapshot was checked whole (bounds, counts, enums) before its first use.
// Does not hold names: they are on the board, by the stable ids used here.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "proxy/filter_chain.h"
#include "proxy/http_snapshot.h"
#include "proxy/tls_parts.h"
#include "runtime/address.h"
#include "runtime/base.h"

namespace holdfast::proxy {

enum class Balance : u32 {
  kRoundRobin,
  kRandom,
  kLeastConnections,
  kLeastRequest,
  kMaglev,
  kRingHash,
  kPeakEwma,
  kCount,
};
inline constexpr const char* kBalanceNames[] = {
    "round-robin", "random",    "least-connections", "least-request",
    "maglev",      "ring-hash", "peak-ewma",
};
static_assert(std::size(kBalanceNames) == static_cast<size_t>(Balance::kCount));

// Options of one side's sockets; 0 leaves the kernel's default.
struct SocketOptions {
  u32 nodelay = 0;
  u32 keepaliveIdleSeconds = 0;
  u32 keepaliveIntervalSeconds = 0;
  u32 keepaliveCount = 0;
  u32 userTimeoutMs = 0;
};

enum class TlsMode : u32 { kOff, kTerminate, kPassthrough, kCount };
inline constexpr const char* kTlsModeNames[] = {"off", "terminate", "passthrough"};
static_assert(std::size(kTlsModeNames) == static_cast<size_t>(TlsMode::kCount));

struct ListenerSpec {
  u32 id = 0;
  u32 cluster = 0;      // position in the clusters; with HTTP kNoIndex where routes say it all
  u32 http = kNoIndex;  // position in the HTTP specs; kNoIndex: bytes are relayed as they are
  u32 idleMs = 0;
  u32 halfCloseMs = 0;
  u32 maxAgeMs = 0;
  u32 maxAgeJitterPermille = 0;
  u32 proxyHeaderMs = 0;
  u32 cidrFirst = 0;
  u32 cidrCount = 0;
  u32 bufferHigh = 0;
  u32 bufferLow = 0;
  u32 connectionsPerAddressMax = 0;
  u32 accessIntervalMs = 0;
  u32 accessLog = 0;
  TlsMode tlsMode = TlsMode::kOff;
  u32 tls = kNoIndex;  // position in the TLS configs, with kTerminate
  u32 handshakeMs = 0;
  u32 nameFirst = 0;  // names that routes ask for, sorted
  u32 nameCount = 0;
  u32 anyFirst = 0;  // routes for any name, in order
  u32 anyCount = 0;
  u32 filterChain = 0;  // id; 0: none
  TextSpec policies;    // empty: none
  SocketOptions socket;
};

// A name that a route asks for; `*.example` stands for one label. The same name may come several
// times, in the order of the routes.
struct NameSpec {
  TextSpec name;
  u32 route = 0;
};

struct RouteSpec {
  u32 cluster = 0;  // position
  u32 alpnFirst = 0;
  u32 alpnCount = 0;  // 0: any
};

// One TLS config: TlsConfigParts, encoded.
struct TlsSpec {
  u64 digest[2] = {0, 0};
  u32 offset = 0;  // in the TLS bytes
  u32 length = 0;
};

// What crosses for the filters of a listener or a route.
struct FilterChainSpec {
  u32 id = 0;
  u32 mask = 0;
  u32 messageBytesMax = 0;
  u32 isOversizeClosed = 0;
  u32 requestFirst = 0;  // names of fields
  u32 requestCount = 0;
  u32 responseFirst = 0;
  u32 responseCount = 0;
  u32 framing = kNoIndex;  // position; kNoIndex: none
  u32 reserved = 0;
};

struct ClusterSpec {
  u32 id = 0;
  // The cluster that this one is a subset of, by id: its health epoch and its circuit limits count.
  // kNoIndex: its own.
  u32 parent = kNoIndex;
  Balance balance = Balance::kRoundRobin;
  u32 endpointFirst = 0;
  u32 endpointCount = 0;
  u32 connectMs = 0;
  u32 retries = 0;
  u32 proxyProtocol = 0;  // 0 none, 1, 2
  i32 netnsFd = -1;
  u32 slowStartMs = 0;
  u32 ejectAfter = 0;
  u32 ejectAfterErrors = 0;
  u32 ejectLatencyPermille = 0;  // of the cluster's median; 0: never
  u32 ejectMs = 0;
  u32 ejectMsMax = 0;
  u32 ejectPercentMax = 0;
  u32 panicPercent = 0;
  u32 tableFirst = 0;  // words of the hash table, for maglev and ring-hash
  u32 tableWords = 0;
  u32 tls = kNoIndex;   // position in the TLS configs; kNoIndex: in clear
  TextSpec serverName;  // empty: the endpoint's address
  ClusterHttpParts http;
  SocketOptions socket;
};

struct EndpointSpec {
  u32 id = 0;
  u32 weight = 1;
  u32 connectionsMax = 0;
  u32 addressLength = 0;
  sockaddr_un address{};  // the largest of the three kinds; holds sockaddr_in and sockaddr_in6 too
  u16 padding = 0;
};
static_assert(sizeof(sockaddr_un) >= sizeof(sockaddr_in6));

struct SnapshotHeader {
  u32 magic = 0;
  u32 version = 0;
  u64 generation = 0;
  u64 bytes = 0;
  u32 listenersOffset = 0, listenerCount = 0;
  u32 clustersOffset = 0, clusterCount = 0;
  u32 endpointsOffset = 0, endpointCount = 0;
  u32 cidrsOffset = 0, cidrCount = 0;
  u32 tableOffset = 0, tableWords = 0;
  u32 namesOffset = 0, nameCount = 0;
  u32 routesOffset = 0, routeCount = 0;
  u32 alpnOffset = 0, alpnCount = 0;
  u32 textsOffset = 0, textBytes = 0;
  u32 tlsOffset = 0, tlsCount = 0;
  u32 tlsBytesOffset = 0, tlsBytes = 0;
  u32 ticketKeysOffset = 0, ticketKeyCount = 0;
  u32 httpOffset = 0, httpCount = 0;
  u32 httpRoutesOffset = 0, httpRouteCount = 0;
  u32 editsOffset = 0, editCount = 0;
  u32 chainsOffset = 0, chainCount = 0;
  u32 chainNamesOffset = 0, chainNameCount = 0;
  u32 framingsOffset = 0, framingCount = 0;
  u32 policiesOffset = 0, policyBytes = 0;
  AccessFormat accessFormat = AccessFormat::kJson;
  TextSpec accessTemplate;  // compiled
};

// The parts of a snapshot before it is laid flat. Control code only.
struct RouteParts {
  std::vector<std::string> serverNames;
  std::vector<std::string> alpn;
  u32 cluster = 0;
};

struct SnapshotParts {
  u64 generation = 0;
  std::vector<ListenerSpec> listeners;
  std::vector<std::vector<RouteParts>> routes;  // of each listener; may be shorter
  std::vector<std::string> serverNames;         // of each cluster; may be shorter
  std::vector<TlsConfigParts> tls;
  std::vector<HfTlsTicketKey> ticketKeys;
  std::vector<ClusterSpec> clusters;
  std::vector<EndpointSpec> endpoints;
  std::vector<Cidr> cidrs;
  std::vector<HttpParts> http;                // of each listener; may be shorter
  std::vector<ClusterHttpParts> clusterHttp;  // of each cluster; may be shorter
  std::vector<FilterChainParts> filterChains;
  std::vector<std::vector<policy::PolicyParts>> policies;  // of each listener; may be shorter
  AccessFormat accessFormat = AccessFormat::kJson;         // of requests
  std::string accessTemplate;                              // kTemplate: its text
};

// Builds hash tables, lays the parts flat and seals them. Returns the memfd, or -errno.
int compileSnapshot(const SnapshotParts& parts);

// Read access to a checked snapshot. One per shard; borrows end with the next map().
class Snapshot {
 public:
  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot();

  // Maps and checks `fd`; on failure the snapshot in use stays. EINVAL: not a valid snapshot.
  Status map(int fd);
  // The two change places.
  void swap(Snapshot& other);
  // Checks bytes as map() does; for the fuzzer.
  [[nodiscard]] static bool isValid(const u8* bytes, size_t length);

  [[nodiscard]] bool isEmpty() const { return header_ == nullptr; }
  [[nodiscard]] u64 generation() const { return header_ == nullptr ? 0 : header_->generation; }
  [[nodiscard]] u32 listenerCount() const {
    return header_ == nullptr ? 0 : header_->listenerCount;
  }
  [[nodiscard]] u32 clusterCount() const { return header_ == nullptr ? 0 : header_->clusterCount; }
  [[nodiscard]] const ListenerSpec& listener(u32 at) const {
    return array<ListenerSpec>(header_->listenersOffset)[at];
  }
  [[nodiscard]] const ClusterSpec& cluster(u32 at) const {
    return array<ClusterSpec>(header_->clustersOffset)[at];
  }
  [[nodiscard]] const EndpointSpec* endpoints(const ClusterSpec& cluster) const {
    return array<EndpointSpec>(header_->endpointsOffset) + cluster.endpointFirst;
  }
  [[nodiscard]] const u32* table(const ClusterSpec& cluster) const {
    return array<u32>(header_->tableOffset) + cluster.tableFirst;
  }
  [[nodiscard]] u32 httpCount() const { return header_ == nullptr ? 0 : header_->httpCount; }
  [[nodiscard]] const HttpSpec& http(u32 at) const {
    return array<HttpSpec>(header_->httpOffset)[at];
  }
  [[nodiscard]] std::span<const u8> routeTable(const HttpSpec& spec) const {
    return {reinterpret_cast<const u8*>(header_) + spec.tableOffset, spec.tableBytes};
  }
  [[nodiscard]] const HttpRouteSpec& httpRoute(const HttpSpec& spec, u32 number) const {
    return array<HttpRouteSpec>(header_->httpRoutesOffset)[spec.routeFirst + number];
  }
  [[nodiscard]] std::span<const HttpEditSpec> edits(u32 first, u32 count) const {
    return {array<HttpEditSpec>(header_->editsOffset) + first, count};
  }
  [[nodiscard]] u32 filterChainCount() const {
    return header_ == nullptr ? 0 : header_->chainCount;
  }
  [[nodiscard]] const FilterChainSpec& filterChain(u32 at) const {
    return array<FilterChainSpec>(header_->chainsOffset)[at];
  }
  // Names of fields in lower case, from a chain's ranges.
  [[nodiscard]] std::string_view filterName(u32 at) const {
    return text(array<TextSpec>(header_->chainNamesOffset)[at]);
  }
  [[nodiscard]] const codec::FramingSpec& framing(u32 at) const {
    return array<codec::FramingSpec>(header_->framingsOffset)[at];
  }
  // Of a listener or a route; empty: none.
  [[nodiscard]] std::span<const u8> policies(const TextSpec& spec) const {
    return {array<u8>(header_->policiesOffset) + spec.offset, spec.length};
  }
  [[nodiscard]] AccessFormat accessFormat() const { return header_->accessFormat; }
  [[nodiscard]] std::string_view accessTemplate() const { return text(header_->accessTemplate); }
  // True when forwarding fields of `peer` are believed.
  [[nodiscard]] bool isForwarderTrusted(const HttpSpec& spec, const Address& peer) const {
    return isListed(spec.cidrFirst, spec.cidrCount, peer);
  }
  [[nodiscard]] u32 tlsCount() const { return header_ == nullptr ? 0 : header_->tlsCount; }
  [[nodiscard]] const TlsSpec& tls(u32 at) const { return array<TlsSpec>(header_->tlsOffset)[at]; }
  [[nodiscard]] std::span<const u8> tlsBytes(const TlsSpec& spec) const {
    return {array<u8>(header_->tlsBytesOffset) + spec.offset, spec.length};
  }
  [[nodiscard]] std::span<const HfTlsTicketKey> ticketKeys() const {
    return {array<HfTlsTicketKey>(header_->ticketKeysOffset), header_->ticketKeyCount};
  }
  [[nodiscard]] std::string_view text(const TextSpec& spec) const {
    return {array<char>(header_->textsOffset) + spec.offset, spec.length};
  }
  // Position of the cluster for a name (canonical; empty: none was asked for) and protocols as ALPN
  // has them on the wire. An exact name comes before a wildcard, that before routes for any name,
  // and equals come in order. O(log names).
  [[nodiscard]] u32 route(const ListenerSpec& listener, std::string_view serverName,
                          std::span<const u8> alpn) const;
  // True when connections from `client` must start with a PROXY header.
  [[nodiscard]] bool isProxyTrusted(const ListenerSpec& listener, const Address& client) const {
    return isListed(listener.cidrFirst, listener.cidrCount, client);
  }

 private:
  // Position of the cluster of the first route for `name` that takes `alpn`, or kNoIndex.
  [[nodiscard]] u32 routeByName(const ListenerSpec& listener, std::string_view name,
                                std::span<const u8> alpn) const;
  [[nodiscard]] bool isListed(u32 first, u32 count, const Address& address) const;
  [[nodiscard]] bool isAlpnWanted(const RouteSpec& route, std::span<const u8> alpn) const;

  template <typename T>
  [[nodiscard]] const T* array(u32 offset) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const u8*>(header_) + offset);
  }

  const SnapshotHeader* header_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace holdfast::proxy
