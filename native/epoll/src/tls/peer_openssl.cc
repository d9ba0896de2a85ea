// Lengths come from the encoding, never from a terminating NUL.
#include "tls/peer_openssl.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace holdfast::tls {

namespace {

constexpr int kAltNamesMax = 64;  // looked at

bool appendText(const char* text, char* output, size_t capacity, size_t* used) {
  const size_t length = std::strlen(text);
  if (length > capacity - *used) return false;
  std::memcpy(output + *used, text, length);
  *used += length;
  return true;
}

bool appendAddress(const ASN1_OCTET_STRING* address, char* output, size_t capacity, size_t* used) {
  const int length = ASN1_STRING_length(address);
  if (length != 4 && length != 16) return true;
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof(text));
  return appendText("IP:", output, capacity, used) && appendText(text, output, capacity, used);
}

// Nothing is appended for kinds that are not shown.
bool appendAltName(const GENERAL_NAME* name, char* output, size_t capacity, size_t* used) {
  int kind = 0;
  const void* const value = GENERAL_NAME_get0_value(name, &kind);
  if (kind == GEN_IPADD) {
    return appendAddress(static_cast<const ASN1_OCTET_STRING*>(value), output, capacity, used);
  }
  const char* const prefix = kind == GEN_DNS     ? "DNS:"
                             : kind == GEN_URI   ? "URI:"
                             : kind == GEN_EMAIL ? "email:"
                                                 : nullptr;
  if (prefix == nullptr) return true;
  const auto* const text = static_cast<const ASN1_STRING*>(value);
  return appendText(prefix, output, capacity, used) &&
         appendEscaped(ASN1_STRING_get0_data(text), static_cast<size_t>(ASN1_STRING_length(text)),
                       output, capacity, used);
}

}  // namespace

bool appendEscaped(const unsigned char* text, size_t length, char* output, size_t capacity,
                   size_t* used) {
  constexpr char kDigits[] = "0123456789abcdef";
  size_t at = *used;
  for (size_t i = 0; i < length; ++i) {
    const unsigned char byte = text[i];
    const bool isPlain = byte > 0x20 && byte < 0x7f && byte != ',' && byte != '\\';
    const size_t needed = isPlain ? 1 : 4;
    if (needed > capacity - at) return false;
    if (isPlain) {
      output[at++] = static_cast<char>(byte);
    } else {
      const char escaped[] = {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      std::memcpy(output + at, escaped, sizeof(escaped));
      at += sizeof(escaped);
    }
  }
  *used = at;
  return true;
}

size_t describeSubject(X509* certificate, char (&output)[HF_TLS_SUBJECT_BYTES_MAX + 1]) {
  output[0] = '\0';
  BIO* const text = BIO_new(BIO_s_mem());
  if (text == nullptr) return 0;
  // RFC 2253 escapes control bytes and everything above ASCII.
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* start = nullptr;
  const long length = BIO_get_mem_data(text, &start);
  const size_t kept =
      length > 0 ? std::min(static_cast<size_t>(length), size_t{HF_TLS_SUBJECT_BYTES_MAX}) : 0;
  if (kept != 0) std::memcpy(output, start, kept);
  output[kept] = '\0';
  BIO_free_all(text);
  return kept;
}

size_t describeAltNames(X509* certificate, char (&output)[HF_TLS_ALT_NAMES_BYTES_MAX + 1]) {
  output[0] = '\0';
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return 0;
  size_t used = 0;
  const int count = std::min(sk_GENERAL_NAME_num(names), kAltNamesMax);
  for (int i = 0; i < count; ++i) {
    const size_t before = used;
    size_t next = used;
    const bool hasComma = used == 0 || appendText(",", output, HF_TLS_ALT_NAMES_BYTES_MAX, &next);
    const size_t start = next;
    if (!hasComma || !appendAltName(sk_GENERAL_NAME_value(names, i), output,
                                    HF_TLS_ALT_NAMES_BYTES_MAX, &next)) {
      used = before;
      break;
    }
    if (next != start) used = next;
  }
  output[used] = '\0';
  GENERAL_NAMES_free(names);
  return used;
}

void fingerprintOf(X509* certificate, uint8_t (&output)[32]) {
  unsigned length = 0;
  std::memset(output, 0, sizeof(output));
  X509_digest(certificate, EVP_sha256(), output, &length);
}

}  // namespace holdfast::tls
