// Certificates, keys, authorities and revocation lists out of PEM text, with clear complaints.
//
// Control work: runs when a listener's or cluster's options are compiled, never on the path. Errors
// are texts for an operator; an empty text means that all is well.
// Invariant: nothing half loaded is handed out, and nothing without a limit is read.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "tls/engine_abi.h"
#include "tls/library_openssl.h"

namespace holdfast::tls {

inline constexpr size_t kPemBytesMax = 8u << 20;
inline constexpr size_t kChainMax = 16;           // certificates of ours, leaf included
inline constexpr size_t kAuthoritiesMax = 10000;  // a bundle of public roots has about 150
inline constexpr size_t kCrlsMax = 1000;

struct OpensslFree {
  void operator()(BIO* it) const { BIO_free_all(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(X509_CRL* it) const { X509_CRL_free(it); }
  void operator()(X509_STORE* it) const { X509_STORE_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
  void operator()(STACK_OF(X509) * it) const { sk_X509_pop_free(it, X509_free); }
  void operator()(STACK_OF(X509_NAME) * it) const { sk_X509_NAME_pop_free(it, X509_NAME_free); }
};
template <typename T>
using Owned = std::unique_ptr<T, OpensslFree>;

// One pair of ours.
struct LoadedPair {
  Owned<X509> leaf;
  std::vector<Owned<X509>> chain;  // without the leaf
  Owned<EVP_PKEY> key;
  std::vector<u8> staple;
  HfTlsCertificateFacts facts = {};
};

// `nowSeconds` 0: certificates may be out of their time.
[[nodiscard]] std::string loadPair(const HfTlsCertificate& from, i64 nowSeconds, LoadedPair* pair);

// Adds the authorities, and revocation lists when there are some, to a store. `names` may be null;
// it collects the subjects, for the list that clients are shown.
[[nodiscard]] std::string loadAuthorities(HfTlsBytes caPem, HfTlsBytes crlPem, X509_STORE* store,
                                          STACK_OF(X509_NAME) * names);

// Seconds since 1970.
[[nodiscard]] i64 secondsOf(const ASN1_TIME* time);
// "2026-11-21".
[[nodiscard]] std::string dateOf(i64 seconds);

}  // namespace holdfast::tls
