// Fields that the gateway writes: who the client is, ids for tracing, and what routes ask for.
//
// What a client says of itself in forwarding fields is believed only where its address is trusted;
// otherwise it is taken out, and what the gateway knows is put in. Edits of the response are made
// with the request, whose values they may have, and wait in the exchange's note.
// Invariant: all values lie in the text scratch, the head in hand or the snapshot until the message
// is written.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/head_fields.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

using http1::FieldId;

// 00-<32 digits>-<16 digits>-<2 digits>, not all zero (W3C Trace Context 3.2).
inline constexpr size_t kTraceparentBytes = 55;

bool isTraceparent(std::string_view text) {
  if (text.size() != kTraceparentBytes || !text.starts_with("00-")) return false;
  for (size_t i = 3; i < text.size(); i++) {
    const bool isDash = i == 35 || i == 52;
    const char c = text[i];
    const bool isDigit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (isDash ? c != '-' : !isDigit) return false;
  }
  return text.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
         text.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
}

// Room for a route's edits in the exchange's note, and for the texts of the access record.
inline constexpr size_t kNoteBytesMax = 32 * 1024;

}  // namespace

std::string_view Shard::keepText(const codec::Writer& writer) {
  if (writer.isFailed()) return {};
  const auto* text = reinterpret_cast<const char*>(textScratch_ + textLength_);
  textLength_ += writer.size();
  return {text, writer.size()};
}

std::span<u8> Shard::textRoom() {
  return {textScratch_ + textLength_, kHttpTextBytes - textLength_};
}

std::string_view Shard::expand(const Request& request, const TextSpec& text) {
  return expand(request, snapshot_.text(text));
}

std::string_view Shard::expand(const Request& request, std::string_view compiled) {
  if (http::isPlain(compiled)) return compiled;
  codec::Writer writer(textRoom());
  const Asked asked{this, &request};
  const http::TemplateValues values{&asked, &Shard::findVariable};
  (void)http::expandTemplate(compiled, values, &writer);
  return keepText(writer);
}

std::string_view Shard::findVariable(const void* owner, http::Variable variable,
                                     std::string_view name, std::span<char> room) {
  const auto& asked = *static_cast<const Asked*>(owner);
  Shard& shard = *asked.shard;
  const Request& request = *asked.request;
  const Tunnel& tunnel = shard.tunnels_[request.tunnel];
  const Conn& client = shard.conns_[tunnel.downstream];
  const bool isTls = (client.flags & kConnTls) != 0;
  const bool hasFacts = isTls && shard.tlsOf(tunnel.downstream).facts != kNoIndex;
  switch (variable) {
    case http::Variable::kClientAddress:
      if (!tunnel.client.isIp()) return "unix";
      return {room.data(), formatIp(tunnel.client, room.data(), room.size())};
    case http::Variable::kClientPort: {
      const auto end = std::to_chars(room.data(), room.data() + room.size(), tunnel.client.port);
      return {room.data(), static_cast<size_t>(end.ptr - room.data())};
    }
    case http::Variable::kHost:
      return request.host;
    case http::Variable::kMethod:
      return request.head->textOf(request.head->methodName);
    case http::Variable::kPath:
      return request.path;
    case http::Variable::kQuery:
      return request.query;
    case http::Variable::kTarget:
      return request.target;
    case http::Variable::kScheme:
      return isTls ? "https" : "http";
    case http::Variable::kProtocol:
      return request.head->minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1";
    case http::Variable::kRequestId:
      return request.id.empty() ? request.field("x-request-id") : request.id;
    case http::Variable::kTraceParent:
      return request.trace.empty() ? request.field("traceparent") : request.trace;
    case http::Variable::kRoute:
      return request.route == nullptr ? "" : shard.board_.routeName(request.route->id);
    case http::Variable::kCluster:
      return shard.board_.cluster(tunnel.cluster).name;
    case http::Variable::kListener:
      return shard.board_.listener(tunnel.listener).name;
    case http::Variable::kTlsServerName:
      if (!hasFacts) return {};
      return shard.facts_.view(shard.tlsOf(tunnel.downstream).facts).serverName;
    case http::Variable::kTlsSubject:
      if (!hasFacts) return {};
      return shard.facts_.view(shard.tlsOf(tunnel.downstream).facts).subject;
    case http::Variable::kTlsVersion:
      if (!hasFacts) return {};
      return shard.facts_.view(shard.tlsOf(tunnel.downstream).facts).version;
    case http::Variable::kHeader:
      return request.field(name);
    case http::Variable::kCookie:
      return request.cookie(name);
    case http::Variable::kQueryParameter:
      return request.parameter(name);
    default:
      return {};  // values of records
  }
}

// Everything that the endpoint is to see otherwise than it came.
void Shard::editRequest(Request& request, EditList& edits) {
  const HttpSpec& spec = *request.spec;
  editForwarding(request, edits);
  if ((spec.flags & kHttpRequestId) != 0) {
    const std::string_view came = request.head->valueOf(FieldId::kXRequestId);
    const bool isKept = request.isTrusted && !came.empty() && came.size() <= 128;
    request.id = isKept ? came : drawHex(32);
    if (!isKept) edits.set(FieldId::kXRequestId, "X-Request-Id", request.id);
  }
  if (spec.trace == TraceMode::kRemove) {
    edits.remove(FieldId::kTraceparent);
    edits.remove(FieldId::kTracestate);
  } else if (spec.trace == TraceMode::kCreate) {
    const std::string_view came = request.head->valueOf(FieldId::kTraceparent);
    const bool isOne = !http1::has(request.head->repeated, FieldId::kTraceparent);
    if (!request.isTrusted || !isOne || !isTraceparent(came)) {
      codec::Writer writer(textRoom());
      const char* dashes[] = {"00-", "-", "-01"};
      writer.putText(dashes[0], 3);
      putHex(&writer, 32);
      writer.putText(dashes[1], 1);
      putHex(&writer, 16);
      writer.putText(dashes[2], 3);
      request.trace = keepText(writer);
      edits.set(FieldId::kTraceparent, "traceparent", request.trace);
      edits.remove(FieldId::kTracestate);
    }
  }
  if (spec.via.length != 0) {
    edits.add(FieldId::kVia, "Via", viaOf(*request.spec, request.head->minorVersion));
  }
  const HttpRouteSpec& route = *request.route;
  const size_t own = edits.count;
  editRoute(request, snapshot_.edits(route.requestEditFirst, route.requestEditCount), edits);
  const Exchange& exchange = exchangePool_[request.exchange];
  if (!exchange.toEndpoint.isEmpty()) putKept(exchange.toEndpoint, edits);
  if (edits.count != own) edits.settle(own);
  if (exchange.chain == 0) return;
  // Frames of messages that are looked at are not compressed.
  if ((exchange.flags & kExWebSocket) != 0 && isMessageAsked(exchange.chain)) {
    edits.remove(FieldId::kSecWebSocketExtensions);
  }
  editByFilter(edits);
}

// `1.1 name` (RFC 9110 7.6.3).
std::string_view Shard::viaOf(const HttpSpec& spec, u8 minorVersion) {
  const std::string_view name = snapshot_.text(spec.via);
  codec::Writer writer(textRoom());
  writer.putText(minorVersion == 0 ? "1.0 " : "1.1 ", 4);
  writer.putText(name.data(), name.size());
  return keepText(writer);
}

void Shard::putHex(codec::Writer* writer, u32 digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  u64 bits = 0;
  for (u32 i = 0; i < digits; i++) {
    if (i % 16 == 0) bits = random_.nextU64();
    writer->putU8(static_cast<u8>(kDigits[bits & 15]));
    bits >>= 4;
  }
}

// Who the client is and what it asked for, in X-Forwarded-* and Forwarded (RFC 7239).
void Shard::editForwarding(Request& request, EditList& edits) {
  const http1::Head& head = *request.head;
  const Tunnel& record = tunnels_[request.tunnel];
  const bool isTls = (conns_[record.downstream].flags & kConnTls) != 0;
  constexpr http1::FieldSet kClaims =
      http1::setOf(FieldId::kXForwardedFor, FieldId::kXForwardedProto, FieldId::kXForwardedHost,
                   FieldId::kXForwardedPort, FieldId::kXForwardedPrefix, FieldId::kXRealIp,
                   FieldId::kXOriginalUrl, FieldId::kXRewriteUrl, FieldId::kForwarded);
  const bool hasFor = (request.spec->flags & kHttpForwardedFor) != 0;
  const bool hasForwarded = (request.spec->flags & kHttpForwarded) != 0;
  if (!request.isTrusted && (head.present & kClaims) != 0) {
    for (size_t i = 1; i < http1::kFieldIdCount; i++) {
      const auto id = static_cast<FieldId>(i);
      if (http1::has(kClaims & head.present, id)) edits.remove(id);
    }
  }
  if (!hasFor && !hasForwarded) return;
  char room[kAddressTextMax];
  std::string_view address = "unknown";
  if (record.client.isIp()) {
    address = {room, formatIp(record.client, room, sizeof(room))};
  }
  const std::string_view scheme = isTls ? "https" : "http";
  const std::string_view host = head.textOf(head.host);
  if (hasFor) {
    edits.set(FieldId::kXForwardedFor, "X-Forwarded-For",
              chainOf(request, FieldId::kXForwardedFor, address));
    if (!request.isTrusted || !head.has(FieldId::kXForwardedProto)) {
      edits.set(FieldId::kXForwardedProto, "X-Forwarded-Proto", scheme);
    }
    if (!host.empty() && (!request.isTrusted || !head.has(FieldId::kXForwardedHost))) {
      edits.set(FieldId::kXForwardedHost, "X-Forwarded-Host", host);
    }
  }
  if (!hasForwarded) return;
  char element[kAddressTextMax + 1024];
  codec::Writer writer({reinterpret_cast<u8*>(element), sizeof(element)});
  const auto put = [&writer](std::string_view text) { writer.putText(text.data(), text.size()); };
  put("for=");
  put(record.client.isIpv6() ? "\"[" : "");
  put(address);
  put(record.client.isIpv6() ? "]\"" : "");
  if (!host.empty()) {
    put(";host=\"");
    put(host);
    put("\"");
  }
  put(";proto=");
  put(scheme);
  edits.set(FieldId::kForwarded, "Forwarded",
            chainOf(request, FieldId::kForwarded, {element, writer.size()}));
}

// What trusted peers said in `id`, and `last` behind it.
std::string_view Shard::chainOf(const Request& request, FieldId id, std::string_view last) {
  codec::Writer writer(textRoom());
  const http1::Head& head = *request.head;
  for (u16 i = 0; request.isTrusted && i < head.fieldCount; i++) {
    const http1::Field& field = head.fields[i];
    if (field.id != id || field.valueLength == 0 || head.isDropped(i)) continue;
    writer.put(head.valueOf(field));
    writer.putText(", ", 2);
  }
  writer.putText(last.data(), last.size());
  return keepText(writer);
}

// The edits of a route, with their variables put in.
void Shard::editRoute(const Request& request, std::span<const HttpEditSpec> specs,
                      EditList& edits) {
  for (const HttpEditSpec& spec : specs) {
    const std::string_view name = snapshot_.text(spec.name);
    switch (spec.kind) {
      case HttpEditParts::Kind::kAdd:
        edits.add(spec.id, name, expand(request, spec.value));
        break;
      case HttpEditParts::Kind::kSet:
        edits.set(spec.id, name, expand(request, spec.value));
        break;
      case HttpEditParts::Kind::kRemove:
      case HttpEditParts::Kind::kCount:
        edits.put(http1::FieldEdit::Kind::kRemove, spec.id, name, {});
        break;
    }
  }
}

// Keeps the edits of the response for when it comes. Format of each: kind, field, lengths of 16
// bits and the two texts.
bool Shard::noteEdits(Request& request, std::string_view cookie) {
  const HttpRouteSpec& route = *request.route;
  if (route.responseEditCount == 0 && cookie.empty()) return true;
  HF_UNINITIALIZED EditList edits;
  editRoute(request, snapshot_.edits(route.responseEditFirst, route.responseEditCount), edits);
  if (!cookie.empty()) {
    edits.add(FieldId::kSetCookie, "Set-Cookie", stickyCookie(request, cookie));
  }
  return !edits.isFull() && keepEdits(edits.all(), &exchangePool_[request.exchange].edits);
}

// Behind those that are kept already.
bool Shard::keepEdits(std::span<const http1::FieldEdit> edits, ChunkChain* chain) {
  // Behind what else is in the scratch, and given back at the end.
  codec::Writer writer(textRoom());
  for (const http1::FieldEdit& edit : edits) {
    writer.putU8(static_cast<u8>(edit.kind));
    writer.putU8(static_cast<u8>(edit.id));
    writer.putU16(static_cast<u16>(edit.name.size()));
    writer.putU16(static_cast<u16>(edit.value.size()));
    writer.putText(edit.name.data(), edit.name.size());
    writer.putText(edit.value.data(), edit.value.size());
  }
  if (writer.isFailed() || chain->bytes + writer.size() > kNoteBytesMax) return false;
  return chunks_.append(*chain, textRoom().data(), writer.size()) == writer.size();
}

// A cookie that brings the client back to its endpoint (RFC 6265 4.1).
std::string_view Shard::stickyCookie(const Request& request, std::string_view value) {
  const HttpRouteSpec& route = *request.route;
  const bool isTls = (conns_[tunnels_[request.tunnel].downstream].flags & kConnTls) != 0;
  codec::Writer writer(textRoom());
  const auto put = [&writer](std::string_view text) { writer.putText(text.data(), text.size()); };
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), route.cookieSeconds);
  put(snapshot_.text(route.hashName));
  put("=");
  put(value);
  put("; Path=");
  put(route.cookiePath.length == 0 ? std::string_view("/") : snapshot_.text(route.cookiePath));
  put("; Max-Age=");
  put({digits, static_cast<size_t>(end.ptr - digits)});
  put("; HttpOnly; SameSite=Lax");
  if (isTls) put("; Secure");
  return keepText(writer);
}

// What the client is to see otherwise than the endpoint sent it.
void Shard::editResponse(u32 tunnel, EditList& edits) {
  Exchange& exchange = exchangeOf(tunnel);
  if (const HttpSpec* spec = findHttp(tunnel); spec != nullptr) {
    if (spec->serverName.length != 0) {
      // `Server` is no field that the codec knows by number.
      edits.set(FieldId::kOther, "Server", snapshot_.text(spec->serverName));
    }
    if (spec->via.length != 0) edits.add(FieldId::kVia, "Via", viaOf(*spec, head_.minorVersion));
  }
  // Those of the route itself, and then those of filters.
  const size_t own = edits.count;
  if (!exchange.edits.isEmpty()) putKept(exchange.edits, edits);
  if (!exchange.toClient.isEmpty()) putKept(exchange.toClient, edits);
  if (edits.count != own) edits.settle(own);
  if (filterAnswer_ != nullptr) editByFilter(edits);
}

// Edits that were kept. Where there is no room for them the list is full: nothing goes on without.
void Shard::putKept(const ChunkChain& chain, EditList& edits) {
  if (textRoom().size() < chain.bytes) {
    edits.isOver = true;
    return;
  }
  const size_t length = chunks_.copyTo(chain, textRoom().data());
  codec::Reader reader(std::span<const u8>(textRoom().data(), length));
  textLength_ += length;
  while (!reader.isAtEnd()) {
    u8 kind = 0;
    u8 id = 0;
    u16 lengths[2] = {0, 0};
    std::span<const u8> name;
    std::span<const u8> value;
    // We wrote them ourselves.
    const bool isThere = reader.takeU8(&kind) && reader.takeU8(&id) &&
                         reader.takeU16(&lengths[0]) && reader.takeU16(&lengths[1]) &&
                         reader.take(lengths[0], &name) && reader.take(lengths[1], &value);
    if (!isThere) return;
    edits.put(static_cast<http1::FieldEdit::Kind>(kind), static_cast<FieldId>(id),
              http1::textOf(name), http1::textOf(value));
  }
}

}  // namespace holdfast::proxy
