// Engines out of shared libraries, and the built-in engine where there is no OpenSSL.
//
// The Makefile builds both libraries beside this program and names them in the environment.
#include "tls/engine_library.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "tls/handshake.h"
#include "tls/record_layer.h"
#include "tls/toy_aead.h"

#include "check.h"

namespace holdfast::tls {
namespace {

using Bytes = std::vector<u8>;

// Null, with the test named as skipped, when the library was not built.
const HfTlsEngine* openNamed(const char* variable) {
  const char* const path = std::getenv(variable);
  if (path == nullptr || path[0] == '\0') {
    std::printf("skipped: %s is not built\n", variable);
    return nullptr;
  }
  const HfTlsEngine* engine = nullptr;
  CHECK_EQ(openEngineLibrary(path, &engine), "");
  return engine;
}

// Runs both ends with output buffers of `room` bytes.
bool join(Handshake& a, Handshake& b, size_t room) {
  Bytes toA;
  Bytes toB;
  HfTlsStep stepA = HF_TLS_WANT_INPUT;
  HfTlsStep stepB = HF_TLS_WANT_INPUT;
  for (int round = 0; round < 200 && !(stepA == HF_TLS_DONE && stepB == HF_TLS_DONE); ++round) {
    Handshake& side = round % 2 == 0 ? a : b;
    Bytes& input = round % 2 == 0 ? toA : toB;
    Bytes& output = round % 2 == 0 ? toB : toA;
    HfTlsStep& last = round % 2 == 0 ? stepA : stepB;
    if (last == HF_TLS_DONE) continue;
    Bytes buffer(room);
    HfTlsIo io;
    last = side.step(input, buffer, &io);
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(io.consumed));
    output.insert(output.end(), buffer.begin(),
                  buffer.begin() + static_cast<std::ptrdiff_t>(io.produced));
    if (last == HF_TLS_FAILED) return false;
  }
  return stepA == HF_TLS_DONE && stepB == HF_TLS_DONE;
}

TEST(anEngineOfASharedLibraryGivesKeys) {
  const HfTlsEngine* const engine = openNamed("HF_TLS_ENGINE_EXAMPLE");
  if (engine == nullptr) return;
  CHECK_EQ(std::string(engine->name), "example");
  HfTlsProblem problem = {};
  HfTlsShard* const shard = engine->openShard(&problem);
  HfTlsOptions options = {};
  options.structBytes = sizeof(options);
  CHECK(engine->createConfig(shard, &options, &problem) == nullptr);
  CHECK_EQ(std::string(problem.text), "the example has one domain");
  HfTlsDomain domain = {};
  options.domains = &domain;
  options.domainsCount = 1;
  HfTlsConfig* const terminating = engine->createConfig(shard, &options, &problem);
  options.role = HF_TLS_ORIGINATING;
  HfTlsConfig* const originating = engine->createConfig(shard, &options, &problem);

  for (size_t room : {1, 10, 1000}) {
    Handshake client = Handshake::create(engine, originating, "a.example");
    Handshake gateway = Handshake::create(engine, terminating);
    CHECK(join(client, gateway, room));
    ToyAead toy;
    RecordLayer layer(toy.table());
    RecordState states[2];
    Handshake* const sides[] = {&client, &gateway};
    for (size_t i = 0; i < 2; ++i) {
      RecordKeys keys;
      CHECK(sides[i]->detach(&keys) == HF_TLS_DONE);
      CHECK(layer.attach(keys, &states[i]));
      wipe(&keys);
      sides[i]->free();
      CHECK(sides[i]->isEmpty());
    }
    Bytes wire(200);
    wire.resize(layer.seal(&states[0], Bytes(20, 'x'), wire, 0).produced);
    Bytes plain(200);
    CHECK_EQ(layer.open(&states[1], wire, plain, 0).produced, 20);
    for (RecordState& state : states) layer.end(&state);
  }
  Handshake gateway = Handshake::create(engine, terminating);
  Bytes room(100);
  HfTlsIo io;
  CHECK(gateway.step(Bytes(40, '?'), room, &io) == HF_TLS_FAILED);
  HfTlsFailure failure;
  gateway.failure(&failure);
  CHECK_EQ(std::string(failure.reason), "the first four bytes are not HELO");
  gateway.free();
  engine->releaseConfig(originating);
  engine->releaseConfig(terminating);
  engine->closeShard(shard);
}

TEST(whatIsNoEngineIsRefusedInOneSentence) {
  const HfTlsEngine* engine = nullptr;
  CHECK(openEngineLibrary("/nowhere/engine.so", &engine).find("/nowhere/engine.so") !=
        std::string::npos);
  CHECK(engine == nullptr);
  CHECK(openEngineLibrary("libm.so.6", &engine).find(HF_TLS_ENGINE_SYMBOL) != std::string::npos);
  CHECK_EQ(checkEngine(nullptr), "it gives no engine");
  HfTlsEngine wrong = {};
  wrong.abiVersion = 2;
  CHECK(checkEngine(&wrong).find("version 2") != std::string::npos);
  wrong.abiVersion = HF_TLS_ENGINE_ABI_VERSION;
  CHECK_EQ(checkEngine(&wrong), "its engine's table is too short");
  wrong.structBytes = sizeof(wrong);
  CHECK_EQ(checkEngine(&wrong), "its engine lacks a function");
}

// This program is not linked with OpenSSL, so the library loads without one symbol of it, at once.
TEST(withoutOpensslTheBuiltInEngineSaysSo) {
  const HfTlsEngine* const engine = openNamed("HF_TLS_ENGINE_OPENSSL");
  if (engine == nullptr) return;
  HfTlsProblem problem = {};
  CHECK(engine->openShard(&problem) == nullptr);
  CHECK(std::string(problem.text).find("no OpenSSL 3") != std::string::npos);
}

}  // namespace
}  // namespace holdfast::tls
