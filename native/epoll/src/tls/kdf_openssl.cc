// The library takes parameters as mutable memory and only reads them; so they are copied first.
#include "tls/kdf_openssl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "tls/library_openssl.h"

namespace holdfast::tls {

namespace {

constexpr size_t kSeedBytesMax = 128;

// Copies of one derivation's inputs.
struct Inputs {
  char digest[8] = {};
  u8 secret[HF_TLS_SECRET_BYTES_MAX] = {};
  u8 seed[kSeedBytesMax] = {};

  Inputs(Hash hash, std::span<const u8> secretBytes) {
    HF_ASSERT(secretBytes.size() <= sizeof(secret));
    std::memcpy(digest, hash == Hash::kSha256 ? "SHA256" : "SHA384", 7);
    std::memcpy(secret, secretBytes.data(), secretBytes.size());
  }
  ~Inputs() { wipeBytes(secret, sizeof(secret)); }
};

bool derive(void* fetched, std::span<u8> output, const OSSL_PARAM* parameters) {
  EVP_KDF_CTX* const kdf = EVP_KDF_CTX_new(static_cast<EVP_KDF*>(fetched));
  if (kdf == nullptr) return false;
  const bool isDone = EVP_KDF_derive(kdf, output.data(), output.size(), parameters) == 1;
  EVP_KDF_CTX_free(kdf);
  if (!isDone) ERR_clear_error();
  return isDone;
}

}  // namespace

Kdf::~Kdf() {
  if (hkdf_ != nullptr) EVP_KDF_free(static_cast<EVP_KDF*>(hkdf_));
  if (prf_ != nullptr) EVP_KDF_free(static_cast<EVP_KDF*>(prf_));
}

bool Kdf::start() {
  hkdf_ = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  prf_ = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
  return hkdf_ != nullptr && prf_ != nullptr;
}

bool Kdf::expand(void* self, Hash hash, std::span<const u8> secret, std::span<const u8> info,
                 std::span<u8> output) {
  Inputs inputs(hash, secret);
  HF_ASSERT(info.size() <= kSeedBytesMax);
  std::memcpy(inputs.seed, info.data(), info.size());
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, inputs.digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, inputs.secret, secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, inputs.seed, info.size()),
      OSSL_PARAM_construct_end(),
  };
  return derive(static_cast<Kdf*>(self)->hkdf_, output, parameters);
}

bool Kdf::prf12(Hash hash, std::span<const u8> secret, std::string_view label,
                std::span<const u8> seed, std::span<u8> output) {
  Inputs inputs(hash, secret);
  HF_ASSERT(label.size() + seed.size() <= kSeedBytesMax);
  std::memcpy(inputs.seed, label.data(), label.size());
  std::memcpy(inputs.seed + label.size(), seed.data(), seed.size());
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, inputs.digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, inputs.secret, secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, inputs.seed,
                                        label.size() + seed.size()),
      OSSL_PARAM_construct_end(),
  };
  return derive(prf_, output, parameters);
}

}  // namespace holdfast::tls
