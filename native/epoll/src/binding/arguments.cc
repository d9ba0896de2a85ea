// Checked reading of arguments, and system errors as JavaScript knows them.
#include "binding/arguments.h"

#include <uv.h>

#include <cmath>
#include <cstring>

#include "runtime/address.h"

namespace holdfast::binding {

Fields::Fields(Napi::Value value, std::string path, Problem& problem)
    : path_(std::move(path)), problem_(problem) {
  if (value.IsObject()) {
    object_ = value.As<Napi::Object>();
  } else {
    object_ = Napi::Object::New(value.Env());
    problem_.note(path_ + " must be an object");
  }
}

void Fields::wrong(const char* name, const char* expected) const {
  problem_.note(path_ + "." + name + " must be " + expected);
}

Napi::Value Fields::valueOf(const char* name) const { return object_.Get(name); }

bool Fields::has(const char* name) const { return !object_.Get(name).IsUndefined(); }

u64 Fields::u64Of(const char* name) const {
  const Napi::Value value = object_.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  constexpr double kSafeMax = 9007199254740991.0;
  if (!(number >= 0) || number > kSafeMax || number != std::floor(number)) {
    wrong(name, "a whole number of at least 0");
    return 0;
  }
  return static_cast<u64>(number);
}

u32 Fields::u32Of(const char* name, u32 maximum) const {
  const u64 number = u64Of(name);
  if (number > maximum) {
    problem_.note(path_ + "." + name + " must be at most " + std::to_string(maximum));
    return 0;
  }
  return static_cast<u32>(number);
}

i32 Fields::fdOf(const char* name) const {
  const Napi::Value value = object_.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -2;
  if (!(number >= -1) || number > 1e9 || number != std::floor(number)) {
    wrong(name, "a descriptor, or -1");
    return -1;
  }
  return static_cast<i32>(number);
}

bool Fields::boolOf(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsBoolean()) {
    wrong(name, "true or false");
    return false;
  }
  return value.As<Napi::Boolean>().Value();
}

std::string Fields::stringOf(const char* name, size_t maximum) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsString()) {
    wrong(name, "a string");
    return {};
  }
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.size() > maximum || text.find('\0') != std::string::npos) {
    wrong(name, "shorter, and without a NUL");
    return {};
  }
  return text;
}

Napi::Array Fields::arrayOf(const char* name, u32 maximum) const {
  const Napi::Value value = object_.Get(name);
  if (value.IsArray() && value.As<Napi::Array>().Length() <= maximum)
    return value.As<Napi::Array>();
  wrong(name, "an array within its limit");
  return Napi::Array::New(object_.Env());
}

u32 readSocketAddress(Napi::Value value, const std::string& path, Problem& problem,
                      sockaddr_storage* out) {
  const Fields fields(value, path, problem);
  if (fields.has("path")) {
    const std::string text = fields.stringOf("path", kUnixPathMax);
    const socklen_t length = toUnixSockaddr(text, reinterpret_cast<sockaddr_un*>(out));
    if (length == 0) fields.wrong("path", "a Unix socket path of at most 107 bytes");
    return length;
  }
  const std::string ip = fields.stringOf("ip", 64);
  const u32 port = fields.u32Of("port", 65535);
  Address address;
  if (!parseIp(ip, static_cast<u16>(port), &address)) {
    fields.wrong("ip", "an IP address");
    return 0;
  }
  return toSockaddr(address, out);
}

proxy::SocketOptions readSocketOptions(Napi::Value value, const std::string& path,
                                       Problem& problem) {
  const Fields fields(value, path, problem);
  constexpr u32 kSecondsMax = 32767;  // what the kernel takes (tcp(7))
  proxy::SocketOptions options;
  options.nodelay = fields.boolOf("nodelay") ? 1 : 0;
  options.keepaliveIdleSeconds = fields.u32Of("keepaliveIdleSeconds", kSecondsMax);
  options.keepaliveIntervalSeconds = fields.u32Of("keepaliveIntervalSeconds", kSecondsMax);
  options.keepaliveCount = fields.u32Of("keepaliveCount", 127);
  options.userTimeoutMs = fields.u32Of("userTimeoutMs", 0x7fffffff);
  return options;
}

bool throwIf(Napi::Env env, const Problem& problem) {
  if (problem.isNone()) return false;
  Napi::TypeError::New(env, problem.text).ThrowAsJavaScriptException();
  return true;
}

std::string errnoName(int sysErrno) { return uv_err_name(-sysErrno); }

void throwErrno(Napi::Env env, int sysErrno, const char* syscall) {
  const std::string code = errnoName(sysErrno);
  Napi::Error error = Napi::Error::New(env, code + ": " + uv_strerror(-sysErrno) + ", " + syscall);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, -sysErrno));
  error.Set("syscall", Napi::String::New(env, syscall));
  error.ThrowAsJavaScriptException();
}

Napi::Object describeAddress(Napi::Env env, const sockaddr* address, socklen_t length) {
  Napi::Object out = Napi::Object::New(env);
  if (address->sa_family == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(address);
    const size_t room = length - offsetof(sockaddr_un, sun_path);
    const bool isAbstract = room > 0 && local->sun_path[0] == 0;
    const size_t bytes = isAbstract ? room : ::strnlen(local->sun_path, room);
    std::string path(local->sun_path, bytes);
    if (isAbstract) path[0] = '@';
    out.Set("path", path);
    return out;
  }
  const Address ip = fromSockaddr(address, length);
  char text[kAddressTextMax];
  (void)formatIp(ip, text, sizeof(text));
  out.Set("ip", Napi::String::New(env, text));
  out.Set("port", Napi::Number::New(env, ip.port));
  return out;
}

}  // namespace holdfast::binding
