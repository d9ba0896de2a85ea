// Stamps to text and back; see stamp_text.h.
//
// Runs once for each message in the generator and once in the origin. Does not allocate.
#include "stamp_text.h"

#include <cstring>

namespace holdfast::loadgen {

namespace {

constexpr std::size_t kKindAt = 2;
constexpr std::size_t kFillerAt = 3;
constexpr std::size_t kIntendedAt = 4;
constexpr std::size_t kSentAt = 20;
constexpr std::size_t kDigits = 16;
constexpr char kDigitNames[] = "0123456789abcdef";

void writeDigits(u64 value, char* out) {
  for (std::size_t at = kDigits; at > 0; value >>= 4) out[--at] = kDigitNames[value & 15];
}

bool readDigits(const char* in, u64* value) {
  u64 sum = 0;
  for (std::size_t at = 0; at < kDigits; ++at) {
    const char digit = in[at];
    const bool isNumber = digit >= '0' && digit <= '9';
    if (!isNumber && (digit < 'a' || digit > 'f')) return false;
    sum = sum << 4 | static_cast<u64>(isNumber ? digit - '0' : digit - 'a' + 10);
  }
  *value = sum;
  return true;
}

}  // namespace

void writeStampText(const Stamp& stamp, std::span<char> out) {
  const u64 mixed = stamp.intendedNs ^ (stamp.intendedNs >> 8);
  const char filler = static_cast<char>('g' + mixed % 16);
  std::memset(out.data(), filler, out.size());
  out[0] = 'H';
  out[1] = 'F';
  out[kKindAt] = static_cast<char>('0' + static_cast<u8>(stamp.kind));
  writeDigits(stamp.intendedNs, out.data() + kIntendedAt);
  writeDigits(stamp.sentNs, out.data() + kSentAt);
}

std::optional<Stamp> readStampText(std::span<const char> in) {
  if (in.size() < kStampTextBytes || in[0] != 'H' || in[1] != 'F') return std::nullopt;
  const char kind = in[kKindAt];
  if (kind < '0' || kind > '0' + static_cast<u8>(Kind::kAck)) return std::nullopt;
  const auto isFiller = [&](std::size_t at) {
    return at < kStampTextBytes || in[at] == in[kFillerAt];
  };
  if (in.size() > kStampTextBytes && !isFiller(kStampTextBytes)) return std::nullopt;
  if (!isFiller(in.size() / 2) || !isFiller(in.size() - 1)) return std::nullopt;
  Stamp stamp;
  stamp.kind = static_cast<Kind>(kind - '0');
  if (!readDigits(in.data() + kIntendedAt, &stamp.intendedNs)) return std::nullopt;
  if (!readDigits(in.data() + kSentAt, &stamp.sentNs)) return std::nullopt;
  return stamp;
}

}  // namespace holdfast::loadgen
