// TLS clients on the system's OpenSSL; see channel.h.
//
// Flags: --tls 1.3 or 1.2, --suite, --group (X25519), --resume, --server-name. One version, one
// suite and one group are offered, so that every peer is measured with the same; anything else
// fails the handshake.
// Invariant: a channel that waits holds no buffers (SSL_MODE_RELEASE_BUFFERS), and the socket is
// read once for each edge: a short read says that it is empty.
// Does not verify the certificate's issuer: its key signs the handshake, which OpenSSL checks
// always.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "channel.h"
#include "histogram.h"

namespace holdfast::loadgen {

namespace {

constexpr const char* kSuite13 = "TLS_AES_128_GCM_SHA256";
constexpr const char* kSuite12 = "ECDHE-ECDSA-AES128-GCM-SHA256";

std::string lastProblem() {
  char text[256];
  ERR_error_string_n(ERR_peek_error(), text, sizeof text);
  return text;
}

class TlsChannels final : public Channels {
 public:
  explicit TlsChannels(Flags& flags);
  ~TlsChannels() override;
  std::unique_ptr<Channel> open(int fd) override;
  void beginWindow() override;
  std::string recordHello() override;
  std::string failure() const override { return failure_; }
  void report(JsonObject& result) const override;

  // From the channels.
  void finished(SSL* ssl, u64 tookNs);
  void failed() {
    if (failure_.empty()) failure_ = lastProblem();
    ++failures_;
  }
  void truncated() { ++truncations_; }
  void keep(SSL_SESSION* ticket);

 private:
  SSL* create(bool mayResume);

  SSL_CTX* config_ = nullptr;
  BIO_METHOD* method_ = nullptr;
  SSL_SESSION* ticket_ = nullptr;  // the newest one of all connections
  bool isResuming_ = false;
  std::string serverName_;
  std::string negotiated_;  // version, suite and group of the first handshake
  std::string failure_;
  Histogram times_;
  u64 full_ = 0;
  u64 resumed_ = 0;
  u64 failures_ = 0;
  u64 truncations_ = 0;
  u64 others_ = 0;  // handshakes that negotiated something else than the first
};

class TlsChannel final : public Channel {
 public:
  TlsChannel(TlsChannels& owner, SSL* ssl, int fd)
      : owner_(owner), ssl_(ssl), fd_(fd), startedNs_(nowNs()) {}
  ~TlsChannel() override {
    // An end without close_notify would spoil the ticket for the next connection.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
  }

  void readable(bool isEnding) override {
    isDrained_ = false;
    isEnding_ = isEnding_ || isEnding;
  }

  Step shakeHands() override {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
      owner_.finished(ssl_, nowNs() - startedNs_);
      return Step::kDone;
    }
    if (isWaiting(result)) return Step::kAgain;
    owner_.failed();
    if (errno == 0 || errno == EAGAIN) errno = EPROTO;
    return Step::kFailed;
  }

  ssize_t send(std::span<const char> bytes) override {
    if (!flush()) return -1;
    std::size_t done = 0;
    while (done < bytes.size()) {
      std::size_t taken = 0;
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_, bytes.data() + done, bytes.size() - done, &taken);
      if (result != 1 && !isWaiting(result)) return broken();
      if (result != 1) break;
      done += taken;
    }
    if (done < bytes.size()) {
      unsent_ = std::make_unique<std::string>(bytes.data() + done, bytes.size() - done);
    }
    return static_cast<ssize_t>(bytes.size());
  }

  bool flush() override {
    while (unsent_) {
      std::size_t taken = 0;
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_, unsent_->data(), unsent_->size(), &taken);
      if (result != 1) {
        errno = isWaiting(result) ? EAGAIN : EPROTO;
        return false;
      }
      unsent_->erase(0, taken);
      if (unsent_->empty()) unsent_.reset();
    }
    return true;
  }

  ssize_t receive(std::span<char> room) override {
    std::size_t got = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(ssl_, room.data(), room.size(), &got);
    if (result == 1) return static_cast<ssize_t>(got);
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      errno = EAGAIN;
      return -1;
    }
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      owner_.truncated();
      return 0;
    }
    return broken();
  }

  void sayGoodbye() override {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }

  // The socket, as OpenSSL sees it.
  int readSocket(BIO* bio, char* room, int size) {
    BIO_clear_retry_flags(bio);
    if (isDrained_) {
      BIO_set_retry_read(bio);
      errno = EAGAIN;
      return -1;
    }
    const ssize_t got = recv(fd_, room, static_cast<std::size_t>(size), 0);
    isDrained_ = got < size && !isEnding_;
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    if (got == 0) isAtEnd_ = true;
    return static_cast<int>(got);
  }
  int writeSocket(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(fd_, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
  }
  bool isAtEnd() const { return isAtEnd_; }

 private:
  bool isWaiting(int result) const {
    const int error = SSL_get_error(ssl_, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }
  ssize_t broken() {
    // A reset is the socket's errno; what OpenSSL complains about has none.
    if (errno != ECONNRESET && errno != EPIPE) {
      owner_.failed();
      errno = EPROTO;
    }
    return -1;
  }

  TlsChannels& owner_;
  SSL* ssl_;
  int fd_;
  bool isDrained_ = false;
  bool isEnding_ = false;  // the end of the stream is behind what is there
  bool isAtEnd_ = false;
  u64 startedNs_;
  std::unique_ptr<std::string> unsent_;
};

TlsChannel& channelOf(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

int readBio(BIO* bio, char* room, int size) { return channelOf(bio).readSocket(bio, room, size); }

int writeBio(BIO* bio, const char* bytes, int size) {
  return channelOf(bio).writeSocket(bio, bytes, size);
}

long controlBio(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return channelOf(bio).isAtEnd() ? 1 : 0;
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

int keepTicket(SSL* ssl, SSL_SESSION* ticket) {
  static_cast<TlsChannels*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->keep(ticket);
  return 1;
}

TlsChannels::TlsChannels(Flags& flags) : config_(SSL_CTX_new(TLS_client_method())) {
  const std::string version = flags.text("tls", "1.3");
  const bool is13 = version == "1.3";
  if (!is13 && version != "1.2") fail("--tls is 1.3 or 1.2, not \"%s\"", version.c_str());
  const std::string suite = flags.text("suite", is13 ? kSuite13 : kSuite12);
  const std::string group = flags.text("group", "X25519");
  // A certificate's curve has to be among the groups of TLS 1.2 (RFC 8422 5.1).
  const std::string groups = is13 ? group : group + ":P-256";
  serverName_ = flags.text("server-name", "bench.test");
  isResuming_ = flags.isSet("resume");
  const int number = is13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (config_ == nullptr || SSL_CTX_set_min_proto_version(config_, number) != 1 ||
      SSL_CTX_set_max_proto_version(config_, number) != 1) {
    fail("OpenSSL has no TLS %s", version.c_str());
  }
  const int isKnown = is13 ? SSL_CTX_set_ciphersuites(config_, suite.c_str())
                           : SSL_CTX_set_cipher_list(config_, suite.c_str());
  if (isKnown != 1) fail("OpenSSL does not know the suite %s", suite.c_str());
  if (SSL_CTX_set1_groups_list(config_, groups.c_str()) != 1)
    fail("OpenSSL does not know the group %s", group.c_str());
  SSL_CTX_set_mode(config_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(config_, 1);
  SSL_CTX_set_verify(config_, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_app_data(config_, this);
  SSL_CTX_set_session_cache_mode(config_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(config_, keepTicket);
  method_ = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "edge");
  BIO_meth_set_read(method_, readBio);
  BIO_meth_set_write(method_, writeBio);
  BIO_meth_set_ctrl(method_, controlBio);
}

TlsChannels::~TlsChannels() {
  SSL_SESSION_free(ticket_);
  SSL_CTX_free(config_);
  BIO_meth_free(method_);
}

void TlsChannels::keep(SSL_SESSION* ticket) {
  if (!isResuming_) {
    SSL_SESSION_free(ticket);
    return;
  }
  SSL_SESSION_free(ticket_);
  ticket_ = ticket;
}

SSL* TlsChannels::create(bool mayResume) {
  SSL* ssl = SSL_new(config_);
  if (ssl == nullptr) fail("OpenSSL has no memory for a connection");
  SSL_set_connect_state(ssl);
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, serverName_.data());
  if (!mayResume || ticket_ == nullptr) return ssl;
  // OpenSSL uses a ticket of TLS 1.3 once, and a peer need not give a new one each time.
  SSL_SESSION* copy = SSL_SESSION_dup(ticket_);
  SSL_set_session(ssl, copy);
  SSL_SESSION_free(copy);
  return ssl;
}

std::unique_ptr<Channel> TlsChannels::open(int fd) {
  SSL* ssl = create(isResuming_);
  BIO* bio = BIO_new(method_);
  auto channel = std::make_unique<TlsChannel>(*this, ssl, fd);
  BIO_set_data(bio, channel.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return channel;
}

std::string TlsChannels::recordHello() {
  SSL* ssl = create(false);
  BIO* wire = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), wire);
  SSL_do_handshake(ssl);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(wire, &bytes);
  std::string hello(bytes, static_cast<std::size_t>(size));
  SSL_free(ssl);
  return hello;
}

void TlsChannels::finished(SSL* ssl, u64 tookNs) {
  const bool isResumed = SSL_session_reused(ssl) == 1;
  ++(isResumed ? resumed_ : full_);
  times_.record(tookNs);
  std::string found = SSL_get_version(ssl);
  found.append(" ").append(SSL_get_cipher_name(ssl));
  // A resumed connection of TLS 1.2 exchanges no keys.
  if (isResumed) {
    if (!negotiated_.starts_with(found)) ++others_;
    return;
  }
  const char* group = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(ssl)));
  found.append(" ").append(group == nullptr ? "?" : group);
  if (negotiated_.empty()) negotiated_ = found;
  if (found != negotiated_) ++others_;
}

void TlsChannels::beginWindow() {
  times_ = Histogram();
  full_ = resumed_ = failures_ = truncations_ = 0;
}

void TlsChannels::report(JsonObject& result) const {
  JsonObject tls;
  tls.text("negotiated", negotiated_).number("others", others_);
  tls.number("full", full_).number("resumed", resumed_).number("failed", failures_);
  tls.number("truncated", truncations_).text("failure", failure_);
  result.nested("tls", tls.str()).nested("handshake", times_.json());
}

}  // namespace

std::unique_ptr<Channels> createChannels(Flags& flags) {
  if (flags.text("tls", "").empty()) return nullptr;
  return std::make_unique<TlsChannels>(flags);
}

}  // namespace holdfast::loadgen
