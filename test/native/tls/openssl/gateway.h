// A whole shard with TLS behind real sockets, for tests.
//
// A plain client talks to listener 0, whose cluster speaks TLS to listener 1 of
// the same shard, which terminates it in front of an endpoint; a client with
// TLS talks to listener 1 itself. Invariant: when it is over, nothing of any
// connection is left in the shard.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "proxy/acceptor.h"
#include "proxy/loopback.h"
#include "proxy/shard.h"
#include "tls/handshake.h"
#include "tls/openssl/certificates.h"

#include "check.h"

namespace holdfast::proxy {

inline constexpr u32 kEchoing = 5;
inline constexpr u32 kOurselves = 6;
inline constexpr u16 kPlain = 0;
inline constexpr u16 kSecured = 1;

struct Wishes {
  bool isDetached = true;
  u32 tickets = 2;
  u64 pendingBytesMax = 8u << 20;
  const char* serverName = "a.example";
  u32 clientAuth = HF_TLS_CLIENT_AUTH_OFF;
  u32 handshakeThreads = 0;
};

inline EndpointSpec endpointAt(u32 id, u16 port) {
  EndpointSpec endpoint;
  endpoint.id = id;
  const sockaddr_in address = loopback::addressOf(port);
  std::memcpy(&endpoint.address, &address, sizeof(address));
  endpoint.addressLength = sizeof(address);
  return endpoint;
}

class Gateway {
 public:
  Gateway(u16 endpointPort, const Wishes& wishes) : wishes_(wishes), acceptor_(board_) {
    BoardOptions options;
    options.shards = 1;
    options.connectionsMax = 1000;
    options.pendingBytesMax = wishes.pendingBytesMax;
    CHECK(board_.create(options).isOk());
    board_.endpoint(kEchoing).healthy.store(1);
    board_.endpoint(kOurselves).healthy.store(1);
    CHECK(acceptor_.start().isOk());
    for (const u16 listener : {kPlain, kSecured}) ports_[listener] = listen(listener);
    snapshot_ = compileSnapshot(makeParts(endpointPort));
    CHECK(snapshot_ >= 0);
    threads_.emplace_back([this] { runShard(); });
    while (!isReady_.load()) std::this_thread::yield();
    threads_.emplace_back([this] {
      while (!isStopping_.load()) (void)acceptor_.turn(20);
    });
  }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway() {
    isStopping_.store(true);
    for (std::thread& thread : threads_) thread.join();
    acceptor_.stop();
    sys::close(snapshot_);
  }

  [[nodiscard]] u16 port(u16 listener) const { return ports_[listener]; }
  [[nodiscard]] Board& board() { return board_; }
  [[nodiscard]] u64 counted(u16 listener, ListenerCounter counter) {
    return board_.cell(0, listener).counters[static_cast<size_t>(counter)].load();
  }
  [[nodiscard]] u64 closed(u16 listener, CloseReason reason) {
    return board_.cell(0, listener).closed[static_cast<size_t>(reason)].load();
  }
  [[nodiscard]] u64 gauge(ShardCounter counter) {
    return board_.shard(0).counters[static_cast<size_t>(counter)].load();
  }

 private:
  u16 listen(u16 listener) {
    const sockaddr_in address = loopback::addressOf(0);
    ListenSpec spec;
    spec.listener = listener;
    spec.address = reinterpret_cast<const sockaddr*>(&address);
    spec.addressLength = sizeof(address);
    const ListenResult listening = acceptor_.listen(spec);
    CHECK(listening.handle >= 0);
    return fromSockaddr(reinterpret_cast<const sockaddr*>(&listening.bound), listening.boundLength)
        .port;
  }

  SnapshotParts makeParts(u16 endpointPort) {
    SnapshotParts parts;
    for (const u16 id : {kPlain, kSecured}) {
      ListenerSpec listener;
      listener.id = id;
      listener.cluster = id;
      listener.idleMs = 30'000;
      listener.halfCloseMs = 30'000;
      listener.bufferHigh = 65536;
      listener.bufferLow = 32768;
      listener.accessLog = 1;
      listener.handshakeMs = 10'000;
      if (id == kSecured) {
        listener.tlsMode = TlsMode::kTerminate;
        listener.tls = 0;
      }
      parts.listeners.push_back(listener);
      ClusterSpec cluster;
      cluster.id = id;
      cluster.endpointFirst = id;
      cluster.endpointCount = 1;
      cluster.connectMs = 5000;
      if (id == kPlain) cluster.tls = 1;
      parts.clusters.push_back(cluster);
    }
    parts.serverNames = {wishes_.serverName, ""};
    parts.endpoints.push_back(endpointAt(kOurselves, ports_[kSecured]));
    parts.endpoints.push_back(endpointAt(kEchoing, endpointPort));
    parts.tls.push_back(makeTls(HF_TLS_TERMINATING));
    parts.tls.push_back(makeTls(HF_TLS_ORIGINATING));
    HfTlsTicketKey key;
    std::memset(&key, 7, sizeof(key));
    parts.ticketKeys.push_back(key);
    return parts;
  }

  TlsConfigParts makeTls(u8 role) {
    TlsConfigParts tls;
    tls.name = role == HF_TLS_TERMINATING ? "secured" : "ourselves";
    tls.role = role;
    tls.isDetached = wishes_.isDetached;
    tls.tickets = wishes_.tickets;
    TlsDomainParts& domain = tls.domains.emplace_back();
    if (role == HF_TLS_TERMINATING) {
      domain.certificates.push_back(TlsCertificateParts{pair_.chainPem, pair_.keyPem, ""});
      domain.clientAuth = wishes_.clientAuth;
    }
    if (role == HF_TLS_ORIGINATING || wishes_.clientAuth != 0) domain.caPem = authority_.chainPem;
    return tls;
  }

  void runShard() {
    ShardOptions options;
    options.connectionsMax = 200;
    options.pendingBytesMax = wishes_.pendingBytesMax;
    options.tls = tls::opensslLibrary();
    options.handshakeThreads = wishes_.handshakeThreads;
    auto shard = std::make_unique<Shard>(board_, options);
    CHECK(shard->start().isOk());
    CHECK(shard->applySnapshot(snapshot_).isOk());
    // What is asked for again without a change is kept.
    CHECK(shard->applySnapshot(snapshot_).isOk());
    board_.shard(0).ready.store(1);
    isReady_.store(true);
    while (!isStopping_.load()) (void)shard->turn(20);
    shard->assertConserved();
    shard->stop();
    CHECK_EQ(shard->tunnels(), 0);
    CHECK_EQ(gauge(ShardCounter::kTlsConns), 0);
    CHECK_EQ(gauge(ShardCounter::kTlsOnEngine), 0);
    CHECK_EQ(gauge(ShardCounter::kTlsInFlight), 0);
    CHECK_EQ(shard->pendingChunks(), 0);
  }

  Wishes wishes_;
  tls::Pair authority_ = tls::makeAuthority();
  tls::Pair pair_ = tls::issue(&authority_, {});
  Board board_;
  Acceptor acceptor_;
  int snapshot_ = -1;
  u16 ports_[2] = {0, 0};
  std::atomic<bool> isReady_{false};
  std::atomic<bool> isStopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::proxy
