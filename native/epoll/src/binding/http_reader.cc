// Words become numbers here and nowhere deeper; names of methods are those of the codec.
#include "binding/http_reader.h"

#include <vector>

#include "binding/policy_reader.h"
#include "codec/http1_field.h"
#include "http/route_table.h"
#include "http/template.h"
#include "proxy/filter_layout.h"
#include "runtime/address.h"
#include "runtime/board.h"

namespace holdfast::binding {
namespace {

inline constexpr u32 kTrustedMax = 4096;      // of one listener
inline constexpr u32 kEditsMax = 256;         // of one route and direction
inline constexpr u32 kListMax = 1024;         // conditions, splits and methods: checked again
inline constexpr size_t kTextMax = 1u << 20;  // of one text: content of an answer is the longest
inline constexpr u32 kRetriesMax = 255;

constexpr const char* kPathKinds[] = {"exact", "prefix", "segments", "regex"};
constexpr const char* kConditionKinds[] = {"exact", "present", "prefix", "suffix", "regex"};
constexpr const char* kRewriteKinds[] = {"none", "prefix", "regex"};
constexpr const char* kOrders[] = {"specificity", "listed"};
constexpr const char* kActions[] = {"cluster", "redirect", "respond"};
constexpr const char* kEditKinds[] = {"add", "set", "remove"};
static_assert(std::size(kPathKinds) == static_cast<size_t>(http::PathKind::kCount));
static_assert(std::size(kConditionKinds) == static_cast<size_t>(http::ConditionKind::kCount));
static_assert(std::size(kRewriteKinds) == static_cast<size_t>(http::RewriteKind::kCount));
static_assert(std::size(kOrders) == static_cast<size_t>(http::RouteOrder::kCount));
static_assert(std::size(kActions) == static_cast<size_t>(proxy::HttpAction::kCount));
static_assert(std::size(kEditKinds) == static_cast<size_t>(proxy::HttpEditParts::Kind::kCount));
static_assert(std::size(proxy::kHashSourceNames) == static_cast<size_t>(proxy::HashSource::kCount));
static_assert(std::size(proxy::kTraceModeNames) == static_cast<size_t>(proxy::TraceMode::kCount));

std::vector<std::string> textsOf(const Fields& fields, const char* name, u32 most) {
  const Napi::Array items = fields.arrayOf(name, most);
  std::vector<std::string> texts;
  texts.reserve(items.Length());
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    std::string text = item.IsString() ? item.As<Napi::String>().Utf8Value() : std::string();
    if (text.empty() || text.size() > kTextMax || text.find('\0') != std::string::npos) {
      fields.wrong(name, "a list of short texts");
      break;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

// A bit for each method; those that the codec knows by no name have none.
u32 methodsOf(const Fields& fields) {
  u32 bits = 0;
  for (const std::string& name : textsOf(fields, "methods", kListMax)) {
    const auto method = http1::classifyMethod({reinterpret_cast<const u8*>(name.data()),  //
                                               name.size()});
    if (method == http1::Method::kOther) fields.wrong("methods", "methods that are known");
    bits |= 1u << static_cast<u32>(method);
  }
  return bits;
}

u32 retryOnOf(const Fields& fields) {
  u32 bits = 0;
  for (const std::string& word : textsOf(fields, "retryOn", kListMax)) {
    u32 bit = 0;
    for (u32 i = 0; i < std::size(proxy::kHttpRetryNames); i++) {
      if (word == proxy::kHttpRetryNames[i]) bit = 1u << i;
    }
    if (bit == 0) fields.wrong("retryOn", "words that are known");
    bits |= bit;
  }
  return bits;
}

std::vector<http::ConditionParts> conditionsOf(const Fields& fields, const char* name,
                                               Problem& problem) {
  std::vector<http::ConditionParts> conditions;
  const Napi::Array items = fields.arrayOf(name, kListMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields item(items.Get(i), placeOf(fields.path(), name, i), problem);
    http::ConditionParts& condition = conditions.emplace_back();
    condition.name = item.stringOf("name", kTextMax);
    condition.kind = kindOf<http::ConditionKind>(item, "kind", kConditionKinds);
    condition.value = item.stringOf("value", kTextMax);
    condition.isInverted = item.boolOf("isInverted");
  }
  return conditions;
}

std::vector<http::SplitParts> splitsOf(const Fields& fields, Problem& problem) {
  std::vector<http::SplitParts> splits;
  const Napi::Array items = fields.arrayOf("splits", kListMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields item(items.Get(i), placeOf(fields.path(), "splits", i), problem);
    splits.push_back(
        http::SplitParts{item.u32Of("cluster", kClustersMax - 1), item.u32Of("weight")});
  }
  return splits;
}

std::vector<proxy::HttpEditParts> editsOf(const Fields& fields, const char* name,
                                          Problem& problem) {
  std::vector<proxy::HttpEditParts> edits;
  const Napi::Array items = fields.arrayOf(name, kEditsMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields item(items.Get(i), placeOf(fields.path(), name, i), problem);
    proxy::HttpEditParts& edit = edits.emplace_back();
    edit.kind = kindOf<proxy::HttpEditParts::Kind>(item, "kind", kEditKinds);
    edit.name = item.stringOf("name", kTextMax);
    edit.value = item.stringOf("value", kTextMax);
  }
  return edits;
}

// What the table has to know of a route.
http::RouteParts readMatch(const Fields& fields, Problem& problem) {
  http::RouteParts route;
  route.pathKind = kindOf<http::PathKind>(fields, "pathKind", kPathKinds);
  route.path = fields.stringOf("path", kTextMax);
  route.methods = methodsOf(fields);
  route.headers = conditionsOf(fields, "headers", problem);
  route.query = conditionsOf(fields, "query", problem);
  route.splits = splitsOf(fields, problem);
  const Fields rewrite(fields.valueOf("rewrite"), fields.path() + ".rewrite", problem);
  route.rewrite.kind = kindOf<http::RewriteKind>(rewrite, "kind", kRewriteKinds);
  route.rewrite.pattern = rewrite.stringOf("pattern", kTextMax);
  route.rewrite.text = rewrite.stringOf("text", kTextMax);
  return route;
}

proxy::WebSocketParts readWebSocket(const Fields& fields) {
  proxy::WebSocketParts parts;
  parts.isAllowed = fields.boolOf("isAllowed");
  parts.isValidated = fields.boolOf("isValidated");
  parts.isPingCounted = fields.boolOf("isPingCounted");
  parts.frameBytesMax = fields.u64Of("frameBytesMax");
  parts.idleMs = fields.u32Of("idleMs");
  parts.pingMs = fields.u32Of("pingMs");
  parts.pongMs = fields.u32Of("pongMs");
  parts.maxAgeMs = fields.u32Of("maxAgeMs");
  parts.maxAgeJitterPermille = fields.u32Of("maxAgeJitterPermille", 1000);
  return parts;
}

// What becomes of requests that a route took.
proxy::HttpRouteParts readAction(const Fields& fields, Problem& problem) {
  proxy::HttpRouteParts route;
  route.id = fields.u32Of("id");
  route.action = kindOf<proxy::HttpAction>(fields, "action", kActions);
  route.status = fields.u32Of("status", 999);
  route.text = fields.stringOf("text", kTextMax);
  route.contentType = fields.stringOf("contentType", kTextMax);
  route.host = fields.stringOf("host", kTextMax);
  route.requestMs = fields.u32Of("requestMs");
  route.perTryMs = fields.u32Of("perTryMs");
  route.idleMs = fields.u32Of("idleMs");
  route.bodyBytesMax = fields.u64Of("bodyBytesMax");
  route.retries = fields.u32Of("retries", kRetriesMax);
  route.retryOn = retryOnOf(fields);
  const Fields hash(fields.valueOf("hash"), fields.path() + ".hash", problem);
  route.hashSource = kindOf<proxy::HashSource>(hash, "source", proxy::kHashSourceNames);
  route.hashName = hash.stringOf("name", kTextMax);
  route.cookieSeconds = hash.u32Of("cookieSeconds");
  route.cookiePath = hash.stringOf("cookiePath", kTextMax);
  route.requestEdits = editsOf(fields, "requestEdits", problem);
  route.responseEdits = editsOf(fields, "responseEdits", problem);
  route.filterChain = fields.u32Of("filterChain", proxy::kFilterChainMax);
  route.policies = readPolicies(fields.valueOf("policies"), fields.path() + ".policies", problem);
  route.webSocket =
      readWebSocket(Fields(fields.valueOf("webSocket"), fields.path() + ".webSocket", problem));
  return route;
}

void readHosts(const Fields& fields, Problem& problem, proxy::HttpParts* parts) {
  const Napi::Array hosts = fields.arrayOf("hosts", http::kRouteHostsMax);
  for (u32 i = 0; i < hosts.Length() && problem.isNone(); i++) {
    const Fields from(hosts.Get(i), placeOf(fields.path(), "hosts", i), problem);
    http::HostParts& host = parts->table.hosts.emplace_back();
    host.names = textsOf(from, "names", http::kRouteNamesMax);
    host.order = kindOf<http::RouteOrder>(from, "order", kOrders);
    const Napi::Array routes = from.arrayOf("routes", http::kRoutesMax);
    for (u32 j = 0; j < routes.Length() && problem.isNone(); j++) {
      const Fields route(routes.Get(j), placeOf(from.path(), "routes", j), problem);
      host.routes.push_back(readMatch(route, problem));
      parts->routes.push_back(readAction(route, problem));
    }
  }
}

// One fault as HttpFault of http-input.ts; -1 stands for "none".
struct FaultFields {
  u32 host = 0;
  double route = -1;
  const char* place = "";
  u32 index = 0;
  double position = -1;
  size_t length = 0;
  const char* text = "";
};

void addFault(const FaultFields& fault, Napi::Array* out) {
  Napi::Object row = Napi::Object::New(out->Env());
  row.Set("host", fault.host);
  row.Set("route", fault.route);
  row.Set("place", fault.place);
  row.Set("index", fault.index);
  row.Set("position", fault.position);
  row.Set("length", static_cast<double>(fault.length));
  row.Set("text", fault.text);
  out->Set(out->Length(), row);
}

bool isPositioned(http::RouteFaultKind kind) {
  return kind == http::RouteFaultKind::kRegex || kind == http::RouteFaultKind::kPathBytes ||
         kind == http::RouteFaultKind::kPathEscape || kind == http::RouteFaultKind::kRewriteText;
}

FaultFields describe(const http::RouteFault& fault) {
  static constexpr const char* kPlaces[] = {"host",   "name",  "path",  "methods",
                                            "header", "query", "split", "rewriteText"};
  const bool isRegex = fault.kind == http::RouteFaultKind::kRegex;
  const bool isRewrite = fault.place == http::RoutePlace::kRewrite;
  FaultFields out;
  out.host = fault.host;
  if (fault.route != kNoIndex) out.route = fault.route;
  // A pattern and the text that takes its place are two values of the configuration.
  out.place = isRegex && isRewrite ? "rewritePattern" : kPlaces[static_cast<size_t>(fault.place)];
  out.index = fault.index;
  if (isPositioned(fault.kind)) out.position = fault.regex.position;
  out.text = isRegex ? http::kRegexFaultTexts[static_cast<size_t>(fault.regex.fault)]
                     : http::kRouteFaultTexts[static_cast<size_t>(fault.kind)];
  return out;
}

void checkTemplate(const std::string& text, http::TemplateUse use, FaultFields fault,
                   Napi::Array* out) {
  std::string compiled;
  http::TemplateFault problem;
  if (http::compileTemplate(text, &compiled, &problem, use)) return;
  fault.position = static_cast<double>(problem.position);
  fault.length = problem.length;
  fault.text = http::kTemplateProblemTexts[static_cast<size_t>(problem.problem)];
  addFault(fault, out);
}

void checkEdits(const std::vector<proxy::HttpEditParts>& edits, FaultFields fault,
                Napi::Array* out) {
  for (const proxy::HttpEditParts& edit : edits) {
    checkTemplate(edit.value, http::TemplateUse::kHeader, fault, out);
    fault.index++;
  }
}

void checkTemplates(const proxy::HttpParts& parts, Napi::Array* out) {
  size_t number = 0;
  for (u32 i = 0; i < parts.table.hosts.size(); i++) {
    for (u32 j = 0; j < parts.table.hosts[i].routes.size(); j++) {
      const proxy::HttpRouteParts& route = parts.routes[number++];
      const bool isContent = route.action == proxy::HttpAction::kRespond;
      const auto use = isContent ? http::TemplateUse::kContent : http::TemplateUse::kHeader;
      FaultFields fault;
      fault.host = i;
      fault.route = j;
      fault.place = "text";
      checkTemplate(route.text, use, fault, out);
      fault.place = "requestEdit";
      checkEdits(route.requestEdits, fault, out);
      fault.place = "responseEdit";
      checkEdits(route.responseEdits, fault, out);
    }
  }
}

}  // namespace

void readHttp(Napi::Value value, const std::string& path, Problem& problem,
              proxy::HttpParts* parts) {
  if (value.IsNull()) return;
  const Fields fields(value, path, problem);
  parts->isEnabled = true;
  parts->headBytesMax = fields.u32Of("headBytesMax");
  parts->targetBytesMax = fields.u32Of("targetBytesMax");
  parts->fieldsMax = fields.u32Of("fieldsMax");
  parts->requestsMax = fields.u32Of("requestsMax");
  parts->headMs = fields.u32Of("headMs");
  parts->keepAliveMs = fields.u32Of("keepAliveMs");
  parts->bodyMs = fields.u32Of("bodyMs");
  parts->isSlashMerged = fields.boolOf("isSlashMerged");
  parts->isEscapedSlashAllowed = fields.boolOf("isEscapedSlashAllowed");
  parts->isUnderscoreAllowed = fields.boolOf("isUnderscoreAllowed");
  parts->hasForwardedFor = fields.boolOf("hasForwardedFor");
  parts->hasForwarded = fields.boolOf("hasForwarded");
  parts->hasRequestId = fields.boolOf("hasRequestId");
  parts->trace = kindOf<proxy::TraceMode>(fields, "trace", proxy::kTraceModeNames);
  parts->via = fields.stringOf("via", kTextMax);
  parts->serverName = fields.stringOf("serverName", kTextMax);
  for (const std::string& text : textsOf(fields, "trusted", kTrustedMax)) {
    Cidr cidr;
    if (!parseCidr(text, &cidr)) fields.wrong("trusted", "networks such as 10.0.0.0/8");
    parts->trusted.push_back(cidr);
  }
  readHosts(fields, problem, parts);
}

void readClusterHttp(Napi::Value value, const std::string& path, Problem& problem,
                     proxy::ClusterHttpParts* parts) {
  const Fields fields(value, path, problem);
  parts->idleMs = fields.u32Of("idleMs");
  parts->ageMs = fields.u32Of("ageMs");
  parts->requestsMax = fields.u32Of("requestsMax");
  parts->idlePerEndpoint = fields.u32Of("idlePerEndpoint");
  parts->connectionsMax = fields.u32Of("connectionsMax");
  parts->requestsActiveMax = fields.u32Of("requestsActiveMax");
  parts->pendingMax = fields.u32Of("pendingMax");
  parts->retriesMax = fields.u32Of("retriesMax");
  parts->retryBudgetPermille = fields.u32Of("retryBudgetPermille");
}

Napi::Value checkRoutes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Problem problem;
  proxy::HttpParts parts;
  readHttp(info[0], "http", problem, &parts);
  if (throwIf(env, problem)) return env.Undefined();
  std::vector<u8> bytes;
  std::vector<http::RouteFault> faults;
  Napi::Array out = Napi::Array::New(env);
  if (!http::compileRouteTable(parts.table, &bytes, &faults)) {
    for (const http::RouteFault& fault : faults) addFault(describe(fault), &out);
  }
  checkTemplates(parts, &out);
  return out;
}

}  // namespace holdfast::binding
