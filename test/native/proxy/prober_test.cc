// Probes against real sockets: what opens, what answers, with what, and what does not in time.
#include "proxy/prober.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>

#include "proxy/loopback.h"
#include "proxy/probe_answer.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kRequest = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr u32 kLongMs = 20'000;

// Accepts one connection, reads a request and does what the test says with the socket.
class OneAnswer {
 public:
  explicit OneAnswer(std::function<void(int)> answer) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback::addressOf(0);
    socklen_t length = sizeof(address);
    CHECK_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
    CHECK_EQ(::listen(fd_, 4), 0);
    CHECK_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      int error = 0;
      seen_ = loopback::receive(client, kRequest.size(), &error);
      answer(client);
      ::close(client);
    });
  }
  ~OneAnswer() {
    join();
    ::close(fd_);
  }
  // What the endpoint was asked; ends its thread.
  const std::string& seen() {
    join();
    return seen_;
  }
  [[nodiscard]] u16 port() const { return port_; }

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  int fd_ = -1;
  u16 port_ = 0;
  std::string seen_;
  std::thread thread_;
};

ProbeResult probe(u16 port, std::string_view request, u32 timeoutMs) {
  Prober prober;
  CHECK(prober.start().isOk());
  const sockaddr_in address = loopback::addressOf(port);
  ProbeSpec spec;
  spec.address = reinterpret_cast<const sockaddr*>(&address);
  spec.length = sizeof(address);
  spec.timeoutMs = timeoutMs;
  spec.request = request;
  prober.probe(7, spec);
  std::vector<ProbeResult> results = prober.takeResults();
  while (results.empty()) {
    prober.turn(-1);
    results = prober.takeResults();
  }
  CHECK_EQ(results.size(), 1);
  CHECK_EQ(results.front().id, 7);
  return results.front();
}

ProbeResult ask(const std::function<void(int)>& answer, u32 timeoutMs = kLongMs) {
  OneAnswer endpoint(answer);
  const ProbeResult result = probe(endpoint.port(), kRequest, timeoutMs);
  CHECK_EQ(endpoint.seen(), kRequest);
  return result;
}

void say(int fd, std::string_view text) { CHECK(loopback::sendAll(fd, text)); }

TEST(probesLearnTheStatusOfAnAnswer) {
  const ProbeResult good =
      ask([](int fd) { say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); });
  CHECK_EQ(good.sysErrno, 0);
  CHECK_EQ(good.status, 200);
  CHECK_EQ(good.fd, -1);
  CHECK_EQ(ask([](int fd) { say(fd, "HTTP/1.0 503 Busy\r\n\r\n"); }).status, 503);
}

TEST(probesReadAnswersInPieces) {
  const ProbeResult result = ask([](int fd) {
    for (const char byte :
         std::string_view("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n")) {
      say(fd, {&byte, 1});
    }
  });
  CHECK_EQ(result.sysErrno, 0);
  CHECK_EQ(result.status, 204);
}

TEST(probesRefuseWhatIsNoHttp) {
  CHECK_EQ(ask([](int fd) { say(fd, "220 mail.example ESMTP\r\n"); }).sysErrno, EPROTO);
  const ProbeResult twice = ask(
      [](int fd) { say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"); });
  CHECK_EQ(twice.sysErrno, EPROTO);
  CHECK_EQ(twice.status, 0);
}

TEST(probesFailWhereTheEndpointClosesOrResets) {
  CHECK_EQ(ask([](int) {}).sysErrno, ECONNRESET);
  CHECK_EQ(ask([](int fd) { say(fd, "HTTP/1.1 200 O"); }).sysErrno, ECONNRESET);
  const ProbeResult reset = ask([](int fd) {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  });
  CHECK_EQ(reset.sysErrno, ECONNRESET);
}

TEST(probesEndAtTheirTimeout) {
  const ProbeResult result = ask(
      [](int fd) {
        say(fd, "HTTP/1.1 200 OK\r\n");
        // Until the prober has closed.
        int error = 0;
        (void)loopback::receive(fd, 1, &error);
      },
      50);
  CHECK_EQ(result.sysErrno, ETIMEDOUT);
}

TEST(probesWithoutARequestOnlyOpen) {
  OneAnswer endpoint([](int) {});
  const ProbeResult result = probe(endpoint.port(), {}, kLongMs);
  CHECK_EQ(result.sysErrno, 0);
  CHECK_EQ(result.status, 0);
  CHECK_EQ(endpoint.seen(), "");
}

TEST(probesOfClosedPortsFail) {
  u16 port = 0;
  {
    OneAnswer endpoint([](int) {});
    port = endpoint.port();
    (void)probe(port, {}, kLongMs);
  }
  CHECK_EQ(probe(port, kRequest, kLongMs).sysErrno, ECONNREFUSED);
}

TEST(probeAnswersHaveALimit) {
  const auto read = [](std::string_view text) {
    return readProbeAnswer({reinterpret_cast<const u8*>(text.data()), text.size()});
  };
  std::string interim;
  while (interim.size() <= kProbeAnswerBytesMax) interim += "HTTP/1.1 103 Early\r\n\r\n";
  CHECK(read(std::string_view(interim).substr(0, 20)).kind == ProbeAnswer::Kind::kNeedMore);
  CHECK(read({}).kind == ProbeAnswer::Kind::kNeedMore);
  CHECK(read(interim).kind == ProbeAnswer::Kind::kViolation);
  // Content is not looked at, however much of it came.
  std::string content = "HTTP/1.1 200 OK\r\n\r\n";
  content.append(2 * kProbeAnswerBytesMax, 'a');
  CHECK_EQ(read(content).status, 200);
}

}  // namespace
}  // namespace holdfast::proxy
