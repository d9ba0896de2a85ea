// Any bytes into the PROXY decoder: it stays inside them, and its verdict does not depend on how
// they are split: a prefix of a header needs more, and a violation once seen stays.
// The first byte of the input chooses the length limit, the rest is what a peer sends.
#include "codec/proxy_protocol.h"

#include "fuzz/fuzz.h"

using holdfast::u8;
using holdfast::codec::ProxyDecoded;

namespace {

void checkHeader(const ProxyDecoded& decoded, std::span<const u8> bytes, size_t lengthMax) {
  using namespace holdfast::codec;
  FUZZ_CHECK(decoded.length >= 15 && decoded.length <= bytes.size());
  const ProxyHeader& header = decoded.header;
  if (header.version == ProxyVersion::kV1) {
    FUZZ_CHECK(decoded.length <= kProxyV1LengthMax && header.tlvs.empty());
  } else {
    FUZZ_CHECK(decoded.length <= lengthMax);
  }
  FUZZ_CHECK(header.source.family == header.destination.family || header.source.isIp());
  if (header.command == ProxyCommand::kLocal) FUZZ_CHECK(header.source.family == 0);
  // Borrowed spans lie inside the header, and the TLVs can be walked to their end.
  const u8* end = bytes.data() + decoded.length;
  if (!header.tlvs.empty()) {
    FUZZ_CHECK(header.tlvs.data() >= bytes.data());
    FUZZ_CHECK(header.tlvs.data() + header.tlvs.size() == end);
  }
  Reader reader(header.tlvs);
  ProxyTlv tlv;
  while (takeProxyTlv(&reader, &tlv)) continue;
  FUZZ_CHECK(reader.isAtEnd());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace holdfast::codec;
  if (length == 0) return 0;
  const size_t lengthMax = bytes[0] == 0 ? kProxyHeaderLengthMax : size_t{bytes[0]} * 4;
  const std::span<const u8> input(bytes + 1, length - 1);
  const ProxyDecoded whole = decodeProxyHeader(input, lengthMax);
  if (whole.kind == ProxyDecoded::Kind::kHeader) checkHeader(whole, input, lengthMax);
  if (whole.kind == ProxyDecoded::Kind::kNeedMore) FUZZ_CHECK(whole.length > input.size());
  for (size_t prefix = 0; prefix < input.size() && prefix <= 600; ++prefix) {
    const ProxyDecoded early = decodeProxyHeader(input.first(prefix), lengthMax);
    if (early.kind == ProxyDecoded::Kind::kNeedMore) {
      FUZZ_CHECK(early.length > prefix);
      if (whole.kind == ProxyDecoded::Kind::kHeader) {
        FUZZ_CHECK(prefix < whole.length && early.length <= whole.length);
      }
      continue;
    }
    FUZZ_CHECK(early.kind == whole.kind && early.violation == whole.violation);
    FUZZ_CHECK(early.length == whole.length);
  }
  return 0;
}
