// Opening records: headers, tags, padding, alerts and post-handshake messages. Sealing is in
// record_seal.cc.
//
// RecordState::handshake holds a post-handshake message of which more is to come, in its top byte
// how far it got: 0 nothing, 1 to 3 bytes of its header (in the low 24 bits), kSkipping (the low 24
// bits count the bytes left), kKeyUpdateBody (one byte is left). A message may be spread over
// records.
#include "tls/record_layer.h"

#include <algorithm>

#include "tls/key_schedule.h"
#include "tls/record_wire.h"

namespace holdfast::tls {

namespace {

constexpr u32 kSkipping = 4;
constexpr u32 kKeyUpdateBody = 5;
constexpr u32 kLow24 = 0xffffff;
// A ticket or a renegotiating hello; more is not skipped for anybody.
constexpr u32 kMessageBytesMax = 128 * 1024;

constexpr u32 kHelloRequest = 0;
constexpr u32 kClientHello = 1;
constexpr u32 kNewSessionTicket = 4;
constexpr u32 kKeyUpdate = 24;

bool isOriginating(const RecordState& state) { return (state.flags & kRecordOriginating) != 0; }

// What is wrong with a header, or kNone.
Alert checkHeader(const CipherSuite& suite, const u8* header) {
  const u8 type = header[0];
  const u32 version = u32{header[1]} << 8 | header[2];
  const size_t length = wireLength(header);
  if (suite.version == kVersion13) {
    // Records of TLS 1.3 look like application data (RFC 8446 5.2).
    if (type != kTypeApplication) return Alert::kUnexpectedMessage;
    if (version != kVersion12) return Alert::kDecodeError;
    if (length > kRecordBytesMax13) return Alert::kRecordOverflow;
    // One byte of type and the tag.
    return length < 1 + kTagBytes ? Alert::kBadRecordMac : Alert::kNone;
  }
  if (type != kTypeApplication && type != kTypeAlert && type != kTypeHandshake) {
    return Alert::kUnexpectedMessage;
  }
  if (version != kVersion12) return Alert::kProtocolVersion;
  if (length > kRecordBytesMax12) return Alert::kRecordOverflow;
  return length < suite.explicitNonceBytes + kTagBytes ? Alert::kBadRecordMac : Alert::kNone;
}

}  // namespace

const char* alertName(Alert alert) {
  switch (alert) {
    case Alert::kCloseNotify:
      return "close_notify";
    case Alert::kUnexpectedMessage:
      return "unexpected_message";
    case Alert::kBadRecordMac:
      return "bad_record_mac";
    case Alert::kRecordOverflow:
      return "record_overflow";
    case Alert::kHandshakeFailure:
      return "handshake_failure";
    case Alert::kIllegalParameter:
      return "illegal_parameter";
    case Alert::kDecodeError:
      return "decode_error";
    case Alert::kProtocolVersion:
      return "protocol_version";
    case Alert::kInternalError:
      return "internal_error";
    case Alert::kUserCanceled:
      return "user_canceled";
    case Alert::kNoRenegotiation:
      return "no_renegotiation";
    case Alert::kNone:
      return "none";
  }
  return "alert";
}

size_t RecordLayer::stateBytes(const RecordKeys& keys) {
  const u8 row = findCipherSuite(keys.version, keys.suite);
  return row == kNoSuite ? 0 : recordStateBytes(kCipherSuites[row]);
}

bool RecordLayer::attach(const RecordKeys& keys, RecordState* state) {
  const u8 row = findCipherSuite(keys.version, keys.suite);
  std::memset(static_cast<void*>(state), 0, kRecordStateHeadBytes);
  state->suite = row;
  state->slot = kNoSlot;
  if (row == kNoSuite) return false;
  const CipherSuite& suite = kCipherSuites[row];
  std::memset(state->material, 0, materialBytes(suite));
  const bool isLimited = keys.recordBytesMax != 0 && keys.recordBytesMax < kRecordContentMax;
  state->recordBytesMax = isLimited ? keys.recordBytesMax : u16{kRecordContentMax};
  state->flags = keys.role == HF_TLS_ORIGINATING ? u8{kRecordOriginating} : u8{0};
  state->readSequence = keys.read.sequence;
  state->writeSequence = keys.write.sequence;
  bool isKeyed = true;
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    const HfTlsDirectionKeys& from = direction == Direction::kRead ? keys.read : keys.write;
    const DirectionMaterial to = materialOf(*state, direction);
    if (suite.version == kVersion13) {
      std::memcpy(to.secret.data(), from.secret, to.secret.size());
      isKeyed = isKeyed && deriveTrafficKeys(aead_, suite, to);
    } else {
      std::memcpy(to.key.data(), from.key, to.key.size());
      std::memcpy(to.iv.data(), from.iv, to.iv.size());
    }
  }
  if (!isKeyed) wipe(state);
  return isKeyed;
}

void RecordLayer::release(RecordState* state) {
  if (state->suite == kNoSuite) return;
  aead_.forget(aead_.self, state, Direction::kRead);
  aead_.forget(aead_.self, state, Direction::kWrite);
  state->slot = kNoSlot;
}

void RecordLayer::end(RecordState* state) {
  release(state);
  wipe(state);
}

bool RecordLayer::fail(RecordState* state, Alert alert, Opened* opened) {
  state->flags |= kRecordFailed;
  opened->event = OpenEvent::kViolation;
  opened->alert = alert;
  return false;
}

bool RecordLayer::isFlood(RecordState* state, u64 nowMs) {
  const u16 second = static_cast<u16>(nowMs / 1000);
  if (state->floodSecond != second) {
    state->floodSecond = second;
    state->floodCount = 0;
  }
  if (state->floodCount >= kRecordFloodMax) return true;
  state->floodCount++;
  return false;
}

Opened RecordLayer::open(RecordState* state, std::span<u8> input, std::span<u8> output, u64 nowMs) {
  Opened opened;
  if (state->flags & (kRecordFailed | kRecordCloseRead)) {
    // What follows the end is not looked at (RFC 8446 6.1).
    opened.consumed = input.size();
    const bool isFailed = (state->flags & kRecordFailed) != 0;
    opened.event = isFailed ? OpenEvent::kViolation : OpenEvent::kCloseNotify;
    return opened;
  }
  const CipherSuite& suite = suiteOf(*state);
  for (;;) {
    const std::span<u8> rest = input.subspan(opened.consumed);
    if (rest.size() < kRecordHeaderBytes) {
      opened.needed = kRecordHeaderBytes;
      return opened;
    }
    const Alert alert = checkHeader(suite, rest.data());
    if (alert != Alert::kNone) {
      fail(state, alert, &opened);
      opened.consumed = input.size();
      return opened;
    }
    const size_t length = wireLength(rest.data());
    if (rest.size() - kRecordHeaderBytes < length) {
      opened.needed = kRecordHeaderBytes + length;
      return opened;
    }
    const size_t content = length - suite.explicitNonceBytes - kTagBytes;
    const bool isInPlace = output.data() == input.data();
    if (!isInPlace && output.size() - opened.produced < content) {
      opened.event = OpenEvent::kOutputFull;
      return opened;
    }
    const Record record{rest[0], rest.subspan(kRecordHeaderBytes, length), rest.data()};
    const bool goesOn = openOne(state, record, output, &opened, nowMs);
    opened.consumed += kRecordHeaderBytes + length;
    opened.records++;
    if (!goesOn) {
      // Nothing behind the end counts.
      opened.consumed = input.size();
      return opened;
    }
  }
}

bool RecordLayer::unseal(RecordState* state, const Record& record, u8* output, size_t* length,
                         u8* type) {
  const CipherSuite& suite = suiteOf(*state);
  const size_t contentBytes = record.bytes.size() - suite.explicitNonceBytes - kTagBytes;
  HF_UNINITIALIZED u8 nonce[kNonceBytes];
  HF_UNINITIALIZED u8 aad[kAadBytesMax];
  const std::span<const u8> iv = materialOf(*state, Direction::kRead).iv;
  makeNonce(suite, iv, state->readSequence, record.bytes.data(), nonce);
  AeadCall call;
  call.state = state;
  call.direction = Direction::kRead;
  call.nonce = nonce;
  call.input = record.bytes.subspan(suite.explicitNonceBytes, contentBytes);
  call.output = output;
  call.tag = record.bytes.data() + suite.explicitNonceBytes + contentBytes;
  if (suite.version == kVersion13) {
    call.aad = {record.header, kRecordHeaderBytes};
  } else {
    call.aad = makeAad12(state->readSequence, record.type, contentBytes, aad);
  }
  if (!aead_.open(aead_.self, call)) return false;
  state->readSequence++;
  *length = contentBytes;
  *type = record.type;
  if (suite.version == kVersion13) {
    // The type is the last byte that is not zero (RFC 8446 5.4).
    while (*length > 0 && output[*length - 1] == 0) --*length;
    *type = *length > 0 ? output[--*length] : u8{0};
  }
  return true;
}

bool RecordLayer::openOne(RecordState* state, const Record& record, std::span<u8> output,
                          Opened* opened, u64 nowMs) {
  const CipherSuite& suite = suiteOf(*state);
  u8* const content = record.bytes.data() + suite.explicitNonceBytes;
  u8* const target = output.data() + opened->produced;
  const bool isInPlace = output.data() <= content && content < output.data() + output.size();
  u8* const plain = isInPlace ? content : target;
  size_t length = 0;
  u8 type = 0;
  if (!unseal(state, record, plain, &length, &type)) {
    return fail(state, Alert::kBadRecordMac, opened);
  }
  const size_t contentBytes = record.bytes.size() - suite.explicitNonceBytes - kTagBytes;
  const size_t typeBytes = suite.version == kVersion13 ? 1 : 0;
  if (contentBytes > kRecordContentMax + typeBytes || length > state->recordBytesMax) {
    return fail(state, Alert::kRecordOverflow, opened);
  }
  if (suite.version == kVersion13 && state->readSequence >= suite.recordsMax &&
      (state->flags & kRecordUpdateAsked) == 0) {
    opened->isReplyDue = true;
  }
  // Only TLS 1.3 forbids other records inside of a message (RFC 8446 5.1).
  if (suite.version == kVersion13 && type != kTypeHandshake && state->handshake != 0) {
    return fail(state, Alert::kUnexpectedMessage, opened);
  }
  switch (type) {
    case kTypeApplication:
      if (length == 0) {
        return isFlood(state, nowMs) ? fail(state, Alert::kUnexpectedMessage, opened) : true;
      }
      if (plain != target) std::memmove(target, plain, length);
      opened->produced += length;
      return true;
    case kTypeAlert:
      return takeAlert(state, {plain, length}, opened, nowMs);
    case kTypeHandshake:
      return takeHandshake(state, {plain, length}, opened, nowMs);
    default:
      return fail(state, Alert::kUnexpectedMessage, opened);
  }
}

bool RecordLayer::takeAlert(RecordState* state, std::span<const u8> content, Opened* opened,
                            u64 nowMs) {
  // An alert is neither empty, nor split, nor packed with another one.
  if (content.size() != 2) {
    return fail(state, content.empty() ? Alert::kUnexpectedMessage : Alert::kDecodeError, opened);
  }
  const u8 level = content[0];
  const Alert alert = static_cast<Alert>(content[1]);
  if (alert == Alert::kCloseNotify) {
    state->flags |= kRecordCloseRead;
    opened->event = OpenEvent::kCloseNotify;
    return false;
  }
  // In TLS 1.3 the level means nothing, and all alerts but two are fatal (RFC 8446 6).
  const bool is13 = suiteOf(*state).version == kVersion13;
  if (!is13 && level != kLevelWarning && level != kLevelFatal) {
    return fail(state, Alert::kIllegalParameter, opened);
  }
  const bool isWarning = is13 ? alert == Alert::kUserCanceled : level == kLevelWarning;
  if (isWarning) {
    return isFlood(state, nowMs) ? fail(state, Alert::kUnexpectedMessage, opened) : true;
  }
  state->flags |= kRecordFailed;
  opened->event = OpenEvent::kAlert;
  opened->alert = alert;
  return false;
}

bool RecordLayer::takeHandshake(RecordState* state, std::span<const u8> content, Opened* opened,
                                u64 nowMs) {
  if (content.empty() || isFlood(state, nowMs)) {
    return fail(state, Alert::kUnexpectedMessage, opened);
  }
  size_t at = 0;
  while (at < content.size()) {
    const u32 progress = state->handshake >> 24;
    const u32 low = state->handshake & kLow24;
    if (progress == kSkipping) {
      const u32 part = std::min(low, static_cast<u32>(content.size() - at));
      at += part;
      state->handshake = low == part ? 0 : kSkipping << 24 | (low - part);
    } else if (progress == kKeyUpdateBody) {
      const u8 request = content[at++];
      if (!takeKeyUpdate(state, request, at == content.size(), opened)) return false;
    } else if (progress < 3) {
      state->handshake = (progress + 1) << 24 | (low << 8 & kLow24) | content[at++];
    } else {
      const u32 length = (low & 0xffff) << 8 | content[at++];
      if (!takeMessageStart(state, low >> 16, length, opened)) return false;
    }
  }
  return true;
}

bool RecordLayer::takeMessageStart(RecordState* state, u32 type, u32 length, Opened* opened) {
  const bool is13 = suiteOf(*state).version == kVersion13;
  if (is13 && type == kKeyUpdate) {
    if (length != 1) return fail(state, Alert::kDecodeError, opened);
    state->handshake = kKeyUpdateBody << 24;
    return true;
  }
  bool isSkipped = false;
  if (is13) {
    isSkipped = type == kNewSessionTicket && isOriginating(*state);
  } else {
    isSkipped = isOriginating(*state) ? type == kHelloRequest && length == 0 : type == kClientHello;
    if (isSkipped) {
      // Renegotiation is refused and the connection goes on (RFC 5246 7.2.2).
      state->flags |= kRecordRefusalDue;
      opened->isReplyDue = true;
    }
  }
  if (!isSkipped) return fail(state, Alert::kUnexpectedMessage, opened);
  if (length > kMessageBytesMax) return fail(state, Alert::kIllegalParameter, opened);
  state->handshake = length == 0 ? 0 : kSkipping << 24 | length;
  return true;
}

bool RecordLayer::takeKeyUpdate(RecordState* state, u8 request, bool isLast, Opened* opened) {
  if (request > static_cast<u8>(UpdateRequest::kRequested)) {
    return fail(state, Alert::kIllegalParameter, opened);
  }
  // What follows belongs to the next key (RFC 8446 5.1).
  if (!isLast) return fail(state, Alert::kUnexpectedMessage, opened);
  state->handshake = 0;
  const DirectionMaterial material = materialOf(*state, Direction::kRead);
  if (!updateTrafficKeys(aead_, suiteOf(*state), material)) {
    return fail(state, Alert::kInternalError, opened);
  }
  aead_.forget(aead_.self, state, Direction::kRead);
  state->readSequence = 0;
  state->flags = static_cast<u8>(state->flags & ~kRecordUpdateAsked);
  if (request == static_cast<u8>(UpdateRequest::kRequested) &&
      (state->flags & kRecordCloseSent) == 0) {
    state->flags |= kRecordUpdateDue;
    opened->isReplyDue = true;
  }
  return true;
}

}  // namespace holdfast::tls
