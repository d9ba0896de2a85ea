// A hash is a state that takes blocks; HMAC keeps the states behind its two keys, so that a round
// of PBKDF2 is two blocks.
#include "codec/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace holdfast::codec {

namespace {

constexpr size_t kBlockBytes = 64;

constexpr u32 kConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

class Sha256 {
 public:
  void take(std::span<const u8> bytes) {
    taken_ += bytes.size();
    while (!bytes.empty()) {
      const size_t count = std::min(bytes.size(), kBlockBytes - used_);
      std::memcpy(block_ + used_, bytes.data(), count);
      used_ += count;
      bytes = bytes.subspan(count);
      if (used_ == kBlockBytes) takeBlock();
    }
  }

  Sha256Digest finish() {
    const u64 bits = taken_ * 8;
    u8 tail[kBlockBytes] = {0x80};
    take({tail, 1 + (2 * kBlockBytes - 9 - used_) % kBlockBytes});
    for (size_t i = 0; i < 8; ++i) tail[i] = static_cast<u8>(bits >> (56 - 8 * i));
    take({tail, 8});
    Sha256Digest digest;
    for (size_t i = 0; i < digest.size(); ++i) {
      digest[i] = static_cast<u8>(state_[i / 4] >> (24 - 8 * (i % 4)));
    }
    return digest;
  }

 private:
  void takeBlock() {
    u32 schedule[64];
    for (size_t i = 0; i < 16; ++i) {
      schedule[i] = u32{block_[4 * i]} << 24 | u32{block_[4 * i + 1]} << 16 |
                    u32{block_[4 * i + 2]} << 8 | u32{block_[4 * i + 3]};
    }
    for (size_t i = 16; i < 64; ++i) {
      const u32 near = schedule[i - 2];
      const u32 far = schedule[i - 15];
      schedule[i] = (std::rotr(near, 17) ^ std::rotr(near, 19) ^ near >> 10) + schedule[i - 7] +
                    (std::rotr(far, 7) ^ std::rotr(far, 18) ^ far >> 3) + schedule[i - 16];
    }
    std::array<u32, 8> word = state_;
    for (size_t i = 0; i < 64; ++i) {
      const u32 e = word[4];
      const u32 a = word[0];
      const u32 first = word[7] + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                        ((e & word[5]) ^ (~e & word[6])) + kConstants[i] + schedule[i];
      const u32 second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) +
                         ((a & word[1]) ^ (a & word[2]) ^ (word[1] & word[2]));
      word = {first + second, a, word[1], word[2], word[3] + first, e, word[5], word[6]};
    }
    for (size_t i = 0; i < word.size(); ++i) state_[i] += word[i];
    used_ = 0;
  }

  std::array<u32, 8> state_ = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                               0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  u8 block_[kBlockBytes] = {};
  size_t used_ = 0;
  u64 taken_ = 0;
};

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

class Hmac {
 public:
  explicit Hmac(std::span<const u8> key) {
    u8 block[kBlockBytes] = {};
    if (key.size() > kBlockBytes) {
      const Sha256Digest digest = sha256(key);
      std::memcpy(block, digest.data(), digest.size());
    } else if (!key.empty()) {
      std::memcpy(block, key.data(), key.size());
    }
    for (u8& byte : block) byte ^= 0x36;
    inner_.take(block);
    for (u8& byte : block) byte ^= 0x36 ^ 0x5c;
    outer_.take(block);
  }

  [[nodiscard]] Sha256Digest of(std::span<const u8> first, std::span<const u8> second = {}) const {
    Sha256 inner = inner_;
    inner.take(first);
    inner.take(second);
    Sha256 outer = outer_;
    const Sha256Digest digest = inner.finish();
    outer.take(digest);
    return outer.finish();
  }

 private:
  Sha256 inner_;
  Sha256 outer_;
};

}  // namespace

Sha256Digest sha256(std::span<const u8> bytes) {
  Sha256 hash;
  hash.take(bytes);
  return hash.finish();
}

Sha256Digest pbkdf2Sha256(std::string_view password, std::span<const u8> salt, u32 rounds) {
  constexpr u8 kFirstBlock[4] = {0, 0, 0, 1};
  const Hmac hmac(bytesOf(password));
  Sha256Digest last = hmac.of(salt, kFirstBlock);
  Sha256Digest derived = last;
  for (u32 round = 1; round < rounds; ++round) {
    last = hmac.of(last);
    for (size_t i = 0; i < derived.size(); ++i) derived[i] = static_cast<u8>(derived[i] ^ last[i]);
  }
  return derived;
}

bool isSameDigest(const Sha256Digest& a, const Sha256Digest& b) {
  // Volatile: the compiler must not leave the loop early.
  volatile u8 difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<u8>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace holdfast::codec
