// Rate limits of policies: whose bucket it is, and what a refusal says.
//
// Between PolicyList and the buckets on the board, which all shards share.
// Invariant: buckets of two uses are never the same, whatever their keys are; one use keeps its
// buckets over reloads, as long as it keeps its id.
#pragma once

#include "policy/outcome.h"
#include "policy/policy_list.h"
#include "policy/policy_view.h"

namespace holdfast::policy {

// The key of the bucket that these facts fall into.
[[nodiscard]] u64 bucketKeyOf(const PolicyView& view, const FlatPolicy& policy,
                              const FlatLimit& limit, const Facts& facts, const Board& board);

// Takes one token. False when there is none.
bool takeOne(const PolicyView& view, const FlatPolicy& policy, const Facts& facts,
             const Tools& tools, u64 nowNs, Outcome* outcome);

}  // namespace holdfast::policy
