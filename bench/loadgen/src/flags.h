// Command-line flags: `--name value` pairs, asked for by name with a default.
//
// Numbers take the suffixes k, M, G (powers of 1000) and Ki, Mi, Gi (powers of 1024).
// Invariant: a flag that no mode asked for ends the process with one sentence, so a typing error
// never changes a measurement silently. Call `rejectUnknown` after the last getter.
#pragma once

#include <map>
#include <string>

#include "types.h"

namespace holdfast::loadgen {

class Flags {
 public:
  Flags(int argc, char** argv, int first);

  u64 number(const char* name, u64 fallback);
  // The same with a dot; no suffixes.
  double real(const char* name, double fallback);
  std::string text(const char* name, const char* fallback);
  // True when the flag is given as `--name` or `--name yes`.
  bool isSet(const char* name);
  void rejectUnknown() const;

 private:
  struct Value {
    std::string text;
    bool isUsed = false;
  };
  const std::string* find(const char* name);

  std::map<std::string, Value> values_;
};

}  // namespace holdfast::loadgen
