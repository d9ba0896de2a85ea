// The rules of the record layer, on a toy cipher: what it opens, refuses, answers and sizes.
#include "tls/record_layer.h"

#include <memory>
#include <string>
#include <vector>

#include "runtime/random.h"
#include "tls/record_wire.h"
#include "tls/toy_aead.h"

#include "check.h"

namespace holdfast::tls {
namespace {

constexpr u16 kSuites[][2] = {{kVersion13, 0x1301}, {kVersion13, 0x1302}, {kVersion13, 0x1303},
                              {kVersion12, 0xc02b}, {kVersion12, 0xc030}, {kVersion12, 0xcca8}};

using Bytes = std::vector<u8>;

// A state in memory of exactly the size that its suite needs, so that ASan sees every byte too far.
class ExactState {
 public:
  explicit ExactState(const RecordKeys& keys) : memory_(new u8[RecordLayer::stateBytes(keys)]) {}
  RecordState* get() { return reinterpret_cast<RecordState*>(memory_.get()); }

 private:
  std::unique_ptr<u8[]> memory_;
};

struct End {
  explicit End(RecordLayer& records, const RecordKeys& keys) : layer(records), exact(keys) {
    CHECK(layer.attach(keys, exact.get()));
  }
  ~End() { layer.end(exact.get()); }

  Bytes seal(std::span<const u8> text, u64 nowMs = 0) {
    Bytes wire(RecordLayer::sealedBytesMax(text.size()));
    const Sealed sealed = layer.seal(state(), text, wire, nowMs);
    CHECK(sealed.event == SealEvent::kDone);
    CHECK_EQ(sealed.consumed, text.size());
    wire.resize(sealed.produced);
    return wire;
  }
  Bytes seal(size_t length, u8 fill = 'x', u64 nowMs = 0) {
    return seal(Bytes(length, fill), nowMs);
  }
  Bytes control(const Sealed& sealed, Bytes wire) {
    CHECK(sealed.event == SealEvent::kDone);
    wire.resize(sealed.produced);
    return wire;
  }
  Bytes alert(Alert code) {
    Bytes wire(kControlBytesMax);
    const Sealed sealed = layer.sealAlert(state(), code, wire);
    return control(sealed, wire);
  }
  Bytes due() {
    Bytes wire(kControlBytesMax);
    const Sealed sealed = layer.sealDue(state(), wire);
    return control(sealed, wire);
  }
  Bytes update(UpdateRequest request) {
    Bytes wire(kControlBytesMax);
    const Sealed sealed = layer.updateKeys(state(), request, wire);
    return control(sealed, wire);
  }
  Opened open(Bytes wire, u64 nowMs = 0) {
    plain.assign(wire.size(), 0);
    const Opened opened = layer.open(state(), wire, plain, nowMs);
    plain.resize(opened.produced);
    return opened;
  }
  RecordState* state() { return exact.get(); }

  RecordLayer& layer;
  ExactState exact;
  Bytes plain;
};

struct Pair {
  explicit Pair(u16 version, u16 suite)
      : keys(makeKeyPair(version, suite)),
        layer(toy.table()),
        gateway(layer, keys.terminating),
        client(layer, keys.originating) {}

  ToyAead toy;
  KeyPair keys;
  RecordLayer layer;
  End gateway;
  End client;
};

// Any record at all, sealed with the client's keys: the content as TLS 1.3 has it inside.
Bytes sealRaw(Pair& pair, u8 outerType, Bytes inner) {
  RecordState* state = pair.client.state();
  const CipherSuite& suite = suiteOf(*state);
  const size_t length = inner.size() + suite.explicitNonceBytes + kTagBytes;
  Bytes wire(kRecordHeaderBytes + length);
  wire[0] = outerType;
  wire[1] = wire[2] = 3;
  wire[3] = static_cast<u8>(length >> 8);
  wire[4] = static_cast<u8>(length);
  u8* explicitNonce = wire.data() + kRecordHeaderBytes;
  if (suite.explicitNonceBytes != 0) putBigEndian(state->writeSequence, explicitNonce);
  u8 nonce[kNonceBytes];
  u8 aad[kAadBytesMax];
  makeNonce(suite, materialOf(*state, Direction::kWrite).iv, state->writeSequence, explicitNonce,
            nonce);
  AeadCall call;
  call.state = state;
  call.direction = Direction::kWrite;
  call.nonce = nonce;
  call.input = inner;
  call.output = explicitNonce + suite.explicitNonceBytes;
  call.tag = call.output + inner.size();
  if (suite.version == kVersion13) {
    call.aad = {wire.data(), kRecordHeaderBytes};
  } else {
    call.aad = makeAad12(state->writeSequence, outerType, inner.size(), aad);
  }
  state->writeSequence++;
  CHECK(pair.toy.table().seal(pair.toy.table().self, call));
  return wire;
}

// Content of a type, whatever the version.
Bytes sealTyped(Pair& pair, u8 type, Bytes content) {
  if (suiteOf(*pair.client.state()).version == kVersion12) return sealRaw(pair, type, content);
  content.push_back(type);
  return sealRaw(pair, kTypeApplication, content);
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

void checkViolation(const Opened& opened, Alert alert) {
  CHECK(opened.event == OpenEvent::kViolation);
  CHECK_EQ(alertName(opened.alert), alertName(alert));
}

TEST(recordStatesFitTheirBudget) {
  for (const CipherSuite& suite : kCipherSuites) {
    CHECK(recordStateBytes(suite) <= sizeof(RecordState));
    std::printf("     %-32s %zu bytes\n", suite.name, recordStateBytes(suite));
  }
  CHECK_EQ(recordStateBytes(kCipherSuites[0]), 152);
  CHECK_EQ(recordStateBytes(kCipherSuites[1]), 216);
}

TEST(recordsComeOutAsTheyWentIn) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    Random random(suite);
    for (size_t length : {1, 2, 15, 16, 17, 1368, 1369, 1370, 16384, 16385, 100000}) {
      Bytes plain(length);
      for (u8& byte : plain) byte = static_cast<u8>(random.nextU32());
      const Opened there = pair.gateway.open(pair.client.seal(plain));
      CHECK(there.event == OpenEvent::kNeedMore && there.needed == kRecordHeaderBytes);
      CHECK(pair.gateway.plain == plain);
      CHECK(pair.client.open(pair.gateway.seal(plain)).event == OpenEvent::kNeedMore);
      CHECK(pair.client.plain == plain);
    }
    CHECK(!pair.toy.wasNonceReused());
  }
}

TEST(recordsOpenInPlaceAndStandTogether) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    Bytes wire = joined({pair.client.seal(3000, 'a'), sealTyped(pair, kTypeApplication, {}),
                         pair.client.seal(1, 'b'), pair.client.seal(20000, 'c')});
    const Opened opened = pair.layer.open(pair.gateway.state(), wire, wire, 0);
    CHECK_EQ(opened.consumed, wire.size());
    CHECK_EQ(opened.produced, 23001);
    wire.resize(opened.produced);
    CHECK(wire == joined({Bytes(3000, 'a'), Bytes(1, 'b'), Bytes(20000, 'c')}));
  }
}

TEST(recordsDoNotCareHowTheyAreSplit) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Bytes plain(5000, 'p');
    const Bytes wire = pair.client.seal(plain);
    Bytes kept;
    Bytes got;
    size_t needed = kRecordHeaderBytes;
    for (u8 byte : wire) {
      kept.push_back(byte);
      Bytes output(kept.size());
      const Opened opened = pair.layer.open(pair.gateway.state(), kept, output, 0);
      // The layer says exactly when asking again makes sense.
      if (!CHECK_EQ(opened.consumed != 0 || opened.needed != needed, kept.size() >= needed)) return;
      needed = opened.needed;
      got.insert(got.end(), output.begin(), output.begin() + static_cast<long>(opened.produced));
      kept.erase(kept.begin(), kept.begin() + static_cast<long>(opened.consumed));
    }
    CHECK(kept.empty() && got == plain);
  }
}

TEST(recordsWaitForRoom) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    Bytes wire = joined({pair.client.seal(1000, 'a'), pair.client.seal(1000, 'b')});
    Bytes output(1500);
    const Opened first = pair.layer.open(pair.gateway.state(), wire, output, 0);
    CHECK(first.event == OpenEvent::kOutputFull);
    CHECK_EQ(first.produced, 1000);
    const Opened second = pair.layer.open(pair.gateway.state(),
                                          std::span<u8>(wire).subspan(first.consumed), output, 0);
    CHECK(second.event == OpenEvent::kNeedMore);
    CHECK_EQ(second.produced, 1000);
    CHECK_EQ(output[999], 'b');
  }
}

TEST(sealingStopsWhereTheRoomEndsAndGoesOn) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Bytes plain(40000, 'q');
    Bytes wire;
    Bytes room(7000);
    size_t done = 0;
    u32 rounds = 0;
    while (done < plain.size() && ++rounds < 100) {
      const Sealed sealed =
          pair.layer.seal(pair.client.state(), std::span<const u8>(plain).subspan(done), room, 0);
      CHECK(sealed.produced > 0 && sealed.produced <= room.size());
      wire.insert(wire.end(), room.begin(), room.begin() + static_cast<long>(sealed.produced));
      done += sealed.consumed;
    }
    CHECK_EQ(done, plain.size());
    CHECK(pair.gateway.open(wire).event == OpenEvent::kNeedMore);
    CHECK(pair.gateway.plain == plain);
    Bytes nothing(8);
    CHECK(pair.layer.seal(pair.client.state(), plain, nothing, 0).event == SealEvent::kNoRoom);
  }
}

TEST(recordsAreSmallAfterIdleTimeAndLargeInBulk) {
  Pair pair(kVersion13, 0x1301);
  const auto lengths = [&pair](size_t bytes, u64 nowMs) {
    const Bytes wire = pair.client.seal(bytes, 'x', nowMs);
    std::vector<size_t> all;
    for (size_t at = 0; at < wire.size(); at += kRecordHeaderBytes + wireLength(&wire[at])) {
      all.push_back(wireLength(&wire[at]) - 1 - kTagBytes);
    }
    return all;
  };
  for (u64 nowMs : {0u, 10'000u, 20'000u}) {
    const std::vector<size_t> burst = lengths(256 * 1024, nowMs);
    size_t small = 0;
    while (small < burst.size() && burst[small] == kRecordSmallBytes) small++;
    CHECK(small * kRecordSmallBytes >= 64 * 1024 && (small - 1) * kRecordSmallBytes < 64 * 1024);
    for (size_t i = small; i + 1 < burst.size(); ++i) CHECK_EQ(burst[i], kRecordContentMax);
    // A short pause is no idle time.
    CHECK_EQ(lengths(20000, nowMs + 900)[0], kRecordContentMax);
  }
}

TEST(theLimitOfThePeerIsKept) {
  KeyPair keys = makeKeyPair(kVersion12, 0xc02b);
  keys.terminating.recordBytesMax = keys.originating.recordBytesMax = 512;
  ToyAead toy;
  RecordLayer layer(toy.table());
  End gateway(layer, keys.terminating);
  End client(layer, keys.originating);
  const Bytes wire = gateway.seal(100000);
  size_t at = 0;
  while (at < wire.size()) {
    const size_t length = wireLength(wire.data() + at);
    if (!CHECK(length <= 512 + 24)) break;
    at += kRecordHeaderBytes + length;
  }
  CHECK_EQ(client.open(wire).produced, 100000);
}

TEST(anyChangedBitEndsTheConnection) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Bytes wire = pair.client.seal(40);
    for (size_t bit = 0; bit < wire.size() * 8; ++bit) {
      Bytes forged = wire;
      forged[bit / 8] = static_cast<u8>(forged[bit / 8] ^ (1u << bit % 8));
      End gateway(pair.layer, pair.keys.terminating);
      const Opened opened = gateway.open(forged);
      const bool isLength = bit / 8 == 3 || bit / 8 == 4;
      // A length that grew waits for its bytes; they would be found out then.
      if (isLength && opened.event == OpenEvent::kNeedMore) {
        CHECK(opened.needed > wire.size());
        forged.resize(opened.needed);
        checkViolation(gateway.open(forged), Alert::kBadRecordMac);
      } else {
        CHECK(opened.event == OpenEvent::kViolation);
      }
      CHECK_EQ(opened.produced, 0);
      // Nothing that follows is opened, however right it is.
      if (gateway.state()->flags & kRecordFailed) {
        CHECK(gateway.open(wire).event == OpenEvent::kViolation && gateway.plain.empty());
      }
    }
  }
}

TEST(replayedSwappedAndDroppedRecordsAreForged) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Bytes first = pair.client.seal(10, '1');
    const Bytes second = pair.client.seal(10, '2');
    {
      End gateway(pair.layer, pair.keys.terminating);
      const Opened opened = gateway.open(joined({first, first}));
      checkViolation(opened, Alert::kBadRecordMac);
      CHECK(gateway.plain == Bytes(10, '1'));
    }
    End gateway(pair.layer, pair.keys.terminating);
    checkViolation(gateway.open(second), Alert::kBadRecordMac);
  }
}

TEST(headersAreJudgedBeforeTheirBytesCome) {
  const struct {
    u16 version;
    Bytes header;
    Alert alert;
  } cases[] = {
      {kVersion13, {22, 3, 3, 0, 30}, Alert::kUnexpectedMessage},
      {kVersion13, {20, 3, 3, 0, 1}, Alert::kUnexpectedMessage},
      {kVersion13, {21, 3, 3, 0, 2}, Alert::kUnexpectedMessage},
      {kVersion13, {'G', 'E', 'T', ' ', '/'}, Alert::kUnexpectedMessage},
      {kVersion13, {23, 3, 1, 0, 30}, Alert::kDecodeError},
      {kVersion13, {23, 3, 3, 0x41, 0x01}, Alert::kRecordOverflow},
      {kVersion13, {23, 3, 3, 0, 16}, Alert::kBadRecordMac},
      {kVersion12, {20, 3, 3, 0, 30}, Alert::kUnexpectedMessage},
      {kVersion12, {24, 3, 3, 0, 30}, Alert::kUnexpectedMessage},
      {kVersion12, {23, 3, 1, 0, 30}, Alert::kProtocolVersion},
      {kVersion12, {23, 3, 3, 0x48, 0x01}, Alert::kRecordOverflow},
      {kVersion12, {23, 3, 3, 0, 23}, Alert::kBadRecordMac},
  };
  for (const auto& wrong : cases) {
    Pair pair(wrong.version, wrong.version == kVersion13 ? 0x1301 : 0xc02b);
    for (size_t length = 0; length < kRecordHeaderBytes; ++length) {
      const Bytes part(wrong.header.begin(), wrong.header.begin() + static_cast<long>(length));
      CHECK(pair.gateway.open(part).event == OpenEvent::kNeedMore);
    }
    checkViolation(pair.gateway.open(wrong.header), wrong.alert);
  }
  Pair pair(kVersion13, 0x1301);
  CHECK(pair.gateway.open({23, 3, 3, 0x41, 0x00}).event == OpenEvent::kNeedMore);
}

TEST(oversizedContentIsRefusedAndPaddingIsNot) {
  {
    Pair pair(kVersion13, 0x1301);
    Bytes inner(kRecordContentMax, 'x');
    inner.push_back(kTypeApplication);
    CHECK_EQ(pair.gateway.open(sealRaw(pair, 23, inner)).produced, kRecordContentMax);
    inner.insert(inner.begin(), 'x');
    checkViolation(pair.gateway.open(sealRaw(pair, 23, inner)), Alert::kRecordOverflow);
  }
  {
    Pair pair(kVersion13, 0x1301);
    Bytes inner(100, 'x');
    inner.push_back(kTypeApplication);
    inner.resize(kRecordContentMax + 1, 0);
    CHECK_EQ(pair.gateway.open(sealRaw(pair, 23, inner)).produced, 100);
    inner.resize(kRecordContentMax + 2, 0);
    checkViolation(pair.gateway.open(sealRaw(pair, 23, inner)), Alert::kRecordOverflow);
  }
  for (size_t zeros : {1, 16, 400}) {
    Pair pair(kVersion13, 0x1301);
    checkViolation(pair.gateway.open(sealRaw(pair, 23, Bytes(zeros, 0))),
                   Alert::kUnexpectedMessage);
  }
  Pair pair(kVersion12, 0xc02b);
  CHECK_EQ(pair.gateway.open(sealRaw(pair, 23, Bytes(kRecordContentMax, 'x'))).produced,
           kRecordContentMax);
  checkViolation(pair.gateway.open(sealRaw(pair, 23, Bytes(kRecordContentMax + 1, 'x'))),
                 Alert::kRecordOverflow);
}

TEST(contentTypesInsideAreChecked) {
  for (u8 type : {u8{1}, u8{20}, u8{24}, u8{25}, u8{255}}) {
    Pair pair(kVersion13, 0x1301);
    checkViolation(pair.gateway.open(sealRaw(pair, 23, {'x', type})), Alert::kUnexpectedMessage);
  }
  for (u8 type : {kTypeAlert, kTypeHandshake}) {
    Pair pair(kVersion13, 0x1301);
    checkViolation(pair.gateway.open(sealRaw(pair, 23, {type})), Alert::kUnexpectedMessage);
  }
}

TEST(closeNotifyEndsOneDirectionOnly) {
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Bytes last = pair.client.seal(5, 'l');
    const Bytes wire = joined({last, pair.client.alert(Alert::kCloseNotify), Bytes(99, 0xff)});
    const Opened opened = pair.gateway.open(wire);
    CHECK(opened.event == OpenEvent::kCloseNotify);
    CHECK_EQ(opened.consumed, wire.size());
    CHECK(pair.gateway.plain == Bytes(5, 'l'));
    CHECK(pair.gateway.open(Bytes(10, 1)).event == OpenEvent::kCloseNotify);
    // The other direction goes on.
    CHECK(pair.client.open(pair.gateway.seal(9, 'g')).event == OpenEvent::kNeedMore);
    CHECK(pair.client.plain == Bytes(9, 'g'));
    // And the one that ended it seals nothing more.
    Bytes room(100);
    const Sealed late = pair.layer.seal(pair.client.state(), Bytes(1, 'x'), room, 0);
    CHECK(late.event == SealEvent::kFailed && late.produced == 0);
    CHECK(pair.client.alert(Alert::kCloseNotify).empty());
    CHECK(pair.client.due().empty());
  }
}

TEST(alertsEndWhatTheyShould) {
  struct Case {
    u16 version;
    Bytes alert;
    OpenEvent event;
    Alert code;
  };
  const Case cases[] = {
      {kVersion13, {2, 40}, OpenEvent::kAlert, Alert::kHandshakeFailure},
      {kVersion13, {1, 40}, OpenEvent::kAlert, Alert::kHandshakeFailure},
      {kVersion13, {1, 200}, OpenEvent::kAlert, static_cast<Alert>(200)},
      {kVersion13, {1, 90}, OpenEvent::kNeedMore, Alert::kNone},
      {kVersion13, {2, 0}, OpenEvent::kCloseNotify, Alert::kNone},
      {kVersion13, {3, 40}, OpenEvent::kAlert, Alert::kHandshakeFailure},
      {kVersion12, {3, 40}, OpenEvent::kViolation, Alert::kIllegalParameter},
      {kVersion13, {1}, OpenEvent::kViolation, Alert::kDecodeError},
      {kVersion13, {1, 0, 1, 0}, OpenEvent::kViolation, Alert::kDecodeError},
      {kVersion12, {1, 100}, OpenEvent::kNeedMore, Alert::kNone},
      {kVersion12, {2, 20}, OpenEvent::kAlert, Alert::kBadRecordMac},
      {kVersion12, {0, 20}, OpenEvent::kViolation, Alert::kIllegalParameter},
      {kVersion12, {}, OpenEvent::kViolation, Alert::kUnexpectedMessage},
  };
  for (const Case& one : cases) {
    Pair pair(one.version, one.version == kVersion13 ? 0x1302 : 0xc030);
    const Opened opened = pair.gateway.open(sealTyped(pair, kTypeAlert, one.alert));
    CHECK(opened.event == one.event);
    CHECK_EQ(alertName(opened.alert), alertName(one.code));
  }
  for (const auto& [version, suite] : kSuites) {
    Pair pair(version, suite);
    const Opened opened = pair.client.open(pair.gateway.alert(Alert::kIllegalParameter));
    CHECK(opened.event == OpenEvent::kAlert && opened.alert == Alert::kIllegalParameter);
    CHECK(pair.gateway.open(pair.client.seal(1)).event == OpenEvent::kViolation);
  }
}

TEST(keysAreUpdatedBothWays) {
  for (u16 suite : {u16{0x1301}, u16{0x1302}, u16{0x1303}}) {
    Pair pair(kVersion13, suite);
    for (int round = 0; round < 20; ++round) {
      const bool isAsked = round % 2 == 1;
      const Bytes update =
          pair.client.update(isAsked ? UpdateRequest::kRequested : UpdateRequest::kNotRequested);
      const Opened opened =
          pair.gateway.open(joined({pair.client.seal(0), update, pair.client.seal(7, 'n')}));
      CHECK(opened.event == OpenEvent::kNeedMore);
      CHECK_EQ(opened.isReplyDue, isAsked);
      CHECK(pair.gateway.plain == Bytes(7, 'n'));
      CHECK_EQ(pair.gateway.state()->readSequence, 1);
      // The answer goes out before the next bytes, and once.
      const Bytes answer = round % 4 == 1 ? pair.gateway.due() : Bytes{};
      const Opened back = pair.client.open(joined({answer, pair.gateway.seal(3, 'b')}));
      CHECK(back.event == OpenEvent::kNeedMore);
      CHECK_EQ(back.records, isAsked ? 2 : 1);
      CHECK(pair.client.plain == Bytes(3, 'b'));
      CHECK(pair.gateway.due().empty());
    }
    CHECK(!pair.toy.wasNonceReused());
    CHECK(pair.toy.forgotten() >= 60);
  }
}

TEST(oneAnswerIsEnoughForManyRequests) {
  Pair pair(kVersion13, 0x1301);
  Bytes wire;
  for (int i = 0; i < 5; ++i) {
    wire = joined({wire, pair.client.update(UpdateRequest::kNotRequested)});
    wire = joined({wire, sealTyped(pair, kTypeHandshake, {24, 0, 0, 1, 1})});
    const DirectionMaterial material = materialOf(*pair.client.state(), Direction::kWrite);
    // sealTyped does not turn the client's keys.
    u8 next[48];
    const AeadTable& aead = pair.toy.table();
    std::string info("\x00\x20\x11tls13 traffic upd\x00", 21);
    CHECK(aead.expand(aead.self, Hash::kSha256, material.secret,
                      {reinterpret_cast<const u8*>(info.data()), info.size()},
                      std::span<u8>(next, 32)));
    std::memcpy(material.secret.data(), next, 32);
    const auto label = [&](std::string text, std::span<u8> output) {
      CHECK(aead.expand(aead.self, Hash::kSha256, material.secret,
                        {reinterpret_cast<const u8*>(text.data()), text.size()}, output));
    };
    label(std::string("\x00\x10\x09tls13 key\x00", 13), material.key);
    label(std::string("\x00\x0c\x08tls13 iv\x00", 12), material.iv);
    pair.client.state()->writeSequence = 0;
  }
  const Opened opened = pair.gateway.open(wire);
  CHECK(opened.event == OpenEvent::kNeedMore && opened.isReplyDue);
  CHECK_EQ(opened.records, 10);
  const Opened back = pair.client.open(pair.gateway.seal(4));
  CHECK_EQ(back.records, 2);
  CHECK(pair.client.plain.size() == 4);
}

TEST(keyUpdatesMayBeSplitButNotMixed) {
  const Bytes message = {24, 0, 0, 1, 0};
  for (size_t split = 1; split < message.size(); ++split) {
    const Bytes head(message.begin(), message.begin() + static_cast<long>(split));
    const Bytes tail(message.begin() + static_cast<long>(split), message.end());
    {
      Pair pair(kVersion13, 0x1301);
      CHECK(pair.gateway
                .open(joined(
                    {sealTyped(pair, kTypeHandshake, head), sealTyped(pair, kTypeHandshake, tail)}))
                .event == OpenEvent::kNeedMore);
      CHECK_EQ(pair.gateway.state()->readSequence, 0);
    }
    for (u8 type : {kTypeApplication, kTypeAlert}) {
      Pair pair(kVersion13, 0x1301);
      checkViolation(pair.gateway.open(joined(
                         {sealTyped(pair, kTypeHandshake, head), sealTyped(pair, type, {1, 0})})),
                     Alert::kUnexpectedMessage);
    }
  }
  const struct {
    Bytes message;
    Alert alert;
  } wrong[] = {
      {{24, 0, 0, 1, 2}, Alert::kIllegalParameter},
      {{24, 0, 0, 0}, Alert::kDecodeError},
      {{24, 0, 0, 2, 0, 0}, Alert::kDecodeError},
      {{24, 1, 0, 1, 0}, Alert::kDecodeError},
      {{24, 0, 0, 1, 0, 24}, Alert::kUnexpectedMessage},
      {{24, 0, 0, 1, 0, 24, 0, 0, 1, 0}, Alert::kUnexpectedMessage},
      {{4, 0, 0, 1, 0}, Alert::kUnexpectedMessage},   // a client has no tickets to give
      {{13, 0, 0, 1, 0}, Alert::kUnexpectedMessage},  // nor certificates to ask for
      {{1, 0, 0, 1, 0}, Alert::kUnexpectedMessage},
      {{20, 0, 0, 1, 0}, Alert::kUnexpectedMessage},
      {{5, 0, 0, 0}, Alert::kUnexpectedMessage},
  };
  for (const auto& one : wrong) {
    Pair pair(kVersion13, 0x1301);
    checkViolation(pair.gateway.open(sealTyped(pair, kTypeHandshake, one.message)), one.alert);
  }
}

TEST(floodsOfEmptyWorkAreCut) {
  const auto flood = [](u16 version, u8 type, const Bytes& content, u64 everyMs) {
    Pair pair(version, version == kVersion13 ? 0x1301 : 0xc02b);
    for (u32 i = 0; i < 3 * kRecordFloodMax; ++i) {
      const Opened opened = pair.gateway.open(sealTyped(pair, type, content), 5000 + i * everyMs);
      if (opened.event == OpenEvent::kViolation) {
        checkViolation(opened, Alert::kUnexpectedMessage);
        return i;
      }
    }
    return 3 * kRecordFloodMax;
  };
  CHECK_EQ(flood(kVersion13, kTypeApplication, {}, 0), kRecordFloodMax);
  CHECK_EQ(flood(kVersion12, kTypeApplication, {}, 0), kRecordFloodMax);
  CHECK_EQ(flood(kVersion13, kTypeAlert, {1, 90}, 0), kRecordFloodMax);
  CHECK_EQ(flood(kVersion12, kTypeAlert, {1, 100}, 0), kRecordFloodMax);
  CHECK_EQ(flood(kVersion12, kTypeHandshake, {1, 0, 0, 0}, 0), kRecordFloodMax);
  // At a pace that costs nothing they may come for ever.
  CHECK_EQ(flood(kVersion13, kTypeApplication, {}, 11), 3 * kRecordFloodMax);
  Pair pair(kVersion13, 0x1301);
  u32 updates = 0;
  while (updates < 200 &&
         pair.gateway.open(pair.client.update(UpdateRequest::kRequested), 5000).event ==
             OpenEvent::kNeedMore) {
    updates++;
    pair.client.state()->flags = kRecordOriginating;
  }
  CHECK_EQ(updates, kRecordFloodMax);
}

TEST(ticketsAreSkippedByThoseWhoAsked) {
  for (size_t length : {0, 1, 200, 16000, 60000}) {
    Pair pair(kVersion13, 0x1302);
    // The gateway end plays the client that gets a ticket.
    pair.gateway.state()->flags = kRecordOriginating;
    Bytes ticket = {4, static_cast<u8>(length >> 16), static_cast<u8>(length >> 8),
                    static_cast<u8>(length)};
    ticket.resize(4 + length, 'T');
    Bytes wire;
    for (size_t at = 0; at < ticket.size();) {
      const size_t part = std::min<size_t>(ticket.size() - at, at == 0 ? 3 : 9000);
      wire = joined({wire, sealTyped(pair, kTypeHandshake,
                                     Bytes(ticket.begin() + static_cast<long>(at),
                                           ticket.begin() + static_cast<long>(at + part)))});
      at += part;
    }
    // Two more in one record, then bytes.
    wire = joined({wire, sealTyped(pair, kTypeHandshake, {4, 0, 0, 1, 9, 4, 0, 0, 0}),
                   pair.client.seal(6, 'd')});
    CHECK(pair.gateway.open(wire).event == OpenEvent::kNeedMore);
    CHECK(pair.gateway.plain == Bytes(6, 'd'));
  }
  Pair pair(kVersion13, 0x1302);
  pair.gateway.state()->flags = kRecordOriginating;
  checkViolation(pair.gateway.open(sealTyped(pair, kTypeHandshake, {4, 0x10, 0, 0})),
                 Alert::kIllegalParameter);
}

TEST(renegotiationIsRefusedAndTheConnectionGoesOn) {
  {
    Pair pair(kVersion12, 0xc02b);
    Bytes hello(300, 'h');
    hello[0] = 1;
    hello[1] = hello[2] = 0;
    hello.resize(4 + 'h');
    hello[3] = 'h';
    const Opened opened = pair.gateway.open(
        joined({sealTyped(pair, kTypeHandshake, hello), pair.client.seal(3, 'x')}));
    CHECK(opened.event == OpenEvent::kNeedMore && opened.isReplyDue);
    CHECK(pair.gateway.plain == Bytes(3, 'x'));
    const Opened back = pair.client.open(pair.gateway.seal(2, 'y'));
    CHECK_EQ(back.records, 2);
    CHECK(pair.client.plain == Bytes(2, 'y'));
  }
  {
    Pair pair(kVersion12, 0xc02b);
    pair.gateway.state()->flags = kRecordOriginating;
    CHECK(pair.gateway.open(sealTyped(pair, kTypeHandshake, {0, 0, 0, 0})).isReplyDue);
    CHECK_EQ(pair.client.open(pair.gateway.due()).records, 1);
  }
  for (u8 type : {u8{0}, u8{4}, u8{16}, u8{20}, u8{24}}) {
    Pair pair(kVersion12, 0xc02b);
    checkViolation(pair.gateway.open(sealTyped(pair, kTypeHandshake, {type, 0, 0, 0})),
                   Alert::kUnexpectedMessage);
  }
}

TEST(keysAreRenewedBeforeTheirLimit) {
  Pair pair(kVersion13, 0x1301);
  pair.client.state()->writeSequence = kGcmRecordsMax - 1;
  pair.gateway.state()->readSequence = kGcmRecordsMax - 1;
  const Opened opened =
      pair.gateway.open(joined({pair.client.seal(1, 'a'), pair.client.seal(1, 'b')}));
  CHECK(opened.event == OpenEvent::kNeedMore);
  CHECK_EQ(opened.records, 3);
  CHECK_EQ(pair.client.state()->writeSequence, 1);
  CHECK_EQ(pair.gateway.state()->readSequence, 1);

  // A peer that does not do it is asked to, once.
  pair.client.state()->writeSequence = pair.gateway.state()->readSequence = kGcmRecordsMax + 5;
  Bytes wire(64);
  const auto sealOld = [&] { return sealTyped(pair, kTypeApplication, {'o'}); };
  CHECK(pair.gateway.open(sealOld()).isReplyDue);
  const Opened asked = pair.client.open(pair.gateway.due());
  CHECK(asked.isReplyDue);
  CHECK(!pair.gateway.open(sealOld()).isReplyDue);
  CHECK(pair.gateway.due().empty());
  CHECK(pair.gateway.open(pair.client.due()).event == OpenEvent::kNeedMore);
  CHECK_EQ(pair.gateway.state()->readSequence, 0);
}

TEST(keysThatCannotBeRenewedEndTheConnectionInTime) {
  Pair pair(kVersion12, 0xc02b);
  RecordState* state = pair.client.state();
  const u64 nearly = kGcmBlocksMax - 10;
  std::memcpy(state->material + 2 * directionBytes(suiteOf(*state)), &nearly, sizeof(nearly));
  Bytes room(1000);
  const Bytes message(32, 'm');  // two blocks and two more
  CHECK(pair.layer.seal(state, message, room, 0).event == SealEvent::kDone);
  CHECK(pair.layer.seal(state, message, room, 0).event == SealEvent::kDone);
  const Sealed last = pair.layer.seal(state, message, room, 0);
  CHECK(last.event == SealEvent::kExhausted && last.consumed == 0 && last.produced == 0);
  // There is always enough left to say so.
  CHECK(!pair.client.alert(Alert::kCloseNotify).empty());
}

TEST(aLibraryThatFailsEndsOneConnection) {
  Pair pair(kVersion13, 0x1301);
  Bytes room(1000);
  pair.toy.failNext();
  const u64 before = pair.client.state()->writeSequence;
  CHECK(pair.layer.seal(pair.client.state(), Bytes(5, 'x'), room, 0).event == SealEvent::kFailed);
  // The number is gone with the record.
  CHECK_EQ(pair.client.state()->writeSequence, before + 1);
}

TEST(unknownSuitesAreNotAttached) {
  ToyAead toy;
  RecordLayer layer(toy.table());
  RecordState state;
  KeyPair keys = makeKeyPair(kVersion12, 0x002f);
  CHECK_EQ(RecordLayer::stateBytes(keys.terminating), 0);
  CHECK(!layer.attach(keys.terminating, &state));
  keys = makeKeyPair(kVersion12, 0x1301);  // a suite of the other version
  CHECK(!layer.attach(keys.terminating, &state));
  layer.end(&state);
}

TEST(statesAndKeysAreWiped) {
  ToyAead toy;
  RecordLayer layer(toy.table());
  KeyPair keys = makeKeyPair(kVersion13, 0x1302);
  RecordState state;
  CHECK(layer.attach(keys.terminating, &state));
  layer.end(&state);
  u32 sum = 0;
  for (u8 byte : state.material) sum += byte;
  CHECK_EQ(sum, 0);
  CHECK_EQ(state.readSequence, 0);
  CHECK_EQ(toy.forgotten(), 2);
  wipe(&keys.terminating);
  for (u8 byte : keys.terminating.read.secret) sum += byte;
  CHECK_EQ(sum, 0);
}

}  // namespace
}  // namespace holdfast::tls
