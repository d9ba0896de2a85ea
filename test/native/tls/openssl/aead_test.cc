// Ciphers against published vectors, records against RFC 8448, and the cache of keyed ciphers.
#include <memory>
#include <string>

#include "runtime/random.h"
#include "tls/aead_openssl.h"
#include "tls/key_schedule.h"
#include "tls/openssl/bytes_of.h"
#include "tls/record_layer.h"
#include "tls/toy_aead.h"

#include "check.h"

namespace holdfast::tls {
namespace {

using Bytes = std::vector<u8>;

struct Vector {
  u16 suite;
  const char* key;
  const char* nonce;
  const char* aad;
  const char* plain;
  const char* sealed;
  const char* tag;
};

const Vector kVectors[] = {
    // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16.
    {0x1301, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449"
     "a6b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac"
     "84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {0x1302, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449"
     "a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
     "828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    // The same, test cases 1 and 13: nothing to seal.
    {0x1301, "00000000000000000000000000000000", "000000000000000000000000", "", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {0x1302, "0000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    // RFC 8439 2.8.2.
    {0x1303, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966"
     "204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572"
     "652c2073756e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69"
     "da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945"
     "585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

// A state with nothing but a key in it.
RecordState keyedState(u16 suite, const Bytes& key) {
  RecordState state;
  state.suite = findCipherSuite(kVersion13, suite);
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    std::memcpy(materialOf(state, direction).key.data(), key.data(), key.size());
  }
  return state;
}

TEST(ciphersGiveThePublishedResults) {
  AeadOpenssl aead;
  if (!CHECK(aead.start())) return;
  const AeadTable& table = aead.table();
  for (const Vector& vector : kVectors) {
    const Bytes plain = bytesOf(vector.plain);
    const Bytes nonce = bytesOf(vector.nonce);
    const Bytes aad = bytesOf(vector.aad);
    RecordState state = keyedState(vector.suite, bytesOf(vector.key));
    // With and without the last byte apart, which is how TLS 1.3 types are sealed.
    for (const bool hasTail : {false, true}) {
      if (hasTail && plain.empty()) continue;
      Bytes sealed(plain.size());
      Bytes tag(kTagBytes);
      AeadCall call;
      call.state = &state;
      call.direction = Direction::kWrite;
      call.nonce = nonce.data();
      call.aad = aad;
      call.input = std::span<const u8>(plain).first(plain.size() - (hasTail ? 1 : 0));
      call.tail = hasTail ? plain.back() : kNoTail;
      call.output = sealed.data();
      call.tag = tag.data();
      CHECK(table.seal(table.self, call));
      CHECK(sealed == bytesOf(vector.sealed));
      CHECK(tag == bytesOf(vector.tag));
      call.direction = Direction::kRead;
      Bytes opened(plain.size());
      call.input = sealed;
      call.tail = kNoTail;
      call.output = opened.data();
      CHECK(table.open(table.self, call));
      CHECK(opened == plain);
      tag[kTagBytes - 1] ^= 1;
      CHECK(!table.open(table.self, call));
      // Nothing of it is left to be seen.
      CHECK(opened == Bytes(plain.size(), 0));
    }
  }
}

TEST(hkdfGivesThePublishedResult) {
  AeadOpenssl aead;
  if (!CHECK(aead.start())) return;
  // RFC 5869 A.1, the expanding half.
  Bytes output(42);
  CHECK(aead.table().expand(
      aead.table().self, Hash::kSha256,
      bytesOf("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"),
      bytesOf("f0f1f2f3f4f5f6f7f8f9"), output));
  CHECK(output == bytesOf("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                          "34007208d5b887185865"));
}

// RFC 8448 3, "Simple 1-RTT Handshake": both application traffic secrets.
const char* const kClientSecret =
    "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
const char* const kGatewaySecret =
    "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
const char* const kClientBytes =
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20"
    "441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
const char* const kClientClose = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
const char* const kGatewayBytes =
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb50"
    "1a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";
const char* const kGatewayClose = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

RecordKeys traceKeys(u8 role) {
  RecordKeys keys = {};
  keys.version = kVersion13;
  keys.suite = 0x1301;
  keys.role = role;
  const Bytes client = bytesOf(kClientSecret);
  const Bytes gateway = bytesOf(kGatewaySecret);
  const bool isClient = role == HF_TLS_ORIGINATING;
  std::memcpy(keys.read.secret, (isClient ? gateway : client).data(), 32);
  std::memcpy(keys.write.secret, (isClient ? client : gateway).data(), 32);
  // The ticket was record 0 of the gateway.
  (isClient ? keys.read : keys.write).sequence = 1;
  return keys;
}

TEST(recordsAreThoseOfRfc8448) {
  AeadOpenssl aead;
  if (!CHECK(aead.start())) return;
  RecordLayer layer(aead.table());
  RecordState gateway;
  RecordState client;
  CHECK(layer.attach(traceKeys(HF_TLS_TERMINATING), &gateway));
  CHECK(layer.attach(traceKeys(HF_TLS_ORIGINATING), &client));
  CHECK(std::memcmp(materialOf(gateway, Direction::kRead).key.data(),
                    bytesOf("17422dda596ed5d9acd890e3c63f5051").data(), 16) == 0);
  CHECK(std::memcmp(materialOf(gateway, Direction::kRead).iv.data(),
                    bytesOf("5b78923dee08579033e523d9").data(), 12) == 0);
  CHECK(std::memcmp(materialOf(gateway, Direction::kWrite).key.data(),
                    bytesOf("9f02283b6c9c07efc26bb9f2ac92e356").data(), 16) == 0);
  CHECK(std::memcmp(materialOf(gateway, Direction::kWrite).iv.data(),
                    bytesOf("cf782b88dd83549aadf1e984").data(), 12) == 0);

  Bytes plain(50);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<u8>(i);
  const struct {
    RecordState* from;
    RecordState* to;
    const char* bytes;
    const char* close;
  } ways[] = {{&client, &gateway, kClientBytes, kClientClose},
              {&gateway, &client, kGatewayBytes, kGatewayClose}};
  for (const auto& way : ways) {
    Bytes wire(300);
    const Sealed sealed = layer.seal(way.from, plain, wire, 0);
    CHECK(Bytes(wire.begin(), wire.begin() + static_cast<long>(sealed.produced)) ==
          bytesOf(way.bytes));
    const Sealed close = layer.sealAlert(way.from, Alert::kCloseNotify, wire);
    CHECK(Bytes(wire.begin(), wire.begin() + static_cast<long>(close.produced)) ==
          bytesOf(way.close));
    Bytes both = bytesOf(std::string(way.bytes) + way.close);
    Bytes output(both.size());
    const Opened opened = layer.open(way.to, both, output, 0);
    CHECK(opened.event == OpenEvent::kCloseNotify);
    output.resize(opened.produced);
    CHECK(output == plain);
  }
  layer.end(&gateway);
  layer.end(&client);
  CHECK_EQ(aead.slotsInUse(), 0);
}

// Two ends of many connections over one small cache.
TEST(theCacheServesManyConnectionsFromFewSlots) {
  AeadOpenssl aead(4);
  if (!CHECK(aead.start())) return;
  RecordLayer layer(aead.table());
  constexpr size_t kConnections = 40;
  const u16 suites[][2] = {{kVersion13, 0x1301},
                           {kVersion13, 0x1302},
                           {kVersion13, 0x1303},
                           {kVersion12, 0xc02b},
                           {kVersion12, 0xcca9}};
  std::vector<RecordState> gateways(kConnections);
  std::vector<RecordState> clients(kConnections);
  for (size_t i = 0; i < kConnections; ++i) {
    const auto& [version, suite] = suites[i % std::size(suites)];
    const KeyPair keys = makeKeyPair(version, suite, static_cast<u8>(i));
    CHECK(layer.attach(keys.terminating, &gateways[i]));
    CHECK(layer.attach(keys.originating, &clients[i]));
  }
  Bytes wire(2000);
  Bytes output(2000);
  const auto exchange = [&](RecordState* from, RecordState* to, size_t length) {
    const Bytes plain(length, static_cast<u8>(length));
    const Sealed sealed = layer.seal(from, plain, wire, 0);
    const Opened opened = layer.open(to, std::span<u8>(wire).first(sealed.produced), output, 0);
    return opened.event == OpenEvent::kNeedMore && opened.produced == length;
  };
  Random random(7);
  for (size_t round = 0; round < 3000; ++round) {
    const size_t i = random.below(kConnections);
    const bool isUp = random.chance(1, 2);
    if (!CHECK(exchange(isUp ? &clients[i] : &gateways[i], isUp ? &gateways[i] : &clients[i],
                        1 + random.below(100)))) {
      return;
    }
    if (suiteOf(clients[i]).version == kVersion13 && random.chance(1, 20)) {
      const Sealed update = layer.updateKeys(&clients[i], UpdateRequest::kRequested, wire);
      CHECK(layer.open(&gateways[i], std::span<u8>(wire).first(update.produced), output, round * 50)
                .event == OpenEvent::kNeedMore);
      clients[i].flags = kRecordOriginating;
    }
  }
  CHECK(aead.slotsInUse() <= 3 * 4);
  CHECK(aead.keyings() > 1000 && aead.hits() > 100);

  // A busy connection pays for its keys once.
  const u64 before = aead.keyings();
  for (int i = 0; i < 100; ++i) CHECK(exchange(&clients[0], &gateways[0], 64));
  CHECK(aead.keyings() <= before + 2);
  for (RecordState& state : gateways) layer.end(&state);
  for (RecordState& state : clients) layer.end(&state);
  CHECK_EQ(aead.slotsInUse(), 0);
}

// What the gateway holds of a connection may go away without a word; nobody else gets its keys.
TEST(aStateThatTakesThePlaceOfAnotherUsesItsOwnKeys) {
  AeadOpenssl aead(4);
  if (!CHECK(aead.start())) return;
  RecordLayer layer(aead.table());
  RecordState place;
  RecordState peer;
  Bytes wire(200);
  Bytes output(200);
  for (u8 seed = 1; seed < 50; ++seed) {
    const KeyPair keys = makeKeyPair(kVersion13, 0x1301, seed);
    CHECK(layer.attach(keys.terminating, &place));
    CHECK(layer.attach(keys.originating, &peer));
    const Sealed sealed = layer.seal(&place, Bytes(9, seed), wire, 0);
    CHECK_EQ(layer.open(&peer, std::span<u8>(wire).first(sealed.produced), output, 0).produced, 9);
    layer.end(&peer);
  }
}

}  // namespace
}  // namespace holdfast::tls
