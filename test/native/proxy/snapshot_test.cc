// Snapshot: what is compiled is what is read, a broken one changes nothing, and
// isValid is strict.
#include "proxy/snapshot.h"

#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "runtime/sys.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

Address ip(std::string_view text, u16 port) {
  Address address;
  CHECK(parseIp(text, port, &address));
  return address;
}

EndpointSpec endpointAt(u32 id, const Address& address) {
  EndpointSpec endpoint;
  endpoint.id = id;
  sockaddr_storage storage;
  endpoint.addressLength = toSockaddr(address, &storage);
  std::memcpy(&endpoint.address, &storage, endpoint.addressLength);
  return endpoint;
}

SnapshotParts someParts() {
  SnapshotParts parts;
  parts.generation = 7;
  Cidr trusted;
  CHECK(parseCidr("10.0.0.0/8", &trusted));
  parts.cidrs.push_back(trusted);
  for (u32 i = 0; i < 3; ++i) {
    ListenerSpec listener;
    listener.id = i * 5;
    listener.cluster = i % 2;
    listener.bufferHigh = 1000 + i;
    listener.bufferLow = 10;
    listener.cidrCount = i == 1 ? 1 : 0;
    parts.listeners.push_back(listener);
  }
  for (u32 i = 0; i < 2; ++i) {
    ClusterSpec cluster;
    cluster.id = 20 + i;
    cluster.balance = i == 0 ? Balance::kMaglev : Balance::kRingHash;
    cluster.endpointFirst = i * 2;
    cluster.endpointCount = 2;
    parts.clusters.push_back(cluster);
  }
  for (u32 i = 0; i < 4; ++i) {
    parts.endpoints.push_back(endpointAt(100 + i, ip("192.0.2.1", static_cast<u16>(1000 + i))));
  }
  return parts;
}

std::vector<u8> bytesOf(int fd) {
  const size_t length = static_cast<size_t>(sys::fileSize(fd));
  void* memory = sys::mapShared(fd, length, sys::Access::kRead);
  std::vector<u8> bytes(static_cast<u8*>(memory), static_cast<u8*>(memory) + length);
  sys::unreserve(memory, length);
  return bytes;
}

TEST(snapshotReadsBackWhatWasCompiled) {
  const int fd = compileSnapshot(someParts());
  CHECK(fd >= 0);
  Snapshot snapshot;
  CHECK(snapshot.isEmpty());
  CHECK(snapshot.map(fd).isOk());
  sys::close(fd);  // the mapping stays
  CHECK_EQ(snapshot.generation(), 7);
  CHECK_EQ(snapshot.listenerCount(), 3);
  CHECK_EQ(snapshot.listener(2).id, 10);
  CHECK_EQ(snapshot.listener(2).bufferHigh, 1002);
  CHECK_EQ(snapshot.clusterCount(), 2);
  CHECK_EQ(snapshot.cluster(1).id, 21);
  CHECK_EQ(snapshot.endpoints(snapshot.cluster(1))[1].id, 103);
  CHECK(snapshot.isProxyTrusted(snapshot.listener(1), ip("10.1.2.3", 1)));
  CHECK(!snapshot.isProxyTrusted(snapshot.listener(1), ip("11.1.2.3", 1)));
  CHECK(!snapshot.isProxyTrusted(snapshot.listener(0), ip("10.1.2.3", 1)));
}

TEST(snapshotKeepsTheOldOneWhenTheNewOneIsBroken) {
  const int good = compileSnapshot(someParts());
  Snapshot snapshot;
  CHECK(snapshot.map(good).isOk());
  const int bad = sys::memfdCreate("bad", 4096);
  CHECK(!snapshot.map(bad).isOk());
  CHECK(!snapshot.map(-1).isOk());
  CHECK_EQ(snapshot.generation(), 7);
  CHECK_EQ(snapshot.listener(1).id, 5);
  sys::close(good);
  sys::close(bad);
}

TEST(snapshotCompilationRefusesWhatCannotBe) {
  const auto isRefused = [](void (*spoil)(SnapshotParts&)) {
    SnapshotParts parts = someParts();
    spoil(parts);
    const int fd = compileSnapshot(parts);
    if (fd >= 0) sys::close(fd);
    return fd < 0;
  };
  CHECK(isRefused([](SnapshotParts& parts) { parts.listeners[0].cluster = 2; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.listeners[0].id = 100000; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.listeners[0].bufferHigh = 0; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.listeners[0].bufferLow = 100000; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.listeners[0].cidrCount = 2; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.clusters[0].id = 100000; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.clusters[0].proxyProtocol = 3; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.endpoints[0].weight = 0; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.endpoints[0].weight = 257; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.endpoints[0].id = 1000000; }));
  CHECK(isRefused([](SnapshotParts& parts) { parts.endpoints[0].addressLength = 1; }));
  CHECK(!isRefused([](SnapshotParts&) {}));
}

TEST(snapshotOfEveryCutLengthIsRefused) {
  const int fd = compileSnapshot(someParts());
  const std::vector<u8> bytes = bytesOf(fd);
  sys::close(fd);
  CHECK(Snapshot::isValid(bytes.data(), bytes.size()));
  const size_t steps = 4096;  // the fixed tables byte by byte, the hash tables in strides
  for (size_t length = 0; length < bytes.size(); length += length < steps ? 1 : 997) {
    const std::vector<u8> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    if (!CHECK(!Snapshot::isValid(cut.data(), cut.size()))) break;
  }
}

}  // namespace
}  // namespace holdfast::proxy
