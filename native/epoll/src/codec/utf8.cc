// The loop over bytes, with a fast lane for ASCII.
#include "codec/utf8.h"

#include <cstring>

namespace holdfast::codec {

Utf8State takeUtf8(Utf8State state, std::span<const u8> bytes, const Mask& mask) {
  constexpr u64 kHighBits = 0x8080808080808080u;
  // The mask as eight bytes, from each of its four places on.
  u8 repeated[12];
  for (size_t i = 0; i < sizeof(repeated); ++i) repeated[i] = mask.bytes[i & 3];
  u64 wide[4];
  for (size_t i = 0; i < 4; ++i) std::memcpy(&wide[i], repeated + i, sizeof(u64));

  const u8* const begin = bytes.data();
  size_t at = 0;
  while (at < bytes.size() && state != Utf8State::kReject) {
    if (state == Utf8State::kAccept && bytes.size() - at >= sizeof(u64)) {
      u64 word = 0;
      std::memcpy(&word, begin + at, sizeof(word));
      if (((word ^ wide[at & 3]) & kHighBits) == 0) {
        at += sizeof(u64);
        continue;
      }
    }
    state = stepUtf8(state, static_cast<u8>(begin[at] ^ mask.bytes[at & 3]));
    ++at;
  }
  return state;
}

size_t utf8CutLength(std::string_view text, size_t lengthMax) {
  if (text.size() <= lengthMax) return text.size();
  size_t length = lengthMax;
  while (length > 0 && (static_cast<u8>(text[length]) & 0xc0) == 0x80) --length;
  return length;
}

}  // namespace holdfast::codec
