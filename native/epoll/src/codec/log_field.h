// Fields that filters add to an access record: a few names and values, packed as bytes.
//
// Filters in TypeScript and policies name them, the exchange or connection keeps the packed bytes,
// records print them. Each field: length of the name (one byte), length of the value (two), both
// texts. Invariant: names match [a-z][a-z0-9_.-]* and stand once; the limits below hold whatever is
// set. Does not allocate, and does not escape: who prints a value does.
#pragma once

#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

inline constexpr u32 kLogFieldsMax = 16;     // of one record
inline constexpr size_t kLogNameMax = 32;    // bytes
inline constexpr size_t kLogValueMax = 256;  // bytes that a record shows
// More is cut between two characters of UTF-8, where a little too much is left: a record shows a
// mark then.
inline constexpr size_t kLogValueKept = kLogValueMax + 4;
inline constexpr size_t kLogFieldsBytesMax = 2048;  // all fields of a record, packed

struct LogField {
  std::string_view name;
  std::string_view value;
};

[[nodiscard]] bool isLogFieldName(std::string_view name);

// Takes the first field off packed bytes; false when there is none.
[[nodiscard]] bool takeLogField(std::string_view* packed, LogField* field);

// The value of a field; empty when it is not there.
[[nodiscard]] std::string_view findLogField(std::string_view packed, std::string_view name);

// Packed fields in the making. For variables that are HF_UNINITIALIZED: the room is not written.
class LogFields {
 public:
  LogFields() {}

  [[nodiscard]] std::string_view packed() const { return {bytes_, size_}; }
  [[nodiscard]] bool isEmpty() const { return size_ == 0; }
  // Packed bytes are copied to the room, which has kLogFieldsBytesMax, and then there.
  [[nodiscard]] u8* room() { return reinterpret_cast<u8*>(bytes_); }
  void attach(size_t bytes) { size_ = static_cast<u32>(bytes); }

  // Sets a field, in place of one with the name; longer values are cut. False, and nothing is
  // changed, where the name is none or there is no room.
  [[nodiscard]] bool set(std::string_view name, std::string_view value);

 private:
  u32 size_ = 0;
  char bytes_[kLogFieldsBytesMax];
};

}  // namespace holdfast::codec
