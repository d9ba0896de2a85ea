// Encoding and decoding for clients of HTTP/1.1, server-sent events and WebSocket; see
// payload_web.h.
//
// Runs once for each message. A request is made once and only its stamp is written again. Does not
// read chunked content: the origin gives a length and a gateway keeps it.
#include "payload_web.h"

#include <cstring>
#include <string_view>

#include "http_text.h"
#include "stamp_text.h"
#include "websocket_text.h"

namespace holdfast::loadgen {

namespace {

constexpr std::size_t kBytesMax = 1024 * 1024;

constexpr Decoded kCorrupt{Decoded::State::kCorrupt, 0, {}};

std::string_view viewOf(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

void checkBytes(u64 bytes) {
  if (bytes >= kStampTextBytes && bytes <= kBytesMax) return;
  fail("content has between %zu and %zu bytes, not %llu", kStampTextBytes, kBytesMax,
       static_cast<unsigned long long>(bytes));
}

// The request that all HTTP payloads send; the stamp says what the origin does with it.
class RequestPayload : public Payload {
 public:
  RequestPayload(u64 contentBytes, const std::string& host, bool isClosing)
      : contentBytes_(contentBytes) {
    checkBytes(contentBytes);
    request_ = "GET /bytes/" + std::to_string(contentBytes) + "?t=";
    stampAt_ = request_.size();
    request_ += std::string(kStampTextBytes, 'x');
    request_ += " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: loadgen\r\nAccept: */*\r\n";
    request_ += isClosing ? "Connection: close\r\n\r\n" : "\r\n";
  }
  std::size_t messageBytes() const override { return request_.size(); }
  void encode(const Stamp& stamp, std::span<char> out) const override {
    std::memcpy(out.data(), request_.data(), request_.size());
    writeStampText(stamp, out.subspan(stampAt_, kStampTextBytes));
  }

 protected:
  std::size_t contentBytes() const { return contentBytes_; }

 private:
  std::size_t contentBytes_;
  std::size_t stampAt_ = 0;
  std::string request_;
};

class HttpPayload final : public RequestPayload {
 public:
  using RequestPayload::RequestPayload;
  bool isSerial() const override { return true; }
  Decoded decode(std::span<const char> in) const override {
    const std::string_view text = viewOf(in);
    const std::string_view head = findHead(text);
    if (head.empty()) return in.size() < kHeadBytesMax ? Decoded{} : kCorrupt;
    if (!head.starts_with("HTTP/1.1 200 ")) return kCorrupt;
    u64 length = 0;
    eachField(head, [&](std::string_view name, std::string_view value) {
      if (isSameName(name, "content-length")) length = readNumber(value);
    });
    if (length != contentBytes()) return kCorrupt;
    const std::size_t from = head.size() + 2;
    if (in.size() < from + contentBytes()) return {};
    const std::optional<Stamp> stamp = readStampText(in.subspan(from, contentBytes()));
    if (!stamp) return kCorrupt;
    return Decoded{Decoded::State::kMessage, from + contentBytes(), *stamp};
  }
};

// Finds events wherever they are: a gateway may cut chunks as it likes, but not inside an event
// that the origin wrote as one chunk and that fits into one read.
class EventPayload final : public RequestPayload {
 public:
  EventPayload(u64 contentBytes, const std::string& host)
      : RequestPayload(contentBytes, host, false) {}
  Decoded decode(std::span<const char> in) const override {
    const std::string_view text = viewOf(in);
    const std::size_t at = text.find(kEventMark);
    if (at == std::string_view::npos) return in.size() < kHeadBytesMax ? Decoded{} : kCorrupt;
    const std::size_t from = at + kEventMark.size();
    const std::size_t end = from + contentBytes();
    if (text.size() < end + kEventEnd.size()) return {};
    if (text.substr(end, kEventEnd.size()) != kEventEnd) return kCorrupt;
    const std::optional<Stamp> stamp = readStampText(in.subspan(from, contentBytes()));
    if (!stamp) return kCorrupt;
    return Decoded{Decoded::State::kMessage, end + kEventEnd.size(), *stamp};
  }
};

class WebSocketPayload final : public Payload {
 public:
  WebSocketPayload(u64 textBytes, const std::string& host) : textBytes_(textBytes) {
    checkBytes(textBytes);
    greeting_ = "GET /socket HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: loadgen\r\n";
    greeting_ += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    greeting_ += "Sec-WebSocket-Key: " + std::string(kKey) + "\r\n\r\n";
    accept_ = acceptOf(kKey);
  }
  std::size_t messageBytes() const override {
    return frameHeadBytes(textBytes_) + kMaskBytes + textBytes_;
  }
  void encode(const Stamp& stamp, std::span<char> out) const override {
    const std::size_t head = writeFrameHead(Opcode::kText, textBytes_, Masking::kMasked, out);
    const u64 seed = (stamp.sentNs ^ stamp.intendedNs << 32) * 0x9e3779b97f4a7c15;
    std::memcpy(out.data() + head, &seed, kMaskBytes);
    const std::span<char> text = out.subspan(head + kMaskBytes, textBytes_);
    writeStampText(stamp, text);
    applyMask(out.data() + head, text);
  }
  Decoded decode(std::span<const char> in) const override {
    Frame frame;
    const FrameStep step = readFrame(in, &frame);
    if (step == FrameStep::kNeedMore) return {};
    if (step == FrameStep::kWrong || frame.isMasked || frame.bytes > kBytesMax) return kCorrupt;
    if (in.size() < frame.headBytes + frame.bytes) return {};
    const std::size_t size = frame.headBytes + static_cast<std::size_t>(frame.bytes);
    if (frame.opcode >= Opcode::kClose) return Decoded{Decoded::State::kSkip, size, {}};
    if (frame.opcode != Opcode::kText || !frame.isFinal || frame.bytes != textBytes_) {
      return kCorrupt;
    }
    const std::optional<Stamp> stamp = readStampText(in.subspan(frame.headBytes, textBytes_));
    if (!stamp) return kCorrupt;
    return Decoded{Decoded::State::kMessage, size, *stamp};
  }
  std::span<const char> greeting() const override { return greeting_; }
  Decoded decodeGreeting(std::span<const char> in) const override {
    const std::string_view head = findHead(viewOf(in));
    if (head.empty()) return in.size() < kHeadBytesMax ? Decoded{} : kCorrupt;
    if (!head.starts_with("HTTP/1.1 101 ")) return kCorrupt;
    bool isAccepted = false;
    eachField(head, [&](std::string_view name, std::string_view value) {
      if (isSameName(name, "sec-websocket-accept")) isAccepted = value == accept_;
    });
    if (!isAccepted) return kCorrupt;
    return Decoded{Decoded::State::kMessage, head.size() + 2, {}};
  }

 private:
  // The example of RFC 6455 1.3; a fixed key makes the answer fixed.
  static constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

  std::size_t textBytes_;
  std::string greeting_;
  std::string accept_;
};

}  // namespace

std::unique_ptr<Payload> createWebPayload(const std::string& name, u64 messageBytes,
                                          const std::string& host) {
  if (name == "http") return std::make_unique<HttpPayload>(messageBytes, host, false);
  if (name == "http-close") return std::make_unique<HttpPayload>(messageBytes, host, true);
  if (name == "events") return std::make_unique<EventPayload>(messageBytes, host);
  if (name == "websocket") return std::make_unique<WebSocketPayload>(messageBytes, host);
  return nullptr;
}

}  // namespace holdfast::loadgen
