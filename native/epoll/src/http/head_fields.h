// The fields of an HTTP/1.1 head, as routes and the WebSocket handshake ask for them.
//
// Between codec/http1_head.h, which has tables of offsets, and the parts of this layer that take
// fields by name from whatever protocol brought them.
// Invariant: a route sees the fields that the endpoint will see; what a Connection option took out
// is not there, but for Upgrade itself, by which routes for WebSockets are told apart.
// Borrows the head; no allocation.
#pragma once

#include "codec/http1_head.h"
#include "codec/websocket_handshake.h"
#include "http/route_table.h"

namespace holdfast::http {

// For RouteRequest::headers, valid as long as the head.
[[nodiscard]] HeaderLookup headerLookupOf(const http1::Head& head);

// The handshake's view of a request or of a response.
[[nodiscard]] codec::UpgradeRequest upgradeRequestOf(const http1::Head& head);
[[nodiscard]] codec::UpgradeResponse upgradeResponseOf(const http1::Head& head);

}  // namespace holdfast::http
