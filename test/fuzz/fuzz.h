// What the fuzz targets share: a source of choices taken from the input, and a hard check.
//
// A target is one function, LLVMFuzzerTestOneInput, linked with the mutation loop (mutate_main.cc)
// or with libFuzzer. Invariant: a target depends on its input only, so that any finding can be
// replayed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "runtime/base.h"

// Always on, whatever the build: a broken property ends the run, which keeps the input.
#define FUZZ_CHECK(condition)                                                                     \
  ((condition)                                                                                    \
       ? (void)0                                                                                  \
       : (std::fprintf(stderr, "property broken: %s at %s:%d\n", #condition, __FILE__, __LINE__), \
          std::abort()))

namespace holdfast::fuzz {

// Reads choices from the front of the input; zeros when it is used up.
class Choices {
 public:
  explicit Choices(std::span<const u8> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool isAtEnd() const { return position_ == bytes_.size(); }
  [[nodiscard]] std::span<const u8> rest() const { return bytes_.subspan(position_); }

  u8 takeU8() { return isAtEnd() ? u8{0} : bytes_[position_++]; }
  u16 takeU16() { return static_cast<u16>(takeU8() << 8 | takeU8()); }
  u32 takeU32() { return u32{takeU16()} << 16 | takeU16(); }

  std::span<const u8> take(size_t count) {
    const size_t length = count < bytes_.size() - position_ ? count : bytes_.size() - position_;
    position_ += length;
    return bytes_.subspan(position_ - length, length);
  }

 private:
  std::span<const u8> bytes_;
  size_t position_ = 0;
};

}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length);
