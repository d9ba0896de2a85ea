// See rules.h. Lists of candidates are in the order of the rules, so a list is left at the first
// rule behind the best one so far.
#include "policy/rules.h"

#include "policy/conditions.h"
#include "policy/facts_text.h"
#include "policy/key_hash.h"

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
      takeNets(rbac_.nets4, rbac_.hash4, view_.items<FlatNet4>(header.nets4),
               numberOf4(facts_.client));
    } else if (facts_.client.isIpv6() && rbac_.nets6.count != 0) {
      takeNets(rbac_.nets6, rbac_.hash6, view_.items<FlatNet6>(header.nets6),
               numberOf6(facts_.client.ip));
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

  // The longest key that the value begins with; only those that are prefixes, and the value itself.
  [[nodiscard]] u32 probeKey(const FlatHash& table, const FlatKey* all,
                             std::string_view value) const {
    const auto lengths = view_.items<u32>(view_.header().lengths, table.lengths);
    TextHash hash(value);
    u64 hashes[kProbedLengthsMax];
    u32 count = 0;
    while (count < lengths.size() && lengths[count] < value.size()) {
      hashes[count] = hash.upTo(lengths[count]);
      count++;
    }
    u64 wanted = hash.upTo(value.size());
    for (std::string_view text = value;;) {
      const u32 found = findSlot(view_, table, wanted, [this, all, text](u32 item) {
        return view_.text(all[item].text) == text;
      });
      if (found != kNoIndex || count == 0) return found;
      wanted = hashes[--count];
      text = value.substr(0, lengths[count]);
    }
  }

  [[nodiscard]] u32 searchKey(const Range& keys, const FlatKey* all, std::string_view value) const {
    const size_t behind = upperBound<FlatKey>(
        {all + keys.first, keys.count},
        [this, value](const FlatKey& key) { return view_.text(key.text) <= value; });
    if (behind == 0) return kNoIndex;
    u32 at = keys.first + static_cast<u32>(behind) - 1;
    while (at != kNoIndex && !value.starts_with(view_.text(all[at].text))) at = all[at].ancestor;
    return at;
  }

  void takeText(const FlatDimension& dimension, std::string_view value) {
    const FlatKey* const all = view_.items<FlatKey>(view_.header().keys);
    u32 at = dimension.hash.slots.count != 0 ? probeKey(dimension.hash, all, value)
                                             : searchKey(dimension.keys, all, value);
    if (at != kNoIndex && all[at].text.length == value.size()) take(all[at].exact);
    for (; at != kNoIndex; at = all[at].ancestor) take(all[at].prefix);
  }

  // The smallest network that has the address.
  template <typename Net, typename Number>
  [[nodiscard]] u32 probeNet(const FlatHash& table, const Net* all, const Number& number) const {
    const auto sizes = view_.items<u32>(view_.header().lengths, table.lengths);
    for (size_t i = sizes.size(); i > 0; --i) {
      const u32 bits = sizes[i - 1];
      const Number first = firstOf(number, bits);
      const auto isIt = [all, &first, &number, bits](u32 item) {
        const Net& net = all[item];
        return net.first == first && firstOf(net.last, bits) == first && !(net.last < number);
      };
      const u32 found = findSlot(view_, table, hashNet(first, bits), isIt);
      if (found != kNoIndex) return found;
    }
    return kNoIndex;
  }

  template <typename Net, typename Number>
  [[nodiscard]] static u32 searchNet(const Range& nets, const Net* all, const Number& number) {
    const size_t behind =
        upperBound<Net>({all + nets.first, nets.count},
                        [&number](const Net& net) { return !(number < net.first); });
    if (behind == 0) return kNoIndex;
    u32 at = nets.first + static_cast<u32>(behind) - 1;
    while (at != kNoIndex && all[at].last < number) at = all[at].ancestor;
    return at;
  }

  template <typename Net, typename Number>
  void takeNets(const Range& nets, const FlatHash& table, const Net* all, const Number& number) {
    u32 at = table.slots.count != 0 ? probeNet(table, all, number) : searchNet(nets, all, number);
    for (; at != kNoIndex; at = all[at].ancestor) take(all[at].candidates);
  }

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
