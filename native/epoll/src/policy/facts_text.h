// The texts of facts that conditions and keys look at, one after the other.
//
// Included by what evaluates policies, so that a walk over values is inlined into its judge.
// Invariant: at most kValuesLookedAt values of one name, as routes do.
#pragma once

#include <algorithm>
#include <string_view>

#include "policy/policy_list.h"

namespace holdfast::policy {

inline constexpr u32 kValuesLookedAt = http::kHeaderFieldsLookedAt;

// The value of a cookie in one Cookie field; a null view without.
[[nodiscard]] inline std::string_view findCookie(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    std::string_view pair = field.substr(0, field.find(';'));
    field.remove_prefix(std::min(field.size(), pair.size() + 1));
    while (!pair.empty() && (pair.front() == ' ' || pair.front() == '\t')) pair.remove_prefix(1);
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name)) {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

// Calls `use` with each value of a source until it returns true; true then.
template <typename Use>
bool anyValue(const Facts& facts, Source source, std::string_view name, Use use) {
  switch (source) {
    case Source::kHost:
      return use(facts.host);
    case Source::kPath:
      return use(facts.path);
    case Source::kSubject:
      return !facts.subject.empty() && use(facts.subject);
    case Source::kAltName: {
      std::string_view rest = facts.altNames;
      while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        if (use(one)) return true;
      }
      return false;
    }
    case Source::kHeader:
    case Source::kCookie: {
      const bool isCookie = source == Source::kCookie;
      if (facts.headers.find == nullptr) return false;
      std::string_view value;
      for (u32 nth = 0; nth < kValuesLookedAt; ++nth) {
        const std::string_view field = isCookie ? std::string_view("cookie") : name;
        if (!facts.headers.find(facts.headers.owner, field, nth, &value)) return false;
        if (isCookie) value = findCookie(value, name);
        if ((!isCookie || value.data() != nullptr) && use(value)) return true;
      }
      return false;
    }
    case Source::kQuery: {
      std::string_view rest = facts.query;
      while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        if (!pair.starts_with(name)) continue;
        const std::string_view value = pair.substr(name.size());
        if (!value.empty() && value[0] != '=') continue;
        if (use(value.substr(value.empty() ? 0 : 1))) return true;
      }
      return false;
    }
    default:
      return false;
  }
}

}  // namespace holdfast::policy
