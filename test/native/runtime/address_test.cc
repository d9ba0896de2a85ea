// Address, Cidr and UnixPath: conversions, canonical forms, and SipHash against its vectors.
#include "runtime/address.h"

#include <arpa/inet.h>

#include <cstring>
#include <string>

#include "check.h"

namespace holdfast {
namespace {

Address ip(std::string_view text, u16 port = 0) {
  Address address;
  CHECK(parseIp(text, port, &address));
  return address;
}

std::string show(const Address& address) {
  char text[kAddressTextMax];
  return {text, formatAddress(address, text, sizeof(text))};
}

Cidr cidr(std::string_view text) {
  Cidr result;
  CHECK(parseCidr(text, &result));
  return result;
}

TEST(addressTextRoundTrips) {
  for (const char* text :
       {"1.2.3.4:5", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:5", "[::]:0", "[2001:db8::1]:443",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"}) {
    Address address;
    CHECK(parseAddress(text, &address));
    CHECK_EQ(show(address), text);
  }
}

TEST(addressRefusesWhatIsNotOne) {
  Address address;
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", " 1.2.3.4",
                           "1.2.3.4 ", "::1%lo", "[::1]", ":::", "1::2::3", "localhost",
                           "1.2.3.4/8", "0x7f.0.0.1", "2130706433", "fe80::1%1"}) {
    CHECK(!parseIp(text, 0, &address));
  }
  CHECK(!parseIp(std::string_view("1.2.3.4\0x", 9), 0, &address));
  for (const char* text : {"", ":", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:65536", "1.2.3.4:080",
                           "1.2.3.4:-1", "1.2.3.4:+1", "::1:80", "[1.2.3.4]:80", "[::1]80",
                           "[::1:80", "::1]:80", "[]:80", "1.2.3.4:80 "}) {
    CHECK(!parseAddress(text, &address));
  }
}

TEST(addressOfMappedIpv6IsIpv4) {
  const Address mapped = ip("::ffff:10.1.2.3", 80);
  CHECK(mapped.isIpv4());
  CHECK(mapped == ip("10.1.2.3", 80));
  CHECK_EQ(show(mapped), "10.1.2.3:80");
  CHECK(ip("::10.1.2.3").isIpv6());
}

TEST(addressSockaddrRoundTrips) {
  for (const char* text : {"1.2.3.4:80", "[2001:db8::7]:8080"}) {
    Address address;
    CHECK(parseAddress(text, &address));
    sockaddr_storage storage;
    const socklen_t length = toSockaddr(address, &storage);
    CHECK(length != 0);
    CHECK(fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length) == address);
    CHECK(fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length - 1) == Address{});
    const socklen_t length6 = toSockaddrIpv6(address, &storage);
    CHECK_EQ(length6, sizeof(sockaddr_in6));
    CHECK_EQ(storage.ss_family, AF_INET6);
    CHECK(fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length6) == address);
  }
  sockaddr_storage storage;
  CHECK_EQ(toSockaddr(Address::unixSocket(), &storage), 0);
  CHECK_EQ(toSockaddr(Address{}, &storage), 0);
  CHECK(fromSockaddr(nullptr, 0) == Address{});
}

TEST(addressOfAUnixPeerHasTheFamilyOnly) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const Address address = fromSockaddr(reinterpret_cast<sockaddr*>(&un), sizeof(sa_family_t));
  CHECK(address.isUnix());
  CHECK_EQ(show(address), "unix");
  CHECK_EQ(show(Address{}), "unknown");
}

TEST(addressFormatNeverLeavesItsBuffer) {
  const Address longest = ip("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 65535);
  char text[kAddressTextMax + 1];
  for (size_t capacity = 0; capacity <= kAddressTextMax; ++capacity) {
    std::memset(text, '#', sizeof(text));
    const size_t length = formatAddress(longest, text, capacity);
    CHECK(text[capacity] == '#');
    if (length != 0) CHECK_EQ(length, std::strlen(text));
    if (length == 0 && capacity != 0) CHECK_EQ(text[0], '\0');
  }
  CHECK(formatAddress(longest, text, kAddressTextMax) != 0);
  CHECK(formatIp(longest, text, sizeof(text)) == 39);
}

TEST(addressHashesByHostOrByNetwork) {
  const HashKey key{1, 2};
  CHECK_EQ(hashIp(ip("1.2.3.4", 1), key), hashIp(ip("::ffff:1.2.3.4", 2), key));
  CHECK(hashAddress(ip("1.2.3.4", 1), key) != hashAddress(ip("1.2.3.4", 2), key));
  CHECK(hashIp(ip("1.2.3.4"), key) != hashIp(ip("1.2.3.4"), HashKey{1, 3}));
  CHECK_EQ(hashNetwork(ip("2001:db8::1"), key, 64), hashNetwork(ip("2001:db8::2"), key, 64));
  CHECK(hashNetwork(ip("2001:db8:0:1::1"), key, 64) != hashNetwork(ip("2001:db8::1"), key, 64));
  CHECK(hashNetwork(ip("1.2.3.4"), key, 64) != hashNetwork(ip("1.2.3.5"), key, 64));
  CHECK_EQ(hashNetwork(ip("2001:db8::1"), key, 128), hashIp(ip("2001:db8::1"), key));
}

TEST(cidrContainsItsNetworkOnly) {
  CHECK(cidr("10.0.0.0/8").contains(ip("10.255.0.1")));
  CHECK(cidr("10.0.0.0/8").contains(ip("::ffff:10.0.0.1")));
  CHECK(!cidr("10.0.0.0/8").contains(ip("11.0.0.0")));
  CHECK(cidr("10.1.2.3").contains(ip("10.1.2.3")));
  CHECK(!cidr("10.1.2.3").contains(ip("10.1.2.2")));
  CHECK(cidr("0.0.0.0/0").contains(ip("255.1.2.3")));
  CHECK(!cidr("0.0.0.0/0").contains(ip("::1")));
  CHECK(cidr("::/0").contains(ip("::1")));
  CHECK(!cidr("::/0").contains(ip("1.2.3.4")));
  CHECK(cidr("::ffff:0:0/96").contains(ip("1.2.3.4")));
  CHECK(cidr("fd00::/7").contains(ip("fc12::1")));
  CHECK(cidr("2001:db8::/33").contains(ip("2001:db8:7fff::")));
  CHECK(!cidr("2001:db8::/33").contains(ip("2001:db8:8000::")));
  CHECK(!cidr("0.0.0.0/0").contains(Address::unixSocket()));
  CHECK(!Cidr{}.contains(Address{}));
}

TEST(cidrTextRoundTripsAndClearsHostBits) {
  char text[kCidrTextMax];
  for (const char* written :
       {"10.0.0.0/8", "1.2.3.4/32", "0.0.0.0/0", "::/0", "fd00::/8", "::1/128"}) {
    bool hadHostBits = true;
    Cidr parsed;
    CHECK(parseCidr(written, &parsed, &hadHostBits));
    CHECK(!hadHostBits);
    CHECK_EQ(std::string_view(text, formatCidr(parsed, text, sizeof(text))), written);
  }
  bool hadHostBits = false;
  Cidr parsed;
  CHECK(parseCidr("10.1.2.3/8", &parsed, &hadHostBits));
  CHECK(hadHostBits);
  CHECK(parsed == cidr("10.0.0.0/8"));
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "::/129", "10/8",
                          "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0 /8"}) {
    CHECK(!parseCidr(bad, &parsed));
  }
}

TEST(unixPathKeepsTheLimitsOfTheKernel) {
  sockaddr_un un;
  CHECK_EQ(toUnixSockaddr("/a", &un), offsetof(sockaddr_un, sun_path) + 3);
  CHECK_EQ(std::string_view(un.sun_path), "/a");
  CHECK_EQ(toUnixSockaddr("@a", &un), offsetof(sockaddr_un, sun_path) + 2);
  CHECK_EQ(un.sun_path[0], '\0');
  CHECK_EQ(un.sun_path[1], 'a');
  CHECK(toUnixSockaddr(std::string(kUnixPathMax, 'x'), &un) != 0);
  CHECK_EQ(toUnixSockaddr(std::string(kUnixPathMax + 1, 'x'), &un), 0);
  CHECK_EQ(toUnixSockaddr("", &un), 0);
  CHECK_EQ(toUnixSockaddr("@", &un), 0);
  CHECK_EQ(toUnixSockaddr(std::string_view("/a\0b", 4), &un), 0);
  UnixPath path;
  CHECK(UnixPath::parse("/run/x.sock", &path));
  CHECK_EQ(path.view(), "/run/x.sock");
  CHECK(!UnixPath::parse("", &path));
}

TEST(sipHashIsKeyedAndCoversEveryByte) {
  // SipHash-1-3 has no vectors in the paper; these are what CPython 3.11 hashes byte strings to
  // with PYTHONHASHSEED=0 (key zero).
  CHECK_EQ(sipHash13(HashKey{}, "a", 1), 0x407448d2b89b1813u);
  CHECK_EQ(sipHash13(HashKey{}, "abcdefgh", 8), 0x3f7b849c0b8e35eau);
  CHECK_EQ(sipHash13(HashKey{}, "abcdefghijklmno", 15), 0x1fd27a29b0e9dc7au);
  const HashKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  u8 bytes[64];
  for (u8 i = 0; i < 64; ++i) bytes[i] = i;
  CHECK_EQ(sipHash13(key, bytes, 0), 0xabac0158050fc4dcu);
  CHECK_EQ(sipHash13(key, bytes, 63), 0x9d199062b7bbb3a8u);
  for (size_t i = 0; i < 64; ++i) {
    const u64 before = sipHash13(key, bytes, 64);
    bytes[i] = static_cast<u8>(bytes[i] ^ 1);
    CHECK(sipHash13(key, bytes, 64) != before);
    bytes[i] = static_cast<u8>(bytes[i] ^ 1);
  }
}

}  // namespace
}  // namespace holdfast
