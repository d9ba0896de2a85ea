// What messages of HTTP/1.1, server-sent events and WebSocket look like on the wire.
//
// `http`: a GET on a connection that stays, answered by --bytes of content that repeat its stamp;
// status, length and content are checked. `http-close`: the same with Connection: close.
// `events`: a GET that is answered by a stream of events; for the mode fanout.
// `websocket`: an upgrade, then masked text messages of --bytes, echoed.
// Invariant: as every payload's, nothing of a connection is kept here. Control frames are passed
// over, so pings of a gateway are seen and not answered.
#pragma once

#include "payload.h"

namespace holdfast::loadgen {

// Nothing when the name is none of the above.
std::unique_ptr<Payload> createWebPayload(const std::string& name, u64 messageBytes,
                                          const std::string& host);

}  // namespace holdfast::loadgen
