// Any bytes as a ClientHello: the verdict does not depend on how they are cut, and what it tells is
// in the bytes and in canonical form. The first byte of the input chooses the cuts.
// Invariant: neither a crash nor a verdict that more bytes take back.
#include <algorithm>

#include "codec/client_hello.h"

#include "fuzz/fuzz.h"

using holdfast::u8;
using holdfast::codec::ClientHello;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace holdfast::codec;
  if (length == 0) return 0;
  const std::span<const u8> input(bytes + 1, length - 1);
  ClientHello whole;
  whole.take(input);
  FUZZ_CHECK(whole.bytesTaken() <= input.size() && whole.bytesTaken() <= kClientHelloBytesMax);
  const bool isOpen = whole.verdict() == ClientHello::Verdict::kNeedMore;
  if (isOpen) FUZZ_CHECK(whole.bytesTaken() == input.size());
  FUZZ_CHECK((whole.verdict() == ClientHello::Verdict::kViolation) ==
             (whole.violation() != HelloViolation::kNone));

  const size_t step = size_t{bytes[0]} + 1;
  ClientHello cut;
  for (size_t at = 0; at < input.size(); at += step) {
    const ClientHello::Verdict before = cut.verdict();
    cut.take(input.subspan(at, std::min(step, input.size() - at)));
    if (before != ClientHello::Verdict::kNeedMore) FUZZ_CHECK(cut.verdict() == before);
  }
  FUZZ_CHECK(cut.verdict() == whole.verdict() && cut.violation() == whole.violation());
  FUZZ_CHECK(cut.bytesTaken() == whole.bytesTaken());
  FUZZ_CHECK(cut.serverName() == whole.serverName() && cut.isAlpnCut() == whole.isAlpnCut());
  FUZZ_CHECK(std::ranges::equal(cut.alpn(), whole.alpn()));

  if (whole.verdict() != ClientHello::Verdict::kHello) return 0;
  char again[kServerNameBytesMax];
  const std::string_view name = whole.serverName();
  const std::span<const u8> nameBytes(reinterpret_cast<const u8*>(name.data()), name.size());
  const size_t againLength = canonicalServerName(nameBytes, again);
  FUZZ_CHECK(std::string_view(again, againLength) == name);
  for (size_t at = 0; at < whole.alpn().size(); at += 1u + whole.alpn()[at]) {
    FUZZ_CHECK(whole.alpn()[at] != 0 && at + 1 + whole.alpn()[at] <= whole.alpn().size());
  }
  return 0;
}
