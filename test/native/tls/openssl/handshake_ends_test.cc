// Handshakes that go another way: retried, resumed, with early data, refused, and given up.
//
// Against the library itself, as in handshake_test.cc.
// What is refused leaves nothing behind and says why.
#include "tls/openssl/handshake_world.h"

namespace holdfast::tls {
namespace {

TEST(retriesAndClientCertificatesAndTicketsDetachToo) {
  World world;
  const Pair client = issue(&world.authority, {});
  Options options(HF_TLS_TERMINATING);
  options.groups = "P-384:P-256";
  options.add({.pairs = {&world.ec},
               .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
               .caPem = world.authority.chainPem});
  HfTlsConfig* config = world.shard.build(options);
  world.shard.setTicketKeys(config, 1);
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    SSL_SESSION* ticket = nullptr;
    for (int round = 0; round < 3; ++round) {
      Side side(config);
      RawPeer peer(RawPeer::Kind::kAsking);
      peer.only(version);
      peer.use(client);
      SSL_CTX_set_session_cache_mode(peer.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
      // The first key share is of another group: the gateway asks again (RFC
      // 8446 4.1.4).
      CHECK_EQ(SSL_CTX_set1_groups_list(peer.ctx, "X25519:P-384:P-256"), 1);
      peer.start("a.example");
      if (ticket != nullptr) SSL_set_session(peer.ssl, ticket);
      CHECK(join(side, peer));
      CHECK_EQ(side.facts().isResumed, round == 0 ? 0 : 1);
      CHECK_EQ(side.facts().isPeerVerified, 1);
      Detached detached(world.layer, side);
      exchange(detached, peer);
      SSL_SESSION_free(ticket);
      ticket = SSL_get1_session(peer.ssl);
      SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_SESSION_free(ticket);
  }
}

TEST(earlyDataIsSkippedAndTheHandshakeGoesOn) {
  World world;
  Options options(HF_TLS_TERMINATING);
  options.add({.pairs = {&world.ec}});
  HfTlsConfig* config = world.shard.build(options);
  world.shard.setTicketKeys(config, 1);
  RawPeer first(RawPeer::Kind::kAsking);
  first.only(TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(first.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  first.start("a.example");
  Side before(config);
  CHECK(join(before, first));
  Detached once(world.layer, before);
  exchange(once, first);
  SSL_SESSION* ticket = SSL_get1_session(first.ssl);
  CHECK_EQ(SSL_SESSION_get_max_early_data(ticket), 0u);
  for (size_t length : {1, 5000, 16000}) {
    // As if the ticket had allowed it.
    SSL_SESSION_set_max_early_data(ticket, 20'000);
    RawPeer peer(RawPeer::Kind::kAsking);
    peer.only(TLS1_3_VERSION);
    peer.start("a.example");
    SSL_set_session(peer.ssl, ticket);
    const Bytes early(length, 7);
    size_t written = 0;
    CHECK_EQ(SSL_write_early_data(peer.ssl, early.data(), early.size(), &written), 1);
    Side side(config);
    side.feed(peer.takeOutput());
    side.step();
    peer.feed(side.takeOutput());
    CHECK(join(side, peer));
    CHECK_EQ(SSL_get_early_data_status(peer.ssl), SSL_EARLY_DATA_REJECTED);
    Detached detached(world.layer, side);
    exchange(detached, peer);
  }
  SSL_SESSION_free(ticket);
}

TEST(originatingDetachesAfterResuming) {
  World world;
  HfTlsConfig* terminating = world.shard.terminating({.pairs = {&world.ec}});
  Options options(HF_TLS_ORIGINATING);
  options.add({.caPem = world.authority.chainPem});
  HfTlsConfig* originating = world.shard.build(options);
  for (int round = 0; round < 3; ++round) {
    Side client(originating, "a.example");
    Side gateway(terminating);
    CHECK(join(client, gateway));
    CHECK_EQ(client.facts().isResumed, round == 0 ? 0 : 1);
    // Reading once takes the tickets; then the connection detaches with them
    // counted.
    client.feed(gateway.takeOutput());
    CHECK(client.readPlain().empty());
    CHECK(client.handshake.engine->ticketsReceived(client.handshake.object) > 0);
    Detached here(world.layer, client);
    Detached there(world.layer, gateway);
    CHECK(here.state.readSequence > 0);
    for (int i = 0; i < 3; ++i) {
      CHECK(there.open(here.seal(Bytes(100, 'h'))) == Bytes(100, 'h'));
      CHECK(here.open(there.seal(Bytes(100, 't'))) == Bytes(100, 't'));
    }
  }
}

TEST(floodsOfKeyUpdatesEndAKeptConnection) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  client.only(TLS1_3_VERSION);
  client.start();
  CHECK(join(side, client));
  HfTlsStep step = HF_TLS_DONE;
  u32 updates = 0;
  for (; updates < 300; ++updates) {
    SSL_key_update(client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    client.handshake();
    side.feed(client.takeOutput());
    CHECK(side.readPlain(&step).empty());
    if (step == HF_TLS_FAILED) break;
  }
  CHECK_EQ(updates, kRecordFloodMax);
  CHECK_EQ(std::string(side.failure().reason), "too many key updates");
}

TEST(garbageIsRefusedWithTheRightWords) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  const struct {
    std::string bytes;
    const char* reason;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request"},
      {"CONNECT a:443 HTTP/1.1\r\n\r\n", "https proxy request"},
      {std::string("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11) + std::string(37, 'v'), ""},
      {std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff", 10), ""},
      {std::string("\x15\x03\x01\x00\x02\x02\x28", 7), ""},
      {std::string("\x17\x03\x03\x00\x05hello", 10), ""},
      {std::string(100, '\0'), ""},
  };
  for (const auto& [bytes, reason] : cases) {
    Side side(config);
    side.feed(Bytes(bytes.begin(), bytes.end()));
    if (!CHECK_EQ(side.step(), HF_TLS_FAILED)) continue;
    const std::string text = side.failure().reason;

    CHECK(!text.empty() && text.find(reason) != std::string::npos);
    CHECK_EQ(ERR_peek_error(), 0);
    // It stays failed, without effect on others of the same thread.
    CHECK(side.step() == HF_TLS_FAILED);
    Side good(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.start();
    CHECK(join(good, client));
  }
}

TEST(renegotiationIsRefusedWhileTheSslIsKept) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  client.only(TLS1_2_VERSION);
  client.start();
  CHECK(join(side, client));
  CHECK_EQ(SSL_renegotiate(client.ssl), 1);
  client.handshake();
  side.feed(client.takeOutput());
  side.readPlain();
  client.feed(side.takeOutput());
  int error = 0;
  client.read(&error);
  CHECK_EQ(error, SSL_ERROR_SSL);
  CHECK_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
  ERR_clear_error();
}

TEST(abandonedHandshakesLeaveNothing) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  RawPeer client(RawPeer::Kind::kAsking);
  client.start();
  client.handshake();
  const Bytes hello = client.takeOutput();
  for (size_t length = 0; length <= hello.size(); length += 37) {
    Side side(config);
    side.feed(Bytes(hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(length)));
    side.step();
  }
  for (int i = 0; i < 50; ++i) {
    Side side(config);
    side.feed(hello);
    side.step();
    Bytes noise(50, static_cast<u8>(i));
    noise[0] = 22;
    noise[1] = noise[2] = 3;
    noise[3] = 0;
    noise[4] = 45;
    side.feed(noise);
    CHECK(side.step() == HF_TLS_FAILED);
    CHECK(side.failure().reason[0] != '\0');
  }
}

TEST(theEngineSpeaksWithItself) {
  World world;
  HfTlsConfig* terminating = world.shard.terminating({.pairs = {&world.ec}});
  Options options(HF_TLS_ORIGINATING);
  options.add({.caPem = world.authority.chainPem});
  HfTlsConfig* originating = world.shard.build(options);
  Side client(originating, "x.wild.example");
  Side gateway(terminating);
  CHECK(join(client, gateway));
  Detached here(world.layer, client);
  Detached there(world.layer, gateway);
  for (int i = 0; i < 10; ++i) {
    CHECK(there.open(here.seal(Bytes(100, 'h'))) == Bytes(100, 'h'));
    CHECK(here.open(there.seal(Bytes(100, 't'))) == Bytes(100, 't'));
  }
}

}  // namespace
}  // namespace holdfast::tls
