// One cluster on a board of its own, with a balancer over it and a clock that tests move.
//
// For tests of balancers and of ejection. Invariant: endpoints are told apart by position; their
// ids begin at kFirstId.
#pragma once

#include <sys/socket.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <vector>

#include "proxy/balancer.h"
#include "runtime/sys.h"

#include "check.h"

namespace holdfast::proxy {

inline constexpr u32 kFirstId = 40;

class BalancerBench {
 public:
  BalancerBench(Balance balance, const std::vector<u32>& weights,
                void (*adjust)(ClusterSpec&) = nullptr) {
    BoardOptions options;
    options.shards = 1;
    options.connectionsMax = 16;
    CHECK(board_.create(options).isOk());
    ClusterSpec cluster;
    cluster.id = 3;
    cluster.balance = balance;
    if (adjust != nullptr) adjust(cluster);
    parts_.clusters.push_back(cluster);
    putEndpoints(weights);
    map();
    balancer_ = std::make_unique<Balancer>(snapshot_, snapshot_.cluster(0), board_, 1);
  }

  // The position that was picked, or kNoIndex.
  u32 pick(std::initializer_list<u32> avoid = {}) {
    const std::vector<u32> avoided(avoid);
    const PickKey key{client, hash, hasHash};
    const Pick picked = balancer_->pick(nowMs, key, avoided);
    isAtLimit = picked.isAtLimit;
    return picked.endpoint == nullptr ? kNoIndex : picked.endpoint->id - kFirstId;
  }

  void answer(u32 position, u32 micros, bool isError = false) {
    balancer_->onAnswered(kFirstId + position, micros, isError, nowMs);
  }

  void release(u32 position) { board_.endpointActive(kFirstId + position).fetch_sub(1); }

  // How often each endpoint is picked when every connection stays.
  std::vector<u32> shares(u32 picks) {
    std::vector<u32> counts(snapshot_.cluster(0).endpointCount, 0);
    for (u32 i = 0; i < picks; ++i) {
      client.ip[15] = static_cast<u8>(i);
      client.ip[14] = static_cast<u8>(i >> 8);
      const u32 position = pick();
      if (position != kNoIndex) counts[position] += 1;
    }
    return counts;
  }

  EndpointEntry& entry(u32 position) { return board_.endpoint(kFirstId + position); }
  void healthChanged() { board_.cluster(3).healthEpoch.fetch_add(1); }
  // A balancer over the same cluster, as another shard has it.
  std::unique_ptr<Balancer> another(u64 seed) {
    return std::make_unique<Balancer>(snapshot_, snapshot_.cluster(0), board_, seed);
  }

  // The cluster in the next snapshot, with other weights where some are given.
  void renew(const std::vector<u32>& weights = {}) {
    if (!weights.empty()) putEndpoints(weights);
    Snapshot former;
    former.swap(snapshot_);
    map();
    std::unique_ptr<Balancer> next = another(2);
    next->resume(*balancer_);
    balancer_.swap(next);
  }

  Board& board() { return board_; }
  Balancer& balancer() { return *balancer_; }
  u32 active(u32 position) { return board_.endpointActive(kFirstId + position).load(); }

  static inline u32 connectionsMax = 0;
  u64 nowMs = 1'000'000;
  Address client = Address::fromIpv4(reinterpret_cast<const u8*>("\xcb\x00\x71\x01"), 1);
  u64 hash = 0;
  bool hasHash = false;
  bool isAtLimit = false;

 private:
  void putEndpoints(const std::vector<u32>& weights) {
    parts_.endpoints.clear();
    parts_.clusters[0].endpointCount = static_cast<u32>(weights.size());
    for (u32 i = 0; i < weights.size(); ++i) {
      EndpointSpec endpoint;
      endpoint.id = kFirstId + i;
      endpoint.weight = weights[i];
      endpoint.connectionsMax = connectionsMax;
      Address address;
      CHECK(parseIp("192.0.2.1", static_cast<u16>(1000 + i), &address));
      sockaddr_storage storage;
      endpoint.addressLength = toSockaddr(address, &storage);
      std::memcpy(&endpoint.address, &storage, endpoint.addressLength);
      parts_.endpoints.push_back(endpoint);
      board_.endpoint(endpoint.id).healthy.store(1);
    }
  }

  void map() {
    const int fd = compileSnapshot(parts_);
    CHECK(fd >= 0);
    CHECK(snapshot_.map(fd).isOk());
    sys::close(fd);
  }

  Board board_;
  SnapshotParts parts_;
  Snapshot snapshot_;
  std::unique_ptr<Balancer> balancer_;
};

}  // namespace holdfast::proxy
