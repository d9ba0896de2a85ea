// Compiles what the kinds of policies are made of, besides conditions and rules.
//
// Used by policy_compile.cc only. Each function checks its parts, lays them flat and returns their
// position in the section of that kind. Invariant: after a fault the position means nothing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policy/flat_policies.h"

namespace holdfast::policy {

using KindFaults = std::vector<std::pair<PolicyFaultKind, std::string>>;

// `entry` is the compiled condition on the origin.
u32 addCors(const CorsParts& parts, u32 entry, FlatPolicies* flat, KindFaults* faults);
u32 addAuth(const AuthParts& parts, FlatPolicies* flat, KindFaults* faults);
u32 addSize(const SizeParts& parts, FlatPolicies* flat);
u32 addEdits(const std::vector<EditParts>& parts, FlatPolicies* flat, KindFaults* faults);
// `fault` is that of the template, if one is wrong.
u32 addLogs(const std::vector<LogParts>& parts, FlatPolicies* flat, KindFaults* faults,
            http::TemplateFault* fault);
u32 addInject(const InjectParts& parts, FlatPolicies* flat, KindFaults* faults);
u32 addGradient(const GradientParts& parts, FlatPolicies* flat, KindFaults* faults);
u32 addCompression(const CompressionParts& parts, FlatPolicies* flat, KindFaults* faults);
u32 addMirror(const MirrorParts& parts, FlatPolicies* flat, KindFaults* faults);
// `name` is what fields call the limit.
u32 addLimit(const LimitParts& parts, const std::string& name, FlatPolicies* flat,
             KindFaults* faults);

[[nodiscard]] bool isInjectValid(const InjectParts& parts);
[[nodiscard]] bool areGradientsValid(const ConcurrencyRules& rules);
[[nodiscard]] bool isMirrorValid(const MirrorParts& parts);

}  // namespace holdfast::policy
