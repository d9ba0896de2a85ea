// Integer names, the clock and the one way to give up, shared by every file of the load generator.
//
// Times are nanoseconds on CLOCK_MONOTONIC, so that stamps of two processes on one machine compare.
// Invariant: `fail` is for wrong flags and for a machine that cannot do what was asked; a peer that
// misbehaves is counted, never fatal.
#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>

namespace holdfast::loadgen {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;

inline constexpr u64 kSecondNs = 1'000'000'000;
inline constexpr u64 kMillisecondNs = 1'000'000;
inline constexpr u64 kNever = ~u64{0};

// Exit codes: wrong usage or an impossible machine, and a run that could not be carried out.
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFailed = 1;

inline u64 timeOf(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<u64>(now.tv_sec) * kSecondNs + static_cast<u64>(now.tv_nsec);
}

inline u64 nowNs() { return timeOf(CLOCK_MONOTONIC); }

// Prints one sentence to stderr and ends the process with kExitUsage.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace holdfast::loadgen
