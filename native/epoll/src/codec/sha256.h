// SHA-256 (FIPS 180-4), HMAC (RFC 2104) and PBKDF2 (RFC 8018 5.2), for passwords of basic auth.
//
// Here because a codec depends on no library; TLS has its own from OpenSSL.
// Invariant: no allocation, and a time that depends on lengths and rounds only.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

using Sha256Digest = std::array<u8, 32>;

[[nodiscard]] Sha256Digest sha256(std::span<const u8> bytes);

// The first 32 bytes that PBKDF2 with HMAC-SHA-256 derives. O(rounds), four blocks each at most.
[[nodiscard]] Sha256Digest pbkdf2Sha256(std::string_view password, std::span<const u8> salt,
                                        u32 rounds);

// Compares without telling by its time where the first difference is.
[[nodiscard]] bool isSameDigest(const Sha256Digest& a, const Sha256Digest& b);

}  // namespace holdfast::codec
