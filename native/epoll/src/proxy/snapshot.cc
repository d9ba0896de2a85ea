// Compiling, sealing, mapping and checking snapshots.
#include "proxy/snapshot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/hash_table.h"
#include "runtime/board.h"
#include "runtime/sys.h"

#include "policy/policy_list.h"

namespace holdfast::proxy {
namespace {

inline constexpr u32 kSnapshotMagic = 0x48465350;  // "HFSP"
inline constexpr u32 kSnapshotVersion = 5;
inline constexpr HashKey kIdentityKey{0x656e64706f696e74u, 0x6964656e74697479u};
// Two halves of a digest that tells configs apart; nobody gains by a collision.
inline constexpr HashKey kDigestKeys[2] = {{0x746c732d636f6e66u, 0x69672d64696765u},
                                           {0x73742d7365636f6eu, 0x642d68616c66u}};
inline constexpr size_t kTicketKeysMax = 16;

size_t roundUp8(size_t value) { return (value + 7) & ~size_t{7}; }

bool isHashBalance(Balance balance) {
  return balance == Balance::kMaglev || balance == Balance::kRingHash;
}

HashKind kindOf(Balance balance) {
  return balance == Balance::kMaglev ? HashKind::kMaglev : HashKind::kRing;
}

// True when `count` items of `size` bytes at `offset` lie inside `bytes`, aligned.
bool lies(u64 offset, u64 count, u64 size, u64 bytes) {
  return offset % 8 == 0 && offset <= bytes && count * size <= bytes - offset;
}

std::vector<u32> buildTables(std::vector<ClusterSpec>& clusters,
                             const std::vector<EndpointSpec>& endpoints) {
  std::vector<u32> words;
  for (ClusterSpec& cluster : clusters) {
    if (!isHashBalance(cluster.balance) || cluster.endpointCount == 0) continue;
    std::vector<HashMember> members;
    for (u32 i = 0; i < cluster.endpointCount; i++) {
      const EndpointSpec& endpoint = endpoints[cluster.endpointFirst + i];
      const u64 identity = sipHash13(kIdentityKey, &endpoint.address, endpoint.addressLength);
      members.push_back(HashMember{identity, endpoint.weight});
    }
    const std::vector<u32> table = buildHashTable(kindOf(cluster.balance), members);
    cluster.tableFirst = static_cast<u32>(words.size());
    cluster.tableWords = static_cast<u32>(table.size());
    words.insert(words.end(), table.begin(), table.end());
  }
  return words;
}

// The parts of routes and TLS, laid flat.
struct FlatTls {
  std::vector<NameSpec> names;
  std::vector<RouteSpec> routes;
  std::vector<TextSpec> alpn;
  std::vector<u8> texts;
  std::vector<TlsSpec> tls;
  std::vector<u8> tlsBytes;

  FlatTls() = default;
  FlatTls(const FlatTls&) = delete;
  FlatTls& operator=(const FlatTls&) = delete;
  ~FlatTls() {
    if (!tlsBytes.empty()) explicit_bzero(tlsBytes.data(), tlsBytes.size());
  }

  TextSpec addText(const std::string& text) {
    const auto offset = static_cast<u32>(texts.size());
    texts.insert(texts.end(), text.begin(), text.end());
    return TextSpec{offset, static_cast<u32>(text.size())};
  }
  [[nodiscard]] std::string_view textOf(const TextSpec& spec) const {
    return {reinterpret_cast<const char*>(texts.data()) + spec.offset, spec.length};
  }
};

u32 addRoute(FlatTls& flat, const RouteParts& from) {
  RouteSpec route;
  route.cluster = from.cluster;
  route.alpnFirst = static_cast<u32>(flat.alpn.size());
  route.alpnCount = static_cast<u32>(from.alpn.size());
  for (const std::string& protocol : from.alpn) flat.alpn.push_back(flat.addText(protocol));
  flat.routes.push_back(route);
  return static_cast<u32>(flat.routes.size() - 1);
}

// The routes for any name stand together, so that a listener names them by a range.
void addRoutes(FlatTls& flat, const std::vector<RouteParts>& routes, ListenerSpec* listener) {
  listener->anyFirst = static_cast<u32>(flat.routes.size());
  for (const RouteParts& route : routes) {
    if (route.serverNames.empty()) (void)addRoute(flat, route);
  }
  listener->anyCount = static_cast<u32>(flat.routes.size()) - listener->anyFirst;
  listener->nameFirst = static_cast<u32>(flat.names.size());
  for (const RouteParts& route : routes) {
    if (route.serverNames.empty()) continue;
    const u32 index = addRoute(flat, route);
    for (const std::string& name : route.serverNames) {
      flat.names.push_back(NameSpec{flat.addText(name), index});
    }
  }
  listener->nameCount = static_cast<u32>(flat.names.size()) - listener->nameFirst;
  std::stable_sort(flat.names.begin() + listener->nameFirst, flat.names.end(),
                   [&flat](const NameSpec& left, const NameSpec& right) {
                     return flat.textOf(left.name) < flat.textOf(right.name);
                   });
}

void addTls(FlatTls& flat, const TlsConfigParts& parts) {
  TlsSpec spec;
  spec.offset = static_cast<u32>(flat.tlsBytes.size());
  encodeTlsConfig(parts, &flat.tlsBytes);
  spec.length = static_cast<u32>(flat.tlsBytes.size()) - spec.offset;
  for (size_t half = 0; half < 2; half++) {
    spec.digest[half] =
        sipHash13(kDigestKeys[half], flat.tlsBytes.data() + spec.offset, spec.length);
  }
  flat.tls.push_back(spec);
}

template <typename T>
u32 place(std::vector<u8>& bytes, const std::vector<T>& items) {
  const size_t offset = roundUp8(bytes.size());
  bytes.resize(offset + items.size() * sizeof(T));
  if (!items.empty()) std::memcpy(bytes.data() + offset, items.data(), items.size() * sizeof(T));
  return static_cast<u32>(offset);
}

bool isText(const TextSpec& text, u32 textBytes) {
  return u64{text.offset} + text.length <= textBytes;
}

bool areRoutesValid(const ListenerSpec& listener, const SnapshotHeader& header) {
  if (listener.tlsMode >= TlsMode::kCount) return false;
  if (listener.tlsMode == TlsMode::kTerminate && listener.tls >= header.tlsCount) return false;
  return u64{listener.nameFirst} + listener.nameCount <= header.nameCount &&
         u64{listener.anyFirst} + listener.anyCount <= header.routeCount;
}

// Routes, names, texts and TLS configs: each range inside the bytes and inside what it refers to.
bool isTlsValid(const u8* bytes, const SnapshotHeader& header) {
  const u64 length = header.bytes;
  if (!lies(header.namesOffset, header.nameCount, sizeof(NameSpec), length) ||
      !lies(header.routesOffset, header.routeCount, sizeof(RouteSpec), length) ||
      !lies(header.alpnOffset, header.alpnCount, sizeof(TextSpec), length) ||
      !lies(header.textsOffset, header.textBytes, 1, length) ||
      !lies(header.tlsOffset, header.tlsCount, sizeof(TlsSpec), length) ||
      !lies(header.tlsBytesOffset, header.tlsBytes, 1, length) ||
      !lies(header.ticketKeysOffset, header.ticketKeyCount, sizeof(HfTlsTicketKey), length) ||
      header.tlsCount > kTlsConfigsMax || header.ticketKeyCount > kTicketKeysMax) {
    return false;
  }
  const auto* names = reinterpret_cast<const NameSpec*>(bytes + header.namesOffset);
  for (u32 i = 0; i < header.nameCount; i++) {
    if (!isText(names[i].name, header.textBytes) || names[i].route >= header.routeCount) {
      return false;
    }
  }
  const auto* routes = reinterpret_cast<const RouteSpec*>(bytes + header.routesOffset);
  for (u32 i = 0; i < header.routeCount; i++) {
    if (routes[i].cluster >= header.clusterCount) return false;
    if (u64{routes[i].alpnFirst} + routes[i].alpnCount > header.alpnCount) return false;
  }
  const auto* alpn = reinterpret_cast<const TextSpec*>(bytes + header.alpnOffset);
  for (u32 i = 0; i < header.alpnCount; i++) {
    if (!isText(alpn[i], header.textBytes)) return false;
  }
  const auto* tls = reinterpret_cast<const TlsSpec*>(bytes + header.tlsOffset);
  for (u32 i = 0; i < header.tlsCount; i++) {
    if (u64{tls[i].offset} + tls[i].length > header.tlsBytes) return false;
  }
  return true;
}

// The chains of filters, laid flat.
struct FlatChains {
  std::vector<FilterChainSpec> specs;
  std::vector<TextSpec> names;
  std::vector<codec::FramingSpec> framings;
};

void addChain(const FilterChainParts& parts, FlatTls& texts, FlatChains* flat) {
  FilterChainSpec spec;
  spec.id = parts.id;
  spec.mask = parts.mask;
  spec.messageBytesMax = parts.messageBytesMax;
  spec.isOversizeClosed = parts.isOversizeClosed ? 1 : 0;
  spec.requestFirst = static_cast<u32>(flat->names.size());
  spec.requestCount = static_cast<u32>(parts.requestFields.size());
  for (const std::string& name : parts.requestFields) flat->names.push_back(texts.addText(name));
  spec.responseFirst = static_cast<u32>(flat->names.size());
  spec.responseCount = static_cast<u32>(parts.responseFields.size());
  for (const std::string& name : parts.responseFields) flat->names.push_back(texts.addText(name));
  if (!parts.framing.empty()) {
    spec.framing = static_cast<u32>(flat->framings.size());
    flat->framings.push_back(parts.framing.front());
  }
  flat->specs.push_back(spec);
}

// True when `isGood` holds for each listener and each route.
template <typename Judge>
bool isEveryPlace(const u8* bytes, const SnapshotHeader& header, Judge isGood) {
  const auto* listeners = reinterpret_cast<const ListenerSpec*>(bytes + header.listenersOffset);
  const auto* routes = reinterpret_cast<const HttpRouteSpec*>(bytes + header.httpRoutesOffset);
  return std::all_of(listeners, listeners + header.listenerCount, isGood) &&
         std::all_of(routes, routes + header.httpRouteCount, isGood);
}

// Chains inside the bytes, with ids in range, each once; and those that listeners and routes name.
bool areChainsValid(const u8* bytes, const SnapshotHeader& header) {
  if (!lies(header.chainsOffset, header.chainCount, sizeof(FilterChainSpec), header.bytes) ||
      !lies(header.chainNamesOffset, header.chainNameCount, sizeof(TextSpec), header.bytes) ||
      !lies(header.framingsOffset, header.framingCount, sizeof(codec::FramingSpec), header.bytes) ||
      header.chainCount > kFilterChainMax) {
    return false;
  }
  const auto* framings = reinterpret_cast<const codec::FramingSpec*>(bytes + header.framingsOffset);
  if (!std::all_of(framings, framings + header.framingCount, codec::isFramingValid)) return false;
  std::vector<bool> isKnown(kFilterChainMax + 1);
  isKnown[0] = true;
  const auto* chains = reinterpret_cast<const FilterChainSpec*>(bytes + header.chainsOffset);
  for (u32 i = 0; i < header.chainCount; i++) {
    const FilterChainSpec& chain = chains[i];
    if (chain.id > kFilterChainMax || isKnown[chain.id] || (chain.mask & ~kFilterNeeds) != 0 ||
        chain.messageBytesMax > kFilterMessageMax ||
        (chain.framing != kNoIndex && chain.framing >= header.framingCount) ||
        u64{chain.requestFirst} + chain.requestCount > header.chainNameCount ||
        u64{chain.responseFirst} + chain.responseCount > header.chainNameCount) {
      return false;
    }
    isKnown[chain.id] = true;
  }
  const auto* names = reinterpret_cast<const TextSpec*>(bytes + header.chainNamesOffset);
  for (u32 i = 0; i < header.chainNameCount; i++) {
    if (!isText(names[i], header.textBytes)) return false;
  }
  const auto isNamed = [&](u32 id) { return id <= kFilterChainMax && isKnown[id]; };
  return isEveryPlace(bytes, header, [&](const auto& place) { return isNamed(place.filterChain); });
}

// The policies of every listener and route, each list whole.
bool arePoliciesValid(const u8* bytes, const SnapshotHeader& header) {
  if (!lies(header.policiesOffset, header.policyBytes, 1, header.bytes)) return false;
  const auto isValid = [&](const TextSpec& spec) {
    if (spec.length == 0) return true;
    if (u64{spec.offset} + spec.length > header.policyBytes || spec.offset % 8 != 0) return false;
    policy::PolicyList list;
    return list.attach({bytes + header.policiesOffset + spec.offset, spec.length});
  };
  return isEveryPlace(bytes, header, [&](const auto& place) { return isValid(place.policies); });
}

// A sealed memfd with these bytes, or -errno.
int seal(const std::vector<u8>& bytes) {
  const int fd = sys::memfdCreate("holdfast-snapshot", 0);
  if (fd < 0) return fd;
  size_t done = 0;
  while (done < bytes.size()) {
    const IoResult result = sys::write(fd, bytes.data() + done, bytes.size() - done);
    if (result.kind != IoResult::Kind::kDone) {
      sys::close(fd);
      return -EIO;
    }
    done += result.bytes;
  }
  if (const int sealed = sys::sealMemfd(fd); sealed < 0) {
    sys::close(fd);
    return sealed;
  }
  return fd;
}

}  // namespace

int compileSnapshot(const SnapshotParts& parts) {
  std::vector<ClusterSpec> clusters = parts.clusters;
  const std::vector<u32> tables = buildTables(clusters, parts.endpoints);
  std::vector<ListenerSpec> listeners = parts.listeners;
  FlatTls flat;
  for (size_t i = 0; i < listeners.size() && i < parts.routes.size(); i++) {
    addRoutes(flat, parts.routes[i], &listeners[i]);
  }
  for (size_t i = 0; i < clusters.size() && i < parts.serverNames.size(); i++) {
    clusters[i].serverName = flat.addText(parts.serverNames[i]);
  }
  for (size_t i = 0; i < clusters.size() && i < parts.clusterHttp.size(); i++) {
    clusters[i].http = parts.clusterHttp[i];
  }
  FlatHttp http;
  std::vector<Cidr> cidrs = parts.cidrs;
  for (size_t i = 0; i < listeners.size() && i < parts.http.size(); i++) {
    if (!parts.http[i].isEnabled) continue;
    listeners[i].http = static_cast<u32>(http.specs.size());
    if (!flattenHttp(parts.http[i], &http, &flat.texts, &cidrs)) return -EINVAL;
  }
  for (size_t i = 0; i < listeners.size() && i < parts.policies.size(); i++) {
    if (!flattenPolicies(parts.policies[i], &http.policies, &listeners[i].policies)) {
      return -EINVAL;
    }
  }
  FlatChains chains;
  for (const FilterChainParts& chain : parts.filterChains) addChain(chain, flat, &chains);
  // A vector that grows would leave keys in freed memory.
  size_t tlsBytesMax = 0;
  for (const TlsConfigParts& config : parts.tls) tlsBytesMax += encodedTlsBytesMax(config);
  flat.tlsBytes.reserve(tlsBytesMax);
  for (const TlsConfigParts& config : parts.tls) addTls(flat, config);
  SnapshotHeader header;
  if (!flattenAccess(parts.accessFormat, parts.accessTemplate, &flat.texts, &header)) {
    return -EINVAL;
  }
  header.magic = kSnapshotMagic;
  header.version = kSnapshotVersion;
  header.generation = parts.generation;
  std::vector<u8> bytes(roundUp8(sizeof(header)));
  header.listenersOffset = place(bytes, listeners);
  header.listenerCount = static_cast<u32>(listeners.size());
  header.clustersOffset = place(bytes, clusters);
  header.clusterCount = static_cast<u32>(clusters.size());
  header.endpointsOffset = place(bytes, parts.endpoints);
  header.endpointCount = static_cast<u32>(parts.endpoints.size());
  header.cidrsOffset = place(bytes, cidrs);
  header.cidrCount = static_cast<u32>(cidrs.size());
  header.tableOffset = place(bytes, tables);
  header.tableWords = static_cast<u32>(tables.size());
  header.namesOffset = place(bytes, flat.names);
  header.nameCount = static_cast<u32>(flat.names.size());
  header.routesOffset = place(bytes, flat.routes);
  header.routeCount = static_cast<u32>(flat.routes.size());
  header.alpnOffset = place(bytes, flat.alpn);
  header.alpnCount = static_cast<u32>(flat.alpn.size());
  header.textsOffset = place(bytes, flat.texts);
  header.textBytes = static_cast<u32>(flat.texts.size());
  const u32 tablesOffset = place(bytes, http.tables);
  for (HttpSpec& spec : http.specs) spec.tableOffset += tablesOffset;
  header.httpOffset = place(bytes, http.specs);
  header.httpCount = static_cast<u32>(http.specs.size());
  header.httpRoutesOffset = place(bytes, http.routes);
  header.httpRouteCount = static_cast<u32>(http.routes.size());
  header.editsOffset = place(bytes, http.edits);
  header.editCount = static_cast<u32>(http.edits.size());
  header.chainsOffset = place(bytes, chains.specs);
  header.chainCount = static_cast<u32>(chains.specs.size());
  header.chainNamesOffset = place(bytes, chains.names);
  header.chainNameCount = static_cast<u32>(chains.names.size());
  header.framingsOffset = place(bytes, chains.framings);
  header.framingCount = static_cast<u32>(chains.framings.size());
  header.policiesOffset = place(bytes, http.policies);
  header.policyBytes = static_cast<u32>(http.policies.size());
  // From here on there are keys in it, so that it must not grow.
  bytes.reserve(bytes.size() + flat.tls.size() * sizeof(TlsSpec) + flat.tlsBytes.size() +
                parts.ticketKeys.size() * sizeof(HfTlsTicketKey) + 64);
  header.tlsOffset = place(bytes, flat.tls);
  header.tlsCount = static_cast<u32>(flat.tls.size());
  header.tlsBytesOffset = place(bytes, flat.tlsBytes);
  header.tlsBytes = static_cast<u32>(flat.tlsBytes.size());
  header.ticketKeysOffset = place(bytes, parts.ticketKeys);
  header.ticketKeyCount = static_cast<u32>(parts.ticketKeys.size());
  bytes.resize(roundUp8(bytes.size()));
  header.bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(header));
  const int fd = Snapshot::isValid(bytes.data(), bytes.size()) ? seal(bytes) : -EINVAL;
  explicit_bzero(bytes.data(), bytes.size());
  return fd;
}

Snapshot::~Snapshot() {
  if (header_ != nullptr) sys::unreserve(const_cast<SnapshotHeader*>(header_), bytes_);
}

Status Snapshot::map(int fd) {
  const i64 size = sys::fileSize(fd);
  if (size < static_cast<i64>(sizeof(SnapshotHeader))) return Status::fromErrno(EINVAL);
  void* memory = sys::mapShared(fd, static_cast<size_t>(size), sys::Access::kRead);
  if (memory == nullptr) return Status::fromErrno(ENOMEM);
  if (!isValid(static_cast<const u8*>(memory), static_cast<size_t>(size))) {
    sys::unreserve(memory, static_cast<size_t>(size));
    return Status::fromErrno(EINVAL);
  }
  // It may hold private keys.
  sys::excludeFromDumps(memory, static_cast<size_t>(size));
  if (header_ != nullptr) sys::unreserve(const_cast<SnapshotHeader*>(header_), bytes_);
  header_ = static_cast<const SnapshotHeader*>(memory);
  bytes_ = static_cast<size_t>(size);
  return Status::ok();
}

void Snapshot::swap(Snapshot& other) {
  std::swap(header_, other.header_);
  std::swap(bytes_, other.bytes_);
}

bool Snapshot::isValid(const u8* bytes, size_t length) {
  SnapshotHeader header;
  if (length < sizeof(header)) return false;
  std::memcpy(&header, bytes, sizeof(header));
  if (header.magic != kSnapshotMagic || header.version != kSnapshotVersion) return false;
  if (header.bytes != length) return false;
  if (header.listenerCount > kListenersMax || header.clusterCount > kClustersMax ||
      header.endpointCount > kEndpointsMax) {
    return false;
  }
  if (!lies(header.listenersOffset, header.listenerCount, sizeof(ListenerSpec), length) ||
      !lies(header.clustersOffset, header.clusterCount, sizeof(ClusterSpec), length) ||
      !lies(header.endpointsOffset, header.endpointCount, sizeof(EndpointSpec), length) ||
      !lies(header.cidrsOffset, header.cidrCount, sizeof(Cidr), length) ||
      !lies(header.tableOffset, header.tableWords, sizeof(u32), length)) {
    return false;
  }
  if (!isTlsValid(bytes, header)) return false;
  if (!lies(header.httpOffset, header.httpCount, sizeof(HttpSpec), length) ||
      !lies(header.httpRoutesOffset, header.httpRouteCount, sizeof(HttpRouteSpec), length) ||
      !lies(header.editsOffset, header.editCount, sizeof(HttpEditSpec), length) ||
      !isHttpValid(bytes, header) || !areChainsValid(bytes, header) ||
      !arePoliciesValid(bytes, header)) {
    return false;
  }
  const auto* listeners = reinterpret_cast<const ListenerSpec*>(bytes + header.listenersOffset);
  for (u32 i = 0; i < header.listenerCount; i++) {
    const ListenerSpec& listener = listeners[i];
    if (listener.id >= kListenersMax) return false;
    const bool isHttp = listener.http != kNoIndex;
    if (isHttp && (listener.http >= header.httpCount || listener.tlsMode == TlsMode::kPassthrough))
      return false;
    const bool isUnset = isHttp && listener.cluster == kNoIndex;
    if (!isUnset && listener.cluster >= header.clusterCount) return false;
    if (u64{listener.cidrFirst} + listener.cidrCount > header.cidrCount) return false;
    if (!areRoutesValid(listener, header)) return false;
    if (listener.bufferHigh == 0 || listener.bufferLow > listener.bufferHigh) return false;
  }
  const auto* cidrs = reinterpret_cast<const Cidr*>(bytes + header.cidrsOffset);
  for (u32 i = 0; i < header.cidrCount; i++) {
    if (cidrs[i].prefixBits > 128) return false;
  }
  const auto* endpoints = reinterpret_cast<const EndpointSpec*>(bytes + header.endpointsOffset);
  for (u32 i = 0; i < header.endpointCount; i++) {
    const EndpointSpec& endpoint = endpoints[i];
    if (endpoint.id >= kEndpointsMax || endpoint.weight == 0 || endpoint.weight > 256) return false;
    if (endpoint.addressLength < sizeof(sa_family_t) ||
        endpoint.addressLength > sizeof(endpoint.address)) {
      return false;
    }
  }
  const auto* clusters = reinterpret_cast<const ClusterSpec*>(bytes + header.clustersOffset);
  const auto* table = reinterpret_cast<const u32*>(bytes + header.tableOffset);
  for (u32 i = 0; i < header.clusterCount; i++) {
    const ClusterSpec& cluster = clusters[i];
    if (cluster.id >= kClustersMax || cluster.balance >= Balance::kCount) return false;
    if (cluster.parent != kNoIndex && cluster.parent >= kClustersMax) return false;
    if (u64{cluster.endpointFirst} + cluster.endpointCount > header.endpointCount) return false;
    if (u64{cluster.tableFirst} + cluster.tableWords > header.tableWords) return false;
    if (cluster.proxyProtocol > 2 || cluster.retries > 255) return false;
    if (cluster.tls != kNoIndex && cluster.tls >= header.tlsCount) return false;
    if (!isText(cluster.serverName, header.textBytes)) return false;
    if (!isHashBalance(cluster.balance)) continue;
    const HashTableView view{{table + cluster.tableFirst, cluster.tableWords},
                             kindOf(cluster.balance)};
    if (cluster.endpointCount > 0 && !view.isValid(cluster.endpointCount)) return false;
  }
  return true;
}

u32 Snapshot::route(const ListenerSpec& listener, std::string_view serverName,
                    std::span<const u8> alpn) const {
  if (listener.nameCount != 0 && !serverName.empty()) {
    const u32 exact = routeByName(listener, serverName, alpn);
    if (exact != kNoIndex) return exact;
    // One label gives way to the star; canonical names are at most 255 bytes.
    char wildcard[256];
    const size_t dot = serverName.find('.');
    if (dot != std::string_view::npos && serverName.size() - dot < sizeof(wildcard)) {
      wildcard[0] = '*';
      std::memcpy(wildcard + 1, serverName.data() + dot, serverName.size() - dot);
      const u32 found = routeByName(listener, {wildcard, 1 + serverName.size() - dot}, alpn);
      if (found != kNoIndex) return found;
    }
  }
  const RouteSpec* routes = array<RouteSpec>(header_->routesOffset) + listener.anyFirst;
  for (u32 i = 0; i < listener.anyCount; i++) {
    if (isAlpnWanted(routes[i], alpn)) return routes[i].cluster;
  }
  return listener.cluster;
}

u32 Snapshot::routeByName(const ListenerSpec& listener, std::string_view name,
                          std::span<const u8> alpn) const {
  const NameSpec* first = array<NameSpec>(header_->namesOffset) + listener.nameFirst;
  const NameSpec* last = first + listener.nameCount;
  const NameSpec* at = std::lower_bound(
      first, last, name,
      [this](const NameSpec& entry, std::string_view wanted) { return text(entry.name) < wanted; });
  for (; at != last && text(at->name) == name; at++) {
    const RouteSpec& route = array<RouteSpec>(header_->routesOffset)[at->route];
    if (isAlpnWanted(route, alpn)) return route.cluster;
  }
  return kNoIndex;
}

bool Snapshot::isAlpnWanted(const RouteSpec& route, std::span<const u8> alpn) const {
  if (route.alpnCount == 0) return true;
  const TextSpec* wanted = array<TextSpec>(header_->alpnOffset) + route.alpnFirst;
  for (size_t at = 0; at < alpn.size() && alpn.size() - at > alpn[at]; at += 1u + alpn[at]) {
    const std::string_view offered(reinterpret_cast<const char*>(&alpn[at + 1]), alpn[at]);
    for (u32 i = 0; i < route.alpnCount; i++) {
      if (text(wanted[i]) == offered) return true;
    }
  }
  return false;
}

bool Snapshot::isListed(u32 first, u32 count, const Address& address) const {
  const Cidr* cidrs = array<Cidr>(header_->cidrsOffset) + first;
  for (u32 i = 0; i < count; i++) {
    if (cidrs[i].contains(address)) return true;
  }
  return false;
}

}  // namespace holdfast::proxy
