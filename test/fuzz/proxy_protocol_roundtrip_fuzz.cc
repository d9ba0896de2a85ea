// Encode, then decode: the same header comes back, in either version, in any buffer.
//
// The input chooses addresses, TLVs and the room of the buffer. What a version cannot say is
// reduced to what it can, and a second round changes nothing any more.
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "codec/proxy_protocol.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::codec;

Address chooseAddress(fuzz::Choices& choices) {
  u8 ip[16] = {};
  const u8 kind = choices.takeU8();
  const std::span<const u8> taken = choices.take(kind % 4 == 1 ? 4 : 16);
  std::copy(taken.begin(), taken.end(), ip);
  const u16 port = choices.takeU16();
  if (kind % 4 == 0) return Address{};
  if (kind % 4 == 1) return Address::fromIpv4(ip, port);
  if (kind % 4 == 2) return Address::fromIpv6(ip, port);
  return Address::unixSocket();
}

// Well-formed TLVs with at most one checksum, and now and then ones that are not.
std::vector<u8> chooseTlvs(fuzz::Choices& choices) {
  std::vector<u8> tlvs;
  const u8 count = choices.takeU8() % 8;
  bool hasChecksum = false;
  for (u8 i = 0; i < count; ++i) {
    const u8 type = choices.takeU8();
    const size_t length = type == kProxyTlvCrc32c ? 4 : choices.takeU16() % 512;
    if (type == kProxyTlvCrc32c && hasChecksum) continue;
    hasChecksum = hasChecksum || type == kProxyTlvCrc32c;
    std::vector<u8> value(length, 0);
    const std::span<const u8> taken = choices.take(length);
    std::copy(taken.begin(), taken.end(), value.begin());
    tlvs.push_back(type);
    tlvs.push_back(static_cast<u8>(length >> 8));
    tlvs.push_back(static_cast<u8>(length));
    tlvs.insert(tlvs.end(), value.begin(), value.end());
  }
  return tlvs;
}

// TLVs without the value of a checksum, which encoding computes anew.
std::vector<u8> withoutChecksum(std::span<const u8> tlvs) {
  std::vector<u8> rest;
  Reader reader(tlvs);
  ProxyTlv tlv;
  while (takeProxyTlv(&reader, &tlv)) {
    rest.push_back(tlv.type);
    if (tlv.type != kProxyTlvCrc32c) rest.insert(rest.end(), tlv.value.begin(), tlv.value.end());
  }
  return rest;
}

ProxyDecoded decodeWhole(std::span<const u8> bytes) {
  const ProxyDecoded decoded = decodeProxyHeader(bytes, 65551);
  FUZZ_CHECK(decoded.kind == ProxyDecoded::Kind::kHeader);
  FUZZ_CHECK(decoded.length == bytes.size());
  return decoded;
}

void checkSame(const ProxyHeader& given, const ProxyHeader& got) {
  const bool isIpPair = given.source.isIp() && given.destination.isIp();
  const bool isUnixPair = given.source.isUnix() && given.destination.isUnix();
  if (given.command == ProxyCommand::kLocal || !(isIpPair || isUnixPair)) {
    FUZZ_CHECK(got.source.family == 0 && got.destination.family == 0);
    return;
  }
  FUZZ_CHECK(got.source.family == given.source.family);
  if (!isIpPair) return;
  FUZZ_CHECK(got.source == given.source && got.destination == given.destination);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  ProxyHeader header;
  header.command = choices.takeU8() % 16 == 0 ? ProxyCommand::kLocal : ProxyCommand::kProxy;
  header.source = chooseAddress(choices);
  header.destination = chooseAddress(choices);
  std::vector<u8> pair(kProxyUnixPairLength, 0);
  const std::span<const u8> paths = choices.take(choices.takeU8());
  std::copy_n(paths.begin(), std::min(paths.size(), pair.size()), pair.begin());
  header.unixPair = pair;
  const size_t room = choices.takeU8() == 0 ? choices.takeU16() % 5000 : 5000;
  const std::vector<u8> tlvs = chooseTlvs(choices);
  header.tlvs = tlvs;

  std::vector<u8> buffer(room);
  Writer v1(buffer);
  if (encodeProxyV1(header, &v1)) {
    FUZZ_CHECK(v1.size() <= kProxyV1LengthMax);
    const ProxyDecoded decoded = decodeWhole(v1.written());
    if (header.source.isIp()) checkSame(header, decoded.header);
  } else {
    FUZZ_CHECK(room < kProxyV1LengthMax);
  }

  Writer v2(buffer);
  if (!encodeProxyV2(header, &v2)) {
    FUZZ_CHECK(room < kProxyV2FixedLength + kProxyUnixPairLength + tlvs.size());
    return 0;
  }
  const ProxyDecoded decoded = decodeWhole(v2.written());
  FUZZ_CHECK(decoded.header.command == header.command);
  checkSame(header, decoded.header);
  if (header.command == ProxyCommand::kProxy) {
    FUZZ_CHECK(withoutChecksum(decoded.header.tlvs) == withoutChecksum(tlvs));
    if (header.source.isUnix() && header.destination.isUnix()) {
      FUZZ_CHECK(std::equal(pair.begin(), pair.end(), decoded.header.unixPair.begin()));
    }
  }
  // What was decoded encodes to the same bytes.
  std::vector<u8> again(v2.size());
  Writer second(again);
  FUZZ_CHECK(encodeProxyV2(decoded.header, &second));
  FUZZ_CHECK(second.size() == v2.size());
  FUZZ_CHECK(std::equal(again.begin(), again.end(), v2.written().begin()));
  return 0;
}
