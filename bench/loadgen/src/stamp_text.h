// A stamp as text: what messages carry where bytes of any value may not go, in a target of HTTP and
// in a text message of WebSocket.
//
// 36 letters and digits (mark, kind, a filler letter, two times in hexadecimal), then the filler
// letter up to the size asked for.
// Invariant: what is read was written whole: mark, digits, and the filler at three places are
// checked. Does not know what carries the text.
#pragma once

#include <optional>
#include <span>

#include "payload.h"

namespace holdfast::loadgen {

inline constexpr std::size_t kStampTextBytes = 36;

// Fills `out`, which has room for kStampTextBytes at least.
void writeStampText(const Stamp& stamp, std::span<char> out);
// Nothing where the text is not one that writeStampText wrote.
std::optional<Stamp> readStampText(std::span<const char> in);

}  // namespace holdfast::loadgen
