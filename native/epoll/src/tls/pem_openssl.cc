// PEM blocks of other kinds between the wanted ones are skipped, as other programs do; a block that
// cannot be read is an error, wherever it stands.
#include "tls/pem_openssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "tls/peer_openssl.h"

namespace holdfast::tls {

namespace {

// Keys with a password are refused: nobody is there to type it.
int refusePassword(char*, int, int, void* wasAsked) {
  *static_cast<bool*>(wasAsked) = true;
  return -1;
}

Owned<BIO> textOf(HfTlsBytes bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.start, static_cast<int>(bytes.length)));
}

// True, with the error queue empty, when reading stopped because there was no further block.
bool wasEnd() {
  const unsigned long error = ERR_peek_last_error();
  const bool isEnd =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (isEnd || error == 0) ERR_clear_error();
  return isEnd || error == 0;
}

// Reads every certificate of a text, at most `most`.
std::string readCertificates(HfTlsBytes pem, size_t most, std::vector<Owned<X509>>* out) {
  if (pem.length == 0) return "";
  if (pem.length > kPemBytesMax) return "the text is larger than 8 MiB";
  const Owned<BIO> text = textOf(pem);
  if (text == nullptr) return "no memory";
  for (;;) {
    Owned<X509> one(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    if (one == nullptr) break;
    if (out->size() == most) return "more than " + std::to_string(most) + " certificates";
    out->push_back(std::move(one));
  }
  return wasEnd() ? "" : "a certificate cannot be read: " + takeOpensslError();
}

const char* keyKindOf(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return "RSA";
    case EVP_PKEY_RSA_PSS:
      return "RSA-PSS";
    case EVP_PKEY_EC:
      return "EC";
    case EVP_PKEY_ED25519:
      return "ED25519";
    case EVP_PKEY_ED448:
      return "ED448";
    default:
      return "other";
  }
}

std::string readKey(HfTlsBytes pem, Owned<EVP_PKEY>* key) {
  if (pem.length > kPemBytesMax) return "the key's text is larger than 8 MiB";
  const std::string_view whole(reinterpret_cast<const char*>(pem.start), pem.length);
  if (whole.find("PRIVATE KEY-----") == std::string_view::npos) {
    return "there is no private key in the key's text";
  }
  const Owned<BIO> text = textOf(pem);
  if (text == nullptr) return "no memory";
  bool wasAsked = false;
  key->reset(PEM_read_bio_PrivateKey(text.get(), nullptr, refusePassword, &wasAsked));
  if (*key != nullptr) return "";
  if (wasAsked) {
    ERR_clear_error();
    return "the key is protected by a password";
  }
  return "the key cannot be read: " + takeOpensslError();
}

std::string checkTimes(const LoadedPair& pair, i64 nowSeconds) {
  if (nowSeconds == 0) return "";
  const HfTlsCertificateFacts& facts = pair.facts;
  if (facts.notAfter <= nowSeconds) {
    const bool isLeaf = secondsOf(X509_get0_notAfter(pair.leaf.get())) == facts.notAfter;
    return std::string(isLeaf ? "the certificate" : "a certificate of the chain") + " expired on " +
           dateOf(facts.notAfter);
  }
  if (facts.notBefore > nowSeconds) {
    return "the certificate is not valid before " + dateOf(facts.notBefore);
  }
  return "";
}

}  // namespace

i64 secondsOf(const ASN1_TIME* time) {
  std::tm parts = {};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? i64{timegm(&parts)} : 0;
}

std::string dateOf(i64 seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts = {};
  char text[32] = "an unknown date";
  if (gmtime_r(&time, &parts) != nullptr) std::strftime(text, sizeof(text), "%Y-%m-%d", &parts);
  return text;
}

std::string loadPair(const HfTlsCertificate& from, i64 nowSeconds, LoadedPair* pair) {
  ERR_clear_error();
  std::vector<Owned<X509>> chain;
  const std::string problem = readCertificates(from.chainPem, kChainMax, &chain);
  if (!problem.empty()) return problem;
  if (chain.empty()) return "there is no certificate in the certificate's text";
  const std::string keyProblem = readKey(from.keyPem, &pair->key);
  if (!keyProblem.empty()) return keyProblem;

  pair->leaf = std::move(chain.front());
  chain.erase(chain.begin());
  pair->chain = std::move(chain);
  if (X509_check_private_key(pair->leaf.get(), pair->key.get()) != 1) {
    ERR_clear_error();
    return "the key does not belong to the certificate";
  }
  HfTlsCertificateFacts& facts = pair->facts;
  facts.notBefore = secondsOf(X509_get0_notBefore(pair->leaf.get()));
  facts.notAfter = secondsOf(X509_get0_notAfter(pair->leaf.get()));
  for (const Owned<X509>& one : pair->chain) {
    facts.notAfter = std::min(facts.notAfter, secondsOf(X509_get0_notAfter(one.get())));
  }
  describeSubject(pair->leaf.get(), facts.subject);
  fingerprintOf(pair->leaf.get(), facts.fingerprint);
  std::snprintf(facts.keyKind, sizeof(facts.keyKind), "%s", keyKindOf(pair->key.get()));
  if (from.ocspDer.length > 0xffff) return "the OCSP answer is larger than 64 KiB";
  if (from.ocspDer.length != 0) {
    pair->staple.assign(from.ocspDer.start, from.ocspDer.start + from.ocspDer.length);
  }
  return checkTimes(*pair, nowSeconds);
}

std::string loadAuthorities(HfTlsBytes caPem, HfTlsBytes crlPem, X509_STORE* store,
                            STACK_OF(X509_NAME) * names) {
  ERR_clear_error();
  std::vector<Owned<X509>> authorities;
  const std::string problem = readCertificates(caPem, kAuthoritiesMax, &authorities);
  if (!problem.empty()) return "in the CA's text " + problem;
  if (authorities.empty()) return "there is no certificate in the CA's text";
  for (const Owned<X509>& one : authorities) {
    if (X509_STORE_add_cert(store, one.get()) != 1) return takeOpensslError();
    if (names == nullptr) continue;
    X509_NAME* const name = X509_NAME_dup(X509_get_subject_name(one.get()));
    if (name == nullptr || sk_X509_NAME_push(names, name) == 0) return "no memory";
  }
  if (crlPem.length == 0) return "";
  if (crlPem.length > kPemBytesMax) return "the CRL's text is larger than 8 MiB";
  const Owned<BIO> text = textOf(crlPem);
  if (text == nullptr) return "no memory";
  size_t count = 0;
  for (;;) {
    const Owned<X509_CRL> crl(PEM_read_bio_X509_CRL(text.get(), nullptr, nullptr, nullptr));
    if (crl == nullptr) break;
    if (++count > kCrlsMax) return "more than " + std::to_string(kCrlsMax) + " CRLs";
    if (X509_STORE_add_crl(store, crl.get()) != 1) return takeOpensslError();
  }
  if (!wasEnd()) return "a CRL cannot be read: " + takeOpensslError();
  if (count == 0) return "there is no CRL in the CRL's text";
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return "";
}

}  // namespace holdfast::tls
