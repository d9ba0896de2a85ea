// Where a request goes: authorities, and the one form of a path that routes, filters and endpoints
// all see.
//
// The head calls parseAuthority for Host and for targets in absolute form; the exchange calls
// normalizePath once and forwards what it routed by. Invariant: the normal form is a fixed point,
// is never longer than what came, and stays below the root; what origins are known to read in
// different ways is refused instead (RFC 3986 6.2.2, threats row C11). Does not resolve names.
#pragma once

#include <span>
#include <string_view>

#include "codec/http1_rules.h"

namespace holdfast::http1 {

// A host and a port, as they are compared: lower case, no trailing dot, IPv6 in brackets.
struct Authority {
  u16 port = 0;  // 0: not told
  u8 hostLength = 0;
  char host[kHostBytesMax];

  Authority() {}  // leaves `host` unwritten
  [[nodiscard]] std::string_view hostText() const { return {host, hostLength}; }
  [[nodiscard]] bool isEmpty() const { return hostLength == 0; }
};
static_assert(kHostBytesMax <= 0xff);

// Reads `host[:port]`: names of letters, digits, '-', '_' and '.', IPv4, IPv6 in brackets; a port
// from 1 to 65535 without leading zeros. No user, no escapes, no lists (RFC 9110 7.2).
[[nodiscard]] bool parseAuthority(std::span<const u8> text, Authority* out);

// Whether both name the same place for a scheme whose default port is `defaultPort`.
[[nodiscard]] bool isSameAuthority(const Authority& a, const Authority& b, u16 defaultPort);

// What may be softened for endpoints that need it.
struct PathRules {
  bool isSlashMerged = true;           // "a//b" becomes "a/b"
  bool isEscapedSlashAllowed = false;  // %2F stays as it is; %5C and %00 never pass
};

struct NormalPath {
  Violation violation = Violation::kNone;
  bool isChanged = false;      // when not, the path is what came and nothing was written
  bool hasParameters = false;  // a ';' somewhere: rules for paths compare without parameters
  u16 length = 0;              // written, with isChanged
};

// Brings a path that begins with '/' and has no query into normal form: escapes of unreserved bytes
// decoded, other escapes with upper case digits, dot segments resolved, slashes merged. `output`
// has room for path.size() bytes, and may be where the path begins. O(length).
[[nodiscard]] NormalPath normalizePath(std::span<const u8> path, const PathRules& rules,
                                       std::span<u8> output);

// Writes a normal path without the parameters of its segments (RFC 3986 3.3), for comparing with
// rules: "/a;v=1/b" is "/a/b". Returns the length. `output` as above.
[[nodiscard]] u16 stripParameters(std::span<const u8> path, std::span<u8> output);

}  // namespace holdfast::http1
