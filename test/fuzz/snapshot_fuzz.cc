// Any bytes as a snapshot: isValid stays inside them, and what it accepts can be used whole.
//
// A shard maps a snapshot from a descriptor that another thread gave it; after the check it reads
// without further ones. Here each table of an accepted snapshot is read to its end, and every
// answer of a hash table is looked at. The input is a compiled snapshot, mutated.
#include <algorithm>
#include <cstring>
#include <vector>

#include "proxy/hash_table.h"
#include "proxy/snapshot.h"
#include "runtime/sys.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::proxy;

// Maps the bytes as a shard would and reads everything that it may read.
void useWhole(std::span<const u8> bytes) {
  const int fd = sys::memfdCreate("fuzz", bytes.size());
  FUZZ_CHECK(fd >= 0);
  auto* memory = static_cast<u8*>(sys::mapShared(fd, bytes.size(), sys::Access::kReadWrite));
  FUZZ_CHECK(memory != nullptr);
  std::memcpy(memory, bytes.data(), bytes.size());
  Snapshot snapshot;
  FUZZ_CHECK(snapshot.map(fd).isOk());
  sys::close(fd);
  const Address client = Address::fromIpv4(bytes.data(), 1);
  u64 sum = 0;
  for (u32 i = 0; i < snapshot.listenerCount(); ++i) {
    const ListenerSpec& listener = snapshot.listener(i);
    sum += snapshot.cluster(listener.cluster).id;
    sum += snapshot.isProxyTrusted(listener, client) ? 1 : 0;
    // Names and protocols of every kind that a route can ask for.
    static constexpr u8 kAlpn[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    for (const char* const name : {"", "a.example", "b.wild.example", "other"}) {
      for (const size_t offered : {size_t{0}, sizeof(kAlpn)}) {
        const u32 cluster = snapshot.route(listener, name, {kAlpn, offered});
        sum += snapshot.cluster(cluster).id;
      }
    }
    if (listener.tlsMode == TlsMode::kTerminate) FUZZ_CHECK(listener.tls < snapshot.tlsCount());
  }
  for (u32 i = 0; i < snapshot.tlsCount(); ++i) {
    TlsConfigParts parts;
    if (!decodeTlsConfig(snapshot.tlsBytes(snapshot.tls(i)), &parts)) continue;
    // What was understood says the same again.
    std::vector<u8> again;
    encodeTlsConfig(parts, &again);
    FUZZ_CHECK(again.size() <= encodedTlsBytesMax(parts));
    const std::span<const u8> given = snapshot.tlsBytes(snapshot.tls(i));
    FUZZ_CHECK(std::equal(again.begin(), again.end(), given.begin(), given.end()));
    const TlsOptionsView view(parts, 0);
    FUZZ_CHECK(view.options().domainsCount == parts.domains.size());
  }
  for (const HfTlsTicketKey& key : snapshot.ticketKeys()) sum += key.name[0] + key.macKey[31];
  for (u32 i = 0; i < snapshot.clusterCount(); ++i) {
    const ClusterSpec& cluster = snapshot.cluster(i);
    for (const char byte : snapshot.text(cluster.serverName)) sum += static_cast<u8>(byte);
    if (cluster.tls != kNoIndex) FUZZ_CHECK(cluster.tls < snapshot.tlsCount());
    for (u32 k = 0; k < cluster.endpointCount; ++k) sum += snapshot.endpoints(cluster)[k].weight;
    const bool isMaglev = cluster.balance == Balance::kMaglev;
    if (!isMaglev && cluster.balance != Balance::kRingHash) continue;
    const HashTableView view({snapshot.table(cluster), cluster.tableWords},
                             isMaglev ? HashKind::kMaglev : HashKind::kRing);
    for (u64 hash = 0; hash < 64 && cluster.endpointCount > 0; ++hash) {
      const u32 position = view.lookup(hash << 58, static_cast<u32>(hash) % 4);
      FUZZ_CHECK(position < cluster.endpointCount);
    }
  }
  FUZZ_CHECK(sum != ~u64{0});
  sys::unreserve(memory, bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  // The length in the header must match, or hardly any mutation would get further.
  std::vector<u8> input(bytes, bytes + length);
  SnapshotHeader header;
  if (input.size() < sizeof(header)) {
    FUZZ_CHECK(!Snapshot::isValid(input.data(), input.size()));
    return 0;
  }
  std::memcpy(&header, input.data(), sizeof(header));
  header.bytes = input.size();
  std::memcpy(input.data(), &header, sizeof(header));
  if (Snapshot::isValid(input.data(), input.size())) useWhole(input);
  return 0;
}
