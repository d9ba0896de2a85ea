// RecordKeys and RecordState: the secrets of a TLS connection, as plain data.
//
// RecordKeys is what a handshake engine hands over; it lives for the call. RecordState is all that
// a detached connection holds while it lives: no pointer, no object of a library, so it can be
// written down and handed to another process. Invariant: only the first recordStateBytes() bytes of
// a state are ever touched, 152 with AES-128 and at most 216, so a pool may keep states in slots of
// that size. Whoever owns one wipes it.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>

#include "tls/cipher_suite.h"
#include "tls/engine_abi.h"

namespace holdfast::tls {

using RecordKeys = HfTlsRecordKeys;
static_assert(std::is_trivially_copyable_v<RecordKeys> && std::is_standard_layout_v<RecordKeys>);

enum class Role : u8 { kTerminating = HF_TLS_TERMINATING, kOriginating = HF_TLS_ORIGINATING };
enum class Direction : u8 { kRead, kWrite };

// Bits of RecordState::flags.
enum RecordFlag : u8 {
  kRecordOriginating = 1u << 0,
  kRecordUpdateDue = 1u << 1,    // the peer asked for new keys: answer before the next bytes
  kRecordUpdateAsked = 1u << 2,  // we asked the peer for new keys and wait for them
  kRecordRefusalDue = 1u << 3,   // TLS 1.2: answer a renegotiation with no_renegotiation
  kRecordCloseSent = 1u << 4,
  kRecordCloseRead = 1u << 5,
  kRecordFailed = 1u << 6,  // a violation or an alert ended it: nothing is opened any more
};

inline constexpr u16 kNoSlot = 0xffff;

struct RecordState {
  u64 readSequence = 0;  // of the next record
  u64 writeSequence = 0;
  u8 suite = kNoSuite;  // row of kCipherSuites
  u8 flags = 0;
  u16 slot = kNoSlot;      // where the shard's cache has its keyed ciphers; only a hint
  u32 handshake = 0;       // a post-handshake message that is not complete (record_layer.cc)
  u16 recordBytesMax = 0;  // largest content of a record that the peer takes
  u16 policyTick = 0;      // when something was sealed last
  u16 floodSecond = 0;     // the second that floodCount counts in
  u8 floodCount = 0;       // records that cost work and carry nothing
  u8 policyRecords = 0;    // small records since the connection was idle
  u8 material[kMaterialBytesMax] = {};  // key, iv, secret to read; the same to write; blocks
};
inline constexpr size_t kRecordStateHeadBytes = 32;
static_assert(offsetof(RecordState, material) == kRecordStateHeadBytes);
static_assert(sizeof(RecordState) <= 216 && sizeof(RecordState) % 8 == 0);
static_assert(std::is_trivially_copyable_v<RecordState>);
static_assert(kRecordStateHeadBytes + materialBytes(kCipherSuites[0]) == 152);

// Bytes of a state that are in use with a suite, a multiple of 8.
[[nodiscard]] constexpr size_t recordStateBytes(const CipherSuite& suite) {
  return (kRecordStateHeadBytes + materialBytes(suite) + 7) / 8 * 8;
}

[[nodiscard]] inline const CipherSuite& suiteOf(const RecordState& state) {
  HF_ASSERT(state.suite < std::size(kCipherSuites));
  return kCipherSuites[state.suite];
}

// Where the parts of one direction are. Borrows the state.
struct DirectionMaterial {
  std::span<u8> key;
  std::span<u8> iv;
  std::span<u8> secret;
};

[[nodiscard]] inline DirectionMaterial materialOf(RecordState& state, Direction direction) {
  const CipherSuite& suite = suiteOf(state);
  u8* at = state.material + (direction == Direction::kWrite ? directionBytes(suite) : 0);
  return DirectionMaterial{{at, suite.keyBytes},
                           {at + suite.keyBytes, suite.ivBytes},
                           {at + suite.keyBytes + suite.ivBytes, suite.secretBytes}};
}

// Overwrites memory in a way that the compiler does not take out.
inline void wipeBytes(void* memory, size_t length) { explicit_bzero(memory, length); }

// A wiped state is as good as new. RecordLayer::end() also wipes what the cache knows of it.
inline void wipe(RecordState* state) {
  const size_t length =
      state->suite == kNoSuite ? kRecordStateHeadBytes : recordStateBytes(suiteOf(*state));
  wipeBytes(state, length);
  state->suite = kNoSuite;
  state->slot = kNoSlot;
}

inline void wipe(RecordKeys* keys) { wipeBytes(keys, sizeof(*keys)); }

}  // namespace holdfast::tls
