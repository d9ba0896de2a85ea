// Heads and messages: the tables of cases in all cuts, limits, what heads tell,
// round trips.
#include "codec/http1_head.h"

#include "check.h"
#include "native/codec/http1_cases.h"
#include "native/codec/http1_response_cases.h"
#include "native/codec/http1_stream.h"

namespace holdfast::http1 {
namespace {

using Side = Stream::Side;

constexpr size_t kSteps[] = {1, 2, 3, 5, 7, 11, 64};

// The stream whole, in even pieces, and in two pieces at every place: always
// the same.
Stream checkCuts(Stream::Side side, std::string_view name, std::string_view bytes, bool isEnded) {
  const auto read = [&](std::initializer_list<std::string_view> pieces) {
    Stream stream(side);
    for (const std::string_view piece : pieces) stream.feed(piece);
    if (isEnded) stream.end();
    return stream;
  };
  const Stream whole = read({bytes});
  for (size_t at = 1; at < bytes.size(); ++at) {
    if (isSameStream(whole, read({bytes.substr(0, at), bytes.substr(at)}))) continue;
    check::fail(__FILE__, __LINE__, std::string(name) + " cut at " + std::to_string(at));
    return whole;
  }
  for (const size_t step : kSteps) {
    Stream stream = readStream(Stream(side), bytes, step);
    if (isEnded) stream.end();
    if (isSameStream(whole, stream)) continue;
    check::fail(__FILE__, __LINE__,
                std::string(name) + " in pieces of " + std::to_string(step) + ": " +
                    stream.verdict() + ", whole " + whole.verdict());
  }
  return whole;
}

void checkCase(Stream::Side side, const Case& example) {
  const bool isEnded = side == Side::kResponses;
  const Stream stream = checkCuts(side, example.name, example.bytes, isEnded);
  if (stream.verdict() != example.verdict) {
    check::fail(__FILE__, __LINE__,
                std::string(example.name) + ": " + stream.verdict() + " is not " +
                    std::string(example.verdict));
  }
  for (const Message& message : stream.messages()) {
    if (isForwardedSame(side, {}, message)) continue;
    check::fail(__FILE__, __LINE__,
                std::string(example.name) + " forwarded as " + message.forwarded);
  }
}

TEST(http1RequestsAreJudgedTheSameInAllCuts) {
  for (const std::span<const Case> cases : kRequestCases) {
    for (const Case& example : cases) checkCase(Side::kRequests, example);
  }
}

TEST(http1ResponsesAreJudgedTheSameInAllCuts) {
  for (const Case& example : kResponseCases) checkCase(Side::kResponses, example);
}

std::string repeated(std::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string verdictOf(const std::string& bytes) {
  const Stream whole = readStream(Stream(Side::kRequests), bytes);
  for (const size_t step : {size_t{1}, size_t{13}, size_t{1000}, size_t{4096}}) {
    CHECK_EQ(readStream(Stream(Side::kRequests), bytes, step).verdict(), whole.verdict());
  }
  return whole.verdict();
}

const std::string kStart = "GET / HTTP/1.1\r\nHost: a\r\n";

TEST(http1TargetsAreBounded) {
  const auto request = [](size_t length) {
    return "GET /" + std::string(length - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  CHECK_EQ(verdictOf(request(kTargetBytesMax)),
           "GET /" + std::string(kTargetBytesMax - 1, 'x') + " 0");
  CHECK_EQ(verdictOf(request(kTargetBytesMax + 1)), "!target-too-long");
  CHECK_EQ(verdictOf(request(65536)), "!target-too-long");
  CHECK_EQ(verdictOf("GET /" + std::string(9000, 'x')), "!target-too-long");
  // Whatever the line is, it is too long first.
  CHECK_EQ(verdictOf(std::string(9000, 'G') + " / HTTP/1.1\r\n"), "!target-too-long");
  CHECK_EQ(verdictOf("GET /\x01" + std::string(9000, 'x') + "\r\n"), "!target-too-long");
  CHECK_EQ(statusOf(Violation::kTargetTooLong), 414);
}

TEST(http1HeadsAreBounded) {
  const auto fields = [](size_t count, size_t valueLength) {
    return kStart + repeated("x: " + std::string(valueLength, 'y') + "\r\n", count) + "\r\n";
  };
  CHECK_EQ(verdictOf(fields(kFieldsMax - 1, 1)), "GET / 0");
  CHECK_EQ(verdictOf(fields(kFieldsMax, 1)), "!too-many-fields");
  CHECK_EQ(verdictOf(fields(10000, 1)), "!too-many-fields");
  // Host weighs 4 + 1 + 32.
  CHECK_EQ(verdictOf(fields(1, kHeadBytesMax - 37 - 33)), "GET / 0");
  CHECK_EQ(verdictOf(fields(1, kHeadBytesMax - 37 - 32)), "!head-too-long");
  CHECK_EQ(verdictOf(fields(1, 1u << 20)), "!head-too-long");
  CHECK_EQ(verdictOf(fields(90, 400)), "!head-too-long");
  CHECK_EQ(verdictOf(kStart + std::string(100000, 'x')), "!head-too-long");
  CHECK_EQ(verdictOf(kStart + "x: " + std::string(31, ' ') + std::string(40000, ' ')),
           "!head-too-long");
  CHECK_EQ(verdictOf(kStart + std::string(255, 'x') + ": y\r\n\r\n"), "GET / 0");
  CHECK_EQ(verdictOf(kStart + std::string(256, 'x') + ": y\r\n\r\n"), "!field-name-too-long");
  CHECK(statusOf(Violation::kHeadTooLong) == 431 && statusOf(Violation::kTooManyFields) == 431);
}

TEST(http1RulesMayBeNarrowerAndWider) {
  const Rules narrow{.headBytesMax = 64, .targetBytesMax = 8, .fieldsMax = 1};
  const Rules wide{.headBytesMax = kHeadBytesHardMax,
                   .targetBytesMax = 60000,
                   .fieldsMax = kFieldsHardMax,
                   .isUnderscoreAllowed = true};
  const auto judge = [](const Rules& rules, const std::string& bytes) {
    HeadScan scan;
    Head head;
    return takeRequest(bytesOf(bytes), rules, &scan, &head);
  };
  CHECK(judge(narrow, kStart + "\r\n").kind == HeadResult::Kind::kHead);
  CHECK(judge(narrow, kStart + "x: y\r\n\r\n").violation == Violation::kTooManyFields);
  CHECK(judge(narrow, "GET /12345678 HTTP/1.1\r\n").violation == Violation::kTargetTooLong);
  CHECK(judge(narrow, kStart + "x: " + std::string(64, 'y')).violation == Violation::kHeadTooLong);
  const std::string many = kStart + repeated("a_b: c\r\n", kFieldsHardMax - 1);
  CHECK(judge(wide, many + "\r\n").kind == HeadResult::Kind::kHead);
  CHECK(judge(wide, many + "d: e\r\n\r\n").violation == Violation::kTooManyFields);
  const std::string target(59999, 'x');
  CHECK(judge(wide, "GET /" + target + " HTTP/1.1\r\nHost: a\r\n\r\n").kind ==
        HeadResult::Kind::kHead);
}

TEST(http1BytesWithoutALineAreKeptUnread) {
  const Rules rules{.headBytesMax = 128, .targetBytesMax = 32};
  HeadScan scan;
  Head head;
  const auto keeps = [&](std::string_view fresh) { return canKeep(bytesOf(fresh), rules, &scan); };
  // Nothing was looked at yet.
  CHECK(!keeps("GET"));
  CHECK(takeRequest(bytesOf("GET /"), rules, &scan, &head).kind == HeadResult::Kind::kNeedMore);
  CHECK(keeps(" HTTP") && keeps("/1.1"));
  CHECK(!keeps("\r\n") && !keeps(std::string(32, 'x')));
  const std::string line = "GET / HTTP/1.1\r\n";
  CHECK(takeRequest(bytesOf(line), rules, &scan, &head).kind == HeadResult::Kind::kNeedMore);
  CHECK(keeps("Host: a") && keeps(std::string(128 - line.size() - 8, ' ')));
  CHECK(!keeps("x"));
  const std::string whole =
      line + "Host: a" + std::string(128 - line.size() - 11, ' ') + "\r\n\r\n";
  CHECK(takeRequest(bytesOf(whole), rules, &scan, &head).kind == HeadResult::Kind::kHead);
  CHECK_EQ(head.length, 128);
  CHECK(!keeps("x"));
}

TEST(http1ThousandPipelinedRequestsStayInOrder) {
  std::string bytes;
  for (u32 i = 0; i < 1000; ++i) {
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  bytes += "GET  / HTTP/1.1\r\n\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\n";
  const Stream stream = readStream(Stream(Side::kRequests), bytes);
  CHECK_EQ(stream.messages().size(), 1000);
  CHECK(stream.violation() == Violation::kRequestLine);
  for (u32 i = 0; i < stream.messages().size(); ++i) {
    CHECK_EQ(stream.messages()[i].line, "GET /" + std::to_string(i));
  }
}

TEST(http1HeadsTellWhatTheySay) {
  const std::string bytes =
      "GET http://Chat.Example:8080/a/b?c=d HTTP/1.1\r\nHost: "
      "chat.example:8080\r\n"
      "Cookie: a=b\r\nX-Other: 1\r\ncookie: c=d\r\nSec-WebSocket-Key: key\r\n"
      "Connection: upgrade, x-other\r\nUpgrade: websocket\r\nX-Forwarded-For: "
      "1.2.3.4\r\n\r\nrest";
  HeadScan scan;
  Head head;
  const HeadResult result = takeRequest(bytesOf(bytes), kRequestRules, &scan, &head);
  CHECK(result.kind == HeadResult::Kind::kHead);
  CHECK_EQ(head.length, bytes.size() - 4);
  CHECK(head.method == Method::kGet && head.form == TargetForm::kAbsolute);
  CHECK_EQ(head.textOf(head.methodName), "GET");
  CHECK_EQ(head.pathText(), "/a/b");
  CHECK_EQ(head.textOf(head.query), "c=d");
  CHECK_EQ(head.textOf(head.host), "Chat.Example:8080");
  CHECK_EQ(head.authority.hostText(), "chat.example");
  CHECK_EQ(head.authority.port, 8080);
  CHECK_EQ(head.fieldCount, 8);
  CHECK_EQ(head.valueOf(FieldId::kCookie), "a=b");
  CHECK(has(head.repeated, FieldId::kCookie) && !has(head.repeated, FieldId::kHost));
  CHECK_EQ(head.valueOf(FieldId::kSecWebSocketKey), "key");
  CHECK_EQ(head.valueOf(FieldId::kXForwardedFor), "1.2.3.4");
  CHECK(head.valueOf(FieldId::kForwarded).empty() && !head.has(FieldId::kForwarded));
  CHECK(head.upgrade == UpgradeTo::kWebSocket && head.isPersistent);
  CHECK(head.isDropped(2) && !head.isDropped(1) && !head.isDropped(3));
  CHECK(head.bodyKind == BodyKind::kNone && !head.hasLength && !head.isContinueExpected);
}

TEST(http1UpgradesNeedTheirOption) {
  const auto upgradeOf = [](std::string_view version, std::string_view fields) {
    const std::string bytes =
        "GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    HeadScan scan;
    Head head;
    const HeadResult result = takeRequest(bytesOf(bytes), kRequestRules, &scan, &head);
    CHECK(result.kind == HeadResult::Kind::kHead);
    return head.upgrade;
  };
  const std::string both = "Connection: Upgrade\r\nUpgrade: WEBSOCKET\r\n";
  CHECK(upgradeOf("HTTP/1.1", both) == UpgradeTo::kWebSocket);
  CHECK(upgradeOf("HTTP/1.0", both) == UpgradeTo::kNone);
  CHECK(upgradeOf("HTTP/1.1", both + "Content-Length: 0\r\n") == UpgradeTo::kWebSocket);
  CHECK(upgradeOf("HTTP/1.1", both + "Content-Length: 1\r\n") == UpgradeTo::kOther);
  CHECK(upgradeOf("HTTP/1.1", both + "Transfer-Encoding: chunked\r\n") == UpgradeTo::kOther);
  CHECK(upgradeOf("HTTP/1.1", "Upgrade: websocket\r\n") == UpgradeTo::kNone);
  CHECK(upgradeOf("HTTP/1.1", "Connection: upgrade\r\n") == UpgradeTo::kNone);
  CHECK(upgradeOf("HTTP/1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n") == UpgradeTo::kOther);
  CHECK(upgradeOf("HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n") ==
        UpgradeTo::kOther);
  CHECK(upgradeOf("HTTP/1.1",
                  "Connection: upgrade\r\nUpgrade: "
                  "websocket\r\nUpgrade: websocket\r\n") == UpgradeTo::kOther);
}

std::string answer(ResponseTo to, std::string_view bytes) {
  Stream stream(Side::kResponses, to);
  stream.feed(bytes);
  stream.end();
  return stream.verdict();
}

TEST(http1ResponsesDependOnTheirRequest) {
  const ResponseTo toHead{Method::kHead, UpgradeTo::kNone};
  const ResponseTo toConnect{Method::kConnect, UpgradeTo::kNone};
  const ResponseTo toUpgrade{Method::kGet, UpgradeTo::kWebSocket};
  const std::string next = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
  CHECK_EQ(answer(toHead, next + next), "200 0 | 200 0");
  CHECK_EQ(answer(toHead, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + next),
           "200 0 | 200 0");
  CHECK_EQ(answer(toHead, "HTTP/1.1 200 OK\r\n\r\n"), "200 0");
  CHECK_EQ(answer(toConnect, "HTTP/1.1 200 OK\r\n\r\nraw"), "200 0 close | switch");
  CHECK_EQ(answer(toConnect, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw"),
           "!forbidden-content");
  CHECK_EQ(answer(toConnect, "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nraw"), "403 3");
  const std::string granted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
  CHECK_EQ(answer(toUpgrade, granted + "Upgrade: websocket\r\n\r\nraw"), "101 0 close | switch");
  CHECK_EQ(answer(toUpgrade, granted + "Upgrade: h2c\r\n\r\nraw"), "!unexpected-switch");
  CHECK_EQ(answer(toUpgrade, granted + "\r\nraw"), "!unexpected-switch");
  CHECK_EQ(answer(toUpgrade, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), "200 2");
  CHECK_EQ(answer({}, repeated("HTTP/1.1 103 Early Hints\r\n\r\n", 10000) + next + "123456789")
               .substr(0, 16),
           "103 0 | 103 0 | ");
}

TEST(http1ViolationsHaveNamesAndStatuses) {
  for (size_t i = 1; i < static_cast<size_t>(Violation::kCount); ++i) {
    const Violation violation = static_cast<Violation>(i);
    CHECK(statusOf(violation) >= 400 && statusOf(violation) < 600);
    const std::string begin = "HTTP/1.1 " + std::to_string(statusOf(violation)) + " ";
    CHECK_EQ(closingResponse(statusOf(violation)).substr(0, begin.size()), begin);
    for (size_t j = 0; j < i; ++j) {
      CHECK(std::string_view(kViolations[i].name) != kViolations[j].name);
    }
  }
  for (const int closing : {400, 408, 413, 414, 417, 431, 501, 502, 503, 504, 505}) {
    Stream stream =
        readStream(Stream(Side::kResponses), closingResponse(static_cast<u16>(closing)));
    CHECK_EQ(stream.verdict(), std::to_string(closing) + " 0 close");
  }
}

TEST(http1FieldsAndMethodsAreKnown) {
  for (size_t id = 1; id < kFieldIdCount; ++id) {
    std::string name(kFieldNames[id]);
    CHECK_EQ(static_cast<size_t>(classifyField(bytesOf(name))), id);
    for (char& byte : name) byte = static_cast<char>(byte >= 'a' ? byte - 'a' + 'A' : byte);
    CHECK_EQ(static_cast<size_t>(classifyField(bytesOf(name))), id);
    name[1] = '~';
    CHECK(classifyField(bytesOf(name)) == FieldId::kOther);
    CHECK(classifyField(bytesOf(name + "x")) == FieldId::kOther);
  }
  CHECK(classifyField({}) == FieldId::kOther && classifyField(bytesOf("x")) == FieldId::kOther);
  for (size_t i = 1; i < static_cast<size_t>(Method::kCount); ++i) {
    CHECK_EQ(static_cast<size_t>(classifyMethod(bytesOf(kMethodNames[i]))), i);
    CHECK(classifyMethod(bytesOf(std::string(kMethodNames[i]) + "S")) == Method::kOther);
  }
  CHECK(classifyMethod(bytesOf("get")) == Method::kOther && classifyMethod({}) == Method::kOther);
  CHECK(isIdempotent(Method::kGet) && !isIdempotent(Method::kPost));
}

}  // namespace
}  // namespace holdfast::http1
