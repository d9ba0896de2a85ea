// Sealing records: sizes, what is owed to the peer, key updates and alerts. The other half of
// record_layer.h.
//
// Path: what a peer sent goes through here into a second scratch buffer and out with one send().
// Invariant: a record is written whole or not at all, and its number is used once; whatever the
// caller does with the bytes, they were sealed and have to be sent in order.
#include <algorithm>

#include "tls/key_schedule.h"
#include "tls/record_layer.h"
#include "tls/record_wire.h"

namespace holdfast::tls {

namespace {

constexpr u32 kPolicyTickMs = 256;
constexpr u32 kPolicyIdleTicks = (kRecordIdleMs + kPolicyTickMs - 1) / kPolicyTickMs;
constexpr u8 kKeyUpdateMessage[] = {24, 0, 0, 1};

// How long the next record may be.
size_t recordLimit(RecordState* state, u16 tick) {
  const u16 sinceTicks = static_cast<u16>(tick - state->policyTick);
  if (sinceTicks > kPolicyIdleTicks) state->policyRecords = 0;
  state->policyTick = tick;
  size_t limit = kRecordContentMax;
  if (state->policyRecords < kRecordSmallCount) {
    state->policyRecords++;
    limit = kRecordSmallBytes;
  }
  return std::min<size_t>(limit, state->recordBytesMax);
}

size_t overheadOf(const CipherSuite& suite) {
  const size_t typeBytes = suite.version == kVersion13 ? 1 : 0;
  return kRecordHeaderBytes + suite.explicitNonceBytes + typeBytes + kTagBytes;
}

// TLS 1.2: blocks that a key may still work on before it is used up. Counts this record.
bool spendBlocks(RecordState* state, const CipherSuite& suite, size_t length) {
  u8* const place = state->material + 2 * directionBytes(suite);
  u64 blocks = 0;
  std::memcpy(&blocks, place, sizeof(blocks));
  // The counter block and the block of lengths come on top.
  blocks += (length + 15) / 16 + 2;
  if (blocks > suite.blocksMax) return false;
  std::memcpy(place, &blocks, sizeof(blocks));
  return true;
}

}  // namespace

bool RecordLayer::sealRecord(RecordState* state, u8 type, std::span<const u8> content,
                             std::span<u8> output, size_t* produced) {
  const CipherSuite& suite = suiteOf(*state);
  const bool is13 = suite.version == kVersion13;
  const size_t wireBytes = content.size() + overheadOf(suite);
  HF_ASSERT(wireBytes <= output.size() - *produced);
  u8* const header = output.data() + *produced;
  u8* const explicitNonce = header + kRecordHeaderBytes;
  u8* const sealed = explicitNonce + suite.explicitNonceBytes;
  const size_t length = wireBytes - kRecordHeaderBytes;
  header[0] = is13 ? kTypeApplication : type;
  header[1] = 0x03;
  header[2] = 0x03;
  header[3] = static_cast<u8>(length >> 8);
  header[4] = static_cast<u8>(length);
  if (suite.explicitNonceBytes != 0) putBigEndian(state->writeSequence, explicitNonce);

  HF_UNINITIALIZED u8 nonce[kNonceBytes];
  HF_UNINITIALIZED u8 aad[kAadBytesMax];
  const std::span<const u8> iv = materialOf(*state, Direction::kWrite).iv;
  makeNonce(suite, iv, state->writeSequence, explicitNonce, nonce);
  AeadCall call;
  call.state = state;
  call.direction = Direction::kWrite;
  call.nonce = nonce;
  call.input = content;
  call.output = sealed;
  if (is13) {
    call.tail = type;
    call.tag = sealed + content.size() + 1;
    call.aad = {header, kRecordHeaderBytes};
  } else {
    call.tag = sealed + content.size();
    call.aad = makeAad12(state->writeSequence, type, content.size(), aad);
  }
  // The number is used up even when the library fails, so that no nonce is used twice.
  state->writeSequence++;
  if (!aead_.seal(aead_.self, call)) return false;
  *produced += wireBytes;
  return true;
}

SealEvent RecordLayer::sealKeyUpdate(RecordState* state, UpdateRequest request,
                                     std::span<u8> output, size_t* produced) {
  if (output.size() - *produced < kControlBytesMax) return SealEvent::kNoRoom;
  u8 message[sizeof(kKeyUpdateMessage) + 1];
  std::memcpy(message, kKeyUpdateMessage, sizeof(kKeyUpdateMessage));
  message[sizeof(kKeyUpdateMessage)] = static_cast<u8>(request);
  if (!sealRecord(state, kTypeHandshake, message, output, produced)) return SealEvent::kFailed;
  const DirectionMaterial material = materialOf(*state, Direction::kWrite);
  if (!updateTrafficKeys(aead_, suiteOf(*state), material)) return SealEvent::kFailed;
  aead_.forget(aead_.self, state, Direction::kWrite);
  state->writeSequence = 0;
  state->flags = static_cast<u8>(state->flags & ~kRecordUpdateDue);
  if (request == UpdateRequest::kRequested) state->flags |= kRecordUpdateAsked;
  return SealEvent::kDone;
}

SealEvent RecordLayer::sealOwed(RecordState* state, std::span<u8> output, size_t* produced) {
  const CipherSuite& suite = suiteOf(*state);
  if (suite.version == kVersion13) {
    const bool isReadOld =
        state->readSequence >= suite.recordsMax && (state->flags & kRecordUpdateAsked) == 0;
    const bool isWriteOld = state->writeSequence >= suite.recordsMax;
    if (!isReadOld && !isWriteOld && (state->flags & kRecordUpdateDue) == 0) {
      return SealEvent::kDone;
    }
    const UpdateRequest request =
        isReadOld ? UpdateRequest::kRequested : UpdateRequest::kNotRequested;
    return sealKeyUpdate(state, request, output, produced);
  }
  if (state->flags & kRecordRefusalDue) {
    if (output.size() - *produced < kControlBytesMax) return SealEvent::kNoRoom;
    const u8 refusal[] = {kLevelWarning, static_cast<u8>(Alert::kNoRenegotiation)};
    state->flags = static_cast<u8>(state->flags & ~kRecordRefusalDue);
    if (!sealRecord(state, kTypeAlert, refusal, output, produced)) return SealEvent::kFailed;
  }
  return SealEvent::kDone;
}

Sealed RecordLayer::seal(RecordState* state, std::span<const u8> plain, std::span<u8> output,
                         u64 nowMs) {
  Sealed sealed;
  if (state->flags & kRecordCloseSent) {
    sealed.event = SealEvent::kFailed;
    return sealed;
  }
  const CipherSuite& suite = suiteOf(*state);
  const size_t overhead = overheadOf(suite);
  const u16 tick = static_cast<u16>(nowMs / kPolicyTickMs);
  while (sealed.consumed < plain.size()) {
    sealed.event = sealOwed(state, output, &sealed.produced);
    if (sealed.event != SealEvent::kDone) return sealed;
    const size_t room = output.size() - sealed.produced;
    if (room <= overhead) {
      sealed.event = SealEvent::kNoRoom;
      return sealed;
    }
    size_t length = std::min(plain.size() - sealed.consumed, recordLimit(state, tick));
    if (length > room - overhead && sealed.produced > 0) {
      // Rather a full record after the next send than a stub now.
      sealed.event = SealEvent::kNoRoom;
      return sealed;
    }
    length = std::min(length, room - overhead);
    if (suite.version == kVersion12 &&
        (state->writeSequence >= suite.recordsMax || !spendBlocks(state, suite, length))) {
      sealed.event = SealEvent::kExhausted;
      return sealed;
    }
    const std::span<const u8> content = plain.subspan(sealed.consumed, length);
    if (!sealRecord(state, kTypeApplication, content, output, &sealed.produced)) {
      sealed.event = SealEvent::kFailed;
      return sealed;
    }
    sealed.consumed += length;
  }
  return sealed;
}

Sealed RecordLayer::sealDue(RecordState* state, std::span<u8> output) {
  Sealed sealed;
  if ((state->flags & kRecordCloseSent) == 0) {
    sealed.event = sealOwed(state, output, &sealed.produced);
  }
  return sealed;
}

Sealed RecordLayer::sealAlert(RecordState* state, Alert alert, std::span<u8> output) {
  Sealed sealed;
  if (state->flags & kRecordCloseSent) return sealed;
  if (output.size() < kControlBytesMax) {
    sealed.event = SealEvent::kNoRoom;
    return sealed;
  }
  const bool isClose = alert == Alert::kCloseNotify;
  const u8 content[] = {isClose ? kLevelWarning : kLevelFatal, static_cast<u8>(alert)};
  if (!sealRecord(state, kTypeAlert, content, output, &sealed.produced)) {
    sealed.event = SealEvent::kFailed;
  }
  state->flags |= kRecordCloseSent;
  if (!isClose) state->flags |= kRecordFailed;
  return sealed;
}

Sealed RecordLayer::updateKeys(RecordState* state, UpdateRequest request, std::span<u8> output) {
  Sealed sealed;
  if (suiteOf(*state).version != kVersion13) return sealed;
  if (state->flags & kRecordCloseSent) return sealed;
  UpdateRequest asked = request;
  if (state->flags & kRecordUpdateAsked) asked = UpdateRequest::kNotRequested;
  sealed.event = sealKeyUpdate(state, asked, output, &sealed.produced);
  return sealed;
}

}  // namespace holdfast::tls
