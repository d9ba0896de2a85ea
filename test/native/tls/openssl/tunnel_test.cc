// TLS through a whole shard and real sockets: one side originates what the
// other terminates.
//
// A plain client talks to listener 0, whose cluster speaks TLS to listener 1 of
// the same shard, which terminates it in front of an echoing endpoint. Every
// byte passes four conns, is sealed twice and opened twice; what comes back is
// compared. Both ways of keeping records run the same tests.
#include "tls/openssl/gateway.h"

namespace holdfast::proxy {
namespace {

void talkThrough(const Wishes& wishes, u32 connections) {
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port(), wishes);
  Random random(wishes.tickets + 1);
  for (u32 i = 0; i < connections; ++i) loopback::talk(gateway.port(kPlain), random);
  CHECK(loopback::eventually([&] { return gateway.board().connections() == 0; }));
  const u64 full = gateway.counted(kSecured, ListenerCounter::kTlsFull);
  const u64 resumed = gateway.counted(kSecured, ListenerCounter::kTlsResumed);
  CHECK_EQ(full + resumed, connections);
  CHECK_EQ(gateway.counted(kSecured, ListenerCounter::kTlsFailed), 0);
  if (wishes.tickets == 0) CHECK_EQ(resumed, 0);
  if (wishes.tickets != 0) CHECK(resumed > 0);
}

TEST(tlsTunnelsCarryEveryByteDetached) { talkThrough({}, 60); }

TEST(tlsTunnelsCarryEveryByteOnTheEngine) {
  Wishes wishes;
  wishes.isDetached = false;
  talkThrough(wishes, 60);
}

TEST(tlsTunnelsCarryEveryByteWithHandshakesInThePool) {
  Wishes wishes;
  wishes.handshakeThreads = 2;
  talkThrough(wishes, 60);
}

TEST(tlsTunnelsWithoutTicketsAreNeverResumed) {
  Wishes wishes;
  wishes.tickets = 0;
  talkThrough(wishes, 20);
}

// Nobody speaks and no ticket comes: still no handshake object is kept for the tunnel.
TEST(tlsTunnelsWithoutTicketsLeaveTheEngineAtOnce) {
  Wishes wishes;
  wishes.tickets = 0;
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port(), wishes);
  const int fd = loopback::connectTo(gateway.port(kPlain));
  CHECK(loopback::eventually([&] {
    return gateway.gauge(ShardCounter::kTlsConns) == 2 &&
           gateway.counted(kSecured, ListenerCounter::kEstablished) == 1 &&
           gateway.counted(kPlain, ListenerCounter::kEstablished) == 1 &&
           gateway.gauge(ShardCounter::kTlsOnEngine) == 0;
  }));
  ::close(fd);
}

// The cap is below what one record needs: nothing is lost and nobody waits for
// ever.
TEST(tlsTunnelsGoOnAtTheMemoryCap) {
  Wishes wishes;
  wishes.pendingBytesMax = 8192;
  talkThrough(wishes, 40);
}

TEST(tlsTunnelsToAWrongNameAreRefused) {
  Wishes wishes;
  wishes.serverName = "other.example";
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port(), wishes);
  const int fd = loopback::connectTo(gateway.port(kPlain));
  int error = 0;
  CHECK(loopback::receive(fd, 1, &error).empty());
  CHECK_EQ(error, ECONNRESET);
  ::close(fd);
  CHECK(loopback::eventually([&] { return gateway.board().connections() == 0; }));
  CHECK_EQ(gateway.closed(kPlain, CloseReason::kEndpointHandshake), 1);
  CHECK_EQ(gateway.closed(kSecured, CloseReason::kHandshakeFailed), 1);
}

TEST(tlsListenersRefuseWhatIsNotTls) {
  const loopback::EchoEndpoint endpoint;
  Gateway gateway(endpoint.port(), {});
  const int fd = loopback::connectTo(gateway.port(kSecured));
  CHECK(loopback::sendAll(fd, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
  int error = 0;
  const std::string answer = loopback::receive(fd, 100, &error);
  // A fatal alert of TLS 1.x.
  CHECK_EQ(answer.size(), 7);
  CHECK_EQ(answer[0], 21);
  CHECK_EQ(answer[5], 2);
  ::close(fd);
  // One that leaves without a word is no failure.
  ::close(loopback::connectTo(gateway.port(kSecured)));
  CHECK(loopback::eventually([&] {
    return gateway.closed(kSecured, CloseReason::kHandshakeFailed) == 1 &&
           gateway.closed(kSecured, CloseReason::kClientClosed) == 1;
  }));
  CHECK_EQ(gateway.counted(kSecured, ListenerCounter::kTlsFailed), 1);
}

}  // namespace
}  // namespace holdfast::proxy
