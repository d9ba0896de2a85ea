// The padded input is made block by block, so that no buffer of its length is needed.
#include "codec/sha1.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace holdfast::codec {

namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kLengthBytes = 8;

using Words = std::array<u32, 5>;

struct Round {
  u32 mix;
  u32 constant;
};

Round roundOf(size_t at, const Words& word) {
  const u32 b = word[1];
  const u32 c = word[2];
  const u32 d = word[3];
  if (at < 20) return {(b & c) | (~b & d), 0x5a827999u};
  if (at < 40) return {b ^ c ^ d, 0x6ed9eba1u};
  if (at < 60) return {(b & c) | (b & d) | (c & d), 0x8f1bbcdcu};
  return {b ^ c ^ d, 0xca62c1d6u};
}

void takeBlock(const u8* block, Words* state) {
  u32 schedule[80];
  for (size_t i = 0; i < 16; ++i) {
    schedule[i] = u32{block[4 * i]} << 24 | u32{block[4 * i + 1]} << 16 |
                  u32{block[4 * i + 2]} << 8 | u32{block[4 * i + 3]};
  }
  for (size_t i = 16; i < 80; ++i) {
    schedule[i] =
        std::rotl(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1);
  }
  Words word = *state;
  for (size_t i = 0; i < 80; ++i) {
    const Round round = roundOf(i, word);
    const u32 next = std::rotl(word[0], 5) + round.mix + word[4] + round.constant + schedule[i];
    word = {next, word[0], std::rotl(word[1], 30), word[2], word[3]};
  }
  for (size_t i = 0; i < word.size(); ++i) (*state)[i] += word[i];
}

}  // namespace

Sha1Digest sha1(std::span<const u8> bytes) {
  HF_ASSERT(bytes.size() <= kSha1InputMax);
  Words state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const u64 bits = u64{bytes.size()} * 8;
  const size_t blocks = (bytes.size() + 1 + kLengthBytes + kBlockBytes - 1) / kBlockBytes;
  for (size_t i = 0; i < blocks; ++i) {
    u8 block[kBlockBytes] = {};
    const size_t from = i * kBlockBytes;
    const size_t count = from < bytes.size() ? std::min(kBlockBytes, bytes.size() - from) : 0;
    if (count != 0) std::memcpy(block, bytes.data() + from, count);
    if (bytes.size() >= from && bytes.size() - from < kBlockBytes)
      block[bytes.size() - from] = 0x80;
    for (size_t k = 0; i + 1 == blocks && k < kLengthBytes; ++k) {
      block[kBlockBytes - 1 - k] = static_cast<u8>(bits >> (8 * k));
    }
    takeBlock(block, &state);
  }
  Sha1Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<u8>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace holdfast::codec
