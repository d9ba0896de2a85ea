// What tests of whole handshakes share: a shard with an authority, and a detached connection.
//
// Included by handshake_test.cc and handshake_ends_test.cc.
// Test code: it calls the library without looking for failures it cannot have.
#pragma once

#include "tls/aead_openssl.h"
#include "tls/handshake.h"
#include "tls/openssl/engine_fixture.h"
#include "tls/record_layer.h"

#include "check.h"

namespace holdfast::tls {

struct World {
  World() { CHECK(aead.start()); }

  EngineShard shard;
  AeadOpenssl aead;
  RecordLayer layer{aead.table()};
  Pair authority = makeAuthority();
  Pair ec = issue(&authority, {});
};

// A detached connection with the records of its peer.
struct Detached {
  Detached(RecordLayer& records, Side& side) : layer(records) {
    RecordKeys keys;
    CHECK(side.handshake.detach(&keys) == HF_TLS_DONE);
    CHECK(layer.attach(keys, &state));
    wipe(&keys);
    input = side.input;
    side.handshake.free();
  }
  ~Detached() { layer.end(&state); }
  Bytes seal(const Bytes& plain) {
    Bytes wire(RecordLayer::sealedBytesMax(plain.size()));
    const Sealed sealed = layer.seal(&state, plain, wire, 0);
    CHECK(sealed.event == SealEvent::kDone && sealed.consumed == plain.size());
    wire.resize(sealed.produced);
    return wire;
  }
  Bytes open(const Bytes& wire, OpenEvent* event = nullptr) {
    input.insert(input.end(), wire.begin(), wire.end());
    Bytes plain(input.size());
    last = layer.open(&state, input, plain, 0);
    if (event != nullptr) *event = last.event;
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(last.consumed));
    plain.resize(last.produced);
    return plain;
  }
  RecordLayer& layer;
  RecordState state;
  Opened last;
  Bytes input;
};

inline const struct {
  int version;
  const char* suite;
  u16 id;
} kSuites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 0x1301},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 0x1302},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 0x1303},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
};

inline void choose(RawPeer& peer, int version, const char* suite) {
  peer.only(version);
  if (version == TLS1_3_VERSION) {
    CHECK_EQ(SSL_CTX_set_ciphersuites(peer.ctx, suite), 1);
  } else {
    CHECK_EQ(SSL_CTX_set_cipher_list(peer.ctx, suite), 1);
  }
}

inline void exchange(Detached& detached, RawPeer& peer) {
  for (size_t length : {1, 100, 16384, 70'000}) {
    const Bytes there(length, static_cast<u8>(length));
    CHECK(peer.write(there));
    CHECK(detached.open(peer.takeOutput()) == there);
    const Bytes back(length, static_cast<u8>(length + 1));
    peer.feed(detached.seal(back));
    CHECK(peer.read() == back);
  }
}

}  // namespace holdfast::tls
