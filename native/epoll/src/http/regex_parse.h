// The pattern of a regular expression as a tree, or the place where it is not one.
//
// First half of compileRegex: recursive descent, as deep as groups nest and no deeper. Control
// code: it allocates. Invariant: every node of a tree stands behind its children in `nodes`, and
// sets are what the pattern says after flags, so that the second half knows no syntax. Does not
// know instructions or their limit.
#pragma once

#include <string_view>
#include <vector>

#include "http/regex.h"
#include "http/regex_program.h"

namespace holdfast::http {

enum class RegexNodeKind : u8 { kEmpty, kSet, kConcat, kAlternate, kRepeat, kGroup, kBegin, kEnd };

inline constexpr u32 kRegexNoLimit = 0xffffffffu;

struct RegexNode {
  RegexNodeKind kind = RegexNodeKind::kEmpty;
  bool isLazy = false;          // kRepeat
  ByteSet set;                  // kSet
  u32 min = 0;                  // kRepeat
  u32 max = 0;                  // kRepeat; kRegexNoLimit for no upper end
  u32 group = 0;                // kGroup, from 1
  u32 position = 0;             // in the pattern
  std::vector<u32> children{};  // in order
};

struct RegexTree {
  std::vector<RegexNode> nodes;
  u32 root = 0;
  u32 groups = 0;
};

// On failure `error` says what and where.
[[nodiscard]] bool parseRegex(std::string_view pattern, RegexTree* tree, RegexError* error);

}  // namespace holdfast::http
