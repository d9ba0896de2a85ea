// The test framework of the native core: TEST, CHECK, CHECK_EQ, and nothing else.
//
// Every *_test.cc under test/native is linked into one binary; each TEST registers itself before
// main (check_main.cc) runs them in the order of their files and prints one last line
// `N passed, N failed`. Arguments are substrings: a test runs when its file:name holds one of them.
// Invariant: a failed check marks the test and lets it go on; checks may be made from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace holdfast::check {

struct Case {
  const char* file;
  int line;
  const char* name;
  void (*body)();
  Case* next;
};

// Adds a case to the list that main runs.
void addCase(Case* newCase);

// Counts a failure against the running test and prints it with its place.
void fail(const char* file, int line, std::string_view message);

// Failures of the running test so far: lets a long loop stop at its first one.
[[nodiscard]] std::size_t failures();

// Runs `body` in a child process and tells whether it ended by SIGABRT. Its output is discarded.
[[nodiscard]] bool isAborting(void (*body)());

struct Registration {
  explicit Registration(Case* newCase) { addCase(newCase); }
};

template <typename T>
std::string show(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<std::int64_t>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return '"' + std::string(std::string_view(value)) + '"';
  } else {
    return "a value of " + std::to_string(sizeof(T)) + " bytes";
  }
}

template <typename A, typename B>
bool isEqual(const A& a, const B& b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                !std::is_same_v<B, bool>) {
    // Literals are ints; comparing them with unsigned values must not need a cast in each test.
    const bool isNegativeA = std::is_signed_v<A> && a < A{};
    const bool isNegativeB = std::is_signed_v<B> && b < B{};
    return isNegativeA == isNegativeB &&
           static_cast<std::uint64_t>(a) == static_cast<std::uint64_t>(b);
  } else if constexpr (std::is_convertible_v<const A&, std::string_view> &&
                       std::is_convertible_v<const B&, std::string_view>) {
    return std::string_view(a) == std::string_view(b);
  } else {
    return a == b;
  }
}

template <typename A, typename B>
bool checkEqual(const char* file, int line, const char* text, const A& a, const B& b) {
  if (isEqual(a, b)) return true;
  fail(file, line, std::string(text) + ": " + show(a) + " is not " + show(b));
  return false;
}

}  // namespace holdfast::check

#define TEST(name)                                                                              \
  static void test_##name();                                                                    \
  static ::holdfast::check::Case case_##name{__FILE__, __LINE__, #name, &test_##name, nullptr}; \
  static const ::holdfast::check::Registration registration_##name(&case_##name);               \
  static void test_##name()

// Both are expressions that yield true when the check holds, so that a loop can stop at a failure.
#define CHECK(condition) \
  ((condition) ? true : (::holdfast::check::fail(__FILE__, __LINE__, #condition), false))
#define CHECK_EQ(a, b) ::holdfast::check::checkEqual(__FILE__, __LINE__, #a " == " #b, (a), (b))
