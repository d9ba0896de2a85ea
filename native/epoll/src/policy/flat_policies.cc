// See flat_policies.h. The order of sections is that of the header.
#include "policy/flat_policies.h"

#include <cstring>

namespace holdfast::policy {
namespace {

template <typename T>
bool place(std::vector<u8>* bytes, const std::vector<T>& items, Section* section) {
  const size_t offset = (bytes->size() + 7) & ~size_t{7};
  const u64 end = offset + u64{items.size()} * sizeof(T);
  if (end > kPolicyBytesMax) return false;
  bytes->resize(end);
  if (!items.empty()) std::memcpy(bytes->data() + offset, items.data(), items.size() * sizeof(T));
  *section = {static_cast<u32>(offset), static_cast<u32>(items.size())};
  return true;
}

}  // namespace

TextRef FlatPolicies::addText(std::string_view added) {
  const auto known = textOf_.find(added);
  if (known != textOf_.end()) return known->second;
  const TextRef ref{static_cast<u32>(text.size()), static_cast<u32>(added.size())};
  text.insert(text.end(), added.begin(), added.end());
  textOf_.emplace(std::string(added), ref);
  return ref;
}

u32 FlatPolicies::addRegex(const std::string& pattern, http::RegexError* error) {
  if (const auto known = regexOf_.find(pattern); known != regexOf_.end()) return known->second;
  http::CompiledRegex compiled;
  if (!http::compileRegex(pattern, http::RegexUse::kWhole, &compiled, error)) return kNoIndex;
  const u32 position = static_cast<u32>(regexes.size());
  regexes.push_back({static_cast<u32>(regexBytes.size()), static_cast<u32>(compiled.bytes.size())});
  regexBytes.insert(regexBytes.end(), compiled.bytes.begin(), compiled.bytes.end());
  regexOf_.emplace(pattern, position);
  return position;
}

bool FlatPolicies::layFlat(std::vector<u8>* bytes) {
  bytes->assign(sizeof(header), 0);
  header.magic = kPolicyMagic;
  header.version = kPolicyVersion;
  const bool isPlaced =
      place(bytes, policies, &header.policies) && place(bytes, steps, &header.steps) &&
      place(bytes, matchers, &header.matchers) && place(bytes, texts, &header.texts) &&
      place(bytes, addressSets, &header.addressSets) && place(bytes, ranges4, &header.ranges4) &&
      place(bytes, ranges6, &header.ranges6) && place(bytes, rbacs, &header.rbacs) &&
      place(bytes, rules, &header.rules) && place(bytes, dimensions, &header.dimensions) &&
      place(bytes, keys, &header.keys) && place(bytes, nets4, &header.nets4) &&
      place(bytes, nets6, &header.nets6) && place(bytes, candidates, &header.candidates) &&
      place(bytes, slots, &header.slots) && place(bytes, lengths, &header.lengths) &&
      place(bytes, cors, &header.cors) && place(bytes, auths, &header.auths) &&
      place(bytes, users, &header.users) && place(bytes, sizes, &header.sizes) &&
      place(bytes, editLists, &header.editLists) && place(bytes, edits, &header.edits) &&
      place(bytes, injects, &header.injects) && place(bytes, gradients, &header.gradients) &&
      place(bytes, logLists, &header.logLists) && place(bytes, logs, &header.logs) &&
      place(bytes, compressions, &header.compressions) && place(bytes, mirrors, &header.mirrors) &&
      place(bytes, limits, &header.limits) && place(bytes, keyParts, &header.keyParts) &&
      place(bytes, regexes, &header.regexes) && place(bytes, regexBytes, &header.regexBytes) &&
      place(bytes, text, &header.text);
  if (!isPlaced) {
    bytes->clear();
    return false;
  }
  bytes->resize((bytes->size() + 7) & ~size_t{7});
  header.bytes = bytes->size();
  std::memcpy(bytes->data(), &header, sizeof(header));
  return true;
}

}  // namespace holdfast::policy
