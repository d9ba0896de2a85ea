// The flat form of a regular expression: header, instructions, byte sets, automaton.
//
// Shared by the compiler, the automaton builder and the reader; nobody outside the regex files
// includes it. Offsets follow from the counts in the header, so there is nothing to get wrong but
// the counts. Invariant: position-independent, little more than what the pattern says.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "runtime/base.h"

namespace holdfast::http {

enum class RegexOp : u8 {
  kRange,  // a byte of low..high, then next
  kSet,    // a byte of set `other`, then next
  kSplit,  // next, or with less preference `other`
  kJump,   // next
  kSave,   // slot `low` is here, then next
  kBegin,  // only at the beginning of the text, then next
  kEnd,    // only at its end, then next
  kMatch,
  kCount,
};

struct RegexInstruction {
  RegexOp op = RegexOp::kMatch;
  u8 low = 0;
  u8 high = 0;
  u8 padding = 0;
  u16 next = 0;
  u16 other = 0;
};
static_assert(sizeof(RegexInstruction) == 8);

// 256 bits.
struct ByteSet {
  u64 words[4] = {};

  [[nodiscard]] constexpr bool has(u8 byte) const {
    return (words[byte >> 6] >> (byte & 63) & 1) != 0;
  }
  constexpr void add(u8 byte) { words[byte >> 6] |= u64{1} << (byte & 63); }
  constexpr void addRange(u32 low, u32 high) {
    for (u32 byte = low; byte <= high; ++byte) add(static_cast<u8>(byte));
  }
  constexpr void addAll(const ByteSet& other) {
    for (size_t i = 0; i < 4; ++i) words[i] |= other.words[i];
  }
  constexpr void invert() {
    for (u64& word : words) word = ~word;
  }
  friend constexpr bool operator==(const ByteSet&, const ByteSet&) = default;
};
static_assert(sizeof(ByteSet) == 32);

struct RegexProgram {
  std::vector<RegexInstruction> instructions;
  std::vector<ByteSet> sets;
  u32 groups = 0;

  [[nodiscard]] bool takes(const RegexInstruction& at, u8 byte) const {
    if (at.op == RegexOp::kRange) return byte >= at.low && byte <= at.high;
    return at.op == RegexOp::kSet && sets[at.other].has(byte);
  }
};

// State 0 is the dead one and state 1 the first one.
inline constexpr u16 kRegexDeadState = 0;
inline constexpr u16 kRegexFirstState = 1;
inline constexpr u8 kRegexAccepts = 1;  // at the end of the text
inline constexpr u8 kRegexAlways = 2;   // whatever else follows

struct RegexAutomaton {
  u32 states = 0;   // 0: there is none
  u32 classes = 0;  // kinds of bytes that are told apart
  std::array<u8, 256> classOf{};
  std::vector<u8> flags;         // by state
  std::vector<u16> transitions;  // by state, then class
};

// Builds the automaton, or leaves it empty where a limit of regex.h is reached.
[[nodiscard]] RegexAutomaton buildRegexAutomaton(const RegexProgram& program);

struct RegexHeader {
  u32 bytes = 0;
  u16 instructions = 0;
  u16 sets = 0;
  u16 groups = 0;
  u16 states = 0;
  u16 classes = 0;  // up to 256
  u16 padding = 0;
};
static_assert(sizeof(RegexHeader) == 16);

// Where the parts lie, from the counts.
struct RegexPlan {
  size_t instructions, sets, classOf, transitions, flags, bytes;

  explicit RegexPlan(const RegexHeader& header) {
    const bool hasStates = header.states != 0;
    instructions = sizeof(RegexHeader);
    sets = instructions + size_t{header.instructions} * sizeof(RegexInstruction);
    classOf = sets + size_t{header.sets} * sizeof(ByteSet);
    transitions = classOf + (hasStates ? 256 : 0);
    flags = transitions + size_t{header.states} * header.classes * sizeof(u16);
    bytes = (flags + header.states + 7) & ~size_t{7};
  }
};

}  // namespace holdfast::http
