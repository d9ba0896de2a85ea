// Tickets: how a terminating config makes and reads them, with keys that all shards share.
//
// The state of a resumable connection travels encrypted with the client, so there is no cache to
// share or to lock. Keys come from main as plain bytes and rotate there; the first makes tickets,
// the others still read them. A ticket names its key, and inside it the trust that it was made
// under (TlsConfig::Domain::trust), which the library compares.
#pragma once

#include <openssl/ssl.h>

#include "tls/library_openssl.h"

namespace holdfast::tls {

// The callback for SSL_CTX_set_tlsext_ticket_key_evp_cb; the SSL_CTX's app pointer is its Domain.
int onTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int isMaking);

}  // namespace holdfast::tls
