// Handshakes of both roles against the library itself, detached, kept, cut,
// refused and resumed.
#include "tls/handshake.h"

#include "tls/aead_openssl.h"
#include "tls/openssl/engine_fixture.h"
#include "tls/record_layer.h"

#include "check.h"

namespace holdfast::tls {
namespace {

struct World {
  World() { CHECK(aead.start()); }

  EngineShard shard;
  AeadOpenssl aead;
  RecordLayer layer{aead.table()};
  Pair authority = makeAuthority();
  Pair ec = issue(&authority, {});
};

// A detached connection with the records of its peer.
struct Detached {
  Detached(RecordLayer &records, Side &side) : layer(records) {
    RecordKeys keys;
    CHECK(side.handshake.detach(&keys) == HF_TLS_DONE);
    CHECK(layer.attach(keys, &state));
    wipe(&keys);
    input = side.input;
    side.handshake.free();
  }
  ~Detached() { layer.end(&state); }
  Bytes seal(const Bytes &plain) {
    Bytes wire(RecordLayer::sealedBytesMax(plain.size()));
    const Sealed sealed = layer.seal(&state, plain, wire, 0);
    CHECK(sealed.event == SealEvent::kDone && sealed.consumed == plain.size());
    wire.resize(sealed.produced);
    return wire;
  }
  Bytes open(const Bytes &wire, OpenEvent *event = nullptr) {
    input.insert(input.end(), wire.begin(), wire.end());
    Bytes plain(input.size());
    last = layer.open(&state, input, plain, 0);
    if (event != nullptr)
      *event = last.event;
    input.erase(input.begin(),
                input.begin() + static_cast<std::ptrdiff_t>(last.consumed));
    plain.resize(last.produced);
    return plain;
  }
  RecordLayer &layer;
  RecordState state;
  Opened last;
  Bytes input;
};

const struct {
  int version;
  const char *suite;
  u16 id;
} kSuites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 0x1301},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", 0x1302},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 0x1303},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
};

void choose(RawPeer &peer, int version, const char *suite) {
  peer.only(version);
  if (version == TLS1_3_VERSION) {
    CHECK_EQ(SSL_CTX_set_ciphersuites(peer.ctx, suite), 1);
  } else {
    CHECK_EQ(SSL_CTX_set_cipher_list(peer.ctx, suite), 1);
  }
}

void exchange(Detached &detached, RawPeer &peer) {
  for (size_t length : {1, 100, 16384, 70'000}) {
    const Bytes there(length, static_cast<u8>(length));
    CHECK(peer.write(there));
    CHECK(detached.open(peer.takeOutput()) == there);
    const Bytes back(length, static_cast<u8>(length + 1));
    peer.feed(detached.seal(back));
    CHECK(peer.read() == back);
  }
}

TEST(terminatingDetachesOnEverySuite) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto &[version, suite, id] : kSuites) {
    for (size_t piece : {0, 1, 7, 1000}) {
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      choose(client, version, suite);
      client.start("a.example");
      if (!CHECK(join(side, client, piece))) {
        std::fprintf(stderr, "%s\n", side.failure().reason);
        continue;
      }
      const HfTlsNegotiated facts = side.facts();
      CHECK_EQ(facts.version, version);
      CHECK_EQ(facts.suite, id);
      CHECK(facts.canDetach == 1 && facts.isResumed == 0 &&
            facts.hasPeerCertificate == 0);
      CHECK_EQ(std::string(facts.serverName), "a.example");
      CHECK(facts.group != 0);
      Detached detached(world.layer, side);
      // Tickets were sent under the new keys and are counted.
      CHECK_EQ(detached.state.writeSequence, version == TLS1_3_VERSION ? 2 : 1);
      exchange(detached, client);
    }
  }
}

TEST(originatingDetachesOnEverySuite) {
  World world;
  Options options(HF_TLS_ORIGINATING);
  options.add({.alpn = {"chat"}, .caPem = world.authority.chainPem});
  HfTlsConfig *config = world.shard.build(options);
  for (const auto &[version, suite, id] : kSuites) {
    for (size_t piece : {0, 1, 1000}) {
      Side side(config, "a.example");
      RawPeer endpoint(RawPeer::Kind::kAnswering);
      endpoint.use(world.ec);
      choose(endpoint, version, suite);
      endpoint.start();
      if (!CHECK(join(side, endpoint, piece))) {
        std::fprintf(stderr, "%s\n", side.failure().reason);
        continue;
      }
      const HfTlsNegotiated facts = side.facts();
      CHECK(facts.suite == id && facts.isPeerVerified == 1);
      CHECK_EQ(std::string(facts.subject), "CN=a.example,O=Holdfast test");
      CHECK_EQ(std::string(facts.altNames), "DNS:a.example,DNS:*.wild.example");
      Detached detached(world.layer, side);
      // Tickets of TLS 1.3 wait in the input and are skipped.
      exchange(detached, endpoint);
    }
  }
}

TEST(bytesBehindTheHandshakeAreNotLost) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.only(version);
    client.start();
    client.handshake();
    side.feed(client.takeOutput());
    side.step();
    client.feed(side.takeOutput());
    if (version == TLS1_2_VERSION) {
      client.handshake();
      side.feed(client.takeOutput());
      side.step();
      client.feed(side.takeOutput());
    }
    // Finished, two requests and the beginning of a third one come together.
    CHECK(client.handshake());
    CHECK(client.write(Bytes(1000, 'a')) && client.write(Bytes(2000, 'b')));
    Bytes wire = client.takeOutput();
    CHECK(client.write(Bytes(3000, 'c')));
    const Bytes third = client.takeOutput();
    wire.insert(wire.end(), third.begin(), third.begin() + 777);
    side.feed(wire);
    if (side.last != HF_TLS_DONE)
      CHECK(side.step() == HF_TLS_DONE);
    Detached detached(world.layer, side);
    CHECK_EQ(detached.open({}).size(), 3000);
    CHECK_EQ(detached.last.needed, third.size());
    CHECK_EQ(detached.input.size(), 777);
    CHECK(detached.open(Bytes(third.begin() + 777, third.end())) ==
          Bytes(3000, 'c'));
  }
}

TEST(outputGoesOnWhereTheRoomEnded) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (size_t capacity : {1, 100, 500}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.start();
    client.handshake();
    side.feed(client.takeOutput());
    u32 full = 0;
    while (side.step(capacity) == HF_TLS_WANT_OUTPUT)
      full++;
    CHECK(full > 0);
    CHECK_EQ(side.last, HF_TLS_WANT_INPUT);
    client.feed(side.takeOutput());
    CHECK(client.handshake());
    side.feed(client.takeOutput());
    while (side.step(capacity) == HF_TLS_WANT_OUTPUT)
      continue;
    CHECK(side.isDone());
    client.feed(side.takeOutput());
    Detached detached(world.layer, side);
    exchange(detached, client);
  }
}

TEST(keyUpdatesOfTheLibraryAreFollowed) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto &[version, suite, id] : kSuites) {
    if (version != TLS1_3_VERSION)
      continue;
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    choose(client, version, suite);
    client.start();
    CHECK(join(side, client));
    Detached detached(world.layer, side);
    for (int kind : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
      CHECK_EQ(SSL_key_update(client.ssl, kind), 1);
      CHECK(client.handshake());
      CHECK(client.write(Bytes(5, 'u')));
      CHECK(detached.open(client.takeOutput()) == Bytes(5, 'u'));
      CHECK_EQ(detached.last.isReplyDue, kind == SSL_KEY_UPDATE_REQUESTED);
      exchange(detached, client);
      CHECK_EQ(detached.state.flags & kRecordUpdateDue, 0);
    }
    // And ours by the library.
    for (UpdateRequest request :
         {UpdateRequest::kNotRequested, UpdateRequest::kRequested}) {
      Bytes wire(kControlBytesMax);
      const Sealed sealed =
          world.layer.updateKeys(&detached.state, request, wire);
      wire.resize(sealed.produced);
      client.feed(wire);
      client.feed(detached.seal(Bytes(3, 'v')));
      CHECK(client.read() == Bytes(3, 'v'));
      exchange(detached, client);
      CHECK_EQ(detached.state.flags & kRecordUpdateAsked, 0);
    }
  }
}

TEST(closesAndAlertsReachTheLibrary) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto &[version, suite, id] : kSuites) {
    const auto connect = [&](Side &side, RawPeer &client) {
      choose(client, version, suite);
      client.start();
      CHECK(join(side, client));
    };
    {
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      connect(side, client);
      Detached detached(world.layer, side);
      // Half-close by the client: our direction goes on.
      CHECK_EQ(SSL_shutdown(client.ssl), 0);
      OpenEvent event = OpenEvent::kNeedMore;
      CHECK(detached.open(client.takeOutput(), &event).empty());
      CHECK(event == OpenEvent::kCloseNotify);
      client.feed(detached.seal(Bytes(10, 'x')));
      CHECK(client.read() == Bytes(10, 'x'));
      Bytes wire(kControlBytesMax);
      wire.resize(
          world.layer.sealAlert(&detached.state, Alert::kCloseNotify, wire)
              .produced);
      client.feed(wire);
      int error = 0;
      client.read(&error);
      CHECK_EQ(error, SSL_ERROR_ZERO_RETURN);
    }
    {
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      connect(side, client);
      Detached detached(world.layer, side);
      CHECK(client.write(Bytes(10, 'x')));
      Bytes forged = client.takeOutput();
      forged.back() ^= 1;
      OpenEvent event = OpenEvent::kNeedMore;
      CHECK(detached.open(forged, &event).empty());
      CHECK(event == OpenEvent::kViolation);
      CHECK_EQ(ERR_peek_error(), 0);
      Bytes wire(kControlBytesMax);
      wire.resize(
          world.layer.sealAlert(&detached.state, detached.last.alert, wire)
              .produced);
      client.feed(wire);
      int error = 0;
      client.read(&error);
      CHECK_EQ(error, SSL_ERROR_SSL);
      CHECK_EQ(ERR_GET_REASON(ERR_peek_last_error()),
               SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
      ERR_clear_error();
    }
  }
}

TEST(aConnectionMayKeepItsSsl) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.only(version);
    client.start();
    CHECK(join(side, client));
    for (size_t length : {1, 5000, 60'000}) {
      CHECK(client.write(Bytes(length, 'c')));
      side.feed(client.takeOutput());
      CHECK(side.readPlain() == Bytes(length, 'c'));
      side.writePlain(Bytes(length, 's'));
      client.feed(side.takeOutput());
      CHECK(client.read() == Bytes(length, 's'));
    }
    if (version == TLS1_3_VERSION) {
      CHECK_EQ(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
      CHECK(client.write(Bytes(5, 'u')));
      side.feed(client.takeOutput());
      CHECK(side.readPlain() == Bytes(5, 'u'));
      RecordKeys keys;
      // The answer to the request is still owed.
      CHECK(side.handshake.detach(&keys) == HF_TLS_WANT_INPUT);
      side.writePlain(Bytes(5, 'w'));
      client.feed(side.takeOutput());
      CHECK(client.read() == Bytes(5, 'w'));
    }
    // It may detach later as well, with all that was read and written counted.
    Detached detached(world.layer, side);
    exchange(detached, client);
  }
}

TEST(aKeptConnectionClosesAndFails) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  client.start();
  CHECK(join(side, client));
  CHECK(client.write(Bytes(9, 'l')));
  SSL_shutdown(client.ssl);
  side.feed(client.takeOutput());
  HfTlsStep step = HF_TLS_DONE;
  CHECK(side.readPlain(&step) == Bytes(9, 'l'));
  CHECK(step == HF_TLS_DONE);
  CHECK(side.readPlain(&step).empty());
  CHECK(step == HF_TLS_CLOSED);
  Bytes room(1000);
  HfTlsIo io{nullptr, 0, 0, room.data(), room.size(), 0};
  CHECK(side.handshake.engine->close(side.handshake.object, &io) ==
        HF_TLS_DONE);
  room.resize(io.produced);
  client.feed(room);
  int error = 0;
  client.read(&error);
  CHECK_EQ(error, SSL_ERROR_ZERO_RETURN);

  Side other(config);
  RawPeer forger(RawPeer::Kind::kAsking);
  forger.start();
  CHECK(join(other, forger));
  CHECK(forger.write(Bytes(9, 'l')));
  Bytes forged = forger.takeOutput();
  forged.back() ^= 1;
  other.feed(forged);
  CHECK(other.readPlain(&step).empty());
  CHECK(step == HF_TLS_FAILED);
  CHECK_EQ(other.failure().alertSent, 20);
  CHECK(!other.takeOutput().empty());
}

TEST(suitesOutsideTheTableKeepTheirSsl) {
  World world;
  Options options(HF_TLS_TERMINATING);
  options.add({.pairs = {&world.ec}});
  options.suites12 = "ECDHE-ECDSA-AES128-SHA256";
  HfTlsConfig *config = world.shard.build(options);
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  choose(client, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256");
  client.start();
  CHECK(join(side, client));
  CHECK_EQ(side.facts().canDetach, 0);
  RecordKeys keys;
  CHECK(side.handshake.detach(&keys) == HF_TLS_FAILED);
  CHECK(client.write(Bytes(500, 'c')));
  side.feed(client.takeOutput());
  CHECK(side.readPlain() == Bytes(500, 'c'));
}

TEST(recordLimitsOfThePeerAreTakenOver) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  CHECK_EQ(SSL_CTX_set_tlsext_max_fragment_length(
               client.ctx, TLSEXT_max_fragment_length_1024),
           1);
  client.start();
  CHECK(join(side, client));
  Detached detached(world.layer, side);
  CHECK_EQ(detached.state.recordBytesMax, 1024);
  exchange(detached, client);
}

TEST(longHellosEndAtTheLimit) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  for (size_t length : {16'000, 60'000}) {
    // A message that promises more than it may have, in records of one KiB.
    Side side(config);
    size_t fed = 0;
    while (fed < 70'000 && !side.isFailed()) {
      Bytes record(5 + 1024, 0);
      record[0] = 22;
      record[1] = record[2] = 3;
      record[3] = 4;
      if (fed == 0) {
        record[5] = 1;
        record[7] = static_cast<u8>(length >> 8);
        record[8] = static_cast<u8>(length);
        record[9] = record[10] = 3;
      }
      side.feed(record);
      side.step();
      fed += record.size();
    }
    CHECK(side.isFailed() && fed <= 16384 + 1029);
    CHECK(side.failure().alertSent != 0xff && !side.takeOutput().empty());
  }
}

TEST(retriesAndClientCertificatesAndTicketsDetachToo) {
  World world;
  const Pair client = issue(&world.authority, {});
  Options options(HF_TLS_TERMINATING);
  options.groups = "P-384:P-256";
  options.add({.pairs = {&world.ec},
               .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
               .caPem = world.authority.chainPem});
  HfTlsConfig *config = world.shard.build(options);
  world.shard.setTicketKeys(config, 1);
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    SSL_SESSION *ticket = nullptr;
    for (int round = 0; round < 3; ++round) {
      Side side(config);
      RawPeer peer(RawPeer::Kind::kAsking);
      peer.only(version);
      peer.use(client);
      SSL_CTX_set_session_cache_mode(peer.ctx, SSL_SESS_CACHE_CLIENT |
                                                   SSL_SESS_CACHE_NO_INTERNAL);
      // The first key share is of another group: the gateway asks again (RFC
      // 8446 4.1.4).
      CHECK_EQ(SSL_CTX_set1_groups_list(peer.ctx, "X25519:P-384:P-256"), 1);
      peer.start("a.example");
      if (ticket != nullptr)
        SSL_set_session(peer.ssl, ticket);
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
  HfTlsConfig *config = world.shard.build(options);
  world.shard.setTicketKeys(config, 1);
  RawPeer first(RawPeer::Kind::kAsking);
  first.only(TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(first.ctx, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
  first.start("a.example");
  Side before(config);
  CHECK(join(before, first));
  Detached once(world.layer, before);
  exchange(once, first);
  SSL_SESSION *ticket = SSL_get1_session(first.ssl);
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
    CHECK_EQ(
        SSL_write_early_data(peer.ssl, early.data(), early.size(), &written),
        1);
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
  HfTlsConfig *terminating = world.shard.terminating({.pairs = {&world.ec}});
  Options options(HF_TLS_ORIGINATING);
  options.add({.caPem = world.authority.chainPem});
  HfTlsConfig *originating = world.shard.build(options);
  for (int round = 0; round < 3; ++round) {
    Side client(originating, "a.example");
    Side gateway(terminating);
    CHECK(join(client, gateway));
    CHECK_EQ(client.facts().isResumed, round == 0 ? 0 : 1);
    // Reading once takes the tickets; then the connection detaches with them
    // counted.
    client.feed(gateway.takeOutput());
    CHECK(client.readPlain().empty());
    CHECK(client.handshake.engine->ticketsReceived(client.handshake.object) >
          0);
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
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
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
    if (step == HF_TLS_FAILED)
      break;
  }
  CHECK_EQ(updates, kRecordFloodMax);
  CHECK_EQ(std::string(side.failure().reason), "too many key updates");
}

TEST(garbageIsRefusedWithTheRightWords) {
  World world;
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  const struct {
    std::string bytes;
    const char *reason;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request"},
      {"CONNECT a:443 HTTP/1.1\r\n\r\n", "https proxy request"},
      {std::string("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 11) +
           std::string(37, 'v'),
       ""},
      {std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff", 10), ""},
      {std::string("\x15\x03\x01\x00\x02\x02\x28", 7), ""},
      {std::string("\x17\x03\x03\x00\x05hello", 10), ""},
      {std::string(100, '\0'), ""},
  };
  for (const auto &[bytes, reason] : cases) {
    Side side(config);
    side.feed(Bytes(bytes.begin(), bytes.end()));
    if (!CHECK_EQ(side.step(), HF_TLS_FAILED))
      continue;
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
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
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
  HfTlsConfig *config = world.shard.terminating({.pairs = {&world.ec}});
  RawPeer client(RawPeer::Kind::kAsking);
  client.start();
  client.handshake();
  const Bytes hello = client.takeOutput();
  for (size_t length = 0; length <= hello.size(); length += 37) {
    Side side(config);
    side.feed(Bytes(hello.begin(),
                    hello.begin() + static_cast<std::ptrdiff_t>(length)));
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
  HfTlsConfig *terminating = world.shard.terminating({.pairs = {&world.ec}});
  Options options(HF_TLS_ORIGINATING);
  options.add({.caPem = world.authority.chainPem});
  HfTlsConfig *originating = world.shard.build(options);
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

} // namespace
} // namespace holdfast::tls
