// AES-256-CBC and HMAC-SHA-256, encrypt then mac, as RFC 5077 4 recommends.
#include "tls/tickets_openssl.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "tls/tls_config_openssl.h"

namespace holdfast::tls {

namespace {

constexpr int kFailed = -1;
constexpr int kUnknown = 0;
constexpr int kKnown = 1;
constexpr int kKnownRenew = 2;

bool setMacKey(EVP_MAC_CTX* mac, const HfTlsTicketKey& key) {
  // The library takes parameters as mutable memory and only reads them.
  u8 macKey[sizeof(key.macKey)];
  std::memcpy(macKey, key.macKey, sizeof(macKey));
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, macKey, sizeof(macKey)),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  const bool isSet = EVP_MAC_CTX_set_params(mac, parameters) == 1;
  wipeBytes(macKey, sizeof(macKey));
  return isSet;
}

}  // namespace

int onTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int isMaking) {
  const auto* const domain =
      static_cast<TlsConfig::Domain*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  TlsConfig& config = *domain->config;
  const std::vector<HfTlsTicketKey>& keys = config.ticketKeys();
  EVP_CIPHER* const kind = config.shard().ticketCipher;
  if (isMaking != 0) {
    if (keys.empty()) return kUnknown;
    const HfTlsTicketKey& key = keys.front();
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1) return kFailed;
    std::memcpy(name, key.name, sizeof(key.name));
    const bool isSet =
        EVP_EncryptInit_ex2(cipher, kind, key.cipherKey, iv, nullptr) == 1 && setMacKey(mac, key);
    return isSet ? kKnown : kFailed;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (CRYPTO_memcmp(name, keys[i].name, sizeof(keys[i].name)) != 0) continue;
    const bool isSet = EVP_DecryptInit_ex2(cipher, kind, keys[i].cipherKey, iv, nullptr) == 1 &&
                       setMacKey(mac, keys[i]);
    if (!isSet) return kFailed;
    // In TLS 1.3 a ticket is used once (RFC 8446 C.4), so there is always a next one.
    return i != 0 || SSL_version(ssl) == TLS1_3_VERSION ? kKnownRenew : kKnown;
  }
  return kUnknown;
}

}  // namespace holdfast::tls
