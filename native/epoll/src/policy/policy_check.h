// Whether flat bytes are policies that can be evaluated without looking again.
//
// Called once for each table and process, by PolicyList::attach. Split from the reader because it
// is the only code that sees bytes it cannot trust; a fuzzer feeds it.
// Invariant: after true, no position, range or link leads out of its section, and no chain of links
// goes in a circle.
#pragma once

#include <span>

#include "runtime/base.h"

namespace holdfast::policy {

// O(bytes).
[[nodiscard]] bool isPolicyTable(std::span<const u8> bytes);

}  // namespace holdfast::policy
