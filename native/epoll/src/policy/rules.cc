// See rules.h. Lists of candidates are in the order of the rules, so a list is left at the first
// rule behind the best one so far.
#include "policy/rules.h"

#include "policy/conditions.h"
#include "policy/facts_text.h"

namespace holdfast::policy {
namespace {

// Position behind the last item that `isNotBehind`; items are sorted.
template <typename Item, typename Judge>
size_t upperBound(std::span<const Item> items, Judge isNotBehind) {
  const Item* first = items.data();
  size_t left = items.size();
  while (left > 0) {
    const size_t half = left / 2;
    const bool isLow = isNotBehind(first[half]);
    first = isLow ? first + half + 1 : first;
    left = isLow ? left - half - 1 : half;
  }
  return static_cast<size_t>(first - items.data());
}

class Search {
 public:
  Search(const PolicyView& view, const FlatRbac& rbac, const Facts& facts,
         http::RegexScratch* scratch)
      : view_(view), rbac_(rbac), facts_(facts), scratch_(scratch) {}

  // The first rule that matches, of those that are shadows or of those that are not, in front of
  // `bound`; `bound` when there is none.
  u32 run(u32 isShadow, u32 bound) {
    isShadow_ = isShadow;
    best_ = bound;
    take(rbac_.always);
    const PolicyHeader& header = view_.header();
    for (const FlatDimension& dimension :
         view_.items<FlatDimension>(header.dimensions, rbac_.dimensions)) {
      (void)anyValue(facts_, dimension.source, view_.text(dimension.name),
                     [this, &dimension](std::string_view value) {
                       takeText(dimension, value);
                       return false;
                     });
    }
    if (facts_.client.isIpv4() && rbac_.nets4.count != 0) {
      takeNets(view_.items<FlatNet4>(header.nets4, rbac_.nets4), numberOf4(facts_.client));
    } else if (facts_.client.isIpv6() && rbac_.nets6.count != 0) {
      takeNets(view_.items<FlatNet6>(header.nets6, rbac_.nets6), numberOf6(facts_.client.ip));
    }
    return best_;
  }

 private:
  void take(const Range& range) {
    const FlatRule* const rules = view_.items<FlatRule>(view_.header().rules);
    for (const u32 rule : view_.items<u32>(view_.header().candidates, range)) {
      if (rule >= best_) return;
      if (rules[rule].isShadow != isShadow_) continue;
      if (!holds(view_, rules[rule].entry, facts_, scratch_)) continue;
      best_ = rule;
      return;
    }
  }

  void takeText(const FlatDimension& dimension, std::string_view value) {
    const auto keys = view_.items<FlatKey>(view_.header().keys, dimension.keys);
    const size_t behind = upperBound<FlatKey>(
        keys, [this, value](const FlatKey& key) { return view_.text(key.text) <= value; });
    if (behind == 0) return;
    const FlatKey* const all = view_.items<FlatKey>(view_.header().keys);
    u32 at = dimension.keys.first + static_cast<u32>(behind) - 1;
    while (at != kNoIndex && !value.starts_with(view_.text(all[at].text))) at = all[at].ancestor;
    if (at != kNoIndex && all[at].text.length == value.size()) take(all[at].exact);
    for (; at != kNoIndex; at = all[at].ancestor) take(all[at].prefix);
  }

  template <typename Net, typename Number>
  void takeNets(std::span<const Net> nets, const Number& number) {
    const size_t behind =
        upperBound<Net>(nets, [&number](const Net& net) { return !(number < net.first); });
    if (behind == 0) return;
    // Ancestors are positions in the section, of which `nets` is a part.
    const Net* const all = nets.data() - firstOf(nets.data());
    u32 at = firstOf(nets.data()) + static_cast<u32>(behind) - 1;
    while (at != kNoIndex && all[at].last < number) at = all[at].ancestor;
    for (; at != kNoIndex; at = all[at].ancestor) take(all[at].candidates);
  }

  [[nodiscard]] u32 firstOf(const FlatNet4*) const { return rbac_.nets4.first; }
  [[nodiscard]] u32 firstOf(const FlatNet6*) const { return rbac_.nets6.first; }

  const PolicyView& view_;
  const FlatRbac& rbac_;
  const Facts& facts_;
  http::RegexScratch* scratch_;
  u32 isShadow_ = 0;
  u32 best_ = 0;
};

}  // namespace

RuleVerdict decide(const PolicyView& view, const FlatRbac& rbac, const Facts& facts,
                   http::RegexScratch* scratch) {
  const FlatRule* const rules = view.items<FlatRule>(view.header().rules);
  const u32 end = rbac.rules.first + rbac.rules.count;
  Search search(view, rbac, facts, scratch);
  RuleVerdict verdict;
  const u32 found = search.run(0, end);
  verdict.action = found == end ? rbac.fallback : rules[found].action;
  verdict.rule = found == end ? kNoIndex : found;
  if (rbac.hasShadow == 0) return verdict;
  const u32 shadow = search.run(1, found);
  if (shadow != found && rules[shadow].action == Action::kDeny) verdict.shadowRule = shadow;
  return verdict;
}

}  // namespace holdfast::policy
