// The fields of a request as the policies of a list have changed them so far.
//
// PolicyList::check looks through it once a policy has changed a field, so that rules and keys
// behind basic-auth or headers see what those say, never what the client sent in its place.
// Invariant: what is kept from the endpoint only (credentials, the codings that a client takes) is
// still seen.
#pragma once

#include "policy/outcome.h"
#include "policy/policy_list.h"

namespace holdfast::policy {

struct EditedHeaders {
  const FieldEdits* edits = nullptr;
  http::HeaderLookup base;
};

// For http::HeaderLookup; `owner` is an EditedHeaders. O(edits) and what the base takes.
[[nodiscard]] bool findEdited(const void* owner, std::string_view name, u32 nth,
                              std::string_view* value);

}  // namespace holdfast::policy
