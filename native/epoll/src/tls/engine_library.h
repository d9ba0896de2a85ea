// Engines out of shared libraries: opened, checked against the ABI, and never closed.
//
// Control work, at start or reload. The library's code runs in this process with all its rights:
// whoever names one in the configuration trusts it as he trusts this program.
// Invariant: an engine that is handed out has the version and every function that this build calls.
#pragma once

#include <string>

#include "tls/engine_abi.h"

namespace holdfast::tls {

// Empty when `*engine` was set; otherwise why not, in one sentence.
[[nodiscard]] std::string openEngineLibrary(const char* path, const HfTlsEngine** engine);

// The same for an engine at hand: what is wrong with it, or an empty text.
[[nodiscard]] std::string checkEngine(const HfTlsEngine* engine);

}  // namespace holdfast::tls
