// What the tests of route tables share: requests with header fields, tables,
// and a naive matcher.
//
// The naive matcher asks every route of every host in turn, by the sentences of
// route_parts.h and with std::regex; it knows nothing of ranks, trees or
// hashes. Invariant: it shares no code with the table but the structs that
// describe one.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "http/route_table.h"

#include "check.h"

namespace holdfast::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct TestRequest {
  std::string host = "a.example";
  std::string path = "/";
  std::string query{};
  u8 method = 0;
  Fields headers{};  // names in lower case
};

inline bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  for (const auto& [fieldName, fieldValue] : *static_cast<const Fields*>(owner)) {
    if (fieldName != name || nth-- != 0) continue;
    *value = fieldValue;
    return true;
  }
  return false;
}

// A compiled table with what it takes to ask it.
class TestTable {
 public:
  explicit TestTable(const RouteTableParts& parts) : scratch_(std::make_unique<RegexScratch>()) {
    std::vector<RouteFault> faults;
    const bool isCompiled = compileRouteTable(parts, &bytes_, &faults);
    for (const RouteFault& fault : faults) {
      check::fail(__FILE__, __LINE__, kRouteFaultTexts[static_cast<size_t>(fault.kind)]);
    }
    CHECK(isCompiled && table_.attach(bytes_));
  }

  RouteMatch match(const TestRequest& request) {
    RouteRequest asked;
    asked.host = request.host;
    asked.path = request.path;
    asked.query = request.query;
    asked.method = request.method;
    asked.headers = {&request.headers, &findField};
    return table_.match(asked, scratch_.get());
  }

  // The number of the route, -1 for none.
  int routeOf(const TestRequest& request) { return static_cast<int>(match(request).route); }

  std::string rewritten(u32 route, std::string_view path) {
    u8 buffer[256];
    codec::Writer writer(buffer);
    if (!table_.rewritePath(route, path, scratch_.get(), &writer)) return "failed";
    return {writer.written().begin(), writer.written().end()};
  }

  [[nodiscard]] const RouteTable& table() const { return table_; }
  [[nodiscard]] const std::vector<u8>& bytes() const { return bytes_; }

 private:
  std::vector<u8> bytes_;
  RouteTable table_;
  std::unique_ptr<RegexScratch> scratch_;
};

inline RouteParts routeTo(PathKind kind, std::string path) {
  RouteParts parts;
  parts.pathKind = kind;
  parts.path = std::move(path);
  return parts;
}

inline HostParts hostOf(std::vector<RouteParts> routes, std::vector<std::string> names = {"*"}) {
  HostParts host;
  host.names = std::move(names);
  host.routes = std::move(routes);
  return host;
}

class NaiveMatcher {
 public:
  explicit NaiveMatcher(const RouteTableParts& parts) : parts_(parts) {}

  int routeOf(const TestRequest& request) {
    const size_t host = hostOfName(request.host);
    if (host == parts_.hosts.size()) return -1;
    int base = 0;
    for (size_t i = 0; i < host; ++i) base += static_cast<int>(parts_.hosts[i].routes.size());
    const HostParts& found = parts_.hosts[host];
    int best = -1;
    for (size_t i = 0; i < found.routes.size(); ++i) {
      if (!fits(found.routes[i], request)) continue;
      const bool isBetter =
          best < 0 || (found.order == RouteOrder::kSpecificity &&
                       isMoreSpecific(found.routes[i], found.routes[static_cast<size_t>(best)]));
      if (isBetter) best = static_cast<int>(i);
    }
    return best < 0 ? -1 : base + best;
  }

 private:
  [[nodiscard]] size_t hostOfName(const std::string& host) const {
    size_t best = parts_.hosts.size();
    size_t bestLength = 0;
    for (size_t i = 0; i < parts_.hosts.size(); ++i) {
      for (const std::string& name : parts_.hosts[i].names) {
        size_t length = 0;  // how much of the host the name says, and one
        if (name == "*") length = 1;
        if (name == host) length = 100000;
        const bool isWildcard = name.starts_with("*.") && host.size() > name.size() - 1;
        if (isWildcard && host.ends_with(name.substr(1))) length = name.size();
        if (length > bestLength) {
          best = i;
          bestLength = length;
        }
      }
    }
    return best;
  }

  // Plain letters at the front of a pattern; the tests' patterns go on with
  // something special.
  static size_t fixedLength(const RouteParts& route) {
    std::string fixed = route.path;
    if (route.pathKind == PathKind::kRegex) {
      fixed = fixed.substr(0, fixed.find_first_of(".[(\\*+?|"));
    }
    while (route.pathKind == PathKind::kSegments && fixed.ends_with('/')) fixed.pop_back();
    return fixed == "/" ? 0 : fixed.size();
  }

  static bool isMoreSpecific(const RouteParts& a, const RouteParts& b) {
    const bool isExactA = a.pathKind == PathKind::kExact;
    if (isExactA != (b.pathKind == PathKind::kExact)) return isExactA;
    if (!isExactA && fixedLength(a) != fixedLength(b)) return fixedLength(a) > fixedLength(b);
    const auto place = [](PathKind kind) {
      return kind == PathKind::kRegex ? 0 : kind == PathKind::kSegments ? 1 : 2;
    };
    if (place(a.pathKind) != place(b.pathKind)) return place(a.pathKind) < place(b.pathKind);
    if (a.pathKind == PathKind::kRegex) return false;
    if ((a.methods != 0) != (b.methods != 0)) return a.methods != 0;
    if (a.headers.size() != b.headers.size()) return a.headers.size() > b.headers.size();
    return a.query.size() > b.query.size();
  }

  bool isRegexMatch(const std::string& pattern, const std::string& text) {
    const auto [entry, isNew] = regexes_.try_emplace(pattern);
    if (isNew) entry->second.assign(pattern);
    return std::regex_match(text, entry->second);
  }

  bool fits(const RouteParts& route, const TestRequest& request) {
    if (route.methods != 0 && (route.methods >> request.method & 1) == 0) return false;
    const std::string& path = request.path;
    std::string fixed = route.path;
    switch (route.pathKind) {
      case PathKind::kExact:
        if (path != fixed) return false;
        break;
      case PathKind::kPrefix:
        if (!path.starts_with(fixed)) return false;
        break;
      case PathKind::kSegments:
        while (fixed.ends_with('/')) fixed.pop_back();
        if (path != fixed && !path.starts_with(fixed + "/")) return false;
        break;
      default:
        if (!isRegexMatch(route.path, path)) return false;
    }
    Fields query;
    std::string rest = request.query + "&";
    for (size_t end = rest.find('&'); end != std::string::npos; end = rest.find('&')) {
      const std::string pair = rest.substr(0, end);
      const size_t equals = std::min(pair.find('='), pair.size());
      query.emplace_back(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
      rest.erase(0, end + 1);
    }
    return fitsAll(route.headers, request.headers) && fitsAll(route.query, query);
  }

  bool fitsAll(const std::vector<ConditionParts>& conditions, const Fields& fields) {
    return std::all_of(conditions.begin(), conditions.end(), [&](const ConditionParts& condition) {
      const bool isFulfilled = std::any_of(fields.begin(), fields.end(), [&](const auto& field) {
        return field.first == condition.name && fitsValue(condition, field.second);
      });
      return isFulfilled != condition.isInverted;
    });
  }

  bool fitsValue(const ConditionParts& condition, const std::string& value) {
    switch (condition.kind) {
      case ConditionKind::kExact:
        return value == condition.value;
      case ConditionKind::kPresent:
        return true;
      case ConditionKind::kPrefix:
        return value.starts_with(condition.value);
      case ConditionKind::kSuffix:
        return value.ends_with(condition.value);
      default:
        return isRegexMatch(condition.value, value);
    }
  }

  const RouteTableParts& parts_;
  std::map<std::string, std::regex> regexes_;
};

}  // namespace holdfast::http
