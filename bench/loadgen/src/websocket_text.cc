// Frames, masks and the handshake's digest; see websocket_text.h.
//
// SHA-1 is written out because the program depends on nothing; it runs once for each upgrade.
#include "websocket_text.h"

#include <bit>
#include <cstring>

namespace holdfast::loadgen {

namespace {

constexpr u64 kShortMax = 125;
constexpr u64 kMediumMax = 0xffff;
constexpr u8 kMediumMark = 126;
constexpr u8 kLongMark = 127;
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kDigestWords = 5;

void digestBlock(const u8* block, u32* state) {
  u32 words[80];
  for (std::size_t at = 0; at < 16; ++at) {
    words[at] = static_cast<u32>(block[at * 4]) << 24 | static_cast<u32>(block[at * 4 + 1]) << 16 |
                static_cast<u32>(block[at * 4 + 2]) << 8 | block[at * 4 + 3];
  }
  for (std::size_t at = 16; at < 80; ++at) {
    words[at] = std::rotl(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1);
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (std::size_t at = 0; at < 80; ++at) {
    const u32 mixed = at < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                      : at < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                      : at < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                : (b ^ c ^ d) + 0xca62c1d6;
    const u32 next = std::rotl(a, 5) + mixed + e + words[at];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  const u32 sums[kDigestWords] = {a, b, c, d, e};
  for (std::size_t at = 0; at < kDigestWords; ++at) state[at] += sums[at];
}

std::string digestOf(std::string_view text) {
  std::string padded(text);
  padded += '\x80';
  while (padded.size() % kBlockBytes != kBlockBytes - 8) padded += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) {
    padded += static_cast<char>(text.size() * 8 >> shift & 0xff);
  }
  u32 state[kDigestWords] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (std::size_t at = 0; at < padded.size(); at += kBlockBytes) {
    digestBlock(reinterpret_cast<const u8*>(padded.data()) + at, state);
  }
  std::string digest;
  for (const u32 word : state) {
    for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift & 0xff);
  }
  return digest;
}

std::string base64Of(std::string_view bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    u32 group = 0;
    for (std::size_t next = at; next < at + 3; ++next) {
      group = group << 8 | (next < bytes.size() ? static_cast<u8>(bytes[next]) : 0u);
    }
    const std::size_t digits = bytes.size() - at < 3 ? bytes.size() - at + 1 : 4;
    for (std::size_t digit = 0; digit < 4; ++digit) {
      text += digit < digits ? kLetters[group >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

FrameStep readFrame(std::span<const char> in, Frame* frame) {
  if (in.size() < 2) return FrameStep::kNeedMore;
  const u8 first = static_cast<u8>(in[0]);
  const u8 second = static_cast<u8>(in[1]);
  frame->isFinal = (first & 0x80) != 0;
  frame->opcode = static_cast<Opcode>(first & 0x0f);
  frame->isMasked = (second & 0x80) != 0;
  frame->bytes = second & 0x7f;
  if ((first & 0x70) != 0) return FrameStep::kWrong;
  std::size_t more = 0;
  if (frame->bytes == kMediumMark) more = 2;
  if (frame->bytes == kLongMark) more = 8;
  frame->headBytes = 2 + more + (frame->isMasked ? kMaskBytes : 0);
  if (in.size() < frame->headBytes) return FrameStep::kNeedMore;
  if (more > 0) frame->bytes = 0;
  for (std::size_t at = 2; at < 2 + more; ++at) {
    frame->bytes = frame->bytes << 8 | static_cast<u8>(in[at]);
  }
  return FrameStep::kWhole;
}

std::size_t frameHeadBytes(u64 contentBytes) {
  if (contentBytes <= kShortMax) return 2;
  return contentBytes <= kMediumMax ? 4 : kFrameHeadBytesMax;
}

std::size_t writeFrameHead(Opcode opcode, u64 contentBytes, Masking masking, std::span<char> out) {
  const u8 mask = masking == Masking::kMasked ? 0x80 : 0;
  const std::size_t size = frameHeadBytes(contentBytes);
  out[0] = static_cast<char>(0x80 | static_cast<u8>(opcode));
  const u8 mark = size == 2 ? static_cast<u8>(contentBytes) : size == 4 ? kMediumMark : kLongMark;
  out[1] = static_cast<char>(mask | mark);
  for (std::size_t at = size; at > 2; contentBytes >>= 8) {
    out[--at] = static_cast<char>(contentBytes & 0xff);
  }
  return size;
}

void applyMask(const char* mask, std::span<char> content) {
  u64 wide = 0;
  std::memcpy(&wide, mask, kMaskBytes);
  wide |= wide << 32;
  std::size_t at = 0;
  for (; at + sizeof wide <= content.size(); at += sizeof wide) {
    u64 part;
    std::memcpy(&part, content.data() + at, sizeof part);
    part ^= wide;
    std::memcpy(content.data() + at, &part, sizeof part);
  }
  for (; at < content.size(); ++at) {
    content[at] = static_cast<char>(content[at] ^ mask[at % kMaskBytes]);
  }
}

std::string acceptOf(std::string_view key) {
  return base64Of(digestOf(std::string(key).append(kGuid)));
}

}  // namespace holdfast::loadgen
