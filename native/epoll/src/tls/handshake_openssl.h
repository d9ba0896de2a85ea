// HandshakeOpenssl: one TLS handshake on an SSL object, from bytes to bytes, until it can detach.
//
// The SSL reads and writes through a BIO that is this object: input comes from the span of the
// present call, output goes into the buffer of the present call. The BIO hands out whole records
// only, so between two calls the library never holds a part of one, and what lies behind the
// handshake is still the caller's. Two of the library's callbacks deliver what detaching needs: the
// key log gives the application traffic secrets, the message callback counts records under the
// present keys. It also serves connections that keep their SSL (read, write, close).
// Invariant: the error queue is empty before and after each call; secrets are wiped with the
// object.
#pragma once

#include "tls/tls_config_openssl.h"

namespace holdfast::tls {

class HandshakeOpenssl {
 public:
  // Null when memory is short or the name cannot be asked for. Keeps the config alive.
  static HandshakeOpenssl* create(TlsConfig& config, HfTlsBytes serverName);
  HandshakeOpenssl(const HandshakeOpenssl&) = delete;
  HandshakeOpenssl& operator=(const HandshakeOpenssl&) = delete;
  ~HandshakeOpenssl();

  HfTlsStep step(HfTlsIo* io);
  HfTlsStep read(HfTlsIo* io, std::span<u8> plain, size_t* length);
  HfTlsStep write(HfTlsIo* io, std::span<const u8> plain, size_t* length);
  HfTlsStep close(HfTlsIo* io);
  HfTlsStep detach(HfTlsRecordKeys* keys);
  void negotiated(HfTlsNegotiated* out) const;
  [[nodiscard]] const HfTlsFailure& failure() const { return failure_; }
  [[nodiscard]] u32 ticketsReceived() const { return ticketsReceived_; }

 private:
  friend void installCallbacks(SSL_CTX* ctx);
  friend int onTicketReceived(SSL* ssl, SSL_SESSION* ticket);

  // One direction as the library's callbacks tell it.
  struct Way {
    u8 secret[HF_TLS_SECRET_BYTES_MAX] = {};
    u8 secretBytes = 0;
    bool isFinished = false;  // Finished went this way
    u64 records = 0;          // with the present keys
  };

  explicit HandshakeOpenssl(TlsConfig& config) : config_(config) {}
  bool start(HfTlsBytes serverName);
  bool startOriginating(HfTlsBytes serverName);
  void begin(HfTlsIo* io);
  // What became of a call that returned `result`.
  HfTlsStep end(int result);
  HfTlsStep fail(const char* reason);
  HfTlsStep refuseLongHello(HfTlsIo* io);
  void putAlert(HfTlsIo* io, u8 alert);
  [[nodiscard]] bool isDetachable() const;
  [[nodiscard]] bool deriveKeys12(const CipherSuite& suite, HfTlsRecordKeys* keys) const;
  void updateSecret(Way* way);

  // Bytes of the input that the library may have: the rest of a record, or a whole one. 0: not yet.
  [[nodiscard]] size_t readable();
  friend int readSome(BIO* bio, char* output, size_t most, size_t* length);
  friend int writeSome(BIO* bio, const char* bytes, size_t count, size_t* length);

  static int onClientHello(SSL* ssl, int* alert, void* argument);
  static void onKey(const SSL* ssl, const char* line);
  static void onMessage(int isWrite, int version, int type, const void* bytes, size_t length,
                        SSL* ssl, void* argument);
  int chooseDomain(int* alert);

  TlsConfig& config_;
  TlsConfig::Domain* domain_ = nullptr;
  SSL* ssl_ = nullptr;
  HfTlsIo* io_ = nullptr;
  size_t recordLeft_ = 0;  // of a record that the library has begun to take
  Way read_;
  Way write_;
  u32 ticketsReceived_ = 0;
  u32 helloBytes_ = 0;     // taken before that
  u32 updatesInARow_ = 0;  // KeyUpdates of the peer since its last bytes
  bool isDone_ = false;
  bool isFailed_ = false;
  bool isHelloSeen_ = false;  // terminating: the ClientHello is whole
  bool isReading_ = false;    // the library waits for input and for nothing else
  u8 serverNameLength_ = 0;
  char serverName_[HF_TLS_NAME_BYTES_MAX + 1] = {};
  HfTlsFailure failure_ = {};
};

// The BIO's methods, once a shard. Null when memory is short.
[[nodiscard]] BIO_METHOD* makeBioMethod();
// For TlsConfig: what every SSL_CTX reports to the handshake that uses it.
void installCallbacks(SSL_CTX* ctx);
// For SSL_CTX_sess_set_new_cb of an originating config.
int onTicketReceived(SSL* ssl, SSL_SESSION* ticket);

}  // namespace holdfast::tls
