// WebSocket framing (RFC 6455 5.2) and the key of its handshake (4.2.2), for both ends of a
// benchmark.
//
// Used by the client's payload and by the origin. Invariant: a frame's head is read whole or not at
// all. Knows nothing of extensions and of fragments beyond the final bit.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "types.h"

namespace holdfast::loadgen {

enum class Opcode : u8 { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing, kPong };
enum class Masking : u8 { kPlain, kMasked };
enum class FrameStep : u8 { kWhole, kNeedMore, kWrong };

inline constexpr std::size_t kMaskBytes = 4;
// Without the mask.
inline constexpr std::size_t kFrameHeadBytesMax = 10;

struct Frame {
  Opcode opcode = Opcode::kText;
  bool isFinal = true;
  bool isMasked = false;
  std::size_t headBytes = 0;  // with the mask, which is its last part
  u64 bytes = 0;              // of the content
};

// kWhole: the head is there; the content may still be on its way.
FrameStep readFrame(std::span<const char> in, Frame* frame);
// Bytes of a head without mask.
std::size_t frameHeadBytes(u64 contentBytes);
// Writes a head without mask and returns its length; kMasked only announces the mask.
std::size_t writeFrameHead(Opcode opcode, u64 contentBytes, Masking masking, std::span<char> out);
// Masks or unmasks in place.
void applyMask(const char* mask, std::span<char> content);
// Sec-WebSocket-Accept for a key.
std::string acceptOf(std::string_view key);

}  // namespace holdfast::loadgen
