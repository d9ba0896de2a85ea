// Templates: what compiles, where faults are, and that no value can end a line.
#include "http/template.h"

#include <map>

#include "check.h"

namespace holdfast::http {
namespace {

using Texts = std::map<std::string, std::string>;

std::string_view findText(const void* owner, Variable variable, std::string_view name,
                          std::span<char> room) {
  const Texts& texts = *static_cast<const Texts*>(owner);
  const std::string key = kVariables[static_cast<size_t>(variable)].name + std::string(name);
  const auto found = texts.find(key);
  if (found == texts.end()) return {};
  // Through the room, as a number would be.
  const size_t length = found->second.copy(room.data(), room.size());
  return {room.data(), length};
}

std::string expand(std::string_view text, const Texts& texts,
                   TemplateUse use = TemplateUse::kHeader) {
  std::string compiled;
  TemplateFault fault;
  if (!CHECK(compileTemplate(text, &compiled, &fault, use))) return "";
  CHECK(isTemplateValid(compiled));
  u8 out[512];
  codec::Writer writer(out);
  CHECK(expandTemplate(compiled, TemplateValues{&texts, &findText}, &writer));
  return {reinterpret_cast<const char*>(out), writer.size()};
}

struct Refused {
  TemplateProblem problem;
  size_t position;
  size_t length;
};

void checkRefused(std::string_view text, const Refused& expected,
                  TemplateUse use = TemplateUse::kHeader) {
  std::string compiled = "x";
  TemplateFault fault;
  CHECK(!compileTemplate(text, &compiled, &fault, use));
  CHECK(compiled.empty());
  CHECK_EQ(fault.problem, expected.problem);
  CHECK_EQ(fault.position, expected.position);
  CHECK_EQ(fault.length, expected.length);
}

TEST(templatesPutValuesBetweenLiterals) {
  const Texts texts = {{"host", "a.example"},
                       {"path", "/x"},
                       {"header.x-env", "dev"},
                       {"query.v", "2"},
                       {"cookie.SID", "77"}};
  CHECK_EQ(expand("https://%{host}%{path}?y", texts), "https://a.example/x?y");
  CHECK_EQ(expand("%{header.X-Env}/%{query.v}/%{cookie.SID}", texts), "dev/2/77");
  CHECK_EQ(expand("100%% a%20b 5% %%{host}", texts), "100% a%20b 5% %{host}");
  CHECK_EQ(expand("[%{query}]", texts), "[]");
  CHECK_EQ(expand("", texts), "");
  CHECK_EQ(expand("line\nline\t%{host}", texts, TemplateUse::kContent), "line\nline\ta.example");
}

TEST(templatesLeaveControlBytesOfValuesOut) {
  const Texts texts = {{"path", std::string("/a\r\nSet-Cookie: x\x7f\0y\x01z", 22)}};
  CHECK_EQ(expand("<%{path}>", texts), "</aSet-Cookie: xyz>");
}

TEST(templatesSayWhatIsWrongAndWhere) {
  using enum TemplateProblem;
  checkRefused("ab\ncd", {kControlByte, 2, 1});
  checkRefused("ab\tcd", {kControlByte, 2, 1});
  checkRefused(std::string_view("a\x01", 2), {kControlByte, 1, 1}, TemplateUse::kContent);
  checkRefused("x%{host", {kUnclosed, 1, 2});
  checkRefused("x%{hast}y", {kUnknown, 1, 7});
  checkRefused("%{}", {kUnknown, 0, 3});
  checkRefused("%{header.}", {kName, 0, 10});
  checkRefused("%{header.a b}", {kName, 0, 13});
  checkRefused("%{query.a=b}", {kName, 0, 12});
  checkRefused("%{header." + std::string(65, 'a') + "}", {kName, 0, 75});
  checkRefused("a%{status}", {kNotHere, 1, 9});
  checkRefused("%{cookie.sid}", {kNotHere, 0, 13}, TemplateUse::kRecord);
  checkRefused("%{header.accept}", {kNotHere, 0, 16}, TemplateUse::kRecord);
  checkRefused(std::string(kTemplateTextMax + 1, 'a'), {kTooLong, kTemplateTextMax, 1});
}

TEST(templatesOfRecordsHaveTheEndOfARequest) {
  const Texts texts = {{"status", "200"}, {"header.user-agent", "curl"}};
  CHECK_EQ(expand("%{status}\t%{header.User-Agent}", texts, TemplateUse::kRecord), "200\tcurl");
}

TEST(templatesKnowWhenTheyArePlain) {
  std::string compiled;
  TemplateFault fault;
  CHECK(compileTemplate("100%%", &compiled, &fault) && isPlain(compiled));
  CHECK_EQ(compiled, "100%");
  CHECK(compileTemplate("%{host}", &compiled, &fault) && !isPlain(compiled));
}

TEST(templatesOfOthersAreNotBelieved) {
  const auto isValid = [](std::string_view bytes) { return isTemplateValid(bytes); };
  CHECK(isValid("plain"));
  CHECK(!isValid(std::string_view("\x01", 1)));
  CHECK(!isValid("\x01\x7f"));
  const std::string header = {1, static_cast<char>(Variable::kHeader)};
  CHECK(!isValid(header));
  CHECK(!isValid(header + '\0'));
  CHECK(!isValid(header + "\x05"
                          "abc"));
  CHECK(!isValid(header + "\x03"
                          "a\nb"));
  CHECK(isValid(header + "\x03"
                         "abc"));
}

TEST(templatesStopWhereRoomEnds) {
  const Texts texts = {{"host", "a.example"}};
  std::string compiled;
  TemplateFault fault;
  CHECK(compileTemplate("%{host}/", &compiled, &fault));
  u8 out[9];
  codec::Writer writer(out);
  CHECK(!expandTemplate(compiled, TemplateValues{&texts, &findText}, &writer));
}

TEST(queryParametersAreFoundWhole) {
  CHECK_EQ(findQueryParameter("a=1&bb=2&b=3&c", "b"), "3");
  CHECK_EQ(findQueryParameter("a=1&bb=2&b=3&c", "c"), "");
  CHECK_EQ(findQueryParameter("a=1&&b==x&", "b"), "=x");
  CHECK_EQ(findQueryParameter("", "b"), "");
}

}  // namespace
}  // namespace holdfast::http
