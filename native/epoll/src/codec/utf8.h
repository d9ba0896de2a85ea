// UTF-8, checked as it arrives: one byte of state between spans, whatever the cuts.
//
// Used for what a WebSocket peer calls text (RFC 6455 8.1), so it can look through a mask without
// taking it off. Follows RFC 3629 4: no overlong forms, no surrogates, nothing above U+10FFFF.
// Invariant: a state is kReject as soon as the bytes so far begin no valid text, and stays so; the
// verdict never depends on how the bytes were cut. Does not decode.
#pragma once

#include <span>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

// What may follow; kAccept between characters.
enum class Utf8State : u8 {
  kAccept,
  kTail1,  // one more byte of 80..bf
  kTail2,
  kTail3,
  kAfterE0,  // a0..bf, then one: no overlong forms
  kAfterEd,  // 80..9f, then one: no surrogates
  kAfterF0,  // 90..bf, then two: no overlong forms
  kAfterF4,  // 80..8f, then two: nothing above U+10FFFF
  kReject,
};

// One byte further.
[[nodiscard]] constexpr Utf8State stepUtf8(Utf8State state, u8 byte) {
  const auto between = [byte](u8 low, u8 high, Utf8State next) {
    return byte >= low && byte <= high ? next : Utf8State::kReject;
  };
  switch (state) {
    case Utf8State::kAccept:
      if (byte < 0x80) return Utf8State::kAccept;
      if (byte < 0xc2) return Utf8State::kReject;
      if (byte < 0xe0) return Utf8State::kTail1;
      if (byte == 0xe0) return Utf8State::kAfterE0;
      if (byte == 0xed) return Utf8State::kAfterEd;
      if (byte < 0xf0) return Utf8State::kTail2;
      if (byte == 0xf0) return Utf8State::kAfterF0;
      if (byte < 0xf4) return Utf8State::kTail3;
      return byte == 0xf4 ? Utf8State::kAfterF4 : Utf8State::kReject;
    case Utf8State::kTail1:
      return between(0x80, 0xbf, Utf8State::kAccept);
    case Utf8State::kTail2:
      return between(0x80, 0xbf, Utf8State::kTail1);
    case Utf8State::kTail3:
      return between(0x80, 0xbf, Utf8State::kTail2);
    case Utf8State::kAfterE0:
      return between(0xa0, 0xbf, Utf8State::kTail1);
    case Utf8State::kAfterEd:
      return between(0x80, 0x9f, Utf8State::kTail1);
    case Utf8State::kAfterF0:
      return between(0x90, 0xbf, Utf8State::kTail2);
    case Utf8State::kAfterF4:
      return between(0x80, 0x8f, Utf8State::kTail2);
    case Utf8State::kReject:
      break;
  }
  return Utf8State::kReject;
}

// Four bytes that are XORed over a payload, byte 0 over its first byte; all zeros is no mask.
struct Mask {
  u8 bytes[4] = {};

  // The mask for what follows `count` bytes.
  [[nodiscard]] constexpr Mask rotated(size_t count) const {
    return Mask{
        {bytes[count & 3], bytes[(count + 1) & 3], bytes[(count + 2) & 3], bytes[(count + 3) & 3]}};
  }
};

// Takes the bytes that follow, seen through `mask`. Eight bytes at a time where they are ASCII.
[[nodiscard]] Utf8State takeUtf8(Utf8State state, std::span<const u8> bytes, const Mask& mask = {});

// The length of the longest beginning of `text` that has at most `lengthMax` bytes and does not end
// inside a character. `text` is UTF-8.
[[nodiscard]] size_t utf8CutLength(std::string_view text, size_t lengthMax);

}  // namespace holdfast::codec
