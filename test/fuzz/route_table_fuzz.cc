// Any bytes as a route table: what the check accepts can be asked anything. And
// any bytes as the parts of one: what compiles passes the check and gives the
// route that its order promises.
//
// The order is tested without a second matcher: a route is right when a table
// of it alone takes the request, and no table of a route in front of it does.
// Invariant: no answer leaves the table.
#include <cstring>
#include <memory>
#include <string>

#include "http/route_layout.h"
#include "http/route_table.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::http;

constexpr size_t kRoutesTried = 6;

RegexScratch* scratch() {
  static const std::unique_ptr<RegexScratch> kept = std::make_unique<RegexScratch>();
  return kept.get();
}

bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  const auto* text = static_cast<const std::string*>(owner);
  if (nth > 1 || name.empty() || text->empty() || name[0] != (*text)[0]) return false;
  *value = std::string_view(*text).substr(nth);
  return true;
}

RouteRequest requestOf(std::string_view host, std::string_view path, const std::string& field) {
  RouteRequest request;
  request.host = host;
  request.path = path;
  request.query = field;
  request.method = static_cast<u8>(path.size() & 3);
  request.headers = {&field, &findField};
  return request;
}

void ask(const RouteTable& table, const RouteRequest& request) {
  const RouteMatch match = table.match(request, scratch());
  if (!match.isFound()) return;
  FUZZ_CHECK(match.route < table.routeCount());
  (void)table.pickCluster(match.route, 0x80000000u);
  u8 buffer[512];
  codec::Writer writer(buffer);
  (void)table.rewritePath(match.route, request.path, scratch(), &writer);
}

void askAsBytes(std::span<const u8> input) {
  std::vector<u8> bytes(input.begin(), input.end());
  RouteTableHeader header;
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.magic = kRouteTableMagic;
  header.version = kRouteTableVersion;
  header.bytes = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof(header));
  RouteTable table;
  if (!table.attach(bytes)) return;
  const std::string field = "x-a=1&b";
  for (const char* host : {"a.example", "x.y.example", "", "..."}) {
    for (const char* path : {"/", "/api/v1/x", "/users/17/posts", "*", "", "/aaaaaaaaaaaa"}) {
      ask(table, requestOf(host, path, field));
    }
  }
}

// A few bytes of the input, as letters that paths and patterns are made of.
std::string textOf(fuzz::Choices* choices) {
  static constexpr char kLetters[] = "/ab.*-[]()+?1\\x%2eA";
  std::string text;
  for (u32 length = choices->takeU8() & 7; length > 0; --length) {
    text += kLetters[choices->takeU8() % (sizeof(kLetters) - 1)];
  }
  return text;
}

ConditionParts conditionOf(fuzz::Choices* choices) {
  ConditionParts condition;
  const u8 choice = choices->takeU8();
  condition.name = (choice & 1) != 0 ? "a" : "b";
  condition.kind = static_cast<ConditionKind>((choice >> 1) % 5);
  condition.isInverted = (choice & 128) != 0;
  condition.value = textOf(choices);
  return condition;
}

RouteParts routeOf(fuzz::Choices* choices) {
  RouteParts route;
  const u8 choice = choices->takeU8();
  route.pathKind = static_cast<PathKind>(choice & 3);
  route.path = "/" + textOf(choices);
  if ((choice & 4) != 0) route.methods = choices->takeU8() & 15;
  if ((choice & 8) != 0) route.headers.push_back(conditionOf(choices));
  if ((choice & 16) != 0) route.query.push_back(conditionOf(choices));
  if ((choice & 32) != 0) route.splits.push_back({choices->takeU8(), choices->takeU8()});
  if ((choice & 64) != 0) {
    route.rewrite.kind = static_cast<RewriteKind>(choices->takeU8() % 3);
    route.rewrite.pattern = textOf(choices);
    route.rewrite.text = "/" + textOf(choices);
  }
  return route;
}

bool takesAlone(const RouteParts& route, const RouteRequest& request) {
  HostParts host;
  host.names = {"*"};
  host.routes = {route};
  std::vector<u8> bytes;
  std::vector<RouteFault> faults;
  FUZZ_CHECK(compileRouteTable({{host}}, &bytes, &faults));
  RouteTable table;
  FUZZ_CHECK(table.attach(bytes));
  return table.match(request, scratch()).isFound();
}

void askAsParts(fuzz::Choices choices) {
  RouteTableParts parts;
  parts.hosts.resize(1);
  HostParts& host = parts.hosts[0];
  const u8 choice = choices.takeU8();
  host.names = {(choice & 1) != 0 ? "*" : "*.example"};
  host.order = (choice & 2) != 0 ? RouteOrder::kListed : RouteOrder::kSpecificity;
  while (!choices.isAtEnd() && host.routes.size() < kRoutesTried) {
    host.routes.push_back(routeOf(&choices));
  }
  std::vector<u8> bytes;
  std::vector<RouteFault> faults;
  if (!compileRouteTable(parts, &bytes, &faults)) {
    FUZZ_CHECK(!faults.empty() && bytes.empty());
    return;
  }
  RouteTable table;
  FUZZ_CHECK(table.attach(bytes) && table.routeCount() == host.routes.size());
  const std::string field = "a=1&b=a";
  for (const char* path : {"/", "/a", "/a/b", "/ab1", "/b.a", "/aaaa/"}) {
    const RouteRequest request = requestOf("a.example", path, field);
    ask(table, request);
    const u32 taken = table.match(request, scratch()).route;
    for (u32 route = 0; route < host.routes.size(); ++route) {
      const bool isTaken = takesAlone(host.routes[route], request);
      if (route == taken) FUZZ_CHECK(isTaken);
      if (taken == kNoIndex) FUZZ_CHECK(!isTaken);
      if (host.order == RouteOrder::kListed && route < taken) FUZZ_CHECK(!isTaken);
      if (taken != kNoIndex && isTaken && host.order == RouteOrder::kSpecificity) {
        const bool isExact = host.routes[route].pathKind == PathKind::kExact;
        FUZZ_CHECK(!isExact || host.routes[taken].pathKind == PathKind::kExact);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  const std::span<const u8> input(bytes, length);
  askAsBytes(input);
  askAsParts(fuzz::Choices(input));
  return 0;
}
