// Drawing requests, and the bytes of contents.
#include "sim/http_talk.h"

#include <algorithm>
#include <charconv>

namespace holdfast::sim {
namespace {

using namespace std::string_literals;

constexpr std::string_view kWays[] = {"/a/", "/b/", "/r/", "/f/", "/w/", "/none/"};
constexpr size_t kLongContent = 120000;

std::string hex(size_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16);
  return {digits, end.ptr};
}

size_t drawLength(Random& random) {
  const u32 kind = random.below(10);
  if (kind < 2) return random.below(4);
  return random.below(kind < 8 ? 3000 : kLongContent);
}

// Heads that no endpoint may see.
std::string badHead(Random& random, std::string_view line) {
  const std::string first(line);
  switch (random.below(12)) {
    case 0:
      return first + "Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello";
    case 1:
      return first + "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    case 2:
      return first + "Host: a\r\nX : y\r\n\r\n";
    case 3:
      return first + "Host: a\r\nX: y\r\n folded\r\n\r\n";
    case 4:
      return first + "X: y\r\n\r\n";
    case 5:
      return first + "Host: a\r\nHost: b\r\n\r\n";
    case 6:
      return first + "Host: a\nX: y\r\n\r\n";
    case 7:
      return first + "Host: a\r\nX: " + std::string(random.below(80000) + 33000, 'x') + "\r\n\r\n";
    case 8:
      return "GET / HTTP/3.0\r\nHost: a\r\n\r\n";
    case 9:
      return "\x16\x03\x01\x00\xa5 not HTTP\r\n\r\n"s;
    case 10:
      return first + "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    default:
      return first + "Host: a\r\nX: a\0b\r\n\r\n"s;
  }
}

http1::Method drawMethod(Random& random) {
  using enum http1::Method;
  constexpr http1::Method kMethods[] = {kGet,  kGet, kGet,    kHead,    kPost,
                                        kPost, kPut, kDelete, kOptions, kPatch};
  return kMethods[random.below(10)];
}

void drawUpgrade(Ask& ask, Random& random, std::string* fields) {
  ask.isUpgrade = true;
  ask.method = http1::Method::kGet;
  static constexpr std::string_view kKeys[] = {
      "dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "x3JJHMbDL1EzLkh9GBhXDw=="};
  ask.key = kKeys[random.below(3)];
  *fields += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  *fields += "Sec-WebSocket-Key: " + ask.key + "\r\n";
}

}  // namespace

std::string contentOf(u32 id, size_t length) {
  const std::string mark = std::to_string(id);
  std::string content;
  for (u32 i = 0; content.size() < length; ++i) {
    content += "#" + mark + ":" + std::to_string(i) + "\r\n";
    if (i % 3 == 0) content += "0\r\n\r\n";
    if (i % 3 == 1) content += "POST /a/9 HTTP/1.1\r\nHost: a\r\nX-Ask: 999999999\r\n\r\n";
    if (i % 3 == 2)
      content += "HTTP/1.1 200 OK\r\nX-Answer: 999999999\r\nContent-Length: 0\r\n\r\n";
  }
  content.resize(length);
  return content;
}

std::string chunked(std::string_view content, Random& random, bool isBroken) {
  std::string wire;
  while (!content.empty()) {
    const u32 most = static_cast<u32>(std::min<size_t>(content.size(), 40000));
    const size_t part = 1 + random.below(random.chance(1, 2) ? most : std::min(most, 20u));
    wire += hex(part);
    if (random.chance(1, 8)) wire += ";name=\"quo\\\"ted\"";
    wire += "\r\n";
    wire += content.substr(0, part);
    wire += "\r\n";
    content.remove_prefix(part);
  }
  static constexpr std::string_view kWrong[] = {"zz\r\n", "-1\r\n", "5\nhello",
                                                "00000000000000005\r\n", "3;=\r\nabc\r\n"};
  if (isBroken) return wire + std::string(kWrong[random.below(5)]);
  wire += "0\r\n";
  if (random.chance(1, 5)) wire += "X-Sum: 12\r\nX-Other: b\r\n";
  return wire + "\r\n";
}

Ask& drawAsk(HttpBook& book, Random& random, u32 client) {
  Ask& ask = book.asks.emplace_back();
  ask.id = static_cast<u32>(book.asks.size());
  ask.client = client;
  const u32 kind = random.below(20);
  ask.way = kind < 9 ? Way::kFirst : kind < 15 ? Way::kSecond : static_cast<Way>(kind - 13);
  if (kind >= 19) ask.way = Way::kMissing;
  ask.method = drawMethod(random);
  std::string fields = "Host: a.example\r\nX-Ask: " + std::to_string(ask.id) + "\r\n";
  fields += "X-Edit: theirs\r\n";
  if (book.hasSockets && random.chance(1, 4)) {
    if (random.chance(9, 10)) ask.way = Way::kSocket;
    drawUpgrade(ask, random, &fields);
  } else if (random.chance(1, 8)) {
    ask.isOld = true;
    ask.isClosing = random.chance(1, 2);
    if (!ask.isClosing) fields += "Connection: keep-alive\r\n";
  } else if (random.chance(1, 12)) {
    ask.isClosing = true;
    fields += "Connection: close\r\n";
  }
  if (random.chance(1, 6)) fields += "Connection: x-drop\r\nX-Drop: me\r\n";
  if (book.hasCompression && random.chance(2, 3)) {
    static constexpr std::string_view kCodings[] = {"gzip", "br", "zstd", "*", "identity"};
    const std::string_view coding = kCodings[random.below(5)];
    ask.isCoded = coding != "identity";
    fields += "Accept-Encoding: " + std::string(coding) + "\r\n";
  }
  std::string line(http1::kMethodNames[static_cast<size_t>(ask.method)]);
  line += " " + std::string(kWays[static_cast<size_t>(ask.way)]) + std::to_string(ask.id);
  line += ask.isOld ? "?q=1 HTTP/1.0\r\n" : "?q=1 HTTP/1.1\r\n";
  if (random.chance(1, 40) && !ask.isUpgrade) {
    ask.fault = Fault::kHead;
    ask.isOld = false;
    line[line.size() - 3] = '1';
    ask.wire = badHead(random, line);
    ask.headBytes = ask.wire.size();
    return ask;
  }
  using enum http1::Method;
  const bool isContent = ask.method == kPost || ask.method == kPut || ask.method == kPatch ||
                         (ask.method == kDelete && random.chance(1, 3));
  if (!isContent) {
    ask.wire = line + fields + "\r\n";
    ask.headBytes = ask.wire.size();
    return ask;
  }
  ask.content = contentOf(ask.id, drawLength(random));
  const bool isChunked = !ask.isOld && random.chance(1, 2);
  if (!ask.isOld && random.chance(1, 5)) {
    ask.isExpecting = true;
    fields += "Expect: 100-continue\r\n";
  }
  const size_t length = ask.content.size();
  fields += isChunked ? "Transfer-Encoding: chunked\r\n"
                      : "Content-Length: " + std::to_string(length) + "\r\n";
  ask.wire = line + fields + "\r\n";
  ask.headBytes = ask.wire.size();
  const bool isLimited = ask.way == Way::kSecond && book.bodyMax != 0;
  if (isLimited && length > book.bodyMax) ask.fault = Fault::kTooLong;
  if (isChunked && ask.fault == Fault::kNone && random.chance(1, 20)) ask.fault = Fault::kContent;
  const bool isBroken = ask.fault == Fault::kContent;
  const std::string body = isChunked ? chunked(ask.content, random, isBroken) : ask.content;
  ask.wire += body;
  return ask;
}

std::string_view valueOf(const http1::Head& head, std::string_view name) {
  for (u16 i = 0; i < head.fieldCount; ++i) {
    const std::string_view found = http1::textOf(head.nameOf(head.fields[i]));
    const auto isSame = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (found.size() != name.size()) continue;
    if (!std::equal(found.begin(), found.end(), name.begin(), isSame)) continue;
    return http1::textOf(head.valueOf(head.fields[i]));
  }
  return {};
}

u32 numberOf(const http1::Head& head, std::string_view name) {
  const std::string_view text = valueOf(head, name);
  u32 number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace holdfast::sim
