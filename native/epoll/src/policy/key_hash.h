// The hash tables by which rules are found: of texts, and of networks.
//
// Built by policy_compile.cc, asked by rules.cc. A request looks up its whole text, and as much of
// it as there are lengths of prefixes; an address looks up its network of each size. That reads one
// line of memory for each of them, where a search by halves reads ten and more.
// Invariant: finds the longest key that the text begins with, or that is the text; the smallest
// network that has the address. Who asks for prefixes of more lengths has no table.
#pragma once

#include <string_view>

#include "runtime/siphash.h"

#include "policy/policy_layout.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

struct FlatPolicies;

// Lengths of prefixes, or sizes of networks, that one table is asked for.
inline constexpr u32 kProbedLengthsMax = 8;

__extension__ using Product = unsigned __int128;

// Nobody outside chooses the keys, so their places may be known.
[[nodiscard]] inline u64 mixWords(u64 a, u64 b) {
  const Product product = static_cast<Product>(a) * b;
  return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
}

// Hashes of the first bytes of one text, each of them longer than the one before.
class TextHash {
 public:
  explicit TextHash(std::string_view text) : text_(text) {}

  // `length` is within the text.
  [[nodiscard]] u64 upTo(size_t length) {
    for (; at_ + 8 <= length; at_ += 8) state_ = mixWords(state_ ^ wordAt(at_), kOfWord);
    return mixWords(state_ ^ restUpTo(length), kOfLength + length);
  }

 private:
  static constexpr u64 kOfWord = 0x9e3779b97f4a7c15;
  static constexpr u64 kOfLength = 0xd6e8feb86659fd93;

  [[nodiscard]] u64 wordAt(size_t at) const {
    return detail::loadLittle64(reinterpret_cast<const u8*>(text_.data()) + at);
  }
  // The bytes behind the last whole word.
  [[nodiscard]] u64 restUpTo(size_t length) const {
    const size_t rest = length - at_;
    if (rest == 0) return 0;
    if (length >= 8) return wordAt(length - 8) >> (64 - 8 * rest);
    u64 word = 0;
    for (size_t i = 0; i < rest; ++i) word |= u64{static_cast<u8>(text_[at_ + i])} << (8 * i);
    return word;
  }

  std::string_view text_;
  size_t at_ = 0;
  u64 state_ = 0xa0761d6478bd642f;
};

[[nodiscard]] inline u32 firstOf(u32 number, u32 bits) {
  return bits == 0 ? 0 : number >> (32 - bits) << (32 - bits);
}
[[nodiscard]] inline Ip6 firstOf(const Ip6& number, u32 bits) {
  const u64 high = bits == 0 ? 0 : bits >= 64 ? ~u64{0} : ~(~u64{0} >> bits);
  const u64 low = bits <= 64 ? 0 : bits >= 128 ? ~u64{0} : ~(~u64{0} >> (bits - 64));
  return {number.high & high, number.low & low};
}
[[nodiscard]] inline u64 hashNet(u32 first, u32 bits) {
  return mixWords(u64{first} << 8 | bits, 0x9e3779b97f4a7c15);
}
[[nodiscard]] inline u64 hashNet(const Ip6& first, u32 bits) {
  return mixWords(first.high ^ 0x9e3779b97f4a7c15, first.low ^ 0xd6e8feb86659fd93) + bits;
}

// The item with that hash that `isIt`, or kNoIndex.
template <typename Judge>
[[nodiscard]] u32 findSlot(const PolicyView& view, const FlatHash& table, u64 hash, Judge isIt) {
  const FlatSlot* const slots = view.items<FlatSlot>(view.header().slots) + table.slots.first;
  const u32 mask = table.slots.count - 1;
  const u32 tag = static_cast<u32>(hash >> 32);
  // A table has an empty slot.
  for (u32 at = static_cast<u32>(hash) & mask; slots[at].item != kNoIndex; at = (at + 1) & mask) {
    if (slots[at].tag == tag && isIt(slots[at].item)) return slots[at].item;
  }
  return kNoIndex;
}

// Adds the table of keys or networks that lie at `range` of their section; one without slots when
// it would be asked for too many lengths.
[[nodiscard]] FlatHash addKeyHash(const Range& range, FlatPolicies* flat);
[[nodiscard]] FlatHash addNet4Hash(const Range& range, FlatPolicies* flat);
[[nodiscard]] FlatHash addNet6Hash(const Range& range, FlatPolicies* flat);

}  // namespace holdfast::policy
