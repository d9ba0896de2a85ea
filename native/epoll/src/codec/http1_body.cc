// Content is passed over in runs, framing byte by byte: it is short, and every byte of it counts.
#include "codec/http1_body.h"

#include <algorithm>

namespace holdfast::http1 {

Body::Body(BodyKind kind, u64 length, u64 bytesMax)
    : budget_(std::min(bytesMax, kBodyBytesMax)), kind_(kind) {
  switch (kind) {
    case BodyKind::kNone:
      return;
    case BodyKind::kLength:
      left_ = length;
      state_ = length == 0 ? State::kEnded : State::kContent;
      if (length > budget_) fail(Violation::kBodyTooLong);
      return;
    case BodyKind::kChunked:
      state_ = State::kSize;
      return;
    case BodyKind::kUntilClose:
      left_ = budget_;
      state_ = State::kContent;
      return;
  }
}

BodyPiece Body::take(std::span<const u8> bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    switch (state_) {
      case State::kContent:
        return takeContent(bytes, at);
      case State::kLast:
        if (bytes[at] != '\r') {
          state_ = State::kTrailers;
          return {event(), at, 0, at};
        }
        state_ = State::kLastLf;
        ++at;
        break;
      case State::kEnded:
      case State::kTrailers:
      case State::kFailed:
        return {event(), at, 0, at};
      default:
        takeFraming(bytes[at]);
        // The byte that breaks a rule is not taken.
        if (state_ != State::kFailed) ++at;
    }
  }
  return {event(), at, 0, at};
}

BodyPiece Body::takeContent(std::span<const u8> bytes, size_t at) {
  const u64 available = bytes.size() - at;
  const bool isOver = kind_ == BodyKind::kUntilClose && available > left_;
  const size_t count = static_cast<size_t>(std::min(available, left_));
  left_ -= count;
  if (isOver) {
    fail(Violation::kBodyTooLong);
  } else if (left_ == 0 && kind_ == BodyKind::kLength) {
    state_ = State::kEnded;
  } else if (left_ == 0 && kind_ == BodyKind::kChunked) {
    state_ = State::kContentCr;
  }
  return {event(), at, count, at + count};
}

BodyEvent Body::event() const {
  switch (state_) {
    case State::kEnded:
      return BodyEvent::kEnd;
    case State::kTrailers:
      return BodyEvent::kTrailers;
    case State::kFailed:
      return BodyEvent::kViolation;
    default:
      return BodyEvent::kMore;
  }
}

void Body::takeFraming(u8 byte) {
  switch (state_) {
    case State::kSize:
      return takeSize(byte);
    case State::kSizeLf:
      if (byte != '\n') return fail(Violation::kLineEnd);
      return endSize();
    case State::kContentCr:
      if (byte != '\r') return fail(Violation::kChunkEnd);
      state_ = State::kContentLf;
      return;
    case State::kContentLf:
      if (byte != '\n') return fail(Violation::kChunkEnd);
      left_ = 0;
      lineBytes_ = 0;
      state_ = State::kSize;
      return;
    case State::kLastLf:
      if (byte != '\n') return fail(Violation::kLineEnd);
      state_ = State::kEnded;
      return;
    default:
      return takeExtension(byte);
  }
}

void Body::takeSize(u8 byte) {
  const int digit = hexValue(byte);
  if (digit >= 0) {
    if (++lineBytes_ > kChunkSizeDigitsMax) return fail(Violation::kChunkSize);
    left_ = left_ << 4 | static_cast<u64>(digit);
    return;
  }
  if (lineBytes_ == 0) return fail(Violation::kChunkSize);
  if (byte == '\n') return fail(Violation::kLineEnd);
  if (byte != ';' && byte != '\r') return fail(Violation::kChunkSize);
  if (left_ > kBodyBytesMax) return fail(Violation::kChunkSize);
  lineBytes_ = 0;
  state_ = byte == ';' ? State::kExtensionStart : State::kSizeLf;
}

// `;name`, `;name=token` or `;name="quoted"`, without the white space that RFC 9112 7.1.1 calls
// bad.
void Body::takeExtension(u8 byte) {
  if (byte == '\n') return fail(Violation::kLineEnd);
  if (byte != '\r' &&
      (++lineBytes_ >= kChunkExtensionBytesMax || ++extensionBytes_ >= kChunkExtensionsBytesMax)) {
    return fail(Violation::kChunkExtensionTooLong);
  }
  switch (state_) {
    case State::kExtensionStart:
      if (!isToken(byte)) return fail(Violation::kChunkExtension);
      state_ = State::kExtensionName;
      return;
    case State::kExtensionName:
    case State::kExtensionToken:
      if (isToken(byte)) return;
      if (state_ == State::kExtensionName && byte == '=') {
        state_ = State::kExtensionValue;
        return;
      }
      return endExtension(byte);
    case State::kExtensionValue:
      if (byte == '"') {
        state_ = State::kExtensionQuoted;
      } else if (isToken(byte)) {
        state_ = State::kExtensionToken;
      } else {
        fail(Violation::kChunkExtension);
      }
      return;
    case State::kExtensionQuoted:
      if (byte == '"') {
        state_ = State::kExtensionEnd;
      } else if (byte == '\\') {
        state_ = State::kExtensionEscape;
      } else if (!isOf(byte, kFieldByte)) {
        fail(Violation::kChunkExtension);
      }
      return;
    case State::kExtensionEscape:
      if (!isOf(byte, kFieldByte)) return fail(Violation::kChunkExtension);
      state_ = State::kExtensionQuoted;
      return;
    default:
      return endExtension(byte);
  }
}

void Body::endExtension(u8 byte) {
  if (byte == ';') {
    state_ = State::kExtensionStart;
  } else if (byte == '\r') {
    state_ = State::kSizeLf;
  } else {
    fail(Violation::kChunkExtension);
  }
}

void Body::endSize() {
  if (left_ > budget_) return fail(Violation::kBodyTooLong);
  budget_ -= left_;
  state_ = left_ == 0 ? State::kLast : State::kContent;
}

void Body::finishTrailers() {
  HF_ASSERT(state_ == State::kTrailers);
  state_ = State::kEnded;
}

Violation Body::takeEof() {
  if (state_ == State::kContent && kind_ == BodyKind::kUntilClose) state_ = State::kEnded;
  if (state_ != State::kEnded && state_ != State::kFailed) fail(Violation::kTruncated);
  return violation_;
}

void Body::fail(Violation violation) {
  state_ = State::kFailed;
  violation_ = violation;
}

}  // namespace holdfast::http1
