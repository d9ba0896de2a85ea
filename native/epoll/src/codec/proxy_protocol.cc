// Decodes and encodes PROXY headers; see proxy_protocol.h for the contract and the spec.
//
// Decoding looks at the fixed part as its bytes come, so that a wrong peer is refused at its first
// wrong byte, and at addresses and TLVs only when the header is whole.
#include "codec/proxy_protocol.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "codec/crc32c.h"

namespace holdfast::codec {
namespace {

constexpr u8 kV2Signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr u8 kV1Signature[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
constexpr std::string_view kUnknown = "UNKNOWN";
constexpr size_t kV1LengthMin = sizeof("PROXY UNKNOWN\r\n") - 1;

constexpr u8 kFamilyUnspecified = 0;
constexpr u8 kFamilyIpv4 = 1;
constexpr u8 kFamilyIpv6 = 2;
constexpr u8 kFamilyUnix = 3;

constexpr size_t kIpv4PairLength = 12;
constexpr size_t kIpv6PairLength = 36;
constexpr size_t kCrcLength = 4;
constexpr size_t kTlvHeadLength = 3;

ProxyDecoded needMore(size_t length) {
  ProxyDecoded decoded;
  decoded.length = length;
  return decoded;
}

ProxyDecoded violation(ProxyViolation reason) {
  ProxyDecoded decoded;
  decoded.kind = ProxyDecoded::Kind::kViolation;
  decoded.violation = reason;
  return decoded;
}

bool isPrefixOf(std::span<const u8> signature, std::span<const u8> bytes) {
  const size_t length = std::min(signature.size(), bytes.size());
  return std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length),
                    signature.begin());
}

std::string_view textOf(std::span<const u8> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// --- version 1 ---------------------------------------------------------------------------------

// Takes the next word of a line in which exactly one space separates words.
bool takeWord(std::string_view* line, std::string_view* word) {
  const size_t space = line->find(' ');
  *word = line->substr(0, space);
  line->remove_prefix(space == std::string_view::npos ? line->size() : space + 1);
  return !word->empty();
}

// `line` is what follows "PROXY TCP4 " or "PROXY TCP6 ", without CRLF.
bool parseAddresses(std::string_view line, bool isV6, ProxyHeader* header) {
  if (std::count(line.begin(), line.end(), ' ') != 3) return false;
  std::string_view source;
  std::string_view destination;
  std::string_view sourcePort;
  std::string_view destinationPort;
  if (!takeWord(&line, &source) || !takeWord(&line, &destination)) return false;
  if (!takeWord(&line, &sourcePort) || !takeWord(&line, &destinationPort)) return false;
  for (std::string_view text : {source, destination}) {
    if ((text.find(':') != std::string_view::npos) != isV6) return false;
  }
  u16 port = 0;
  if (!parsePort(sourcePort, &port) || !parseIp(source, port, &header->source)) return false;
  return parsePort(destinationPort, &port) && parseIp(destination, port, &header->destination);
}

// `line` is whole and without CRLF.
bool parseLine(std::string_view line, ProxyHeader* header) {
  header->version = ProxyVersion::kV1;
  line.remove_prefix(sizeof(kV1Signature));
  if (line.starts_with("TCP4 ")) return parseAddresses(line.substr(5), false, header);
  if (line.starts_with("TCP6 ")) return parseAddresses(line.substr(5), true, header);
  // Everything behind UNKNOWN is to be ignored (spec 2.1).
  header->transport = ProxyTransport::kUnspecified;
  return line == kUnknown || line.starts_with("UNKNOWN ");
}

ProxyDecoded decodeV1(std::span<const u8> bytes) {
  const std::string_view text = textOf(bytes.first(std::min(bytes.size(), kProxyV1LengthMax)));
  const bool isUnknown = text.substr(sizeof(kV1Signature)).starts_with("UNKNOWN ");
  const size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  // A line that can be nothing but UNKNOWN holds anything; all others printable characters only, so
  // a wrong one is refused before its end. A CR may still be the half of a CRLF when it is last.
  for (size_t i = 0; !isUnknown && i < line.size(); ++i) {
    const bool isHalfEnd = line[i] == '\r' && i + 1 == text.size();
    if (!isHalfEnd && (line[i] < 0x20 || line[i] > 0x7e)) return violation(ProxyViolation::kLine);
  }
  if (end == std::string_view::npos) {
    if (bytes.size() >= kProxyV1LengthMax) return violation(ProxyViolation::kLineTooLong);
    return needMore(std::max(bytes.size() + 1, kV1LengthMin));
  }
  ProxyDecoded decoded;
  if (!parseLine(line, &decoded.header)) return violation(ProxyViolation::kLine);
  decoded.kind = ProxyDecoded::Kind::kHeader;
  decoded.length = end + 2;
  return decoded;
}

// --- version 2 ---------------------------------------------------------------------------------

// The fixed part after the signature.
struct Fixed {
  ProxyCommand command = ProxyCommand::kLocal;
  u8 family = kFamilyUnspecified;
  ProxyTransport transport = ProxyTransport::kUnspecified;
  u16 length = 0;
};

// The pairs that the spec allows: nothing said at all, or a family with STREAM or DGRAM.
bool isKnownFamily(u8 family, u8 transport) {
  if (family == kFamilyUnspecified) return transport == 0;
  return family <= kFamilyUnix && (transport == 1 || transport == 2);
}

// Judges as much of the fixed part as has come.
ProxyViolation takeFixed(Reader reader, Fixed* fixed) {
  u8 byte = 0;
  if (!reader.takeU8(&byte)) return ProxyViolation::kNone;
  if (byte >> 4 != 2) return ProxyViolation::kVersion;
  if ((byte & 0x0f) > 1) return ProxyViolation::kCommand;
  fixed->command = static_cast<ProxyCommand>(byte & 0x0f);
  if (!reader.takeU8(&byte)) return ProxyViolation::kNone;
  if (fixed->command == ProxyCommand::kProxy) {
    // LOCAL is accepted whatever its family says (spec 2.2).
    if (!isKnownFamily(byte >> 4, byte & 0x0f)) return ProxyViolation::kFamily;
    fixed->family = byte >> 4;
    fixed->transport = static_cast<ProxyTransport>(byte & 0x0f);
  }
  (void)reader.takeU16(&fixed->length);
  return ProxyViolation::kNone;
}

bool takeIpPair(Reader* reader, size_t ipLength, ProxyHeader* header) {
  std::span<const u8> source;
  std::span<const u8> destination;
  u16 sourcePort = 0;
  u16 destinationPort = 0;
  if (!reader->take(ipLength, &source) || !reader->take(ipLength, &destination)) return false;
  if (!reader->takeU16(&sourcePort) || !reader->takeU16(&destinationPort)) return false;
  if (ipLength == 4) {
    header->source = Address::fromIpv4(source.data(), sourcePort);
    header->destination = Address::fromIpv4(destination.data(), destinationPort);
  } else {
    header->source = Address::fromIpv6(source.data(), sourcePort);
    header->destination = Address::fromIpv6(destination.data(), destinationPort);
  }
  return true;
}

bool takeAddresses(Reader* reader, u8 family, ProxyHeader* header) {
  switch (family) {
    case kFamilyIpv4:
      return takeIpPair(reader, 4, header);
    case kFamilyIpv6:
      return takeIpPair(reader, 16, header);
    case kFamilyUnix:
      header->source = Address::unixSocket();
      header->destination = Address::unixSocket();
      return reader->take(kProxyUnixPairLength, &header->unixPair);
    default:
      return true;  // UNSPEC has no addresses
  }
}

// Walks the TLVs of a whole header; `*crcAt` is where the value of a checksum TLV begins, or 0.
ProxyViolation checkTlvs(std::span<const u8> whole, size_t tlvsAt, size_t* crcAt) {
  Reader reader(whole);
  if (!reader.skip(tlvsAt)) return ProxyViolation::kTlv;
  *crcAt = 0;
  while (!reader.isAtEnd()) {
    ProxyTlv tlv;
    if (!takeProxyTlv(&reader, &tlv)) return ProxyViolation::kTlv;
    if (tlv.type != kProxyTlvCrc32c) continue;
    if (tlv.value.size() != kCrcLength) return ProxyViolation::kTlv;
    if (*crcAt != 0) return ProxyViolation::kChecksum;
    *crcAt = reader.position() - kCrcLength;
  }
  return ProxyViolation::kNone;
}

// The checksum of a whole header, computed as if its own four bytes were zero (spec 2.2.3).
u32 checksumOf(std::span<const u8> whole, size_t crcAt) {
  constexpr u8 kZeros[kCrcLength] = {};
  Crc32c crc;
  crc.update(whole.first(crcAt));
  crc.update(kZeros);
  crc.update(whole.subspan(crcAt + kCrcLength));
  return crc.value();
}

bool isChecksumRight(std::span<const u8> whole, size_t crcAt) {
  Reader reader(whole.subspan(crcAt));
  u32 written = 0;
  return reader.takeU32(&written) && written == checksumOf(whole, crcAt);
}

ProxyDecoded decodeV2(std::span<const u8> bytes, size_t lengthMax) {
  Fixed fixed;
  const ProxyViolation early = takeFixed(Reader(bytes.subspan(sizeof(kV2Signature))), &fixed);
  if (early != ProxyViolation::kNone) return violation(early);
  if (bytes.size() < kProxyV2FixedLength) return needMore(kProxyV2FixedLength);
  const size_t length = kProxyV2FixedLength + fixed.length;
  if (length > lengthMax) return violation(ProxyViolation::kTooLong);
  if (bytes.size() < length) return needMore(length);

  const std::span<const u8> whole = bytes.first(length);
  ProxyDecoded decoded;
  decoded.kind = ProxyDecoded::Kind::kHeader;
  decoded.length = length;
  decoded.header.command = fixed.command;
  decoded.header.transport = fixed.transport;
  if (fixed.command == ProxyCommand::kLocal) return decoded;
  Reader reader(whole);
  if (!reader.skip(kProxyV2FixedLength)) return violation(ProxyViolation::kAddressLength);
  if (!takeAddresses(&reader, fixed.family, &decoded.header)) {
    return violation(ProxyViolation::kAddressLength);
  }
  size_t crcAt = 0;
  const ProxyViolation late = checkTlvs(whole, reader.position(), &crcAt);
  if (late != ProxyViolation::kNone) return violation(late);
  if (crcAt != 0 && !isChecksumRight(whole, crcAt)) return violation(ProxyViolation::kChecksum);
  decoded.header.tlvs = reader.rest();
  return decoded;
}

// --- encoding ----------------------------------------------------------------------------------

// How a pair of addresses is written: both IPv4, both as IPv6, both Unix, or not at all.
u8 familyOf(const ProxyHeader& header) {
  if (header.command == ProxyCommand::kLocal) return kFamilyUnspecified;
  const Address& source = header.source;
  const Address& destination = header.destination;
  if (source.isUnix() && destination.isUnix()) return kFamilyUnix;
  if (!source.isIp() || !destination.isIp()) return kFamilyUnspecified;
  return source.isIpv4() && destination.isIpv4() ? kFamilyIpv4 : kFamilyIpv6;
}

void putPort(u16 port, Writer* writer) {
  char digits[6];
  const int length = std::snprintf(digits, sizeof(digits), "%u", u32{port});
  writer->putText(digits, static_cast<size_t>(length));
}

void putIpText(const Address& address, bool isV6, Writer* writer) {
  char text[kAddressTextMax];
  // An IPv4 address in a TCP6 line is written v4-mapped.
  if (isV6 && address.isIpv4()) writer->putText("::ffff:", 7);
  writer->putText(text, formatIp(address, text, sizeof(text)));
}

void putIpPair(const ProxyHeader& header, u8 family, Writer* writer) {
  for (const Address* address : {&header.source, &header.destination}) {
    const std::span<const u8> mapped(address->ip);
    writer->put(family == kFamilyIpv4 ? mapped.last(4) : mapped);
  }
  writer->putU16(header.source.port);
  writer->putU16(header.destination.port);
}

void putUnixPair(const ProxyHeader& header, Writer* writer) {
  if (header.unixPair.size() == kProxyUnixPairLength) {
    writer->put(header.unixPair);
  } else {
    writer->putZeros(kProxyUnixPairLength);
  }
}

// Copies TLVs; `*crcAt` is where a checksum waits to be patched in, or 0.
bool putTlvs(std::span<const u8> tlvs, Writer* writer, size_t* crcAt) {
  Reader reader(tlvs);
  *crcAt = 0;
  while (!reader.isAtEnd()) {
    ProxyTlv tlv;
    if (!takeProxyTlv(&reader, &tlv)) return false;
    writer->putU8(tlv.type);
    const Writer::LengthMark mark = writer->beginLengthU16();
    if (tlv.type == kProxyTlvCrc32c) {
      if (tlv.value.size() != kCrcLength || *crcAt != 0) return false;
      *crcAt = writer->size();
      writer->putU32(0);
    } else {
      writer->put(tlv.value);
    }
    writer->endLengthU16(mark);
  }
  return true;
}

}  // namespace

bool takeProxyTlv(Reader* reader, ProxyTlv* out) {
  if (!reader->need(kTlvHeadLength)) return false;
  Reader ahead = *reader;
  u16 length = 0;
  if (!ahead.takeU8(&out->type) || !ahead.takeU16(&length)) return false;
  if (!ahead.take(length, &out->value)) return false;
  *reader = ahead;
  return true;
}

ProxyDecoded decodeProxyHeader(std::span<const u8> bytes, size_t lengthMax) {
  // The signatures differ in their first byte.
  if (!bytes.empty() && isPrefixOf(kV2Signature, bytes)) {
    if (bytes.size() < sizeof(kV2Signature)) return needMore(kProxyV2FixedLength);
    return decodeV2(bytes, lengthMax);
  }
  if (!isPrefixOf(kV1Signature, bytes)) return violation(ProxyViolation::kSignature);
  if (bytes.size() < sizeof(kV1Signature)) return needMore(kV1LengthMin);
  return decodeV1(bytes);
}

bool encodeProxyV1(const ProxyHeader& header, Writer* writer) {
  const u8 family = familyOf(header);
  writer->put(kV1Signature);
  if (family != kFamilyIpv4 && family != kFamilyIpv6) {
    writer->putText(kUnknown.data(), kUnknown.size());
  } else {
    const bool isV6 = family == kFamilyIpv6;
    writer->putText(isV6 ? "TCP6 " : "TCP4 ", 5);
    putIpText(header.source, isV6, writer);
    writer->putU8(' ');
    putIpText(header.destination, isV6, writer);
    writer->putU8(' ');
    putPort(header.source.port, writer);
    writer->putU8(' ');
    putPort(header.destination.port, writer);
  }
  writer->putText("\r\n", 2);
  return !writer->isFailed();
}

bool encodeProxyV2(const ProxyHeader& header, Writer* writer) {
  const size_t start = writer->size();
  const u8 family = familyOf(header);
  const bool isLocal = header.command == ProxyCommand::kLocal;
  // Only a known pair has a transport (spec 2.2), and what we forward is a stream unless it was
  // said.
  ProxyTransport transport = ProxyTransport::kUnspecified;
  if (family != kFamilyUnspecified) {
    transport = header.transport == ProxyTransport::kDatagram ? ProxyTransport::kDatagram
                                                              : ProxyTransport::kStream;
  }
  writer->put(kV2Signature);
  writer->putU8(isLocal ? 0x20 : 0x21);
  writer->putU8(static_cast<u8>((family << 4) | static_cast<u8>(transport)));
  const Writer::LengthMark mark = writer->beginLengthU16();
  if (family == kFamilyIpv4 || family == kFamilyIpv6) putIpPair(header, family, writer);
  if (family == kFamilyUnix) putUnixPair(header, writer);
  size_t crcAt = 0;
  const bool isWellFormed = isLocal || putTlvs(header.tlvs, writer, &crcAt);
  if (!isWellFormed) writer->fail();
  writer->endLengthU16(mark);
  if (writer->isFailed()) return false;
  if (crcAt != 0) {
    const std::span<const u8> whole = writer->written().subspan(start);
    writer->patchU32(crcAt, checksumOf(whole, crcAt - start));
  }
  return true;
}

}  // namespace holdfast::codec
