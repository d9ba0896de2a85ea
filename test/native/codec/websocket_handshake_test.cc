// The opening handshake: SHA-1 and accept values against vectors, lists, and
// every refusal.
#include "codec/websocket_handshake.h"

#include <string>
#include <vector>

#include "codec/sha1.h"

#include "check.h"

namespace holdfast::codec {
namespace {

using Field = std::pair<std::string, std::string>;
using Fields = std::vector<Field>;
using Line = UpgradeRequest::Line;

std::string hex(const Sha1Digest& digest) {
  std::string text;
  for (const u8 byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string sha1Of(std::string_view text) {
  return hex(sha1({reinterpret_cast<const u8*>(text.data()), text.size()}));
}

TEST(sha1MatchesItsVectors) {
  CHECK_EQ(sha1Of(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK_EQ(sha1Of("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK_EQ(sha1Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  // Around the places where padding needs another block.
  CHECK_EQ(sha1Of(std::string(55, 'a')), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  CHECK_EQ(sha1Of(std::string(56, 'a')), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
  CHECK_EQ(sha1Of(std::string(63, 'a')), "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
  CHECK_EQ(sha1Of(std::string(64, 'a')), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
  CHECK_EQ(sha1Of(std::string(65, 'a')), "11655326c708d70319be2610e8a57d9a5b959d3b");
}

TEST(theAcceptValueIsThatOfTheRfc) {
  const WebSocketAccept accept = webSocketAcceptOf("dGhlIHNhbXBsZSBub25jZQ==");
  CHECK_EQ(std::string(accept.data(), accept.size()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(keysAreBase64OfSixteenBytes) {
  CHECK(isWebSocketKey("dGhlIHNhbXBsZSBub25jZQ=="));
  CHECK(isWebSocketKey("AAAAAAAAAAAAAAAAAAAAAA=="));
  CHECK(isWebSocketKey("++++++++++++++//////9w=="));
  for (const char* wrong :
       {"", "==", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQQ=", "dGhlIHNhbXBsZSBub25jZQQQ", "dGhlIHNhbXBsZSBub25j=Q==",
        "dGhlIHNhbXBsZSBub25j-Q==", "dGhlIHNhbXBsZSBub25jZ ==", " GhlIHNhbXBsZSBub25jZQ=="}) {
    if (!CHECK(!isWebSocketKey(wrong))) check::fail(__FILE__, __LINE__, wrong);
  }
  CHECK(!isWebSocketKey(std::string_view("dGhlIHNhbXBsZSBub25jZ\0==", 24)));
}

TEST(listsAreReadByTheirCommas) {
  CHECK(hasListToken("upgrade", "upgrade"));
  CHECK(hasListToken("keep-alive, Upgrade", "upgrade"));
  CHECK(hasListToken("\tUPGRADE\t,x", "upgrade"));
  CHECK(hasListToken(",,upgrade,", "upgrade"));
  CHECK(!hasListToken("", "upgrade"));
  CHECK(!hasListToken("upgrades", "upgrade"));
  CHECK(!hasListToken("no upgrade", "upgrade"));
  CHECK(!hasListToken("\"a, upgrade\"", "upgrade"));
  CHECK(!hasListToken("\"a\\\", upgrade\"", "upgrade"));
  CHECK(!hasListToken("\"a, upgrade", "upgrade"));
  CHECK(hasListToken("foo; a=\"b, c\", permessage-deflate; x", "permessage-deflate"));
  CHECK(hasListToken("permessage-deflate;server_max_window_bits=10", "permessage-deflate"));
  CHECK(!hasListToken("x-permessage-deflate", "permessage-deflate"));
}

Fields goodRequest() {
  return {{"Host", "a.example"},
          {"Upgrade", "websocket"},
          {"Connection", "keep-alive, Upgrade"},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
          {"Sec-WebSocket-Version", "13"}};
}

HandshakeViolation check(const Fields& fields, Line line = Line::kHttp11Get) {
  UpgradeRequest request;
  for (const auto& [name, value] : fields) request.take(name, value);
  return request.check(line);
}

// The good request with one field changed, added, or (with an empty value)
// taken out.
HandshakeViolation checkWith(const std::string& name, const std::string& value) {
  Fields fields;
  for (const Field& field : goodRequest()) {
    if (field.first != name) fields.push_back(field);
  }
  if (!value.empty()) fields.emplace_back(name, value);
  return check(fields);
}

TEST(requestsAreCheckedFieldByField) {
  using V = HandshakeViolation;
  CHECK_EQ(check(goodRequest()), V::kNone);
  CHECK_EQ(check(goodRequest(), Line::kOther), V::kMethod);
  CHECK_EQ(checkWith("Upgrade", ""), V::kUpgrade);
  CHECK_EQ(checkWith("Upgrade", "h2c"), V::kUpgrade);
  CHECK_EQ(checkWith("Upgrade", "h2c, WebSocket"), V::kNone);
  CHECK_EQ(checkWith("Connection", ""), V::kConnection);
  CHECK_EQ(checkWith("Connection", "close"), V::kConnection);
  CHECK_EQ(checkWith("Sec-WebSocket-Version", ""), V::kVersion);
  CHECK_EQ(checkWith("Sec-WebSocket-Version", "8"), V::kVersionOther);
  CHECK_EQ(checkWith("Sec-WebSocket-Version", "13, 8"), V::kVersionOther);
  CHECK_EQ(checkWith("Sec-WebSocket-Version", "013"), V::kVersionOther);
  CHECK_EQ(checkWith("Sec-WebSocket-Key", ""), V::kKey);
  CHECK_EQ(checkWith("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), V::kKey);
  Fields twoKeys = goodRequest();
  twoKeys.emplace_back("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
  CHECK_EQ(check(twoKeys), V::kKey);
  Fields twoVersions = goodRequest();
  twoVersions.emplace_back("SEC-WEBSOCKET-VERSION", "13");
  CHECK_EQ(check(twoVersions), V::kVersion);
  // Spread over lines, a list says the same.
  Fields twoLines = goodRequest();
  twoLines[2] = {"Connection", "keep-alive"};
  twoLines.emplace_back("Connection", "upgrade");
  CHECK_EQ(check(twoLines), V::kNone);
}

TEST(aRequestTellsWhatItAsksFor) {
  UpgradeRequest request;
  CHECK(!request.isAsking());
  const Fields fields = goodRequest();
  for (const auto& [name, value] : fields) request.take(name, value);
  CHECK(request.isAsking() && !request.offersDeflate());
  CHECK_EQ(request.key(), "dGhlIHNhbXBsZSBub25jZQ==");
  request.take("Sec-WebSocket-Extensions", "x-other");
  CHECK(!request.offersDeflate());
  request.take("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
  CHECK(request.offersDeflate());
}

HandshakeViolation checkAnswer(u32 status, const Fields& fields) {
  UpgradeResponse response;
  for (const auto& [name, value] : fields) response.take(name, value);
  return response.check(status, webSocketAcceptOf("dGhlIHNhbXBsZSBub25jZQ=="));
}

TEST(answersAreVerified) {
  using V = HandshakeViolation;
  const Field upgrade = {"Upgrade", "WebSocket"};
  const Field connection = {"Connection", "Upgrade"};
  const Field accept = {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="};
  CHECK_EQ(checkAnswer(101, {upgrade, connection, accept}), V::kNone);
  CHECK_EQ(checkAnswer(200, {upgrade, connection, accept}), V::kStatus);
  CHECK_EQ(checkAnswer(101, {connection, accept}), V::kAccept);
  CHECK_EQ(checkAnswer(101, {upgrade, accept}), V::kAccept);
  CHECK_EQ(checkAnswer(101, {upgrade, connection}), V::kAccept);
  CHECK_EQ(checkAnswer(101, {upgrade, connection, accept, accept}), V::kAccept);
  const Field other = {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="};
  CHECK_EQ(checkAnswer(101, {upgrade, connection, other}), V::kAccept);
  const Field lower = {"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="};
  CHECK_EQ(checkAnswer(101, {upgrade, connection, lower}), V::kAccept);
  UpgradeResponse deflated;
  deflated.take("sec-websocket-extensions", "permessage-deflate");
  CHECK(deflated.hasDeflate());
}

TEST(handshakeViolationsHaveTheirStatus) {
  CHECK_EQ(statusOf(HandshakeViolation::kNone), 0);
  CHECK_EQ(statusOf(HandshakeViolation::kMethod), 400);
  CHECK_EQ(statusOf(HandshakeViolation::kKey), 400);
  CHECK_EQ(statusOf(HandshakeViolation::kVersion), 400);
  CHECK_EQ(statusOf(HandshakeViolation::kVersionOther), 426);
  CHECK_EQ(statusOf(HandshakeViolation::kStatus), 502);
  CHECK_EQ(statusOf(HandshakeViolation::kAccept), 502);
}

}  // namespace
}  // namespace holdfast::codec
