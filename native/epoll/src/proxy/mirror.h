// MirrorPlan: the copies that are to be made of a request, until it is whole.
//
// Policies ask for copies (holdfast/mirror); the exchange of the request has the plan, which gets
// its head as an endpoint gets it and its content as it comes. When the request is whole each copy
// becomes a tunnel of its own, without a client (http_mirror.cc), and the plan goes.
// Invariant: its bytes count against the memory cap, and none of them is the request's own.
#pragma once

#include <string_view>
#include <type_traits>

#include "runtime/base.h"
#include "runtime/chunk.h"

#include "policy/outcome.h"

namespace holdfast::proxy {

// Copies under way in a shard. Others are not made.
inline constexpr u32 kMirrorsMax = 1024;
// Content of a response to a copy that is read and dropped; a longer one is cut off.
inline constexpr u64 kMirrorAnswerBytesMax = 1024 * 1024;
// How long a copy may take where neither its filter nor the route of its request says.
inline constexpr u32 kMirrorTimeoutMs = 30'000;

// What tells a copy from its request; requests that have it are not copied again.
inline constexpr std::string_view kMirrorField = "x-holdfast-mirror";
// Put in front of the empty line that ends a head.
inline constexpr std::string_view kMirrorLine = "x-holdfast-mirror: 1\r\n\r\n";

struct MirrorPlan {
  ChunkChain bytes;  // as much of the copy as has come
  u32 count = 0;
  policy::MirrorParts targets[policy::kMirrorsOfRequestMax] = {};
};
static_assert(std::is_trivially_destructible_v<MirrorPlan> && sizeof(MirrorPlan) % 8 == 0);

}  // namespace holdfast::proxy
