// Layout, creation and attachment of the board.
#include "runtime/board.h"

#include <cerrno>
#include <cstring>

namespace holdfast {
namespace {

inline constexpr u32 kBoardMagic = 0x48464244;  // "HFBD"
inline constexpr u32 kBoardVersion = 3;
inline constexpr size_t kPage = 4096;

size_t roundUp(size_t value) { return (value + kPage - 1) & ~(kPage - 1); }

// Offsets of the fixed tables, in the order they lie in memory.
struct Layout {
  size_t shards, cells, listeners, clusters, endpoints, endpointActive, mailboxes, logs, addresses;
  size_t https, routeEntries, routes, routeLatencies, clusterHttps, clusterLatencies;
  size_t policies, concurrencies, buckets;
  size_t total;
};

Layout layoutFor(u32 shards, u32 addressSlots) {
  Layout at{};
  size_t offset = roundUp(sizeof(BoardHeader));
  const auto place = [&](size_t bytes) {
    const size_t start = offset;
    offset = roundUp(offset + bytes);
    return start;
  };
  at.shards = place(sizeof(ShardBlock) * shards);
  at.cells = place(sizeof(ListenerCell) * kListenersMax * shards);
  at.listeners = place(sizeof(ListenerEntry) * kListenersMax);
  at.clusters = place(sizeof(ClusterEntry) * kClustersMax);
  at.endpoints = place(sizeof(EndpointEntry) * kEndpointsMax);
  at.endpointActive = place(sizeof(std::atomic<u32>) * kEndpointsMax);
  at.mailboxes = place(sizeof(Mailbox) * shards);
  at.logs = place(sizeof(AccessRing) * shards);
  at.https = place(sizeof(HttpCell) * kListenersMax * shards);
  at.routeEntries = place(sizeof(RouteEntry) * kRoutesMax);
  at.routes = place(sizeof(RouteCell) * kRoutesMax * shards);
  at.routeLatencies = place(sizeof(Histogram) * kRoutesMax * shards);
  at.clusterHttps = place(sizeof(ClusterHttpCell) * kClustersMax * shards);
  at.clusterLatencies = place(sizeof(Histogram) * kClustersMax * shards);
  at.policies = place(sizeof(PolicyCell) * kPolicyUsesMax * shards);
  at.concurrencies = place(sizeof(ConcurrencyCell) * kPolicyUsesMax);
  at.buckets = place(BucketTable::bytesFor());
  at.addresses = place(AddressTable::bytesFor(addressSlots));
  at.total = offset;
  return at;
}

}  // namespace

Board::~Board() {
  if (isOwner_ && header_ != nullptr) {
    for (u32 i = 0; i < header_->shards; i++) {
      sys::close(shards_[i].wakeFd.load(std::memory_order_relaxed));
    }
  }
  if (memory_ != nullptr) sys::unreserve(memory_, bytes_);
  if (isOwner_ && fd_ >= 0) sys::close(fd_);
}

Status Board::create(const BoardOptions& options) {
  if (options.shards == 0 || options.shards > kShardsMax) return Status::fromErrno(EINVAL);
  const Layout at = layoutFor(options.shards, options.connectionsMax);
  const int fd = sys::memfdCreate("holdfast-board", at.total);
  if (fd < 0) return Status::fromErrno(-fd);
  fd_ = fd;
  isOwner_ = true;
  bytes_ = at.total;
  u8* memory = static_cast<u8*>(sys::mapShared(fd, bytes_, sys::Access::kReadWrite));
  if (memory == nullptr) return Status::fromErrno(ENOMEM);
  // A memfd reads as zero: every counter starts at 0 without being touched.
  auto* header = reinterpret_cast<BoardHeader*>(memory);
  header->magic = kBoardMagic;
  header->version = kBoardVersion;
  header->shards = options.shards;
  header->addressSlots = options.connectionsMax;
  header->bytes = at.total;
  header->pendingBytesMax = options.pendingBytesMax;
  header->epochNs = sys::nowNs();
  if (sys::randomBytes(header->addressKey, sizeof(header->addressKey)) < 0) {
    return Status::fromErrno(EIO);
  }
  if (Status status = lay(memory); !status.isOk()) return status;
  addresses_.format(memory + at.addresses, options.connectionsMax);
  for (u32 i = 0; i < options.shards; i++) {
    const int wake = sys::eventCreate();
    if (wake < 0) return Status::fromErrno(-wake);
    shards_[i].wakeFd.store(wake, std::memory_order_relaxed);
  }
  return Status::ok();
}

Status Board::attach(int fd) {
  const i64 size = sys::fileSize(fd);
  if (size < static_cast<i64>(sizeof(BoardHeader))) return Status::fromErrno(EINVAL);
  bytes_ = static_cast<size_t>(size);
  u8* memory = static_cast<u8*>(sys::mapShared(fd, bytes_, sys::Access::kReadWrite));
  if (memory == nullptr) return Status::fromErrno(ENOMEM);
  fd_ = fd;
  const auto* header = reinterpret_cast<BoardHeader*>(memory);
  const bool isBoard =
      header->magic == kBoardMagic && header->version == kBoardVersion && header->bytes == bytes_;
  if (!isBoard) {
    sys::unreserve(memory, bytes_);
    return Status::fromErrno(EINVAL);
  }
  return lay(memory);
}

Status Board::lay(u8* memory) {
  memory_ = memory;
  header_ = reinterpret_cast<BoardHeader*>(memory);
  const Layout at = layoutFor(header_->shards, header_->addressSlots);
  if (at.total != bytes_) return Status::fromErrno(EINVAL);
  shards_ = reinterpret_cast<ShardBlock*>(memory + at.shards);
  cells_ = reinterpret_cast<ListenerCell*>(memory + at.cells);
  listeners_ = reinterpret_cast<ListenerEntry*>(memory + at.listeners);
  clusters_ = reinterpret_cast<ClusterEntry*>(memory + at.clusters);
  endpoints_ = reinterpret_cast<EndpointEntry*>(memory + at.endpoints);
  endpointActive_ = reinterpret_cast<std::atomic<u32>*>(memory + at.endpointActive);
  mailboxes_ = reinterpret_cast<Mailbox*>(memory + at.mailboxes);
  logs_ = reinterpret_cast<AccessRing*>(memory + at.logs);
  https_ = reinterpret_cast<HttpCell*>(memory + at.https);
  routeEntries_ = reinterpret_cast<RouteEntry*>(memory + at.routeEntries);
  routes_ = reinterpret_cast<RouteCell*>(memory + at.routes);
  routeLatencies_ = reinterpret_cast<Histogram*>(memory + at.routeLatencies);
  clusterHttps_ = reinterpret_cast<ClusterHttpCell*>(memory + at.clusterHttps);
  clusterLatencies_ = reinterpret_cast<Histogram*>(memory + at.clusterLatencies);
  policies_ = reinterpret_cast<PolicyCell*>(memory + at.policies);
  concurrencies_ = reinterpret_cast<ConcurrencyCell*>(memory + at.concurrencies);
  buckets_ = BucketTable(memory + at.buckets, header_->epochNs);
  if (!isOwner_ && !addresses_.attach(memory + at.addresses)) return Status::fromErrno(EINVAL);
  return Status::ok();
}

HashKey Board::addressKey() const {
  HashKey key;
  std::memcpy(&key, header_->addressKey, sizeof(key));
  return key;
}

void Board::endPolicies(u32 shard) {
  constexpr size_t kActive = static_cast<size_t>(PolicyCounter::kActive);
  for (u32 id = 0; id < kPolicyUsesMax; id++) {
    // A use that no request entered has no limit: its cells stay untouched.
    if (concurrencies_[id].limit.load(std::memory_order_relaxed) == 0) continue;
    const u64 left = policy(shard, id).counters[kActive].exchange(0, std::memory_order_relaxed);
    concurrencies_[id].active.fetch_sub(static_cast<u32>(left), std::memory_order_relaxed);
  }
}

u64 Board::shardConnections(u32 shard) const {
  // Read `closed` first: the difference may then only be too high, never below zero.
  const u64 closed = shards_[shard].closed.load(std::memory_order_acquire);
  return shards_[shard].assigned.load(std::memory_order_acquire) - closed;
}

u64 Board::listenerConnections(u32 listener) const {
  u64 closed = 0;
  for (u32 i = 0; i < header_->shards; i++) {
    const ListenerCell& cell = cells_[size_t{i} * kListenersMax + listener];
    closed += cell.counters[static_cast<size_t>(ListenerCounter::kClosed)].load(
        std::memory_order_acquire);
  }
  return listeners_[listener].assigned.load(std::memory_order_acquire) - closed;
}

u64 Board::connections() const {
  u64 total = 0;
  for (u32 i = 0; i < header_->shards; i++) total += shardConnections(i);
  return total;
}

}  // namespace holdfast
