// Cipher policies: versions, suites, groups and switches of an SSL_CTX, checked name by name.
//
// The library ignores names it does not know as long as one is left; here an unknown name is an
// error. Presets follow Mozilla's recommendations: "modern" is TLS 1.3, "intermediate" adds TLS 1.2
// with AEAD suites and forward secrecy. Off in both, for good: renegotiation, compression of any
// kind, early data. The hybrid group X25519MLKEM768 comes first where the library has it.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "tls/engine_abi.h"
#include "tls/library_openssl.h"

namespace holdfast::tls {

// What is wrong with the options, or an empty text.
[[nodiscard]] std::string applyPolicy(SSL_CTX* ctx, const HfTlsOptions& options);

}  // namespace holdfast::tls
