// Builds the index of rules: by which path, host, header, certificate or address each is found.
//
// Used by policy_compile.cc only. Every rule that can be true only when the request has one of a
// few things is filed under those; of several such sets, under the one that the fewest other rules
// share. The rest are looked at for every request.
// Invariant: a rule that a request fulfils is found by it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policy/policy_layout.h"

namespace holdfast::policy {

// Few rules are tried faster than found.
inline constexpr u32 kRulesUnindexedMax = 6;
// Things to be looked up for one request; rules by others are looked at always.
inline constexpr u32 kDimensionsMax = 8;
// Keys that one rule may be filed under.
inline constexpr u32 kKeysOfRuleMax = 4096;

// One thing a request may have: an address in a network, or a text.
struct IndexKey {
  bool isNetwork = false;
  bool isPrefix = false;
  Source source = Source::kPath;
  std::string name{};
  std::string text{};
  Cidr network{};

  friend bool operator<(const IndexKey& a, const IndexKey& b);
};

// The index of one list of rules, with positions of the list.
struct RuleIndex {
  struct Key {
    std::vector<u32> exact;
    std::vector<u32> prefix;
  };
  std::vector<u32> always;
  std::map<std::pair<Source, std::string>, std::map<std::string, Key>> texts;
  std::map<std::pair<u32, u32>, std::vector<u32>> nets4;  // by first address and bits of 128
  std::map<std::pair<Ip6, u32>, std::vector<u32>> nets6;
};

[[nodiscard]] RuleIndex indexRules(const std::vector<RuleParts>& rules);

}  // namespace holdfast::policy
