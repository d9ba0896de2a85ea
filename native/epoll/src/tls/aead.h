// AeadTable: what the record layer asks of a cipher library, as a table of functions.
//
// It keeps the record layer free of any library: aead_openssl.cc fills the table for a shard, and
// tests fill it with toys. A row says how to seal and open with the key in a state, how to derive,
// and what to forget.
// Invariant: a failed open tells nothing about the plaintext; a state's keys are read during the
// call only, except that the implementation may keep ciphers keyed until it is told to forget.
#pragma once

#include <span>

#include "tls/record_keys.h"

namespace holdfast::tls {

// No byte follows the input.
inline constexpr int kNoTail = -1;

// One record. Borrows everything for the call.
struct AeadCall {
  RecordState* state = nullptr;
  Direction direction = Direction::kRead;
  const u8* nonce = nullptr;  // kNonceBytes
  std::span<const u8> aad;
  std::span<const u8> input;  // open: without the tag
  int tail = kNoTail;         // seal: one byte that is sealed behind the input
  u8* output = nullptr;       // as long as input and tail; may be where the input is
  u8* tag = nullptr;          // kTagBytes: written by seal, compared by open
};

struct AeadTable {
  void* self = nullptr;
  // False when the library failed. O(length).
  bool (*seal)(void* self, const AeadCall& call) = nullptr;
  // False when the tag is wrong. O(length).
  bool (*open)(void* self, const AeadCall& call) = nullptr;
  // The key of this direction is no longer the state's: drop what is keyed with it.
  void (*forget)(void* self, RecordState* state, Direction direction) = nullptr;
  // HKDF-Expand (RFC 5869 2.3). False when the library failed.
  bool (*expand)(void* self, Hash hash, std::span<const u8> secret, std::span<const u8> info,
                 std::span<u8> output) = nullptr;
};

}  // namespace holdfast::tls
