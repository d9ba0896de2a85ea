// WebSocket frames: where they begin and end, and what is wrong with them (RFC 6455, 7692).
//
// A tunnel feeds each direction's bytes to a FrameTracker as it forwards them; the payload is never
// copied, changed or kept. So the gateway knows messages, pings, pongs and closes, and the places
// between frames where it may put a frame of its own. Invariant: what a tracker says depends on the
// bytes, not on how they were cut; the cost is that of the frames, not of their payload, except for
// text and close reasons where `isValidated` asks for UTF-8.
// Does not inflate: text of a compressed message is not checked. Does not decide what to close.
#pragma once

#include <iterator>
#include <span>
#include <string_view>

#include "codec/bytes.h"
#include "codec/utf8.h"
#include "runtime/base.h"

namespace holdfast::codec {

// Numbers as on the wire (RFC 6455 5.2); the others are reserved.
enum class Opcode : u8 {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Who wrote the frames: clients mask, endpoints do not (RFC 6455 5.1).
enum class FrameSender : u8 { kClient, kEndpoint };

// Longer frames are refused with 1009: more than any message, and it keeps a tracker small.
inline constexpr u64 kFramePayloadMax = (u64{1} << 40) - 1;
inline constexpr size_t kControlPayloadMax = 125;
inline constexpr size_t kCloseReasonMax = kControlPayloadMax - 2;
// A control frame with header and mask.
inline constexpr size_t kControlFrameMax = 2 + 4 + kControlPayloadMax;

inline constexpr u16 kCloseGoingAway = 1001;
inline constexpr u16 kCloseProtocolError = 1002;
inline constexpr u16 kCloseInvalidPayload = 1007;
inline constexpr u16 kClosePolicy = 1008;
inline constexpr u16 kCloseTooBig = 1009;
inline constexpr u16 kCloseInternalError = 1011;
inline constexpr u16 kCloseServiceRestart = 1012;
inline constexpr u16 kCloseTryAgainLater = 1013;

// Why frames are refused. Those from kFrameTooLong on are found without `isValidated` too, because
// such a frame cannot be followed.
enum class FrameViolation : u8 {
  kNone,
  kUnmasked,            // a client's frame without a mask
  kMasked,              // an endpoint's frame with one
  kReservedBits,        // RSV2, RSV3, or RSV1 where nothing gives it a meaning
  kReservedOpcode,      // 3 to 7, 11 to 15
  kControlFragmented,   // a control frame without FIN
  kControlTooLong,      // above 125 bytes
  kContinuationOrphan,  // a continuation of nothing
  kMessageInterleaved,  // a new message inside another one
  kLengthNotMinimal,    // a longer form than the length needs
  kCloseLength,         // half a close code
  kCloseCode,           // a code that must not be sent
  kCloseReason,         // a reason that is not UTF-8
  kText,                // a text message that is not UTF-8
  kFrameTooLong,        // above the limit
  kLengthSign,          // a length with its highest bit set
  kCount,
};
inline constexpr const char* kFrameViolationNames[] = {
    "none",
    "unmasked",
    "masked",
    "reserved-bits",
    "reserved-opcode",
    "control-fragmented",
    "control-too-long",
    "continuation-orphan",
    "message-interleaved",
    "length-not-minimal",
    "close-length",
    "close-code",
    "close-reason",
    "text",
    "frame-too-long",
    "length-sign",
};
static_assert(std::size(kFrameViolationNames) == static_cast<size_t>(FrameViolation::kCount));

// The code to close with; 0 for kNone.
[[nodiscard]] u16 closeCodeOf(FrameViolation violation);

// True for a code that may stand in a close frame (RFC 6455 7.4 and IANA's registry).
[[nodiscard]] bool isCloseCodeSendable(u16 code);

// What a tunnel allows in one direction; it comes with each call, so a tracker need not keep it.
struct FrameRules {
  u64 payloadMax = kFramePayloadMax;  // of one frame
  FrameSender sender = FrameSender::kClient;
  bool isValidated = false;
  bool hasDeflate = false;    // permessage-deflate was negotiated, so RSV1 means compressed
  bool stopsAtFrame = false;  // take() returns at the end of a frame
};

inline constexpr size_t kNoBoundary = ~size_t{0};

// What one call of take() found.
struct FrameReport {
  // Bytes that were taken: all of them unless there is a violation.
  size_t taken = 0;
  // Bytes up to the last place between two frames, 0 when the span began at one; kNoBoundary where
  // there is none. What lies before it is whole frames without a violation, and behind a close
  // frame it stays where that ended: what follows is to be discarded (RFC 6455 1.4).
  size_t boundary = kNoBoundary;
  u32 frames = 0;     // that ended here
  u32 messages = 0;   // text and binary ones that ended here
  u16 opcodes = 0;    // of the frames that ended here, a bit each
  u16 closeCode = 0;  // of a close frame whose code was completed here

  [[nodiscard]] bool has(Opcode opcode) const {
    return (opcodes >> static_cast<u8>(opcode) & 1) != 0;
  }
};

// The state of one direction. Plain data: it may be copied, kept in a tunnel and handed over.
class FrameTracker {
 public:
  // Takes the bytes that follow those taken before. After a violation nothing more is taken.
  FrameReport take(std::span<const u8> bytes, const FrameRules& rules);

  // True between two frames: the place for a ping or a close. False behind a close and a violation.
  [[nodiscard]] bool isAtBoundary() const { return stage_ == kFirst; }
  // True while a fragmented message waits for more; control frames may stand in between.
  [[nodiscard]] bool isInMessage() const { return isInMessage_ != 0; }
  // True when a whole close frame has passed; what follows is not looked at.
  [[nodiscard]] bool isClosed() const { return stage_ == kClosed; }
  [[nodiscard]] FrameViolation violation() const {
    return stage_ == kFailed ? static_cast<FrameViolation>(u8(left_)) : FrameViolation::kNone;
  }
  // Whole text and binary messages so far, modulo 2^32.
  [[nodiscard]] u32 messages() const { return messages_; }

 private:
  // The byte that comes next. A length of 16 bits begins at kLength + 6.
  enum Stage : u8 {
    kFirst,
    kSecond,
    kLength,
    kMask = kLength + 8,
    kPayload = kMask + 4,
    kClosed,
    kFailed,
  };

  void takeHeaderByte(u8 byte, const FrameRules& rules, FrameReport* report);
  void takeFirst(u8 byte, const FrameRules& rules);
  void takeSecond(u8 byte, const FrameRules& rules, FrameReport* report);
  void takeLength(u8 byte, const FrameRules& rules, FrameReport* report);
  void endLength(const FrameRules& rules, FrameReport* report);
  void enterPayload(const FrameRules& rules, FrameReport* report);
  void takePayload(std::span<const u8> bytes, const FrameRules& rules, FrameReport* report);
  // Takes the code at the front of a close frame's payload; returns the bytes behind it.
  std::span<const u8> takeCloseCode(std::span<const u8> bytes, const FrameRules& rules,
                                    FrameReport* report);
  void endFrame(const FrameRules& rules, FrameReport* report);
  void fail(FrameViolation violation);
  [[nodiscard]] bool isOpcode(Opcode opcode) const { return opcode_ == static_cast<u8>(opcode); }
  [[nodiscard]] Mask mask() const;

  // Of the payload; the length so far while the header is read; the violation in kFailed.
  u64 left_ : 40 = 0;
  u64 stage_ : 5 = kFirst;
  u64 opcode_ : 4 = 0;
  u64 isMasked_ : 1 = 0;
  u64 maskAt_ : 2 = 0;       // bytes of the payload so far, modulo 4
  u64 closeBytes_ : 2 = 0;   // of the close code that were read
  u64 isInMessage_ : 1 = 0;  // after this frame
  u64 isText_ : 1 = 0;       // the present message is text that can be read
  // A Utf8State; between the two bytes of a close code, the first one.
  u64 utf8_ : 8 = 0;
  u32 mask_ = 0;  // byte 0 lowest
  u32 messages_ = 0;
};
inline constexpr size_t kFrameTrackerBytesMax = 16;
static_assert(sizeof(FrameTracker) <= kFrameTrackerBytesMax);

// What a run of whole frames was made into, in place.
struct Unwrapped {
  size_t bytes = 0;
  Opcode opcode = Opcode::kText;  // of the message
};
// Puts the payload of the data frames at the front of `frames`, unmasked and joined. The frames are
// whole and followed a tracker's rules.
[[nodiscard]] Unwrapped unwrapMessage(std::span<u8> frames);
// Puts the control frames of such a run at its front, as they are.
[[nodiscard]] Unwrapped keepControls(std::span<u8> frames);

// A whole message in one frame. Fails the writer where the room does not suffice.
void writeMessage(Opcode opcode, std::span<const u8> payload, const Mask* mask, Writer* writer);
inline constexpr size_t kMessageHeaderMax = 2 + 8 + 4;

// Frames of the gateway's own. `mask` is null towards clients; towards endpoints it is a key that
// the caller drew (RFC 6455 5.3). Each fails the writer where the room does not suffice; a payload
// longer than kControlPayloadMax is an error of the caller.
void writePing(std::span<const u8> payload, const Mask* mask, Writer* writer);
void writePong(std::span<const u8> payload, const Mask* mask, Writer* writer);
// The reason is UTF-8; it is cut between characters at kCloseReasonMax. Code 0 writes an empty one.
void writeClose(u16 code, std::string_view reason, const Mask* mask, Writer* writer);

}  // namespace holdfast::codec
