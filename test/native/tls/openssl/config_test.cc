// Options to SSL_CTX: names, certificates, clients' certificates, protocols, tickets, policies, and
// every complaint that an operator can get.
#include <openssl/rand.h>

#include "runtime/random.h"
#include "tls/handshake.h"
#include "tls/openssl/engine_fixture.h"

#include "check.h"

namespace holdfast::tls {
namespace {

struct World {
  EngineShard shard;
  Pair authority = makeAuthority();
  Pair ec = issue(&authority, {});
};

std::string subjectSeen(RawPeer& client) {
  X509* const peer = SSL_get0_peer_certificate(client.ssl);
  if (peer == nullptr) return "";
  char text[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, text, sizeof(text));
  return text;
}

Pair issueNamed(const Pair& authority, const std::string& name, KeyKind kind = KeyKind::kEc) {
  Wish wish;
  wish.commonName = name;
  wish.altNames = "DNS:" + name;
  wish.kind = kind;
  return issue(&authority, wish);
}

// The problem text of options that have to be refused.
std::string refusal(World& world, Options& options) {
  HfTlsConfig* const config = options.build(world.shard.shard());
  if (!CHECK(config == nullptr)) {
    opensslEngine()->releaseConfig(config);
    return "";
  }
  CHECK_EQ(ERR_peek_error(), 0);
  return options.problem.text;
}

bool has(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return true;
  std::fprintf(stderr, "\"%s\" does not say \"%s\"\n", text.c_str(), std::string(part).c_str());
  return false;
}

TEST(namesChooseTheirDomain) {
  World world;
  const Pair exact = issueNamed(world.authority, "exact");
  const Pair wild = issueNamed(world.authority, "wild");
  const Pair fallback = issueNamed(world.authority, "fallback");
  Options options(HF_TLS_TERMINATING);
  options.add({.names = {"www.a.example", "API.b.example."}, .pairs = {&exact}})
      .add({.names = {"*.a.example"}, .pairs = {&wild}})
      .add({.pairs = {&fallback}});
  HfTlsConfig* const config = world.shard.build(options);
  const struct {
    const char* name;
    const char* subject;
    const char* canonical;
  } cases[] = {
      {"www.a.example", "exact", "www.a.example"},
      {"WWW.A.Example", "exact", "www.a.example"},
      {"www.a.example.", "exact", "www.a.example"},
      {"api.b.example", "exact", "api.b.example"},
      {"other.a.example", "wild", "other.a.example"},
      {"x.other.a.example", "fallback", "x.other.a.example"},
      {"a.example", "fallback", "a.example"},
      {"10.0.0.1", "fallback", "10.0.0.1"},
      {nullptr, "fallback", ""},
  };
  for (const auto& [name, subject, canonical] : cases) {
    for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      client.only(version);
      client.start(name);
      CHECK(join(side, client));
      CHECK_EQ(subjectSeen(client), subject);
      CHECK_EQ(std::string(side.facts().serverName), canonical);
    }
  }
  for (const char* wrong :
       {"a..example", "under score.example", "a/b", "\xc3\xbc.example", "a.*"}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.start(wrong);
    CHECK(!join(side, client));
    CHECK_EQ(side.failure().alertSent, SSL_AD_UNRECOGNIZED_NAME);
  }
}

TEST(namesMayBeRequired) {
  World world;
  Options options(HF_TLS_TERMINATING);
  options.options.isServerNameRequired = 1;
  options.add({.names = {"a.example"}, .pairs = {&world.ec}});
  HfTlsConfig* const config = world.shard.build(options);
  for (const char* name : {"a.example", "b.example", static_cast<const char*>(nullptr)}) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.start(name);
    const bool isKnown = name != nullptr && std::string(name) == "a.example";
    CHECK_EQ(join(side, client), isKnown);
    if (!isKnown) CHECK_EQ(side.failure().alertSent, SSL_AD_UNRECOGNIZED_NAME);
  }
}

TEST(certificatesFollowWhatClientsOffer) {
  World world;
  const Pair rsa = issueNamed(world.authority, "rsa", KeyKind::kRsa);
  const Pair ed = issueNamed(world.authority, "ed", KeyKind::kEd25519);
  const Pair ec = issueNamed(world.authority, "ec");
  HfTlsConfig* const config = world.shard.terminating({.pairs = {&rsa, &ec, &ed}});
  const struct {
    int version;
    const char* suites;
    const char* algorithms;
    const char* subject;
  } cases[] = {
      {TLS1_3_VERSION, nullptr, "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256", "ec"},
      {TLS1_3_VERSION, nullptr, "rsa_pss_rsae_sha256", "rsa"},
      {TLS1_3_VERSION, nullptr, "ed25519", "ed"},
      {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA+SHA256", "ec"},
      {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "RSA-PSS+SHA256:RSA+SHA256", "rsa"},
  };
  for (const auto& [version, suites, algorithms, subject] : cases) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.only(version);
    if (suites != nullptr) SSL_CTX_set_cipher_list(client.ctx, suites);
    CHECK_EQ(SSL_CTX_set1_sigalgs_list(client.ctx, algorithms), 1);
    client.start();
    CHECK(join(side, client));
    CHECK_EQ(subjectSeen(client), subject);
  }
  HfTlsCertificateFacts facts;
  const char* const kinds[] = {"RSA", "EC", "ED25519"};
  for (size_t i = 0; i < 3; ++i) {
    CHECK_EQ(opensslEngine()->certificateFacts(config, i, &facts), 1);
    CHECK_EQ(std::string(facts.keyKind), kinds[i]);
    CHECK(facts.notAfter > std::time(nullptr) + 86000 && facts.notBefore < std::time(nullptr));
  }
  CHECK_EQ(opensslEngine()->certificateFacts(config, 3, &facts), 0);
}

TEST(chainsAreSentWhole) {
  World world;
  Wish wish;
  wish.commonName = "Intermediate";
  wish.isAuthority = true;
  const Pair intermediate = issue(&world.authority, wish);
  Pair leaf = issue(&intermediate, {});
  leaf.chainPem += intermediate.chainPem;
  HfTlsConfig* const config = world.shard.terminating({.pairs = {&leaf}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client.ctx), world.authority.certificate.get());
  SSL_CTX_set_verify(client.ctx, SSL_VERIFY_PEER, nullptr);
  client.start("a.example");
  CHECK(join(side, client));
  CHECK_EQ(SSL_get_verify_result(client.ssl), X509_V_OK);
}

TEST(protocolsAreNegotiatedOrRefused) {
  World world;
  HfTlsConfig* const config =
      world.shard.terminating({.pairs = {&world.ec}, .alpn = {"h2", "http/1.1"}});
  HfTlsConfig* const silent = world.shard.terminating({.pairs = {&world.ec}});
  const struct {
    HfTlsConfig* config;
    std::string offered;
    const char* chosen;  // null: refused
  } cases[] = {
      {config, std::string("\x08http/1.1\x02h2"), "h2"},
      {config, std::string("\x08http/1.1"), "http/1.1"},
      {config, std::string("\x02h2\x02h2"), "h2"},
      {config, std::string("\x06spdy/1"), nullptr},
      {config, std::string("\x02H2"), nullptr},
      {config, std::string(), ""},
      {silent, std::string("\x02h2"), ""},
  };
  for (const auto& [asked, offered, chosen] : cases) {
    Side side(asked);
    RawPeer client(RawPeer::Kind::kAsking);
    if (!offered.empty()) client.setAlpn(offered);
    client.start();
    CHECK_EQ(join(side, client), chosen != nullptr);
    if (chosen != nullptr) {
      CHECK_EQ(std::string(side.facts().alpn), chosen);
    } else {
      CHECK_EQ(side.failure().alertSent, SSL_AD_NO_APPLICATION_PROTOCOL);
    }
  }
}

// What a client shows, and what the gateway makes of it.
struct ClientCase {
  const Pair* shown;
  u32 mode;
  bool isTaken;
  bool isVerified;
};

TEST(clientsAreChecked) {
  World world;
  const Pair stranger = makeAuthority("Stranger");
  const Pair good = issueNamed(world.authority, "good");
  const Pair foreign = issueNamed(stranger, "foreign");
  const Pair revoked = issueNamed(world.authority, "revoked");
  Wish old;
  old.commonName = "expired";
  old.from = -86400;
  old.until = -60;
  const Pair expired = issue(&world.authority, old);
  const std::string crl = revoke(world.authority, {&revoked});
  const ClientCase cases[] = {
      {nullptr, HF_TLS_CLIENT_AUTH_OFF, true, false},
      {&good, HF_TLS_CLIENT_AUTH_OFF, true, false},
      {nullptr, HF_TLS_CLIENT_AUTH_OPTIONAL, true, false},
      {&good, HF_TLS_CLIENT_AUTH_OPTIONAL, true, true},
      {&foreign, HF_TLS_CLIENT_AUTH_OPTIONAL, false, false},
      {nullptr, HF_TLS_CLIENT_AUTH_REQUIRED, false, false},
      {&good, HF_TLS_CLIENT_AUTH_REQUIRED, true, true},
      {&foreign, HF_TLS_CLIENT_AUTH_REQUIRED, false, false},
      {&revoked, HF_TLS_CLIENT_AUTH_REQUIRED, false, false},
      {&expired, HF_TLS_CLIENT_AUTH_REQUIRED, false, false},
  };
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    for (const ClientCase& one : cases) {
      // The name chooses a domain with other rules than the one that the handshake began with.
      Options options(HF_TLS_TERMINATING);
      options.add({.names = {"open.example"}, .pairs = {&world.ec}})
          .add({.names = {"strict.example"},
                .pairs = {&world.ec},
                .clientAuth = one.mode,
                .caPem = world.authority.chainPem,
                .crlPem = crl});
      HfTlsConfig* const config = options.build(world.shard.shard());
      Side side(config);
      opensslEngine()->releaseConfig(config);
      RawPeer client(RawPeer::Kind::kAsking);
      client.only(version);
      if (one.shown != nullptr) client.use(*one.shown);
      client.start("strict.example");
      const bool isTaken = join(side, client);
      CHECK_EQ(isTaken, one.isTaken);
      if (!isTaken) {
        CHECK(side.failure().reason[0] != '\0' && side.failure().alertSent != 0xff);
        continue;
      }
      const HfTlsNegotiated facts = side.facts();
      CHECK_EQ(facts.isPeerVerified == 1, one.isVerified);
      CHECK_EQ(facts.hasPeerCertificate == 1, one.isVerified);
      if (one.isVerified) {
        CHECK_EQ(std::string(facts.subject), "CN=good,O=Holdfast test");
        CHECK_EQ(std::string(facts.altNames), "DNS:good");
      }
    }
  }
}

TEST(clientChainsHaveADepthAndASize) {
  World world;
  Wish wish;
  wish.isAuthority = true;
  std::vector<Pair> steps;
  steps.push_back(world.authority);
  for (int i = 0; i < 6; ++i) {
    wish.commonName = "Step " + std::to_string(i);
    const Pair next = issue(&steps.back(), wish);
    steps.push_back(next);
  }
  const auto attempt = [&](size_t intermediates, u32 depthMax, int padding) {
    HfTlsConfig* const config = world.shard.terminating({.pairs = {&world.ec},
                                                         .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
                                                         .caPem = world.authority.chainPem,
                                                         .depthMax = depthMax});
    const Pair leaf = issueNamed(steps[intermediates], "leaf");
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.use(leaf);
    for (size_t i = intermediates; i > 0; --i) {
      SSL_CTX_add1_chain_cert(client.ctx, steps[i].certificate.get());
    }
    for (int i = 0; i < padding; ++i) {
      SSL_CTX_add1_chain_cert(client.ctx, steps[1].certificate.get());
    }
    client.start();
    return join(side, client);
  };
  CHECK(attempt(4, 0, 0));
  CHECK(!attempt(5, 0, 0));
  CHECK(attempt(1, 1, 0));
  CHECK(!attempt(2, 1, 0));
  CHECK(attempt(1, 0, 50));
  CHECK(!attempt(1, 0, 300));  // more than 64 KiB
}

TEST(hostileNamesAreShownHarmless) {
  World world;
  Wish wish;
  wish.commonName = std::string("evil\0,CN=admin\n", 15);
  wish.rawDnsName = std::string("good.example\0.evil.example,DNS:x\n\\", 34);
  const Pair hostile = issue(&world.authority, wish);
  HfTlsConfig* const config = world.shard.terminating({.pairs = {&world.ec},
                                                       .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
                                                       .caPem = world.authority.chainPem});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  client.use(hostile);
  client.start();
  CHECK(join(side, client));
  const HfTlsNegotiated facts = side.facts();
  CHECK_EQ(std::string(facts.altNames), "DNS:good.example\\x00.evil.example\\x2cDNS:x\\x0a\\x5c");
  CHECK_EQ(facts.altNamesLength, std::strlen(facts.altNames));
  CHECK(has(facts.subject, "evil\\00\\,CN=admin\\0A"));
  CHECK_EQ(facts.subjectLength, std::strlen(facts.subject));
}

TEST(ocspAnswersAreStapledToTheirCertificate) {
  World world;
  const Pair rsa = issueNamed(world.authority, "rsa", KeyKind::kRsa);
  HfTlsConfig* const config = world.shard.terminating(
      {.pairs = {&world.ec, &rsa}, .staples = {"answer for ec", "answer for rsa"}});
  for (const char* algorithms : {"ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"}) {
    for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      client.only(version);
      CHECK_EQ(SSL_CTX_set1_sigalgs_list(client.ctx, algorithms), 1);
      client.start();
      SSL_set_tlsext_status_type(client.ssl, TLSEXT_STATUSTYPE_ocsp);
      CHECK(join(side, client));
      const unsigned char* answer = nullptr;
      const long length = SSL_get_tlsext_status_ocsp_resp(client.ssl, &answer);
      const bool isEc = algorithms[0] == 'e';
      CHECK_EQ(std::string(reinterpret_cast<const char*>(answer),
                           length > 0 ? static_cast<size_t>(length) : 0),
               isEc ? "answer for ec" : "answer for rsa");
    }
  }
}

// Connects once; returns whether it was resumed, and keeps the client's ticket.
struct Resuming {
  SSL_SESSION* ticket = nullptr;
  ~Resuming() { SSL_SESSION_free(ticket); }

  // -1: the handshake failed.
  int connect(HfTlsConfig* config, int version, const char* name, const Pair* shown = nullptr) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.only(version);
    if (shown != nullptr) client.use(*shown);
    // With the library's own cache a ticket would die with its SSL_CTX.
    SSL_CTX_set_session_cache_mode(client.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    client.start(name);
    if (ticket != nullptr) SSL_set_session(client.ssl, ticket);
    if (!join(side, client)) return -1;
    client.read();
    const bool isResumed = SSL_session_reused(client.ssl) == 1;
    CHECK_EQ(side.facts().isResumed == 1, isResumed);
    SSL_SESSION_free(ticket);
    ticket = SSL_get1_session(client.ssl);
    lastFacts = side.facts();
    SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    return isResumed ? 1 : 0;
  }
  HfTlsNegotiated lastFacts = {};
};

TEST(ticketsResumeAcrossShardsAndRotations) {
  World world;
  EngineShard otherShard;
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    HfTlsConfig* const here = world.shard.terminating({.pairs = {&world.ec}});
    HfTlsConfig* const there = otherShard.terminating({.pairs = {&world.ec}});
    Resuming client;
    CHECK_EQ(client.connect(here, version, "a.example"), 0);
    CHECK_EQ(client.connect(here, version, "a.example"), 1);
    CHECK_EQ(client.connect(there, version, "a.example"), 1);
    CHECK_EQ(client.connect(there, version, "a.example"), 1);
    // An older key still reads, and the new ticket is made with the first.
    otherShard.setTicketKeys(there, 2, 1);
    CHECK_EQ(client.connect(there, version, "a.example"), 1);
    otherShard.setTicketKeys(there, 2);
    CHECK_EQ(client.connect(there, version, "a.example"), 1);
    otherShard.setTicketKeys(there, 3);
    CHECK_EQ(client.connect(there, version, "a.example"), 0);
    // A new certificate does not spoil tickets.
    const Pair renewed = issue(&world.authority, {});
    HfTlsConfig* const reloaded = otherShard.terminating({.pairs = {&renewed}});
    otherShard.setTicketKeys(reloaded, 3);
    CHECK_EQ(client.connect(reloaded, version, "a.example"), 1);
    // Without keys there are no tickets, and nobody minds.
    otherShard.setTicketKeys(reloaded, 0);
    CHECK_EQ(client.connect(reloaded, version, "a.example"), 0);
    CHECK_EQ(client.connect(reloaded, version, "a.example"), 0);
  }
}

TEST(ticketsEndAtTheBordersOfTrust) {
  World world;
  const Pair stranger = makeAuthority("Stranger");
  const Pair client = issueNamed(world.authority, "client");
  const std::string crl = revoke(world.authority, {&client});
  const std::string emptyCrl = revoke(world.authority, {});
  const auto build = [&](u32 mode, const std::string& ca, const std::string& list,
                         const std::string& name) {
    Options options(HF_TLS_TERMINATING);
    options.name = name;
    options.add({.names = {"open.example"}, .pairs = {&world.ec}})
        .add({.names = {"other.example"}, .pairs = {&world.ec}})
        .add({.names = {"strict.example"},
              .pairs = {&world.ec},
              .clientAuth = mode,
              .caPem = ca,
              .crlPem = list});
    HfTlsConfig* const config = world.shard.build(options);
    world.shard.setTicketKeys(config, 1);
    return config;
  };
  const std::string& ca = world.authority.chainPem;
  HfTlsConfig* const strict = build(HF_TLS_CLIENT_AUTH_REQUIRED, ca, emptyCrl, "one");
  HfTlsConfig* const revoking = build(HF_TLS_CLIENT_AUTH_REQUIRED, ca, crl, "one");
  HfTlsConfig* const foreign = build(HF_TLS_CLIENT_AUTH_REQUIRED, stranger.chainPem, "", "one");
  HfTlsConfig* const second = build(HF_TLS_CLIENT_AUTH_REQUIRED, ca, emptyCrl, "two");
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    {
      // From a domain without client certificates to one that wants them: threats B7.
      Resuming thief;
      CHECK_EQ(thief.connect(strict, version, "open.example"), 0);
      CHECK_EQ(thief.connect(strict, version, "strict.example"), -1);
    }
    {
      Resuming neighbour;
      CHECK_EQ(neighbour.connect(strict, version, "open.example"), 0);
      CHECK_EQ(neighbour.connect(strict, version, "other.example"), 0);
      CHECK_EQ(neighbour.connect(strict, version, "other.example"), 1);
      CHECK_EQ(neighbour.connect(second, version, "other.example"), 0);
    }
    Resuming guest;
    CHECK_EQ(guest.connect(strict, version, "strict.example", &client), 0);
    CHECK_EQ(guest.connect(strict, version, "strict.example", &client), 1);
    // Who resumes is still known.
    CHECK_EQ(guest.lastFacts.isPeerVerified, 1);
    CHECK_EQ(std::string(guest.lastFacts.altNames), "DNS:client");
    CHECK_EQ(guest.connect(second, version, "strict.example", &client), 0);
    CHECK_EQ(guest.connect(revoking, version, "strict.example", &client), -1);
    Resuming other;
    CHECK_EQ(other.connect(strict, version, "strict.example", &client), 0);
    CHECK_EQ(other.connect(foreign, version, "strict.example", &client), -1);
  }
}

TEST(endpointsAreChecked) {
  World world;
  const Pair stranger = makeAuthority("Stranger");
  const Pair foreign = issueNamed(stranger, "a.example");
  Wish addressed;
  addressed.altNames = "DNS:db.example,IP:127.0.0.1,IP:::1";
  const Pair withAddress = issue(&world.authority, addressed);
  Wish onlyCommon;
  onlyCommon.commonName = "a.example";
  onlyCommon.altNames = "";
  const Pair common = issue(&world.authority, onlyCommon);
  const Pair revoked = issueNamed(world.authority, "a.example");
  Options options(HF_TLS_ORIGINATING);
  options.add({.caPem = world.authority.chainPem, .crlPem = revoke(world.authority, {&revoked})});
  HfTlsConfig* const config = world.shard.build(options);
  Options unchecked(HF_TLS_ORIGINATING);
  unchecked.options.isPeerUnchecked = 1;
  unchecked.add({});
  HfTlsConfig* const trusting = world.shard.build(unchecked);
  const struct {
    HfTlsConfig* config;
    const Pair* shown;
    const char* name;
    const char* reason;  // null: taken
  } cases[] = {
      {config, &world.ec, "a.example", nullptr},
      {config, &world.ec, "x.wild.example", nullptr},
      {config, &world.ec, "b.example", "hostname mismatch"},
      {config, &world.ec, "x.y.wild.example", "hostname mismatch"},
      {config, &common, "a.example", "hostname mismatch"},
      {config, &withAddress, "127.0.0.1", nullptr},
      {config, &withAddress, "::1", nullptr},
      {config, &withAddress, "127.0.0.2", "IP address mismatch"},
      {config, &foreign, "a.example", "unable to get local issuer certificate"},
      {config, &revoked, "a.example", "certificate revoked"},
      {trusting, &foreign, "b.example", nullptr},
      {trusting, &foreign, "", nullptr},
  };
  for (const auto& [asked, shown, name, reason] : cases) {
    Side side(asked, name);
    RawPeer endpoint(RawPeer::Kind::kAnswering);
    endpoint.use(*shown);
    endpoint.start();
    const bool isTaken = join(side, endpoint);
    CHECK_EQ(isTaken, reason == nullptr);
    if (isTaken) {
      CHECK_EQ(side.facts().isPeerVerified == 1, asked == config);
      CHECK_EQ(side.facts().hasPeerCertificate, 1);
    } else if (reason != nullptr) {
      CHECK(has(side.failure().reason, reason));
      CHECK(side.failure().alertSent != 0xff);
    }
  }
  // Whoever is checked has to have a name.
  const HfTlsBytes none{nullptr, 0};
  CHECK(opensslEngine()->create(config, none) == nullptr);
  const std::string nul("a.example\0b", 11);
  CHECK(opensslEngine()->create(config, bytesOfText(nul)) == nullptr);
}

TEST(endpointsSeeWhoWeAre) {
  World world;
  const Pair client = issueNamed(world.authority, "gateway");
  Options options(HF_TLS_ORIGINATING);
  options.add({.pairs = {&client}, .alpn = {"h2", "x"}, .caPem = world.authority.chainPem});
  HfTlsConfig* const originating = world.shard.build(options);
  HfTlsConfig* const terminating =
      world.shard.terminating({.pairs = {&world.ec},
                               .alpn = {"x"},
                               .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
                               .caPem = world.authority.chainPem});
  Side out(originating, "a.example");
  Side in(terminating);
  CHECK(join(out, in));
  CHECK_EQ(std::string(out.facts().alpn), "x");
  CHECK_EQ(std::string(in.facts().serverName), "a.example");
  CHECK_EQ(std::string(in.facts().altNames), "DNS:gateway");
}

TEST(originatingResumesWithTheTicketsItKept) {
  World world;
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    Options options(HF_TLS_ORIGINATING);
    options.add({.caPem = world.authority.chainPem});
    HfTlsConfig* const originating = world.shard.build(options);
    HfTlsConfig* terminating = world.shard.terminating({.pairs = {&world.ec}});
    if (version == TLS1_2_VERSION) {
      Options old(HF_TLS_TERMINATING);
      old.suites13 = "TLS_AES_128_GCM_SHA256";
      old.add({.pairs = {&world.ec}});
      terminating = world.shard.build(old);
      world.shard.setTicketKeys(terminating, 1);
    }
    const auto connect = [&](const char* name) {
      Side out(originating, name);
      RawPeer endpoint(RawPeer::Kind::kAnswering);
      endpoint.only(version);
      endpoint.use(world.ec);
      // The library's own tickets: one key for all of its objects here.
      u8 keys[80] = {1, 2, 3};
      SSL_CTX_ctrl(endpoint.ctx, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, sizeof(keys), keys);
      SSL_CTX_set_session_id_context(endpoint.ctx, keys, 8);
      endpoint.start();
      CHECK(join(out, endpoint));
      out.feed(endpoint.takeOutput());
      CHECK(out.readPlain().empty());
      CHECK_EQ(out.handshake.engine->ticketsReceived(out.handshake.object) > 0,
               out.facts().isResumed == 0 || version == TLS1_3_VERSION);
      return out.facts().isResumed == 1;
    };
    CHECK(!connect("a.example"));
    for (int i = 0; i < 5; ++i) CHECK(connect("a.example"));
    CHECK(!connect("x.wild.example"));
    CHECK(connect("x.wild.example"));
  }
}

TEST(policiesBoundVersionsAndSuites) {
  World world;
  Options modern(HF_TLS_TERMINATING);
  modern.options.policy = HF_TLS_POLICY_MODERN;
  modern.add({.pairs = {&world.ec}});
  HfTlsConfig* const modernConfig = world.shard.build(modern);
  HfTlsConfig* const intermediate = world.shard.terminating({.pairs = {&world.ec}});
  const struct {
    HfTlsConfig* config;
    int version;
    const char* suites;
    bool isTaken;
  } cases[] = {
      {modernConfig, TLS1_3_VERSION, "DEFAULT", true},
      {modernConfig, TLS1_2_VERSION, "DEFAULT", false},
      {intermediate, TLS1_2_VERSION, "DEFAULT", true},
      {intermediate, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
      {intermediate, TLS1_2_VERSION, "AES128-GCM-SHA256", false},
      {intermediate, TLS1_1_VERSION, "DEFAULT@SECLEVEL=0", false},
      {intermediate, TLS1_VERSION, "DEFAULT@SECLEVEL=0", false},
  };
  for (const auto& [config, version, suites, isTaken] : cases) {
    Side side(config);
    RawPeer client(RawPeer::Kind::kAsking);
    client.only(version);
    SSL_CTX_set_cipher_list(client.ctx, suites);
    client.start();
    CHECK_EQ(join(side, client), isTaken);
  }
  // The short key is the gateway's choice; a client without AES instructions gets its own.
  Side side(intermediate);
  RawPeer client(RawPeer::Kind::kAsking);
  client.start();
  CHECK(join(side, client));
  CHECK_EQ(side.facts().suite, 0x1301);
  Side phone(intermediate);
  RawPeer slow(RawPeer::Kind::kAsking);
  SSL_CTX_set_ciphersuites(slow.ctx, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
  slow.start();
  CHECK(join(phone, slow));
  CHECK_EQ(phone.facts().suite, 0x1303);
}

TEST(hybridKeyExchangeIsUsedWhereItIsKnown) {
  World world;
  HfTlsConfig* const config = world.shard.terminating({.pairs = {&world.ec}});
  Side side(config);
  RawPeer client(RawPeer::Kind::kAsking);
  const bool isKnown = SSL_CTX_set1_groups_list(client.ctx, "X25519MLKEM768:X25519") == 1;
  ERR_clear_error();
  client.start();
  CHECK(join(side, client));
  CHECK_EQ(side.facts().group, isKnown ? 0x11ec : 29);
  std::printf("     X25519MLKEM768: %s\n", isKnown ? "used" : "not in this library");
  RawPeer old(RawPeer::Kind::kAsking);
  CHECK_EQ(SSL_CTX_set1_groups_list(old.ctx, "P-256"), 1);
  old.start();
  Side other(config);
  CHECK(join(other, old));
  CHECK_EQ(other.facts().group, 23);
}

TEST(earlyDataAndCompressionAreOff) {
  World world;
  HfTlsConfig* const config = world.shard.terminating({.pairs = {&world.ec}});
  Resuming client;
  CHECK_EQ(client.connect(config, TLS1_3_VERSION, "a.example"), 0);
  CHECK_EQ(SSL_SESSION_get_max_early_data(client.ticket), 0);
  RawPeer raw(RawPeer::Kind::kAsking);
  SSL_CTX_clear_options(raw.ctx, SSL_OP_NO_COMPRESSION);
  raw.start();
  Side side(config);
  CHECK(join(side, raw));
  CHECK(SSL_get_current_compression(raw.ssl) == nullptr);
}

TEST(complaintsSayWhatIsWrong) {
  World world;
  const Pair other = issueNamed(world.authority, "other");
  const Pair secondEc = issueNamed(world.authority, "second");
  Wish wish;
  wish.until = -100;
  wish.from = -86400;
  const Pair expired = issue(&world.authority, wish);
  wish.until = 86400;
  wish.from = 3600;
  const Pair early = issue(&world.authority, wish);
  Pair wrongKey = world.ec;
  wrongKey.keyPem = other.keyPem;
  Pair noKey = world.ec;
  noKey.keyPem = "";
  Pair lockedKey = world.ec;
  lockedKey.keyPem = pemOf(world.ec.key.get(), "word");
  Pair brokenKey = world.ec;
  brokenKey.keyPem.replace(40, 10, "!!!!!!!!!!");
  Pair cut = world.ec;
  cut.chainPem.resize(cut.chainPem.size() - 60);
  Pair noCertificate = world.ec;
  noCertificate.chainPem = "# nothing here\n";
  Pair longChain = world.ec;
  for (int i = 0; i < 20; ++i) longChain.chainPem += world.authority.chainPem;
  const struct {
    DomainWish wish;
    const char* text;
    u32 certificate;
  } cases[] = {
      {{.pairs = {&wrongKey}}, "the key does not belong to the certificate", 0},
      {{.pairs = {&noKey}}, "there is no private key", 0},
      {{.pairs = {&lockedKey}}, "protected by a password", 0},
      {{.pairs = {&brokenKey}}, "the key cannot be read", 0},
      {{.pairs = {&cut}}, "a certificate cannot be read", 0},
      {{.pairs = {&noCertificate}}, "there is no certificate", 0},
      {{.pairs = {&longChain}}, "more than 16 certificates", 0},
      {{.pairs = {&world.ec, &expired}}, "the certificate expired on 20", 1},
      {{.pairs = {&early}}, "not valid before 20", 0},
      {{.pairs = {&world.ec, &secondEc}}, "two certificates of one domain", 1},
      {{}, "the domain has no certificate", HF_TLS_NONE},
      {{.names = {"a b"}, .pairs = {&world.ec}}, "\"a b\" is no host name", HF_TLS_NONE},
      {{.names = {"*"}, .pairs = {&world.ec}}, "is no host name", HF_TLS_NONE},
      {{.names = {"a.*.b"}, .pairs = {&world.ec}}, "is no host name", HF_TLS_NONE},
      {{.names = {"a.b", "A.b."}, .pairs = {&world.ec}}, "belongs to two domains", HF_TLS_NONE},
      {{.pairs = {&world.ec}, .alpn = {""}}, "1 to 255 bytes", HF_TLS_NONE},
      {{.pairs = {&world.ec}, .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED},
       "no certificate in the CA's text",
       HF_TLS_NONE},
      {{.pairs = {&world.ec},
        .clientAuth = HF_TLS_CLIENT_AUTH_REQUIRED,
        .caPem = world.authority.chainPem,
        .crlPem = "x"},
       "no CRL in the CRL's text",
       HF_TLS_NONE},
  };
  for (const auto& [broken, text, certificate] : cases) {
    Options options(HF_TLS_TERMINATING);
    options.add({.names = {"good.example"}, .pairs = {&world.ec}}).add(broken);
    CHECK(has(refusal(world, options), text));
    CHECK_EQ(options.problem.domain, 1);
    CHECK_EQ(options.problem.certificate, certificate);
  }
  const auto refused = [&](void (*change)(Options&)) {
    Options options(HF_TLS_TERMINATING);
    options.add({.pairs = {&world.ec}});
    change(options);
    return refusal(world, options);
  };
  CHECK(has(refused([](Options& o) { o.suites13 = "TLS_AES_128_GCM_SHA256:TLS_FOO"; }),
            "unknown cipher suite \"TLS_FOO\""));
  CHECK(has(refused([](Options& o) { o.suites12 = "ECDHE-ECDSA-AES128-GCM-SHA256:BAR"; }),
            "unknown cipher suite \"BAR\""));
  CHECK(has(refused([](Options& o) { o.groups = "X25519:P-999"; }), "unknown key exchange group"));
  CHECK(has(refused([](Options& o) { o.options.policy = 7; }), "unknown policy"));
  CHECK(has(refused([](Options& o) { o.options.role = 7; }), "unknown role"));
  CHECK(has(refused([](Options& o) { o.options.structBytes = 8; }), "older version"));
  CHECK(has(refused([](Options& o) { o.add({}); }), "only one can be the default"));
  Options nobody(HF_TLS_TERMINATING);
  CHECK(has(refusal(world, nobody), "between one domain"));
  Options noCa(HF_TLS_ORIGINATING);
  noCa.add({});
  CHECK(has(refusal(world, noCa), "no certificate in the CA's text"));
  // Tests and the first second of a clock that is wrong.
  Options timeless(HF_TLS_TERMINATING);
  timeless.options.nowSeconds = 0;
  timeless.add({.pairs = {&expired}});
  CHECK(world.shard.build(timeless) != nullptr);
}

TEST(aThousandRotationsLoseNothing) {
  World world;
  EngineShard shard;
  HfTlsConfig* config = nullptr;
  const Pair pairs[] = {issueNamed(world.authority, "zero"), issueNamed(world.authority, "one")};
  for (int i = 0; i < 1000; ++i) {
    Options options(HF_TLS_TERMINATING);
    options.add({.pairs = {&pairs[i % 2]}});
    HfTlsConfig* const next = options.build(shard.shard());
    if (!CHECK(next != nullptr)) return;
    if (config != nullptr && i % 20 == 0) {
      // A handshake that began under the old one ends under it.
      Side side(config);
      RawPeer client(RawPeer::Kind::kAsking);
      client.start("a.example");
      client.handshake();
      side.feed(client.takeOutput());
      side.step();
      client.feed(side.takeOutput());
      shard.engine->releaseConfig(config);
      config = nullptr;
      CHECK(join(side, client));
      CHECK_EQ(subjectSeen(client), i % 2 == 0 ? "one" : "zero");
    }
    if (config != nullptr) shard.engine->releaseConfig(config);
    config = next;
  }
  shard.engine->releaseConfig(config);
}

}  // namespace
}  // namespace holdfast::tls
