// Two passes: what each rule could be filed under, then where it is, by how many ask for the same.
#include "policy/rule_index.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "policy/conditions.h"

namespace holdfast::policy {
namespace {

using KeySet = std::vector<IndexKey>;
// Alternatives; a request that fulfils the condition has one key of each.
using KeySets = std::vector<KeySet>;

// More alternatives than this of one rule are not compared.
constexpr size_t kKeySetsMax = 16;
// A text or network that says less than this is of no use as a key.
constexpr size_t kPrefixBytesMin = 2;
constexpr u32 kNetworkBitsMin = 4;
constexpr u32 kMappedBits = 96;

std::optional<KeySet> keysOfText(const TestParts& test) {
  const bool isPrefix = test.text == TextKind::kPrefix || test.text == TextKind::kSegments;
  if (test.text != TextKind::kExact && !isPrefix) return std::nullopt;
  KeySet keys;
  for (const std::string& value : test.values) {
    if (isPrefix && value.size() < kPrefixBytesMin) return std::nullopt;
    IndexKey& key = keys.emplace_back();
    key.isPrefix = isPrefix;
    key.source = test.source;
    key.name = test.name;
    key.text = value;
  }
  return keys;
}

std::optional<KeySet> keysOfNetworks(const TestParts& test) {
  KeySet keys;
  for (const Cidr& network : test.networks) {
    const u32 bits = network.prefixBits - (network.network.isIpv4() ? kMappedBits : 0);
    if (bits < kNetworkBitsMin) return std::nullopt;
    IndexKey& key = keys.emplace_back();
    key.isNetwork = true;
    key.network = network;
  }
  return keys;
}

KeySets keySetsOf(const TestParts& test);

// One of the parts is fulfilled: each brings its smallest set.
KeySets keySetsOfAny(const TestParts& test) {
  KeySet all;
  for (const TestParts& part : test.parts) {
    const KeySets sets = keySetsOf(part);
    if (sets.empty()) return {};
    const auto smallest =
        std::min_element(sets.begin(), sets.end(),
                         [](const KeySet& a, const KeySet& b) { return a.size() < b.size(); });
    all.insert(all.end(), smallest->begin(), smallest->end());
    if (all.size() > kKeysOfRuleMax) return {};
  }
  return {all};
}

KeySets keySetsOf(const TestParts& test) {
  std::optional<KeySet> keys;
  switch (test.kind) {
    case TestKind::kAll: {
      KeySets sets;
      for (const TestParts& part : test.parts) {
        for (KeySet& set : keySetsOf(part)) {
          if (sets.size() < kKeySetsMax) sets.push_back(std::move(set));
        }
      }
      return sets;
    }
    case TestKind::kAny:
      return keySetsOfAny(test);
    case TestKind::kText:
      keys = keysOfText(test);
      break;
    case TestKind::kAddress:
      keys = keysOfNetworks(test);
      break;
    default:
      break;
  }
  if (!keys.has_value() || keys->size() > kKeysOfRuleMax) return {};
  return {*keys};
}

class Builder {
 public:
  explicit Builder(const std::vector<RuleParts>& rules) : rules_(rules) {}

  RuleIndex run() {
    for (const RuleParts& rule : rules_) {
      sets_.push_back(keySetsOf(rule.when));
      for (const KeySet& set : sets_.back()) {
        for (const IndexKey& key : set) popularity_[key]++;
      }
    }
    for (u32 rule = 0; rule < rules_.size(); ++rule) place(rule);
    return std::move(index_);
  }

 private:
  // How many rules a request would have to be shown to because of this set, at worst.
  [[nodiscard]] u32 costOf(const KeySet& set) const {
    u32 cost = 0;
    for (const IndexKey& key : set) cost = std::max(cost, popularity_.at(key));
    return cost;
  }

  void place(u32 rule) {
    const KeySet* best = nullptr;
    for (const KeySet& set : sets_[rule]) {
      if (!hasRoom(set)) continue;
      if (best == nullptr || costOf(set) < costOf(*best)) best = &set;
    }
    if (rules_.size() <= kRulesUnindexedMax || best == nullptr) {
      index_.always.push_back(rule);
      return;
    }
    for (const IndexKey& key : *best) add(key, rule);
  }

  [[nodiscard]] bool hasRoom(const KeySet& set) const {
    std::set<std::pair<Source, std::string>> missing;
    for (const IndexKey& key : set) {
      const std::pair dimension(key.source, key.name);
      if (!key.isNetwork && !index_.texts.contains(dimension)) missing.insert(dimension);
    }
    return index_.texts.size() + missing.size() <= kDimensionsMax;
  }

  void add(const IndexKey& key, u32 rule) {
    if (key.isNetwork) {
      const u32 bits = key.network.prefixBits;
      push(key.network.network.isIpv4() ? &index_.nets4[{numberOf4(key.network.network), bits}]
                                        : &index_.nets6[{numberOf6(key.network.network.ip), bits}],
           rule);
      return;
    }
    auto& texts = index_.texts[{key.source, key.name}];
    RuleIndex::Key& found = texts[key.text];
    push(key.isPrefix ? &found.prefix : &found.exact, rule);
  }

  // Rules come in order; the same one may ask for the same thing twice.
  static void push(std::vector<u32>* rules, u32 rule) {
    if (rules->empty() || rules->back() != rule) rules->push_back(rule);
  }

  const std::vector<RuleParts>& rules_;
  std::vector<KeySets> sets_;
  std::map<IndexKey, u32> popularity_;
  RuleIndex index_;
};

}  // namespace

bool operator<(const IndexKey& a, const IndexKey& b) {
  const auto ipOf = [](const IndexKey& key) { return numberOf6(key.network.network.ip); };
  return std::tuple(a.isNetwork, a.isPrefix, a.source, a.network.prefixBits, ipOf(a)) <
             std::tuple(b.isNetwork, b.isPrefix, b.source, b.network.prefixBits, ipOf(b)) ||
         (std::tuple(a.isNetwork, a.isPrefix, a.source, a.network.prefixBits, ipOf(a)) ==
              std::tuple(b.isNetwork, b.isPrefix, b.source, b.network.prefixBits, ipOf(b)) &&
          std::tie(a.name, a.text) < std::tie(b.name, b.text));
}

RuleIndex indexRules(const std::vector<RuleParts>& rules) { return Builder(rules).run(); }

}  // namespace holdfast::policy
