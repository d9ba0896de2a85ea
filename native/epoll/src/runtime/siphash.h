// SipHash-1-3: a keyed 64-bit hash for anything a peer can choose.
//
// Used where table positions must not be predictable from outside (client addresses) and where two
// processes must agree on a hash (endpoint identities under one key).
// Invariant: the result depends on key and bytes only, never on the machine's byte order.
// Does not hold state and is not a message authentication code.
#pragma once

#include <cstring>

#include "runtime/base.h"

namespace holdfast {

// The secret of a hash. Drawn once per process for attack resistance, or fixed for reproducibility.
struct HashKey {
  u64 k0 = 0;
  u64 k1 = 0;
  friend constexpr bool operator==(const HashKey&, const HashKey&) = default;
};
static_assert(sizeof(HashKey) == 16);

namespace detail {

struct SipState {
  u64 v0, v1, v2, v3;

  static constexpr u64 rotate(u64 value, int bits) {
    return (value << bits) | (value >> (64 - bits));
  }

  constexpr void round() {
    v0 += v1;
    v1 = rotate(v1, 13) ^ v0;
    v0 = rotate(v0, 32);
    v2 += v3;
    v3 = rotate(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotate(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotate(v1, 17) ^ v2;
    v2 = rotate(v2, 32);
  }

  constexpr void absorb(u64 word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

inline u64 loadLittle64(const u8* bytes) {
  u64 word = 0;
  std::memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

}  // namespace detail

// Hashes `length` bytes. O(length), any thread.
[[nodiscard]] inline u64 sipHash13(const HashKey& key, const void* bytes, size_t length) {
  detail::SipState state{
      key.k0 ^ 0x736f6d6570736575u,
      key.k1 ^ 0x646f72616e646f6du,
      key.k0 ^ 0x6c7967656e657261u,
      key.k1 ^ 0x7465646279746573u,
  };
  const u8* cursor = static_cast<const u8*>(bytes);
  const size_t whole = length / 8;
  for (size_t i = 0; i < whole; ++i, cursor += 8) state.absorb(detail::loadLittle64(cursor));
  u64 last = static_cast<u64>(length & 0xff) << 56;
  for (size_t i = 0; i < (length & 7); ++i) last |= static_cast<u64>(cursor[i]) << (8 * i);
  state.absorb(last);
  state.v2 ^= 0xff;
  state.round();
  state.round();
  state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace holdfast
