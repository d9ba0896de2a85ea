// Section by section, in the order of the header; each struct has one function that judges it.
#include "policy/policy_check.h"

#include <bit>
#include <cstring>

#include "codec/log_field.h"
#include "codec/sha256.h"
#include "http/template.h"
#include "runtime/board.h"

#include "policy/key_hash.h"
#include "policy/kinds_compile.h"
#include "policy/policy_layout.h"

namespace holdfast::policy {
namespace {

constexpr u32 kBitsOf4 = 32;
constexpr u32 kBitsOf6 = 128;

class Checker : http::FlatTable<PolicyHeader> {
 public:
  explicit Checker(std::span<const u8> bytes) : FlatTable(bytes) {}

  bool run() {
    if (!takeHeader(kPolicyMagic, kPolicyVersion, kPolicyBytesMax)) return false;
    return hasSections() && hasConditions() && hasRules() && hasKinds() && hasPolicies();
  }

 private:
  [[nodiscard]] bool hasSections() const {
    return header_.policies.count <= kPoliciesMax && header_.steps.count < kHolds &&
           lies<FlatPolicy>(header_.policies) && lies<FlatStep>(header_.steps) &&
           lies<FlatMatcher>(header_.matchers) && lies<TextRef>(header_.texts) &&
           lies<FlatAddressSet>(header_.addressSets) && lies<FlatRange4>(header_.ranges4) &&
           lies<FlatRange6>(header_.ranges6) && lies<FlatRbac>(header_.rbacs) &&
           lies<FlatRule>(header_.rules) && lies<FlatDimension>(header_.dimensions) &&
           lies<FlatKey>(header_.keys) && lies<FlatNet4>(header_.nets4) &&
           lies<FlatNet6>(header_.nets6) && lies<u32>(header_.candidates) &&
           lies<FlatSlot>(header_.slots) && lies<u32>(header_.lengths) &&
           lies<FlatCors>(header_.cors) && lies<FlatAuth>(header_.auths) &&
           lies<FlatUser>(header_.users) && lies<FlatSize>(header_.sizes) &&
           lies<Range>(header_.editLists) && lies<FlatEdit>(header_.edits) &&
           lies<InjectParts>(header_.injects) && lies<ConcurrencyRules>(header_.gradients) &&
           lies<Range>(header_.logLists) && lies<FlatLog>(header_.logs) &&
           lies<FlatCompression>(header_.compressions) && lies<MirrorParts>(header_.mirrors) &&
           lies<FlatLimit>(header_.limits) && lies<FlatKeyPart>(header_.keyParts) &&
           lies<FlatRegex>(header_.regexes) && lies<u8>(header_.regexBytes) &&
           lies<u8>(header_.text);
  }

  [[nodiscard]] bool isEntry(u32 entry) const {
    return entry >= kHolds || entry < header_.steps.count;
  }
  // Links lead to the front only.
  [[nodiscard]] static bool isAncestor(u32 ancestor, u32 at) {
    return ancestor == kNoIndex || ancestor < at;
  }

  [[nodiscard]] bool hasConditions() const {
    return all<FlatStep>(header_.steps,
                         [this](const FlatStep& step, u32 at) { return isStep(step, at); }) &&
           all<FlatMatcher>(header_.matchers, [this](const FlatMatcher& matcher,
                                                     u32) { return isMatcher(matcher); }) &&
           all<TextRef>(header_.texts, [this](const TextRef& text, u32) { return isText(text); }) &&
           all<FlatAddressSet>(header_.addressSets,
                               [this](const FlatAddressSet& set, u32) {
                                 return isIn(set.ranges4, header_.ranges4) &&
                                        isIn(set.ranges6, header_.ranges6);
                               }) &&
           all<FlatRegex>(header_.regexes,
                          [this](const FlatRegex& regex, u32) { return isRegex(regex); });
  }

  [[nodiscard]] bool isStep(const FlatStep& step, u32 at) const {
    const bool isDown = (step.onTrue >= kHolds || step.onTrue < at) &&
                        (step.onFalse >= kHolds || step.onFalse < at);
    if (!isDown) return false;
    switch (step.kind) {
      case TestKind::kAddress:
        return step.item < header_.addressSets.count;
      case TestKind::kText:
        return step.item < header_.matchers.count;
      case TestKind::kMethod:
      case TestKind::kTls:
        return true;
      default:
        return false;
    }
  }

  [[nodiscard]] bool isMatcher(const FlatMatcher& matcher) const {
    const bool hasRegex = matcher.kind != TextKind::kRegex || matcher.regex < header_.regexes.count;
    return matcher.source < Source::kCount && matcher.kind < TextKind::kCount && hasRegex &&
           isText(matcher.name) && isText(matcher.value) && isIn(matcher.values, header_.texts);
  }

  [[nodiscard]] bool hasRules() const {
    return all<FlatRbac>(header_.rbacs,
                         [this](const FlatRbac& rbac, u32) { return isRbac(rbac); }) &&
           all<FlatRule>(header_.rules,
                         [this](const FlatRule& rule, u32) {
                           return isText(rule.name) && isEntry(rule.entry) &&
                                  rule.action < Action::kCount && rule.isShadow <= 1;
                         }) &&
           all<FlatDimension>(header_.dimensions,
                              [this](const FlatDimension& dimension, u32) {
                                return dimension.source < Source::kCount &&
                                       isText(dimension.name) &&
                                       isIn(dimension.keys, header_.keys) &&
                                       isHash(dimension.hash, header_.keys, kPolicyTextMax);
                              }) &&
           all<FlatKey>(header_.keys,
                        [this](const FlatKey& key, u32 at) {
                          return isText(key.text) && isAncestor(key.ancestor, at) &&
                                 isIn(key.exact, header_.candidates) &&
                                 isIn(key.prefix, header_.candidates);
                        }) &&
           all<FlatNet4>(header_.nets4,
                         [this](const FlatNet4& net, u32 at) { return isNet(net, at); }) &&
           all<FlatNet6>(header_.nets6,
                         [this](const FlatNet6& net, u32 at) { return isNet(net, at); }) &&
           all<u32>(header_.candidates,
                    [this](u32 rule, u32) { return rule < header_.rules.count; });
  }

  [[nodiscard]] bool isRbac(const FlatRbac& rbac) const {
    return isIn(rbac.rules, header_.rules) && isIn(rbac.always, header_.candidates) &&
           isIn(rbac.dimensions, header_.dimensions) && isIn(rbac.nets4, header_.nets4) &&
           isIn(rbac.nets6, header_.nets6) && rbac.fallback < Action::kCount &&
           isHash(rbac.hash4, header_.nets4, kBitsOf4) &&
           isHash(rbac.hash6, header_.nets6, kBitsOf6);
  }

  // Every search comes to an empty slot, and what it finds is in `items`. A slot is of one table.
  [[nodiscard]] bool isHash(const FlatHash& hash, const Section& items, u32 lengthMax) const {
    if (!isIn(hash.slots, header_.slots) || !isIn(hash.lengths, header_.lengths)) return false;
    if (hash.slots.count == 0) return true;
    slotsSeen_ += hash.slots.count;
    if (slotsSeen_ > header_.slots.count) return false;
    if (!std::has_single_bit(hash.slots.count)) return false;
    if (hash.lengths.count > kProbedLengthsMax) return false;
    const auto* slots = reinterpret_cast<const FlatSlot*>(bytes_.data() + header_.slots.offset);
    bool hasEmpty = false;
    for (u32 i = 0; i < hash.slots.count; ++i) {
      const u32 item = slots[hash.slots.first + i].item;
      if (item == kNoIndex) hasEmpty = true;
      if (item != kNoIndex && item >= items.count) return false;
    }
    const auto* lengths = reinterpret_cast<const u32*>(bytes_.data() + header_.lengths.offset);
    u32 before = 0;
    for (u32 i = 0; i < hash.lengths.count; ++i) {
      const u32 length = lengths[hash.lengths.first + i];
      if (length < before || length > lengthMax) return false;
      before = length;
    }
    return hasEmpty;
  }

  template <typename Net>
  [[nodiscard]] bool isNet(const Net& net, u32 at) const {
    return isAncestor(net.ancestor, at) && isIn(net.candidates, header_.candidates);
  }

  [[nodiscard]] bool hasPolicies() const {
    return all<FlatPolicy>(header_.policies,
                           [this](const FlatPolicy& policy, u32) { return isPolicy(policy); }) &&
           all<FlatLimit>(header_.limits,
                          [this](const FlatLimit& limit, u32) { return isLimit(limit); }) &&
           all<FlatKeyPart>(header_.keyParts, [this](const FlatKeyPart& part, u32) {
             return part.kind < KeyKind::kCount && part.prefixBits <= 128 && isText(part.name);
           });
  }

  [[nodiscard]] bool isPolicy(const FlatPolicy& policy) const {
    const bool isPlain = policy.kind < PolicyKind::kCount && policy.phase < Phase::kCount &&
                         isText(policy.name) && policy.id < kPolicyUsesMax &&
                         policy.status <= 999 && isEntry(policy.entry);
    if (!isPlain) return false;
    return policy.item < sectionOf(policy.kind).count;
  }

  [[nodiscard]] const Section& sectionOf(PolicyKind kind) const {
    switch (kind) {
      case PolicyKind::kRateLimit:
        return header_.limits;
      case PolicyKind::kCors:
        return header_.cors;
      case PolicyKind::kBasicAuth:
        return header_.auths;
      case PolicyKind::kSizeLimit:
        return header_.sizes;
      case PolicyKind::kHeaders:
        return header_.editLists;
      case PolicyKind::kFault:
        return header_.injects;
      case PolicyKind::kConcurrency:
        return header_.gradients;
      case PolicyKind::kAccessLog:
        return header_.logLists;
      case PolicyKind::kCompression:
        return header_.compressions;
      case PolicyKind::kMirror:
        return header_.mirrors;
      default:
        return header_.rbacs;
    }
  }

  [[nodiscard]] bool hasKinds() const {
    return all<FlatCors>(header_.cors,
                         [this](const FlatCors& cors, u32) {
                           return isEntry(cors.entry) && isText(cors.methods) &&
                                  isText(cors.headers) && isText(cors.exposed) &&
                                  isText(cors.maxAge);
                         }) &&
           all<FlatAuth>(header_.auths,
                         [this](const FlatAuth& auth, u32) {
                           return isIn(auth.users, header_.users) && isText(auth.challenge) &&
                                  isText(auth.userHeader) && auth.rounds <= kPasswordRoundsMax;
                         }) &&
           all<FlatUser>(header_.users,
                         [this](const FlatUser& user, u32) {
                           return isText(user.name) && isText(user.salt) && isText(user.digest) &&
                                  user.digest.length == sizeof(codec::Sha256Digest) &&
                                  user.rounds <= kPasswordRoundsMax;
                         }) &&
           all<Range>(header_.editLists,
                      [this](const Range& range, u32) { return isIn(range, header_.edits); }) &&
           all<FlatEdit>(header_.edits,
                         [this](const FlatEdit& edit, u32) {
                           return isText(edit.name) && isText(edit.value) &&
                                  edit.kind <= http1::FieldEdit::Kind::kRemove &&
                                  edit.id < http1::FieldId::kCount;
                         }) &&
           all<InjectParts>(header_.injects,
                            [](const InjectParts& inject, u32) { return isInjectValid(inject); }) &&
           all<ConcurrencyRules>(header_.gradients, [](const ConcurrencyRules& rules,
                                                       u32) { return areGradientsValid(rules); }) &&
           all<Range>(header_.logLists,
                      [this](const Range& range, u32) { return isIn(range, header_.logs); }) &&
           all<FlatLog>(header_.logs,
                        [this](const FlatLog& log, u32) {
                          return isText(log.name) && isText(log.value) && isLogValid(log);
                        }) &&
           all<FlatCompression>(
               header_.compressions,
               [this](const FlatCompression& each, u32) { return isCompression(each); }) &&
           all<MirrorParts>(header_.mirrors,
                            [](const MirrorParts& mirror, u32) { return isMirrorValid(mirror); });
  }

  [[nodiscard]] bool isLogValid(const FlatLog& log) const {
    const auto* text = reinterpret_cast<const char*>(bytes_.data()) + header_.text.offset;
    return codec::isLogFieldName({text + log.name.offset, log.name.length}) &&
           http::isTemplateValid({text + log.value.offset, log.value.length});
  }

  [[nodiscard]] bool isCompression(const FlatCompression& compression) const {
    if (compression.codingCount > codec::kContentCodings || !isText(compression.types)) {
      return false;
    }
    for (u32 i = 0; i < compression.codingCount; ++i) {
      if (compression.codings[i] >= codec::ContentCoding::kCount) return false;
    }
    return compression.level < codec::CodingLevel::kCount;
  }

  [[nodiscard]] bool isLimit(const FlatLimit& limit) const {
    BucketRate rate;
    return makeBucketRate(limit.count, limit.periodMs, limit.burst, &rate) &&
           rate.ticksPerToken == limit.rate.ticksPerToken &&
           rate.depthTicks == limit.rate.depthTicks && limit.counted < Counted::kCount &&
           limit.directions >= 1 && limit.directions <= kBothDirections &&
           isIn(limit.by, header_.keyParts) && isText(limit.quota);
  }

  mutable u64 slotsSeen_ = 0;
};

}  // namespace

bool isPolicyTable(std::span<const u8> bytes) { return Checker(bytes).run(); }

}  // namespace holdfast::policy
