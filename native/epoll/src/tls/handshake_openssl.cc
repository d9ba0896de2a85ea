// The library finds the handshake in the SSL's app pointer (ex_data 0) and in the BIO's.
#include "tls/handshake_openssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

#include "codec/client_hello.h"
#include "tls/key_schedule.h"
#include "tls/peer_openssl.h"
#include "tls/record_layer.h"

namespace holdfast::tls {

namespace {

constexpr u8 kNoAlert = 0xff;
constexpr u8 kTypeFirst = 20;  // change_cipher_spec
constexpr u8 kTypeLast = 24;   // heartbeat
constexpr u8 kMessageFinished = 20;
constexpr u8 kMessageKeyUpdate = 24;
constexpr size_t kSecretPrefixBytes = 2 * 32 + 1;  // client random and a space

HandshakeOpenssl* handshakeOf(const SSL* ssl) {
  return static_cast<HandshakeOpenssl*>(SSL_get_ex_data(ssl, 0));
}

u8 digitOf(char digit) {
  return static_cast<u8>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

// Hexadecimal text to bytes; the length, or 0 when it does not fit.
u8 readHex(const char* text, u8 (&output)[HF_TLS_SECRET_BYTES_MAX]) {
  const size_t digits = std::strspn(text, "0123456789abcdefABCDEF");
  if (digits / 2 > sizeof(output)) return 0;
  for (size_t i = 0; i < digits / 2; ++i) {
    output[i] = static_cast<u8>(digitOf(text[2 * i]) << 4 | digitOf(text[2 * i + 1]));
  }
  return static_cast<u8>(digits / 2);
}

u16 groupOf(SSL* ssl) {
  const long group = SSL_get_negotiated_group(ssl);
  if (group & TLSEXT_nid_unknown) return static_cast<u16>(group);
  switch (group) {
    case NID_X25519:
      return 29;
    case NID_X9_62_prime256v1:
      return 23;
    case NID_secp384r1:
      return 24;
    case NID_secp521r1:
      return 25;
    default:
      return 0;
  }
}

u16 suiteIdOf(const SSL* ssl) {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl);
  return cipher == nullptr ? u16{0} : static_cast<u16>(SSL_CIPHER_get_protocol_id(cipher));
}

// RFC 6066 4: what both sides agreed to keep records below, or 0.
u16 recordBytesMaxOf(const SSL* ssl) {
  const SSL_SESSION* const agreed = SSL_get_session(ssl);
  const u8 code = agreed == nullptr ? u8{0} : SSL_SESSION_get_max_fragment_length(agreed);
  return code >= 1 && code <= 4 ? static_cast<u16>(256u << code) : u16{0};
}

}  // namespace

// ---- The BIO: input and output of the present call ----

size_t HandshakeOpenssl::readable() {
  const std::span<const u8> rest(io_->input + io_->consumed, io_->inputLength - io_->consumed);
  if (recordLeft_ != 0) return std::min(recordLeft_, rest.size());
  if (rest.size() < kRecordHeaderBytes) return 0;
  const size_t length = size_t{rest[3]} << 8 | rest[4];
  const bool isRecord =
      rest[0] >= kTypeFirst && rest[0] <= kTypeLast && rest[1] == 3 && length <= kRecordBytesMax12;
  // What is no record is the library's to refuse, with the alert and the words it has for it.
  const size_t whole = isRecord ? kRecordHeaderBytes + length : rest.size();
  if (rest.size() < whole) return 0;
  recordLeft_ = whole;
  return whole;
}

int readSome(BIO* bio, char* output, size_t most, size_t* length) {
  HandshakeOpenssl& handshake = *static_cast<HandshakeOpenssl*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *length = 0;
  const size_t part = handshake.io_ == nullptr ? 0 : std::min(most, handshake.readable());
  if (part == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(output, handshake.io_->input + handshake.io_->consumed, part);
  handshake.io_->consumed += part;
  handshake.recordLeft_ -= part;
  *length = part;
  return 1;
}

int writeSome(BIO* bio, const char* bytes, size_t count, size_t* length) {
  HandshakeOpenssl& handshake = *static_cast<HandshakeOpenssl*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *length = 0;
  HfTlsIo* const io = handshake.io_;
  const size_t room = io == nullptr ? 0 : io->outputCapacity - io->produced;
  const size_t part = std::min(count, room);
  if (part == 0) {
    BIO_set_retry_write(bio);
    return 0;
  }
  std::memcpy(io->output + io->produced, bytes, part);
  io->produced += part;
  *length = part;
  return 1;
}

namespace {

long controlBio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

BIO_METHOD* makeBioMethod() {
  BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "holdfast");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, readSome);
  BIO_meth_set_write_ex(method, writeSome);
  BIO_meth_set_ctrl(method, controlBio);
  return method;
}

// ---- Life ----

HandshakeOpenssl* HandshakeOpenssl::create(TlsConfig& config, HfTlsBytes serverName) {
  ERR_clear_error();
  auto* const handshake = new (std::nothrow) HandshakeOpenssl(config);
  if (handshake == nullptr) return nullptr;
  config.retain();
  const bool isStarted = handshake->start(serverName);
  ERR_clear_error();
  if (isStarted) return handshake;
  delete handshake;
  return nullptr;
}

bool HandshakeOpenssl::start(HfTlsBytes serverName) {
  failure_.alertSent = failure_.alertReceived = kNoAlert;
  domain_ = &config_.defaultDomain();
  ssl_ = SSL_new(domain_->ctx.get());
  if (ssl_ == nullptr) return false;
  SSL_set_ex_data(ssl_, 0, this);
  SSL_set_msg_callback_arg(ssl_, this);
  BIO* const bio = BIO_new(config_.shard().bioMethod);
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  // One BIO for both ways; the SSL takes the one reference.
  SSL_set_bio(ssl_, bio, bio);
  if (config_.role() == Role::kOriginating) return startOriginating(serverName);
  if (!config_.areTicketsOn()) {
    SSL_set_options(ssl_, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl_, 0);
  }
  SSL_set_accept_state(ssl_);
  return true;
}

bool HandshakeOpenssl::startOriginating(HfTlsBytes serverName) {
  SSL_set_connect_state(ssl_);
  if (serverName.length == 0) return config_.isPeerUnchecked();
  if (serverName.length > HF_TLS_NAME_BYTES_MAX) return false;
  if (std::memchr(serverName.start, 0, serverName.length) != nullptr) return false;
  std::memcpy(serverName_, serverName.start, serverName.length);
  serverNameLength_ = static_cast<u8>(serverName.length);
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_);
  // An address is checked as one, and is not a name that could be asked for (RFC 6066 3).
  const bool isAddress = X509_VERIFY_PARAM_set1_ip_asc(rules, serverName_) == 1;
  if (!isAddress) {
    ERR_clear_error();
    // The macro for this has a cast of C in it.
    const long isNamed =
        SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, serverName_);
    if (isNamed != 1) return false;
    X509_VERIFY_PARAM_set_hostflags(
        rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (SSL_set1_host(ssl_, serverName_) != 1) return false;
  }
  if (SSL_SESSION* const ticket = config_.takeTicket({serverName_, serverNameLength_})) {
    SSL_set_session(ssl_, ticket);
    SSL_SESSION_free(ticket);
  }
  return true;
}

HandshakeOpenssl::~HandshakeOpenssl() {
  ERR_clear_error();
  if (ssl_ != nullptr) {
    // Without this the library takes a connection that was not closed for a broken one, and spoils
    // its ticket.
    if (isDone_ && !isFailed_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    io_ = nullptr;
    SSL_free(ssl_);
  }
  ERR_clear_error();
  wipeBytes(&read_, sizeof(read_));
  wipeBytes(&write_, sizeof(write_));
  config_.release();
}

void HandshakeOpenssl::begin(HfTlsIo* io) {
  io->consumed = 0;
  io->produced = 0;
  io_ = io;
  ERR_clear_error();
}

HfTlsStep HandshakeOpenssl::end(int result) {
  const int outcome = SSL_get_error(ssl_, result);
  io_ = nullptr;
  isReading_ = outcome == SSL_ERROR_WANT_READ;
  switch (outcome) {
    case SSL_ERROR_NONE:
      return HF_TLS_DONE;
    case SSL_ERROR_WANT_READ:
      return HF_TLS_WANT_INPUT;
    case SSL_ERROR_WANT_WRITE:
      return HF_TLS_WANT_OUTPUT;
    case SSL_ERROR_ZERO_RETURN:
      return HF_TLS_CLOSED;
    default:
      return fail("the library gave up");
  }
}

HfTlsStep HandshakeOpenssl::fail(const char* reason) {
  isFailed_ = true;
  const long verdict = SSL_get_verify_result(ssl_);
  std::string text = takeOpensslError(&failure_.code);
  if (text.empty()) text = reason;
  if (verdict != X509_V_OK) {
    text += ": ";
    text += X509_verify_cert_error_string(verdict);
  }
  std::snprintf(failure_.reason, sizeof(failure_.reason), "%s", text.c_str());
  return HF_TLS_FAILED;
}

HfTlsStep HandshakeOpenssl::step(HfTlsIo* io) {
  io->consumed = io->produced = 0;
  if (isFailed_) return HF_TLS_FAILED;
  begin(io);
  // A peer that dribbles costs a look at a header, not a turn of the library.
  if (isReading_ && readable() == 0) {
    io_ = nullptr;
    return HF_TLS_WANT_INPUT;
  }
  const HfTlsStep outcome = end(SSL_do_handshake(ssl_));
  if (config_.role() == Role::kTerminating && !isHelloSeen_ && outcome == HF_TLS_WANT_INPUT) {
    helloBytes_ += static_cast<u32>(io->consumed);
    if (helloBytes_ >= codec::kClientHelloBytesMax) return refuseLongHello(io);
  }
  if (outcome == HF_TLS_CLOSED) return fail("the peer closed in the handshake");
  // The library has no alert for what is not TLS at all.
  const bool isSilent = failure_.alertSent == kNoAlert && failure_.alertReceived == kNoAlert;
  if (outcome == HF_TLS_FAILED && isSilent && !isHelloSeen_) {
    putAlert(io, SSL_AD_UNEXPECTED_MESSAGE);
  }
  if (outcome != HF_TLS_DONE || isDone_) return outcome;
  isDone_ = true;
  // A ticket of TLS 1.2 may be used again, and no other one comes.
  const bool isOriginating = config_.role() == Role::kOriginating;
  if (isOriginating && SSL_session_reused(ssl_) == 1 && SSL_version(ssl_) == TLS1_2_VERSION) {
    config_.storeTicket({serverName_, serverNameLength_}, SSL_get1_session(ssl_));
  }
  return HF_TLS_DONE;
}

// The library would collect 128 KiB.
HfTlsStep HandshakeOpenssl::refuseLongHello(HfTlsIo* io) {
  putAlert(io, SSL_AD_ILLEGAL_PARAMETER);
  return fail("the ClientHello is longer than 16 KiB");
}

// A fatal one in clear, before any keys.
void HandshakeOpenssl::putAlert(HfTlsIo* io, u8 alert) {
  const u8 record[] = {21, 3, 3, 0, 2, 2, alert};
  if (io->outputCapacity - io->produced < sizeof(record)) return;
  std::memcpy(io->output + io->produced, record, sizeof(record));
  io->produced += sizeof(record);
  failure_.alertSent = alert;
}

HfTlsStep HandshakeOpenssl::read(HfTlsIo* io, std::span<u8> plain, size_t* length) {
  *length = 0;
  io->consumed = io->produced = 0;
  if (isFailed_) return HF_TLS_FAILED;
  begin(io);
  int result = 1;
  while (*length < plain.size()) {
    size_t part = 0;
    result = SSL_read_ex(ssl_, plain.data() + *length, plain.size() - *length, &part);
    if (result != 1) break;
    *length += part;
    updatesInARow_ = 0;
  }
  const HfTlsStep outcome = end(result);
  if (updatesInARow_ > kRecordFloodMax) return fail("too many key updates");
  // What came before an end or a failure counts; the next call tells of it.
  return *length != 0 ? HF_TLS_DONE : outcome;
}

HfTlsStep HandshakeOpenssl::write(HfTlsIo* io, std::span<const u8> plain, size_t* length) {
  *length = 0;
  io->consumed = io->produced = 0;
  if (isFailed_) return HF_TLS_FAILED;
  if (plain.empty()) return HF_TLS_DONE;
  begin(io);
  int result = 1;
  while (*length < plain.size()) {
    size_t part = 0;
    result = SSL_write_ex(ssl_, plain.data() + *length, plain.size() - *length, &part);
    if (result != 1) break;
    *length += part;
  }
  return end(result);
}

HfTlsStep HandshakeOpenssl::close(HfTlsIo* io) {
  io->consumed = io->produced = 0;
  if (isFailed_) return HF_TLS_FAILED;
  begin(io);
  const int result = SSL_shutdown(ssl_);
  // 0: ours is sent, the peer's has not come.
  return end(result == 0 ? 1 : result);
}

// ---- Detaching ----

bool HandshakeOpenssl::isDetachable() const {
  return isDone_ && !isFailed_ &&
         findCipherSuite(static_cast<u16>(SSL_version(ssl_)), suiteIdOf(ssl_)) != kNoSuite;
}

HfTlsStep HandshakeOpenssl::detach(HfTlsRecordKeys* keys) {
  std::memset(keys, 0, sizeof(*keys));
  ERR_clear_error();
  if (!isDetachable()) return HF_TLS_FAILED;
  const bool isBusy = SSL_is_init_finished(ssl_) != 1 || SSL_has_pending(ssl_) != 0 ||
                      SSL_want_write(ssl_) || SSL_get_shutdown(ssl_) != 0 ||
                      SSL_get_key_update_type(ssl_) != SSL_KEY_UPDATE_NONE;
  if (isBusy) return HF_TLS_WANT_INPUT;
  keys->version = static_cast<u16>(SSL_version(ssl_));
  keys->suite = suiteIdOf(ssl_);
  keys->role = static_cast<u8>(config_.role());
  keys->recordBytesMax = recordBytesMaxOf(ssl_);
  keys->read.sequence = read_.records;
  keys->write.sequence = write_.records;
  const CipherSuite& suite = kCipherSuites[findCipherSuite(keys->version, keys->suite)];
  if (keys->version == kVersion13) {
    if (read_.secretBytes != suite.secretBytes || write_.secretBytes != suite.secretBytes) {
      return HF_TLS_FAILED;
    }
    std::memcpy(keys->read.secret, read_.secret, suite.secretBytes);
    std::memcpy(keys->write.secret, write_.secret, suite.secretBytes);
    return HF_TLS_DONE;
  }
  const bool isDerived = deriveKeys12(suite, keys);
  ERR_clear_error();
  return isDerived ? HF_TLS_DONE : HF_TLS_FAILED;
}

// The key block of RFC 5246 6.3: both keys, both ivs, the client's first.
bool HandshakeOpenssl::deriveKeys12(const CipherSuite& suite, HfTlsRecordKeys* keys) const {
  u8 secret[48];
  u8 randoms[64];
  u8 block[2 * (HF_TLS_KEY_BYTES_MAX + HF_TLS_IV_BYTES_MAX)];
  const size_t secretBytes =
      SSL_SESSION_get_master_key(SSL_get_session(ssl_), secret, sizeof(secret));
  SSL_get_server_random(ssl_, randoms, 32);
  SSL_get_client_random(ssl_, randoms + 32, 32);
  const size_t keyBytes = suite.keyBytes;
  const size_t ivBytes = suite.ivBytes;
  const bool isDerived = secretBytes == sizeof(secret) &&
                         config_.shard().kdf.prf12(suite.hash, secret, "key expansion", randoms,
                                                   std::span<u8>(block, 2 * (keyBytes + ivBytes)));
  if (isDerived) {
    const bool isTerminating = config_.role() == Role::kTerminating;
    HfTlsDirectionKeys& ofClient = isTerminating ? keys->read : keys->write;
    HfTlsDirectionKeys& ofPeer = isTerminating ? keys->write : keys->read;
    std::memcpy(ofClient.key, block, keyBytes);
    std::memcpy(ofPeer.key, block + keyBytes, keyBytes);
    std::memcpy(ofClient.iv, block + 2 * keyBytes, ivBytes);
    std::memcpy(ofPeer.iv, block + 2 * keyBytes + ivBytes, ivBytes);
  }
  wipeBytes(secret, sizeof(secret));
  wipeBytes(block, sizeof(block));
  return isDerived;
}

void HandshakeOpenssl::negotiated(HfTlsNegotiated* out) const {
  std::memset(out, 0, sizeof(*out));
  out->version = static_cast<u16>(SSL_version(ssl_));
  out->suite = suiteIdOf(ssl_);
  out->group = groupOf(ssl_);
  out->domain = static_cast<u16>(domain_->index);
  out->isResumed = SSL_session_reused(ssl_) == 1 ? 1 : 0;
  out->canDetach = isDetachable() ? 1 : 0;
  out->serverNameLength = serverNameLength_;
  std::memcpy(out->serverName, serverName_, serverNameLength_);
  const unsigned char* protocol = nullptr;
  unsigned protocolBytes = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &protocolBytes);
  size_t used = 0;
  if (protocolBytes != 0) {
    appendEscaped(protocol, protocolBytes, out->alpn, HF_TLS_NAME_BYTES_MAX, &used);
  }
  out->alpnLength = static_cast<u16>(used);
  X509* const peer = SSL_get0_peer_certificate(ssl_);
  if (peer != nullptr) {
    const bool isChecked = domain_->verifyMode != SSL_VERIFY_NONE;
    out->hasPeerCertificate = 1;
    out->isPeerVerified = isChecked && SSL_get_verify_result(ssl_) == X509_V_OK ? 1 : 0;
    out->notAfter = secondsOf(X509_get0_notAfter(peer));
    out->subjectLength = static_cast<u16>(describeSubject(peer, out->subject));
    out->altNamesLength = static_cast<u16>(describeAltNames(peer, out->altNames));
    fingerprintOf(peer, out->fingerprint);
  }
  ERR_clear_error();
}

// ---- The library's callbacks ----

int HandshakeOpenssl::onClientHello(SSL* ssl, int* alert, void*) {
  return handshakeOf(ssl)->chooseDomain(alert);
}

int HandshakeOpenssl::chooseDomain(int* alert) {
  isHelloSeen_ = true;
  const unsigned char* bytes = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl_, TLSEXT_TYPE_server_name, &bytes, &length) == 1) {
    // A list of one name of the only kind there is. What is not well formed the library refuses.
    constexpr size_t kHeadBytes = 5;
    const bool isForm = length > kHeadBytes && bytes[2] == TLSEXT_NAMETYPE_host_name &&
                        (size_t{bytes[3]} << 8 | bytes[4]) == length - kHeadBytes;
    if (!isForm) return SSL_CLIENT_HELLO_SUCCESS;
    serverNameLength_ = static_cast<u8>(
        codec::canonicalServerName({bytes + kHeadBytes, length - kHeadBytes}, serverName_));
    if (serverNameLength_ == 0) {
      *alert = SSL_AD_UNRECOGNIZED_NAME;
      return SSL_CLIENT_HELLO_ERROR;
    }
  }
  TlsConfig::Domain* const found = config_.find({serverName_, serverNameLength_});
  if (found == nullptr) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  if (found == domain_) return SSL_CLIENT_HELLO_SUCCESS;
  domain_ = found;
  SSL_set_SSL_CTX(ssl_, domain_->ctx.get());
  // These the library copies when an SSL is made, and not when its SSL_CTX changes.
  SSL_set_verify(ssl_, domain_->verifyMode, nullptr);
  SSL_set_verify_depth(ssl_, domain_->depth);
  SSL_set_session_id_context(ssl_, domain_->trust, sizeof(domain_->trust));
  return SSL_CLIENT_HELLO_SUCCESS;
}

void HandshakeOpenssl::onKey(const SSL* ssl, const char* line) {
  constexpr std::string_view kOfClient = "CLIENT_TRAFFIC_SECRET_0 ";
  constexpr std::string_view kOfAnswerer = "SERVER_TRAFFIC_SECRET_0 ";
  HandshakeOpenssl& handshake = *handshakeOf(ssl);
  const std::string_view text(line);
  const bool isOfClient = text.starts_with(kOfClient);
  if (!isOfClient && !text.starts_with(kOfAnswerer)) return;
  if (text.size() < kOfClient.size() + kSecretPrefixBytes) return;
  const bool isRead = isOfClient == (handshake.config_.role() == Role::kTerminating);
  Way& way = isRead ? handshake.read_ : handshake.write_;
  way.secretBytes = readHex(line + kOfClient.size() + kSecretPrefixBytes, way.secret);
}

void HandshakeOpenssl::onMessage(int isWrite, int, int type, const void* bytes, size_t length,
                                 SSL* ssl, void* argument) {
  if (argument == nullptr || length == 0) return;
  HandshakeOpenssl& handshake = *static_cast<HandshakeOpenssl*>(argument);
  Way& way = isWrite != 0 ? handshake.write_ : handshake.read_;
  const auto* const message = static_cast<const u8*>(bytes);
  if (type == SSL3_RT_HEADER) {
    // In TLS 1.2 numbers begin behind this record, and a peer may cut its Finished into many.
    way.records = message[0] == kTypeFirst ? 0 : way.records + 1;
  } else if (type == SSL3_RT_ALERT && length == 2) {
    (isWrite != 0 ? handshake.failure_.alertSent : handshake.failure_.alertReceived) = message[1];
  } else if (type == SSL3_RT_HANDSHAKE && message[0] == kMessageFinished) {
    way.isFinished = true;
    if (SSL_version(ssl) == TLS1_3_VERSION) way.records = 0;
  } else if (type == SSL3_RT_HANDSHAKE && message[0] == kMessageKeyUpdate &&
             SSL_version(ssl) == TLS1_3_VERSION) {
    if (isWrite == 0) handshake.updatesInARow_++;
    handshake.updateSecret(&way);
  }
}

void HandshakeOpenssl::updateSecret(Way* way) {
  way->records = 0;
  const u8 row = findCipherSuite(kVersion13, suiteIdOf(ssl_));
  if (row == kNoSuite || way->secretBytes == 0) return;
  u8 next[HF_TLS_SECRET_BYTES_MAX];
  const std::span<u8> secret(way->secret, way->secretBytes);
  const std::span<u8> updated(next, way->secretBytes);
  const bool isDone = expandLabel(config_.shard().kdf.table(), kCipherSuites[row].hash, secret,
                                  "traffic upd", updated);
  // Without the secret this connection keeps its SSL.
  if (isDone) {
    std::memcpy(way->secret, next, way->secretBytes);
  } else {
    way->secretBytes = 0;
  }
  wipeBytes(next, sizeof(next));
}

void installCallbacks(SSL_CTX* ctx) {
  SSL_CTX_set_keylog_callback(ctx, HandshakeOpenssl::onKey);
  SSL_CTX_set_msg_callback(ctx, HandshakeOpenssl::onMessage);
  // Only answering SSLs ask it.
  SSL_CTX_set_client_hello_cb(ctx, HandshakeOpenssl::onClientHello, nullptr);
}

int onTicketReceived(SSL* ssl, SSL_SESSION* ticket) {
  HandshakeOpenssl& handshake = *handshakeOf(ssl);
  if (SSL_SESSION_is_resumable(ticket) != 1) return 0;
  handshake.config_.storeTicket({handshake.serverName_, handshake.serverNameLength_}, ticket);
  handshake.ticketsReceived_++;
  return 1;
}

}  // namespace holdfast::tls
