// TlsLibrary: what the process's TLS library brings to a shard: an engine and record ciphers.
//
// A shard is given one at its start and knows nothing of the library behind it; tests and
// simulations give toys, and a shard without one refuses TLS listeners. Invariant: what one shard
// opened is used and closed on its thread only.
#pragma once

#include "tls/aead.h"
#include "tls/engine_abi.h"

namespace holdfast::tls {

struct TlsLibrary {
  const HfTlsEngine* engine = nullptr;
  // The ciphers of one shard; null when the library cannot be used.
  void* (*openCiphers)() = nullptr;
  void (*closeCiphers)(void* ciphers) = nullptr;
  // Lives as long as the ciphers.
  const AeadTable* (*tableOf)(void* ciphers) = nullptr;
};

// The OpenSSL of this process. Its engine's openShard() says whether that can be used.
[[nodiscard]] const TlsLibrary* opensslLibrary();

}  // namespace holdfast::tls
