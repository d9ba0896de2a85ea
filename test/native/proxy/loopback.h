// Plain blocking sockets for tests: an echoing endpoint on a thread, and what
// clients need.
//
// Clients of the gateway's tests in this folder are made of these functions.
// Invariant: nothing here uses the core's sockets, so a test does not judge the
// gateway by itself.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base.h"
#include "runtime/random.h"

#include "check.h"

namespace holdfast::loopback {

inline sockaddr_in addressOf(u16 port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Sends all of `text`; false when the connection broke.
inline bool sendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Receives until the end of the stream or `length` bytes; sets `*error` when it
// was not a clean end.
inline std::string receive(int fd, size_t length, int* error) {
  std::string text;
  *error = 0;
  while (text.size() < length) {
    char buffer[65536];
    const ssize_t n = ::recv(fd, buffer, std::min(sizeof(buffer), length - text.size()), 0);
    if (n < 0) *error = errno;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

inline int connectTo(u16 port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = addressOf(port);
  CHECK_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// Closes with RST instead of FIN.
inline void abortConnection(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  ::close(fd);
}

// Sends back what it receives; ends with FIN when the other side does.
class EchoEndpoint {
 public:
  EchoEndpoint() {
    listenFd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address = addressOf(0);
    socklen_t length = sizeof(address);
    CHECK_EQ(::bind(listenFd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    CHECK_EQ(::listen(listenFd_, 512), 0);
    CHECK_EQ(::getsockname(listenFd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  EchoEndpoint(const EchoEndpoint&) = delete;
  EchoEndpoint& operator=(const EchoEndpoint&) = delete;
  ~EchoEndpoint() {
    isStopping_.store(true);
    thread_.join();
    ::close(listenFd_);
  }

  [[nodiscard]] u16 port() const { return port_; }

 private:
  void run() {
    std::vector<pollfd> watched = {{listenFd_, POLLIN, 0}};
    while (!isStopping_.load()) {
      if (::poll(watched.data(), watched.size(), 20) <= 0) continue;
      if (watched[0].revents != 0) {
        const int fd = ::accept4(listenFd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) watched.push_back({fd, POLLIN, 0});
      }
      for (size_t i = watched.size() - 1; i > 0; --i) {
        if (watched[i].revents == 0 || echo(watched[i].fd)) continue;
        ::close(watched[i].fd);
        watched.erase(watched.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    for (size_t i = 1; i < watched.size(); ++i) ::close(watched[i].fd);
  }

  // False when the connection has ended.
  static bool echo(int fd) {
    char buffer[16384];
    const ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
    return n > 0 && sendAll(fd, {buffer, static_cast<size_t>(n)});
  }

  int listenFd_ = -1;
  u16 port_ = 0;
  std::atomic<bool> isStopping_{false};
  std::thread thread_;
};

// One connection: some messages, each echoed; then an end of its own kind.
inline void talk(u16 port, Random& random) {
  const int fd = connectTo(port);
  int error = 0;
  const u32 messages = 1 + random.below(8);
  for (u32 i = 0; i < messages; ++i) {
    const std::string text(1 + random.below(random.chance(1, 8) ? 60000 : 500),
                           static_cast<char>('a' + i));
    // Large texts are written by a second thread: an echo needs both directions
    // at once.
    std::thread writer([&] { CHECK(sendAll(fd, text)); });
    const std::string echoed = receive(fd, text.size(), &error);
    writer.join();
    CHECK_EQ(error, 0);
    CHECK(echoed == text);
  }
  if (random.chance(1, 3)) return abortConnection(fd);
  CHECK_EQ(::shutdown(fd, SHUT_WR), 0);
  CHECK(receive(fd, 1, &error).empty());
  CHECK_EQ(error, 0);
  ::close(fd);
}

// Waits for something that other threads are about to do.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    ::usleep(1000);
  }
  return false;
}

}  // namespace holdfast::loopback
