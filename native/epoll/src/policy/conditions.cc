// See conditions.h. Sets of addresses and of texts are searched by halves.
#include "policy/conditions.h"

#include <algorithm>

#include "policy/facts_text.h"

namespace holdfast::policy {
namespace {

// Position of the range that may hold `value`: the last one that does not begin behind it.
template <typename Item, typename Number>
bool isInRanges(std::span<const Item> ranges, const Number& value) {
  const Item* first = ranges.data();
  size_t left = ranges.size();
  while (left > 0) {
    const size_t half = left / 2;
    const bool isBehind = !(value < first[half].first);
    first = isBehind ? first + half + 1 : first;
    left = isBehind ? left - half - 1 : half;
  }
  return first != ranges.data() && !(first[-1].last < value);
}

bool isInSet(const PolicyView& view, u32 set, const Address& client) {
  const PolicyHeader& header = view.header();
  const FlatAddressSet& flat = view.items<FlatAddressSet>(header.addressSets)[set];
  if (client.isIpv4()) {
    return isInRanges(view.items<FlatRange4>(header.ranges4, flat.ranges4), numberOf4(client));
  }
  return client.isIpv6() &&
         isInRanges(view.items<FlatRange6>(header.ranges6, flat.ranges6), numberOf6(client.ip));
}

bool isOneOf(const PolicyView& view, const Range& values, std::string_view value) {
  const std::span<const TextRef> texts = view.items<TextRef>(view.header().texts, values);
  const auto at = std::lower_bound(
      texts.begin(), texts.end(), value,
      [&view](const TextRef& text, std::string_view wanted) { return view.text(text) < wanted; });
  return at != texts.end() && view.text(*at) == value;
}

bool fits(const PolicyView& view, const FlatMatcher& matcher, std::string_view value,
          http::RegexScratch* scratch) {
  const std::string_view text = view.text(matcher.value);
  switch (matcher.kind) {
    case TextKind::kExact:
      return matcher.values.count != 0 ? isOneOf(view, matcher.values, value) : value == text;
    case TextKind::kPrefix:
      return value.starts_with(text);
    case TextKind::kSuffix:
      return value.ends_with(text);
    case TextKind::kSegments:
      return value.starts_with(text) && (value.size() == text.size() || value[text.size()] == '/');
    case TextKind::kRegex:
      return view.regex(matcher.regex).matchesWhole(value, scratch);
    default:
      return true;
  }
}

bool fitsText(const PolicyView& view, u32 item, const Facts& facts, http::RegexScratch* scratch) {
  const FlatMatcher& matcher = view.items<FlatMatcher>(view.header().matchers)[item];
  return anyValue(facts, matcher.source, view.text(matcher.name),
                  [&](std::string_view value) { return fits(view, matcher, value, scratch); });
}

}  // namespace

u32 numberOf4(const Address& address) {
  const u8* const bytes = address.ipv4Bytes();
  return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | bytes[3];
}

Ip6 numberOf6(const u8 (&ip)[16]) {
  Ip6 number;
  for (u32 i = 0; i < 8; ++i) {
    number.high = number.high << 8 | ip[i];
    number.low = number.low << 8 | ip[8 + i];
  }
  return number;
}

bool holds(const PolicyView& view, u32 entry, const Facts& facts, http::RegexScratch* scratch) {
  const FlatStep* const steps = view.items<FlatStep>(view.header().steps);
  u32 at = entry;
  while (at < kHolds) {
    const FlatStep& step = steps[at];
    bool isTrue = false;
    switch (step.kind) {
      case TestKind::kAddress:
        isTrue = isInSet(view, step.item, facts.client);
        break;
      case TestKind::kMethod:
        isTrue = (step.item >> (facts.method & 31) & 1) != 0;
        break;
      case TestKind::kTls:
        isTrue = facts.isTls;
        break;
      default:
        isTrue = fitsText(view, step.item, facts, scratch);
        break;
    }
    at = isTrue ? step.onTrue : step.onFalse;
  }
  return at == kHolds;
}

}  // namespace holdfast::policy
