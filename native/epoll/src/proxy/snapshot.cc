// Compiling, sealing, mapping and checking snapshots.
#include "proxy/snapshot.h"

#include <cerrno>
#include <cstring>

#include "proxy/hash_table.h"
#include "runtime/board.h"
#include "runtime/sys.h"

namespace holdfast::proxy {
namespace {

inline constexpr u32 kSnapshotMagic = 0x48465350;  // "HFSP"
inline constexpr u32 kSnapshotVersion = 1;
inline constexpr HashKey kIdentityKey{0x656e64706f696e74u, 0x6964656e74697479u};

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

template <typename T>
u32 place(std::vector<u8>& bytes, const std::vector<T>& items) {
  const size_t offset = roundUp8(bytes.size());
  bytes.resize(offset + items.size() * sizeof(T));
  if (!items.empty()) std::memcpy(bytes.data() + offset, items.data(), items.size() * sizeof(T));
  return static_cast<u32>(offset);
}

}  // namespace

int compileSnapshot(const SnapshotParts& parts) {
  std::vector<ClusterSpec> clusters = parts.clusters;
  const std::vector<u32> tables = buildTables(clusters, parts.endpoints);
  SnapshotHeader header;
  header.magic = kSnapshotMagic;
  header.version = kSnapshotVersion;
  header.generation = parts.generation;
  std::vector<u8> bytes(roundUp8(sizeof(header)));
  header.listenersOffset = place(bytes, parts.listeners);
  header.listenerCount = static_cast<u32>(parts.listeners.size());
  header.clustersOffset = place(bytes, clusters);
  header.clusterCount = static_cast<u32>(clusters.size());
  header.endpointsOffset = place(bytes, parts.endpoints);
  header.endpointCount = static_cast<u32>(parts.endpoints.size());
  header.cidrsOffset = place(bytes, parts.cidrs);
  header.cidrCount = static_cast<u32>(parts.cidrs.size());
  header.tableOffset = place(bytes, tables);
  header.tableWords = static_cast<u32>(tables.size());
  bytes.resize(roundUp8(bytes.size()));
  header.bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(header));
  if (!Snapshot::isValid(bytes.data(), bytes.size())) return -EINVAL;

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
  if (header_ != nullptr) sys::unreserve(const_cast<SnapshotHeader*>(header_), bytes_);
  header_ = static_cast<const SnapshotHeader*>(memory);
  bytes_ = static_cast<size_t>(size);
  return Status::ok();
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
  const auto* listeners = reinterpret_cast<const ListenerSpec*>(bytes + header.listenersOffset);
  for (u32 i = 0; i < header.listenerCount; i++) {
    const ListenerSpec& listener = listeners[i];
    if (listener.id >= kListenersMax || listener.cluster >= header.clusterCount) return false;
    if (u64{listener.cidrFirst} + listener.cidrCount > header.cidrCount) return false;
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
    if (u64{cluster.endpointFirst} + cluster.endpointCount > header.endpointCount) return false;
    if (u64{cluster.tableFirst} + cluster.tableWords > header.tableWords) return false;
    if (cluster.proxyProtocol > 2 || cluster.retries > 255) return false;
    if (!isHashBalance(cluster.balance)) continue;
    const HashTableView view{{table + cluster.tableFirst, cluster.tableWords},
                             kindOf(cluster.balance)};
    if (cluster.endpointCount > 0 && !view.isValid(cluster.endpointCount)) return false;
  }
  return true;
}

bool Snapshot::isProxyTrusted(const ListenerSpec& listener, const Address& client) const {
  const Cidr* cidrs = array<Cidr>(header_->cidrsOffset) + listener.cidrFirst;
  for (u32 i = 0; i < listener.cidrCount; i++) {
    if (cidrs[i].contains(client)) return true;
  }
  return false;
}

}  // namespace holdfast::proxy
