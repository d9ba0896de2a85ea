// The record layer and the library exchange random records, updates and ends, and judge the same
// broken streams. HF_TLS_RECORDS says how many records, HF_TLS_SEED which ones.
//
// A twin of the client's reader, made of the same keys, opens everything that the client's SSL
// reads: what one gives, refuses or answers, the other has to.
#include <algorithm>
#include <cstdlib>

#include "runtime/random.h"
#include "tls/aead_openssl.h"
#include "tls/openssl/engine_fixture.h"
#include "tls/record_layer.h"
#include "tls/record_wire.h"

#include "check.h"

namespace holdfast::tls {
namespace {

const struct {
  int version;
  const char* suite;
} kSuites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

u64 numberOf(const char* variable, u64 otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr int kNoAlert = -1;

// The alerts that an SSL wrote and read last.
struct AlertLog {
  int sent = kNoAlert;
  int received = kNoAlert;
};

// Both refuse; where the RFCs leave room, or the library says less than it could, words differ: it
// looks at versions before types, and at types after opening.
bool isSameRefusal(Alert ours, int theirs) {
  if (static_cast<int>(ours) == theirs) return true;
  if (theirs == SSL_AD_INTERNAL_ERROR) return true;
  if (ours == Alert::kUnexpectedMessage) {
    return theirs == SSL_AD_BAD_RECORD_MAC || theirs == SSL_AD_PROTOCOL_VERSION;
  }
  return ours == Alert::kDecodeError &&
         (theirs == SSL_AD_UNEXPECTED_MESSAGE || theirs == SSL_AD_ILLEGAL_PARAMETER ||
          theirs == SSL_AD_PROTOCOL_VERSION);
}

void onMessage(int isWrite, int, int type, const void* bytes, size_t length, SSL*, void* argument) {
  if (type != SSL3_RT_ALERT || length != 2) return;
  AlertLog& log = *static_cast<AlertLog*>(argument);
  (isWrite != 0 ? log.sent : log.received) = static_cast<const u8*>(bytes)[1];
}

struct Rig {
  Rig() : random(numberOf("HF_TLS_SEED", 1)) { CHECK(aead.start()); }

  EngineShard shard;
  AeadOpenssl aead{64};
  RecordLayer layer{aead.table()};
  Pair authority = makeAuthority();
  Pair ec = issue(&authority, {});
  HfTlsConfig* terminating = shard.terminating({.pairs = {&ec}});
  HfTlsConfig* originating = makeOriginating();
  Random random;
  u64 records = 0;
  u64 nowMs = 0;

 private:
  HfTlsConfig* makeOriginating() {
    Options options(HF_TLS_ORIGINATING);
    options.options.areTicketsOff = 1;
    options.add({.caPem = authority.chainPem});
    return shard.build(options);
  }
};

// One connection: the gateway detached, its peer an SSL, and the peer's twin.
class Connection {
 public:
  Connection(Rig& world, Role role, int version, const char* suite)
      : rig_(world),
        side_(role == Role::kTerminating ? world.terminating : world.originating, "a.example"),
        peer_(role == Role::kTerminating ? RawPeer::Kind::kAsking : RawPeer::Kind::kAnswering) {
    peer_.only(version);
    if (role == Role::kOriginating) peer_.use(world.ec);
    SSL_CTX_set_options(peer_.ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_cipher_list(peer_.ctx, version == TLS1_2_VERSION ? suite : "DEFAULT");
    if (version == TLS1_3_VERSION) SSL_CTX_set_ciphersuites(peer_.ctx, suite);
    peer_.start();
    // One or the other: OpenSSL 3.0 cannot do both.
    if (below(2) == 0) {
      SSL_set_max_send_fragment(peer_.ssl, 512 + below(16384 - 512));
    } else if (version == TLS1_3_VERSION) {
      SSL_set_block_padding(peer_.ssl, 1 + below(512));
    }
    SSL_set_msg_callback(peer_.ssl, onMessage);
    SSL_set_msg_callback_arg(peer_.ssl, &log_);
    isUp_ = CHECK(join(side_, peer_));
    RecordKeys keys;
    isUp_ = isUp_ && side_.handshake.detach(&keys) == HF_TLS_DONE;
    isUp_ = isUp_ && CHECK(rig_.layer.attach(keys, &gateway_));
    std::swap(keys.read, keys.write);
    keys.role = static_cast<u8>(HF_TLS_ORIGINATING - keys.role);
    isUp_ = isUp_ && CHECK(rig_.layer.attach(keys, &twin_));
    // Tickets that came with the end of the handshake: the gateway's to skip.
    kept_ = side_.input;
    peer_.read();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    rig_.layer.end(&gateway_);
    rig_.layer.end(&twin_);
  }

  // False when something did not match; it was reported then.
  bool run(u32 steps) {
    for (u32 i = 0; isUp_ && i < steps; ++i) {
      rig_.nowMs += below(200);
      if (!step()) return false;
    }
    return isUp_ && end();
  }

 private:
  u32 below(u64 bound) { return rig_.random.below(static_cast<u32>(bound)); }
  bool is13() { return suiteOf(gateway_).version == kVersion13; }

  Bytes randomBytes() {
    constexpr u32 kLengths[] = {16, 200, 1500, 9000, 20'000, 60'000};
    // Small messages are the most frequent, as in life.
    const u32 most = kLengths[std::min(below(6), below(6))];
    Bytes bytes(1 + below(most));
    const u64 pattern = rig_.random.nextU64();
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(pattern >> (i % 57));
    return bytes;
  }

  bool step() {
    switch (below(is13() ? 14 : 1)) {
      case 10:
        return updateByPeer(SSL_KEY_UPDATE_NOT_REQUESTED);
      case 11:
        return updateByPeer(SSL_KEY_UPDATE_REQUESTED);
      case 12:
        return updateByGateway(UpdateRequest::kNotRequested);
      case 13:
        return updateByGateway(UpdateRequest::kRequested);
      default:
        return below(2) == 0 ? sendUp() : sendDown();
    }
  }

  // Peer to gateway, in random pieces, into the buffer itself or another one.
  bool sendUp() {
    Bytes expected;
    for (u32 i = below(3) + 1; i-- > 0;) {
      const Bytes plain = randomBytes();
      if (!CHECK(peer_.write(plain))) return false;
      expected.insert(expected.end(), plain.begin(), plain.end());
    }
    return CHECK(openUp(peer_.takeOutput()) == expected);
  }

  Bytes openUp(const Bytes& wire) {
    Bytes all;
    size_t at = 0;
    while (at < wire.size()) {
      const size_t part =
          std::min<size_t>(wire.size() - at, 1 + below(below(4) == 0 ? 50 : 40'000));
      kept_.insert(kept_.end(), wire.begin() + static_cast<std::ptrdiff_t>(at),
                   wire.begin() + static_cast<std::ptrdiff_t>(at + part));
      at += part;
      Bytes other(kept_.size());
      const bool isInPlace = below(2) == 0;
      std::span<u8> output = isInPlace ? std::span<u8>(kept_) : std::span<u8>(other);
      const Opened opened = rig_.layer.open(&gateway_, kept_, output, rig_.nowMs);
      CHECK(opened.event == OpenEvent::kNeedMore);
      rig_.records += opened.records;
      all.insert(all.end(), output.begin(),
                 output.begin() + static_cast<std::ptrdiff_t>(opened.produced));
      kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(opened.consumed));
      if (at == wire.size()) CHECK(kept_.empty());
    }
    return all;
  }

  Bytes seal(const Bytes& plain) {
    Bytes wire;
    size_t done = 0;
    Bytes room(600 + below(40'000));
    while (done < plain.size()) {
      const Sealed sealed =
          rig_.layer.seal(&gateway_, std::span<const u8>(plain).subspan(done), room, rig_.nowMs);
      const bool isGood = sealed.event == SealEvent::kDone || sealed.event == SealEvent::kNoRoom;
      if (!CHECK(isGood && sealed.produced > 0)) break;
      done += sealed.consumed;
      wire.insert(wire.end(), room.begin(),
                  room.begin() + static_cast<std::ptrdiff_t>(sealed.produced));
    }
    return wire;
  }

  bool sendDown() {
    const Bytes plain = randomBytes();
    const Bytes wire = seal(plain);
    peer_.feed(wire);
    int error = 0;
    if (!CHECK(peer_.read(&error) == plain) || !CHECK_EQ(error, SSL_ERROR_WANT_READ)) {
      ERR_print_errors_fp(stderr);
      return false;
    }
    return CHECK(openTwin(wire) == plain);
  }

  Bytes openTwin(Bytes wire) {
    Bytes plain(wire.size());
    twinSaw_ = rig_.layer.open(&twin_, wire, plain, rig_.nowMs);
    rig_.records += twinSaw_.records;
    plain.resize(twinSaw_.produced);
    return plain;
  }

  bool updateByPeer(int kind) {
    if (!CHECK_EQ(SSL_key_update(peer_.ssl, kind), 1)) return false;
    ERR_clear_error();
    CHECK_EQ(SSL_do_handshake(peer_.ssl), 1);
    // Sometimes another one follows before the answer.
    CHECK(openUp(peer_.takeOutput()).empty());
    return below(3) == 0 || (sendUp() && sendDown());
  }

  bool updateByGateway(UpdateRequest request) {
    Bytes wire(kControlBytesMax);
    const Sealed sealed = rig_.layer.updateKeys(&gateway_, request, wire);
    if (!CHECK(sealed.event == SealEvent::kDone)) return false;
    wire.resize(sealed.produced);
    peer_.feed(wire);
    CHECK(peer_.read().empty() && openTwin(wire).empty());
    // The answer of the peer comes with its next bytes, or by itself.
    if (below(2) == 0) return true;
    return sendUp() && (gateway_.flags & kRecordUpdateAsked) == 0;
  }

  // A record with any content at all, under the gateway's keys.
  Bytes sealRaw(u8 outerType, const Bytes& inner) {
    const CipherSuite& suite = suiteOf(gateway_);
    const size_t length = inner.size() + suite.explicitNonceBytes + kTagBytes;
    Bytes wire(kRecordHeaderBytes + length);
    wire[0] = outerType;
    wire[1] = wire[2] = 3;
    wire[3] = static_cast<u8>(length >> 8);
    wire[4] = static_cast<u8>(length);
    u8* const explicitNonce = wire.data() + kRecordHeaderBytes;
    if (suite.explicitNonceBytes != 0) putBigEndian(gateway_.writeSequence, explicitNonce);
    u8 nonce[kNonceBytes];
    u8 aad[kAadBytesMax];
    makeNonce(suite, materialOf(gateway_, Direction::kWrite).iv, gateway_.writeSequence,
              explicitNonce, nonce);
    AeadCall call;
    call.state = &gateway_;
    call.direction = Direction::kWrite;
    call.nonce = nonce;
    call.input = inner;
    call.output = explicitNonce + suite.explicitNonceBytes;
    call.tag = call.output + inner.size();
    call.aad = is13() ? std::span<const u8>(wire.data(), kRecordHeaderBytes)
                      : makeAad12(gateway_.writeSequence, outerType, inner.size(), aad);
    gateway_.writeSequence++;
    CHECK(rig_.aead.table().seal(rig_.aead.table().self, call));
    return wire;
  }

  Bytes sealTyped(u8 type, Bytes content) {
    if (!is13()) return sealRaw(type, content);
    content.push_back(type);
    content.resize(content.size() + below(2) * below(50), 0);
    return sealRaw(kTypeApplication, content);
  }

  // A stream of good records with one thing wrong in it, or an honest end.
  Bytes makeEnd() {
    Bytes wire = seal(randomBytes());
    const Bytes first = wire;
    const auto append = [&wire](const Bytes& more) {
      wire.insert(wire.end(), more.begin(), more.end());
    };
    end_ = below(14);
    switch (end_) {
      case 0: {
        Bytes close(kControlBytesMax);
        close.resize(rig_.layer.sealAlert(&gateway_, Alert::kCloseNotify, close).produced);
        append(close);
        break;
      }
      case 1: {
        constexpr Alert kAlerts[] = {Alert::kIllegalParameter, Alert::kInternalError,
                                     Alert::kUnexpectedMessage, static_cast<Alert>(46)};
        Bytes alert(kControlBytesMax);
        alert.resize(rig_.layer.sealAlert(&gateway_, kAlerts[below(4)], alert).produced);
        append(alert);
        break;
      }
      case 2:  // one bit
        wire[below(wire.size())] ^= static_cast<u8>(1u << below(8));
        break;
      case 3:  // cut off
        wire.resize(below(wire.size()));
        break;
      case 4:  // again
        append(first);
        break;
      case 5: {  // in the wrong order
        const Bytes second = seal(randomBytes());
        wire = second;
        append(first);
        break;
      }
      case 6:  // a piece missing
        wire.erase(wire.begin() + below(wire.size()));
        append(seal(randomBytes()));
        break;
      case 7:  // longer than it may be
        append(sealTyped(kTypeApplication, Bytes(kRecordContentMax + 1 + below(200), 'o')));
        break;
      case 8: {  // a header that promises too much
        Bytes header = {23, 3, 3, 0x49, 0x01};
        header.resize(400);
        append(header);
        break;
      }
      case 9: {  // an unknown kind of content
        constexpr u8 kTypes[] = {0, 1, 20, 24, 25, 99, 255};
        append(sealTyped(kTypes[below(7)], Bytes(1 + below(20), 'k')));
        break;
      }
      case 10: {  // alerts of the wrong form
        const Bytes alerts[] = {{}, {1}, {2}, {2, 40, 2, 40}, {3, 40}, {1, 0, 0}};
        append(sealTyped(kTypeAlert, alerts[below(6)]));
        break;
      }
      case 11: {  // handshake messages that have no place
        const Bytes messages[] = {{24, 0, 0, 1, 2}, {24, 0, 0, 2, 0, 0}, {24, 0, 0, 0},
                                  {20, 0, 0, 1, 0}, {2, 0, 0, 1, 0},     {24, 0, 0, 1, 0, 4},
                                  {1, 0, 0, 1, 0},  {11, 0, 0, 0},       {5, 0, 0, 0}};
        append(sealTyped(kTypeHandshake, messages[below(std::size(messages))]));
        break;
      }
      case 12: {  // another record in the middle of a message
        append(sealTyped(kTypeHandshake, {24, 0}));
        append(sealTyped(kTypeApplication, {'x'}));
        break;
      }
      default: {  // outside of the encryption
        constexpr u8 kTypes[] = {20, 21, 22, 24, 0, 255};
        Bytes plain = {kTypes[below(6)], 3, 3, 0, 2, 1, 0};
        plain.resize(plain.size() + below(2) * 40);
        append(plain);
        break;
      }
    }
    if ((gateway_.flags & kRecordCloseSent) == 0) append(seal(Bytes(5, 'z')));
    return wire;
  }

  bool end() {
    const Bytes wire = (twin_.flags & kRecordFailed) == 0 ? makeEnd() : Bytes{};
    log_ = {};
    peer_.feed(wire);
    int error = 0;
    const Bytes ofPeer = peer_.read(&error);
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    const Bytes ofTwin = openTwin(wire);
    bool isSame = CHECK(ofTwin == ofPeer);
    switch (twinSaw_.event) {
      case OpenEvent::kNeedMore:
        isSame = CHECK_EQ(error, SSL_ERROR_WANT_READ) && isSame;
        break;
      case OpenEvent::kCloseNotify:
        isSame = CHECK_EQ(error, SSL_ERROR_ZERO_RETURN) && isSame;
        break;
      case OpenEvent::kAlert:
        isSame = CHECK_EQ(error, SSL_ERROR_SSL) && isSame;
        isSame = CHECK_EQ(log_.received, static_cast<int>(twinSaw_.alert)) && isSame;
        break;
      case OpenEvent::kViolation:
        isSame = CHECK_EQ(error, SSL_ERROR_SSL) && isSame;
        isSame = CHECK(isSameRefusal(twinSaw_.alert, log_.sent)) && isSame;
        break;
      case OpenEvent::kOutputFull:
        isSame = CHECK(false);
    }
    if (!isSame) {
      std::fprintf(stderr, "%s, end %u, twin %d/%d, peer %d/%d (%s), wire of %zu bytes\n",
                   suiteOf(gateway_).name, end_, static_cast<int>(twinSaw_.event),
                   static_cast<int>(twinSaw_.alert), error, log_.sent,
                   reason != nullptr ? reason : "", wire.size());
    }
    return isSame;
  }

  Rig& rig_;
  Side side_;
  RawPeer peer_;
  AlertLog log_;
  RecordState gateway_;
  RecordState twin_;
  Opened twinSaw_;
  Bytes kept_;
  u32 end_ = 0;
  bool isUp_ = false;
};

TEST(theRecordLayerAndTheLibraryAgree) {
  Rig rig;
  const u64 wanted = numberOf("HF_TLS_RECORDS", 20'000);
  u32 connections = 0;
  while (rig.records < wanted) {
    const auto& [version, suite] = kSuites[connections % std::size(kSuites)];
    connections++;
    const Role role = rig.random.chance(1, 2) ? Role::kTerminating : Role::kOriginating;
    Connection connection(rig, role, version, suite);
    if (!connection.run(5 + rig.random.below(60))) {
      std::fprintf(stderr, "connection %u\n", connections);
      if (check::failures() > 20) return;
    }
  }
  std::printf("     %llu records on %u connections\n", static_cast<unsigned long long>(rig.records),
              connections);
}

}  // namespace
}  // namespace holdfast::tls
