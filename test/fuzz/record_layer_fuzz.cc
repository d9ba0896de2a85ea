// Streams of records, good, strange and broken, into the record layer on a toy cipher.
//
// The input writes the stream: honest bytes, key updates, raw contents of any type, noise between
// them and changed bytes. Properties: what comes out is a prefix of what was honestly sealed,
// however the stream is cut; nothing leaves the buffers; an end is never taken back.
#include <algorithm>
#include <memory>
#include <vector>

#include "tls/record_layer.h"
#include "tls/record_wire.h"

#include "fuzz/fuzz.h"
#include "native/tls/toy_aead.h"

namespace {

using namespace holdfast;
using namespace holdfast::tls;
using Bytes = std::vector<u8>;

constexpr u16 kSuites[][2] = {
    {kVersion13, 0x1301}, {kVersion13, 0x1302}, {kVersion12, 0xc02b}, {kVersion12, 0xcca8}};
constexpr size_t kStepsMax = 64;

void append(Bytes* to, std::span<const u8> more) {
  to->insert(to->end(), more.begin(), more.end());
}

// Seals any content of any type, as a peer that knows the keys could.
Bytes sealRaw(const AeadTable& aead, RecordState* state, u8 outerType, std::span<const u8> inner) {
  const CipherSuite& suite = suiteOf(*state);
  const size_t length = inner.size() + suite.explicitNonceBytes + kTagBytes;
  Bytes wire(kRecordHeaderBytes + length);
  wire[0] = outerType;
  wire[1] = wire[2] = 3;
  wire[3] = static_cast<u8>(length >> 8);
  wire[4] = static_cast<u8>(length);
  u8* const explicitNonce = wire.data() + kRecordHeaderBytes;
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
  call.aad = suite.version == kVersion13
                 ? std::span<const u8>(wire.data(), kRecordHeaderBytes)
                 : makeAad12(state->writeSequence, outerType, inner.size(), aad);
  state->writeSequence++;
  FUZZ_CHECK(aead.seal(aead.self, call));
  return wire;
}

// The stream, and the bytes that may come out of it at most.
struct Stream {
  Bytes wire;
  Bytes honest;
};

Stream writeStream(fuzz::Choices* choices, RecordLayer* layer, const AeadTable& aead,
                   RecordState* peer) {
  Stream stream;
  Bytes room(24'000);
  for (size_t i = 0; i < kStepsMax && !choices->isAtEnd(); ++i) {
    const u8 kind = choices->takeU8();
    switch (kind % 8) {
      case 0:
      case 1: {
        const size_t most = (kind & 0xf0) == 0x40 ? 20'000 : 300;
        const Bytes plain(1 + choices->takeU16() % most, kind);
        const Sealed sealed = layer->seal(peer, plain, room, i * 100);
        if (sealed.event == SealEvent::kFailed) break;
        append(&stream.wire, std::span<const u8>(room).first(sealed.produced));
        append(&stream.honest, std::span<const u8>(plain).first(sealed.consumed));
        break;
      }
      case 2: {
        const Sealed sealed = layer->updateKeys(peer, static_cast<UpdateRequest>(kind >> 7), room);
        append(&stream.wire, std::span<const u8>(room).first(sealed.produced));
        break;
      }
      case 3: {
        const Sealed sealed = layer->sealAlert(peer, static_cast<Alert>(choices->takeU8()), room);
        append(&stream.wire, std::span<const u8>(room).first(sealed.produced));
        break;
      }
      case 4:
      case 5: {  // a content, and in TLS 1.3 its type and padding, as the input has them
        const std::span<const u8> inner = choices->take(choices->takeU8() % 40);
        const bool is13 = suiteOf(*peer).version == kVersion13;
        const u8 outerType = is13 ? kTypeApplication : static_cast<u8>(20 + kind / 8 % 6);
        append(&stream.wire, sealRaw(aead, peer, outerType, inner));
        // It may be honest after all.
        size_t length = inner.size();
        u8 type = outerType;
        if (is13) {
          while (length > 0 && inner[length - 1] == 0) --length;
          type = length > 0 ? inner[--length] : u8{0};
        }
        if (type == kTypeApplication) append(&stream.honest, inner.first(length));
        break;
      }
      case 6:
        append(&stream.wire, choices->take(choices->takeU8() % 20));
        break;
      default:
        if (!stream.wire.empty()) {
          stream.wire[choices->takeU16() % stream.wire.size()] ^= choices->takeU8();
        }
        break;
    }
  }
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  const u8 knobs = choices.takeU8();
  const auto& [version, suite] = kSuites[knobs % std::size(kSuites)];
  const size_t step = 1 + choices.takeU16() % 5000;
  ToyAead toy;
  RecordLayer layer(toy.table());
  KeyPair keys = makeKeyPair(version, suite);
  if (knobs & 0x10) keys.terminating.recordBytesMax = keys.originating.recordBytesMax = 600;
  if (knobs & 0x20) std::swap(keys.terminating, keys.originating);
  const std::unique_ptr<u8[]> exact(new u8[RecordLayer::stateBytes(keys.terminating)]);
  RecordState* const state = reinterpret_cast<RecordState*>(exact.get());
  RecordState peer;
  FUZZ_CHECK(layer.attach(keys.terminating, state));
  FUZZ_CHECK(layer.attach(keys.originating, &peer));
  const Stream stream = writeStream(&choices, &layer, toy.table(), &peer);

  Bytes kept;
  Bytes got;
  bool isOver = false;
  for (size_t at = 0; at < stream.wire.size(); at += step) {
    const size_t part = std::min(step, stream.wire.size() - at);
    append(&kept, std::span<const u8>(stream.wire).subspan(at, part));
    // Exact copies, so that the first byte too far is seen.
    Bytes input(kept);
    Bytes other(input.size());
    const bool isInPlace = (knobs & 0x40) != 0;
    const std::span<u8> output = isInPlace ? std::span<u8>(input) : std::span<u8>(other);
    const Opened opened = layer.open(state, input, output, at);
    FUZZ_CHECK(opened.consumed <= input.size() && opened.produced <= output.size());
    FUZZ_CHECK(opened.event != OpenEvent::kOutputFull);
    if (isOver) FUZZ_CHECK(opened.produced == 0 && opened.event != OpenEvent::kNeedMore);
    if (opened.event == OpenEvent::kNeedMore) {
      FUZZ_CHECK(opened.needed > input.size() - opened.consumed);
      FUZZ_CHECK(opened.needed <= kRecordWireBytesMax);
    } else {
      isOver = true;
      FUZZ_CHECK(opened.consumed == input.size());
    }
    append(&got, output.first(opened.produced));
    kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(opened.consumed));
    u8 reply[2 * kControlBytesMax];
    const Sealed due = layer.sealDue(state, reply);
    FUZZ_CHECK(due.event == SealEvent::kDone &&
               (due.produced == 0 || !isOver || got.empty() || due.produced <= sizeof(reply)));
  }
  FUZZ_CHECK(got.size() <= stream.honest.size());
  FUZZ_CHECK(std::equal(got.begin(), got.end(), stream.honest.begin()));
  FUZZ_CHECK(!toy.wasNonceReused());
  layer.end(state);
  layer.end(&peer);
  return 0;
}
