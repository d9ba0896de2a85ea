// Writing of JSON lines; see json.h.
//
// Used at the edges of a run only: nothing here is called for each message.
#include "json.h"

#include <cstdio>

namespace holdfast::loadgen {

std::string& JsonObject::open(const char* key) {
  if (!body_.empty()) body_ += ',';
  body_ += '"';
  body_ += key;
  body_ += "\":";
  return body_;
}

JsonObject& JsonObject::number(const char* key, u64 value) {
  open(key) += std::to_string(value);
  return *this;
}

JsonObject& JsonObject::real(const char* key, double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  open(key) += digits;
  return *this;
}

JsonObject& JsonObject::text(const char* key, const std::string& value) {
  std::string& body = open(key);
  body += '"';
  for (const char letter : value) {
    if (letter == '"' || letter == '\\') body += '\\';
    body += letter;
  }
  body += '"';
  return *this;
}

JsonObject& JsonObject::flag(const char* key, bool value) {
  open(key) += value ? "true" : "false";
  return *this;
}

JsonObject& JsonObject::nested(const char* key, const std::string& json) {
  open(key) += json;
  return *this;
}

void printLine(const JsonObject& object) {
  std::printf("%s\n", object.str().c_str());
  std::fflush(stdout);
}

}  // namespace holdfast::loadgen
