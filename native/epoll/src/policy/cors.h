// Cross-origin requests: what is answered to the questions of browsers, and what responses say.
//
// WHATWG Fetch 3.2: a preflight is answered here and goes no further; other requests pass, and the
// fields of their responses tell the browser whether the page may see them.
// Invariant: an origin is allowed by being repeated, or by `*` where credentials are not.
#pragma once

#include "policy/outcome.h"
#include "policy/policy_list.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

// Whose answer it is.
enum class CorsVerdict : u8 { kPasses, kAnswered, kForeign };

// kAnswered and kForeign: the outcome has the answer to a preflight.
CorsVerdict answerCors(const PolicyView& view, const FlatCors& cors, const Facts& facts,
                       http::RegexScratch* scratch, Outcome* outcome);

}  // namespace holdfast::policy
