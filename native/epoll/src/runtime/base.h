// The vocabulary types of the native core: Handle, Status, IoResult, and the assertions.
//
// Everything here is a value: trivially copyable, no virtuals, no allocation. Layers above include
// this file and nothing else to speak about failure.
// Invariant: peer input never reaches an assertion; assertions document programming errors only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace holdfast {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

[[noreturn]] inline void assertFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "holdfast: assertion failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

// HF_ASSERT stays on in every build: it guards state shared by many connections.
#define HF_ASSERT(condition)                                                                    \
  (__builtin_expect(!(condition), 0) ? ::holdfast::assertFailed(#condition, __FILE__, __LINE__) \
                                     : (void)0)

// HF_DASSERT is on in debug, sanitizer and fuzz builds: it may cost time on the path.
#if defined(HF_DEBUG)
#define HF_DASSERT(condition) HF_ASSERT(condition)
#else
#define HF_DASSERT(condition) ((void)0)
#endif

// For large stack arrays on the path that are written before they are read: the build zeroes every
// automatic variable otherwise.
#define HF_UNINITIALIZED __attribute__((uninitialized))

inline constexpr u32 kNoIndex = 0xffffffffu;

// Names a pool slot across loop turns. A handle whose generation no longer matches the slot is
// stale and resolves to nothing, so a late event can never reach the slot's next owner.
struct Handle {
  u32 index = kNoIndex;
  u32 generation = 0;

  [[nodiscard]] constexpr bool isNone() const { return index == kNoIndex; }
  [[nodiscard]] constexpr u64 pack() const { return (u64{generation} << 32) | index; }
  [[nodiscard]] static constexpr Handle unpack(u64 bits) {
    return Handle{static_cast<u32>(bits), static_cast<u32>(bits >> 32)};
  }
  friend constexpr bool operator==(const Handle&, const Handle&) = default;
};
static_assert(sizeof(Handle) == 8);

// The outcome of an operation that yields no value: zero, or the errno that explains the failure.
struct [[nodiscard]] Status {
  i32 sysErrno = 0;

  [[nodiscard]] constexpr bool isOk() const { return sysErrno == 0; }
  static constexpr Status ok() { return Status{}; }
  static constexpr Status fromErrno(int value) { return Status{value}; }
};

// The outcome of one read or write. `again` and `eof` are ordinary events, not errors.
struct [[nodiscard]] IoResult {
  enum class Kind : u8 { kDone, kAgain, kEof, kFailed };

  Kind kind = Kind::kDone;
  i32 sysErrno = 0;  // with kFailed
  size_t bytes = 0;  // with kDone

  static constexpr IoResult done(size_t n) { return IoResult{Kind::kDone, 0, n}; }
  static constexpr IoResult again() { return IoResult{Kind::kAgain, 0, 0}; }
  static constexpr IoResult eof() { return IoResult{Kind::kEof, 0, 0}; }
  static constexpr IoResult failed(int value) { return IoResult{Kind::kFailed, value, 0}; }
};

}  // namespace holdfast
