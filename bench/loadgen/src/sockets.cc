// Socket calls of the load generator; see sockets.h.
//
// Only addresses of the flags arrive here, so a malformed one ends the process with a sentence;
// what the network answers comes back as an errno and is counted by the caller.
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace holdfast::loadgen {

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from < list.size()) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    parts.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

Address parseUnix(const std::string& path) {
  sockaddr_un unixAddress{};
  unixAddress.sun_family = AF_UNIX;
  if (path.size() >= sizeof unixAddress.sun_path)
    fail("the socket path %s is too long", path.c_str());
  std::memcpy(unixAddress.sun_path, path.data(), path.size());
  Address address;
  std::memcpy(&address.storage, &unixAddress, sizeof unixAddress);
  address.length = sizeof unixAddress;
  return address;
}

Address parseIp(const std::string& host, u16 port) {
  Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.length = sizeof v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.length = sizeof v6;
  } else {
    fail("\"%s\" is not an IP address", host.c_str());
  }
  return address;
}

Address parseAddress(const std::string& text) {
  if (text.starts_with("unix:")) return parseUnix(text.substr(5));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0)
    fail("\"%s\" wants the form 127.0.0.1:80", text.c_str());
  std::string host = text.substr(0, colon);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  const long port = std::strtol(text.c_str() + colon + 1, nullptr, 10);
  if (port < 0 || port > 65535) fail("\"%s\" has no port between 0 and 65535", text.c_str());
  return parseIp(host, static_cast<u16>(port));
}

u32 hostOrder(const Address& address) {
  sockaddr_in v4{};
  std::memcpy(&v4, &address.storage, sizeof v4);
  return ntohl(v4.sin_addr.s_addr);
}

}  // namespace

std::vector<Address> parseAddresses(const std::string& list) {
  std::vector<Address> addresses;
  for (const std::string& part : split(list)) addresses.push_back(parseAddress(part));
  return addresses;
}

std::vector<Address> parseSources(const std::string& list) {
  std::vector<Address> sources;
  for (const std::string& part : split(list)) {
    const std::size_t dash = part.find('-');
    if (dash == std::string::npos) {
      sources.push_back(parseIp(part, 0));
      continue;
    }
    const u32 first = hostOrder(parseIp(part.substr(0, dash), 0));
    const u32 last = hostOrder(parseIp(part.substr(dash + 1), 0));
    if (last < first || last - first > 65535)
      fail("\"%s\" is not a range of sources", part.c_str());
    for (u32 at = first; at <= last; ++at) {
      const in_addr raw{htonl(at)};
      char dotted[INET_ADDRSTRLEN];
      sources.push_back(parseIp(inet_ntop(AF_INET, &raw, dotted, sizeof dotted), 0));
    }
  }
  return sources;
}

int listenOn(const Address& address, int backlog) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, address.raw(), address.length) != 0 || listen(fd, backlog) != 0) {
    fail("cannot listen: %s", std::strerror(errno));
  }
  return fd;
}

int beginConnect(const Address& target, const Address* source) {
  const int fd = socket(target.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  if (target.family() != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source != nullptr && source->family() == target.family()) {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, source->raw(), source->length) != 0) {
      const int error = errno;
      close(fd);
      return -error;
    }
  }
  if (connect(fd, target.raw(), target.length) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

void resetOnClose(int fd) {
  const linger abrupt{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
}

void setReceiveBuffer(int fd, u32 bytes) {
  const int size = static_cast<int>(bytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

u64 raiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace holdfast::loadgen
