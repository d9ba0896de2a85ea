// Several shards as plain threads, an acceptor on its own, real sockets: for
// ThreadSanitizer above all.
//
// One shard uses the board's own mapping, the others map it for themselves, as
// workers do; under ThreadSanitizer all use one mapping, because it follows
// addresses and would not see what is handed over from one mapping to another.
// Clients on further threads talk to an echoing endpoint through the gateway
// and check every byte.
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "proxy/acceptor.h"
#include "proxy/shard.h"
#include "runtime/random.h"

#include "check.h"
#include "loopback.h"

namespace holdfast::proxy {
namespace {

constexpr u32 kShards = 3;
constexpr u32 kEndpoint = 5;
#if defined(__SANITIZE_THREAD__)
constexpr bool kIsMappedByEach = false;
#else
constexpr bool kIsMappedByEach = true;
#endif

EndpointSpec endpointAt(u32 id, u16 port) {
  EndpointSpec endpoint;
  endpoint.id = id;
  const sockaddr_in address = loopback::addressOf(port);
  std::memcpy(&endpoint.address, &address, sizeof(address));
  endpoint.addressLength = sizeof(address);
  return endpoint;
}

SnapshotParts partsFor(u16 port) {
  SnapshotParts parts;
  ListenerSpec listener;
  listener.idleMs = 30'000;
  listener.halfCloseMs = 30'000;
  listener.bufferHigh = 65536;
  listener.bufferLow = 32768;
  listener.connectionsPerAddressMax = 10'000;
  listener.accessLog = 1;
  parts.listeners.push_back(listener);
  ClusterSpec cluster;
  cluster.balance = Balance::kLeastConnections;
  cluster.endpointCount = 1;
  cluster.connectMs = 5000;
  parts.clusters.push_back(cluster);
  parts.endpoints.push_back(endpointAt(kEndpoint, port));
  return parts;
}

// A whole gateway on threads.
class Gateway {
 public:
  explicit Gateway(u16 endpointPort) : acceptor_(board_) {
    BoardOptions options;
    options.shards = kShards;
    options.connectionsMax = 1000;
    options.pendingBytesMax = 8u << 20;
    CHECK(board_.create(options).isOk());
    board_.endpoint(kEndpoint).healthy.store(1);
    snapshot_ = compileSnapshot(partsFor(endpointPort));
    CHECK(snapshot_ >= 0);
    CHECK(acceptor_.start().isOk());
    const sockaddr_in address = loopback::addressOf(0);
    ListenSpec spec;
    spec.address = reinterpret_cast<const sockaddr*>(&address);
    spec.addressLength = sizeof(address);
    const ListenResult listening = acceptor_.listen(spec);
    CHECK(listening.handle >= 0);
    port_ = fromSockaddr(reinterpret_cast<const sockaddr*>(&listening.bound), listening.boundLength)
                .port;
    for (u32 i = 0; i < kShards; ++i) threads_.emplace_back([this, i] { runShard(i); });
    while (ready_.load() < kShards) std::this_thread::yield();
    threads_.emplace_back([this] {
      while (!isStopping_.load()) (void)acceptor_.turn(20);
    });
  }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway() {
    stop();
    sys::close(snapshot_);
  }

  void stop() {
    isStopping_.store(true);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    acceptor_.stop();
  }

  [[nodiscard]] u16 port() const { return port_; }
  [[nodiscard]] Board& board() { return board_; }
  std::atomic<u32> reloads{0};

 private:
  void runShard(u32 index) {
    Board mapped;
    const bool isOwnMap = kIsMappedByEach && index != 0;
    if (isOwnMap) CHECK(mapped.attach(board_.fd()).isOk());
    ShardOptions options;
    options.index = index;
    options.connectionsMax = 200;
    options.pendingBytesMax = 4u << 20;
    options.seed = index;
    auto shard = std::make_unique<Shard>(isOwnMap ? mapped : board_, options);
    CHECK(shard->start().isOk());
    CHECK(shard->applySnapshot(snapshot_).isOk());
    board_.shard(index).ready.store(1);
    ready_.fetch_add(1);
    u32 reloadsSeen = 0;
    while (!isStopping_.load()) {
      (void)shard->turn(20);
      if (reloads.load() == reloadsSeen) continue;
      reloadsSeen = reloads.load();
      CHECK(shard->applySnapshot(snapshot_).isOk());
    }
    shard->assertConserved();
    shard->stop();
    CHECK_EQ(shard->tunnels(), 0);
  }

  Board board_;
  Acceptor acceptor_;
  int snapshot_ = -1;
  u16 port_ = 0;
  std::atomic<u32> ready_{0};
  std::atomic<bool> isStopping_{false};
  std::vector<std::thread> threads_;
};

TEST(shardsOnThreadsServeManyClientsAndAreLeftEmpty) {
  constexpr u32 kClients = 4;
  constexpr u32 kConnectionsEach = 40;
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port());
  Board& board = gateway.board();
  std::atomic<bool> isOver{false};
  // What the main thread does meanwhile: looks, changes health, reloads, pings.
  std::thread control([&] {
    Random random(99);
    while (!isOver.load()) {
      u64 total = 0;
      for (u32 i = 0; i < kShards; ++i) {
        total += board.shardConnections(i);
        for (const std::atomic<u64>& counter : board.shard(i).counters) total += counter.load();
        (void)sys::eventSignal(board.shard(i).wakeFd.load());
      }
      total += board.listenerConnections(0) + board.addresses().totals().connections;
      board.endpoint(kEndpoint).upSinceMs.store(total % 2);
      board.cluster(0).healthEpoch.fetch_add(1);
      if (random.chance(1, 4)) gateway.reloads.fetch_add(1);
      char text[4096];
      while (board.log(random.below(kShards)).pop(text, sizeof(text)) > 0) continue;
      ::usleep(2000);
    }
  });
  std::vector<std::thread> clients;
  for (u32 i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      Random random(i + 1);
      for (u32 k = 0; k < kConnectionsEach; ++k) loopback::talk(gateway.port(), random);
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(loopback::eventually([&] { return board.connections() == 0; }));
  isOver.store(true);
  control.join();
  gateway.stop();
  u64 opened = 0;
  for (u32 i = 0; i < kShards; ++i) {
    const auto at = static_cast<size_t>(ListenerCounter::kOpened);
    opened += board.cell(i, 0).counters[at].load();
  }
  CHECK_EQ(opened, kClients * kConnectionsEach);
  CHECK_EQ(board.header().pendingBytes.load(), 0);
  CHECK_EQ(board.addresses().totals().connections, 0);
  CHECK_EQ(board.endpointActive(kEndpoint).load(), 0);
}

TEST(shardsOnThreadsShareLongLivedConnectionsEvenly) {
  constexpr u32 kConnections = 90;
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port());
  Board& board = gateway.board();
  std::vector<int> clients;
  for (u32 i = 0; i < kConnections; ++i) clients.push_back(loopback::connectTo(gateway.port()));
  for (const int fd : clients) {
    int error = 0;
    CHECK(loopback::sendAll(fd, "ping"));
    CHECK_EQ(loopback::receive(fd, 4, &error), "ping");
  }
  for (u32 i = 0; i < kShards; ++i) CHECK_EQ(board.shardConnections(i), kConnections / kShards);
  for (const int fd : clients) ::close(fd);
  CHECK(loopback::eventually([&] { return board.connections() == 0; }));
}

TEST(shardsOnThreadsResetWhatIsOpenWhenTheyStop) {
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port());
  const int fd = loopback::connectTo(gateway.port());
  int error = 0;
  CHECK(loopback::sendAll(fd, "ping"));
  CHECK_EQ(loopback::receive(fd, 4, &error), "ping");
  gateway.stop();
  CHECK(loopback::receive(fd, 1, &error).empty());
  CHECK_EQ(error, ECONNRESET);
  CHECK_EQ(gateway.board().connections(), 0);
  ::close(fd);
}

}  // namespace
}  // namespace holdfast::proxy
