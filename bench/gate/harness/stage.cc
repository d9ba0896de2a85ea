// Composing and driving the core for the gate; see stage.h.
#include "stage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "counting.h"

// The core's clock; see the Makefile. It starts an hour ahead of the kernel's, so that no timer
// descriptor fires during a run, and creeps. Sleeping moves it and makes the system call, without
// the time.
extern "C" {

holdfast::u64 __wrap__ZN8holdfast3sys5nowNsEv();
void __wrap__ZN8holdfast3sys10sleepUntilEm(holdfast::u64 deadlineNs);

static holdfast::u64 coreNowNs = 0;

holdfast::u64 __wrap__ZN8holdfast3sys5nowNsEv() {
  if (coreNowNs == 0) {
    timespec real{};
    clock_gettime(CLOCK_MONOTONIC, &real);
    coreNowNs = (static_cast<holdfast::u64>(real.tv_sec) + 3600) * 1'000'000'000;
  }
  return coreNowNs += 1000;
}

void __wrap__ZN8holdfast3sys10sleepUntilEm(holdfast::u64 deadlineNs) {
  const timespec nothing{};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &nothing, nullptr);
  if (deadlineNs > coreNowNs) coreNowNs = deadlineNs;
}

}  // extern "C"

namespace holdfast::gate {

namespace {

constexpr u32 kEndpoint = 1;
constexpr u32 kMessageBytes = 64;
constexpr u32 kTurnsMax = 1000;
constexpr u32 kHourMs = 3'600'000;
// Connections arrive this far apart: not a storm, for which the acceptor has rules of its own.
constexpr u64 kArrivalNs = 1'000'000;

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void setNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

int connectTo(const sockaddr_storage& address, socklen_t length) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0) fail("no descriptor for a client");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    fail("the gateway refused a client");
  }
  setNonBlocking(fd);
  return fd;
}

void sendWhole(int fd) {
  char message[kMessageBytes] = {};
  if (send(fd, message, sizeof message, MSG_NOSIGNAL) != kMessageBytes) fail("a send failed");
}

// True when the whole message is there.
bool receiveWhole(int fd) {
  char message[2 * kMessageBytes];
  const ssize_t got = recv(fd, message, sizeof message, 0);
  if (got < 0 && errno == EAGAIN) return false;
  if (got != kMessageBytes) fail("a message arrived in another length");
  return true;
}

bool hasEnded(int fd) {
  char byte;
  return recv(fd, &byte, 1, 0) == 0;
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "harness: %s (%s)\n", what, std::strerror(errno));
  std::exit(1);
}

Stage::Stage(u32 connectionsMax) {
  BoardOptions board;
  board.shards = 1;
  board.connectionsMax = connectionsMax;
  board.pendingBytesMax = 64u << 20;
  if (!board_.create(board).isOk()) fail("no board");
  board_.endpoint(kEndpoint).healthy.store(1, std::memory_order_relaxed);
  proxy::ShardOptions shard;
  shard.connectionsMax = connectionsMax;
  shard.pendingBytesMax = board.pendingBytesMax;
  shard.seed = 1;
  shard_ = std::make_unique<proxy::Shard>(board_, shard);
  if (!shard_->start().isOk()) fail("no shard");
  configure();
  listenForGateway();
}

// What the product configures when a listener and a cluster say nothing but addresses.
void Stage::configure() {
  sockaddr_in address = loopback();
  endpointListener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(endpointListener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(endpointListener_, 128) != 0) {
    fail("the endpoint cannot listen");
  }
  proxy::SnapshotParts parts;
  proxy::ListenerSpec listener;
  listener.idleMs = kHourMs;
  listener.halfCloseMs = 60'000;
  listener.bufferHigh = 64 * 1024;
  listener.bufferLow = 32 * 1024;
  parts.listeners.push_back(listener);
  proxy::ClusterSpec cluster;
  cluster.endpointCount = 1;
  cluster.connectMs = 3000;
  parts.clusters.push_back(cluster);
  proxy::EndpointSpec endpoint;
  endpoint.id = kEndpoint;
  endpoint.addressLength = sizeof address;
  socklen_t length = sizeof address;
  getsockname(endpointListener_, reinterpret_cast<sockaddr*>(&address), &length);
  std::memcpy(&endpoint.address, &address, sizeof address);
  parts.endpoints.push_back(endpoint);
  const int snapshot = proxy::compileSnapshot(parts);
  if (snapshot < 0 || !shard_->applySnapshot(snapshot).isOk()) fail("no snapshot");
  ::close(snapshot);
}

void Stage::listenForGateway() {
  acceptor_ = std::make_unique<proxy::Acceptor>(board_);
  if (!acceptor_->start().isOk()) fail("no acceptor");
  acceptor_->setShardReady(0, 1);
  const sockaddr_in address = loopback();
  proxy::ListenSpec spec;
  spec.address = reinterpret_cast<const sockaddr*>(&address);
  spec.addressLength = sizeof address;
  const proxy::ListenResult listening = acceptor_->listen(spec);
  if (listening.handle < 0) fail("the gateway cannot listen");
  front_ = listening.bound;
  frontLength_ = listening.boundLength;
}

void Stage::turn() {
  const Counted counted;
  (void)shard_->turn(0);
}

Stage::Pair Stage::open() {
  Pair pair;
  coreNowNs += kArrivalNs;
  pair.client = connectTo(front_, frontLength_);
  {
    const Counted counted;
    (void)acceptor_->turn(0);
  }
  for (u32 turns = 0; pair.endpoint < 0 && turns < kTurnsMax; ++turns) {
    turn();
    pair.endpoint = accept4(endpointListener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }
  if (pair.endpoint < 0) fail("the endpoint saw no connection");
  turn();
  roundTrip({pair});
  return pair;
}

void Stage::roundTrip(const std::vector<Pair>& pairs) {
  for (const Pair& pair : pairs) sendWhole(pair.client);
  turn();
  for (const Pair& pair : pairs) {
    if (!receiveWhole(pair.endpoint)) fail("a message did not reach the endpoint in one turn");
    sendWhole(pair.endpoint);
  }
  turn();
  for (const Pair& pair : pairs) {
    if (!receiveWhole(pair.client)) fail("a message did not reach the client in one turn");
  }
}

void Stage::close(Pair& pair) {
  shutdown(pair.client, SHUT_WR);
  turn();
  if (!hasEnded(pair.endpoint)) fail("the client's FIN did not reach the endpoint in one turn");
  ::close(pair.endpoint);
  turn();
  if (!hasEnded(pair.client)) fail("the endpoint's FIN did not reach the client in one turn");
  ::close(pair.client);
  turn();
}

}  // namespace holdfast::gate
