// The status of an answer to a health check, out of the bytes that have come so far.
//
// The prober asks it for sockets in clear; for TLS the binding does, with the bytes that Node's TLS
// opened. Invariant: bytes are judged by the codec that judges all responses, so an endpoint that
// a check finds well is one whose answers can be forwarded. Interim responses (1xx) are passed by.
// Keeps nothing: it is presented with all bytes each time. Does not look at content.
#pragma once

#include <span>

#include "runtime/base.h"

namespace holdfast::proxy {

// An answer whose final head has not ended within so many bytes is none.
inline constexpr size_t kProbeAnswerBytesMax = 64 * 1024;

struct ProbeAnswer {
  enum class Kind : u8 { kNeedMore, kStatus, kViolation };

  Kind kind = Kind::kNeedMore;
  u16 status = 0;
};

// O(bytes).
[[nodiscard]] ProbeAnswer readProbeAnswer(std::span<const u8> bytes);

}  // namespace holdfast::proxy
