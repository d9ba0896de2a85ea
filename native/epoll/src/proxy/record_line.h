// RecordLine: appends to one line of a log, into a buffer with a hard end.
//
// Under http_record.cc. Invariant: no byte of foreign origin can end the line or a quoted text: it
// is escaped, and a text that is longer than its maximum is cut at a character and marked with an
// ellipsis. What does not fit is left out; the caller's maxima make sure that everything fits.
// No allocation, no locale, no formatting functions: a record is a matter of a microsecond.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "codec/log_field.h"
#include "codec/utf8.h"
#include "runtime/base.h"

namespace holdfast::proxy {

inline constexpr std::string_view kCutMark = "\xe2\x80\xa6";  // U+2026

// How bytes that cannot stand as they are are written.
enum class Escape : u8 {
  kJson,  // \" \\ \u00xx
  kText,  // \" \\ \xhh, as other programs do in their logs
};

class RecordLine {
 public:
  explicit RecordLine(std::span<char> out) : out_(out.data()), room_(out.size()) {}

  [[nodiscard]] u32 size() const { return static_cast<u32>(size_); }
  [[nodiscard]] size_t room() const { return room_ - size_; }

  void put(char byte) {
    if (size_ < room_) out_[size_++] = byte;
  }

  void raw(std::string_view text) {
    const size_t length = text.size() < room() ? text.size() : room();
    if (length != 0) std::memcpy(out_ + size_, text.data(), length);
    size_ += length;
  }

  void number(u64 value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    raw({digits + at, sizeof(digits) - at});
  }

  // With leading zeros.
  void digits(u32 value, u32 count) {
    char text[10];
    for (u32 i = count; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
    raw({text, count});
  }

  // At most `most` bytes are written, the mark counted.
  void escaped(std::string_view text, size_t most, Escape escape) {
    const size_t start = size_;
    const size_t end = start + most - kCutMark.size();
    const bool isUtf8 = isValidUtf8(text);
    size_t at = 0;
    while (at < text.size()) {
      const size_t run = plainRun(text.substr(at), isUtf8);
      const size_t fits = run < end - size_ ? run : end - size_;
      raw(text.substr(at, fits));
      at += fits;
      if (fits < run) break;
      if (at == text.size()) return;
      if (end - size_ < kEscapeBytesMax) break;
      putEscaped(static_cast<u8>(text[at++]), escape);
    }
    if (at == text.size()) return;
    // What is left may be short enough to stand where the mark would.
    if (text.size() - at <= kCutMark.size() &&
        plainRun(text.substr(at), isUtf8) + at == text.size()) {
      raw(text.substr(at));
      return;
    }
    // Not inside a character.
    while (isUtf8 && size_ > start && at > 0 && (static_cast<u8>(text[at]) & 0xc0) == 0x80) {
      size_--;
      at--;
    }
    raw(kCutMark);
  }

 private:
  static constexpr char kHex[] = "0123456789abcdef";
  static constexpr size_t kEscapeBytesMax = 6;

  static bool isValidUtf8(std::string_view text) {
    codec::Utf8State state = codec::Utf8State::kAccept;
    for (const char byte : text) {
      if (static_cast<u8>(byte) < 0x80 && state == codec::Utf8State::kAccept) continue;
      state = codec::stepUtf8(state, static_cast<u8>(byte));
    }
    return state == codec::Utf8State::kAccept;
  }

  // Bytes at the front that can stand as they are.
  static size_t plainRun(std::string_view text, bool isUtf8) {
    size_t at = 0;
    for (; at < text.size(); at++) {
      const u8 byte = static_cast<u8>(text[at]);
      if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f) break;
      if (byte >= 0x80 && !isUtf8) break;
    }
    return at;
  }

  void putEscaped(u8 byte, Escape escape) {
    put('\\');
    if (byte == '"' || byte == '\\') {
      put(static_cast<char>(byte));
      return;
    }
    raw(escape == Escape::kJson ? "u00" : "x");
    put(kHex[byte >> 4]);
    put(kHex[byte & 15]);
  }

  char* out_;
  size_t room_;
  size_t size_ = 0;
};

// What putLogged() writes at most: texts, and quotes, colon and comma of each.
inline constexpr size_t kLoggedTextMax =
    16 + codec::kLogFieldsMax * (codec::kLogNameMax + codec::kLogValueMax + 6);

// Fields that filters set, as a member of a JSON object; nothing where there are none.
inline void putLogged(RecordLine& line, std::string_view packed) {
  if (packed.empty()) return;
  std::string_view separator = ",\"fields\":{\"";
  for (codec::LogField field; codec::takeLogField(&packed, &field); separator = ",\"") {
    line.raw(separator);
    line.raw(field.name);
    line.raw("\":\"");
    line.escaped(field.value, codec::kLogValueMax, Escape::kJson);
    line.put('"');
  }
  line.put('}');
}

}  // namespace holdfast::proxy
