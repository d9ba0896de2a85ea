// Any bytes as the texts of a record, in every format: a line that fits, ends once, and holds no
// control byte; as JSON, quotes and braces that match.
//
// The first bytes choose the format, numbers and the lengths of the texts. Invariant: no text can
// end the line or its own quotes.
#include <array>
#include <string>

#include "codec/log_field.h"
#include "proxy/http_record.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::proxy;

std::string_view textOf(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One object: strings end, escapes are known, nothing follows the last brace.
void checkJson(std::string_view line) {
  FUZZ_CHECK(line.starts_with("{\"time\":\"") && line.ends_with("}"));
  int depth = 0;
  bool isInside = false;
  for (size_t at = 0; at < line.size(); at++) {
    const char byte = line[at];
    if (isInside && byte == '\\') {
      FUZZ_CHECK(++at < line.size());
      FUZZ_CHECK(line[at] == '"' || line[at] == '\\' || line.substr(at).starts_with("u00"));
    } else if (byte == '"') {
      isInside = !isInside;
    } else if (!isInside) {
      depth += byte == '{' ? 1 : byte == '}' ? -1 : 0;
      FUZZ_CHECK(depth > 0 || at + 1 == line.size());
    }
  }
  FUZZ_CHECK(!isInside && depth == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  const auto format = static_cast<AccessFormat>(choices.takeU8() % 3);
  HttpRecord record;
  record.event = static_cast<RecordEvent>(choices.takeU8() % static_cast<u8>(RecordEvent::kCount));
  record.end = static_cast<HttpEnd>(choices.takeU8() % static_cast<u8>(HttpEnd::kCount));
  record.hasQuery = choices.takeU8() % 2 == 0;
  record.unixMs = u64{choices.takeU32()} * 1000;
  record.bytesIn = u64{choices.takeU32()} << 32;
  record.client.family = static_cast<u16>(choices.takeU8());
  std::array<std::string, 11> texts;
  for (std::string& text : texts) {
    // Some are longer than any line.
    const u16 repeats = static_cast<u16>(1 + (choices.takeU8() % 8 == 0 ? 400 : 0));
    const std::string_view part = textOf(choices.take(choices.takeU8()));
    for (u16 i = 0; i < repeats; i++) text += part;
  }
  std::string_view* const fields[] = {
      &record.listener,  &record.route,     &record.cluster, &record.endpoint,
      &record.method,    &record.host,      &record.path,    &record.query,
      &record.requestId, &record.userAgent, &record.referer,
  };
  for (size_t i = 0; i < texts.size(); i++) *fields[i] = texts[i];
  codec::LogFields logged;
  const char* const names[] = {"tenant", "room", "a.b-c_d", "No", ""};
  for (u8 count = choices.takeU8() % 20; count > 0; count--) {
    const char* name = names[choices.takeU8() % 5];
    (void)logged.set(std::string(name) + static_cast<char>('a' + count), texts[count % 11]);
  }
  FUZZ_CHECK(logged.packed().size() <= codec::kLogFieldsBytesMax);
  record.fields = logged.packed();
  std::string compiled;
  http::TemplateFault fault;
  (void)http::compileTemplate(textOf(choices.rest()), &compiled, &fault,
                              http::TemplateUse::kRecord);

  static char out[kHttpRecordMax];
  const u32 size = formatHttpRecord(record, format, compiled, out);
  FUZZ_CHECK(size > 0 && size <= kHttpRecordMax && out[size - 1] == '\n');
  const std::string_view line(out, size - 1);
  for (const char byte : line) {
    FUZZ_CHECK(static_cast<u8>(byte) >= 0x20 ||
               (byte == '\t' && format == AccessFormat::kTemplate));
    FUZZ_CHECK(byte != 0x7f);
  }
  if (format == AccessFormat::kJson) checkJson(line);
  return 0;
}
