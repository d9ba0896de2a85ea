// FilterChain: what the core knows of the filters of a listener or a route, and who holds on to
// them.
//
// Comes with a snapshot and outlives it: a connection, an exchange or a tunnel keeps the chain that
// it started with. Invariant: `live` counts the holders; a chain that is retired is forgotten when
// nobody holds it and no snapshot in use names it, and the host is told once.
// Does not know what the filters do.
#pragma once

#include <string>
#include <vector>

#include "codec/framing.h"
#include "codec/http1_field.h"
#include "proxy/filter_layout.h"
#include "runtime/base.h"

namespace holdfast::proxy {

// What else there is of filters, for headers that name it (filter_batch.h, filter_host.h).
struct FilterAnswer;
struct FilterEnd;
struct FilterHost;
struct FilterMemory;
struct FilterRecord;
class FilterBatch;
struct MessageHold;
struct ShardFilters;

// A field that filters see.
struct FilterField {
  http1::FieldId id = http1::FieldId::kOther;
  std::string name;  // in lower case
};

struct FilterChain {
  u32 id = 0;  // 0: no chain
  u32 mask = 0;
  u32 live = 0;
  bool isNamed = false;  // by the snapshot in use
  bool isRetired = false;
  u32 messageBytesMax = 0;
  bool isOversizeClosed = false;  // a longer message ends the tunnel; otherwise it is passed on
  std::vector<FilterField> requestFields{};
  std::vector<FilterField> responseFields{};
  std::vector<codec::FramingSpec> framing{};  // of TCP: one, or none where chunks are what is shown
};

// What control code says of a chain, before it is laid flat.
struct FilterChainParts {
  u32 id = 0;
  u32 mask = 0;
  u32 messageBytesMax = 0;
  bool isOversizeClosed = false;
  std::vector<std::string> requestFields{};
  std::vector<std::string> responseFields{};
  std::vector<codec::FramingSpec> framing{};  // one or none
};

}  // namespace holdfast::proxy
