// Parsing of the command line; see flags.h for the rules.
//
// Sits before every mode and runs once. Does not know which flags exist: each mode asks for its
// own.
#include "flags.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace holdfast::loadgen {

void fail(const char* format, ...) {
  std::fputs("loadgen: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(kExitUsage);
}

Flags::Flags(int argc, char** argv, int first) {
  for (int at = first; at < argc; ++at) {
    if (std::strncmp(argv[at], "--", 2) != 0 || argv[at][2] == '\0') {
      fail("expected a flag such as --rate, got \"%s\"", argv[at]);
    }
    const char* name = argv[at] + 2;
    const bool hasValue = at + 1 < argc && std::strncmp(argv[at + 1], "--", 2) != 0;
    values_[name] = Value{hasValue ? argv[++at] : "yes", false};
  }
}

const std::string* Flags::find(const char* name) {
  const auto found = values_.find(name);
  if (found == values_.end()) return nullptr;
  found->second.isUsed = true;
  return &found->second.text;
}

u64 Flags::number(const char* name, u64 fallback) {
  const std::string* value = find(name);
  if (value == nullptr) return fallback;
  char* end = nullptr;
  const double base = std::strtod(value->c_str(), &end);
  struct Suffix {
    const char* name;
    double factor;
  };
  static constexpr Suffix kSuffixes[] = {
      {"", 1},        {"k", 1e3},        {"M", 1e6},          {"G", 1e9},
      {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}};
  for (const Suffix& suffix : kSuffixes) {
    if (end != value->c_str() && base >= 0 && std::strcmp(end, suffix.name) == 0) {
      return static_cast<u64>(base * suffix.factor + 0.5);
    }
  }
  fail("--%s wants a number such as 1000, 10k or 1Gi, got \"%s\"", name, value->c_str());
}

double Flags::real(const char* name, double fallback) {
  const std::string* value = find(name);
  if (value == nullptr) return fallback;
  char* end = nullptr;
  const double number = std::strtod(value->c_str(), &end);
  if (end == value->c_str() || *end != '\0')
    fail("--%s wants a number, got \"%s\"", name, value->c_str());
  return number;
}

std::string Flags::text(const char* name, const char* fallback) {
  const std::string* value = find(name);
  return value == nullptr ? fallback : *value;
}

bool Flags::isSet(const char* name) {
  const std::string* value = find(name);
  return value != nullptr && *value == "yes";
}

void Flags::rejectUnknown() const {
  for (const auto& [name, value] : values_) {
    if (!value.isUsed) fail("this mode has no flag --%s", name.c_str());
  }
}

}  // namespace holdfast::loadgen
