// Handshake: the C++ face of an engine, for the shard that drives it.
//
// A shard opens each engine once, compiles configs with it, and holds a Handshake for as long as a
// connection negotiates; then it detaches, and the record layer has the connection. Calls go
// through the engine's table (engine_abi.h); nothing here knows which engine it is. Invariant:
// plain data, no ownership: whoever holds one frees it. A freed one is empty.
#pragma once

#include <span>
#include <string_view>

#include "tls/record_keys.h"

namespace holdfast::tls {

struct Handshake {
  const HfTlsEngine* engine = nullptr;
  HfTlsHandshake* object = nullptr;

  // `serverName` is for originating configs. Empty when memory is short.
  [[nodiscard]] static Handshake create(const HfTlsEngine* engine, HfTlsConfig* config,
                                        std::string_view serverName = {}) {
    const HfTlsBytes name{reinterpret_cast<const u8*>(serverName.data()), serverName.size()};
    return Handshake{engine, engine->create(config, name)};
  }

  [[nodiscard]] bool isEmpty() const { return object == nullptr; }

  // Feeds `input`, fills `output`. What `io` says was produced has to be sent, whatever the step
  // is.
  HfTlsStep step(std::span<const u8> input, std::span<u8> output, HfTlsIo* io) {
    *io = HfTlsIo{input.data(), input.size(), 0, output.data(), output.size(), 0};
    return engine->step(object, io);
  }
  // DONE: `keys` go to RecordLayer::attach and are wiped, and the handshake is freed.
  HfTlsStep detach(RecordKeys* keys) { return engine->detach(object, keys); }
  void negotiated(HfTlsNegotiated* out) const { engine->negotiated(object, out); }
  void failure(HfTlsFailure* out) const { engine->failure(object, out); }

  void free() {
    if (object != nullptr) engine->free(object);
    object = nullptr;
  }
};

// The engine on the process's OpenSSL. Its openShard() says whether that can be used.
[[nodiscard]] const HfTlsEngine* opensslEngine();

}  // namespace holdfast::tls
