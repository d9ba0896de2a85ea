// Text into the parsers of addresses, networks, ports and paths: what parses formats to text that
// parses to the same value, and a network holds exactly the addresses with its prefix.
// The whole input is one text for each parser; behind its first line end are the bytes of an
// address.
#include <algorithm>
#include <string>

#include "runtime/address.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;

void checkAddress(std::string_view text) {
  Address address;
  if (!parseAddress(text, &address)) return;
  FUZZ_CHECK(address.isIp());
  char formatted[kAddressTextMax];
  const size_t length = formatAddress(address, formatted, sizeof(formatted));
  FUZZ_CHECK(length != 0);
  Address again;
  FUZZ_CHECK(parseAddress({formatted, length}, &again) && again == address);
  char small[kAddressTextMax];
  for (size_t capacity = 0; capacity < sizeof(small); ++capacity) {
    const size_t fitted = formatAddress(address, small, capacity);
    FUZZ_CHECK(fitted == 0 || (fitted == length && capacity > length));
  }
  sockaddr_storage storage;
  const socklen_t storageLength = toSockaddr(address, &storage);
  FUZZ_CHECK(fromSockaddr(reinterpret_cast<sockaddr*>(&storage), storageLength) == address);
}

void checkCidr(std::string_view text, std::span<const u8> probeBytes) {
  Cidr cidr;
  bool hadHostBits = false;
  if (!parseCidr(text, &cidr, &hadHostBits)) return;
  char formatted[kCidrTextMax];
  const size_t length = formatCidr(cidr, formatted, sizeof(formatted));
  Cidr again;
  FUZZ_CHECK(length != 0 && parseCidr({formatted, length}, &again, &hadHostBits));
  FUZZ_CHECK(again == cidr && !hadHostBits);
  FUZZ_CHECK(cidr.contains(cidr.network) || cidr.prefixBits < 96);
  // The answer agrees with a comparison bit by bit.
  u8 ip[16] = {};
  for (size_t i = 0; i < probeBytes.size() && i < sizeof(ip); ++i) ip[i] = probeBytes[i];
  const Address probe = Address::fromIpv6(ip, 0);
  bool isSame = !(probe.isIpv4() && cidr.prefixBits < 96);
  for (u32 bit = 0; bit < cidr.prefixBits; ++bit) {
    const u32 mask = 0x80u >> (bit % 8);
    isSame = isSame && ((probe.ip[bit / 8] ^ cidr.network.ip[bit / 8]) & mask) == 0;
  }
  FUZZ_CHECK(cidr.contains(probe) == isSame);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), length);
  checkAddress(text);
  // Up to the first line end is a network, behind it an address to look for in it.
  const size_t end = std::min(text.find('\n'), length);
  checkCidr(text.substr(0, end), std::span(bytes, length).subspan(end < length ? end + 1 : end));
  Address address;
  if (parseIp(text, 7, &address)) {
    char formatted[kAddressTextMax];
    const size_t formattedLength = formatIp(address, formatted, sizeof(formatted));
    Address again;
    FUZZ_CHECK(parseIp({formatted, formattedLength}, 7, &again) && again == address);
  }
  u16 port = 0;
  if (parsePort(text, &port)) FUZZ_CHECK(std::to_string(port) == text);
  UnixPath path;
  if (UnixPath::parse(text, &path)) FUZZ_CHECK(path.view() == text);
  return 0;
}
