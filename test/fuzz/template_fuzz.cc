// Any bytes as a template, with values of any bytes: what compiles is valid and expands to a line
// without control bytes of its values. The same bytes as a compiled form: what is valid can be
// expanded.
//
// The first byte chooses the use, the second the length of the text; the rest is every value.
// Invariant: faults lie inside the text, and nothing is written beyond the room.
#include <string>

#include "http/template.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::http;

std::string_view textOf(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view findRest(const void* owner, Variable, std::string_view, std::span<char> room) {
  const std::string_view rest = *static_cast<const std::string_view*>(owner);
  return {room.data(), rest.copy(room.data(), room.size())};
}

void expand(std::string_view compiled, std::string_view value, bool isHeader) {
  u8 out[2048];
  codec::Writer writer(out);
  const bool isWhole = expandTemplate(compiled, TemplateValues{&value, &findRest}, &writer);
  FUZZ_CHECK(isWhole == !writer.isFailed() && writer.size() <= sizeof(out));
  if (!isHeader) return;
  for (const u8 byte : writer.written()) FUZZ_CHECK(byte >= 0x20 && byte != 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  const TemplateUse use = static_cast<TemplateUse>(choices.takeU8() % 3);
  const std::string_view text = textOf(choices.take(choices.takeU8()));
  const std::string_view value = textOf(choices.rest());
  std::string compiled;
  TemplateFault fault;
  if (compileTemplate(text, &compiled, &fault, use)) {
    FUZZ_CHECK(isTemplateValid(compiled) && fault.problem == TemplateProblem::kNone);
    expand(compiled, value, use == TemplateUse::kHeader);
  } else {
    FUZZ_CHECK(fault.problem != TemplateProblem::kNone && fault.length > 0);
    FUZZ_CHECK(fault.position + fault.length <= text.size());
  }
  if (isTemplateValid(value)) expand(value, text, false);
  return 0;
}
