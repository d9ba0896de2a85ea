// The fixed parts of a TLS record on the wire: types, lengths, nonces, additional data.
//
// Shared by the two halves of the record layer (record_layer.cc opens, record_seal.cc seals), which
// must agree on every byte. Pure functions; RFC 8446 5.2 and 5.3, RFC 5246 6.2.3.3, RFC 5288 3,
// RFC 7905 2.
#pragma once

#include <cstring>
#include <span>

#include "tls/cipher_suite.h"

namespace holdfast::tls {

inline constexpr u8 kTypeAlert = 21;
inline constexpr u8 kTypeHandshake = 22;
inline constexpr u8 kTypeApplication = 23;
inline constexpr u8 kLevelWarning = 1;
inline constexpr u8 kLevelFatal = 2;
inline constexpr size_t kAadBytesMax = 13;

[[nodiscard]] inline size_t wireLength(const u8* header) {
  return size_t{header[3]} << 8 | header[4];
}

inline void putBigEndian(u64 value, u8* output) {
  value = __builtin_bswap64(value);
  std::memcpy(output, &value, sizeof(value));
}

// Sequence number xor iv; with AES-GCM in TLS 1.2 the iv and the eight bytes of the record.
inline void makeNonce(const CipherSuite& suite, std::span<const u8> iv, u64 sequence,
                      const u8* explicitNonce, u8* nonce) {
  if (suite.explicitNonceBytes != 0) {
    std::memcpy(nonce, iv.data(), 4);
    std::memcpy(nonce + 4, explicitNonce, 8);
    return;
  }
  u8 counter[8];
  putBigEndian(sequence, counter);
  std::memcpy(nonce, iv.data(), kNonceBytes);
  for (size_t i = 0; i < sizeof(counter); ++i) nonce[4 + i] ^= counter[i];
}

// `output` has kAadBytesMax bytes.
[[nodiscard]] inline std::span<const u8> makeAad12(u64 sequence, u8 type, size_t length,
                                                   u8* output) {
  putBigEndian(sequence, output);
  output[8] = type;
  output[9] = 0x03;
  output[10] = 0x03;
  output[11] = static_cast<u8>(length >> 8);
  output[12] = static_cast<u8>(length);
  return {output, kAadBytesMax};
}

}  // namespace holdfast::tls
