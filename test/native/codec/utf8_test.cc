// UTF-8: every sequence of one to four bytes against a decoder, masks, cuts.
#include "codec/utf8.h"

#include <string>
#include <vector>

#include "check.h"

namespace holdfast::codec {
namespace {

// What RFC 3629 says, by decoding: the length of the character at the front, 0
// for none.
size_t referenceLength(const u8* bytes, size_t count) {
  const u8 first = bytes[0];
  if (first < 0x80) return 1;
  const size_t length = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || length > count) return 0;
  u32 point = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (bytes[i] >> 6 != 2) return 0;
    point = point << 6 | (bytes[i] & 0x3fu);
  }
  const u32 least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return 0;
  return length;
}

bool isReferenceText(const u8* bytes, size_t count) {
  for (size_t at = 0; at < count;) {
    const size_t length = referenceLength(bytes + at, count - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

Utf8State stepAll(const u8* bytes, size_t count) {
  Utf8State state = Utf8State::kAccept;
  for (size_t i = 0; i < count; ++i) state = stepUtf8(state, bytes[i]);
  return state;
}

TEST(utf8AgreesWithADecoderOnAllShortSequences) {
  u8 bytes[4] = {};
  u64 accepted = 0;
  for (u32 word = 0; word < 1u << 24; ++word) {
    for (size_t i = 0; i < 3; ++i) bytes[i] = static_cast<u8>(word >> (16 - 8 * i));
    for (size_t count = 1; count <= 3; ++count) {
      // Shorter ones only once.
      if ((word & ((1u << (24 - 8 * count)) - 1)) != 0) continue;
      const bool isText = stepAll(bytes, count) == Utf8State::kAccept;
      accepted += isText ? 1 : 0;
      if (isText != isReferenceText(bytes, count)) {
        CHECK_EQ(word, count);
        return;
      }
    }
  }
  CHECK(accepted > 128 * 128 * 128);
}

// All four bytes where a character of four can go on behind the second; where
// it cannot, and behind shorter characters, the other two are tried at their
// edges, because all sequences of three were.
TEST(utf8AgreesWithADecoderOnFourBytes) {
  const u8 edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
  u8 bytes[4] = {};
  u64 characters = 0;
  const auto agrees = [&bytes, &characters] {
    const bool isText = stepAll(bytes, 4) == Utf8State::kAccept;
    characters += isText && bytes[0] >= 0xf0 ? 1 : 0;
    return isText == isReferenceText(bytes, 4);
  };
  for (u32 pair = 0; pair < 1u << 16; ++pair) {
    bytes[0] = static_cast<u8>(pair >> 8);
    bytes[1] = static_cast<u8>(pair);
    const bool isOpen = bytes[0] >= 0xf0 && stepAll(bytes, 2) != Utf8State::kReject;
    const u32 count = isOpen ? 1u << 16 : static_cast<u32>(std::size(edges) * std::size(edges));
    for (u32 rest = 0; rest < count; ++rest) {
      bytes[2] = isOpen ? static_cast<u8>(rest >> 8) : edges[rest / std::size(edges)];
      bytes[3] = isOpen ? static_cast<u8>(rest) : edges[rest % std::size(edges)];
      if (!CHECK(agrees())) return;
    }
  }
  CHECK_EQ(characters, 0x110000 - 0x10000);
}

TEST(utf8RejectsAtTheFirstByteThatFitsNothing) {
  const u8 overlong[] = {0xe0, 0x80};
  CHECK(stepAll(overlong, 2) == Utf8State::kReject);
  const u8 surrogate[] = {0xed, 0xa0};
  CHECK(stepAll(surrogate, 2) == Utf8State::kReject);
  const u8 high[] = {0xf4, 0x90};
  CHECK(stepAll(high, 2) == Utf8State::kReject);
  const u8 rejected[] = {0xff, 'a', 'a'};
  CHECK(stepAll(rejected, 3) == Utf8State::kReject);
}

TEST(utf8LooksThroughAMaskAtAnyPlaceAndCut) {
  const Mask mask{{0x91, 0x02, 0xf3, 0x80}};
  // Long stretches of ASCII take the fast lane; characters of all lengths leave
  // it at all places.
  std::string text;
  for (size_t i = 0; i < 40; ++i) {
    text.append(i % 13, 'a');
    text += i % 3 == 0 ? "\xc3\xa9" : i % 3 == 1 ? "\xe2\x82\xac" : "\xf0\x9f\x98\x80";
  }
  for (size_t bad = 0; bad <= text.size(); ++bad) {
    std::vector<u8> masked(text.begin(), text.end());
    if (bad < text.size()) masked[bad] = 0xff;
    for (size_t i = 0; i < masked.size(); ++i) {
      masked[i] = static_cast<u8>(masked[i] ^ mask.bytes[i & 3]);
    }
    const Utf8State expected = bad < text.size() ? Utf8State::kReject : Utf8State::kAccept;
    const size_t cut = bad / 2;
    const std::span<const u8> bytes(masked);
    Utf8State state = takeUtf8(Utf8State::kAccept, bytes.first(cut), mask);
    state = takeUtf8(state, bytes.subspan(cut), mask.rotated(cut));
    if (!CHECK_EQ(state, expected)) return;
  }
}

TEST(utf8CutsBetweenCharacters) {
  const std::string_view text = "a\xc3\xa9\xe2\x82\xac";
  CHECK_EQ(utf8CutLength(text, 100), text.size());
  CHECK_EQ(utf8CutLength(text, 6), 6);
  CHECK_EQ(utf8CutLength(text, 5), 3);
  CHECK_EQ(utf8CutLength(text, 3), 3);
  CHECK_EQ(utf8CutLength(text, 2), 1);
  CHECK_EQ(utf8CutLength(text, 0), 0);
}

}  // namespace
}  // namespace holdfast::codec
