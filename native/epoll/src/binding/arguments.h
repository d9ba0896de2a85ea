// Reading JavaScript arguments: every value is checked here, once, and nowhere deeper.
//
// A Fields reader goes through one object and remembers the first thing that is wrong; the caller
// asks once at the end and throws a TypeError that names the field.
#pragma once

#include <napi.h>

#include <string>

#include "proxy/snapshot.h"
#include "runtime/base.h"

namespace holdfast::binding {

// The first mistake found; empty: none.
struct Problem {
  std::string text;

  [[nodiscard]] bool isNone() const { return text.empty(); }
  void note(const std::string& what) {
    if (text.empty()) text = what;
  }
};

class Fields {
 public:
  Fields(Napi::Value value, std::string path, Problem& problem);

  [[nodiscard]] u32 u32Of(const char* name, u32 maximum = 0xffffffffu) const;
  [[nodiscard]] i32 fdOf(const char* name) const;  // -1 or a descriptor
  [[nodiscard]] u64 u64Of(const char* name) const;
  [[nodiscard]] bool boolOf(const char* name) const;
  [[nodiscard]] std::string stringOf(const char* name, size_t maximum) const;
  // An empty array when it is not one.
  [[nodiscard]] Napi::Array arrayOf(const char* name, u32 maximum) const;
  [[nodiscard]] Napi::Value valueOf(const char* name) const;
  [[nodiscard]] bool has(const char* name) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  void wrong(const char* name, const char* expected) const;

 private:
  Napi::Object object_;
  std::string path_;
  Problem& problem_;
};

// Where item `at` of a list stands.
inline std::string placeOf(const std::string& path, const char* list, u32 at) {
  return path + "." + list + "[" + std::to_string(at) + "]";
}

// The number of a word; the words are those of the addon's face.
template <typename Kind, size_t kCount>
Kind kindOf(const Fields& fields, const char* name, const char* const (&words)[kCount]) {
  constexpr size_t kWordMax = 64;
  const std::string given = fields.stringOf(name, kWordMax);
  for (u32 i = 0; i < kCount; i++) {
    if (given == words[i]) return static_cast<Kind>(i);
  }
  fields.wrong(name, "one of the words of the addon");
  return static_cast<Kind>(0);
}

// `{ip, port}` or `{path}` into a sockaddr; the length, or 0 with the problem noted.
u32 readSocketAddress(Napi::Value value, const std::string& path, Problem& problem,
                      sockaddr_storage* out);
proxy::SocketOptions readSocketOptions(Napi::Value value, const std::string& path,
                                       Problem& problem);
// Throws TypeError when there is a problem; true then.
bool throwIf(Napi::Env env, const Problem& problem);
// Throws an Error with `code` and `syscall`, as Node's own system errors have.
void throwErrno(Napi::Env env, int sysErrno, const char* syscall);
// `EADDRINUSE` for its number.
std::string errnoName(int sysErrno);
// A sockaddr as `{ip, port}` or `{path}`.
Napi::Object describeAddress(Napi::Env env, const sockaddr* address, socklen_t length);

}  // namespace holdfast::binding
