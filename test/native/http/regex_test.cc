// Regular expressions: against another engine, refusals with positions, limits,
// and linear time.
#include "http/regex.h"

#include <memory>
#include <string>
#include <vector>

#include "codec/bytes.h"
#include "http/regex_cases.h"
#include "http/route_table.h"

#include "check.h"

namespace holdfast::http {
namespace {

CompiledRegex compiled(std::string_view pattern, RegexUse use) {
  CompiledRegex regex;
  RegexError error;
  if (!CHECK(compileRegex(pattern, use, &regex, &error))) {
    check::fail(__FILE__, __LINE__, std::string(pattern));
  }
  CHECK(RegexView(regex.bytes).isValid());
  return regex;
}

// Shared by the tests of this file; what an earlier one left in it must not
// matter.
RegexScratch* scratch() {
  static const std::unique_ptr<RegexScratch> kept = std::make_unique<RegexScratch>();
  return kept.get();
}

bool matches(std::string_view pattern, std::string_view text) {
  const CompiledRegex whole = compiled(pattern, RegexUse::kWhole);
  const CompiledRegex groups = compiled(pattern, RegexUse::kReplace);
  const bool isMatch = RegexView(whole.bytes).matchesWhole(text, scratch());
  CHECK_EQ(RegexView(groups.bytes).matchesWhole(text, scratch()), isMatch);
  if (isMatch) CHECK(text.starts_with(whole.literal));
  return isMatch;
}

std::string groupsOf(const CompiledRegex& regex, std::string_view text) {
  RegexGroups groups;
  if (!RegexView(regex.bytes).find(text, 0, scratch(), &groups)) return "none";
  std::string shown;
  for (u32 i = 0; i <= regex.groups; ++i) {
    const u16 begin = groups.slots[2 * i];
    const u16 end = groups.slots[2 * i + 1];
    if (i != 0) shown += ' ';
    const bool isSet = begin != kRegexNoPosition && end != kRegexNoPosition;
    shown += isSet ? std::to_string(begin) + ',' + std::to_string(end) : "-";
  }
  return shown;
}

TEST(regexAgreesWithAnotherEngine) {
  for (const RegexCase& row : kRegexCases) {
    const bool isSame =
        CHECK_EQ(matches(row.pattern, row.text), row.isWhole) &&
        CHECK_EQ(groupsOf(compiled(row.pattern, RegexUse::kReplace), row.text), row.groups);
    if (!isSame) {
      check::fail(__FILE__, __LINE__, std::string(row.pattern) + " on " + row.text);
      return;
    }
  }
}

TEST(regexMatchesWholeTexts) {
  CHECK(matches("/users/[0-9]+", "/users/42"));
  CHECK(!matches("/users/[0-9]+", "/users/42/posts"));
  CHECK(!matches("/users/[0-9]+", "x/users/42"));
  CHECK(matches(".*\\.(png|jpe?g)", "/a/b.jpg"));
  CHECK(matches("", ""));
  CHECK(!matches("", "a"));
  CHECK(matches("(?i)/API/[a-f]x", "/api/Fx"));
  CHECK(!matches("/API", "/api"));
  CHECK(matches("^/a$", "/a"));
  CHECK(!matches("a^b", "ab"));
  CHECK(!matches("a$b", "ab"));
  CHECK(matches("^^$$", ""));
  CHECK(matches("$^", ""));
  CHECK(matches("a(b|$)", "a"));
  CHECK(matches(".", std::string_view("\0", 1)));
  CHECK(matches("[^/]", "\xff"));
  CHECK(matches("\\xff\\x41",
                "\xff"
                "A"));
  CHECK(!matches("[^\\x00-\\xff]", "a"));
}

TEST(regexRepeatsCharactersNotBytes) {
  CHECK(matches("a\xc3\xa9?b", "ab"));
  CHECK(matches("a\xc3\xa9+b",
                "a\xc3\xa9\xc3\xa9"
                "b"));
  CHECK(!matches("a\xc3\xa9+b",
                 "a\xc3\xa9\xa9"
                 "b"));
}

// Loops around what can be empty end, and say yes where they should.
TEST(regexLoopsOverNothingEnd) {
  for (const char* pattern :
       {"(a*)*", "(a*)+", "(a|b*)*", "(?:(?:a?){0,3}){2,}", "(|a)*", "(?:)*", "(^)*($)*", "($)+"}) {
    CHECK(matches(pattern, ""));
    CHECK(!matches(pattern, "c"));
  }
  CHECK(matches("(a*)*b", "aaab"));
  CHECK(matches("(|a)*", "aaa"));
}

struct Wrong {
  const char* pattern;
  RegexFault fault;
  u32 position;
};

TEST(whatIsNotSupportedIsRefusedAtItsPlace) {
  const Wrong cases[] = {
      {"a**", RegexFault::kRepeatTwice, 2},
      {"a*+", RegexFault::kRepeatTwice, 2},
      {"a{2}{3}", RegexFault::kRepeatTwice, 4},
      {"a+?+", RegexFault::kRepeatTwice, 3},
      {"*a", RegexFault::kRepeatNothing, 0},
      {"a|+", RegexFault::kRepeatNothing, 2},
      {"(?)", RegexFault::kGroupForm, 0},
      {"(*)", RegexFault::kRepeatNothing, 1},
      {"^*", RegexFault::kRepeatNothing, 0},
      {"ab$+", RegexFault::kRepeatNothing, 2},
      {"{2}", RegexFault::kRepeatForm, 0},
      {"a{", RegexFault::kRepeatForm, 1},
      {"a{x}", RegexFault::kRepeatForm, 1},
      {"a{,2}", RegexFault::kRepeatForm, 1},
      {"a{1,2", RegexFault::kRepeatForm, 1},
      {"a{1 }", RegexFault::kRepeatForm, 1},
      {"a{3,2}", RegexFault::kRepeatCount, 1},
      {"a{1001}", RegexFault::kRepeatCount, 1},
      {"a{99999999999999999999}", RegexFault::kRepeatCount, 1},
      {"a]", RegexFault::kUnescaped, 1},
      {"a}", RegexFault::kUnescaped, 1},
      {"x(a", RegexFault::kGroupOpen, 1},
      {"(a", RegexFault::kGroupOpen, 0},
      {"a)", RegexFault::kGroupClose, 1},
      {"(a))", RegexFault::kGroupClose, 3},
      {"(?=a)", RegexFault::kGroupForm, 0},
      {"b(?!a)", RegexFault::kGroupForm, 1},
      {"(?<=a)", RegexFault::kGroupForm, 0},
      {"(?P<n>a)", RegexFault::kGroupForm, 0},
      {"(?<n>a)", RegexFault::kGroupForm, 0},
      {"(?>a)", RegexFault::kGroupForm, 0},
      {"a(?i)b", RegexFault::kGroupForm, 1},
      {"(?s)a", RegexFault::kGroupForm, 0},
      {"(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)", RegexFault::kGroupsMany, 27},
      {"[a", RegexFault::kClassOpen, 0},
      {"x[", RegexFault::kClassOpen, 1},
      {"[]", RegexFault::kClassOpen, 0},
      {"[^]", RegexFault::kClassOpen, 0},
      {"[z-a]", RegexFault::kClassRange, 1},
      {"[a\\d-z]", RegexFault::kClassRange, 2},
      {"[[:alpha:]]", RegexFault::kClassForm, 1},
      {"[a\xc3\xa9]", RegexFault::kClassForm, 2},
      {"\\", RegexFault::kEscapeEnd, 0},
      {"ab\\", RegexFault::kEscapeEnd, 2},
      {"[\\", RegexFault::kEscapeEnd, 1},
      {"\\1", RegexFault::kEscape, 0},
      {"a\\b", RegexFault::kEscape, 1},
      {"\\A", RegexFault::kEscape, 0},
      {"\\pL", RegexFault::kEscape, 0},
      {"\\Q", RegexFault::kEscape, 0},
      {"\\x4", RegexFault::kEscape, 0},
      {"\\xg0", RegexFault::kEscape, 0},
      {"[\\b]", RegexFault::kEscape, 1},
      {"a\nb", RegexFault::kControlByte, 1},
      {"\x7f", RegexFault::kControlByte, 0},
      {"a\xff", RegexFault::kNotUtf8, 1},
      {"a\xc3", RegexFault::kNotUtf8, 2},
  };
  for (const Wrong& wrong : cases) {
    CompiledRegex regex;
    RegexError error;
    const bool isRefused = CHECK(!compileRegex(wrong.pattern, RegexUse::kWhole, &regex, &error));
    const bool isSame = isRefused && CHECK_EQ(error.fault, wrong.fault);
    if (!isSame || !CHECK_EQ(error.position, wrong.position)) {
      check::fail(__FILE__, __LINE__, wrong.pattern);
    }
  }
}

RegexFault faultOf(const std::string& pattern) {
  CompiledRegex regex;
  RegexError error;
  return compileRegex(pattern, RegexUse::kReplace, &regex, &error) ? RegexFault::kNone
                                                                   : error.fault;
}

std::string repeated(std::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(regexLimitsHold) {
  CHECK_EQ(faultOf(std::string(kRegexPatternMax - 1, 'a')), RegexFault::kNone);
  CHECK_EQ(faultOf(std::string(kRegexPatternMax + 1, 'a')), RegexFault::kTooLong);
  CHECK_EQ(faultOf("a{1000}"), RegexFault::kNone);
  CHECK_EQ(faultOf("(a{500}){2}"), RegexFault::kNone);
  CHECK_EQ(faultOf("(a{600}){2}"), RegexFault::kTooLarge);
  CHECK_EQ(faultOf("((((a{100}){100}){100}){100}){100}"), RegexFault::kTooLarge);
  // Bodies without instructions do not get around the limit.
  CHECK_EQ(faultOf("(?:(?:(?:(?:){1000}){1000}){1000}){1000}"), RegexFault::kTooLarge);
  const std::string deep =
      repeated("(?:", kRegexNestingMax) + "a" + repeated(")", kRegexNestingMax);
  CHECK_EQ(faultOf(deep), RegexFault::kNone);
  CHECK_EQ(faultOf("(?:" + deep + ")"), RegexFault::kNesting);
  const CompiledRegex any = compiled(".*", RegexUse::kWhole);
  const CompiledRegex slow = compiled(".*", RegexUse::kReplace);
  for (const size_t length : {kRegexTextMax, kRegexTextMax + 1}) {
    const std::string text(length, 'a');
    CHECK_EQ(RegexView(any.bytes).matchesWhole(text, scratch()), length == kRegexTextMax);
    CHECK_EQ(RegexView(slow.bytes).matchesWhole(text, scratch()), length == kRegexTextMax);
    RegexGroups groups;
    CHECK_EQ(RegexView(slow.bytes).find(text, 0, scratch(), &groups), length == kRegexTextMax);
  }
}

// What makes a backtracking engine take for ever: counted in steps, never in
// time.
TEST(catastrophicPatternsStayLinear) {
  const char* patterns[] = {"(a+)+b",          "(a|a)*b",       "(a|aa)+b",
                            "(a*)*b",          "(.*)(.*)(.*)b", "(x+x+)+y",
                            "(a?){30}a{30}",   ".*.*.*.*=.*",   "(([a-z])+.)+[A-Z]([a-z])+b",
                            "(.*a){12}[^a]+b", "a*a*a*a*a*a*b", "^(([a-z]+)*\\s*)*b$"};
  for (const char* pattern : patterns) {
    const CompiledRegex regex = compiled(pattern, RegexUse::kReplace);
    const RegexView view(regex.bytes);
    for (const size_t length : {100, 1000, 10000}) {
      const std::string text(length, 'a');
      const u64 bound = u64{kRegexStepsPerInstruction} * view.instructionCount() * (length + 1);
      const u64 before = scratch()->steps();
      (void)view.matchesWhole(text, scratch());
      CHECK(scratch()->steps() - before <= bound);
      const u64 between = scratch()->steps();
      RegexGroups groups;
      (void)view.find(text, 0, scratch(), &groups);
      CHECK(scratch()->steps() - between <= bound);
    }
  }
}

TEST(automataThatWouldBeLargeAreSimulated) {
  // The thirteenth byte from the end decides: 2^13 states.
  const CompiledRegex regex = compiled(".*a.{12}", RegexUse::kWhole);
  const RegexView view(regex.bytes);
  CHECK(!view.hasAutomaton());
  CHECK(view.matchesWhole("bbbabbbbbbbbbbbb", scratch()));
  CHECK(!view.matchesWhole("bbabbbbbbbbbbbbb", scratch()));
  // What routes usually have is an automaton, and then takes no steps at all.
  const CompiledRegex usual = compiled("/users/[0-9]+/(posts|files)(/.*)?", RegexUse::kWhole);
  CHECK(RegexView(usual.bytes).hasAutomaton());
  const u64 before = scratch()->steps();
  CHECK(RegexView(usual.bytes).matchesWhole("/users/42/files/a/b", scratch()));
  CHECK_EQ(scratch()->steps(), before);
  CHECK(usual.bytes.size() < 2048);
}

TEST(theLiteralIsWhatEveryMatchBeginsWith) {
  const auto literal = [](std::string_view pattern) {
    return compiled(pattern, RegexUse::kWhole).literal;
  };
  CHECK_EQ(literal("/users/[0-9]+"), "/users/");
  CHECK_EQ(literal("^/users/(me|you)"), "/users/");
  CHECK_EQ(literal("/a\\.b"), "/a.b");
  CHECK_EQ(literal("(/a)(b)c?"), "/ab");
  CHECK_EQ(literal("/ab?c"), "/a");
  CHECK_EQ(literal("/ab+"), "/ab");
  CHECK_EQ(literal("/a|/b"), "");
  CHECK_EQ(literal(".*"), "");
  CHECK_EQ(literal("(?i)/1a"), "/1");
  CHECK_EQ(literal("/[a]"), "/a");
}

TEST(brokenBytesAreNotValid) {
  for (const RegexUse use : {RegexUse::kWhole, RegexUse::kReplace}) {
    const CompiledRegex regex = compiled("/(a|b[cd])*x", use);
    for (size_t length = 0; length < regex.bytes.size(); ++length) {
      CHECK(!RegexView(std::span(regex.bytes).first(length)).isValid());
    }
    std::vector<u8> longer = regex.bytes;
    longer.resize(longer.size() + 8);
    CHECK(!RegexView(longer).isValid());
  }
  CHECK(!RegexView({}).isValid());
}

std::string replaced(std::string_view pattern, std::string_view with, std::string_view text) {
  u8 buffer[200];
  codec::Writer writer(buffer);
  const CompiledRegex regex = compiled(pattern, RegexUse::kReplace);
  if (!replaceMatches(RegexView(regex.bytes), with, text, scratch(), &writer)) return "failed";
  return {writer.written().begin(), writer.written().end()};
}

TEST(matchesAreReplacedWithGroups) {
  CHECK_EQ(replaced("^/v1/(.*)$", "/v2/\\1", "/v1/a/b"), "/v2/a/b");
  CHECK_EQ(replaced("/v1/", "/v2/", "/x"), "/x");
  CHECK_EQ(replaced("a", "bb", "/a/ca"), "/bb/cbb");
  CHECK_EQ(replaced("(\\w+)-(\\w+)", "\\2-\\1", "/a-b/c-d"), "/b-a/d-c");
  CHECK_EQ(replaced("x", "[\\0]", "axb"), "a[x]b");
  CHECK_EQ(replaced("(a)|b", "<\\1>", "ab"), "<a><>");
  CHECK_EQ(replaced("^", "/p", "/a"), "/p/a");
  CHECK_EQ(replaced("^/a", "", "/a/a"), "/a");
  CHECK_EQ(replaced("b*", "-", "abc"), "-a-c-");
  CHECK_EQ(replaced("", "-", "ab"), "-a-b-");
  CHECK_EQ(replaced("a", "bb", std::string(kRewriteMatchesMax, 'a')),
           std::string(2 * kRewriteMatchesMax, 'b'));
  CHECK_EQ(replaced("a", "b", std::string(kRewriteMatchesMax + 1, 'a')), "failed");
  CHECK_EQ(replaced("a", std::string(190, 'x'), "aa"), "failed");
}

}  // namespace
}  // namespace holdfast::http
