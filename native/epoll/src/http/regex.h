// Regular expressions for routes and rewrites: linear in the text, bounded at load.
//
// compileRegex runs on the main thread, refuses what it does not know with its position, and gives
// flat bytes: a deterministic automaton where it stays small, else a program for a simulation in
// lock step (Thompson, Pike). RegexView reads those bytes in place, on any thread.
// Invariant: no backtracking. A match takes at most four steps for each byte and instruction, and a
// view that isValid accepted never leaves its bytes. Matching allocates nothing: what it needs is
// in a RegexScratch of the shard.
// Bytes, not characters; the syntax is documented at compileRegex.
#pragma once

#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base.h"

namespace holdfast::http {

inline constexpr size_t kRegexPatternMax = 1024;
inline constexpr u32 kRegexInstructionsMax = 1024;  // a{1000} fits, what multiplies it does not
inline constexpr u32 kRegexRepeatMax = 1000;
inline constexpr u32 kRegexGroupsMax = 9;    // as many as \1 to \9 can name
inline constexpr u32 kRegexNestingMax = 32;  // groups in groups; the parser recurses as deep
inline constexpr u32 kRegexSlotsMax = 2 * (kRegexGroupsMax + 1);
// Texts are paths, queries and header values; longer ones match nothing.
inline constexpr size_t kRegexTextMax = 0xfffe;
// At each place of the text: a thread steps, enters the next list, and follows two ways of a split.
inline constexpr u32 kRegexStepsPerInstruction = 4;
// An automaton beyond these is not kept; the program is simulated instead.
inline constexpr u32 kRegexDfaStatesMax = 256;
inline constexpr size_t kRegexDfaBytesMax = 32768;
inline constexpr u32 kRegexDfaStepsMax = 1u << 18;  // spent on building it

enum class RegexFault : u8 {
  kNone,
  kTooLong,
  kNotUtf8,
  kControlByte,
  kEscape,
  kEscapeEnd,
  kUnescaped,
  kClassOpen,
  kClassRange,
  kClassForm,
  kGroupOpen,
  kGroupClose,
  kGroupForm,
  kGroupsMany,
  kNesting,
  kRepeatNothing,
  kRepeatTwice,
  kRepeatForm,
  kRepeatCount,
  kTooLarge,
  kCount,
};
// What to tell the user, behind "at position N: ".
inline constexpr const char* kRegexFaultTexts[] = {
    "none",
    "the pattern has more than 1024 bytes",
    "not UTF-8",
    "a control byte: write \\n, \\t or \\xHH",
    "an escape that is not supported (see the syntax of regular expressions)",
    "a backslash at the end",
    "a closing bracket or brace that closes nothing: write \\] or \\}",
    "a [ that is not closed",
    "a range whose ends are not single bytes in order",
    "POSIX classes and bytes outside ASCII are not supported in [...]",
    "a ( that is not closed",
    "a ) that closes nothing",
    "only (...), (?:...) and a leading (?i) are supported, no look-around and no names",
    "more than 9 groups: use (?:...)",
    "more than 32 groups in each other",
    "nothing to repeat",
    "a repetition of a repetition: use a group",
    "a { that begins no {n}, {n,} or {n,m}: write \\{",
    "counts must be in order and at most 1000",
    "too large: more than 1024 instructions",
};
static_assert(std::size(kRegexFaultTexts) == static_cast<size_t>(RegexFault::kCount));

struct RegexError {
  RegexFault fault = RegexFault::kNone;
  u32 position = 0;  // in bytes
};

enum class RegexUse : u8 {
  kWhole,    // matchesWhole only; groups do not cost anything
  kReplace,  // find, with groups
};

struct CompiledRegex {
  std::vector<u8> bytes;  // to be kept at a multiple of 8
  std::string literal;    // what every whole match begins with
  u32 groups = 0;
};

// Compiles a pattern. On failure `error` says what and where. Control code: allocates, O(pattern
// times its counts), bounded by the limits above.
//
// Syntax: literal characters; `.` any byte; [abc], [a-z], [^...] over bytes; \d \D \w \W \s \S
// (ASCII, inside brackets too); \t \n \r \f \v \xHH; a backslash before punctuation; groups (...)
// and (?:...); a|b; * + ? {n} {n,} {n,m}, each lazy with ? behind it; ^ and $ for the ends of the
// text; (?i) at the very front for ASCII letters in any case. A leftmost match prefers like Perl.
// Refused: back-references, look-around, names, possessive forms, \b, \A, \z, \p, flags elsewhere.
[[nodiscard]] bool compileRegex(std::string_view pattern, RegexUse use, CompiledRegex* out,
                                RegexError* error);

// Where the groups of a match lie: [2n] begins and [2n + 1] ends group n, group 0 is the match.
inline constexpr u16 kRegexNoPosition = 0xffff;
struct RegexGroups {
  u16 slots[kRegexSlotsMax];

  [[nodiscard]] std::string_view of(u32 group, std::string_view text) const {
    const u16 begin = slots[2 * group];
    const u16 end = slots[2 * group + 1];
    if (begin == kRegexNoPosition || end == kRegexNoPosition) return {};
    return text.substr(begin, size_t{end} - begin);
  }
};

// The room a simulation works in. One per shard, about 100 KiB; the contents do not matter.
class RegexScratch {
 public:
  // Instructions looked at since the beginning: what tests bound instead of time.
  [[nodiscard]] u64 steps() const { return steps_; }

 private:
  friend class RegexSimulation;

  struct List {
    u32 count;
    u16 instructions[kRegexInstructionsMax];
    u16 slots[kRegexInstructionsMax][kRegexSlotsMax];
  };
  // An instruction to go on at, or a slot to set back.
  struct Pending {
    u16 instruction;
    u16 slot;
    u16 value;
  };

  List lists_[2];
  u64 marks_[kRegexInstructionsMax] = {};  // the generation that reached an instruction last
  u64 generation_ = 0;
  u64 steps_ = 0;
  Pending pending_[2 * kRegexInstructionsMax + 1];
};

inline constexpr size_t kRegexScratchBytesMax = 112 * 1024;
static_assert(sizeof(RegexScratch) <= kRegexScratchBytesMax);

// Reads a compiled expression. A value; borrows the bytes.
class RegexView {
 public:
  explicit RegexView(std::span<const u8> bytes) : bytes_(bytes) {}

  // True when matching stays inside the bytes and ends, whoever made them. O(bytes).
  [[nodiscard]] bool isValid() const;

  // True when the whole text matches. O(text) with an automaton, else O(text * instructions).
  [[nodiscard]] bool matchesWhole(std::string_view text, RegexScratch* scratch) const;

  // Finds the leftmost match at or behind `from`. Needs RegexUse::kReplace.
  [[nodiscard]] bool find(std::string_view text, size_t from, RegexScratch* scratch,
                          RegexGroups* groups) const;

  [[nodiscard]] u32 instructionCount() const;
  [[nodiscard]] u32 groupCount() const;
  [[nodiscard]] bool hasAutomaton() const;

 private:
  std::span<const u8> bytes_;
};

}  // namespace holdfast::http
