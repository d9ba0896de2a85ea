// CRC-32C (Castagnoli, RFC 3720 B.4), for checksums that protocols carry.
//
// A value that is fed pieces in order; used by the PROXY header. Table-driven, one byte a step:
// enough for something that happens once per connection, and nothing for bulk.
#pragma once

#include <array>
#include <span>

#include "runtime/base.h"

namespace holdfast::codec {

namespace detail {

constexpr std::array<u32, 256> makeCrc32cTable() {
  std::array<u32, 256> table{};
  for (u32 i = 0; i < 256; ++i) {
    u32 value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}
inline constexpr std::array<u32, 256> kCrc32cTable = makeCrc32cTable();

}  // namespace detail

class Crc32c {
 public:
  void update(std::span<const u8> bytes) {
    for (u8 byte : bytes) state_ = detail::kCrc32cTable[(state_ ^ byte) & 0xff] ^ (state_ >> 8);
  }
  [[nodiscard]] u32 value() const { return ~state_; }

 private:
  u32 state_ = 0xffffffffu;
};

}  // namespace holdfast::codec
