// AeadOpenssl: a shard's ciphers, by OpenSSL's EVP, with a cache of keyed ones for busy
// connections.
//
// A keyed cipher is about a kilobyte of library memory and 250 ns of work, so a shard keeps at most
// `slotsMax` of them for each kind of cipher and direction, and gives the one used longest ago to
// the next connection. An idle connection has none; finding one costs an index and a comparison.
// Invariant: a slot serves only the state that it names, and only with the key that the state had
// when the slot was keyed: a key that changes or ends is overwritten here first.
// Only *_openssl.{h,cc} know the library.
#pragma once

#include <memory>

#include "tls/aead.h"
#include "tls/kdf_openssl.h"

namespace holdfast::tls {

class AeadOpenssl {
 public:
  static constexpr u32 kSlotsMaxDefault = 1024;

  explicit AeadOpenssl(u32 slotsMax = kSlotsMaxDefault);
  AeadOpenssl(const AeadOpenssl&) = delete;
  AeadOpenssl& operator=(const AeadOpenssl&) = delete;
  // Frees, which also wipes, all keyed ciphers. The states do not know: release them before.
  ~AeadOpenssl();

  // Fetches the ciphers once. False when the library lacks one: then nothing works.
  [[nodiscard]] bool start();
  [[nodiscard]] const AeadTable& table() const { return table_; }

  // Since the start: records whose cipher was keyed already, and keyings.
  [[nodiscard]] u64 hits() const { return hits_; }
  [[nodiscard]] u64 keyings() const { return keyings_; }
  // Slots that name a state now.
  [[nodiscard]] u32 slotsInUse() const;

 private:
  struct Slot;
  struct Kind;

  static bool sealOne(void* self, const AeadCall& call);
  static bool openOne(void* self, const AeadCall& call);
  static void forgetOne(void* self, RecordState* state, Direction direction);
  static bool expandOne(void* self, Hash hash, std::span<const u8> secret, std::span<const u8> info,
                        std::span<u8> output);

  // The slot of a state, its own or one that somebody else did not use for long. Null when the
  // library has no memory.
  Slot* slotOf(const AeadCall& call, Kind** kind);
  // The cipher for a call with its nonce set; null when the library failed.
  void* cipherOf(const AeadCall& call);

  AeadTable table_;
  u32 slotsMax_;
  std::unique_ptr<Kind[]> kinds_;
  Kdf kdf_;
  u64 hits_ = 0;
  u64 keyings_ = 0;
};

}  // namespace holdfast::tls
