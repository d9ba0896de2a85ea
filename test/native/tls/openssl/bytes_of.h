// Bytes from hexadecimal text, for vectors in tests.
//
// Included by the tests of the OpenSSL side of the TLS layer only.
// Spaces and line ends are left out. Anything else that is no digit ends the test.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/base.h"

namespace holdfast::tls {

inline std::vector<u8> bytesOf(std::string_view hex) {
  std::vector<u8> bytes;
  u32 digits = 0;
  u8 value = 0;
  for (char at : hex) {
    if (at == ' ' || at == '\n') continue;
    const bool isDigit = at >= '0' && at <= '9';
    HF_ASSERT(isDigit || (at >= 'a' && at <= 'f'));
    value = static_cast<u8>(value << 4 | (isDigit ? at - '0' : at - 'a' + 10));
    if (++digits % 2 == 0) bytes.push_back(value);
  }
  HF_ASSERT(digits % 2 == 0);
  return bytes;
}

}  // namespace holdfast::tls
