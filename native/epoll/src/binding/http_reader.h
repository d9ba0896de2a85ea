// HttpInput and ClusterHttpInput of http-input.ts as parts of the core, and the question whether
// routes can be compiled.
//
// Runs on the main thread when a configuration changes. Invariant: what leaves here was checked for
// type and range; whether routes make sense is for compileRouteTable to say, and checkRoutes asks.
#pragma once

#include <napi.h>

#include <string>

#include "binding/arguments.h"
#include "proxy/http_parts.h"

namespace holdfast::binding {

// Null gives parts that are not enabled. The first mistake goes to `problem`, named by its place
// under `path`.
void readHttp(Napi::Value value, const std::string& path, Problem& problem,
              proxy::HttpParts* parts);
void readClusterHttp(Napi::Value value, const std::string& path, Problem& problem,
                     proxy::ClusterHttpParts* parts);

// Native.checkRoutes.
Napi::Value checkRoutes(const Napi::CallbackInfo& info);

}  // namespace holdfast::binding
