// Answers of the origin to HTTP/1.1 and WebSocket; see origin_web.h.
//
// Runs once for each request or frame, in the origin's process. Refuses what no benchmark sends
// (methods with content) instead of guessing.
#include "origin_web.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "http_text.h"
#include "stamp_text.h"
#include "websocket_text.h"

namespace holdfast::loadgen {

namespace {

using Next = WebStep::Next;

constexpr u64 kContentBytes = 64;  // where the target does not say how many
constexpr u64 kContentBytesMax = 16 * 1024 * 1024;
constexpr std::string_view kRefusal =
    "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    "X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Request {
  std::string_view target;
  bool isHead = false;
  bool isClosing = false;
  std::string_view webSocketKey;
};

Request readRequest(std::string_view head) {
  Request request;
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t from = line.find(' ') + 1;
  request.target = line.substr(from, line.rfind(' ') - from);
  request.isHead = line.starts_with("HEAD ");
  request.isClosing = line.ends_with("HTTP/1.0");
  bool isUpgrade = false;
  eachField(head, [&](std::string_view name, std::string_view value) {
    if (isSameName(name, "connection") && isSameName(value, "close")) request.isClosing = true;
    if (isSameName(name, "upgrade") && isSameName(value, "websocket")) isUpgrade = true;
    if (isSameName(name, "sec-websocket-key")) request.webSocketKey = value;
  });
  if (!isUpgrade) request.webSocketKey = {};
  return request;
}

// `/bytes/64?t=...`
u64 contentBytesOf(std::string_view target) {
  constexpr std::string_view kBytes = "/bytes/";
  if (!target.starts_with(kBytes)) return kContentBytes;
  return std::clamp<u64>(readNumber(target.substr(kBytes.size())), kStampTextBytes,
                         kContentBytesMax);
}

Stamp stampOf(std::string_view target) {
  constexpr std::string_view kMark = "?t=";
  const std::size_t at = target.find(kMark);
  if (at == std::string_view::npos) return {};
  return readStampText(target.substr(at + kMark.size())).value_or(Stamp{});
}

void appendStamp(std::string& out, const Stamp& stamp, u64 bytes) {
  const std::size_t from = out.size();
  out.resize(from + bytes);
  writeStampText(stamp, std::span<char>(out).subspan(from));
}

void appendEvent(std::string& out, const Stamp& stamp, u64 bytes) {
  char size[24];
  const std::size_t length = kEventMark.size() + bytes + kEventEnd.size();
  out.append(size, static_cast<std::size_t>(std::snprintf(size, sizeof size, "%zx\r\n", length)));
  out.append(kEventMark);
  appendStamp(out, stamp, bytes);
  out.append(kEventEnd).append("\r\n");
}

void appendHead(std::string& out, u64 length, const Request& request) {
  char head[128];
  const int size = std::snprintf(
      head, sizeof head,
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n%s\r\n",
      static_cast<unsigned long long>(length), request.isClosing ? "Connection: close\r\n" : "");
  out.append(head, static_cast<std::size_t>(size));
}

void appendUpgrade(std::string& out, const Request& request) {
  out.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
  out.append("Sec-WebSocket-Accept: ").append(acceptOf(request.webSocketKey)).append(kHeadEnd);
}

}  // namespace

bool isHttp(std::span<const char> first) {
  const std::string_view text(first.data(), first.size());
  return text.starts_with("GET ") || text.starts_with("HEAD ") || text.starts_with("POST ") ||
         text.starts_with("OPTIONS ");
}

WebStep answerRequest(std::span<const char> in, std::string& out, std::string& event) {
  const std::string_view text(in.data(), in.size());
  const std::string_view head = findHead(text);
  if (head.empty()) return {in.size() < kHeadBytesMax ? Next::kNeedMore : Next::kAbort, 0};
  const std::size_t consumed = head.size() + 2;
  const Request request = readRequest(head);
  if (!request.isHead && !head.starts_with("GET ")) {
    out.append(kRefusal);
    return {Next::kClose, consumed};
  }
  if (!request.webSocketKey.empty()) {
    appendUpgrade(out, request);
    return {Next::kWebSocket, consumed};
  }
  const u64 bytes = contentBytesOf(request.target);
  const Stamp stamp = stampOf(request.target);
  if (stamp.kind == Kind::kSubscribe) {
    out.append(kStreamHead);
    appendEvent(out, stamp, bytes);
    return {Next::kStream, consumed};
  }
  if (stamp.kind == Kind::kPublish) {
    appendEvent(event, stamp, bytes);
    appendHead(out, kEventMark.size() + bytes + kEventEnd.size(), request);
    out.append(kEventMark);
    appendStamp(out, stamp, bytes);
    out.append(kEventEnd);
    return {Next::kPublish, consumed};
  }
  appendHead(out, bytes, request);
  if (!request.isHead) appendStamp(out, stamp, bytes);
  return {request.isClosing ? Next::kClose : Next::kGoOn, consumed};
}

WebStep answerFrame(std::span<const char> in, std::string& out) {
  Frame frame;
  const FrameStep step = readFrame(in, &frame);
  if (step == FrameStep::kNeedMore) return {};
  if (step == FrameStep::kWrong || !frame.isMasked || frame.bytes > kContentBytesMax) {
    return {Next::kAbort, 0};
  }
  const std::size_t length = static_cast<std::size_t>(frame.bytes);
  const std::size_t consumed = frame.headBytes + length;
  if (in.size() < consumed) return {};
  if (frame.opcode == Opcode::kPong) return {Next::kGoOn, consumed};
  const std::size_t from = out.size();
  const Opcode opcode = frame.opcode == Opcode::kPing ? Opcode::kPong : frame.opcode;
  out.resize(from + frameHeadBytes(length) + length);
  const std::span<char> answer = std::span<char>(out).subspan(from);
  const std::size_t head = writeFrameHead(opcode, length, Masking::kPlain, answer);
  if (!frame.isFinal) answer[0] = static_cast<char>(answer[0] & 0x7f);
  std::memcpy(answer.data() + head, in.data() + frame.headBytes, length);
  applyMask(in.data() + frame.headBytes - kMaskBytes, answer.subspan(head));
  return {opcode == Opcode::kClose ? Next::kClose : Next::kGoOn, consumed};
}

}  // namespace holdfast::loadgen
