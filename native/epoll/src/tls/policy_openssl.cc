// Short AES keys come first: they are the fastest, and a connection with them is the smallest.
#include "tls/policy_openssl.h"

#include <openssl/err.h>

#include <algorithm>
#include <string_view>

namespace holdfast::tls {

namespace {

constexpr const char* kSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kSuites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// The first that the library understands. A star (OpenSSL 3.5) asks for a key share of that group.
constexpr const char* kGroupsTerminating[] = {
    "X25519MLKEM768:X25519:P-256:P-384",
    "X25519:P-256:P-384",
};
constexpr const char* kGroupsOriginating[] = {
    "*X25519MLKEM768:*X25519:P-256:P-384",
    "X25519:P-256:P-384",
};
// RSA and DH of 2048 bits, curves of 224, no SHA-1 in signatures.
constexpr int kSecurityLevel = 2;
constexpr size_t kListBytesMax = 4096;
// A client's chain; 10 MB of it are not read (threats B15).
constexpr long kPeerChainBytesMax = 64 * 1024;
// One flight of early data, of which nothing is kept.
constexpr u32 kEarlyBytesSkippedMax = 16 * 1024;

std::string textOf(HfTlsBytes bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.start), bytes.length);
}

// True when the context's list has a suite of this name.
bool hasSuite(SSL_CTX* ctx, std::string_view name) {
  const STACK_OF(SSL_CIPHER)* const suites = SSL_CTX_get_ciphers(ctx);
  for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i) {
    if (name == SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i))) return true;
  }
  return false;
}

// Every name of a list must have become a suite.
std::string checkSuites(SSL_CTX* ctx, const std::string& list) {
  size_t start = 0;
  while (start <= list.size()) {
    const size_t end = std::min(list.find(':', start), list.size());
    const std::string name = list.substr(start, end - start);
    if (!hasSuite(ctx, name)) return "unknown cipher suite \"" + name + "\"";
    start = end + 1;
  }
  return "";
}

std::string applySuites(SSL_CTX* ctx, const HfTlsOptions& options) {
  if (options.suites13.length > kListBytesMax || options.suites12.length > kListBytesMax) {
    return "the list of cipher suites is too long";
  }
  const std::string suites13 =
      options.suites13.length != 0 ? textOf(options.suites13) : std::string(kSuites13);
  const std::string suites12 =
      options.suites12.length != 0 ? textOf(options.suites12) : std::string(kSuites12);
  const bool areSet13 = SSL_CTX_set_ciphersuites(ctx, suites13.c_str()) == 1;
  const bool areSet12 = SSL_CTX_set_cipher_list(ctx, suites12.c_str()) == 1;
  ERR_clear_error();
  const std::string problem = checkSuites(ctx, suites13);
  if (!problem.empty()) return problem;
  const std::string problem12 = checkSuites(ctx, suites12);
  if (!problem12.empty()) return problem12;
  return areSet13 && areSet12 ? "" : "the cipher suites cannot be used";
}

std::string applyGroups(SSL_CTX* ctx, const HfTlsOptions& options) {
  if (options.groups.length > kListBytesMax) return "the list of groups is too long";
  if (options.groups.length != 0) {
    const std::string groups = textOf(options.groups);
    const bool isSet = SSL_CTX_set1_groups_list(ctx, groups.c_str()) == 1;
    ERR_clear_error();
    return isSet ? "" : "unknown key exchange group in \"" + groups + "\"";
  }
  const bool isTerminating = options.role == HF_TLS_TERMINATING;
  for (const char* groups : isTerminating ? kGroupsTerminating : kGroupsOriginating) {
    const bool isSet = SSL_CTX_set1_groups_list(ctx, groups) == 1;
    ERR_clear_error();
    if (isSet) return "";
  }
  return "the library has none of the usual key exchange groups";
}

u64 switches(const HfTlsOptions& options) {
  u64 bits = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
#if defined(SSL_OP_NO_RX_CERTIFICATE_COMPRESSION)
  bits |= SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION;
#endif
  if (options.role == HF_TLS_TERMINATING) {
    bits |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  }
  if (options.areTicketsOff != 0) bits |= SSL_OP_NO_TICKET;
  return bits;
}

}  // namespace

std::string applyPolicy(SSL_CTX* ctx, const HfTlsOptions& options) {
  const bool isModern = options.policy == HF_TLS_POLICY_MODERN;
  if (options.policy > HF_TLS_POLICY_MODERN) return "unknown policy";
  SSL_CTX_set_min_proto_version(ctx, isModern ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_security_level(ctx, kSecurityLevel);
  SSL_CTX_set_options(ctx, switches(options));
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Whole records only: what follows the handshake belongs to the record layer.
  SSL_CTX_set_read_ahead(ctx, 0);
  // None is ever taken. What a client sends all the same, with a ticket that somebody else told it
  // to use so, is skipped up to a limit (RFC 8446 4.2.10): then it goes on without.
  SSL_CTX_set_max_early_data(ctx, 0);
  SSL_CTX_set_recv_max_early_data(ctx, kEarlyBytesSkippedMax);
  SSL_CTX_set_max_cert_list(ctx, kPeerChainBytesMax);
  const std::string problem = applySuites(ctx, options);
  return problem.empty() ? applyGroups(ctx, options) : problem;
}

}  // namespace holdfast::tls
