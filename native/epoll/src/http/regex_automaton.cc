// buildRegexAutomaton: the subset construction, up to the limits of regex.h.
//
// A state is the set of instructions that wait for a byte, for the end, or have matched. The first
// state is kept apart from an equal set met later, because ^ holds only there.
// Invariant: the automaton accepts what the simulation accepts; where it would become too large or
// take too long to build, it stays empty. Control code: allocates.
#include <algorithm>
#include <map>

#include "http/regex.h"
#include "http/regex_program.h"

namespace holdfast::http {

namespace {

using Set = std::vector<u16>;  // sorted

enum class At : u8 { kBegin, kInside };

class Builder {
 public:
  explicit Builder(const RegexProgram& program)
      : program_(program), marks_(program.instructions.size()) {}

  RegexAutomaton run() {
    splitClasses();
    addState({});  // the dead one
    known_[{}] = kRegexDeadState;
    addState(closure({0}, At::kBegin));
    for (u32 state = 0; state < sets_.size() && !isFull_; ++state) fillState(state);
    if (isFull_) return {};
    automaton_.states = static_cast<u32>(sets_.size());
    for (u32 state = 0; state < automaton_.states && !isFull_; ++state) setFlags(state);
    if (isFull_) return {};
    return std::move(automaton_);
  }

 private:
  // Bytes that no instruction tells apart get one class.
  void splitClasses() {
    u32 classes = 1;
    for (const RegexInstruction& instruction : program_.instructions) {
      if (instruction.op != RegexOp::kRange && instruction.op != RegexOp::kSet) continue;
      std::map<u8, u32> moved;
      std::array<u32, 256> count{};
      std::array<u32, 256> taken{};
      for (u32 byte = 0; byte < 256; ++byte) {
        const u8 old = automaton_.classOf[byte];
        count[old]++;
        if (program_.takes(instruction, static_cast<u8>(byte))) taken[old]++;
      }
      for (u32 byte = 0; byte < 256; ++byte) {
        const u8 old = automaton_.classOf[byte];
        if (taken[old] == 0 || taken[old] == count[old]) continue;
        if (!program_.takes(instruction, static_cast<u8>(byte))) continue;
        const auto [entry, isNew] = moved.try_emplace(old, classes);
        if (isNew) ++classes;
        automaton_.classOf[byte] = static_cast<u8>(entry->second);
      }
      steps_ += 512;
      if (steps_ > kRegexDfaStepsMax) isFull_ = true;
      if (isFull_) return;
    }
    automaton_.classes = classes;
    representative_.resize(classes);
    for (u32 byte = 0; byte < 256; ++byte) {
      representative_[automaton_.classOf[byte]] = static_cast<u8>(byte);
    }
  }

  void addState(Set set) {
    sets_.push_back(std::move(set));
    const size_t size = sets_.size() * (automaton_.classes * sizeof(u16) + 1);
    if (sets_.size() > kRegexDfaStatesMax || size > kRegexDfaBytesMax) isFull_ = true;
  }

  void fillState(u32 state) {
    for (u32 kind = 0; kind < automaton_.classes && !isFull_; ++kind) {
      Set next;
      for (const u16 place : sets_[state]) {
        const RegexInstruction& instruction = program_.instructions[place];
        if (program_.takes(instruction, representative_[kind])) next.push_back(instruction.next);
      }
      Set reached = closure(next, At::kInside);
      const auto [entry, isNew] = known_.try_emplace(reached, static_cast<u16>(sets_.size()));
      if (isNew) addState(std::move(reached));
      automaton_.transitions.push_back(entry->second);
    }
  }

  // Everything that is reached without a byte and waits for something.
  Set closure(Set pending, At at) {
    Set reached;
    ++generation_;
    while (!pending.empty()) {
      const u16 place = pending.back();
      pending.pop_back();
      if (++steps_ > kRegexDfaStepsMax) isFull_ = true;
      if (isFull_ || marks_[place] == generation_) continue;
      marks_[place] = generation_;
      const RegexInstruction& instruction = program_.instructions[place];
      switch (instruction.op) {
        case RegexOp::kSplit:
          pending.push_back(instruction.other);
          pending.push_back(instruction.next);
          break;
        case RegexOp::kJump:
        case RegexOp::kSave:
          pending.push_back(instruction.next);
          break;
        case RegexOp::kBegin:
          if (at == At::kBegin) pending.push_back(instruction.next);
          break;
        default:
          reached.push_back(place);
      }
    }
    std::sort(reached.begin(), reached.end());
    return reached;
  }

  // True when the set holds a match, or reaches one at the end of the text.
  bool isAccepting(u32 state) {
    Set set = sets_[state];
    const At at = state == kRegexFirstState ? At::kBegin : At::kInside;
    // Each round passes one $ in front of another; there are no more rounds than instructions.
    for (size_t round = 0; round <= program_.instructions.size(); ++round) {
      Set behind;
      for (const u16 place : set) {
        const RegexInstruction& instruction = program_.instructions[place];
        if (instruction.op == RegexOp::kMatch) return true;
        if (instruction.op == RegexOp::kEnd) behind.push_back(instruction.next);
      }
      if (behind.empty()) return false;
      set = closure(std::move(behind), at);
    }
    return false;
  }

  void setFlags(u32 state) {
    steps_ = 0;
    u8 flags = isAccepting(state) ? kRegexAccepts : u8{0};
    const auto begin = automaton_.transitions.begin() + state * automaton_.classes;
    const bool isLoop =
        std::all_of(begin, begin + automaton_.classes, [state](u16 next) { return next == state; });
    if (flags != 0 && isLoop) flags = kRegexAccepts | kRegexAlways;
    automaton_.flags.push_back(flags);
  }

  const RegexProgram& program_;
  RegexAutomaton automaton_;
  std::vector<Set> sets_;
  std::map<Set, u16> known_;
  std::vector<u8> representative_;
  std::vector<u64> marks_;
  u64 generation_ = 0;
  u32 steps_ = 0;
  bool isFull_ = false;
};

}  // namespace

RegexAutomaton buildRegexAutomaton(const RegexProgram& program) { return Builder(program).run(); }

}  // namespace holdfast::http
