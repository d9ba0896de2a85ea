// Classes of bytes in HTTP/1.1 and the loops that run over them.
//
// Below every other part of http1: names, values and targets are scanned here, values eight bytes
// at a time. Invariant: no loop leaves its span, and each says where it stopped, so that the caller
// sees the byte that ended it. Classes are those of RFC 9110 5.6 and RFC 3986, with the tolerances
// written beside them. Knows bytes only; lines, fields and messages are above.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::http1 {

// Bits of kByteClass.
inline constexpr u8 kTokenByte = 1;   // RFC 9110 5.6.2, but '_'
inline constexpr u8 kUnderline = 2;   // '_', a token byte where names may have it
inline constexpr u8 kPathByte = 4;    // RFC 3986 3.3; and []{}|^` that browsers send
inline constexpr u8 kQueryByte = 8;   // any visible byte but '#': what browsers send
inline constexpr u8 kFieldByte = 16;  // RFC 9110 5.5: visible, space, tab, 0x80 and above
inline constexpr u8 kPathMark = 32;   // bytes for which a path has to be looked at: '%' and ';'

inline constexpr std::array<u8, 256> kByteClass = [] {
  std::array<u8, 256> classes{};
  const auto add = [&classes](std::string_view bytes, u8 bit) {
    for (const char byte : bytes) {
      u8& entry = classes[static_cast<u8>(byte)];
      entry = static_cast<u8>(entry | bit);
    }
  };
  const std::string_view alphanumerics =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  add(alphanumerics, kTokenByte | kPathByte);
  add("!#$%&'*+-.^`|~", kTokenByte);
  add("_", kUnderline);
  add("-._~!$&'()*+,;=:@/%", kPathByte);
  add("[]{}|^`", kPathByte);
  add("%;", kPathMark);
  for (size_t byte = 0x21; byte < 0x7f; ++byte) {
    if (byte != '#') classes[byte] = static_cast<u8>(classes[byte] | kQueryByte);
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    const bool isControl = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    if (!isControl) classes[byte] = static_cast<u8>(classes[byte] | kFieldByte);
  }
  return classes;
}();

[[nodiscard]] constexpr bool isOf(u8 byte, u8 classes) { return (kByteClass[byte] & classes) != 0; }
[[nodiscard]] constexpr bool isToken(u8 byte) { return isOf(byte, kTokenByte | kUnderline); }
[[nodiscard]] constexpr bool isDigit(u8 byte) { return byte >= '0' && byte <= '9'; }
[[nodiscard]] constexpr bool isSpace(u8 byte) { return byte == ' ' || byte == '\t'; }

// The value of a hexadecimal digit, or -1.
[[nodiscard]] constexpr int hexValue(u8 byte) {
  if (isDigit(byte)) return byte - '0';
  const int letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// Letters in lower case, and some bytes that are not letters changed: only for comparing with names
// that are lower case, consist of letters, digits and '-', and whose partner consists of tokens.
[[nodiscard]] constexpr u8 folded(u8 byte) { return static_cast<u8>(byte | 0x20); }

inline constexpr u64 kOnes = 0x0101010101010101u;

[[nodiscard]] inline u64 wordAt(const void* bytes) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  u64 word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Whether token bytes are `name`, which is in lower case and has no '_'.
[[nodiscard]] inline bool isName(std::span<const u8> bytes, std::string_view name) {
  const size_t size = name.size();
  if (bytes.size() != size) return false;
  if (size < sizeof(u64)) {
    u8 difference = 0;
    for (size_t i = 0; i < size; ++i) {
      difference = static_cast<u8>(difference | (folded(bytes[i]) ^ static_cast<u8>(name[i])));
    }
    return difference == 0;
  }
  const auto isSameWord = [&](size_t at) {
    return (wordAt(bytes.data() + at) | kOnes * 0x20) == wordAt(name.data() + at);
  };
  // The last word overlaps the one before it.
  for (size_t at = 0; at + sizeof(u64) < size; at += sizeof(u64)) {
    if (!isSameWord(at)) return false;
  }
  return isSameWord(size - sizeof(u64));
}

// Whether two names of tokens are the same name (RFC 9110 5.1).
[[nodiscard]] constexpr bool isSameName(std::span<const u8> a, std::span<const u8> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const u8 letter = folded(a[i]);
    if (letter != folded(b[i]) || letter < 'a' || letter > 'z') return false;
  }
  return true;
}

// Where the first byte from `at` on is that is in none of `classes`; the size when all are.
[[nodiscard]] inline size_t skipClass(std::span<const u8> bytes, size_t at, u8 classes) {
  const u8* const first = bytes.data();
  const size_t size = bytes.size();
  for (; size - at >= 4; at += 4) {
    if ((kByteClass[first[at]] & classes) == 0) return at;
    if ((kByteClass[first[at + 1]] & classes) == 0) return at + 1;
    if ((kByteClass[first[at + 2]] & classes) == 0) return at + 2;
    if ((kByteClass[first[at + 3]] & classes) == 0) return at + 3;
  }
  while (at < size && (kByteClass[first[at]] & classes) != 0) ++at;
  return at;
}

[[nodiscard]] inline size_t skipSpaces(std::span<const u8> bytes, size_t at) {
  while (at < bytes.size() && isSpace(bytes[at])) ++at;
  return at;
}

// The high bit of each byte of `word` that is below 0x20 or 0x7f. Bits above the lowest one may be
// set for bytes that are neither.
[[nodiscard]] constexpr u64 controlBits(u64 word) {
  const u64 rubbed = word ^ (kOnes * 0x7f);
  const u64 low = (word - kOnes * 0x20) & ~word;
  const u64 erased = (rubbed - kOnes) & ~rubbed;
  return (low | erased) & (kOnes * 0x80);
}

// Where the first byte from `at` on is that no field value has; the size when all may be.
[[nodiscard]] inline size_t skipValue(std::span<const u8> bytes, size_t at) {
  const u8* const first = bytes.data();
  const size_t size = bytes.size();
  while (size - at >= sizeof(u64)) {
    const u64 bits = controlBits(wordAt(first + at));
    if (bits == 0) {
      at += sizeof(u64);
      continue;
    }
    at += static_cast<size_t>(__builtin_ctzll(bits)) / 8;
    if (first[at] != '\t') return at;
    ++at;
  }
  return skipClass(bytes, at, kFieldByte);
}

[[nodiscard]] inline bool hasLineFeed(std::span<const u8> bytes) {
  return !bytes.empty() && std::memchr(bytes.data(), '\n', bytes.size()) != nullptr;
}

[[nodiscard]] inline std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

[[nodiscard]] inline std::string_view textOf(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace holdfast::http1
