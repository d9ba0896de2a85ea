// Authorities and paths: what is accepted, in which form, and what is refused.
#include "codec/http1_target.h"

#include <string>

#include "codec/http1_bytes.h"

#include "check.h"

namespace holdfast::http1 {
namespace {

std::string authorityOf(std::string_view text) {
  Authority authority;
  if (!parseAuthority(bytesOf(text), &authority)) return "!";
  return std::string(authority.hostText()) + " " + std::to_string(authority.port);
}

TEST(http1AuthoritiesHaveOneForm) {
  CHECK_EQ(authorityOf("Example.COM."), "example.com 0");
  CHECK_EQ(authorityOf("a_b-c.9:1"), "a_b-c.9 1");
  CHECK_EQ(authorityOf("127.0.0.1:65535"), "127.0.0.1 65535");
  CHECK_EQ(authorityOf("[::FFFF:1.2.3.4]:8080"), "[::ffff:1.2.3.4] 8080");
  const std::string label(63, 'x');
  CHECK_EQ(authorityOf(label + "." + label), label + "." + label + " 0");
  for (const std::string_view wrong :
       {"",        ".",         "a..b",    "a:",     ":1",     "a:0",  "a:01",
        "a:65536", "a:123456",  "a:+1",    "a:1 ",   " a",     "a b",  "a,b",
        "u@a",     "a/b",       "a%41",    "a#",     "[]",     "[::1", "::1",
        "[::1]x",  "[1.2.3.4]", "[::1%1]", "[::1]:", "[v1.x]", "a]",   "a:1:2"}) {
    CHECK_EQ(authorityOf(wrong), "!");
  }
  CHECK_EQ(authorityOf(label + "x"), "!");
  CHECK_EQ(authorityOf(std::string(300, 'a')), "!");
}

TEST(http1AuthoritiesCompareWithTheDefaultPort) {
  const auto isSame = [](std::string_view a, std::string_view b, u16 port) {
    Authority one;
    Authority other;
    return CHECK(parseAuthority(bytesOf(a), &one)) && CHECK(parseAuthority(bytesOf(b), &other)) &&
           isSameAuthority(one, other, port);
  };
  CHECK(isSame("A.b.", "a.B:80", 80) && isSame("a:81", "a:81", 80));
  CHECK(!isSame("a", "a:80", 443) && !isSame("a", "b", 80));
}

// The normal form, "=" when nothing changes, "!violation" otherwise; ";" behind
// it for parameters.
std::string normalOf(std::string_view path, const PathRules& rules = {}) {
  std::string output(path.size(), '\0');
  const std::span<u8> room(reinterpret_cast<u8*>(output.data()), output.size());
  const NormalPath normal = normalizePath(bytesOf(path), rules, room);
  if (normal.violation != Violation::kNone) return std::string("!") + nameOf(normal.violation);
  // The same in place.
  std::string place(path);
  const std::span<u8> same(reinterpret_cast<u8*>(place.data()), place.size());
  const NormalPath again = normalizePath(same, rules, same);
  CHECK(again.isChanged == normal.isChanged && again.length == normal.length);
  if (!normal.isChanged) return "=";
  CHECK_EQ(place.substr(0, again.length), output.substr(0, normal.length));
  return output.substr(0, normal.length) + (normal.hasParameters ? " ;" : "");
}

TEST(http1PathsHaveOneForm) {
  const std::string_view cases[][2] = {
      {"/", "="},
      {"/a/b.c", "="},
      {"/a/", "="},
      {"/a.b/..c", "/a.b/..c"},
      {"/.well-known/x", "/.well-known/x"},
      {"/...", "/..."},
      {"//", "/"},
      {"///a////b//", "/a/b/"},
      {"/.", "/"},
      {"/./", "/"},
      {"/a/.", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/c/../../d", "/a/d"},
      {"/a//../b", "/b"},
      {"/%61%2d%2E%5f%7E%30", "/a-._~0"},
      {"/%e4%bd%a0", "/%E4%BD%A0"},
      {"/%2e%2e", "!path-root"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/.%2e/b", "/b"},
      {"/a/%2e/b", "/a/b"},
      {"/%252e%252e/a", "/%252e%252e/a"},
      {"/%25%32%65", "/%252e"},
      {"/a%20b%3f%23", "/a%20b%3F%23"},
      {"/a;b=1/c", "/a;b=1/c ;"},
      {"/;", "/; ;"},
      {"/a%3bb", "/a%3Bb"},
      {"/..", "!path-root"},
      {"/../a", "!path-root"},
      {"/a/../..", "!path-root"},
      {"/a/../../b", "!path-root"},
      {"//..", "!path-root"},
      {"/..;/a", "!path-root"},
      {"/a/..;x=y/b", "!path-root"},
      {"/a/.;/b", "!path-root"},
      {"/a/..%3b/b", "!path-root"},
      {"/a/%2e%2e%3Bx/b", "!path-root"},
      {"/a%2fb", "!path-forbidden"},
      {"/a%2Fb", "!path-forbidden"},
      {"/a%5cb", "!path-forbidden"},
      {"/a%00", "!path-forbidden"},
      {"/a%0d%0aX:", "!path-forbidden"},
      {"/a%7f", "!path-forbidden"},
      {"/%c0%ae%c0%ae/", "!path-forbidden"},
      {"/%C1%9C", "!path-forbidden"},
      {"/%e0%80%af", "!path-forbidden"},
      {"/%f0%80%80%af", "!path-forbidden"},
      {"/%C0-propos", "/%C0-propos"},
      {"/%e0%a4%85%f0%90%80%80", "/%E0%A4%85%F0%90%80%80"},
      {"/%", "!path-escape"},
      {"/%4", "!path-escape"},
      {"/%4g", "!path-escape"},
      {"/%g4", "!path-escape"},
      {"/%%41", "!path-escape"},
      {"/%u002e", "!path-escape"},
  };
  for (const auto& [path, normal] : cases) {
    if (!CHECK_EQ(normalOf(path), normal)) std::fprintf(stderr, "  %s\n", path.data());
  }
}

TEST(http1PathRulesMayBeSofter) {
  const PathRules soft{.isSlashMerged = false, .isEscapedSlashAllowed = true};
  CHECK_EQ(normalOf("//a//b", soft), "//a//b");
  CHECK_EQ(normalOf("/a//..", soft), "/a/");
  CHECK_EQ(normalOf("//..", soft), "/");
  CHECK_EQ(normalOf("/..", soft), "!path-root");
  CHECK_EQ(normalOf("/a%2fb", soft), "/a%2Fb");
  CHECK_EQ(normalOf("/a%5cb", soft), "!path-forbidden");
}

TEST(http1ParametersAreStrippedForComparing) {
  const auto stripped = [](std::string_view path) {
    std::string output(path.size(), '\0');
    const std::span<u8> room(reinterpret_cast<u8*>(output.data()), output.size());
    return output.substr(0, stripParameters(bytesOf(path), room));
  };
  CHECK_EQ(stripped("/a;v=1/b;w"), "/a/b");
  CHECK_EQ(stripped("/;"), "/");
  CHECK_EQ(stripped("/a/b"), "/a/b");
}

}  // namespace
}  // namespace holdfast::http1
