// The part of the TLS 1.3 key schedule that outlives the handshake: traffic keys and their updates
// (RFC 8446 7.2 and 7.3).
//
// Pure functions over an AeadTable's HKDF. Nothing is kept; intermediate bytes are wiped.
#pragma once

#include <string_view>

#include "tls/aead.h"

namespace holdfast::tls {

// HKDF-Expand-Label with an empty context (RFC 8446 7.1). False when the library failed.
[[nodiscard]] bool expandLabel(const AeadTable& aead, Hash hash, std::span<const u8> secret,
                               std::string_view label, std::span<u8> output);

// Makes key and iv of a direction from its secret.
[[nodiscard]] bool deriveTrafficKeys(const AeadTable& aead, const CipherSuite& suite,
                                     const DirectionMaterial& material);

// Replaces the secret of a direction by the next one, and key and iv with it.
[[nodiscard]] bool updateTrafficKeys(const AeadTable& aead, const CipherSuite& suite,
                                     const DirectionMaterial& material);

}  // namespace holdfast::tls
