// ClientHellos as clients send them and as attackers do, cut in every way.
#include "codec/client_hello.h"

#include <string>
#include <vector>

#include "check.h"

namespace holdfast::codec {
namespace {

using Bytes = std::vector<u8>;
using Verdict = ClientHello::Verdict;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes text(std::string_view from) { return Bytes(from.begin(), from.end()); }

Bytes sized(u32 width, const Bytes& content) {
  Bytes bytes;
  for (u32 i = width; i-- > 0;) bytes.push_back(static_cast<u8>(content.size() >> 8 * i));
  return bytes + content;
}

Bytes extension(u16 type, const Bytes& content) {
  return Bytes{static_cast<u8>(type >> 8), static_cast<u8>(type)} + sized(2, content);
}

Bytes nameExtension(std::string_view name) {
  return extension(0, sized(2, Bytes{0} + sized(2, text(name))));
}

Bytes alpnExtension(const std::vector<std::string>& protocols) {
  Bytes list;
  for (const std::string& protocol : protocols) list = list + sized(1, text(protocol));
  return extension(16, sized(2, list));
}

Bytes messageOf(const Bytes& extensions) {
  Bytes body = {3, 3};
  body.resize(34, 0x52);
  body = body + sized(1, Bytes(32, 0x1d)) + sized(2, Bytes{0x13, 0x01, 0xc0, 0x2b}) +
         sized(1, Bytes{0}) + sized(2, extensions);
  return Bytes{1} + sized(3, body);
}

// The message in records of at most `length` bytes.
Bytes recordsOf(const Bytes& message, size_t length = 16384) {
  Bytes wire;
  for (size_t at = 0; at < message.size(); at += length) {
    const size_t part = std::min(length, message.size() - at);
    wire = wire + Bytes{22, 3, 1} +
           sized(2, Bytes(message.begin() + static_cast<long>(at),
                          message.begin() + static_cast<long>(at + part)));
  }
  return wire;
}

ClientHello parse(const Bytes& wire, size_t step = 0) {
  ClientHello hello;
  if (step == 0) step = wire.size();
  for (size_t at = 0; at < wire.size(); at += step) {
    hello.take(std::span<const u8>(wire).subspan(at, std::min(step, wire.size() - at)));
  }
  return hello;
}

// The verdict on extensions, checked to be the same however the bytes are cut.
ClientHello judge(const Bytes& wire) {
  const ClientHello whole = parse(wire);
  for (size_t step : {1, 2, 3, 7, 100}) {
    const ClientHello cut = parse(wire, step);
    CHECK(cut.verdict() == whole.verdict() && cut.violation() == whole.violation());
    CHECK_EQ(cut.serverName(), whole.serverName());
    CHECK_EQ(cut.bytesTaken(), whole.bytesTaken());
  }
  return whole;
}

void checkViolation(const Bytes& wire, HelloViolation violation) {
  const ClientHello hello = judge(wire);
  CHECK(hello.verdict() == Verdict::kViolation);
  CHECK_EQ(kHelloViolationNames[static_cast<size_t>(hello.violation())],
           kHelloViolationNames[static_cast<size_t>(violation)]);
  CHECK(hello.serverName().empty() && hello.alpn().empty());
}

TEST(helloTellsNameAndProtocols) {
  const Bytes message =
      messageOf(extension(0x0a0a, {}) + extension(43, {2, 3, 4}) + nameExtension("Chat.Example.") +
                alpnExtension({"h2", "http/1.1"}) + extension(51, Bytes(1216, 7)));
  for (size_t record : {1, 2, 5, 100, 16384}) {
    const ClientHello hello = judge(recordsOf(message, record));
    CHECK(hello.verdict() == Verdict::kHello);
    CHECK_EQ(hello.serverName(), "chat.example");
    CHECK(hello.hasAlpn("h2") && hello.hasAlpn("http/1.1") && !hello.hasAlpn("h"));
    CHECK(!hello.isAlpnCut());
    CHECK_EQ(hello.bytesTaken(), recordsOf(message, record).size());
  }
}

TEST(helloMayBringNeither) {
  CHECK(judge(recordsOf(messageOf({}))).verdict() == Verdict::kHello);
  // A hello of TLS 1.2 without extensions ends behind the compressions.
  Bytes message = messageOf({});
  message.resize(message.size() - 2);
  message[3] = static_cast<u8>(message[3] - 2);
  const ClientHello hello = judge(recordsOf(message));
  CHECK(hello.verdict() == Verdict::kHello && hello.serverName().empty() && hello.alpn().empty());
}

TEST(helloIsNotDecidedBeforeItsLastByte) {
  const Bytes wire = recordsOf(messageOf(nameExtension("a.example") + extension(21, Bytes(9, 0))));
  for (size_t length = 0; length < wire.size(); ++length) {
    ClientHello hello;
    hello.take(std::span<const u8>(wire).first(length));
    CHECK(hello.verdict() == Verdict::kNeedMore);
  }
  // What follows it is not looked at.
  CHECK(judge(wire + Bytes(50, 0xee)).bytesTaken() == wire.size());
}

TEST(otherProtocolsAreToldApartAtOnce) {
  for (std::string_view start : {"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x80\x2e\x01", "\x16\x02",
                                 "\x15\x03\x01", "\x17\x03\x03"}) {
    checkViolation(text(start), HelloViolation::kNotTls);
  }
  ClientHello hello;
  CHECK(hello.take(Bytes{'G'}) == Verdict::kViolation);
  CHECK_EQ(hello.bytesTaken(), 1);
}

TEST(impossibleRecordsAndMessagesAreRefused) {
  checkViolation({22, 3, 1, 0, 0}, HelloViolation::kRecord);
  checkViolation({22, 3, 1, 0x40, 0x01}, HelloViolation::kRecord);
  const Bytes message = messageOf(nameExtension("a.example"));
  Bytes wire = recordsOf(message, 20);
  wire[25] = 21;  // an alert in the middle of a hello
  checkViolation(wire, HelloViolation::kRecord);
  checkViolation({22, 3, 1, 0, 1, 2}, HelloViolation::kMessage);
  checkViolation({22, 3, 1, 0, 4, 1, 1, 0, 0}, HelloViolation::kTooLong);
}

TEST(longHellosEndAtTheLimit) {
  const auto messageWith = [](size_t padding) {
    return messageOf(extension(21, Bytes(padding, 0)) + nameExtension("late.example"));
  };
  const size_t empty = recordsOf(messageWith(0)).size();
  const size_t most = kClientHelloBytesMax - empty;
  const ClientHello longest = judge(recordsOf(messageWith(most)));
  CHECK(longest.verdict() == Verdict::kHello);
  CHECK_EQ(longest.serverName(), "late.example");
  CHECK_EQ(longest.bytesTaken(), kClientHelloBytesMax);
  checkViolation(recordsOf(messageWith(most + 1)), HelloViolation::kTooLong);
  checkViolation(recordsOf(messageWith(60000)), HelloViolation::kTooLong);
  // Headers of small records count as well.
  checkViolation(recordsOf(messageWith(4000), 1), HelloViolation::kTooLong);
}

TEST(namesHaveOneForm) {
  const auto canonical = [](std::string_view name) {
    char output[kServerNameBytesMax];
    const Bytes bytes = text(name);
    return std::string(output, canonicalServerName(bytes, output));
  };
  CHECK_EQ(canonical("WWW.Example.COM"), "www.example.com");
  CHECK_EQ(canonical("a.b."), "a.b");
  CHECK_EQ(canonical("_x-1.Example"), "_x-1.example");
  CHECK_EQ(canonical("10.0.0.1"), "10.0.0.1");
  CHECK_EQ(canonical(std::string(63, 'a') + ".x").size(), 65);
  const std::string longName = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                               std::string(63, 'c') + "." + std::string(63, 'd');
  CHECK_EQ(canonical(longName).size(), 255);
  for (std::string_view wrong :
       {std::string_view(""), std::string_view("."), std::string_view("a.."),
        std::string_view(".a"), std::string_view("a..b"), std::string_view("a b"),
        std::string_view("a\0b", 3), std::string_view("a\n"), std::string_view("*.example"),
        std::string_view("[::1]"), std::string_view("b\xc3\xbc"), std::string_view("a/b"),
        std::string_view("a\xe3\x80\x82"
                         "b")}) {
    CHECK_EQ(canonical(wrong), "");
    checkViolation(recordsOf(messageOf(nameExtension(wrong))), HelloViolation::kServerName);
  }
  CHECK_EQ(canonical(std::string(64, 'a')), "");
  CHECK_EQ(canonical(longName + "x"), "");
  checkViolation(recordsOf(messageOf(nameExtension(std::string(300, 'a')))),
                 HelloViolation::kServerName);
}

TEST(secondNamesAndListsAreRefused) {
  checkViolation(recordsOf(messageOf(nameExtension("a.example") + nameExtension("b.example"))),
                 HelloViolation::kDuplicate);
  checkViolation(recordsOf(messageOf(alpnExtension({"h2"}) + alpnExtension({"h2"}))),
                 HelloViolation::kDuplicate);
  const Bytes twice = Bytes{0} + sized(2, text("a")) + Bytes{0} + sized(2, text("b"));
  checkViolation(recordsOf(messageOf(extension(0, sized(2, twice)))), HelloViolation::kDuplicate);
  // A name of another kind beside it is none of ours.
  const Bytes other = Bytes{9} + sized(2, text("??")) + Bytes{0} + sized(2, text("b.example"));
  CHECK_EQ(judge(recordsOf(messageOf(extension(0, sized(2, other))))).serverName(), "b.example");
}

TEST(manyProtocolsAreCutBetweenTwo) {
  std::vector<std::string> protocols;
  for (int i = 0; i < 30; ++i) protocols.push_back("proto-" + std::to_string(i));
  const ClientHello hello = judge(recordsOf(messageOf(alpnExtension(protocols))));
  CHECK(hello.verdict() == Verdict::kHello && hello.isAlpnCut());
  CHECK(hello.hasAlpn("proto-0") && !hello.hasAlpn("proto-29"));
  CHECK(hello.alpn().size() <= kAlpnBytesMax && hello.alpn().size() > kAlpnBytesMax - 20);
}

TEST(lengthsThatContradictAreRefused) {
  const Bytes name = Bytes{0} + sized(2, text("a.example"));
  const Bytes wrongExtensions[] = {
      extension(0, {}),
      extension(0, {0}),
      extension(0, {0, 0}),
      extension(0, {0, 1, 0}),
      extension(0, {0, 2, 0, 0}),
      extension(0, sized(2, name) + Bytes{0}),
      extension(0, {0, 4, 0, 0, 9, 'a'}),
      extension(0, Bytes{0, 99} + name),
      extension(16, {}),
      extension(16, {0, 0}),
      extension(16, {0, 1, 0}),
      extension(16, {0, 3, 3, 'h', '2'}),
      extension(16, {0, 4, 2, 'h', '2', 0}),
      extension(16, {0, 3, 2, 'h', '2', 9}),
      Bytes{0},
      Bytes{0, 5, 0},
      Bytes{0, 5, 0, 9},
  };
  for (const Bytes& wrong : wrongExtensions) {
    checkViolation(recordsOf(messageOf(wrong)), HelloViolation::kForm);
  }
  // Every length of the hello, one too small and one too large.
  const Bytes message = messageOf(nameExtension("a.example") + alpnExtension({"h2"}));
  for (size_t at : {3, 38, 72, 77, 80, 84, 86, 89, 102, 104, 105}) {
    for (int change : {-1, 1}) {
      Bytes wrong = message;
      wrong[at] = static_cast<u8>(wrong[at] + change);
      const ClientHello hello = judge(recordsOf(wrong) + recordsOf(Bytes(300, 0)));
      CHECK(hello.verdict() == Verdict::kViolation);
    }
  }
}

}  // namespace
}  // namespace holdfast::codec
