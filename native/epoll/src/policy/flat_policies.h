// FlatPolicies: the sections of compiled policies while they are put together.
//
// Used by policy_compile.cc and kinds_compile.cc only; control code.
// Invariant: texts and patterns that are equal are kept once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_layout.h"

namespace holdfast::policy {

struct FlatPolicies {
  PolicyHeader header;
  std::vector<FlatPolicy> policies;
  std::vector<FlatStep> steps;
  std::vector<FlatMatcher> matchers;
  std::vector<TextRef> texts;
  std::vector<FlatAddressSet> addressSets;
  std::vector<FlatRange4> ranges4;
  std::vector<FlatRange6> ranges6;
  std::vector<FlatRbac> rbacs;
  std::vector<FlatRule> rules;
  std::vector<FlatDimension> dimensions;
  std::vector<FlatKey> keys;
  std::vector<FlatNet4> nets4;
  std::vector<FlatNet6> nets6;
  std::vector<u32> candidates;
  std::vector<FlatSlot> slots;
  std::vector<u32> lengths;
  std::vector<FlatCors> cors;
  std::vector<FlatAuth> auths;
  std::vector<FlatUser> users;
  std::vector<FlatSize> sizes;
  std::vector<Range> editLists;
  std::vector<FlatEdit> edits;
  std::vector<InjectParts> injects;
  std::vector<ConcurrencyRules> gradients;
  std::vector<Range> logLists;
  std::vector<FlatLog> logs;
  std::vector<FlatCompression> compressions;
  std::vector<MirrorParts> mirrors;
  std::vector<FlatLimit> limits;
  std::vector<FlatKeyPart> keyParts;
  std::vector<FlatRegex> regexes;
  std::vector<u8> regexBytes;
  std::vector<u8> text;

  TextRef addText(std::string_view added);
  // kNoIndex, and an error, when it is none.
  u32 addRegex(const std::string& pattern, http::RegexError* error);

  // Bytes so far, roughly.
  [[nodiscard]] u64 size() const { return text.size() + regexBytes.size(); }
  // False when there are more than kPolicyBytesMax.
  [[nodiscard]] bool layFlat(std::vector<u8>* bytes);

 private:
  std::map<std::string, TextRef, std::less<>> textOf_;
  std::map<std::string, u32> regexOf_;
};

}  // namespace holdfast::policy
