// ToyAead: a cipher table without a cipher, so that the record layer runs where there is no
// library.
//
// Text is xored with a key byte and the nonce, tags are a sum over everything a tag must cover. It
// keeps what a record layer must rely on: any changed bit, any other nonce, any other header fails.
// Invariant: it notices when the layer uses one nonce twice with one key. No secrecy at all.
#pragma once

#include <set>
#include <vector>

#include "tls/aead.h"

namespace holdfast::tls {

class ToyAead {
 public:
  ToyAead() : table_{this, seal, open, forget, expand} {}

  [[nodiscard]] const AeadTable& table() const { return table_; }
  [[nodiscard]] bool wasNonceReused() const { return wasNonceReused_; }
  [[nodiscard]] u32 forgotten() const { return forgotten_; }
  void failNext() { isFailing_ = true; }

 private:
  static u8 padByte(const AeadCall& call, size_t at) {
    const std::span<u8> key = materialOf(*call.state, call.direction).key;
    return static_cast<u8>(key[at % key.size()] + call.nonce[at % kNonceBytes] * 7 + at);
  }

  static void makeTag(const AeadCall& call, std::span<const u8> sealed, u8* tag) {
    u64 sum[2] = {0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu};
    const auto mix = [&sum](u8 byte) {
      sum[0] = (sum[0] ^ byte) * 0x100000001b3u;
      sum[1] = (sum[1] + byte) * 0x9e3779b97f4a7c15u;
      sum[1] ^= sum[0] >> 29;
    };
    for (u8 byte : materialOf(*call.state, call.direction).key) mix(byte);
    for (size_t i = 0; i < kNonceBytes; ++i) mix(call.nonce[i]);
    for (u8 byte : call.aad) mix(byte);
    mix(0xaa);
    for (u8 byte : sealed) mix(byte);
    std::memcpy(tag, sum, kTagBytes);
  }

  static bool seal(void* self, const AeadCall& call) {
    ToyAead& toy = *static_cast<ToyAead*>(self);
    if (toy.isFailing_) return toy.isFailing_ = false;
    std::vector<u8> use(call.nonce, call.nonce + kNonceBytes);
    for (u8 byte : materialOf(*call.state, call.direction).key) use.push_back(byte);
    if (!toy.used_.insert(use).second) toy.wasNonceReused_ = true;
    size_t at = 0;
    for (; at < call.input.size(); ++at) {
      call.output[at] = static_cast<u8>(call.input[at] ^ padByte(call, at));
    }
    if (call.tail != kNoTail) {
      call.output[at] = static_cast<u8>(call.tail ^ padByte(call, at));
      ++at;
    }
    makeTag(call, {call.output, at}, call.tag);
    return true;
  }

  static bool open(void*, const AeadCall& call) {
    u8 tag[kTagBytes];
    makeTag(call, call.input, tag);
    if (std::memcmp(tag, call.tag, kTagBytes) != 0) return false;
    for (size_t at = 0; at < call.input.size(); ++at) {
      call.output[at] = static_cast<u8>(call.input[at] ^ padByte(call, at));
    }
    return true;
  }

  static void forget(void* self, RecordState*, Direction) {
    static_cast<ToyAead*>(self)->forgotten_++;
  }

  static bool expand(void*, Hash hash, std::span<const u8> secret, std::span<const u8> info,
                     std::span<u8> output) {
    u64 sum = hash == Hash::kSha256 ? 1 : 2;
    for (u8 byte : secret) sum = (sum ^ byte) * 0x100000001b3u;
    for (u8 byte : info) sum = (sum ^ byte) * 0x100000001b3u;
    for (u8& byte : output) {
      sum = sum * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<u8>(sum >> 56);
    }
    return true;
  }

  AeadTable table_;
  std::set<std::vector<u8>> used_;
  u32 forgotten_ = 0;
  bool wasNonceReused_ = false;
  bool isFailing_ = false;
};

// Keys of the two ends of one connection.
struct KeyPair {
  RecordKeys terminating = {};
  RecordKeys originating = {};
};

inline KeyPair makeKeyPair(u16 version, u16 suite, u8 seed = 1) {
  KeyPair pair;
  RecordKeys& keys = pair.terminating;
  keys.version = version;
  keys.suite = suite;
  keys.role = HF_TLS_TERMINATING;
  u8 next = seed;
  for (HfTlsDirectionKeys* direction : {&keys.read, &keys.write}) {
    for (u8& byte : direction->secret) byte = next++;
    for (u8& byte : direction->key) byte = next++;
    for (u8& byte : direction->iv) byte = next++;
  }
  pair.originating = keys;
  pair.originating.role = HF_TLS_ORIGINATING;
  pair.originating.read = keys.write;
  pair.originating.write = keys.read;
  return pair;
}

}  // namespace holdfast::tls
