// The only place that asks whether the library is there; everything else may rely on it.
#include "tls/library_openssl.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace holdfast::tls {

namespace {

constexpr unsigned kMajor = 3;

// True when every function of the list has an address.
bool isComplete() {
#define HF_OPENSSL_IS_MISSING(name) || reinterpret_cast<void*>(&name) == nullptr
  return !(false HF_OPENSSL_FUNCTIONS(HF_OPENSSL_IS_MISSING));
#undef HF_OPENSSL_IS_MISSING
}

}  // namespace

const char* findOpensslProblem() {
  if (!isComplete()) {
    return "this process has no OpenSSL 3 (Node must be built with it, not with BoringSSL)";
  }
  if (OpenSSL_version_num() >> 28 != kMajor) {
    return "this process has an OpenSSL of another major version than 3";
  }
  return nullptr;
}

std::string takeOpensslError(u32* code) {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  if (code != nullptr) *code = static_cast<u32>(ERR_GET_REASON(first));
  if (first == 0) return "";
  const char* const reason = ERR_reason_error_string(first);
  return reason != nullptr ? reason : "error " + std::to_string(ERR_GET_REASON(first));
}

}  // namespace holdfast::tls
