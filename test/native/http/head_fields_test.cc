// From the bytes of a request to its route and its handshake, through the
// HTTP/1.1 codec.
#include "http/head_fields.h"

#include <memory>
#include <string>

#include "http/route_world.h"

namespace holdfast::http {
namespace {

using Line = codec::UpgradeRequest::Line;

// A head with the bytes that it points into.
struct Parsed {
  std::string text;
  std::unique_ptr<http1::Head> head = std::make_unique<http1::Head>();
};

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

Parsed request(std::string text) {
  Parsed parsed{std::move(text)};
  http1::HeadScan scan;
  const http1::HeadResult result =
      http1::takeRequest(bytesOf(parsed.text), http1::kRequestRules, &scan, parsed.head.get());
  CHECK_EQ(result.kind, http1::HeadResult::Kind::kHead);
  return parsed;
}

std::string valueOf(const http1::Head& head, std::string_view name, u32 nth) {
  const HeaderLookup lookup = headerLookupOf(head);
  std::string_view value;
  return lookup.find(lookup.owner, name, nth, &value) ? std::string(value) : "none";
}

TEST(fieldsOfAHeadAreFoundByName) {
  const Parsed parsed = request(
      "GET /a HTTP/1.1\r\nHost: a.example\r\nX-Some-Name: one\r\nx-some-name:  "
      "two \r\n"
      "Connection: X-Hop, upgrade\r\nX-Hop: 1\r\nUpgrade: websocket\r\n\r\n");
  const http1::Head& head = *parsed.head;
  CHECK_EQ(valueOf(head, "x-some-name", 0), "one");
  CHECK_EQ(valueOf(head, "x-some-name", 1), "two");
  CHECK_EQ(valueOf(head, "x-some-name", 2), "none");
  CHECK_EQ(valueOf(head, "x-some", 0), "none");
  CHECK_EQ(valueOf(head, "host", 0), "a.example");
  CHECK_EQ(valueOf(head, "x-hop", 0), "none");
  CHECK_EQ(valueOf(head, "upgrade", 0), "websocket");
}

TEST(aRequestIsRoutedByItsHead) {
  RouteParts webSocket;
  webSocket.methods = 1u << static_cast<u32>(http1::Method::kGet);
  webSocket.headers = {{"Upgrade", ConditionKind::kRegex, "(?i)websocket"}};
  TestTable table({{hostOf({RouteParts{}, webSocket}, {"a.example"})}});
  const auto scratch = std::make_unique<RegexScratch>();
  const auto routeOf = [&](const http1::Head& head) {
    RouteRequest asked;
    asked.host = head.authority.hostText();
    asked.path = head.pathText();
    asked.query = head.textOf(head.query);
    asked.method = static_cast<u8>(head.method);
    asked.headers = headerLookupOf(head);
    return table.table().match(asked, scratch.get()).route;
  };
  const Parsed plain = request("GET /x?y HTTP/1.1\r\nHost: A.example:80\r\n\r\n");
  CHECK_EQ(routeOf(*plain.head), 0);
  const Parsed upgrade = request(
      "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: "
      "Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
  CHECK_EQ(routeOf(*upgrade.head), 1);
}

TEST(aHandshakeIsReadFromBothHeads) {
  const Parsed asked = request(
      "GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: "
      "websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
  const codec::UpgradeRequest upgrade = upgradeRequestOf(*asked.head);
  CHECK_EQ(upgrade.check(Line::kHttp11Get), codec::HandshakeViolation::kNone);
  CHECK(upgrade.offersDeflate());

  Parsed answer{
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: "
      "websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"};
  http1::HeadScan scan;
  const http1::HeadResult result = http1::takeResponse(
      bytesOf(answer.text), http1::kResponseRules,
      {http1::Method::kGet, http1::UpgradeTo::kWebSocket}, &scan, answer.head.get());
  CHECK_EQ(result.kind, http1::HeadResult::Kind::kHead);
  const codec::UpgradeResponse response = upgradeResponseOf(*answer.head);
  CHECK_EQ(response.check(answer.head->status, codec::webSocketAcceptOf(upgrade.key())),
           codec::HandshakeViolation::kNone);
  CHECK(!response.hasDeflate());
}

}  // namespace
}  // namespace holdfast::http
