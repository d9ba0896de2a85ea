// alternation := concat ('|' concat)*; concat := (atom repetition?)*; atom := literal, '.', class,
// escape, anchor or group. Each function leaves the cursor behind what it took, or has failed.
#include "http/regex_parse.h"

#include <cstring>
#include <utility>

#include "codec/utf8.h"

namespace holdfast::http {

namespace {

constexpr u32 kNoNode = 0xffffffffu;

ByteSet digits() {
  ByteSet set;
  set.addRange('0', '9');
  return set;
}

ByteSet wordBytes() {
  ByteSet set = digits();
  set.addRange('a', 'z');
  set.addRange('A', 'Z');
  set.add('_');
  return set;
}

ByteSet blanks() {
  ByteSet set;
  for (const char byte : {' ', '\t', '\n', '\r', '\f', '\v'}) set.add(static_cast<u8>(byte));
  return set;
}

ByteSet inverted(ByteSet set) {
  set.invert();
  return set;
}

bool isPunctuation(char byte) {
  return byte > ' ' && byte < 0x7f && !wordBytes().has(static_cast<u8>(byte));
}

int hexValue(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

// A byte, or a set of them: what one place of a class or of a pattern says.
struct Piece {
  ByteSet set;
  bool isByte = false;
  u8 byte = 0;
};

class Parser {
 public:
  Parser(std::string_view pattern, RegexTree* tree) : pattern_(pattern), tree_(tree) {}

  RegexError run() {
    if (pattern_.size() > kRegexPatternMax) fail(RegexFault::kTooLong, kRegexPatternMax);
    checkBytes();
    if (!hasFailed() && pattern_.starts_with("(?i)")) {
      isCaseFree_ = true;
      at_ = 4;
    }
    if (!hasFailed()) tree_->root = parseAlternation(0);
    if (!hasFailed() && at_ < pattern_.size()) fail(RegexFault::kGroupClose, at_);
    tree_->groups = groups_;
    return error_;
  }

 private:
  [[nodiscard]] bool hasFailed() const { return error_.fault != RegexFault::kNone; }
  [[nodiscard]] bool isAtEnd() const { return at_ == pattern_.size(); }
  [[nodiscard]] char peek() const { return isAtEnd() ? '\0' : pattern_[at_]; }
  [[nodiscard]] bool isNext(std::string_view text) const {
    return pattern_.substr(at_).starts_with(text);
  }

  void fail(RegexFault fault, size_t position) {
    if (!hasFailed()) error_ = RegexError{fault, static_cast<u32>(position)};
  }

  u32 add(RegexNode node, size_t position) {
    node.position = static_cast<u32>(position);
    tree_->nodes.push_back(std::move(node));
    return static_cast<u32>(tree_->nodes.size() - 1);
  }

  u32 addSet(ByteSet set, size_t position) {
    RegexNode node;
    node.kind = RegexNodeKind::kSet;
    node.set = set;
    return add(std::move(node), position);
  }

  // Control bytes would not be seen in a message; the rest must be text.
  void checkBytes() {
    codec::Utf8State state = codec::Utf8State::kAccept;
    for (size_t i = 0; i < pattern_.size() && !hasFailed(); ++i) {
      const u8 byte = static_cast<u8>(pattern_[i]);
      state = codec::stepUtf8(state, byte);
      if (state == codec::Utf8State::kReject) fail(RegexFault::kNotUtf8, i);
      if (byte < ' ' || byte == 0x7f) fail(RegexFault::kControlByte, i);
    }
    if (state != codec::Utf8State::kAccept) fail(RegexFault::kNotUtf8, pattern_.size());
  }

  u32 parseAlternation(u32 depth) {
    const size_t begin = at_;
    RegexNode node;
    node.kind = RegexNodeKind::kAlternate;
    node.children.push_back(parseConcat(depth));
    while (!hasFailed() && peek() == '|') {
      ++at_;
      node.children.push_back(parseConcat(depth));
    }
    return node.children.size() == 1 ? node.children[0] : add(std::move(node), begin);
  }

  u32 parseConcat(u32 depth) {
    const size_t begin = at_;
    RegexNode node;
    node.kind = RegexNodeKind::kConcat;
    while (!hasFailed() && !isAtEnd() && peek() != '|' && peek() != ')') {
      const size_t position = at_;
      const u32 atom = parseAtom(depth);
      if (!hasFailed()) node.children.push_back(parseRepeat(atom, position));
    }
    if (node.children.empty()) node.kind = RegexNodeKind::kEmpty;
    return node.children.size() == 1 ? node.children[0] : add(std::move(node), begin);
  }

  u32 parseAtom(u32 depth) {
    const size_t begin = at_;
    const char byte = peek();
    switch (byte) {
      case '(':
        return parseGroup(depth);
      case '[':
        return parseClass();
      case '^':
      case '$': {
        ++at_;
        RegexNode node;
        node.kind = byte == '^' ? RegexNodeKind::kBegin : RegexNodeKind::kEnd;
        return add(std::move(node), begin);
      }
      case '.':
        ++at_;
        return addSet(inverted(ByteSet{}), begin);
      case '*':
      case '+':
      case '?':
        fail(RegexFault::kRepeatNothing, begin);
        return kNoNode;
      case '{':
        fail(RegexFault::kRepeatForm, begin);
        return kNoNode;
      case ']':
      case '}':
        fail(RegexFault::kUnescaped, begin);
        return kNoNode;
      case '\\':
        return addSet(parseEscape().set, begin);
      default:
        return parseLiteral();
    }
  }

  // One character; its bytes stay together under a repetition.
  u32 parseLiteral() {
    const size_t begin = at_;
    RegexNode node;
    node.kind = RegexNodeKind::kConcat;
    do {
      const size_t position = at_;
      const u8 byte = static_cast<u8>(pattern_[at_++]);
      node.children.push_back(addSet(pieceOf(byte).set, position));
    } while (!isAtEnd() && (static_cast<u8>(pattern_[at_]) & 0xc0) == 0x80);
    return node.children.size() == 1 ? node.children[0] : add(std::move(node), begin);
  }

  [[nodiscard]] Piece pieceOf(u8 byte) const {
    Piece piece;
    piece.isByte = true;
    piece.byte = byte;
    piece.set.add(byte);
    if (isCaseFree_) addOtherCase(byte, &piece.set);
    return piece;
  }

  static void addOtherCase(u8 byte, ByteSet* set) {
    const u8 folded = static_cast<u8>(byte | 0x20);
    if (folded < 'a' || folded > 'z') return;
    set->add(folded);
    set->add(static_cast<u8>(folded & 0xdf));
  }

  Piece parseEscape() {
    const size_t begin = at_++;
    if (isAtEnd()) {
      fail(RegexFault::kEscapeEnd, begin);
      return {};
    }
    const char byte = pattern_[at_++];
    switch (byte) {
      case 'd':
        return {digits()};
      case 'D':
        return {inverted(digits())};
      case 'w':
        return {wordBytes()};
      case 'W':
        return {inverted(wordBytes())};
      case 's':
        return {blanks()};
      case 'S':
        return {inverted(blanks())};
      case 't':
        return pieceOf('\t');
      case 'n':
        return pieceOf('\n');
      case 'r':
        return pieceOf('\r');
      case 'f':
        return pieceOf('\f');
      case 'v':
        return pieceOf('\v');
      case 'x':
        return parseHex(begin);
      default:
        if (!isPunctuation(byte)) fail(RegexFault::kEscape, begin);
        return pieceOf(static_cast<u8>(byte));
    }
  }

  Piece parseHex(size_t begin) {
    const int high = at_ < pattern_.size() ? hexValue(pattern_[at_]) : -1;
    const int low = at_ + 1 < pattern_.size() ? hexValue(pattern_[at_ + 1]) : -1;
    if (high < 0 || low < 0) {
      fail(RegexFault::kEscape, begin);
      return {};
    }
    at_ += 2;
    return pieceOf(static_cast<u8>(high << 4 | low));
  }

  u32 parseClass() {
    const size_t begin = at_++;
    const bool isInverted = peek() == '^';
    if (isInverted) ++at_;
    ByteSet set;
    bool isFirst = true;
    while (!hasFailed() && (peek() != ']' || isFirst)) {
      if (isAtEnd()) {
        fail(RegexFault::kClassOpen, begin);
        return kNoNode;
      }
      parseClassItem(&set);
      isFirst = false;
    }
    ++at_;
    if (isInverted) set.invert();
    return addSet(set, begin);
  }

  void parseClassItem(ByteSet* set) {
    const size_t begin = at_;
    const Piece low = parseClassByte();
    if (hasFailed()) return;
    const bool isRange = peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
    if (!isRange) {
      set->addAll(low.set);
      return;
    }
    ++at_;
    const Piece high = parseClassByte();
    if (hasFailed()) return;
    if (!low.isByte || !high.isByte || low.byte > high.byte) {
      return fail(RegexFault::kClassRange, begin);
    }
    for (u32 byte = low.byte; byte <= high.byte; ++byte) {
      set->addAll(pieceOf(static_cast<u8>(byte)).set);
    }
  }

  Piece parseClassByte() {
    if (peek() == '\\') return parseEscape();
    const u8 byte = static_cast<u8>(pattern_[at_]);
    if (byte >= 0x80 || isNext("[:") || isNext("[.") || isNext("[=")) {
      fail(RegexFault::kClassForm, at_);
    }
    ++at_;
    return pieceOf(byte);
  }

  u32 parseGroup(u32 depth) {
    const size_t begin = at_++;
    RegexNode node;
    node.kind = RegexNodeKind::kGroup;
    if (depth == kRegexNestingMax) fail(RegexFault::kNesting, begin);
    if (isNext("?:")) {
      at_ += 2;
    } else if (peek() == '?') {
      fail(RegexFault::kGroupForm, begin);
    } else if (groups_ == kRegexGroupsMax) {
      fail(RegexFault::kGroupsMany, begin);
    } else {
      node.group = ++groups_;
    }
    if (hasFailed()) return kNoNode;
    const u32 inner = parseAlternation(depth + 1);
    if (hasFailed()) return kNoNode;
    if (peek() != ')') {
      fail(RegexFault::kGroupOpen, begin);
      return kNoNode;
    }
    ++at_;
    if (node.group == 0) return inner;
    node.children.push_back(inner);
    return add(std::move(node), begin);
  }

  // Puts a repetition around the atom that began at `position`, when one follows.
  u32 parseRepeat(u32 atom, size_t position) {
    RegexNode node;
    node.kind = RegexNodeKind::kRepeat;
    if (!takeCounts(&node)) return atom;
    const RegexNodeKind kind = tree_->nodes[atom].kind;
    if (kind == RegexNodeKind::kBegin || kind == RegexNodeKind::kEnd) {
      fail(RegexFault::kRepeatNothing, position);
    }
    if (peek() == '?') {
      node.isLazy = true;
      ++at_;
    }
    if (!isAtEnd() && std::strchr("*+?{", peek()) != nullptr) fail(RegexFault::kRepeatTwice, at_);
    node.children.push_back(atom);
    return add(std::move(node), position);
  }

  bool takeCounts(RegexNode* node) {
    const char byte = peek();
    if (byte == '{') return takeBraces(node);
    if (byte != '*' && byte != '+' && byte != '?') return false;
    ++at_;
    node->min = byte == '+' ? 1 : 0;
    node->max = byte == '?' ? 1 : kRegexNoLimit;
    return true;
  }

  bool takeBraces(RegexNode* node) {
    const size_t begin = at_++;
    bool isForm = takeNumber(&node->min);
    node->max = node->min;
    if (isForm && peek() == ',') {
      ++at_;
      node->max = kRegexNoLimit;
      if (peek() != '}') isForm = takeNumber(&node->max);
    }
    if (!isForm || peek() != '}') {
      fail(RegexFault::kRepeatForm, begin);
      return false;
    }
    ++at_;
    const bool hasEnd = node->max != kRegexNoLimit;
    if (node->min > kRegexRepeatMax || (hasEnd && node->max > kRegexRepeatMax) ||
        node->max < node->min) {
      fail(RegexFault::kRepeatCount, begin);
    }
    return !hasFailed();
  }

  bool takeNumber(u32* out) {
    const size_t begin = at_;
    u32 value = 0;
    while (!isAtEnd() && digits().has(static_cast<u8>(peek()))) {
      // Beyond the limit the value no longer matters.
      if (value <= kRegexRepeatMax) value = value * 10 + static_cast<u32>(peek() - '0');
      ++at_;
    }
    *out = value;
    return at_ > begin;
  }

  std::string_view pattern_;
  RegexTree* tree_;
  RegexError error_;
  size_t at_ = 0;
  u32 groups_ = 0;
  bool isCaseFree_ = false;
};

}  // namespace

bool parseRegex(std::string_view pattern, RegexTree* tree, RegexError* error) {
  *tree = RegexTree{};
  *error = Parser(pattern, tree).run();
  return error->fault == RegexFault::kNone;
}

}  // namespace holdfast::http
