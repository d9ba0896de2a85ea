// TlsConfigInput of index.ts as parts of the core, and the two questions about TLS that main asks.
//
// Runs on the main thread when a configuration or a certificate changes. Invariant: what leaves
// here was checked for type and length; whether it makes sense is the engine's to say.
#pragma once

#include <napi.h>

#include <string>

#include "binding/arguments.h"
#include "proxy/tls_parts.h"

namespace holdfast::binding {

// The first mistake goes to `problem`, named by its place under `path`.
void readTlsConfig(Napi::Value value, const std::string& path, Problem& problem,
                   proxy::TlsConfigParts* parts);

// Native.tlsProblem and Native.checkTls.
Napi::Value tlsProblem(const Napi::CallbackInfo& info);
Napi::Value checkTls(const Napi::CallbackInfo& info);

}  // namespace holdfast::binding
