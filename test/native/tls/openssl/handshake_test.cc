// Handshakes of both roles against the library itself: detached on every suite, kept, and cut.
//
// Each carries bytes in both directions behind it, in records of all sizes.
// What ends otherwise is in handshake_ends_test.cc.
#include "tls/openssl/handshake_world.h"

namespace holdfast::tls {
namespace {

TEST(terminatingDetachesOnEverySuite) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto& [version, suite, id] : kSuites) {
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
      CHECK(facts.canDetach == 1 && facts.isResumed == 0 && facts.hasPeerCertificate == 0);
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
  HfTlsConfig* config = world.shard.build(options);
  for (const auto& [version, suite, id] : kSuites) {
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
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
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
    if (side.last != HF_TLS_DONE) CHECK(side.step() == HF_TLS_DONE);
    Detached detached(world.layer, side);
    CHECK_EQ(detached.open({}).size(), 3000);
    CHECK_EQ(detached.last.needed, third.size());
    CHECK_EQ(detached.input.size(), 777);
    CHECK(detached.open(Bytes(third.begin() + 777, third.end())) == Bytes(3000, 'c'));
  }
}

TEST(outputGoesOnWhereTheRoomEnded) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  for (size_t capacity : {1, 100, 500}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.start();
    client.handshake();
    side.feed(client.takeOutput());
    u32 full = 0;
    while (side.step(capacity) == HF_TLS_WANT_OUTPUT) full++;
    CHECK(full > 0);
    CHECK_EQ(side.last, HF_TLS_WANT_INPUT);
    client.feed(side.takeOutput());
    CHECK(client.handshake());
    side.feed(client.takeOutput());
    while (side.step(capacity) == HF_TLS_WANT_OUTPUT) continue;
    CHECK(side.isDone());
    client.feed(side.takeOutput());
    Detached detached(world.layer, side);
    exchange(detached, client);
  }
}

TEST(keyUpdatesOfTheLibraryAreFollowed) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto& [version, suite, id] : kSuites) {
    if (version != TLS1_3_VERSION) continue;
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
    for (UpdateRequest request : {UpdateRequest::kNotRequested, UpdateRequest::kRequested}) {
      Bytes wire(kControlBytesMax);
      const Sealed sealed = world.layer.updateKeys(&detached.state, request, wire);
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
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  for (const auto& [version, suite, id] : kSuites) {
    const auto connect = [&](Side& side, RawPeer& client) {
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
      wire.resize(world.layer.sealAlert(&detached.state, Alert::kCloseNotify, wire).produced);
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
      wire.resize(world.layer.sealAlert(&detached.state, detached.last.alert, wire).produced);
      client.feed(wire);
      int error = 0;
      client.read(&error);
      CHECK_EQ(error, SSL_ERROR_SSL);
      CHECK_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
      ERR_clear_error();
    }
  }
}

TEST(aConnectionMayKeepItsSsl) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
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
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
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
  CHECK(side.handshake.engine->close(side.handshake.object, &io) == HF_TLS_DONE);
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
  HfTlsConfig* config = world.shard.build(options);
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
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  CHECK_EQ(SSL_CTX_set_tlsext_max_fragment_length(client.ctx, TLSEXT_max_fragment_length_1024), 1);
  client.start();
  CHECK(join(side, client));
  Detached detached(world.layer, side);
  CHECK_EQ(detached.state.recordBytesMax, 1024);
  exchange(detached, client);
}

TEST(longHellosEndAtTheLimit) {
  World world;
  HfTlsConfig* config = world.shard.terminating({.pairs = {&world.ec}});
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

}  // namespace
}  // namespace holdfast::tls
