// The tables of HTTP as JavaScript reads them: `abi.http`; and the check of a template.
//
// Beside addon.cc. Invariant: bounds of latencies are the same for every histogram, so that they
// can be added up.
#pragma once

#include <napi.h>

#include <iterator>

#include "runtime/base.h"

namespace holdfast::binding {

// Bounds of the buckets that metrics show, microseconds.
inline constexpr u64 kLatencyBounds[] = {
    100,       250,        500,        1'000,      2'500,       5'000,     10'000,
    25'000,    50'000,     100'000,    250'000,    500'000,     1'000'000, 2'500'000,
    5'000'000, 10'000'000, 30'000'000, 60'000'000, 300'000'000,
};
// Quantiles that tables show.
inline constexpr u32 kLatencyPermilles[] = {500, 900, 990, 999};

Napi::Object describeHttp(Napi::Env env);

// (text, use) => null, or what is wrong: {text, position, length}.
Napi::Value checkTemplate(const Napi::CallbackInfo& info);

}  // namespace holdfast::binding
