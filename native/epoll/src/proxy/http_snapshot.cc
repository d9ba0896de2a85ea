// Laying the parts of HTTP flat, and checking them when a snapshot is mapped.
#include "proxy/http_snapshot.h"

#include "codec/http1_rules.h"
#include "http/route_table.h"
#include "http/template.h"
#include "proxy/snapshot.h"

#include "policy/policy_list.h"

namespace holdfast::proxy {
namespace {

TextSpec addText(std::string_view text, std::vector<u8>* texts) {
  const auto offset = static_cast<u32>(texts->size());
  texts->insert(texts->end(), text.begin(), text.end());
  return TextSpec{offset, static_cast<u32>(text.size())};
}

[[nodiscard]] bool addTemplate(const std::string& text, http::TemplateUse use,
                               std::vector<u8>* texts, TextSpec* spec) {
  std::string compiled;
  http::TemplateFault fault;
  if (!http::compileTemplate(text, &compiled, &fault, use)) return false;
  *spec = addText(compiled, texts);
  return true;
}

[[nodiscard]] bool addEdits(const std::vector<HttpEditParts>& parts, FlatHttp* flat,
                            std::vector<u8>* texts, u32* first, u32* count) {
  *first = static_cast<u32>(flat->edits.size());
  *count = static_cast<u32>(parts.size());
  for (const HttpEditParts& part : parts) {
    HttpEditSpec edit;
    edit.kind = part.kind;
    edit.id =
        http1::classifyField({reinterpret_cast<const u8*>(part.name.data()), part.name.size()});
    edit.name = addText(part.name, texts);
    if (!addTemplate(part.value, http::TemplateUse::kHeader, texts, &edit.value)) return false;
    flat->edits.push_back(edit);
  }
  return true;
}

WebSocketSpec flatten(const WebSocketParts& parts) {
  WebSocketSpec spec;
  spec.frameBytesMax = parts.frameBytesMax;
  spec.isAllowed = parts.isAllowed ? 1 : 0;
  spec.isValidated = parts.isValidated ? 1 : 0;
  spec.isPingCounted = parts.isPingCounted ? 1 : 0;
  spec.idleMs = parts.idleMs;
  spec.pingMs = parts.pingMs;
  spec.pongMs = parts.pongMs;
  spec.maxAgeMs = parts.maxAgeMs;
  spec.maxAgeJitterPermille = parts.maxAgeJitterPermille;
  return spec;
}

[[nodiscard]] bool addRoute(const HttpRouteParts& parts, FlatHttp* flat, std::vector<u8>* texts) {
  HttpRouteSpec spec;
  spec.bodyBytesMax = parts.bodyBytesMax;
  spec.webSocket = flatten(parts.webSocket);
  spec.id = parts.id;
  spec.action = parts.action;
  spec.status = parts.status;
  spec.requestMs = parts.requestMs;
  spec.perTryMs = parts.perTryMs;
  spec.idleMs = parts.idleMs;
  spec.retries = parts.retries;
  spec.retryOn = parts.retryOn;
  spec.hashSource = parts.hashSource;
  spec.cookieSeconds = parts.cookieSeconds;
  spec.filterChain = parts.filterChain;
  if (!flattenPolicies(parts.policies, &flat->policies, &spec.policies)) return false;
  spec.contentType = addText(parts.contentType, texts);
  spec.host = addText(parts.host, texts);
  spec.hashName = addText(parts.hashName, texts);
  spec.cookiePath = addText(parts.cookiePath, texts);
  const bool isFlat =
      addTemplate(parts.text,
                  parts.action == HttpAction::kRespond ? http::TemplateUse::kContent
                                                       : http::TemplateUse::kHeader,
                  texts, &spec.text) &&
      addEdits(parts.requestEdits, flat, texts, &spec.requestEditFirst, &spec.requestEditCount) &&
      addEdits(parts.responseEdits, flat, texts, &spec.responseEditFirst, &spec.responseEditCount);
  flat->routes.push_back(spec);
  return isFlat;
}

bool isText(const TextSpec& text, const SnapshotHeader& header) {
  return u64{text.offset} + text.length <= header.textBytes;
}

bool isTemplate(const TextSpec& text, const u8* bytes, const SnapshotHeader& header) {
  if (!isText(text, header)) return false;
  const auto* texts = reinterpret_cast<const char*>(bytes + header.textsOffset);
  return http::isTemplateValid({texts + text.offset, text.length});
}

bool isRouteValid(const HttpRouteSpec& route, const u8* bytes, const SnapshotHeader& header) {
  if (route.action >= HttpAction::kCount || route.hashSource >= HashSource::kCount) return false;
  if (u64{route.requestEditFirst} + route.requestEditCount > header.editCount ||
      u64{route.responseEditFirst} + route.responseEditCount > header.editCount) {
    return false;
  }
  return isTemplate(route.text, bytes, header) && isText(route.contentType, header) &&
         isText(route.host, header) && isText(route.hashName, header) &&
         isText(route.cookiePath, header);
}

}  // namespace

bool flattenHttp(const HttpParts& parts, FlatHttp* flat, std::vector<u8>* texts,
                 std::vector<Cidr>* cidrs) {
  HttpSpec spec;
  std::vector<u8> table;
  std::vector<http::RouteFault> faults;
  if (!http::compileRouteTable(parts.table, &table, &faults)) return false;
  flat->tables.resize((flat->tables.size() + 7) & ~size_t{7});
  spec.tableOffset = static_cast<u32>(flat->tables.size());
  spec.tableBytes = static_cast<u32>(table.size());
  flat->tables.insert(flat->tables.end(), table.begin(), table.end());
  spec.routeFirst = static_cast<u32>(flat->routes.size());
  spec.routeCount = static_cast<u32>(parts.routes.size());
  for (const HttpRouteParts& route : parts.routes) {
    if (!addRoute(route, flat, texts)) return false;
  }
  spec.headBytesMax = parts.headBytesMax;
  spec.targetBytesMax = parts.targetBytesMax;
  spec.fieldsMax = parts.fieldsMax;
  spec.requestsMax = parts.requestsMax;
  spec.headMs = parts.headMs;
  spec.keepAliveMs = parts.keepAliveMs;
  spec.bodyMs = parts.bodyMs;
  const struct {
    bool isSet;
    HttpFlag flag;
  } flags[] = {
      {parts.isSlashMerged, kHttpSlashMerged},
      {parts.isEscapedSlashAllowed, kHttpEscapedSlash},
      {parts.isUnderscoreAllowed, kHttpUnderscore},
      {parts.hasForwardedFor, kHttpForwardedFor},
      {parts.hasForwarded, kHttpForwarded},
      {parts.hasRequestId, kHttpRequestId},
  };
  for (const auto& entry : flags) {
    if (entry.isSet) spec.flags |= entry.flag;
  }
  spec.trace = parts.trace;
  spec.via = addText(parts.via, texts);
  spec.serverName = addText(parts.serverName, texts);
  spec.cidrFirst = static_cast<u32>(cidrs->size());
  spec.cidrCount = static_cast<u32>(parts.trusted.size());
  cidrs->insert(cidrs->end(), parts.trusted.begin(), parts.trusted.end());
  flat->specs.push_back(spec);
  return true;
}

bool flattenPolicies(const std::vector<policy::PolicyParts>& parts, std::vector<u8>* bytes,
                     TextSpec* spec) {
  if (parts.empty()) return true;
  std::vector<u8> compiled;
  std::vector<policy::PolicyFault> faults;
  if (!policy::compilePolicies(parts, &compiled, &faults)) return false;
  bytes->resize((bytes->size() + 7) & ~size_t{7});
  spec->offset = static_cast<u32>(bytes->size());
  spec->length = static_cast<u32>(compiled.size());
  bytes->insert(bytes->end(), compiled.begin(), compiled.end());
  return true;
}

bool flattenAccess(AccessFormat format, const std::string& text, std::vector<u8>* texts,
                   SnapshotHeader* header) {
  header->accessFormat = format;
  if (format != AccessFormat::kTemplate) return true;
  return addTemplate(text, http::TemplateUse::kRecord, texts, &header->accessTemplate);
}

bool isHttpValid(const u8* bytes, const SnapshotHeader& header) {
  const auto* specs = reinterpret_cast<const HttpSpec*>(bytes + header.httpOffset);
  const auto* routes = reinterpret_cast<const HttpRouteSpec*>(bytes + header.httpRoutesOffset);
  const auto* edits = reinterpret_cast<const HttpEditSpec*>(bytes + header.editsOffset);
  if (header.accessFormat >= AccessFormat::kCount ||
      !isTemplate(header.accessTemplate, bytes, header)) {
    return false;
  }
  for (u32 i = 0; i < header.httpCount; i++) {
    const HttpSpec& spec = specs[i];
    if (spec.tableOffset % 8 != 0 || u64{spec.tableOffset} + spec.tableBytes > header.bytes ||
        u64{spec.routeFirst} + spec.routeCount > header.httpRouteCount ||
        u64{spec.cidrFirst} + spec.cidrCount > header.cidrCount ||
        spec.trace >= TraceMode::kCount || spec.headBytesMax > http1::kHeadBytesHardMax ||
        spec.targetBytesMax > spec.headBytesMax || spec.fieldsMax > http1::kFieldsHardMax ||
        !isText(spec.via, header) || !isText(spec.serverName, header)) {
      return false;
    }
    http::RouteTable table;
    if (!table.attach({bytes + spec.tableOffset, spec.tableBytes})) return false;
    if (table.routeCount() != spec.routeCount) return false;
  }
  for (u32 i = 0; i < header.httpRouteCount; i++) {
    if (!isRouteValid(routes[i], bytes, header)) return false;
  }
  for (u32 i = 0; i < header.editCount; i++) {
    const HttpEditSpec& edit = edits[i];
    if (edit.kind >= HttpEditParts::Kind::kCount || edit.id >= http1::FieldId::kCount ||
        !isText(edit.name, header) || !isTemplate(edit.value, bytes, header)) {
      return false;
    }
  }
  return true;
}

}  // namespace holdfast::proxy
