// PolicyView: reads the flat bytes of the policies of one place, section by section.
//
// Shared by the files that evaluate policies; others see PolicyList only.
// Invariant: the bytes were checked (policy_check.h), so nothing here looks at bounds again.
#pragma once

#include <span>
#include <string_view>

#include "http/regex.h"

#include "policy/policy_layout.h"

namespace holdfast::policy {

class PolicyView {
 public:
  explicit PolicyView(std::span<const u8> bytes) : bytes_(bytes) {}

  [[nodiscard]] const PolicyHeader& header() const {
    return *reinterpret_cast<const PolicyHeader*>(bytes_.data());
  }
  template <typename T>
  [[nodiscard]] const T* items(const Section& section) const {
    return reinterpret_cast<const T*>(bytes_.data() + section.offset);
  }
  template <typename T>
  [[nodiscard]] std::span<const T> items(const Section& section, const Range& range) const {
    return {items<T>(section) + range.first, range.count};
  }
  [[nodiscard]] std::string_view text(const TextRef& ref) const {
    return {items<char>(header().text) + ref.offset, ref.length};
  }
  [[nodiscard]] http::RegexView regex(u32 index) const {
    const FlatRegex& regex = items<FlatRegex>(header().regexes)[index];
    return http::RegexView(bytes_.subspan(header().regexBytes.offset + regex.offset, regex.length));
  }

 private:
  std::span<const u8> bytes_;
};

}  // namespace holdfast::policy
