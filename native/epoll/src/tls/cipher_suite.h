// The cipher table of the record layer: everything it knows about a suite, one row each.
//
// A row is added for a new suite and a kind of Aead for a new cipher; nothing else changes in the
// record layer. Limits are the ones of RFC 8446 5.5: 2^24.5 full records of AES-GCM for one key. In
// TLS 1.3 the record layer sends its own KeyUpdate before; in TLS 1.2, which cannot, what counts is
// the number of cipher blocks, so that a connection of small messages lives longer.
// Invariant: keys, ivs and secrets of both directions of any row fit kMaterialBytesMax.
#pragma once

#include <iterator>

#include "runtime/base.h"

namespace holdfast::tls {

inline constexpr u16 kVersion12 = 0x0303;
inline constexpr u16 kVersion13 = 0x0304;

enum class Aead : u8 { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305, kCount };
// The hash of the key schedule (TLS 1.3) or of the PRF (TLS 1.2).
enum class Hash : u8 { kSha256, kSha384 };

inline constexpr size_t kNonceBytes = 12;
inline constexpr size_t kTagBytes = 16;
inline constexpr u64 kGcmRecordsMax = u64{1} << 24;
// 2^24 records of 2^10 blocks.
inline constexpr u64 kGcmBlocksMax = u64{1} << 34;
// Sequence numbers never come near their end.
inline constexpr u64 kSequenceMax = u64{1} << 48;

struct CipherSuite {
  u16 version;
  u16 id;  // IANA
  Aead aead;
  Hash hash;
  u8 keyBytes;
  u8 ivBytes;             // 12, or the 4 that TLS 1.2 completes with 8 in each record
  u8 explicitNonceBytes;  // in each record
  u8 secretBytes;         // 0 in TLS 1.2
  u64 recordsMax;         // for one key
  u64 blocksMax;          // TLS 1.2 only: of 16 bytes, for one key
  const char* name;
};

namespace detail {

constexpr CipherSuite tls13(u16 id, Aead aead, Hash hash, u64 recordsMax, const char* name) {
  const bool isShort = aead == Aead::kAes128Gcm;
  return CipherSuite{kVersion13,
                     id,
                     aead,
                     hash,
                     static_cast<u8>(isShort ? 16 : 32),
                     12,
                     0,
                     static_cast<u8>(hash == Hash::kSha256 ? 32 : 48),
                     recordsMax,
                     kSequenceMax,
                     name};
}

constexpr CipherSuite tls12Gcm(u16 id, Aead aead, const char* name) {
  const bool isShort = aead == Aead::kAes128Gcm;
  return CipherSuite{kVersion12,
                     id,
                     aead,
                     isShort ? Hash::kSha256 : Hash::kSha384,
                     static_cast<u8>(isShort ? 16 : 32),
                     4,
                     8,
                     0,
                     kSequenceMax,
                     kGcmBlocksMax,
                     name};
}

constexpr CipherSuite tls12ChaCha(u16 id, const char* name) {
  return CipherSuite{
      kVersion12,   id,  Aead::kChaCha20Poly1305, Hash::kSha256, 32, 12, 0, 0, kSequenceMax,
      kSequenceMax, name};
}

}  // namespace detail

inline constexpr CipherSuite kCipherSuites[] = {
    detail::tls13(0x1301, Aead::kAes128Gcm, Hash::kSha256, kGcmRecordsMax,
                  "TLS_AES_128_GCM_SHA256"),
    detail::tls13(0x1302, Aead::kAes256Gcm, Hash::kSha384, kGcmRecordsMax,
                  "TLS_AES_256_GCM_SHA384"),
    detail::tls13(0x1303, Aead::kChaCha20Poly1305, Hash::kSha256, u64{1} << 36,
                  "TLS_CHACHA20_POLY1305_SHA256"),
    detail::tls12Gcm(0xc02b, Aead::kAes128Gcm, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    detail::tls12Gcm(0xc02f, Aead::kAes128Gcm, "ECDHE-RSA-AES128-GCM-SHA256"),
    detail::tls12Gcm(0xc02c, Aead::kAes256Gcm, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    detail::tls12Gcm(0xc030, Aead::kAes256Gcm, "ECDHE-RSA-AES256-GCM-SHA384"),
    detail::tls12ChaCha(0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    detail::tls12ChaCha(0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"),
    detail::tls12Gcm(0x009e, Aead::kAes128Gcm, "DHE-RSA-AES128-GCM-SHA256"),
    detail::tls12Gcm(0x009f, Aead::kAes256Gcm, "DHE-RSA-AES256-GCM-SHA384"),
    detail::tls12ChaCha(0xccaa, "DHE-RSA-CHACHA20-POLY1305"),
};
inline constexpr u8 kNoSuite = 0xff;
static_assert(std::size(kCipherSuites) < kNoSuite);

// The row of a suite, or kNoSuite. The same number means nothing in the other version.
[[nodiscard]] constexpr u8 findCipherSuite(u16 version, u16 id) {
  for (u8 row = 0; row < std::size(kCipherSuites); ++row) {
    if (kCipherSuites[row].version == version && kCipherSuites[row].id == id) return row;
  }
  return kNoSuite;
}

// Bytes of key, iv and secret of one direction.
[[nodiscard]] constexpr size_t directionBytes(const CipherSuite& suite) {
  return size_t{suite.keyBytes} + suite.ivBytes + suite.secretBytes;
}

// Both directions, and in TLS 1.2 the count of blocks written.
[[nodiscard]] constexpr size_t materialBytes(const CipherSuite& suite) {
  return 2 * directionBytes(suite) + (suite.version == kVersion12 ? sizeof(u64) : 0);
}

inline constexpr size_t kMaterialBytesMax = [] {
  size_t most = 0;
  for (const CipherSuite& suite : kCipherSuites) {
    most = materialBytes(suite) > most ? materialBytes(suite) : most;
  }
  return most;
}();

}  // namespace holdfast::tls
