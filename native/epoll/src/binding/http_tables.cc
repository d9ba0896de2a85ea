// The tables of HTTP for JavaScript, and the check of a template.
#include "binding/http_tables.h"

#include <string>

#include "codec/http1_rules.h"
#include "codec/websocket.h"
#include "http/template.h"
#include "proxy/http_record.h"
#include "runtime/board.h"

namespace holdfast::binding {
namespace {

inline constexpr const char* kScopeNames[] = {"both", "request", "record"};
inline constexpr const char* kTemplateUseNames[] = {"header", "content", "record"};

template <typename Table, typename Describe>
Napi::Array describeTable(Napi::Env env, const Table& table, const Describe& describe) {
  Napi::Array out = Napi::Array::New(env, std::size(table));
  for (u32 i = 0; i < std::size(table); i++) out.Set(i, describe(table[i]));
  return out;
}

}  // namespace

Napi::Object describeHttp(Napi::Env env) {
  const auto counter = [&](const CounterInfo& info) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", info.name);
    row.Set("kind", info.kind);
    row.Set("help", info.help);
    return row;
  };
  const auto text = [&](const char* name) { return Napi::String::New(env, name); };
  Napi::Object http = Napi::Object::New(env);
  http.Set("counters", describeTable(env, kHttpCounterTable, counter));
  http.Set("clusterCounters", describeTable(env, kClusterHttpCounterTable, counter));
  http.Set("routeCounters", describeTable(env, kRouteCounterTable, text));
  http.Set("ends", describeTable(env, kHttpEndTable, [&](const CloseReasonInfo& info) {
             Napi::Object row = Napi::Object::New(env);
             row.Set("name", info.name);
             row.Set("who", info.who);
             row.Set("help", info.help);
             return row;
           }));
  http.Set("violations",
           describeTable(env, http1::kViolations,
                         [&](const http1::ViolationInfo& info) { return text(info.name); }));
  http.Set("frameViolations", describeTable(env, codec::kFrameViolationNames, text));
  http.Set("variables", describeTable(env, http::kVariables, [&](const http::VariableInfo& info) {
             Napi::Object row = Napi::Object::New(env);
             row.Set("name", info.name);
             row.Set("scope", kScopeNames[static_cast<size_t>(info.scope)]);
             row.Set("help", info.help);
             return row;
           }));
  const auto number = [&](u64 value) { return Napi::Number::New(env, static_cast<double>(value)); };
  http.Set("latencyBoundsMicros", describeTable(env, kLatencyBounds, number));
  http.Set("latencyPermilles", describeTable(env, kLatencyPermilles, number));
  http.Set("accessFormats", describeTable(env, proxy::kAccessFormatNames, text));
  http.Set("routesMax", kRoutesMax);
  http.Set("routeNameMax", kRouteNameMax);
  return http;
}

Napi::Value checkTemplate(const Napi::CallbackInfo& info) {
  const std::string text = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  const std::string use = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  for (u32 i = 0; i < std::size(kTemplateUseNames); i++) {
    if (use != kTemplateUseNames[i]) continue;
    std::string compiled;
    http::TemplateFault fault;
    if (http::compileTemplate(text, &compiled, &fault, static_cast<http::TemplateUse>(i))) {
      return info.Env().Null();
    }
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("text", http::kTemplateProblemTexts[static_cast<size_t>(fault.problem)]);
    out.Set("position", static_cast<double>(fault.position));
    out.Set("length", static_cast<double>(fault.length));
    return out;
  }
  Napi::TypeError::New(info.Env(), "use: expected header, content or record")
      .ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

}  // namespace holdfast::binding
