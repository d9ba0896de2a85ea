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
#include <span>
#include <string>

#include "counting.h"
#include "proxy/filter_batch.h"
#include "proxy/filter_host.h"

// The core's clock; see the Makefile. It starts an hour ahead of the kernel's,
// so that no timer descriptor fires during a run, and creeps. Sleeping moves it
// and makes the system call, without the time.
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
constexpr size_t kRoomBytes = 4096;
constexpr u32 kTurnsMax = 1000;
constexpr u32 kHourMs = 3'600'000;
constexpr u32 kRequestsMax = 1'000'000'000;
constexpr u32 kRules = 1000;
constexpr u64 kRateMax = 100'000'000;  // never reached
// Connections arrive this far apart: not a storm, for which the acceptor has
// rules of its own.
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

void sendWhole(int fd, std::string_view text) {
  if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    fail("a send failed");
  }
}

// What is there, which may be nothing.
std::string_view receiveInto(int fd, std::span<char> room) {
  const ssize_t got = recv(fd, room.data(), room.size(), 0);
  if (got < 0 && errno == EAGAIN) return {};
  if (got <= 0) fail("a connection ended");
  return {room.data(), static_cast<size_t>(got)};
}

bool hasEnded(int fd) {
  char byte;
  return recv(fd, &byte, 1, 0) == 0;
}

// What the product configures when a listener says no more than `protocol:
// http` and a cluster.
proxy::HttpParts httpParts() {
  proxy::HttpParts http;
  http.isEnabled = true;
  http.headBytesMax = 32 * 1024;
  http.targetBytesMax = 8 * 1024;
  http.fieldsMax = 100;
  http.requestsMax = kRequestsMax;
  http.headMs = 10'000;
  http.keepAliveMs = kHourMs;
  http.bodyMs = 30'000;
  http::HostParts host{.names = {"*"}, .order = http::RouteOrder::kSpecificity};
  host.routes.push_back({.path = "/", .splits = {{.cluster = 0}}});
  http.table.hosts.push_back(host);
  proxy::HttpRouteParts route;
  route.requestMs = 30'000;
  route.idleMs = 300'000;
  route.retries = 1;
  route.webSocket.isAllowed = true;
  route.webSocket.frameBytesMax = 16 << 20;
  route.webSocket.idleMs = kHourMs;
  http.routes.push_back(route);
  return http;
}

// The same as the scenario http-filters configures: rules for networks that no
// client is in, and a bucket for each client.
std::vector<policy::PolicyParts> rulesAndLimit() {
  policy::PolicyParts rbac;
  rbac.name = "rbac";
  rbac.rbac.fallback = policy::Action::kAllow;
  for (u32 at = 0; at < kRules; ++at) {
    char network[32];
    (void)std::snprintf(network, sizeof network, "10.%u.%u.0/24", at >> 8, at & 255);
    policy::TestParts address;
    address.kind = policy::TestKind::kAddress;
    if (!parseCidr(network, &address.networks.emplace_back())) fail("no network");
    policy::TestParts path;
    path.kind = policy::TestKind::kText;
    path.source = policy::Source::kPath;
    path.text = policy::TextKind::kSegments;
    path.values = {"/private/" + std::to_string(at)};
    policy::RuleParts rule;
    rule.name = "r" + std::to_string(at);
    rule.action = policy::Action::kDeny;
    rule.when.parts = {address, path};
    rbac.rbac.rules.push_back(rule);
  }
  policy::PolicyParts limit;
  limit.kind = policy::PolicyKind::kRateLimit;
  limit.name = "limit";
  limit.id = 1;
  limit.status = 429;
  limit.limit.by.resize(1);
  limit.limit.count = kRateMax;
  limit.limit.burst = kRateMax;
  return {rbac, limit};
}

// Another host with both kinds of filters.
void addElsewhere(proxy::SnapshotParts* parts) {
  proxy::FilterChainParts chain;
  chain.id = 1;
  chain.mask = proxy::kFilterNeeds;
  parts->filterChains.push_back(chain);
  proxy::HttpParts& http = parts->http[0];
  http::HostParts host{.names = {"elsewhere.example"}, .order = http::RouteOrder::kSpecificity};
  host.routes.push_back({.path = "/", .splits = {{.cluster = 0}}});
  http.table.hosts.push_back(host);
  proxy::HttpRouteParts route = http.routes[0];
  route.policies = rulesAndLimit();
  route.filterChain = chain.id;
  http.routes.push_back(route);
}

proxy::ClusterHttpParts clusterHttpParts() {
  proxy::ClusterHttpParts http;
  http.idleMs = kHourMs;
  http.ageMs = kHourMs;
  http.requestsMax = kRequestsMax;
  http.idlePerEndpoint = 64;
  http.pendingMax = 1024;
  http.retryBudgetPermille = 200;
  return http;
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "harness: %s (%s)\n", what, std::strerror(errno));
  std::exit(1);
}

Stage::Stage(u32 connectionsMax, Carried carried, Filters filters)
    : carried_(carried), filters_(filters) {
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
  if (filters_ == Filters::kElsewhere) attachFilters();
  configure();
  listenForGateway();
}

// Whoever is asked here was asked for nothing.
void Stage::attachFilters() {
  filterWords_.resize(size_t{2} * proxy::kFilterWords);
  filterBytes_.resize(size_t{2} * proxy::kFilterBytes);
  const proxy::FilterMemory memory{filterWords_.data(), filterBytes_.data(),
                                   filterWords_.data() + proxy::kFilterWords,
                                   filterBytes_.data() + proxy::kFilterBytes};
  proxy::FilterHost host;
  host.run = [](u32) { fail("filters of another host are asked"); };
  host.drained = [](u32) {};
  if (!shard_->attachFilters(memory, std::move(host)).isOk()) fail("no filters");
}

// What the product configures when a listener and a cluster say nothing but
// addresses.
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
  if (carried_ != Carried::kTcp) {
    parts.http.push_back(httpParts());
    if (filters_ == Filters::kRulesAndLimit) {
      parts.http[0].routes[0].policies = rulesAndLimit();
    }
    if (filters_ == Filters::kElsewhere) addElsewhere(&parts);
    parts.clusterHttp.push_back(clusterHttpParts());
  }
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

int Stage::acceptAtEndpoint() {
  return accept4(endpointListener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

Stage::Pair Stage::open() {
  Pair pair;
  coreNowNs += kArrivalNs;
  pair.client = connectTo(front_, frontLength_);
  {
    const Counted counted;
    (void)acceptor_->turn(0);
  }
  if (carried_ == Carried::kTcp) openTunnel(pair);
  if (carried_ == Carried::kWebSocket) upgrade(pair);
  if (carried_ == Carried::kHttp) settle({pair});
  roundTrip({pair});
  return pair;
}

void Stage::openTunnel(Pair& pair) {
  for (u32 turns = 0; pair.endpoint < 0 && turns < kTurnsMax; ++turns) {
    turn();
    pair.endpoint = acceptAtEndpoint();
  }
  if (pair.endpoint < 0) fail("the endpoint saw no connection");
  turn();
}

void Stage::upgrade(Pair& pair) {
  char room[kRoomBytes];
  sendWhole(pair.client, kUpgrade);
  openTunnel(pair);
  const std::string_view asked = receiveInto(pair.endpoint, room);
  if (asked.find("Sec-WebSocket-Key: ") == std::string_view::npos) {
    fail("the endpoint was not asked for a WebSocket");
  }
  sendWhole(pair.endpoint, kUpgraded);
  turn();
  if (!receiveInto(pair.client, room).starts_with("HTTP/1.1 101 ")) fail("there is no WebSocket");
  turn();
}

u32 Stage::answerRequests() {
  char room[kRoomBytes];
  u32 answered = 0;
  for (const int endpoint : endpoints_) {
    const std::string_view text = receiveInto(endpoint, room);
    if (text.empty()) continue;
    if (!isAtEndpoint(carried_, text)) fail("a request reached the endpoint in another form");
    sendWhole(endpoint, fromEndpoint(carried_));
    ++answered;
  }
  return answered;
}

void Stage::settle(const std::vector<Pair>& pairs) {
  char room[kRoomBytes];
  for (const Pair& pair : pairs) sendWhole(pair.client, fromClient(carried_));
  std::vector<Pair> waiting = pairs;
  for (u32 turns = 0; !waiting.empty() && turns < kTurnsMax; ++turns) {
    turn();
    for (int fd = acceptAtEndpoint(); fd >= 0; fd = acceptAtEndpoint()) endpoints_.push_back(fd);
    (void)answerRequests();
    std::erase_if(waiting, [&](const Pair& pair) {
      return isAtClient(carried_, receiveInto(pair.client, room));
    });
  }
  if (!waiting.empty()) fail("a request was not answered");
  turn();
}

void Stage::roundTrip(const std::vector<Pair>& pairs) {
  char room[kRoomBytes];
  for (const Pair& pair : pairs) sendWhole(pair.client, fromClient(carried_));
  turn();
  if (carried_ == Carried::kHttp) {
    if (answerRequests() != pairs.size()) fail("a request did not reach the endpoint in one turn");
  } else {
    for (const Pair& pair : pairs) {
      if (!isAtEndpoint(carried_, receiveInto(pair.endpoint, room))) {
        fail("a message did not reach the endpoint in one turn");
      }
      sendWhole(pair.endpoint, fromEndpoint(carried_));
    }
  }
  turn();
  for (const Pair& pair : pairs) {
    if (!isAtClient(carried_, receiveInto(pair.client, room))) {
      fail("a message did not reach the client in one turn");
    }
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
