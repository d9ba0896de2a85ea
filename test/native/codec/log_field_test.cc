// Fields of access records: names, values that are cut, places that are taken again, limits.
#include "codec/log_field.h"

#include <algorithm>
#include <map>
#include <string>

#include "codec/utf8.h"
#include "runtime/random.h"

#include "check.h"

namespace holdfast::codec {
namespace {

std::string shown(const LogFields& fields) {
  std::string text;
  std::string_view packed = fields.packed();
  for (LogField field; takeLogField(&packed, &field);) {
    text += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  CHECK(packed.empty());
  return text;
}

TEST(namesOfLogFieldsAreShortAndPlain) {
  for (const char* name : {"a", "tenant", "a.b-c_9", "abcdefghijklmnopqrstuvwxyz012345"}) {
    CHECK(isLogFieldName(name));
  }
  for (const char* name : {"", "A", "9a", "_a", "-a", ".a", "a b", "a\"", "aB", "\xc3\xa4",
                           "abcdefghijklmnopqrstuvwxyz0123456"}) {
    CHECK(!isLogFieldName(name));
    LogFields fields;
    CHECK(!fields.set(name, "x") && fields.isEmpty());
  }
}

TEST(logFieldsStandInOrderAndTheLastValueCounts) {
  LogFields fields;
  CHECK(fields.isEmpty() && shown(fields).empty());
  CHECK(fields.set("a", "1") && fields.set("b", "") && fields.set("c", "3"));
  CHECK_EQ(shown(fields), "a=1;b=;c=3;");
  CHECK(fields.set("b", "two") && fields.set("c", "x"));
  CHECK_EQ(shown(fields), "a=1;b=two;c=x;");
  CHECK(fields.set("a", "long"));
  CHECK_EQ(shown(fields), "b=two;c=x;a=long;");
  CHECK_EQ(findLogField(fields.packed(), "c"), "x");
  CHECK(findLogField(fields.packed(), "d").empty());
}

TEST(valuesOfLogFieldsAreCutBetweenCharacters) {
  for (const size_t length : {size_t{255}, size_t{256}, size_t{260}, size_t{261}, size_t{5000}}) {
    LogFields fields;
    CHECK(fields.set("a", std::string(length, 'x')));
    CHECK_EQ(findLogField(fields.packed(), "a").size(), std::min(length, kLogValueKept));
  }
  for (const char* character : {"\xc3\xa4", "\xe2\x80\xa6", "\xf0\x9f\x98\x80"}) {
    for (size_t before = 0; before < 4; before++) {
      std::string text(before, 'x');
      while (text.size() < 400) text += character;
      LogFields fields;
      CHECK(fields.set("a", text));
      const std::string_view kept = findLogField(fields.packed(), "a");
      CHECK(kept.size() > kLogValueMax && kept.size() <= kLogValueKept);
      Utf8State state = Utf8State::kAccept;
      for (const char byte : kept) state = stepUtf8(state, static_cast<u8>(byte));
      CHECK(state == Utf8State::kAccept);
    }
  }
}

TEST(logFieldsHaveLimitsAndWhatIsThereStays) {
  LogFields fields;
  for (u32 i = 0; i < kLogFieldsMax; i++) CHECK(fields.set("f" + std::to_string(i), "x"));
  const std::string before = shown(fields);
  CHECK(!fields.set("one-more", "x"));
  CHECK_EQ(shown(fields), before);
  CHECK(fields.set("f3", "other"));
  LogFields large;
  u32 kept = 0;
  while (large.set("f" + std::to_string(kept), std::string(250, 'x'))) kept++;
  CHECK(kept > 1 && kept < kLogFieldsMax);
  CHECK(large.packed().size() <= kLogFieldsBytesMax);
  CHECK(!large.set("f0", std::string(260, 'y')) || large.packed().size() <= kLogFieldsBytesMax);
  CHECK(!findLogField(large.packed(), "f0").empty());
}

// Against a map: whatever is set in whatever order, what was taken is there.
TEST(logFieldsAreWhatWasSet) {
  Random random(7);
  for (u32 round = 0; round < 500; round++) {
    LogFields fields;
    std::map<std::string, std::string> wanted;
    for (u32 i = 0; i < 60; i++) {
      const std::string name = "n" + std::to_string(random.below(22));
      const std::string value(random.below(random.chance(1, 8) ? 250 : 20), 'v');
      if (fields.set(name, value)) wanted[name] = value;
    }
    size_t count = 0;
    std::string_view packed = fields.packed();
    for (LogField field; takeLogField(&packed, &field); count++) {
      CHECK(wanted[std::string(field.name)] == field.value);
    }
    CHECK(packed.empty() && count == wanted.size() && count <= kLogFieldsMax);
  }
}

// Bytes that are not packed fields end the reading.
TEST(brokenLogFieldsEndTheReading) {
  LogField field;
  for (const std::string_view bytes :
       {std::string_view("\x01\x00", 2), std::string_view("\x05\x00\x00tiny", 7),
        std::string_view("\x01\x01\x00"
                         "a",
                         4)}) {
    std::string_view packed = bytes;
    CHECK(!takeLogField(&packed, &field));
  }
}

}  // namespace
}  // namespace holdfast::codec
