// Basic authentication (RFC 7617): who a request says it is, and whether that is true.
//
// Passwords are kept as PBKDF2 digests of few rounds: a check takes microseconds and runs on the
// shard's own thread. That withstands guessing over the network; whoever has the configuration can
// guess fast, so passwords are to be long and random.
// Invariant: the time of a check tells neither whether the user exists nor how much of the password
// was right, as long as all users have the same number of rounds.
#pragma once

#include "policy/outcome.h"
#include "policy/policy_list.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

inline constexpr size_t kCredentialsBytesMax = 1024;  // in base64

// True when the request proves to be of a user. Adds what the endpoint is told of it; false: the
// outcome has the challenge.
bool isKnownUser(const PolicyView& view, const FlatAuth& auth, const Facts& facts,
                 Outcome* outcome);

}  // namespace holdfast::policy
