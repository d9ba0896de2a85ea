// The plain TCP payload; see payload.h.
//
// The filler is one byte repeated, taken from the stamp, and is checked at the first, middle and
// last position of each message: bytes that are lost, doubled or mixed up between connections are
// seen.
#include "payload.h"

#include <cstring>

#include "payload_web.h"

namespace holdfast::loadgen {

namespace {

struct Header {
  u16 mark;
  u8 kind;
  u8 filler;
  u32 bytes;
  u64 intendedNs;
  u64 sentNs;
};
static_assert(sizeof(Header) == TcpPayload::kHeaderBytes);

constexpr u16 kMark = 0x4648;  // "HF"

}  // namespace

TcpPayload::TcpPayload(std::size_t messageBytes) : bytes_(messageBytes) {
  if (messageBytes < kHeaderBytes || messageBytes > kMessageBytesMax) {
    fail("a message has between %zu and %zu bytes, not %zu", kHeaderBytes, kMessageBytesMax,
         messageBytes);
  }
}

void TcpPayload::encode(const Stamp& stamp, std::span<char> out) const {
  const u8 filler = static_cast<u8>(stamp.intendedNs ^ (stamp.intendedNs >> 8));
  const Header header{
      kMark,       static_cast<u8>(stamp.kind), filler, static_cast<u32>(bytes_), stamp.intendedNs,
      stamp.sentNs};
  std::memcpy(out.data(), &header, sizeof header);
  std::memset(out.data() + sizeof header, filler, bytes_ - sizeof header);
}

Decoded TcpPayload::decode(std::span<const char> in) const {
  if (in.size() < kHeaderBytes) return {};
  Header header;
  std::memcpy(&header, in.data(), sizeof header);
  const std::size_t bytes = header.bytes;
  if (header.mark != kMark || bytes < kHeaderBytes || bytes > kMessageBytesMax) {
    return Decoded{Decoded::State::kCorrupt, 0, {}};
  }
  if (in.size() < bytes) return {};
  const auto isFiller = [&](std::size_t at) {
    return at < kHeaderBytes || static_cast<u8>(in[at]) == header.filler;
  };
  const std::size_t first = bytes > kHeaderBytes ? kHeaderBytes : 0;
  if (!isFiller(first) || !isFiller(bytes / 2) || !isFiller(bytes - 1)) {
    return Decoded{Decoded::State::kCorrupt, 0, {}};
  }
  return Decoded{Decoded::State::kMessage, bytes,
                 Stamp{static_cast<Kind>(header.kind), header.intendedNs, header.sentNs}};
}

std::unique_ptr<Payload> createPayload(const std::string& name, u64 messageBytes,
                                       const std::string& host) {
  if (name == "tcp") return std::make_unique<TcpPayload>(messageBytes);
  if (std::unique_ptr<Payload> payload = createWebPayload(name, messageBytes, host)) return payload;
  fail("unknown payload \"%s\"; there are: tcp, http, http-close, events, websocket", name.c_str());
}

}  // namespace holdfast::loadgen
