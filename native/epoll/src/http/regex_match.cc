// RegexView: the automaton where there is one, else all threads of the program in lock step.
//
// A simulation holds one list of threads for the present byte and one for the next. Each
// instruction enters a list once, by its most preferred thread, so a list has at most as many
// threads as the program has instructions, and following splits costs as many steps again.
#include <cstring>

#include "http/regex.h"
#include "http/regex_program.h"

namespace holdfast::http {

namespace {

RegexHeader headerOf(std::span<const u8> bytes) {
  RegexHeader header;
  if (bytes.size() >= sizeof(header)) std::memcpy(&header, bytes.data(), sizeof(header));
  return header;
}

template <typename T>
const T* at(std::span<const u8> bytes, size_t offset) {
  return reinterpret_cast<const T*>(bytes.data() + offset);
}

bool isProgramValid(std::span<const u8> bytes, const RegexHeader& header, const RegexPlan& plan) {
  const auto* instructions = at<RegexInstruction>(bytes, plan.instructions);
  for (u32 i = 0; i < header.instructions; ++i) {
    const RegexInstruction& instruction = instructions[i];
    if (instruction.op >= RegexOp::kCount) return false;
    if (instruction.op != RegexOp::kMatch && instruction.next >= header.instructions) return false;
    if (instruction.op == RegexOp::kSplit && instruction.other >= header.instructions) return false;
    if (instruction.op == RegexOp::kSet && instruction.other >= header.sets) return false;
    if (instruction.op == RegexOp::kSave && instruction.low >= 2 * (header.groups + 1))
      return false;
  }
  return true;
}

bool isAutomatonValid(std::span<const u8> bytes, const RegexHeader& header, const RegexPlan& plan) {
  for (u32 byte = 0; byte < 256; ++byte) {
    if (bytes[plan.classOf + byte] >= header.classes) return false;
  }
  const auto* transitions = at<u16>(bytes, plan.transitions);
  for (size_t i = 0; i < size_t{header.states} * header.classes; ++i) {
    if (transitions[i] >= header.states) return false;
  }
  return true;
}

bool runAutomaton(std::span<const u8> bytes, const RegexHeader& header, std::string_view text) {
  const RegexPlan plan(header);
  const u8* const classOf = bytes.data() + plan.classOf;
  const u8* const flags = bytes.data() + plan.flags;
  const auto* transitions = at<u16>(bytes, plan.transitions);
  u16 state = kRegexFirstState;
  for (const char byte : text) {
    state = transitions[size_t{state} * header.classes + classOf[static_cast<u8>(byte)]];
    if (state == kRegexDeadState) return false;
    if ((flags[state] & kRegexAlways) != 0) return true;
  }
  return (flags[state] & kRegexAccepts) != 0;
}

}  // namespace

class RegexSimulation {
 public:
  enum class Kind : u8 { kWhole, kFind };

  RegexSimulation(std::span<const u8> bytes, RegexScratch* scratch, std::string_view text,
                  Kind kind)
      : scratch_(scratch), text_(text), kind_(kind) {
    const RegexHeader header = headerOf(bytes);
    const RegexPlan plan(header);
    instructions_ = at<RegexInstruction>(bytes, plan.instructions);
    sets_ = at<ByteSet>(bytes, plan.sets);
    slots_ = kind == Kind::kFind ? 2 * (header.groups + 1u) : 0;
  }

  bool run(size_t from, RegexGroups* groups) {
    RegexScratch::List* present = &scratch_->lists_[0];
    RegexScratch::List* next = &scratch_->lists_[1];
    present->count = 0;
    scratch_->generation_++;
    bool hasMatch = false;
    for (size_t position = from;; ++position) {
      const bool isStart = position == from || (kind_ == Kind::kFind && !hasMatch);
      if (isStart) start(present, position);
      if (present->count == 0 && (kind_ == Kind::kWhole || hasMatch)) break;
      scratch_->generation_++;
      next->count = 0;
      hasMatch = step(*present, next, position, groups) || hasMatch;
      if (position == text_.size() || (kind_ == Kind::kWhole && hasMatch)) break;
      std::swap(present, next);
    }
    return hasMatch;
  }

 private:
  [[nodiscard]] bool takes(const RegexInstruction& instruction, u8 byte) const {
    if (instruction.op == RegexOp::kRange) {
      return byte >= instruction.low && byte <= instruction.high;
    }
    return instruction.op == RegexOp::kSet && sets_[instruction.other].has(byte);
  }

  void start(RegexScratch::List* list, size_t position) {
    u16 slots[kRegexSlotsMax];
    for (u16& slot : slots) slot = kRegexNoPosition;
    slots[0] = static_cast<u16>(position);
    add(list, 0, position, slots);
  }

  // Moves every thread over the byte at `position`. True when a thread had matched before it.
  bool step(const RegexScratch::List& present, RegexScratch::List* next, size_t position,
            RegexGroups* groups) {
    const bool isEnd = position == text_.size();
    for (u32 i = 0; i < present.count; ++i) {
      scratch_->steps_++;
      const RegexInstruction& instruction = instructions_[present.instructions[i]];
      if (instruction.op == RegexOp::kMatch) {
        // A whole match ends with the text; other threads may still get there.
        if (kind_ == Kind::kWhole && !isEnd) continue;
        keep(present.slots[i], position, groups);
        return true;
      }
      if (isEnd || !takes(instruction, static_cast<u8>(text_[position]))) continue;
      u16 slots[kRegexSlotsMax];
      std::memcpy(slots, present.slots[i], slots_ * sizeof(u16));
      add(next, instruction.next, position + 1, slots);
    }
    return false;
  }

  void keep(const u16* slots, size_t position, RegexGroups* groups) const {
    if (groups == nullptr) return;
    for (u16& slot : groups->slots) slot = kRegexNoPosition;
    std::memcpy(groups->slots, slots, slots_ * sizeof(u16));
    groups->slots[1] = static_cast<u16>(position);
  }

  // Adds what is reached from `place` without a byte, in the order of preference.
  void add(RegexScratch::List* list, u16 place, size_t position, u16* slots) {
    RegexScratch::Pending* const pending = scratch_->pending_;
    u32 count = 0;
    pending[count++] = {place, kRegexNoPosition, 0};
    while (count > 0) {
      const RegexScratch::Pending item = pending[--count];
      if (item.slot != kRegexNoPosition) {
        slots[item.slot] = item.value;
        continue;
      }
      scratch_->steps_++;
      if (scratch_->marks_[item.instruction] == scratch_->generation_) continue;
      scratch_->marks_[item.instruction] = scratch_->generation_;
      const RegexInstruction& instruction = instructions_[item.instruction];
      switch (instruction.op) {
        case RegexOp::kSplit:
          pending[count++] = {instruction.other, kRegexNoPosition, 0};
          pending[count++] = {instruction.next, kRegexNoPosition, 0};
          break;
        case RegexOp::kSave:
          if (slots_ != 0) {
            pending[count++] = {0, instruction.low, slots[instruction.low]};
            slots[instruction.low] = static_cast<u16>(position);
          }
          [[fallthrough]];
        case RegexOp::kJump:
          pending[count++] = {instruction.next, kRegexNoPosition, 0};
          break;
        case RegexOp::kBegin:
          if (position == 0) pending[count++] = {instruction.next, kRegexNoPosition, 0};
          break;
        case RegexOp::kEnd:
          if (position == text_.size()) pending[count++] = {instruction.next, kRegexNoPosition, 0};
          break;
        default:
          list->instructions[list->count] = item.instruction;
          std::memcpy(list->slots[list->count], slots, slots_ * sizeof(u16));
          list->count++;
      }
    }
  }

  RegexScratch* scratch_;
  std::string_view text_;
  const RegexInstruction* instructions_ = nullptr;
  const ByteSet* sets_ = nullptr;
  u32 slots_ = 0;
  Kind kind_;
};

bool RegexView::isValid() const {
  const RegexHeader header = headerOf(bytes_);
  if (header.bytes != bytes_.size() || header.bytes < sizeof(header)) return false;
  if (header.instructions > kRegexInstructionsMax || header.groups > kRegexGroupsMax) return false;
  if (header.classes > 256 || (header.states == 0) != (header.classes == 0)) return false;
  // One of the two must be there to be run.
  if (header.instructions == 0 && header.states <= kRegexFirstState) return false;
  if (header.states == kRegexFirstState) return false;
  const RegexPlan plan(header);
  if (plan.bytes != bytes_.size()) return false;
  return isProgramValid(bytes_, header, plan) &&
         (header.states == 0 || isAutomatonValid(bytes_, header, plan));
}

bool RegexView::matchesWhole(std::string_view text, RegexScratch* scratch) const {
  if (text.size() > kRegexTextMax) return false;
  const RegexHeader header = headerOf(bytes_);
  if (header.states != 0) return runAutomaton(bytes_, header, text);
  return RegexSimulation(bytes_, scratch, text, RegexSimulation::Kind::kWhole).run(0, nullptr);
}

bool RegexView::find(std::string_view text, size_t from, RegexScratch* scratch,
                     RegexGroups* groups) const {
  if (text.size() > kRegexTextMax || from > text.size()) return false;
  if (headerOf(bytes_).instructions == 0) return false;
  return RegexSimulation(bytes_, scratch, text, RegexSimulation::Kind::kFind).run(from, groups);
}

u32 RegexView::instructionCount() const { return headerOf(bytes_).instructions; }
u32 RegexView::groupCount() const { return headerOf(bytes_).groups; }
bool RegexView::hasAutomaton() const { return headerOf(bytes_).states != 0; }

}  // namespace holdfast::http
