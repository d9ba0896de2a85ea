// The opening handshake of a WebSocket, as far as a gateway has to judge it (RFC 6455 4).
//
// The HTTP codec feeds the header fields of a request or a response one by one; check() then says
// whether the exchange may become a tunnel. The gateway relays key and accept value and verifies
// that they belong together, so a tunnel opens only towards an endpoint that speaks WebSocket.
// Invariant: what is checked does not depend on how fields were spread over lines, and a field that
// must stand once is refused when it stands twice. Borrows the fields; no allocation.
// Does not judge origin or subprotocols: client and endpoint agree on those between them.
#pragma once

#include <array>
#include <iterator>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

// Base64 of 16 and of 20 bytes.
inline constexpr size_t kWebSocketKeyBytes = 24;
inline constexpr size_t kWebSocketAcceptBytes = 28;

enum class HandshakeViolation : u8 {
  kNone,
  kMethod,        // not GET, or HTTP/1.0
  kUpgrade,       // no `websocket` in Upgrade
  kConnection,    // no `upgrade` in Connection
  kKey,           // no key, not one of 16 bytes, or two
  kVersion,       // two versions, or none
  kVersionOther,  // one version, but not 13: answered with 426 and `Sec-WebSocket-Version: 13`
  kStatus,        // the endpoint did not answer 101
  kAccept,        // not the value that belongs to the key, or two
  kCount,
};
inline constexpr const char* kHandshakeViolationNames[] = {
    "none",    "method",        "upgrade", "connection", "key",
    "version", "version-other", "status",  "accept",
};
static_assert(std::size(kHandshakeViolationNames) ==
              static_cast<size_t>(HandshakeViolation::kCount));

// The status to answer with: 400, 426, or 502 where the endpoint is to blame; 0 for kNone.
[[nodiscard]] u16 statusOf(HandshakeViolation violation);

using WebSocketAccept = std::array<char, kWebSocketAcceptBytes>;

[[nodiscard]] bool isWebSocketKey(std::string_view key);
// The value of Sec-WebSocket-Accept for a key (RFC 6455 4.2.2). `key` is one (isWebSocketKey).
[[nodiscard]] WebSocketAccept webSocketAcceptOf(std::string_view key);

// True when the comma-separated list holds `token`, in any case, with or without parameters behind
// a semicolon. Commas and semicolons in quotes separate nothing. `token` is in lower case.
[[nodiscard]] bool hasListToken(std::string_view list, std::string_view token);

// What both directions have in common.
struct UpgradeFields {
  bool hasUpgrade = false;     // `websocket` in Upgrade
  bool hasConnection = false;  // `upgrade` in Connection
  bool hasDeflate = false;     // permessage-deflate offered, or accepted (RFC 7692 7)

  // `name` in any case.
  void take(std::string_view name, std::string_view value);
};

class UpgradeRequest {
 public:
  // One header field, in the order of the message. Values come without surrounding blanks.
  void take(std::string_view name, std::string_view value);

  // Whether the request line is one that can be upgraded: GET with HTTP/1.1.
  enum class Line : u8 { kHttp11Get, kOther };
  [[nodiscard]] HandshakeViolation check(Line line) const;

  // True for a request that asks for a WebSocket at all, rightly or not.
  [[nodiscard]] bool isAsking() const { return fields_.hasUpgrade; }
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] bool offersDeflate() const { return fields_.hasDeflate; }

 private:
  UpgradeFields fields_;
  std::string_view key_;
  std::string_view version_;
  u32 keys_ = 0;
  u32 versions_ = 0;
};

class UpgradeResponse {
 public:
  void take(std::string_view name, std::string_view value);

  // `accept` belongs to the key that was sent; the caller kept it, because the request is gone.
  [[nodiscard]] HandshakeViolation check(u32 status, const WebSocketAccept& accept) const;

  // True when RSV1 has a meaning in the tunnel.
  [[nodiscard]] bool hasDeflate() const { return fields_.hasDeflate; }

 private:
  UpgradeFields fields_;
  std::string_view accept_;
  u32 accepts_ = 0;
};

}  // namespace holdfast::codec
