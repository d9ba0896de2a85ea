// PolicyInput of policy-input.ts as parts of the core, and the question whether policies can be
// compiled.
//
// Runs on the main thread when a configuration changes. Invariant: what leaves here was checked for
// type and range; whether policies make sense is for compilePolicies to say, and checkPolicies
// asks.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "binding/arguments.h"

#include "policy/policy_parts.h"

namespace holdfast::binding {

// A list of PolicyInput. The first mistake goes to `problem`, named by its place under `path`.
std::vector<policy::PolicyParts> readPolicies(Napi::Value value, const std::string& path,
                                              Problem& problem);

// Native.checkPolicies.
Napi::Value checkPolicies(const Napi::CallbackInfo& info);

}  // namespace holdfast::binding
