// The header is a machine of single bytes, at most 14 of them; the payload is skipped whole unless
// it has to be read. Everything that can be refused is refused at the byte that shows it.
#include "codec/websocket.h"

#include <algorithm>
#include <cstring>

namespace holdfast::codec {

namespace {

constexpr u8 kFinBit = 0x80;
constexpr u8 kRsv1Bit = 0x40;
constexpr u8 kRsv23Bits = 0x30;
constexpr u8 kOpcodeBits = 0x0f;
constexpr u8 kControlBit = 0x08;
constexpr u8 kMaskBit = 0x80;
constexpr u8 kLengthBits = 0x7f;
constexpr size_t kMaskBytes = 4;
constexpr u8 kLengthIs16 = 126;
constexpr u8 kLengthIs64 = 127;
constexpr u8 kLengthSignBit = 0x80;
// Of a length of 64 bits, the bytes that a tracker has no room for and need not have.
constexpr u32 kLengthBytesZero = 3;

bool isKnown(u8 opcode) {
  return opcode <= static_cast<u8>(Opcode::kBinary) ||
         (opcode >= static_cast<u8>(Opcode::kClose) && opcode <= static_cast<u8>(Opcode::kPong));
}

void writeControl(Opcode opcode, std::span<const u8> head, std::span<const u8> payload,
                  const Mask* mask, Writer* writer) {
  const size_t length = head.size() + payload.size();
  HF_ASSERT(length <= kControlPayloadMax);
  writer->putU8(static_cast<u8>(kFinBit | static_cast<u8>(opcode)));
  writer->putU8(static_cast<u8>(length | (mask == nullptr ? 0u : kMaskBit)));
  if (mask == nullptr) {
    writer->put(head);
    writer->put(payload);
    return;
  }
  writer->put(mask->bytes);
  size_t at = 0;
  for (const std::span<const u8> part : {head, payload}) {
    for (const u8 byte : part) writer->putU8(static_cast<u8>(byte ^ mask->bytes[at++ & 3]));
  }
}

}  // namespace

u16 closeCodeOf(FrameViolation violation) {
  switch (violation) {
    case FrameViolation::kNone:
      return 0;
    case FrameViolation::kCloseReason:
    case FrameViolation::kText:
      return kCloseInvalidPayload;
    case FrameViolation::kFrameTooLong:
      return kCloseTooBig;
    default:
      return kCloseProtocolError;
  }
}

bool isCloseCodeSendable(u16 code) {
  // 1004 has no meaning; 1005, 1006 and 1015 are for local use; up to 2999 is for the protocol.
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

FrameReport FrameTracker::take(std::span<const u8> bytes, const FrameRules& rules) {
  FrameReport report;
  if (isAtBoundary()) report.boundary = 0;
  while (!bytes.empty() && stage_ < kClosed) {
    const u32 frames = report.frames;
    size_t taken = 1;
    if (stage_ == kPayload) {
      taken = static_cast<size_t>(std::min<u64>(bytes.size(), left_));
      takePayload(bytes.first(taken), rules, &report);
    } else if (stage_ == kMask && bytes.size() >= kMaskBytes) {
      taken = kMaskBytes;
      mask_ = u32{bytes[0]} | u32{bytes[1]} << 8 | u32{bytes[2]} << 16 | u32{bytes[3]} << 24;
      enterPayload(rules, &report);
    } else {
      takeHeaderByte(bytes[0], rules, &report);
    }
    if (stage_ == kFailed) return report;
    report.taken += taken;
    bytes = bytes.subspan(taken);
    if (report.frames != frames) {
      report.boundary = report.taken;
      if (rules.stopsAtFrame) return report;
    }
  }
  if (stage_ == kClosed) report.taken += bytes.size();
  return report;
}

void FrameTracker::takeHeaderByte(u8 byte, const FrameRules& rules, FrameReport* report) {
  if (stage_ == kFirst) return takeFirst(byte, rules);
  if (stage_ == kSecond) return takeSecond(byte, rules, report);
  if (stage_ < kMask) return takeLength(byte, rules, report);
  mask_ |= u32{byte} << (8 * (stage_ - kMask));
  stage_ = static_cast<u8>(stage_ + 1) & 0x1f;
  if (stage_ == kPayload) enterPayload(rules, report);
}

void FrameTracker::takeFirst(u8 byte, const FrameRules& rules) {
  const bool isFinal = (byte & kFinBit) != 0;
  const bool isControl = (byte & kControlBit) != 0;
  const bool isCompressed = (byte & kRsv1Bit) != 0;
  opcode_ = byte & kOpcodeBits;
  stage_ = kSecond;
  const bool isContinuation = isOpcode(Opcode::kContinuation);
  if (rules.isValidated) {
    // RFC 7692 6: RSV1 stands on the first frame of a message.
    const bool isRsv1Free = rules.hasDeflate && !isControl && !isContinuation;
    if ((byte & kRsv23Bits) != 0 || (isCompressed && !isRsv1Free)) {
      return fail(FrameViolation::kReservedBits);
    }
    if (!isKnown(byte & kOpcodeBits)) return fail(FrameViolation::kReservedOpcode);
    if (isControl && !isFinal) return fail(FrameViolation::kControlFragmented);
    if (isContinuation && isInMessage_ == 0) return fail(FrameViolation::kContinuationOrphan);
    if (!isControl && !isContinuation && isInMessage_ != 0) {
      return fail(FrameViolation::kMessageInterleaved);
    }
  }
  if (isControl) return;
  if (!isContinuation) {
    isText_ = isOpcode(Opcode::kText) && !isCompressed ? 1 : 0;
    utf8_ = static_cast<u8>(Utf8State::kAccept);
  }
  isInMessage_ = isFinal ? 0 : 1;
}

void FrameTracker::takeSecond(u8 byte, const FrameRules& rules, FrameReport* report) {
  isMasked_ = (byte & kMaskBit) != 0 ? 1 : 0;
  const u8 length = byte & kLengthBits;
  if (rules.isValidated) {
    const bool isClient = rules.sender == FrameSender::kClient;
    if (isClient && isMasked_ == 0) return fail(FrameViolation::kUnmasked);
    if (!isClient && isMasked_ != 0) return fail(FrameViolation::kMasked);
    if ((opcode_ & kControlBit) != 0 && length > kControlPayloadMax) {
      return fail(FrameViolation::kControlTooLong);
    }
  }
  left_ = 0;
  if (length == kLengthIs64) {
    stage_ = kLength;
  } else if (length == kLengthIs16) {
    stage_ = kLength + 6;
  } else {
    left_ = length;
    endLength(rules, report);
  }
}

void FrameTracker::takeLength(u8 byte, const FrameRules& rules, FrameReport* report) {
  const u32 index = static_cast<u32>(stage_) - kLength;
  if (index == 0 && (byte & kLengthSignBit) != 0) return fail(FrameViolation::kLengthSign);
  if (index < kLengthBytesZero && byte != 0) return fail(FrameViolation::kFrameTooLong);
  left_ = (u64{left_} << 8 | byte) & kFramePayloadMax;
  stage_ = static_cast<u8>(stage_ + 1) & 0x1f;
  // Six bytes of nothing: two would have been enough.
  if (rules.isValidated && index == 5 && left_ == 0) return fail(FrameViolation::kLengthNotMinimal);
  if (stage_ != kMask) return;
  if (rules.isValidated && left_ < kLengthIs16) return fail(FrameViolation::kLengthNotMinimal);
  endLength(rules, report);
}

void FrameTracker::endLength(const FrameRules& rules, FrameReport* report) {
  if (left_ > rules.payloadMax) return fail(FrameViolation::kFrameTooLong);
  if (rules.isValidated && isOpcode(Opcode::kClose) && left_ == 1) {
    return fail(FrameViolation::kCloseLength);
  }
  mask_ = 0;
  maskAt_ = 0;
  if (isMasked_ != 0) {
    stage_ = kMask;
  } else {
    enterPayload(rules, report);
  }
}

void FrameTracker::enterPayload(const FrameRules& rules, FrameReport* report) {
  stage_ = kPayload;
  if (isOpcode(Opcode::kClose)) {
    closeBytes_ = 0;
    utf8_ = static_cast<u8>(Utf8State::kAccept);
  }
  if (left_ == 0) endFrame(rules, report);
}

void FrameTracker::takePayload(std::span<const u8> bytes, const FrameRules& rules,
                               FrameReport* report) {
  const size_t length = bytes.size();
  const bool isClose = isOpcode(Opcode::kClose);
  if (isClose) bytes = takeCloseCode(bytes, rules, report);
  if (stage_ == kFailed) return;
  const bool isRead = isClose || (isText_ != 0 && (opcode_ & kControlBit) == 0);
  if (rules.isValidated && isRead && !bytes.empty()) {
    // What takeCloseCode took stands in front of the rest.
    const Mask rest = mask().rotated(maskAt_ + (length - bytes.size()));
    utf8_ = static_cast<u8>(takeUtf8(static_cast<Utf8State>(u8(utf8_)), bytes, rest));
    if (utf8_ == static_cast<u8>(Utf8State::kReject)) {
      return fail(isClose ? FrameViolation::kCloseReason : FrameViolation::kText);
    }
  }
  maskAt_ = (maskAt_ + length) & 3;
  left_ = (left_ - length) & kFramePayloadMax;
  if (left_ == 0) endFrame(rules, report);
}

std::span<const u8> FrameTracker::takeCloseCode(std::span<const u8> bytes, const FrameRules& rules,
                                                FrameReport* report) {
  const Mask whole = mask();
  while (closeBytes_ < 2 && !bytes.empty()) {
    const u8 byte = static_cast<u8>(bytes[0] ^ whole.bytes[closeBytes_]);
    bytes = bytes.subspan(1);
    closeBytes_ = (closeBytes_ + 1) & 3;
    if (closeBytes_ == 1) {
      utf8_ = byte;
      continue;
    }
    report->closeCode = static_cast<u16>(utf8_ << 8 | byte);
    utf8_ = static_cast<u8>(Utf8State::kAccept);
    if (rules.isValidated && !isCloseCodeSendable(report->closeCode)) {
      fail(FrameViolation::kCloseCode);
    }
  }
  return bytes;
}

void FrameTracker::endFrame(const FrameRules& rules, FrameReport* report) {
  const bool isControl = (opcode_ & kControlBit) != 0;
  const bool isClose = isOpcode(Opcode::kClose);
  if (rules.isValidated && utf8_ != static_cast<u8>(Utf8State::kAccept)) {
    if (isClose) return fail(FrameViolation::kCloseReason);
    if (!isControl && isText_ != 0 && isInMessage_ == 0) return fail(FrameViolation::kText);
  }
  stage_ = isClose ? kClosed : kFirst;
  report->frames++;
  report->opcodes = static_cast<u16>(report->opcodes | 1u << opcode_);
  if (isControl || isInMessage_ != 0) return;
  messages_++;
  report->messages++;
}

void FrameTracker::fail(FrameViolation violation) {
  stage_ = kFailed;
  left_ = static_cast<u8>(violation);
}

Mask FrameTracker::mask() const {
  return Mask{{static_cast<u8>(mask_), static_cast<u8>(mask_ >> 8), static_cast<u8>(mask_ >> 16),
               static_cast<u8>(mask_ >> 24)}};
}

namespace {

// A multiple of the mask.
constexpr size_t kMaskBlockBytes = 1024;

// Eight bytes at a time; the mask begins at the first one.
void applyMask(std::span<u8> bytes, const Mask& mask) {
  u64 wide = 0;
  u8 twice[8];
  for (size_t i = 0; i < sizeof(twice); i++) twice[i] = mask.bytes[i & 3];
  std::memcpy(&wide, twice, sizeof(wide));
  if (wide == 0) return;
  size_t at = 0;
  for (; at + sizeof(wide) <= bytes.size(); at += sizeof(wide)) {
    u64 word;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    word ^= wide;
    std::memcpy(bytes.data() + at, &word, sizeof(word));
  }
  for (; at < bytes.size(); at++) bytes[at] ^= mask.bytes[at & 3];
}

// The header of the frame at the front of `frames`, which is whole.
struct FrameShape {
  u8 opcode = 0;
  size_t headerBytes = 0;  // with the mask
  size_t payloadBytes = 0;
  Mask mask{};
};

FrameShape shapeOf(std::span<const u8> frames) {
  FrameShape shape;
  shape.opcode = frames[0] & kOpcodeBits;
  const u8 length = frames[1] & kLengthBits;
  size_t at = 2;
  shape.payloadBytes = length;
  if (length >= kLengthIs16) {
    const size_t bytes = length == kLengthIs64 ? 8 : 2;
    shape.payloadBytes = 0;
    for (size_t i = 0; i < bytes; i++) {
      shape.payloadBytes = shape.payloadBytes << 8 | frames[at + i];
    }
    at += bytes;
  }
  if ((frames[1] & kMaskBit) != 0) {
    for (size_t i = 0; i < kMaskBytes; i++) shape.mask.bytes[i] = frames[at + i];
    at += kMaskBytes;
  }
  shape.headerBytes = at;
  return shape;
}

// Goes through whole frames and keeps what `isControl` says of them.
Unwrapped unwrap(std::span<u8> frames, bool isControl) {
  Unwrapped out;
  size_t at = 0;
  while (at < frames.size()) {
    const FrameShape shape = shapeOf(frames.subspan(at));
    const bool isOne = (shape.opcode & kControlBit) != 0;
    if (!isOne && shape.opcode != static_cast<u8>(Opcode::kContinuation)) {
      out.opcode = static_cast<Opcode>(shape.opcode);
    }
    const size_t from = isControl ? at : at + shape.headerBytes;
    const size_t bytes = shape.payloadBytes + (isControl ? shape.headerBytes : 0);
    if (isOne == isControl) {
      u8* to = frames.data() + out.bytes;
      std::memmove(to, frames.data() + from, bytes);
      if (!isControl) applyMask({to, bytes}, shape.mask);
      out.bytes += bytes;
    }
    at += shape.headerBytes + shape.payloadBytes;
  }
  return out;
}

}  // namespace

Unwrapped unwrapMessage(std::span<u8> frames) { return unwrap(frames, false); }

Unwrapped keepControls(std::span<u8> frames) { return unwrap(frames, true); }

void writeMessage(Opcode opcode, std::span<const u8> payload, const Mask* mask, Writer* writer) {
  const u8 maskBit = mask != nullptr ? kMaskBit : 0;
  writer->putU8(static_cast<u8>(kFinBit | static_cast<u8>(opcode)));
  if (payload.size() < kLengthIs16) {
    writer->putU8(static_cast<u8>(maskBit | payload.size()));
  } else if (payload.size() <= 0xffff) {
    writer->putU8(maskBit | kLengthIs16);
    writer->putU16(static_cast<u16>(payload.size()));
  } else {
    writer->putU8(maskBit | kLengthIs64);
    writer->putU64(payload.size());
  }
  if (mask == nullptr) return writer->put(payload);
  writer->put({mask->bytes, kMaskBytes});
  u8 block[kMaskBlockBytes];
  for (size_t at = 0; at < payload.size(); at += sizeof(block)) {
    const size_t bytes = std::min(sizeof(block), payload.size() - at);
    std::memcpy(block, payload.data() + at, bytes);
    applyMask({block, bytes}, *mask);
    writer->put({block, bytes});
  }
}

void writePing(std::span<const u8> payload, const Mask* mask, Writer* writer) {
  writeControl(Opcode::kPing, {}, payload, mask, writer);
}

void writePong(std::span<const u8> payload, const Mask* mask, Writer* writer) {
  writeControl(Opcode::kPong, {}, payload, mask, writer);
}

void writeClose(u16 code, std::string_view reason, const Mask* mask, Writer* writer) {
  if (code == 0) return writeControl(Opcode::kClose, {}, {}, mask, writer);
  const u8 head[] = {static_cast<u8>(code >> 8), static_cast<u8>(code)};
  const size_t length = utf8CutLength(reason, kCloseReasonMax);
  const std::span<const u8> text(reinterpret_cast<const u8*>(reason.data()), length);
  writeControl(Opcode::kClose, head, text, mask, writer);
}

}  // namespace holdfast::codec
