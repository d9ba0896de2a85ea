// The built-in engine: the C table of engine_abi.h over the C++ classes of the *_openssl files.
//
// Every entry checks nothing that its caller promises, and passes on. The opaque types of the table
// are the classes themselves.
// Invariant: nothing of the library is touched before openShard() has found it usable.
#include <new>

#include "tls/aead_openssl.h"
#include "tls/handshake.h"
#include "tls/handshake_openssl.h"
#include "tls/tls_library.h"

namespace holdfast::tls {

namespace {

ShardOpenssl* of(HfTlsShard* shard) { return reinterpret_cast<ShardOpenssl*>(shard); }
TlsConfig* of(HfTlsConfig* config) { return reinterpret_cast<TlsConfig*>(config); }
const TlsConfig* of(const HfTlsConfig* config) {
  return reinterpret_cast<const TlsConfig*>(config);
}
HandshakeOpenssl* of(HfTlsHandshake* handshake) {
  return reinterpret_cast<HandshakeOpenssl*>(handshake);
}
const HandshakeOpenssl* of(const HfTlsHandshake* handshake) {
  return reinterpret_cast<const HandshakeOpenssl*>(handshake);
}

HfTlsShard* openShard(HfTlsProblem* problem) {
  problem->domain = problem->certificate = HF_TLS_NONE;
  const char* text = findOpensslProblem();
  if (text == nullptr) {
    auto* const shard = new (std::nothrow) ShardOpenssl;
    if (shard != nullptr && shard->start()) return reinterpret_cast<HfTlsShard*>(shard);
    delete shard;
    text = "this process's OpenSSL lacks HKDF, TLS1-PRF or AES-256-CBC";
  }
  std::snprintf(problem->text, sizeof(problem->text), "%s", text);
  return nullptr;
}

void closeShard(HfTlsShard* shard) { delete of(shard); }

HfTlsConfig* createConfig(HfTlsShard* shard, const HfTlsOptions* options, HfTlsProblem* problem) {
  return reinterpret_cast<HfTlsConfig*>(TlsConfig::create(*of(shard), *options, problem));
}

void releaseConfig(HfTlsConfig* config) { of(config)->release(); }

void setTicketKeys(HfTlsConfig* config, const HfTlsTicketKey* keys, size_t count) {
  of(config)->setTicketKeys({keys, count});
}

int certificateFacts(const HfTlsConfig* config, size_t index, HfTlsCertificateFacts* facts) {
  if (index >= of(config)->facts().size()) return 0;
  *facts = of(config)->facts()[index];
  return 1;
}

HfTlsHandshake* create(HfTlsConfig* config, HfTlsBytes serverName) {
  return reinterpret_cast<HfTlsHandshake*>(HandshakeOpenssl::create(*of(config), serverName));
}

HfTlsStep step(HfTlsHandshake* handshake, HfTlsIo* io) { return of(handshake)->step(io); }

void negotiated(const HfTlsHandshake* handshake, HfTlsNegotiated* out) {
  of(handshake)->negotiated(out);
}

void failure(const HfTlsHandshake* handshake, HfTlsFailure* out) {
  *out = of(handshake)->failure();
}

HfTlsStep detach(HfTlsHandshake* handshake, HfTlsRecordKeys* keys) {
  return of(handshake)->detach(keys);
}

HfTlsStep read(HfTlsHandshake* handshake, HfTlsIo* io, uint8_t* plain, size_t capacity,
               size_t* length) {
  return of(handshake)->read(io, {plain, capacity}, length);
}

HfTlsStep write(HfTlsHandshake* handshake, HfTlsIo* io, const uint8_t* plain, size_t count,
                size_t* length) {
  return of(handshake)->write(io, {plain, count}, length);
}

HfTlsStep close(HfTlsHandshake* handshake, HfTlsIo* io) { return of(handshake)->close(io); }

uint32_t ticketsReceived(const HfTlsHandshake* handshake) {
  return of(handshake)->ticketsReceived();
}

void freeHandshake(HfTlsHandshake* handshake) { delete of(handshake); }

constexpr HfTlsEngine kEngine = {
    HF_TLS_ENGINE_ABI_VERSION,
    sizeof(HfTlsEngine),
    "openssl",
    openShard,
    closeShard,
    createConfig,
    releaseConfig,
    setTicketKeys,
    certificateFacts,
    create,
    step,
    negotiated,
    failure,
    detach,
    read,
    write,
    close,
    ticketsReceived,
    freeHandshake,
};

void* openCiphers() {
  if (findOpensslProblem() != nullptr) return nullptr;
  auto* const ciphers = new (std::nothrow) AeadOpenssl;
  if (ciphers != nullptr && ciphers->start()) return ciphers;
  delete ciphers;
  return nullptr;
}

void closeCiphers(void* ciphers) { delete static_cast<AeadOpenssl*>(ciphers); }

const AeadTable* tableOf(void* ciphers) { return &static_cast<AeadOpenssl*>(ciphers)->table(); }

constexpr TlsLibrary kLibrary = {&kEngine, openCiphers, closeCiphers, tableOf};

}  // namespace

const TlsLibrary* opensslLibrary() { return &kLibrary; }

const HfTlsEngine* opensslEngine() { return &kEngine; }

}  // namespace holdfast::tls
