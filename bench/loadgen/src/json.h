// A JSON object written in one go: what the generator prints, one object a line on stdout.
//
// Only what the results need: numbers, texts without control characters, flags and nested objects.
// Does not parse and does not escape more than quotes and backslashes.
#pragma once

#include <string>

#include "types.h"

namespace holdfast::loadgen {

class JsonObject {
 public:
  JsonObject& number(const char* key, u64 value);
  JsonObject& real(const char* key, double value);
  JsonObject& text(const char* key, const std::string& value);
  JsonObject& flag(const char* key, bool value);
  // `json` is taken as it is: an object or an array.
  JsonObject& nested(const char* key, const std::string& json);
  std::string str() const { return "{" + body_ + "}"; }

 private:
  std::string& open(const char* key);

  std::string body_;
};

// Prints the object as one line and flushes, so that whoever waits for it sees it at once.
void printLine(const JsonObject& object);

}  // namespace holdfast::loadgen
