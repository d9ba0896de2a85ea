// What the fields of a complete head say about its message: framing, host, connection, upgrade.
//
// Between the lines of a head (http1_head.cc) and its callers; nobody else includes this.
// Invariant: the table of fields is complete and its bytes are valid; a message that this accepts
// has one length, one host and one meaning for the connection (RFC 9112 3.2, 6, 9; RFC 9110 7.6.1).
// Does not look at start lines, except at what they were found to be.
#pragma once

#include "codec/http1_head.h"

namespace holdfast::http1 {

[[nodiscard]] Violation readRequestFields(Head* head);
[[nodiscard]] Violation readResponseFields(ResponseTo to, Head* head);
[[nodiscard]] Violation readTrailerFields(Head* head);

}  // namespace holdfast::http1
