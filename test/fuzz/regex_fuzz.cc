// Any bytes as a pattern and a text: what compiles is valid, stays linear, and
// its two forms agree. The same bytes as a compiled expression: what isValid
// accepts can be run.
//
// The first byte of the input is the length of the pattern. Invariant: no more
// steps than the header of the module promises, whatever the pattern; groups
// lie inside the text.
#include <cstring>
#include <memory>

#include "http/regex.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::http;

std::string_view textOf(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void runLinear(const RegexView& view, std::string_view text, RegexScratch* scratch) {
  const u64 bound = u64{kRegexStepsPerInstruction} * view.instructionCount() * (text.size() + 1);
  u64 before = scratch->steps();
  (void)view.matchesWhole(text, scratch);
  FUZZ_CHECK(scratch->steps() - before <= bound);
  before = scratch->steps();
  RegexGroups groups;
  const bool isFound = view.find(text, 0, scratch, &groups);
  FUZZ_CHECK(scratch->steps() - before <= bound);
  if (!isFound) return;
  FUZZ_CHECK(groups.slots[0] <= groups.slots[1] && groups.slots[1] <= text.size());
}

void compileAndRun(std::string_view pattern, std::string_view text, RegexScratch* scratch) {
  CompiledRegex whole;
  CompiledRegex groups;
  RegexError error;
  const bool isPattern = compileRegex(pattern, RegexUse::kWhole, &whole, &error);
  if (!isPattern) {
    FUZZ_CHECK(error.fault != RegexFault::kNone && error.position <= pattern.size());
    return;
  }
  // Groups cost instructions, so the other use may be too large.
  if (!compileRegex(pattern, RegexUse::kReplace, &groups, &error)) {
    FUZZ_CHECK(error.fault == RegexFault::kTooLarge);
    return;
  }
  const RegexView wholeView(whole.bytes);
  const RegexView groupsView(groups.bytes);
  FUZZ_CHECK(wholeView.isValid() && groupsView.isValid());
  const bool isMatch = wholeView.matchesWhole(text, scratch);
  FUZZ_CHECK(groupsView.matchesWhole(text, scratch) == isMatch);
  if (isMatch) {
    FUZZ_CHECK(text.starts_with(whole.literal));
    RegexGroups found;
    FUZZ_CHECK(groupsView.find(text, 0, scratch, &found) && found.slots[0] == 0);
  }
  runLinear(wholeView, text, scratch);
  runLinear(groupsView, text, scratch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  // Its contents must not matter, so one serves all runs.
  static const std::unique_ptr<RegexScratch> scratch = std::make_unique<RegexScratch>();
  fuzz::Choices choices({bytes, length});
  const std::span<const u8> pattern = choices.take(choices.takeU8());
  const std::string_view text = textOf(choices.rest()).substr(0, 4096);
  compileAndRun(textOf(pattern), text, scratch.get());

  // As a compiled form, with the length its header must have.
  std::vector<u8> blob(bytes, bytes + (length & ~size_t{7}));
  const u32 size = static_cast<u32>(blob.size());
  if (size >= sizeof(size)) std::memcpy(blob.data(), &size, sizeof(size));
  const RegexView view(blob);
  if (view.isValid()) runLinear(view, "/some/text-of.a path", scratch.get());
  return 0;
}
