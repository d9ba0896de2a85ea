// compileRegex: from the tree to instructions, and from those to flat bytes.
//
// Instructions follow each other in the order of the pattern; a repetition repeats its body, so
// that counts cost instructions and the limit on those is the limit on everything. For whole
// matches the program is kept only where there is no automaton. Invariant: what leaves here passes
// RegexView::isValid.
#include <cstring>

#include "http/regex.h"
#include "http/regex_parse.h"
#include "http/regex_program.h"

namespace holdfast::http {

namespace {

// Of bodies without instructions: (?:(?:){1000}){1000} must end too.
constexpr u32 kVisitsMax = 1u << 16;

class Emitter {
 public:
  Emitter(const RegexTree& tree, RegexUse use, RegexProgram* program)
      : tree_(tree), program_(program), hasGroups_(use == RegexUse::kReplace) {}

  // False when a limit was reached; position() says where.
  bool run() {
    emit(tree_.root);
    add(RegexInstruction{});
    return !isFull_;
  }

  [[nodiscard]] u32 position() const { return position_; }

 private:
  u16 here() const { return static_cast<u16>(program_->instructions.size()); }

  // Returns the place of the new instruction; its `next` is the one behind it.
  u16 add(RegexInstruction instruction) {
    const u16 place = here();
    if (place == kRegexInstructionsMax) isFull_ = true;
    if (isFull_) return 0;
    if (instruction.op != RegexOp::kMatch) instruction.next = static_cast<u16>(place + 1);
    program_->instructions.push_back(instruction);
    return place;
  }

  u16 add(RegexOp op) {
    RegexInstruction instruction;
    instruction.op = op;
    return add(instruction);
  }

  // Sends the two ways of a split; the body is preferred unless the repetition is lazy.
  void aim(u16 split, u16 body, u16 other, bool isLazy) {
    if (isFull_) return;
    program_->instructions[split].next = isLazy ? other : body;
    program_->instructions[split].other = isLazy ? body : other;
  }

  void emit(u32 index) {
    if (isFull_) return;
    const RegexNode& node = tree_.nodes[index];
    position_ = node.position;
    if (++visits_ > kVisitsMax) isFull_ = true;
    switch (node.kind) {
      case RegexNodeKind::kEmpty:
        return;
      case RegexNodeKind::kSet:
        return emitSet(node.set);
      case RegexNodeKind::kConcat:
        for (const u32 child : node.children) emit(child);
        return;
      case RegexNodeKind::kAlternate:
        return emitAlternate(node);
      case RegexNodeKind::kRepeat:
        return emitRepeat(node);
      case RegexNodeKind::kGroup:
        return emitGroup(node);
      case RegexNodeKind::kBegin:
        add(RegexOp::kBegin);
        return;
      case RegexNodeKind::kEnd:
        add(RegexOp::kEnd);
        return;
    }
  }

  void emitSet(const ByteSet& set) {
    RegexInstruction instruction;
    u32 low = 0;
    while (low < 256 && !set.has(static_cast<u8>(low))) ++low;
    u32 high = low;
    while (high < 255 && set.has(static_cast<u8>(high + 1))) ++high;
    ByteSet range;
    if (low < 256) range.addRange(low, high);
    if (low < 256 && range == set) {
      instruction.op = RegexOp::kRange;
      instruction.low = static_cast<u8>(low);
      instruction.high = static_cast<u8>(high);
    } else {
      instruction.op = RegexOp::kSet;
      instruction.other = setIndex(set);
    }
    add(instruction);
  }

  u16 setIndex(const ByteSet& set) {
    std::vector<ByteSet>& sets = program_->sets;
    for (size_t i = 0; i < sets.size(); ++i) {
      if (sets[i] == set) return static_cast<u16>(i);
    }
    sets.push_back(set);
    return static_cast<u16>(sets.size() - 1);
  }

  void emitAlternate(const RegexNode& node) {
    std::vector<u16> ends;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const bool isLast = i + 1 == node.children.size();
      const u16 split = isLast ? u16{0} : add(RegexOp::kSplit);
      const u16 body = here();
      emit(node.children[i]);
      if (isLast || isFull_) break;
      ends.push_back(add(RegexOp::kJump));
      aim(split, body, here(), false);
    }
    if (isFull_) return;
    for (const u16 end : ends) program_->instructions[end].next = here();
  }

  void emitRepeat(const RegexNode& node) {
    const u32 body = node.children[0];
    const bool isEndless = node.max == kRegexNoLimit;
    // The last of the required ones carries the loop of an endless repetition.
    const u32 plain = isEndless && node.min > 0 ? node.min - 1 : node.min;
    for (u32 i = 0; i < plain && !isFull_; ++i) emit(body);
    if (isEndless && node.min > 0) return emitPlus(body, node.isLazy);
    if (isEndless) return emitStar(body, node.isLazy);
    std::vector<u16> splits;
    for (u32 i = node.min; i < node.max && !isFull_; ++i) {
      splits.push_back(add(RegexOp::kSplit));
      emit(body);
    }
    for (const u16 split : splits) aim(split, static_cast<u16>(split + 1), here(), node.isLazy);
  }

  void emitPlus(u32 body, bool isLazy) {
    const u16 first = here();
    emit(body);
    const u16 split = add(RegexOp::kSplit);
    aim(split, first, here(), isLazy);
  }

  void emitStar(u32 body, bool isLazy) {
    const u16 split = add(RegexOp::kSplit);
    const u16 first = here();
    emit(body);
    const u16 jump = add(RegexOp::kJump);
    if (isFull_) return;
    program_->instructions[jump].next = split;
    aim(split, first, here(), isLazy);
  }

  void emitGroup(const RegexNode& node) {
    if (!hasGroups_) return emit(node.children[0]);
    RegexInstruction save;
    save.op = RegexOp::kSave;
    save.low = static_cast<u8>(2 * node.group);
    add(save);
    emit(node.children[0]);
    save.low = static_cast<u8>(2 * node.group + 1);
    add(save);
  }

  const RegexTree& tree_;
  RegexProgram* program_;
  u32 visits_ = 0;
  u32 position_ = 0;
  bool hasGroups_;
  bool isFull_ = false;
};

// What every match from the beginning of the text begins with.
std::string literalOf(const RegexProgram& program) {
  std::string literal;
  u16 at = 0;
  while (true) {
    const RegexInstruction& instruction = program.instructions[at];
    const bool isPlain = instruction.op == RegexOp::kSave || instruction.op == RegexOp::kBegin;
    const bool isByte = instruction.op == RegexOp::kRange && instruction.low == instruction.high;
    if (!isPlain && !isByte) return literal;
    if (isByte) literal.push_back(static_cast<char>(instruction.low));
    at = instruction.next;
  }
}

template <typename T>
void store(std::vector<u8>* bytes, size_t offset, const std::vector<T>& items) {
  if (!items.empty()) std::memcpy(bytes->data() + offset, items.data(), items.size() * sizeof(T));
}

std::vector<u8> layFlat(const RegexProgram& program, const RegexAutomaton& automaton) {
  RegexHeader header;
  header.instructions = static_cast<u16>(program.instructions.size());
  header.sets = static_cast<u16>(program.sets.size());
  header.groups = static_cast<u16>(program.groups);
  header.states = static_cast<u16>(automaton.states);
  header.classes = static_cast<u16>(automaton.states == 0 ? 0 : automaton.classes);
  const RegexPlan plan(header);
  header.bytes = static_cast<u32>(plan.bytes);
  std::vector<u8> bytes(plan.bytes);
  std::memcpy(bytes.data(), &header, sizeof(header));
  store(&bytes, plan.instructions, program.instructions);
  store(&bytes, plan.sets, program.sets);
  if (automaton.states != 0) {
    std::memcpy(bytes.data() + plan.classOf, automaton.classOf.data(), 256);
    store(&bytes, plan.transitions, automaton.transitions);
    store(&bytes, plan.flags, automaton.flags);
  }
  return bytes;
}

}  // namespace

bool compileRegex(std::string_view pattern, RegexUse use, CompiledRegex* out, RegexError* error) {
  RegexTree tree;
  if (!parseRegex(pattern, &tree, error)) return false;
  RegexProgram program;
  Emitter emitter(tree, use, &program);
  if (!emitter.run()) {
    *error = RegexError{RegexFault::kTooLarge, emitter.position()};
    return false;
  }
  out->literal = literalOf(program);
  out->groups = tree.groups;
  RegexAutomaton automaton;
  if (use == RegexUse::kWhole) {
    automaton = buildRegexAutomaton(program);
    if (automaton.states != 0) program = RegexProgram{};
  } else {
    program.groups = tree.groups;
  }
  out->bytes = layFlat(program, automaton);
  return true;
}

}  // namespace holdfast::http
