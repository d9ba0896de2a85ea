// Certificates made on the spot: an authority, what it issues, and what it revokes.
//
// Everything comes as PEM text, as a configuration would bring it. Keys are small and fresh; times
// are seconds from now. Test code: it calls the library without looking for failures it cannot
// have.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "tls/engine_abi.h"

namespace holdfast::tls {

inline HfTlsBytes bytesOfText(const std::string& text) {
  return HfTlsBytes{reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

enum class KeyKind { kEc, kRsa, kEd25519 };

struct Pair {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
  std::string chainPem;
  std::string keyPem;
};

struct Wish {
  std::string commonName = "a.example";
  std::string altNames = "DNS:a.example,DNS:*.wild.example";
  KeyKind kind = KeyKind::kEc;
  long from = -3600;
  long until = 86400;
  bool isAuthority = false;
  // Taken as they are, so that they may hold what no tool would write.
  std::string rawDnsName;
};

inline std::shared_ptr<EVP_PKEY> makeKey(KeyKind kind) {
  EVP_PKEY* key = kind == KeyKind::kEc    ? EVP_EC_gen("P-256")
                  : kind == KeyKind::kRsa ? EVP_RSA_gen(2048)
                                          : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

inline std::string pemOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* start = nullptr;
  const long length = BIO_get_mem_data(bio, &start);
  std::string pem(start, static_cast<size_t>(length));
  BIO_free(bio);
  return pem;
}

inline std::string pemOf(EVP_PKEY* key, const char* password = nullptr) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(bio, key, password != nullptr ? EVP_aes_128_cbc() : nullptr,
                                password, password != nullptr ? 4 : 0, nullptr, nullptr);
  char* start = nullptr;
  const long length = BIO_get_mem_data(bio, &start);
  std::string pem(start, static_cast<size_t>(length));
  BIO_free(bio);
  return pem;
}

inline void addExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX about;
  X509V3_set_ctx_nodb(&about);
  X509V3_set_ctx(&about, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &about, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// `issuer` null: signed by itself.
inline Pair issue(const Pair* issuer, const Wish& wish) {
  static long serial = 1000;
  Pair pair;
  pair.key = makeKey(wish.kind);
  X509* certificate = X509_new();
  pair.certificate = std::shared_ptr<X509>(certificate, X509_free);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.until);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("Holdfast test"), -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.commonName.data()),
                             static_cast<int>(wish.commonName.size()), -1, 0);
  X509* const signer = issuer != nullptr ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_set_pubkey(certificate, pair.key.get());
  addExtension(certificate, signer, NID_basic_constraints,
               wish.isAuthority ? "critical,CA:TRUE" : "CA:FALSE");
  addExtension(certificate, signer, NID_subject_key_identifier, "hash");
  if (!wish.altNames.empty() && !wish.isAuthority) {
    addExtension(certificate, signer, NID_subject_alt_name, wish.altNames.c_str());
  }
  if (!wish.rawDnsName.empty()) {
    GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME* one = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, wish.rawDnsName.data(), static_cast<int>(wish.rawDnsName.size()));
    GENERAL_NAME_set0_value(one, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, one);
    X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE);
    GENERAL_NAMES_free(names);
  }
  EVP_PKEY* const signingKey = issuer != nullptr ? issuer->key.get() : pair.key.get();
  const bool isEd = EVP_PKEY_get_base_id(signingKey) == EVP_PKEY_ED25519;
  X509_sign(certificate, signingKey, isEd ? nullptr : EVP_sha256());
  pair.chainPem = pemOf(certificate);
  pair.keyPem = pemOf(pair.key.get());
  return pair;
}

inline Pair makeAuthority(const std::string& name = "Test Authority") {
  Wish wish;
  wish.commonName = name;
  wish.isAuthority = true;
  return issue(nullptr, wish);
}

// The authority's list of revoked certificates.
inline std::string revoke(const Pair& authority, const std::vector<const Pair*>& revoked) {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority.certificate.get()));
  ASN1_TIME* time = X509_gmtime_adj(nullptr, -60);
  X509_CRL_set1_lastUpdate(crl, time);
  X509_gmtime_adj(time, 86400);
  X509_CRL_set1_nextUpdate(crl, time);
  for (const Pair* one : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->certificate.get()));
    X509_gmtime_adj(time, -30);
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl, entry);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(crl);
  X509_CRL_sign(crl, authority.key.get(), EVP_sha256());
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_CRL(bio, crl);
  char* start = nullptr;
  const long length = BIO_get_mem_data(bio, &start);
  std::string pem(start, static_cast<size_t>(length));
  BIO_free(bio);
  X509_CRL_free(crl);
  return pem;
}

}  // namespace holdfast::tls
