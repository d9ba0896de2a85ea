// Throttle: what slows the bytes of one tunnel down, as plain data beside its record.
//
// A tunnel has one while a filter limits bytes of its connection, its request or its WebSocket, and
// its `bufferHigh` is 0 meanwhile: so a read of any other tunnel makes no test for it. The record
// is found by a side table. See throttles.cc for what is done with it.
// Invariant: a direction that waits has its tick, and the timer of its tunnel comes not after it.
#pragma once

#include "runtime/base.h"

#include "policy/policy_list.h"

namespace holdfast::proxy {

// Limits of one listener and one route.
inline constexpr u32 kThrottleHoldsMax = 2 * policy::kLimitHoldsMax;
// Who waits longer than that waits without having paid: a bucket does not owe for ever.
inline constexpr u32 kThrottleWaitMs = 30'000;

struct Throttle {
  // By the side that sends.
  struct Direction {
    u32 quantum = 0;    // bytes that are waited for at once; 0: the direction has no limit
    u32 allowance = 0;  // bytes that were paid for and not read yet
    u32 wakeTick = 0;   // reading waits until then; 0: it does not
    u32 padding = 0;
    u64 sinceNs = 0;  // it waits
  };

  Direction directions[2];
  u32 bufferHigh = 0;  // of the tunnel
  u32 count = 0;
  policy::LimitHold holds[kThrottleHoldsMax];
};
static_assert(sizeof(Throttle) % 8 == 0 && sizeof(Throttle) == 312);

}  // namespace holdfast::proxy
