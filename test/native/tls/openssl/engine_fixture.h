// Both ends of a handshake in memory: the engine under test, and the library by itself as its peer.
//
// EngineShard holds what a shard holds; Options builds the plain options that a control plane
// would; Side is one Handshake with the bytes that wait for it; RawPeer is an SSL with memory BIOs.
// join() carries bytes between two ends in pieces of any size until nothing moves.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "tls/handshake.h"
#include "tls/openssl/certificates.h"

#include "check.h"

namespace holdfast::tls {

using Bytes = std::vector<u8>;

// A domain's texts, kept while options borrow them.
struct DomainWish {
  std::vector<std::string> names = {};
  std::vector<const Pair*> pairs = {};
  std::vector<std::string> staples = {};
  std::vector<std::string> alpn = {};
  u32 clientAuth = HF_TLS_CLIENT_AUTH_OFF;
  std::string caPem = {};
  std::string crlPem = {};
  u32 depthMax = 0;
};

class Options {
 public:
  explicit Options(u8 role) {
    options.structBytes = sizeof(options);
    options.role = role;
    options.nowSeconds = std::time(nullptr);
  }
  Options& add(const DomainWish& wish) {
    wishes_.push_back(wish);
    return *this;
  }
  // Null on failure; the problem is in `problem`.
  HfTlsConfig* build(HfTlsShard* shard) {
    domains_.clear();
    parts_.assign(wishes_.size(), {});
    for (size_t i = 0; i < wishes_.size(); ++i) addDomain(wishes_[i], &parts_[i]);
    options.domains = domains_.data();
    options.domainsCount = domains_.size();
    options.suites12 = bytesOfText(suites12);
    options.suites13 = bytesOfText(suites13);
    options.groups = bytesOfText(groups);
    options.name = bytesOfText(name);
    return opensslEngine()->createConfig(shard, &options, &problem);
  }

  HfTlsOptions options = {};
  HfTlsProblem problem = {};
  std::string suites12;
  std::string suites13;
  std::string groups;
  std::string name = "listener";

 private:
  struct Parts {
    std::vector<HfTlsBytes> names;
    std::vector<HfTlsBytes> alpn;
    std::vector<HfTlsCertificate> certificates;
  };

  void addDomain(const DomainWish& wish, Parts* parts) {
    for (const std::string& one : wish.names) parts->names.push_back(bytesOfText(one));
    for (const std::string& one : wish.alpn) parts->alpn.push_back(bytesOfText(one));
    for (size_t i = 0; i < wish.pairs.size(); ++i) {
      HfTlsCertificate certificate = {};
      certificate.chainPem = bytesOfText(wish.pairs[i]->chainPem);
      certificate.keyPem = bytesOfText(wish.pairs[i]->keyPem);
      if (i < wish.staples.size()) certificate.ocspDer = bytesOfText(wish.staples[i]);
      parts->certificates.push_back(certificate);
    }
    HfTlsDomain domain = {};
    domain.names = parts->names.data();
    domain.namesCount = parts->names.size();
    domain.certificates = parts->certificates.data();
    domain.certificatesCount = parts->certificates.size();
    domain.alpn = parts->alpn.data();
    domain.alpnCount = parts->alpn.size();
    domain.clientAuth = wish.clientAuth;
    domain.depthMax = wish.depthMax;
    domain.caPem = bytesOfText(wish.caPem);
    domain.crlPem = bytesOfText(wish.crlPem);
    domains_.push_back(domain);
  }

  std::vector<DomainWish> wishes_;
  std::vector<Parts> parts_;
  std::vector<HfTlsDomain> domains_;
};

class EngineShard {
 public:
  EngineShard() {
    HfTlsProblem problem;
    shard_ = engine->openShard(&problem);
    if (shard_ == nullptr) std::fprintf(stderr, "%s\n", problem.text);
    HF_ASSERT(shard_ != nullptr);
  }
  EngineShard(const EngineShard&) = delete;
  EngineShard& operator=(const EngineShard&) = delete;
  ~EngineShard() {
    for (HfTlsConfig* config : configs_) engine->releaseConfig(config);
    engine->closeShard(shard_);
  }
  [[nodiscard]] HfTlsShard* shard() { return shard_; }
  // The config lives as long as the shard. Null, with a failed check, when it is refused.
  HfTlsConfig* build(Options& options) {
    HfTlsConfig* config = options.build(shard_);
    if (config == nullptr) {
      std::fprintf(stderr, "refused: %s\n", options.problem.text);
      CHECK(config != nullptr);
    } else {
      configs_.push_back(config);
    }
    return config;
  }
  HfTlsConfig* terminating(const DomainWish& wish) {
    Options options(HF_TLS_TERMINATING);
    options.add(wish);
    HfTlsConfig* config = build(options);
    setTicketKeys(config, 1);
    return config;
  }
  // A number chooses the keys; the same number gives the same ones.
  void setTicketKeys(HfTlsConfig* config, u8 first, u8 older = 0) {
    HfTlsTicketKey keys[2];
    std::memset(&keys[0], first, sizeof(keys[0]));
    std::memset(&keys[1], older, sizeof(keys[1]));
    engine->setTicketKeys(config, keys, older != 0 ? 2 : first != 0 ? 1 : 0);
  }

  const HfTlsEngine* engine = opensslEngine();

 private:
  HfTlsShard* shard_ = nullptr;
  std::vector<HfTlsConfig*> configs_;
};

// One end that the engine drives.
class Side {
 public:
  explicit Side(HfTlsConfig* config, std::string_view serverName = {})
      : handshake(Handshake::create(opensslEngine(), config, serverName)) {
    HF_ASSERT(!handshake.isEmpty());
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() { handshake.free(); }

  // Runs one step over what waits; keeps what is left.
  HfTlsStep step(size_t capacity = 64 * 1024) {
    Bytes room(capacity);
    HfTlsIo io;
    last = handshake.step(input, room, &io);
    take(io, room);
    return last;
  }
  void feed(const Bytes& bytes) { input.insert(input.end(), bytes.begin(), bytes.end()); }
  Bytes takeOutput() { return std::exchange(output, {}); }
  [[nodiscard]] bool isDone() const { return last == HF_TLS_DONE; }
  [[nodiscard]] bool isFailed() const { return last == HF_TLS_FAILED; }
  [[nodiscard]] HfTlsNegotiated facts() const {
    HfTlsNegotiated negotiated;
    handshake.negotiated(&negotiated);
    return negotiated;
  }
  [[nodiscard]] HfTlsFailure failure() const {
    HfTlsFailure failure;
    handshake.failure(&failure);
    return failure;
  }

  // With the SSL kept.
  Bytes readPlain(HfTlsStep* step = nullptr) {
    Bytes plain(100'000);
    Bytes room(64 * 1024);
    size_t length = 0;
    HfTlsIo io{input.data(), input.size(), 0, room.data(), room.size(), 0};
    const HfTlsStep result =
        handshake.engine->read(handshake.object, &io, plain.data(), plain.size(), &length);
    if (step != nullptr) *step = result;
    take(io, room);
    plain.resize(length);
    return plain;
  }
  void writePlain(const Bytes& plain) {
    Bytes room(plain.size() * 2 + 4096);
    size_t length = 0;
    HfTlsIo io{input.data(), input.size(), 0, room.data(), room.size(), 0};
    CHECK(handshake.engine->write(handshake.object, &io, plain.data(), plain.size(), &length) ==
          HF_TLS_DONE);
    CHECK_EQ(length, plain.size());
    take(io, room);
  }

  Handshake handshake;
  HfTlsStep last = HF_TLS_WANT_INPUT;
  Bytes input;
  Bytes output;

 private:
  void take(const HfTlsIo& io, const Bytes& room) {
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(io.consumed));
    output.insert(output.end(), room.begin(),
                  room.begin() + static_cast<std::ptrdiff_t>(io.produced));
  }
};

// The library by itself.
class RawPeer {
 public:
  enum class Kind { kAsking, kAnswering };

  explicit RawPeer(Kind kind) : kind_(kind) {
    ctx = SSL_CTX_new(kind == Kind::kAsking ? TLS_client_method() : TLS_server_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer() {
    SSL_free(ssl);
    SSL_CTX_free(ctx);
  }
  void use(const Pair& pair) {
    SSL_CTX_use_certificate(ctx, pair.certificate.get());
    SSL_CTX_use_PrivateKey(ctx, pair.key.get());
  }
  void only(int version) {
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
  }
  void start(const char* serverName = nullptr) {
    ssl = SSL_new(ctx);
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    if (kind_ == Kind::kAsking) {
      SSL_set_connect_state(ssl);
      if (serverName != nullptr) {
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(serverName));
      }
    } else {
      SSL_set_accept_state(ssl);
    }
  }
  void setAlpn(const std::string& wire) {
    SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const u8*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  }
  bool handshake() {
    ERR_clear_error();
    return SSL_do_handshake(ssl) == 1;
  }
  void feed(const Bytes& bytes) {
    if (!bytes.empty()) BIO_write(in, bytes.data(), static_cast<int>(bytes.size()));
  }
  Bytes takeOutput() {
    Bytes bytes(BIO_ctrl_pending(out));
    if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  bool write(const Bytes& plain) {
    size_t written = 0;
    ERR_clear_error();
    return SSL_write_ex(ssl, plain.data(), plain.size(), &written) == 1 && written == plain.size();
  }
  // All that can be read now; `error` gets what stopped it.
  Bytes read(int* error = nullptr) {
    Bytes all;
    Bytes part(20'000);
    size_t length = 0;
    ERR_clear_error();
    while (SSL_read_ex(ssl, part.data(), part.size(), &length) == 1) {
      all.insert(all.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(length));
    }
    if (error != nullptr) *error = SSL_get_error(ssl, 0);
    return all;
  }

  SSL_CTX* ctx = nullptr;
  SSL* ssl = nullptr;
  BIO* in = nullptr;
  BIO* out = nullptr;

 private:
  Kind kind_;
};

// Runs a handshake between an engine's side and the library; pieces of `piece` bytes, 0 for whole
// flights. True when both are done.
inline bool join(Side& side, RawPeer& peer, size_t piece = 0) {
  bool isPeerDone = false;
  for (int round = 0; round < 40; ++round) {
    isPeerDone = peer.handshake();
    Bytes wire = peer.takeOutput();
    const size_t step = piece == 0 ? wire.size() : piece;
    for (size_t at = 0; at < wire.size(); at += step) {
      side.feed(
          Bytes(wire.begin() + static_cast<std::ptrdiff_t>(at),
                wire.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, wire.size()))));
      if (!side.isDone()) side.step();
      if (side.isFailed()) break;
    }
    if (wire.empty() && !side.isDone()) side.step();
    const Bytes answer = side.takeOutput();
    peer.feed(answer);
    if (side.isFailed()) {
      peer.handshake();
      return false;
    }
    if (side.isDone() && isPeerDone && answer.empty()) return true;
    if (wire.empty() && answer.empty()) break;
  }
  return side.isDone() && isPeerDone;
}

// The same between two sides.
inline bool join(Side& a, Side& b) {
  for (int round = 0; round < 20; ++round) {
    if (!a.isDone()) a.step();
    b.feed(a.takeOutput());
    if (a.isFailed()) break;
    if (!b.isDone()) b.step();
    a.feed(b.takeOutput());
    if (b.isFailed()) {
      a.step();
      break;
    }
    if (a.isDone() && b.isDone()) return true;
  }
  return false;
}

}  // namespace holdfast::tls
