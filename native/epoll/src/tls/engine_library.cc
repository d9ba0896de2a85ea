// A library stays open for the life of the process: its code may be on any stack.
#include "tls/engine_library.h"

#include <dlfcn.h>

namespace holdfast::tls {

std::string checkEngine(const HfTlsEngine* engine) {
  if (engine == nullptr) return "it gives no engine";
  if (engine->abiVersion != HF_TLS_ENGINE_ABI_VERSION) {
    return "its engine speaks version " + std::to_string(engine->abiVersion) +
           " of the interface, this program version " + std::to_string(HF_TLS_ENGINE_ABI_VERSION);
  }
  if (engine->structBytes < sizeof(HfTlsEngine)) return "its engine's table is too short";
  const bool isWhole =
      engine->name != nullptr && engine->openShard != nullptr && engine->closeShard != nullptr &&
      engine->createConfig != nullptr && engine->releaseConfig != nullptr &&
      engine->setTicketKeys != nullptr && engine->certificateFacts != nullptr &&
      engine->create != nullptr && engine->step != nullptr && engine->negotiated != nullptr &&
      engine->failure != nullptr && engine->detach != nullptr && engine->read != nullptr &&
      engine->write != nullptr && engine->close != nullptr && engine->ticketsReceived != nullptr &&
      engine->free != nullptr;
  return isWhole ? "" : "its engine lacks a function";
}

std::string openEngineLibrary(const char* path, const HfTlsEngine** engine) {
  *engine = nullptr;
  const std::string name = "engine library " + std::string(path) + ": ";
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return name + (reason != nullptr ? reason : "it cannot be opened");
  }
  void* const symbol = dlsym(library, HF_TLS_ENGINE_SYMBOL);
  if (symbol == nullptr) return name + "it has no function " + HF_TLS_ENGINE_SYMBOL;
  const auto entry = reinterpret_cast<HfTlsEngineEntry>(symbol);
  const HfTlsEngine* const found = entry();
  const std::string problem = checkEngine(found);
  if (!problem.empty()) return name + problem;
  *engine = found;
  return "";
}

}  // namespace holdfast::tls
