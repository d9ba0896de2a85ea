// PROXY headers: every allowed form, every refusal, split invariance, and encoding at its limits.
#include "codec/proxy_protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"

namespace holdfast::codec {
namespace {

using Bytes = std::vector<u8>;
using Kind = ProxyDecoded::Kind;

Bytes bytesOf(std::string_view text) { return {text.begin(), text.end()}; }

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes tlv(u8 type, const Bytes& value) {
  return joined({{type, static_cast<u8>(value.size() >> 8), static_cast<u8>(value.size())}, value});
}

Bytes v2(u8 versionAndCommand, u8 family, const Bytes& body) {
  return joined(
      {bytesOf(std::string_view("\r\n\r\n\0\r\nQUIT\n", 12)),
       {versionAndCommand, family, static_cast<u8>(body.size() >> 8), static_cast<u8>(body.size())},
       body});
}

const Bytes kIpv4Pair = {1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x00, 0x00, 0x50};

Address ip(std::string_view text, u16 port) {
  Address address;
  CHECK(parseIp(text, port, &address));
  return address;
}

// The verdict on `bytes`, after checking that it does not depend on how they arrive: a prefix of a
// header needs more, and a violation once seen stays.
ProxyDecoded decode(const Bytes& bytes, size_t lengthMax = kProxyHeaderLengthMax) {
  const ProxyDecoded whole = decodeProxyHeader(bytes, lengthMax);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const Bytes prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    const ProxyDecoded early = decodeProxyHeader(prefix, lengthMax);
    if (early.kind == Kind::kNeedMore) {
      CHECK(early.length > length);
      if (whole.kind == Kind::kHeader) CHECK(early.length <= whole.length);
    } else {
      CHECK_EQ(early.kind, whole.kind);
      CHECK_EQ(early.violation, whole.violation);
      CHECK_EQ(early.length, whole.length);
    }
  }
  return whole;
}

void checkViolation(const Bytes& bytes, ProxyViolation expected) {
  const ProxyDecoded decoded = decode(bytes);
  CHECK_EQ(decoded.kind, Kind::kViolation);
  if (!CHECK_EQ(decoded.violation, expected)) {
    check::fail(__FILE__, __LINE__, std::string(bytes.begin(), bytes.end()));
  }
}

std::string encodedV1(const ProxyHeader& header) {
  u8 buffer[kProxyV1LengthMax];
  Writer writer(buffer);
  CHECK(encodeProxyV1(header, &writer));
  return {writer.written().begin(), writer.written().end()};
}

Bytes encodedV2(const ProxyHeader& header) {
  Bytes buffer(kProxyHeaderLengthMax);
  Writer writer(buffer);
  CHECK(encodeProxyV2(header, &writer));
  buffer.resize(writer.size());
  return buffer;
}

TEST(proxyV1DecodesBothFamilies) {
  const ProxyDecoded v4 = decode(bytesOf("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /"));
  CHECK_EQ(v4.kind, Kind::kHeader);
  CHECK_EQ(v4.length, 45);
  CHECK_EQ(v4.header.version, ProxyVersion::kV1);
  CHECK(v4.header.source == ip("192.0.2.1", 56324));
  CHECK(v4.header.destination == ip("198.51.100.7", 443));
  const ProxyDecoded v6 = decode(bytesOf("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"));
  CHECK_EQ(v6.kind, Kind::kHeader);
  CHECK(v6.header.source == ip("2001:db8::1", 0));
  CHECK(v6.header.destination == ip("::1", 65535));
  CHECK_EQ(decode(bytesOf("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"))
               .kind,
           Kind::kHeader);
}

TEST(proxyV1UnknownIgnoresTheRestOfTheLine) {
  for (const char* line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN \r\n", "PROXY UNKNOWN a b c\r\n",
                           "PROXY UNKNOWN \x01\xff\n\r x\r\n"}) {
    const ProxyDecoded decoded = decode(bytesOf(line));
    CHECK_EQ(decoded.kind, Kind::kHeader);
    CHECK_EQ(decoded.length, std::string_view(line).size());
    CHECK_EQ(decoded.header.source.family, 0);
  }
  // The longest line there may be, and one byte more.
  const std::string longest = "PROXY UNKNOWN " + std::string(kProxyV1LengthMax - 16, 'x') + "\r\n";
  CHECK_EQ(decode(bytesOf(longest)).kind, Kind::kHeader);
  const std::string longer = "PROXY UNKNOWN " + std::string(kProxyV1LengthMax - 15, 'x') + "\r\n";
  checkViolation(bytesOf(longer), ProxyViolation::kLineTooLong);
}

TEST(proxyV1RefusesEveryOtherLine) {
  for (const char* line : {"PROXY \r\n",
                           "PROXY TCP4\r\n",
                           "PROXY TCP4 \r\n",
                           "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY UNKNOWNX\r\n",
                           "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
                           "PROXY TCP4 ::1 ::1 1 2\r\n",
                           "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY TCP4 256.2.3.4 5.6.7.8 1 2\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n",
                           "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rx",
                           "PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n",
                           "PROXY UNKNOWN\n",
                           "PROXY UNKNOWN\t\r\n"}) {
    checkViolation(bytesOf(line), ProxyViolation::kLine);
  }
  checkViolation(bytesOf("PROXY TCP4 " + std::string(200, '1')), ProxyViolation::kLineTooLong);
  for (const char* start :
       {"GET / HTTP/1.1\r\n", "PROXX", "proxy TCP4", "\r\n\r\nX", "\x16\x03\x01"}) {
    checkViolation(bytesOf(start), ProxyViolation::kSignature);
  }
}

TEST(proxyV2DecodesEveryFamily) {
  const ProxyDecoded v4 = decode(joined({v2(0x21, 0x11, kIpv4Pair), bytesOf("hello")}));
  CHECK_EQ(v4.kind, Kind::kHeader);
  CHECK_EQ(v4.length, 28);
  CHECK(v4.header.source == ip("1.2.3.4", 4096));
  CHECK(v4.header.destination == ip("5.6.7.8", 80));
  CHECK(v4.header.tlvs.empty());

  Bytes v6Pair(36, 0);
  v6Pair[15] = 1;
  v6Pair[31] = 2;
  v6Pair[33] = 3;
  const ProxyDecoded v6 = decode(v2(0x21, 0x21, v6Pair));
  CHECK(v6.header.source == ip("::1", 3));
  CHECK(v6.header.destination == ip("::2", 0));

  Bytes unixPair(kProxyUnixPairLength, 0);
  unixPair[0] = '/';
  const ProxyDecoded un = decode(v2(0x21, 0x31, unixPair));
  CHECK_EQ(un.kind, Kind::kHeader);
  CHECK(un.header.source.isUnix());
  CHECK_EQ(un.header.unixPair.size(), kProxyUnixPairLength);

  const ProxyDecoded unspecified = decode(v2(0x21, 0x00, {}));
  CHECK_EQ(unspecified.kind, Kind::kHeader);
  CHECK_EQ(unspecified.header.source.family, 0);
  CHECK_EQ(decode(v2(0x21, 0x12, kIpv4Pair)).header.transport, ProxyTransport::kDatagram);
}

TEST(proxyV2LocalIgnoresItsBlock) {
  for (const Bytes& body : {Bytes{}, kIpv4Pair, Bytes{1, 2, 3}}) {
    const ProxyDecoded decoded = decode(v2(0x20, 0xff, body));
    CHECK_EQ(decoded.kind, Kind::kHeader);
    CHECK_EQ(decoded.header.command, ProxyCommand::kLocal);
    CHECK_EQ(decoded.header.source.family, 0);
    CHECK_EQ(decoded.length, 16 + body.size());
  }
}

TEST(proxyV2RefusesReservedValues) {
  checkViolation(v2(0x11, 0x11, kIpv4Pair), ProxyViolation::kVersion);
  checkViolation(v2(0x31, 0x11, kIpv4Pair), ProxyViolation::kVersion);
  checkViolation(v2(0x22, 0x11, kIpv4Pair), ProxyViolation::kCommand);
  for (u8 family : Bytes{0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff}) {
    checkViolation(v2(0x21, family, Bytes(kProxyUnixPairLength, 0)), ProxyViolation::kFamily);
  }
  checkViolation(v2(0x21, 0x11, Bytes(11, 0)), ProxyViolation::kAddressLength);
  checkViolation(v2(0x21, 0x21, Bytes(35, 0)), ProxyViolation::kAddressLength);
  checkViolation(v2(0x21, 0x31, Bytes(215, 0)), ProxyViolation::kAddressLength);
}

TEST(proxyV2LengthHasALimit) {
  const Bytes body = joined({kIpv4Pair, tlv(0xe0, Bytes(4096 - 12 - 3, 'x'))});
  CHECK_EQ(decode(v2(0x21, 0x11, body)).kind, Kind::kHeader);
  Bytes longer = body;
  longer.push_back(0);
  checkViolation(v2(0x21, 0x11, longer), ProxyViolation::kTooLong);
  CHECK_EQ(decodeProxyHeader(v2(0x21, 0x11, kIpv4Pair), 27).violation, ProxyViolation::kTooLong);
  CHECK_EQ(decodeProxyHeader(v2(0x21, 0x11, kIpv4Pair), 28).kind, Kind::kHeader);
  // Refused from the fixed part alone, before the rest has come.
  Bytes start = v2(0x21, 0x11, longer);
  start.resize(kProxyV2FixedLength);
  CHECK_EQ(decodeProxyHeader(start).violation, ProxyViolation::kTooLong);
}

TEST(proxyV2TlvsStayInsideTheHeader) {
  const Bytes tlvs = joined(
      {tlv(kProxyTlvAlpn, bytesOf("h2")), tlv(kProxyTlvNoop, {}), tlv(0xea, bytesOf("vpce-1"))});
  const Bytes bytes = v2(0x21, 0x11, joined({kIpv4Pair, tlvs}));
  const ProxyDecoded decoded = decode(bytes);
  CHECK_EQ(decoded.kind, Kind::kHeader);
  CHECK(
      std::equal(decoded.header.tlvs.begin(), decoded.header.tlvs.end(), tlvs.begin(), tlvs.end()));
  Reader reader(decoded.header.tlvs);
  ProxyTlv first;
  CHECK(takeProxyTlv(&reader, &first));
  CHECK_EQ(first.type, kProxyTlvAlpn);
  CHECK_EQ(first.value.size(), 2);
  for (const Bytes& bad :
       {Bytes{1}, Bytes{1, 0}, Bytes{1, 0, 1}, Bytes{1, 0xff, 0xff, 0},
        tlv(kProxyTlvCrc32c, {1, 2, 3}), tlv(kProxyTlvCrc32c, {1, 2, 3, 4, 5})}) {
    checkViolation(v2(0x21, 0x11, joined({kIpv4Pair, bad})), ProxyViolation::kTlv);
    checkViolation(v2(0x21, 0x00, bad), ProxyViolation::kTlv);
  }
}

TEST(proxyV2ChecksumIsVerified) {
  ProxyHeader header;
  header.source = ip("1.2.3.4", 1);
  header.destination = ip("5.6.7.8", 2);
  const Bytes tlvs = joined({tlv(kProxyTlvAlpn, bytesOf("mqtt")),
                             tlv(kProxyTlvCrc32c, {0, 0, 0, 0}), tlv(0xe1, bytesOf("x"))});
  header.tlvs = tlvs;
  const Bytes bytes = encodedV2(header);
  const ProxyDecoded decoded = decode(bytes);
  CHECK_EQ(decoded.kind, Kind::kHeader);
  CHECK_EQ(decoded.header.tlvs.size(), tlvs.size());
  const size_t crcAt = 16 + 12 + 7 + 3;
  for (size_t at = 16; at < bytes.size(); ++at) {
    if (at == crcAt - 3) continue;  // another type: then there is no checksum
    Bytes wrong = bytes;
    wrong[at] = static_cast<u8>(wrong[at] ^ 0x40);
    CHECK_EQ(decodeProxyHeader(wrong).kind, Kind::kViolation);
  }
  // An independent value: computed bit by bit over the header with its checksum zeroed.
  Bytes zeroed = bytes;
  u32 written = 0;
  for (size_t i = 0; i < 4; ++i) {
    written = (written << 8) | bytes[crcAt + i];
    zeroed[crcAt + i] = 0;
  }
  u32 crc = 0xffffffffu;
  for (u8 byte : zeroed) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  CHECK_EQ(written, ~crc);
  const Bytes twice =
      joined({kIpv4Pair, tlv(kProxyTlvCrc32c, {0, 0, 0, 0}), tlv(kProxyTlvCrc32c, {0, 0, 0, 0})});
  checkViolation(v2(0x21, 0x11, twice), ProxyViolation::kChecksum);
}

TEST(proxyV1EncodesWhatItCanSay) {
  ProxyHeader header;
  header.source = ip("1.2.3.4", 5);
  header.destination = ip("6.7.8.9", 65535);
  CHECK_EQ(encodedV1(header), "PROXY TCP4 1.2.3.4 6.7.8.9 5 65535\r\n");
  header.destination = ip("2001:db8::1", 443);
  CHECK_EQ(encodedV1(header), "PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 5 443\r\n");
  CHECK_EQ(decode(bytesOf(encodedV1(header))).header.source.family, AF_INET);
  header.destination = Address{};
  CHECK_EQ(encodedV1(header), "PROXY UNKNOWN\r\n");
  header.source = Address::unixSocket();
  header.destination = Address::unixSocket();
  CHECK_EQ(encodedV1(header), "PROXY UNKNOWN\r\n");
  header.source = header.destination = ip("1.2.3.4", 5);
  header.command = ProxyCommand::kLocal;
  CHECK_EQ(encodedV1(header), "PROXY UNKNOWN\r\n");
}

TEST(proxyV2EncodesEveryPair) {
  ProxyHeader header;
  header.source = ip("1.2.3.4", 4096);
  header.destination = ip("5.6.7.8", 80);
  CHECK(encodedV2(header) == v2(0x21, 0x11, kIpv4Pair));

  header.destination = ip("2001:db8::1", 443);
  const Bytes mixed = encodedV2(header);
  CHECK_EQ(mixed.size(), 52);
  CHECK_EQ(mixed[13], 0x21);
  CHECK(decode(mixed).header.source == header.source);
  CHECK(decode(mixed).header.destination == header.destination);

  header.source = header.destination = Address::unixSocket();
  CHECK_EQ(encodedV2(header).size(), 16 + kProxyUnixPairLength);
  Bytes pair(kProxyUnixPairLength, 0);
  pair[0] = '/';
  header.unixPair = pair;
  CHECK(encodedV2(header) == v2(0x21, 0x31, pair));

  header.source = ip("1.2.3.4", 5);
  const Bytes alpn = tlv(kProxyTlvAlpn, bytesOf("h2"));
  header.tlvs = alpn;
  CHECK(encodedV2(header) == v2(0x21, 0x00, alpn));
  header.command = ProxyCommand::kLocal;
  CHECK(encodedV2(header) == v2(0x20, 0x00, {}));
}

TEST(proxyEncodingNeverLeavesItsBuffer) {
  const Bytes tlvs =
      joined({tlv(kProxyTlvAlpn, bytesOf("h2")), tlv(kProxyTlvCrc32c, {0, 0, 0, 0})});
  ProxyHeader header;
  header.source = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
  header.destination = header.source;
  header.tlvs = tlvs;
  for (const bool isV1 : {true, false}) {
    size_t needed = 0;
    for (size_t capacity = 0; capacity <= 128; ++capacity) {
      std::vector<u8> buffer(129, 0xee);
      Writer writer(std::span<u8>(buffer).first(capacity));
      const bool isOk = isV1 ? encodeProxyV1(header, &writer) : encodeProxyV2(header, &writer);
      CHECK_EQ(isOk, !writer.isFailed());
      if (isOk && needed == 0) needed = capacity;
      if (needed != 0) CHECK(isOk);
      for (size_t at = capacity; at < buffer.size(); ++at) CHECK_EQ(buffer[at], 0xee);
    }
    CHECK_EQ(needed, isV1 ? 104 : 16 + 36 + tlvs.size());
  }
  header.tlvs = std::span<const u8>(tlvs).first(tlvs.size() - 1);
  std::vector<u8> buffer(1000);
  Writer writer(buffer);
  CHECK(!encodeProxyV2(header, &writer));
}

TEST(proxyV2EncodesBehindOtherBytes) {
  const Bytes tlvs = tlv(kProxyTlvCrc32c, {0, 0, 0, 0});
  ProxyHeader header;
  header.source = header.destination = ip("1.2.3.4", 5);
  header.tlvs = tlvs;
  Bytes buffer(100);
  Writer writer(buffer);
  writer.putU32(0);
  CHECK(encodeProxyV2(header, &writer));
  const Bytes whole(writer.written().begin() + 4, writer.written().end());
  CHECK(whole == encodedV2(header));
  CHECK_EQ(decode(whole).kind, Kind::kHeader);
}

}  // namespace
}  // namespace holdfast::codec
