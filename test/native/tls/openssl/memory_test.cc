// What a detached connection costs: bytes that it holds while idle, and allocations for its
// records.
//
// The program's malloc is replaced by one that counts, which only a plain build of it can do.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(HF_IN_NODE)

#include <malloc.h>

#include <atomic>
#include <memory>

#include "tls/aead_openssl.h"
#include "tls/openssl/engine_fixture.h"
#include "tls/record_layer.h"

#include "check.h"

// glibc's own, behind the names that programs may replace.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void __libc_free(void* memory);
}

namespace {

std::atomic<unsigned long> allocations{0};
std::atomic<long> liveBytes{0};

void* counted(void* memory) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  liveBytes.fetch_add(static_cast<long>(malloc_usable_size(memory)), std::memory_order_relaxed);
  return memory;
}

void forget(void* memory) {
  liveBytes.fetch_sub(static_cast<long>(malloc_usable_size(memory)), std::memory_order_relaxed);
}

}  // namespace

#define REPLACES extern "C" __attribute__((visibility("default")))

REPLACES void* malloc(size_t size) { return counted(__libc_malloc(size)); }
REPLACES void* calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
REPLACES void* realloc(void* memory, size_t size) {
  forget(memory);
  return counted(__libc_realloc(memory, size));
}
REPLACES void free(void* memory) {
  forget(memory);
  __libc_free(memory);
}

namespace holdfast::tls {
namespace {

struct World {
  World() { CHECK(aead.start()); }

  EngineShard shard;
  AeadOpenssl aead{8};
  RecordLayer layer{aead.table()};
  Pair authority = makeAuthority();
  Pair ec = issue(&authority, {});
  HfTlsConfig* config = shard.terminating({.pairs = {&ec}});
};

TEST(aDetachedConnectionIsItsStateAndNothingElse) {
  World world;
  constexpr size_t kConnections = 400;
  const struct {
    int version;
    const char* suite;
    size_t bytes;
  } cases[] = {
      {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 152},
      {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 216},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 80},
  };
  for (const auto& [version, suite, bytes] : cases) {
    std::vector<RecordState> states(kConnections);
    const auto connect = [&](size_t index) {
      Side side(world.config);
      RawPeer client(RawPeer::Kind::kAsking);
      client.only(version);
      if (version == TLS1_3_VERSION) {
        SSL_CTX_set_ciphersuites(client.ctx, suite);
      } else {
        SSL_CTX_set_cipher_list(client.ctx, suite);
      }
      client.start("a.example");
      CHECK(join(side, client));
      RecordKeys keys;
      CHECK(side.handshake.detach(&keys) == HF_TLS_DONE);
      CHECK_EQ(RecordLayer::stateBytes(keys), bytes);
      CHECK(world.layer.attach(keys, &states[index]));
      wipe(&keys);
      // Each of them is used once, so that the cache has seen it.
      Bytes wire(200);
      CHECK(world.layer.seal(&states[index], Bytes(10, 'x'), wire, 0).event == SealEvent::kDone);
    };
    // The first ones warm up what the library keeps for itself.
    for (size_t i = 0; i < kConnections / 2; ++i) connect(i);
    const long before = liveBytes.load();
    for (size_t i = kConnections / 2; i < kConnections; ++i) connect(i);
    const long after = liveBytes.load();
    const long grown = (after - before) / static_cast<long>(kConnections / 2);
    std::printf("     %s: %zu bytes of state, %ld bytes of heap\n", suite, bytes, grown);
    CHECK_EQ(grown, 0);
    for (RecordState& state : states) world.layer.end(&state);
  }
}

TEST(recordsAllocateNothing) {
  World world;
  const u16 suites[][2] = {{kVersion13, 0x1301}, {kVersion13, 0x1302}, {kVersion13, 0x1303},
                           {kVersion12, 0xc02b}, {kVersion12, 0xc030}, {kVersion12, 0xcca9}};
  constexpr size_t kConnections = 64;
  std::vector<RecordState> gateways(kConnections);
  std::vector<RecordState> clients(kConnections);
  for (size_t i = 0; i < kConnections; ++i) {
    const auto& [version, suite] = suites[i % std::size(suites)];
    RecordKeys keys = {};
    keys.version = version;
    keys.suite = suite;
    std::memset(&keys.read, static_cast<int>(i), sizeof(keys.read));
    std::memset(&keys.write, static_cast<int>(i + 100), sizeof(keys.write));
    keys.read.sequence = keys.write.sequence = 0;
    CHECK(world.layer.attach(keys, &gateways[i]));
    std::swap(keys.read, keys.write);
    keys.role = HF_TLS_ORIGINATING;
    CHECK(world.layer.attach(keys, &clients[i]));
  }
  const Bytes plain(3000, 'p');
  Bytes wire(RecordLayer::sealedBytesMax(plain.size()));
  Bytes output(wire.size());
  const auto exchange = [&](size_t i, size_t length) {
    const std::span<const u8> part(plain.data(), length);
    const Sealed sealed = world.layer.seal(&clients[i], part, wire, 0);
    return world.layer.open(&gateways[i], std::span<u8>(wire).first(sealed.produced), output, 0)
               .produced == length;
  };
  // Fill the cache: its slots are made once, and from then on belong to whoever is busy.
  for (size_t round = 0; round < 3; ++round) {
    for (size_t i = 0; i < kConnections; ++i) CHECK(exchange(i, 100));
  }
  const unsigned long before = allocations.load();
  const u64 keyings = world.aead.keyings();
  size_t wrong = 0;
  for (size_t round = 0; round < 5; ++round) {
    for (size_t i = 0; i < kConnections; ++i) wrong += exchange(i, 1 + i * 40) ? 0 : 1;
  }
  const unsigned long after = allocations.load();
  CHECK_EQ(wrong, 0);
  CHECK_EQ(after - before, 0);
  // None of them was found in the cache, so keying is free of allocations as well.
  CHECK(world.aead.keyings() - keyings > 500);
  for (RecordState& state : gateways) world.layer.end(&state);
  for (RecordState& state : clients) world.layer.end(&state);
}

}  // namespace
}  // namespace holdfast::tls

#endif
