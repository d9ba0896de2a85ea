// The content of a message: which bytes of what arrived belong to it, and where the message ends.
//
// Fed with what follows a head, in any pieces; framing is passed over and content is named by its
// place, so that it is sent from where it was read. Invariant: the content, the end and the verdict
// do not depend on how the bytes were cut; a body is never longer than it was allowed, and an end
// of the connection inside it is no end of the message (RFC 9112 6 to 8). 24 bytes of plain data,
// no buffer: chunk extensions are checked and forgotten, trailers are left to takeTrailers().
#pragma once

#include <span>
#include <type_traits>

#include "codec/http1_head.h"

namespace holdfast::http1 {

enum class BodyEvent : u8 {
  kMore,       // give what is left of the bytes, or the next ones
  kEnd,        // the message is complete; bytes that are left belong to the next one
  kTrailers,   // fields follow: takeTrailers() from here, then finishTrailers()
  kViolation,  // the connection is of no use any more
};

// What one step took.
struct BodyPiece {
  BodyEvent event = BodyEvent::kMore;
  size_t contentAt = 0;     // in the bytes that were given
  size_t contentBytes = 0;  // may be 0
  size_t taken = 0;         // framing included
};

class Body {
 public:
  // No content: a message that is complete with its head.
  Body() = default;
  // The body behind `head`. With more content than `bytesMax`, the violation is kBodyTooLong.
  Body(const Head& head, u64 bytesMax) : Body(head.bodyKind, head.contentLength, bytesMax) {}
  Body(BodyKind kind, u64 length, u64 bytesMax);

  // Takes bytes that follow those taken before, up to the end of one run of content. O(taken).
  BodyPiece take(std::span<const u8> bytes);

  // The trailers were taken: the message is complete.
  void finishTrailers();

  // The connection ended. kNone when that completes the message, or it was complete.
  [[nodiscard]] Violation takeEof();

  [[nodiscard]] bool isEnded() const { return state_ == State::kEnded; }
  [[nodiscard]] BodyKind kind() const { return kind_; }
  [[nodiscard]] Violation violation() const { return violation_; }
  // Content of the present run that is still to come, where that is known.
  [[nodiscard]] u64 contentLeft() const { return state_ == State::kContent ? left_ : 0; }

 private:
  enum class State : u8 {
    kEnded,
    kContent,  // left_ bytes; without a length, until the connection ends
    kSize,
    kExtensionStart,
    kExtensionName,
    kExtensionValue,
    kExtensionToken,
    kExtensionQuoted,
    kExtensionEscape,
    kExtensionEnd,
    kSizeLf,
    kContentCr,
    kContentLf,
    kLast,
    kLastLf,
    kTrailers,
    kFailed,
  };

  BodyPiece takeContent(std::span<const u8> bytes, size_t at);
  void takeFraming(u8 byte);
  void takeSize(u8 byte);
  void takeExtension(u8 byte);
  void endExtension(u8 byte);
  void endSize();
  void fail(Violation violation);
  [[nodiscard]] BodyEvent event() const;

  u64 left_ = 0;            // of the present run; the size of a chunk while it is read
  u64 budget_ = 0;          // content that may still be announced
  u16 lineBytes_ = 0;       // digits of the present size, or bytes of its extensions
  u16 extensionBytes_ = 0;  // of the whole body
  State state_ = State::kEnded;
  BodyKind kind_ = BodyKind::kNone;
  Violation violation_ = Violation::kNone;
};
static_assert(sizeof(Body) == 24 && std::is_trivially_copyable_v<Body>);

}  // namespace holdfast::http1
