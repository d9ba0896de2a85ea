// What a route table is made of, as control code states it before it is laid flat.
//
// Filled on the main thread from the configuration, given to compileRouteTable once, then let go.
// The order of hosts and routes is that of the configuration: it numbers the routes and breaks
// ties. Invariant: nothing here is read by a shard. Does not hold what a route does, but for where
// it sends to and how it changes the path: actions are found by the route's number.
#pragma once

#include <iterator>
#include <string>
#include <vector>

#include "http/regex.h"
#include "runtime/base.h"

namespace holdfast::http {

// Which of several routes that match is taken.
enum class RouteOrder : u32 {
  // In this order: an exact path; the longest fixed beginning of the path (a prefix, or what a
  // regular expression begins with; a single slash says nothing and counts as none); with equal
  // ones regular expressions as listed, then prefixes by segment, then plain prefixes; among equal
  // paths those limited to methods, then more headers, then more query conditions, then as listed.
  kSpecificity,
  // The first one listed.
  kListed,
  kCount,
};

enum class PathKind : u32 {
  kExact,
  kPrefix,    // "/api" takes "/api", "/api/x" and "/apix"
  kSegments,  // "/api" takes "/api" and "/api/x", not "/apix"; a slash at its end says nothing
  kRegex,     // the whole path
  kCount,
};

enum class ConditionKind : u32 {
  kExact,
  kPresent,
  kPrefix,
  kSuffix,
  kRegex,  // the whole value
  kCount,
};

// On a header or on a parameter of the query. True when one of the values of that name fulfils it;
// inverted, when none does, so that a missing one fulfils every inverted condition.
struct ConditionParts {
  std::string name;  // of a header in any case; of a parameter byte for byte, not decoded
  ConditionKind kind = ConditionKind::kExact;
  std::string value{};
  bool isInverted = false;
};

struct SplitParts {
  u32 cluster = 0;
  u32 weight = 1;  // 0: never
};

enum class RewriteKind : u32 {
  kNone,
  kPrefix,  // `text` instead of what the path of the route matched
  kRegex,   // `text` instead of every match of `pattern`; \1 to \9 are its groups, \0 all of it
  kCount,
};

struct RewriteParts {
  RewriteKind kind = RewriteKind::kNone;
  std::string pattern{};
  std::string text{};
};

struct RouteParts {
  PathKind pathKind = PathKind::kPrefix;
  std::string path = "/";  // escaped like that of a request; normalised unless a regex
  u32 methods = 0;         // a bit for each number of a method; 0: all
  std::vector<ConditionParts> headers{};
  std::vector<ConditionParts> query{};
  std::vector<SplitParts> splits{};  // empty for routes that send nowhere
  RewriteParts rewrite{};
};

// Routes of the hosts that have one of the names: "a.example", "*.example" (any number of labels
// more) or "*" (all others). An exact name is preferred, then the longest wildcard. Where no route
// of the host matches, no other host is asked.
struct HostParts {
  std::vector<std::string> names;
  RouteOrder order = RouteOrder::kSpecificity;
  std::vector<RouteParts> routes{};
};

struct RouteTableParts {
  std::vector<HostParts> hosts;
};

inline constexpr u32 kRouteHostsMax = 65536;
inline constexpr u32 kRouteNamesMax = 262144;
inline constexpr u32 kRoutesMax = 262144;
inline constexpr u32 kRouteConditionsMax = 16;  // headers of one route, and query parameters
inline constexpr u32 kRouteSplitsMax = 64;
inline constexpr size_t kRoutePathMax = 8192;  // no longer path reaches the table
inline constexpr size_t kRouteTextMax = 1024;  // of names and values
inline constexpr size_t kRouteHostNameMax = 255;
inline constexpr u64 kRouteTableBytesMax = u64{1} << 28;

enum class RoutePlace : u8 { kHost, kName, kPath, kMethods, kHeader, kQuery, kSplit, kRewrite };

enum class RouteFaultKind : u8 {
  kRegex,    // `regex` says why
  kTooMany,  // more than the limit of that place
  kTooLong,
  kEmpty,
  kHostName,      // no host can have that name
  kHostTwice,     // two hosts have that name
  kPathForm,      // a path begins with a slash; only an exact one may be *
  kFieldName,     // no header can have that name
  kWeight,        // all weights are zero, or their sum does not fit 32 bits
  kPathBytes,     // bytes that no path has
  kPathEscape,    // a percent sign that begins no %HH, or one of NUL or a backslash
  kPathDots,      // a segment that normalisation takes away
  kRewriteText,   // a backslash before anything but the digit of a group
  kRewriteRoute,  // a prefix is rewritten where the route has a regular expression
  kTooLarge,      // the whole table
  kCount,
};
inline constexpr const char* kRouteFaultTexts[] = {
    "not a regular expression that is supported",
    "too many",
    "too long",
    "empty",
    "not a host name, *.name or *",
    "the name belongs to another host already",
    "a path begins with /",
    "not a header name",
    "the weights must have a sum between 1 and 4294967295",
    "a byte that no path has: write it as %HH",
    "an escape is % and two hexadecimal digits, and neither %00 nor %5C",
    "no request has . or .. as a segment of its path",
    "write \\1 to \\9 for a group of the pattern and \\0 for all of it",
    "a route with a regular expression has no prefix: rewrite with a regular expression",
    "the route table is too large",
};
static_assert(std::size(kRouteFaultTexts) == static_cast<size_t>(RouteFaultKind::kCount));

// One thing that is wrong, and where: numbers are positions in the parts.
struct RouteFault {
  RouteFaultKind kind = RouteFaultKind::kEmpty;
  RoutePlace place = RoutePlace::kHost;
  u32 host = 0;
  u32 route = kNoIndex;  // in the host
  u32 index = 0;         // of the name, header, parameter or split
  RegexError regex{};    // with kRegex; the position also with other kinds
};

}  // namespace holdfast::http
