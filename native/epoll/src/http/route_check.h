// Whether flat bytes are a route table that can be read without looking again.
//
// Called once for each table and process, by RouteTable::attach. Split from the reader because it
// is the only code that sees bytes it cannot trust; a fuzzer feeds it.
// Invariant: after true, no position, range or link of the table leads out of its section, and no
// chain of links goes in a circle.
#pragma once

#include <span>

#include "runtime/base.h"

namespace holdfast::http {

// O(bytes).
[[nodiscard]] bool isRouteTable(std::span<const u8> bytes);

}  // namespace holdfast::http
