// Lists, the accept value, and the order in which the conditions are looked at.
#include "codec/websocket_handshake.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "codec/sha1.h"

namespace holdfast::codec {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kVersion13 = "13";

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

bool isSame(std::string_view text, std::string_view lowerCase) {
  return text.size() == lowerCase.size() &&
         std::equal(text.begin(), text.end(), lowerCase.begin(),
                    [](char a, char b) { return lower(a) == b; });
}

bool isBlank(char byte) { return byte == ' ' || byte == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && isBlank(text.back())) text.remove_suffix(1);
  return text;
}

// The length of the first item of a list, up to its comma.
size_t itemLength(std::string_view list) {
  bool isQuoted = false;
  for (size_t i = 0; i < list.size(); ++i) {
    if (isQuoted && list[i] == '\\') {
      ++i;
    } else if (list[i] == '"') {
      isQuoted = !isQuoted;
    } else if (list[i] == ',' && !isQuoted) {
      return i;
    }
  }
  return list.size();
}

bool isBase64(char byte) { return std::memchr(kBase64, byte, sizeof(kBase64) - 1) != nullptr; }

}  // namespace

u16 statusOf(HandshakeViolation violation) {
  switch (violation) {
    case HandshakeViolation::kNone:
      return 0;
    case HandshakeViolation::kVersionOther:
      return 426;
    case HandshakeViolation::kStatus:
    case HandshakeViolation::kAccept:
      return 502;
    default:
      return 400;
  }
}

bool isWebSocketKey(std::string_view key) {
  return key.size() == kWebSocketKeyBytes && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2, isBase64);
}

WebSocketAccept webSocketAcceptOf(std::string_view key) {
  HF_ASSERT(key.size() == kWebSocketKeyBytes);
  u8 input[kWebSocketKeyBytes + kGuid.size()];
  std::memcpy(input, key.data(), key.size());
  std::memcpy(input + key.size(), kGuid.data(), kGuid.size());
  const Sha1Digest digest = sha1(input);
  WebSocketAccept accept;
  // 20 bytes are six groups of three and one of two.
  for (size_t group = 0; group < 7; ++group) {
    const size_t at = 3 * group;
    const u32 third = at + 2 < digest.size() ? digest[at + 2] : 0u;
    const u32 bits = u32{digest[at]} << 16 | u32{digest[at + 1]} << 8 | third;
    for (size_t i = 0; i < 4; ++i) {
      accept[4 * group + i] = kBase64[bits >> (18 - 6 * i) & 0x3f];
    }
  }
  accept.back() = '=';
  return accept;
}

bool hasListToken(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t length = itemLength(list);
    std::string_view item = list.substr(0, length);
    item = item.substr(0, item.find(';'));
    if (isSame(trimmed(item), token)) return true;
    list.remove_prefix(std::min(list.size(), length + 1));
  }
  return false;
}

void UpgradeFields::take(std::string_view name, std::string_view value) {
  if (isSame(name, "upgrade")) {
    hasUpgrade = hasUpgrade || hasListToken(value, "websocket");
  } else if (isSame(name, "connection")) {
    hasConnection = hasConnection || hasListToken(value, "upgrade");
  } else if (isSame(name, "sec-websocket-extensions")) {
    hasDeflate = hasDeflate || hasListToken(value, "permessage-deflate");
  }
}

void UpgradeRequest::take(std::string_view name, std::string_view value) {
  fields_.take(name, value);
  if (isSame(name, "sec-websocket-key")) {
    key_ = value;
    keys_++;
  } else if (isSame(name, "sec-websocket-version")) {
    version_ = value;
    versions_++;
  }
}

HandshakeViolation UpgradeRequest::check(Line line) const {
  if (line != Line::kHttp11Get) return HandshakeViolation::kMethod;
  if (!fields_.hasUpgrade) return HandshakeViolation::kUpgrade;
  if (!fields_.hasConnection) return HandshakeViolation::kConnection;
  if (versions_ != 1) return HandshakeViolation::kVersion;
  if (version_ != kVersion13) return HandshakeViolation::kVersionOther;
  if (keys_ != 1 || !isWebSocketKey(key_)) return HandshakeViolation::kKey;
  return HandshakeViolation::kNone;
}

void UpgradeResponse::take(std::string_view name, std::string_view value) {
  fields_.take(name, value);
  if (isSame(name, "sec-websocket-accept")) {
    accept_ = value;
    accepts_++;
  }
}

HandshakeViolation UpgradeResponse::check(u32 status, const WebSocketAccept& accept) const {
  if (status != 101) return HandshakeViolation::kStatus;
  const bool isKept = fields_.hasUpgrade && fields_.hasConnection;
  const std::string_view expected(accept.data(), accept.size());
  // What an endpoint leaves out of a 101 makes it no WebSocket, whatever it left out.
  if (!isKept || accepts_ != 1 || accept_ != expected) return HandshakeViolation::kAccept;
  return HandshakeViolation::kNone;
}

}  // namespace holdfast::codec
