// RouteTable: from a request's host, path and header fields to a route, at a cost that does not
// depend on how many routes there are.
//
// Compiled on the main thread into flat bytes that a snapshot carries; every shard reads them in
// place. Hosts and exact paths are hashed, path beginnings are a compressed tree, and conditions
// are looked at for the few routes that are left. Invariant: attach() checks the bytes whole, and
// after that no lookup leaves them, whoever made them; a lookup allocates nothing and is linear in
// the request. Does not parse requests and does not act on them: host and path come in one
// canonical form, the same bytes that filters see and endpoints get.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "codec/bytes.h"
#include "http/regex.h"
#include "http/route_parts.h"
#include "runtime/base.h"

namespace holdfast::http {

// Lays the parts flat. On failure `faults` has everything that is wrong and `bytes` is empty.
// Control code: allocates. The result is to be kept at a multiple of 8.
[[nodiscard]] bool compileRouteTable(const RouteTableParts& parts, std::vector<u8>* bytes,
                                     std::vector<RouteFault>* faults);

// How a table asks for the header fields of the request, whatever keeps them.
struct HeaderLookup {
  // Finds the value of the field `name` (lower case), the nth of that name from 0; false when there
  // are no more.
  using Find = bool (*)(const void* owner, std::string_view name, u32 nth, std::string_view* value);

  const void* owner = nullptr;
  Find find = nullptr;  // null: there are no fields
};
inline constexpr u32 kHeaderFieldsLookedAt = 128;  // of one name

inline constexpr u8 kMethodsMax = 32;

struct RouteRequest {
  std::string_view host{};   // lower case, without port and trailing dot; empty: none
  std::string_view path{};   // normalised, without query
  std::string_view query{};  // behind the question mark
  u8 method = 0;             // below kMethodsMax; the number is the caller's
  HeaderLookup headers{};
};

struct RouteMatch {
  u32 route = kNoIndex;  // counted through all hosts as they were given
  u32 host = kNoIndex;
  u32 candidates = 0;  // routes that were looked at: what tests bound instead of time

  [[nodiscard]] bool isFound() const { return route != kNoIndex; }
};

struct RouteTableHeader;
struct FlatCondition;
struct FlatHost;
struct FlatRoute;
struct Range;
struct Section;
struct TextRef;

// Reads a table. A value; borrows the bytes.
class RouteTable {
 public:
  RouteTable() = default;

  // Takes the bytes for its own after a check of all of them; on failure what it had stays.
  // They begin at a multiple of 8. O(bytes).
  [[nodiscard]] bool attach(std::span<const u8> bytes);
  // Takes bytes that were attached before, in this process: another shard's, or an earlier one.
  void attachChecked(std::span<const u8> bytes);

  [[nodiscard]] bool isEmpty() const { return bytes_.empty(); }
  [[nodiscard]] u32 routeCount() const;

  // O(host + path) and the conditions of the candidates.
  [[nodiscard]] RouteMatch match(const RouteRequest& request, RegexScratch* scratch) const;

  // The cluster of a route for a random number; kNoIndex for a route that sends nowhere.
  [[nodiscard]] u32 pickCluster(u32 route, u32 random) const;
  [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

  // Writes the path that the endpoint gets instead of `path`: the same one where the route changes
  // nothing. False when the writer is out of room, when the path does not begin with the prefix to
  // be replaced, when the result is no path in normal form, or when more than kRewriteMatchesMax
  // pieces would be replaced: then the request fails.
  [[nodiscard]] bool rewritePath(u32 route, std::string_view path, RegexScratch* scratch,
                                 codec::Writer* writer) const;

 private:
  [[nodiscard]] const RouteTableHeader& header() const;
  template <typename T>
  [[nodiscard]] const T* items(const Section& section) const;
  [[nodiscard]] std::string_view text(const TextRef& ref) const;
  [[nodiscard]] RegexView regex(u32 index) const;

  [[nodiscard]] u32 findHost(std::string_view host) const;
  [[nodiscard]] u32 findName(std::string_view name) const;
  [[nodiscard]] Range findExact(u32 host, std::string_view path) const;
  [[nodiscard]] u32 findNode(u32 root, std::string_view path) const;

  struct Search;
  // Looks for a better route among candidates; true when the search is over.
  bool takeCandidates(const Range& range, Search* search) const;
  [[nodiscard]] bool fits(const FlatRoute& route, const RouteRequest& request,
                          RegexScratch* scratch) const;
  [[nodiscard]] bool fitsHeader(const FlatCondition& condition, const HeaderLookup& headers,
                                RegexScratch* scratch) const;
  [[nodiscard]] bool fitsQuery(const FlatCondition& condition, std::string_view query,
                               RegexScratch* scratch) const;
  [[nodiscard]] bool fitsValue(const FlatCondition& condition, std::string_view value,
                               RegexScratch* scratch) const;

  std::span<const u8> bytes_;
};

// Pieces of one path that a regular expression replaces; each may look at the rest of the path.
inline constexpr u32 kRewriteMatchesMax = 32;

// Replaces every match of `regex` by `text`, where \0 to \9 are groups. False when the writer is
// out of room or there are more matches than kRewriteMatchesMax.
[[nodiscard]] bool replaceMatches(const RegexView& regex, std::string_view text,
                                  std::string_view path, RegexScratch* scratch,
                                  codec::Writer* writer);

}  // namespace holdfast::http
