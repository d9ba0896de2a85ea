// Just enough of HTTP/1.1 for both ends of a benchmark: where a head ends, its first line, and a
// field by its name.
//
// Used on answers (payload_web.cc) and on requests (origin_web.cc). Names are compared without
// case. Does not check syntax: what a gateway does to a message is another test's question; here a
// wrong status, length or content counts as corrupt.
#pragma once

#include <string_view>

#include "types.h"

namespace holdfast::loadgen {

inline constexpr std::string_view kHeadEnd = "\r\n\r\n";
// A head that is longer than this has no end.
inline constexpr std::size_t kHeadBytesMax = 16 * 1024;

// What an event of a stream begins and ends with.
inline constexpr std::string_view kEventMark = "data: ";
inline constexpr std::string_view kEventEnd = "\n\n";

// The head with its last line's end, or nothing where it is not whole.
inline std::string_view findHead(std::string_view text) {
  const std::size_t end = text.find(kHeadEnd);
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 2);
}

inline bool isSameName(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t at = 0; at < left.size(); ++at) {
    const auto lower = [](char letter) {
      return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
    };
    if (lower(left[at]) != lower(right[at])) return false;
  }
  return true;
}

// Calls `take(name, value)` for each field of a head.
template <typename Take>
void eachField(std::string_view head, Take take) {
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos && at + 2 < head.size()) {
    const std::size_t from = at + 2;
    at = head.find("\r\n", from);
    const std::string_view line = head.substr(from, at - from);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    take(line.substr(0, colon), value);
  }
}

// Decimal digits from the front; 0 where there are none.
inline u64 readNumber(std::string_view text) {
  u64 number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') break;
    number = number * 10 + static_cast<u64>(digit - '0');
  }
  return number;
}

}  // namespace holdfast::loadgen
