// Kdf: the two key derivations that connections need, by OpenSSL's EVP_KDF, fetched once a shard.
//
// HKDF-Expand for TLS 1.3 (RFC 5869 2.3) and the PRF of TLS 1.2 (RFC 5246 5). Used a few times in
// the life of a connection; every use makes and frees an object of the library.
// Invariant: copies of secrets that the library's interface asks for are wiped before returning.
#pragma once

#include <string_view>

#include "tls/aead.h"
#include "tls/library_openssl.h"

namespace holdfast::tls {

class Kdf {
 public:
  Kdf() = default;
  Kdf(const Kdf&) = delete;
  Kdf& operator=(const Kdf&) = delete;
  ~Kdf();

  // False when the library lacks one of them.
  [[nodiscard]] bool start();

  // As AeadTable::expand; `self` is a Kdf.
  static bool expand(void* self, Hash hash, std::span<const u8> secret, std::span<const u8> info,
                     std::span<u8> output);
  // A table that can derive and nothing else.
  [[nodiscard]] AeadTable table() { return AeadTable{this, nullptr, nullptr, nullptr, expand}; }

  // P_hash(secret, label + seed), as long as `output`.
  [[nodiscard]] bool prf12(Hash hash, std::span<const u8> secret, std::string_view label,
                           std::span<const u8> seed, std::span<u8> output);

 private:
  void* hkdf_ = nullptr;
  void* prf_ = nullptr;
};

}  // namespace holdfast::tls
