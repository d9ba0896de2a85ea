// Peers that speak TLS as no library does, against a whole shard with real sockets.
//
// They shake hands by the built-in engine, take its keys, and from there on seal whatever they
// want. What they do may end their own connection, never the shard.
#include "tls/openssl/gateway.h"
#include "tls/record_layer.h"
#include "tls/record_wire.h"
#include "tls/tls_library.h"

namespace holdfast::proxy {
namespace {

// A client of listener kSecured whose records are made by hand.
class Hostile {
 public:
  explicit Hostile(u16 port) : fd_(loopback::connectTo(port)) {
    HfTlsProblem problem;
    shard_ = library_->engine->openShard(&problem);
    HfTlsDomain domain{};
    HfTlsOptions options{};
    options.structBytes = sizeof(options);
    options.role = HF_TLS_ORIGINATING;
    options.policy = HF_TLS_POLICY_MODERN;
    options.isPeerUnchecked = 1;
    options.areTicketsOff = 1;
    options.domains = &domain;
    options.domainsCount = 1;
    config_ = library_->engine->createConfig(shard_, &options, &problem);
    ciphers_ = library_->openCiphers();
    layer_.emplace(*library_->tableOf(ciphers_));
    CHECK(shakeHands());
  }
  Hostile(const Hostile&) = delete;
  Hostile& operator=(const Hostile&) = delete;
  ~Hostile() {
    layer_->end(&state_);
    library_->engine->releaseConfig(config_);
    library_->engine->closeShard(shard_);
    library_->closeCiphers(ciphers_);
    ::close(fd_);
  }

  [[nodiscard]] int fd() const { return fd_; }

  // One record of TLS 1.3.
  std::string sealed(u8 type, std::string_view content) {
    const tls::CipherSuite& suite = tls::suiteOf(state_);
    const size_t length = content.size() + 1 + tls::kTagBytes;
    std::string record(tls::kRecordHeaderBytes + length, '\0');
    u8* const at = reinterpret_cast<u8*>(record.data());
    at[0] = tls::kTypeApplication;
    at[1] = at[2] = 3;
    at[3] = static_cast<u8>(length >> 8);
    at[4] = static_cast<u8>(length);
    u8 nonce[tls::kNonceBytes];
    const auto material = tls::materialOf(state_, tls::Direction::kWrite);
    tls::makeNonce(suite, material.iv, state_.writeSequence++, nullptr, nonce);
    tls::AeadCall call;
    call.state = &state_;
    call.direction = tls::Direction::kWrite;
    call.nonce = nonce;
    call.aad = {at, tls::kRecordHeaderBytes};
    call.input = {reinterpret_cast<const u8*>(content.data()), content.size()};
    call.tail = type;
    call.output = at + tls::kRecordHeaderBytes;
    call.tag = at + tls::kRecordHeaderBytes + content.size() + 1;
    const tls::AeadTable& table = *library_->tableOf(ciphers_);
    CHECK(table.seal(table.self, call));
    return record;
  }

 private:
  bool shakeHands() {
    tls::Handshake handshake = tls::Handshake::create(library_->engine, config_, "a.example");
    std::string input;
    HfTlsStep step = HF_TLS_WANT_INPUT;
    while (step == HF_TLS_WANT_INPUT) {
      u8 output[16384];
      HfTlsIo io;
      step = handshake.step({reinterpret_cast<const u8*>(input.data()), input.size()}, output, &io);
      input.erase(0, io.consumed);
      loopback::sendAll(fd_, {reinterpret_cast<const char*>(output), io.produced});
      if (step != HF_TLS_WANT_INPUT) break;
      char buffer[16384];
      const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      input.append(buffer, static_cast<size_t>(n));
    }
    tls::RecordKeys keys;
    const bool isUp = step == HF_TLS_DONE && handshake.detach(&keys) == HF_TLS_DONE &&
                      layer_->attach(keys, &state_);
    handshake.free();
    return isUp;
  }

  const tls::TlsLibrary* library_ = tls::opensslLibrary();
  int fd_;
  HfTlsShard* shard_ = nullptr;
  HfTlsConfig* config_ = nullptr;
  void* ciphers_ = nullptr;
  std::optional<tls::RecordLayer> layer_;
  tls::RecordState state_;
};

Wishes onTheEngine() {
  Wishes wishes;
  wishes.isDetached = false;
  wishes.tickets = 0;
  return wishes;
}

// An engine that has read half a message cannot write. A shard that tried again would turn for
// ever.
TEST(tlsTunnelsOnTheEngineOutliveHalfAMessage) {
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port(), onTheEngine());
  Hostile hostile(gateway.port(kSecured));
  std::string bytes = hostile.sealed(tls::kTypeApplication, "hello");
  bytes += hostile.sealed(tls::kTypeHandshake, std::string_view("\x18\0\0\1", 4));
  CHECK(loopback::sendAll(hostile.fd(), bytes));
  CHECK(loopback::eventually([&] { return gateway.board().connections() == 0; }));
  CHECK_EQ(gateway.closed(kSecured, CloseReason::kClientTls), 1);
}

}  // namespace
}  // namespace holdfast::proxy
