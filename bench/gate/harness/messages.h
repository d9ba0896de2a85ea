// What clients and endpoints of the harness say, and what must reach the other
// side.
//
// One text in each direction for bytes, for HTTP and for WebSocket; 64 bytes of
// content each. Invariant: the same bytes each time, so that a run is the same
// each time.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast::gate {

enum class Carried : std::uint8_t { kTcp, kHttp, kWebSocket };

inline constexpr std::string_view kContent =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static_assert(kContent.size() == 64);

// By the name on the command line; bytes without one, and HTTP for any that is
// no other.
Carried carriedOf(const char* name);
std::string_view fromClient(Carried carried);
std::string_view fromEndpoint(Carried carried);
// True when what arrived is what was sent, as the gateway may write it again.
bool isAtEndpoint(Carried carried, std::string_view text);
bool isAtClient(Carried carried, std::string_view text);

// The upgrade to a WebSocket and its answer, with the example of RFC 6455 1.3.
inline constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: bench.test\r\nUpgrade: websocket\r\nConnection: "
    "Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
inline constexpr std::string_view kUpgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
    "Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

}  // namespace holdfast::gate
