// SHA-1 (FIPS 180-4), for the one thing that still needs it: the WebSocket handshake.
//
// RFC 6455 4.2.2 proves with it that an endpoint read the key; nothing is kept secret by it. Here
// because a codec depends on no library. Whole inputs of at most kSha1InputMax bytes.
// Invariant: no allocation, no state. Not for anything that has to resist an attacker.
#pragma once

#include <array>
#include <span>

#include "runtime/base.h"

namespace holdfast::codec {

inline constexpr size_t kSha1InputMax = 1024;
using Sha1Digest = std::array<u8, 20>;

// `bytes` has at most kSha1InputMax bytes; more is an error of the caller.
[[nodiscard]] Sha1Digest sha1(std::span<const u8> bytes);

}  // namespace holdfast::codec
