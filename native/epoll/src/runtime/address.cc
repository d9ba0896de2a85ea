// Conversions of Address, Cidr and UnixPath between text, sockaddr and the 20-byte value.
//
// Called at the edges of the path (accept, PROXY header, access record) and by the configuration.
// Invariant: nothing is allocated, and no output is written past the capacity that was given.
#include "runtime/address.h"

#include <arpa/inet.h>

#include <cstring>

namespace holdfast {
namespace {

constexpr u8 kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr u8 kMappedPrefixBits = 96;
// The longest literal inet_pton takes, `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`, and a NUL.
constexpr size_t kIpTextMax = INET6_ADDRSTRLEN;

// Parses 1 to `digitsMax` decimal digits without leading zeros.
bool parseDecimal(std::string_view text, size_t digitsMax, u32* out) {
  if (text.empty() || text.size() > digitsMax) return false;
  if (text.size() > 1 && text[0] == '0') return false;
  u32 value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<u32>(c - '0');
  }
  *out = value;
  return true;
}

// Appends text and keeps the NUL inside `capacity`; remembers that something did not fit.
class TextCursor {
 public:
  TextCursor(char* out, size_t capacity) : out_(out), capacity_(capacity) {}

  void append(std::string_view text) {
    if (overflowed_ || text.size() >= capacity_ - length_) {
      overflowed_ = true;
      return;
    }
    std::memcpy(out_ + length_, text.data(), text.size());
    length_ += text.size();
  }

  void appendDecimal(u32 value) {
    char digits[10];
    size_t start = sizeof(digits);
    do {
      digits[--start] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    append({digits + start, sizeof(digits) - start});
  }

  size_t finish() {
    if (overflowed_) length_ = 0;
    if (capacity_ != 0) out_[length_] = '\0';
    return length_;
  }

 private:
  char* out_;
  size_t capacity_;
  size_t length_ = 0;
  bool overflowed_ = capacity_ == 0;
};

// Each request of HTTP writes one for X-Forwarded-For; the library's way costs ten times as much.
void appendIpv4(TextCursor& cursor, const u8* bytes) {
  for (u32 at = 0; at < 4; ++at) {
    if (at > 0) cursor.append(".");
    cursor.appendDecimal(bytes[at]);
  }
}

void appendIp(TextCursor& cursor, const Address& address) {
  if (address.isIpv4()) return appendIpv4(cursor, address.ipv4Bytes());
  char text[kIpTextMax];
  if (inet_ntop(AF_INET6, address.ip, text, sizeof(text)) == nullptr) text[0] = '\0';
  cursor.append(text);
}

void maskTo(u8* ip, u32 bits) {
  for (u32 i = 0; i < 16; ++i) {
    const u32 kept = bits > i * 8 ? bits - i * 8 : 0;
    if (kept < 8) ip[i] = static_cast<u8>(ip[i] & static_cast<u8>(0xff00u >> kept));
  }
}

}  // namespace

Address Address::fromIpv4(const u8* bytes, u16 port) {
  Address address;
  address.family = AF_INET;
  address.port = port;
  std::memcpy(address.ip, kMappedPrefix, sizeof(kMappedPrefix));
  std::memcpy(address.ip + 12, bytes, 4);
  return address;
}

Address Address::fromIpv6(const u8* bytes, u16 port) {
  Address address;
  address.family = AF_INET6;
  address.port = port;
  std::memcpy(address.ip, bytes, 16);
  if (std::memcmp(address.ip, kMappedPrefix, sizeof(kMappedPrefix)) == 0) address.family = AF_INET;
  return address;
}

bool isSameIp(const Address& a, const Address& b) {
  return a.family == b.family && std::memcmp(a.ip, b.ip, sizeof(a.ip)) == 0;
}

Address fromSockaddr(const sockaddr* address, socklen_t length) {
  constexpr size_t kFamilyEnd = offsetof(sockaddr, sa_family) + sizeof(sa_family_t);
  if (address == nullptr || length < kFamilyEnd) return {};
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof(in));
    u8 bytes[4];
    std::memcpy(bytes, &in.sin_addr, sizeof(bytes));
    return Address::fromIpv4(bytes, ntohs(in.sin_port));
  }
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof(in));
    return Address::fromIpv6(in.sin6_addr.s6_addr, ntohs(in.sin6_port));
  }
  if (address->sa_family == AF_UNIX) return Address::unixSocket();
  return {};
}

socklen_t toSockaddr(const Address& address, sockaddr_storage* out) {
  if (address.isIpv6()) return toSockaddrIpv6(address, out);
  if (!address.isIpv4()) return 0;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port);
  std::memcpy(&in.sin_addr, address.ipv4Bytes(), 4);
  std::memcpy(out, &in, sizeof(in));
  return sizeof(in);
}

socklen_t toSockaddrIpv6(const Address& address, sockaddr_storage* out) {
  if (!address.isIp()) return 0;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(address.port);
  std::memcpy(in.sin6_addr.s6_addr, address.ip, sizeof(address.ip));
  std::memcpy(out, &in, sizeof(in));
  return sizeof(in);
}

socklen_t toUnixSockaddr(std::string_view path, sockaddr_un* out) {
  if (path.empty() || path.size() > kUnixPathMax) return 0;
  if (path.find('\0') != std::string_view::npos || path == "@") return 0;
  *out = sockaddr_un{};
  out->sun_family = AF_UNIX;
  std::memcpy(out->sun_path, path.data(), path.size());
  const size_t start = offsetof(sockaddr_un, sun_path);
  if (path[0] != '@') return static_cast<socklen_t>(start + path.size() + 1);
  // An abstract name begins with NUL and ends where the length says, not at a NUL (unix(7)).
  out->sun_path[0] = '\0';
  return static_cast<socklen_t>(start + path.size());
}

bool parseIp(std::string_view text, u16 port, Address* out) {
  char terminated[kIpTextMax];
  if (text.empty() || text.size() >= sizeof(terminated)) return false;
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  u8 bytes[16];
  if (inet_pton(AF_INET, terminated, bytes) == 1) {
    *out = Address::fromIpv4(bytes, port);
    return true;
  }
  if (inet_pton(AF_INET6, terminated, bytes) != 1) return false;
  *out = Address::fromIpv6(bytes, port);
  return true;
}

bool parsePort(std::string_view text, u16* out) {
  u32 value = 0;
  if (!parseDecimal(text, 5, &value) || value > 0xffff) return false;
  *out = static_cast<u16>(value);
  return true;
}

bool parseAddress(std::string_view text, Address* out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  u16 port = 0;
  if (!parsePort(text.substr(colon + 1), &port)) return false;
  std::string_view ip = text.substr(0, colon);
  const bool isBracketed = ip.size() >= 2 && ip.front() == '[' && ip.back() == ']';
  if (isBracketed) ip = ip.substr(1, ip.size() - 2);
  // Brackets belong to IPv6 literals and only to them (RFC 3986 3.2.2).
  if (isBracketed != (ip.find(':') != std::string_view::npos)) return false;
  return parseIp(ip, port, out);
}

size_t formatAddress(const Address& address, char* out, size_t capacity) {
  TextCursor cursor(out, capacity);
  if (address.isIp()) {
    if (address.isIpv6()) cursor.append("[");
    appendIp(cursor, address);
    cursor.append(address.isIpv6() ? "]:" : ":");
    cursor.appendDecimal(address.port);
  } else {
    cursor.append(address.isUnix() ? "unix" : "unknown");
  }
  return cursor.finish();
}

size_t formatIp(const Address& address, char* out, size_t capacity) {
  TextCursor cursor(out, capacity);
  if (address.isIp()) {
    appendIp(cursor, address);
  } else {
    cursor.append(address.isUnix() ? "unix" : "unknown");
  }
  return cursor.finish();
}

u64 hashIp(const Address& address, const HashKey& key) {
  return sipHash13(key, address.ip, sizeof(address.ip));
}

u64 hashNetwork(const Address& address, const HashKey& key, u32 ipv6PrefixBits) {
  if (!address.isIpv6() || ipv6PrefixBits >= 128) return hashIp(address, key);
  Address network = address;
  maskTo(network.ip, ipv6PrefixBits);
  return hashIp(network, key);
}

u64 hashAddress(const Address& address, const HashKey& key) {
  u8 bytes[20];
  bytes[0] = static_cast<u8>(address.family >> 8);
  bytes[1] = static_cast<u8>(address.family);
  bytes[2] = static_cast<u8>(address.port >> 8);
  bytes[3] = static_cast<u8>(address.port);
  std::memcpy(bytes + 4, address.ip, sizeof(address.ip));
  return sipHash13(key, bytes, sizeof(bytes));
}

bool Cidr::contains(const Address& address) const {
  if (!network.isIp() || !address.isIp()) return false;
  if (address.isIpv4() && prefixBits < kMappedPrefixBits) return false;
  u8 masked[16];
  std::memcpy(masked, address.ip, sizeof(masked));
  maskTo(masked, prefixBits);
  return std::memcmp(masked, network.ip, sizeof(masked)) == 0;
}

bool parseCidr(std::string_view text, Cidr* out, bool* hadHostBits) {
  const size_t slash = text.find('/');
  Cidr cidr;
  if (!parseIp(text.substr(0, slash), 0, &cidr.network)) return false;
  // `::ffff:10.0.0.0/104` is written in the 128-bit form although its value is IPv4.
  const bool isShortForm = text.substr(0, slash).find(':') == std::string_view::npos;
  u32 bits = isShortForm ? 32 : 128;
  if (slash != std::string_view::npos) {
    const u32 bitsMax = bits;
    if (!parseDecimal(text.substr(slash + 1), 3, &bits) || bits > bitsMax) return false;
  }
  if (isShortForm) bits += kMappedPrefixBits;
  cidr.prefixBits = static_cast<u8>(bits);
  const Address written = cidr.network;
  maskTo(cidr.network.ip, bits);
  // A prefix shorter than the v4-mapped range names an IPv6 network, whatever it was written as.
  if (bits < kMappedPrefixBits) cidr.network.family = AF_INET6;
  if (hadHostBits != nullptr) {
    *hadHostBits = std::memcmp(written.ip, cidr.network.ip, sizeof(written.ip)) != 0;
  }
  *out = cidr;
  return true;
}

size_t formatCidr(const Cidr& cidr, char* out, size_t capacity) {
  TextCursor cursor(out, capacity);
  appendIp(cursor, cidr.network);
  cursor.append("/");
  cursor.appendDecimal(cidr.network.isIpv4() ? cidr.prefixBits - kMappedPrefixBits
                                             : u32{cidr.prefixBits});
  return cursor.finish();
}

bool UnixPath::parse(std::string_view text, UnixPath* out) {
  sockaddr_un unused;
  if (toUnixSockaddr(text, &unused) == 0) return false;
  *out = UnixPath{};
  out->length = static_cast<u8>(text.size());
  std::memcpy(out->bytes, text.data(), text.size());
  return true;
}

}  // namespace holdfast
