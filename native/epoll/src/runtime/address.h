// Address: an IP address with a port as a 20-byte value, and Cidr: a network of such addresses.
//
// On the path from accept to the access record: acceptor, PROXY header, balancers and limits all
// speak this one type. Text and sockaddr are converted at the edges, into the caller's buffers.
// Invariant: `ip` always holds the 16-byte form; IPv4 is stored v4-mapped (::ffff:a.b.c.d) with
// family AF_INET, and a v4-mapped IPv6 address becomes AF_INET on entry. So one client is one
// value, whichever listener it came through.
// Does not hold Unix paths (see UnixPath), host names, or IPv6 scopes: a scoped literal is refused.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string_view>
#include <type_traits>

#include "runtime/base.h"
#include "runtime/siphash.h"

namespace holdfast {

// Room for the longest text of an address with its port and a final NUL: `[ip]:65535`.
inline constexpr size_t kAddressTextMax = 56;
// Room for `ip/128` and a final NUL.
inline constexpr size_t kCidrTextMax = 52;
// Longest Unix path, in bytes, without a final NUL.
inline constexpr size_t kUnixPathMax = sizeof(sockaddr_un::sun_path) - 1;

// A value. `family` is AF_INET, AF_INET6, AF_UNIX (no ip, port 0) or 0 (unknown, all zero).
struct Address {
  u16 family = 0;
  u16 port = 0;  // host byte order
  u8 ip[16] = {};

  [[nodiscard]] constexpr bool isIpv4() const { return family == AF_INET; }
  [[nodiscard]] constexpr bool isIpv6() const { return family == AF_INET6; }
  [[nodiscard]] constexpr bool isIp() const { return isIpv4() || isIpv6(); }
  [[nodiscard]] constexpr bool isUnix() const { return family == AF_UNIX; }
  // The 4 bytes of an IPv4 address in network order; meaningful with isIpv4().
  [[nodiscard]] constexpr const u8* ipv4Bytes() const { return ip + 12; }

  // `bytes` are in network order; the length follows from the function.
  [[nodiscard]] static Address fromIpv4(const u8* bytes, u16 port);
  // Becomes AF_INET when the address is v4-mapped.
  [[nodiscard]] static Address fromIpv6(const u8* bytes, u16 port);
  [[nodiscard]] static constexpr Address unixSocket() {
    Address address;
    address.family = AF_UNIX;
    return address;
  }

  friend constexpr bool operator==(const Address&, const Address&) = default;
};
static_assert(sizeof(Address) == 20 && std::is_trivially_copyable_v<Address>);

// True when both name the same host, whatever the ports.
[[nodiscard]] bool isSameIp(const Address& a, const Address& b);

// Converts what accept4, getpeername or getsockname returned. Family 0 when it is none of ours or
// `length` is too short; never reads past `length`.
[[nodiscard]] Address fromSockaddr(const sockaddr* address, socklen_t length);

// Fills `out` and returns the length to pass to bind or connect; 0 unless `address.isIp()`.
[[nodiscard]] socklen_t toSockaddr(const Address& address, sockaddr_storage* out);

// As toSockaddr, but IPv4 as a v4-mapped sockaddr_in6, for sockets that are AF_INET6 already.
[[nodiscard]] socklen_t toSockaddrIpv6(const Address& address, sockaddr_storage* out);

// Fills `out` for a path; a leading '@' names the abstract namespace. Returns the length to pass to
// bind or connect, or 0 when the path is empty, too long, or holds a NUL.
[[nodiscard]] socklen_t toUnixSockaddr(std::string_view path, sockaddr_un* out);

// Parses an IP literal (`1.2.3.4`, `::1`; no brackets, scope, spaces or leading zeros in IPv4).
[[nodiscard]] bool parseIp(std::string_view text, u16 port, Address* out);

// Parses `1.2.3.4:5` or `[::1]:5`; the port is 0 to 65535 without leading zeros.
[[nodiscard]] bool parseAddress(std::string_view text, Address* out);

// Parses a decimal port without sign or leading zeros.
[[nodiscard]] bool parsePort(std::string_view text, u16* out);

// Writes `1.2.3.4:5`, `[::1]:5`, `unix` or `unknown` and a NUL. Returns the length without the NUL;
// 0 (and an empty text) when `capacity` is too small. kAddressTextMax always suffices.
size_t formatAddress(const Address& address, char* out, size_t capacity);

// As formatAddress, without port and brackets.
size_t formatIp(const Address& address, char* out, size_t capacity);

// Hash of the host only: equal for all ports of one client.
[[nodiscard]] u64 hashIp(const Address& address, const HashKey& key);

// Hash of the host's network: IPv4 counts by the whole address, IPv6 by its first
// `ipv6PrefixBits`, because one IPv6 client commonly owns a /64.
[[nodiscard]] u64 hashNetwork(const Address& address, const HashKey& key, u32 ipv6PrefixBits);

// Hash of family, host and port.
[[nodiscard]] u64 hashAddress(const Address& address, const HashKey& key);

// A network. `prefixBits` counts in the 128-bit form (an IPv4 /8 is 104), so that one comparison
// serves both families; bits of `network.ip` behind the prefix are zero.
struct Cidr {
  Address network;
  u8 prefixBits = 0;

  // True when `address` lies in the network. IPv4 networks hold v4-mapped addresses too; an IPv6
  // network holds an IPv4 address only when it covers the v4-mapped range explicitly
  // (`::ffff:0:0/96`), so `::/0` means "every IPv6 host" and not "every host".
  [[nodiscard]] bool contains(const Address& address) const;

  friend constexpr bool operator==(const Cidr&, const Cidr&) = default;
};
static_assert(sizeof(Cidr) == 22 && std::is_trivially_copyable_v<Cidr>);

// Parses `10.0.0.0/8`, `fd00::/8`, or a bare address (a network of one host). Bits behind the
// prefix are cleared; `hadHostBits`, when given, tells whether any was set.
[[nodiscard]] bool parseCidr(std::string_view text, Cidr* out, bool* hadHostBits = nullptr);

// Writes `10.0.0.0/8` and a NUL. Returns the length; 0 when `capacity` is too small.
size_t formatCidr(const Cidr& cidr, char* out, size_t capacity);

// A Unix socket path as a value, for endpoints and listeners. Empty: none.
struct UnixPath {
  u8 length = 0;
  char bytes[kUnixPathMax] = {};  // without NUL; a leading '@' names the abstract namespace

  [[nodiscard]] std::string_view view() const { return {bytes, length}; }
  [[nodiscard]] bool isEmpty() const { return length == 0; }
  // False when toUnixSockaddr would refuse the path.
  [[nodiscard]] static bool parse(std::string_view text, UnixPath* out);
};
static_assert(sizeof(UnixPath) == 108 && std::is_trivially_copyable_v<UnixPath>);

}  // namespace holdfast
