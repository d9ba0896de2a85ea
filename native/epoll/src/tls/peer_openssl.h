// What a certificate says about its owner, as short text for logs, headers and metrics.
//
// Certificates of peers are hostile: names hold NUL bytes, commas and line ends. All text that
// leaves here is printable ASCII with everything else escaped, whole names only, within its buffer.
#pragma once

#include <openssl/x509.h>

#include "tls/engine_abi.h"
#include "tls/library_openssl.h"

namespace holdfast::tls {

// RFC 2253; cut at the end of the buffer. Returns the length.
size_t describeSubject(X509* certificate, char (&output)[HF_TLS_SUBJECT_BYTES_MAX + 1]);
// DNS:a,URI:b,IP:c, as many as fit. Returns the length.
size_t describeAltNames(X509* certificate, char (&output)[HF_TLS_ALT_NAMES_BYTES_MAX + 1]);
// SHA-256 over the whole certificate.
void fingerprintOf(X509* certificate, uint8_t (&output)[32]);
// Appends a text with everything but printable ASCII as \xNN, and `,` and `\` as well. False, and
// nothing appended, when it does not fit.
bool appendEscaped(const unsigned char* text, size_t length, char* output, size_t capacity,
                   size_t* used);

}  // namespace holdfast::tls
