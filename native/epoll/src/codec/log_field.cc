// Packing fields of access records.
#include "codec/log_field.h"

#include <algorithm>
#include <cstring>

namespace holdfast::codec {
namespace {

inline constexpr size_t kPrefixBytes = 3;
static_assert(kLogNameMax <= 0xff && kLogValueKept <= 0xffff);

bool isLetter(char byte) { return byte >= 'a' && byte <= 'z'; }

bool isNameByte(char byte) {
  return isLetter(byte) || (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' ||
         byte == '-';
}

std::string_view cutValue(std::string_view value) {
  if (value.size() <= kLogValueKept) return value;
  size_t length = kLogValueKept;
  while (length > kLogValueMax + 1 && (static_cast<u8>(value[length]) & 0xc0) == 0x80) length--;
  return value.substr(0, length);
}

}  // namespace

bool isLogFieldName(std::string_view name) {
  return !name.empty() && name.size() <= kLogNameMax && isLetter(name.front()) &&
         std::all_of(name.begin(), name.end(), isNameByte);
}

bool takeLogField(std::string_view* packed, LogField* field) {
  if (packed->size() < kPrefixBytes) return false;
  const auto byteAt = [packed](size_t at) { return static_cast<u8>((*packed)[at]); };
  const size_t name = byteAt(0);
  const size_t value = size_t{byteAt(1)} << 8 | byteAt(2);
  if (packed->size() - kPrefixBytes < name + value) return false;
  *field = {packed->substr(kPrefixBytes, name), packed->substr(kPrefixBytes + name, value)};
  packed->remove_prefix(kPrefixBytes + name + value);
  return true;
}

std::string_view findLogField(std::string_view packed, std::string_view name) {
  for (LogField field; takeLogField(&packed, &field);) {
    if (field.name == name) return field.value;
  }
  return {};
}

bool LogFields::set(std::string_view name, std::string_view value) {
  if (!isLogFieldName(name)) return false;
  value = cutValue(value);
  size_t at = size_;  // of the field in whose place this one comes
  size_t former = 0;
  u32 count = 0;
  std::string_view rest = packed();
  for (LogField field; takeLogField(&rest, &field); count++) {
    if (field.name != name) continue;
    former = kPrefixBytes + field.name.size() + field.value.size();
    at = size_ - rest.size() - former;
  }
  const size_t wanted = kPrefixBytes + name.size() + value.size();
  const bool hasRoom = size_ - former + wanted <= kLogFieldsBytesMax;
  if (!hasRoom || (former == 0 && count == kLogFieldsMax)) return false;
  // Behind the others.
  std::memmove(bytes_ + at, bytes_ + at + former, size_ - at - former);
  char* to = bytes_ + size_ - former;
  to[0] = static_cast<char>(name.size());
  to[1] = static_cast<char>(value.size() >> 8);
  to[2] = static_cast<char>(value.size() & 0xff);
  std::memcpy(to + kPrefixBytes, name.data(), name.size());
  if (!value.empty()) std::memcpy(to + kPrefixBytes + name.size(), value.data(), value.size());
  size_ = static_cast<u32>(size_ - former + wanted);
  return true;
}

}  // namespace holdfast::codec
