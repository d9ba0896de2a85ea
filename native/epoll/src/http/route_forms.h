// What names and paths of a configuration must look like, and the one form in which they are kept.
//
// Used by route_compile.cc only. Requests reach a route table in normal form (http1_target.h), so
// what a route says is brought into that form once, at load: a route for "/caf%c3%a9" or "/%61pi"
// matches what it means. Invariant: nothing is repaired that could mean two things; it is refused.
#pragma once

#include <string>
#include <string_view>

#include "http/route_parts.h"

namespace holdfast::http {

// ASCII letters in lower case.
[[nodiscard]] std::string lowered(std::string text);

// In lower case, without port: labels between single dots, or an IPv6 address in brackets.
[[nodiscard]] bool isHostName(std::string_view name);

// RFC 9110 5.6.2.
[[nodiscard]] bool isFieldName(std::string_view name);

// kCount when all is well.
struct FormFault {
  RouteFaultKind kind = RouteFaultKind::kCount;
  u32 position = 0;

  [[nodiscard]] bool isNone() const { return kind == RouteFaultKind::kCount; }
};

// Escapes of unreserved bytes are decoded, the others get upper case digits (RFC 3986 6.2.2).
[[nodiscard]] FormFault canonicalizePath(PathKind kind, std::string* path);

// The text of a rewrite: `groups` is how many \N may name, 0 also for rewrites of a prefix.
[[nodiscard]] FormFault checkRewriteText(RewriteKind kind, std::string_view text, u32 groups);

}  // namespace holdfast::http
