// The flat form of a route table: sections of plain structs, and offsets instead of pointers.
//
// Written by route_compile.cc, checked by route_check.cc, read by route_table.cc; nobody else
// includes it. Positions are those of the section that the field is named after.
// Invariant: position-independent; all sections begin at multiples of 8.
#pragma once

#include <string_view>

#include "http/flat_table.h"
#include "http/route_parts.h"
#include "http/route_table.h"
#include "runtime/base.h"
#include "runtime/siphash.h"

namespace holdfast::http {

inline constexpr u32 kRouteTableMagic = 0x48465254;  // "HFRT"
inline constexpr u32 kRouteTableVersion = 1;
// Tables are built at load and do not grow: whoever chooses what to look up finds no longer chains
// than the configuration made.
inline constexpr HashKey kRouteHashKey{0x726f757465206f66u, 0x7061746820616e64u};

struct FlatHost {
  RouteOrder order = RouteOrder::kSpecificity;
  u32 root = 0;  // of its tree in `nodes`
};

// An open-addressed slot; the table has a power of two of them, at most half of them taken.
struct FlatSlot {
  u32 tag = 0;
  u32 item = kNoIndex;
};

// "a.example", or ".example" for *.example.
struct FlatName {
  TextRef text;
  u32 host = 0;
  u32 padding = 0;
};

// The routes of a host with one exact path.
struct FlatExact {
  TextRef path;
  u32 host = 0;
  u32 padding = 0;
  Range candidates;
};

// A node of a compressed tree of path beginnings. Children stand together behind their parent,
// their first bytes side by side in `firstBytes`.
struct FlatNode {
  TextRef label;
  Range children;
  Range candidates;         // routes whose fixed beginning ends here
  u32 ancestor = kNoIndex;  // the nearest one above that has candidates
  u32 padding = 0;
};
static_assert(sizeof(FlatNode) == 32);

struct FlatCondition {
  TextRef name;  // of a header in lower case
  TextRef value;
  ConditionKind kind = ConditionKind::kExact;
  u32 isInverted = 0;
  u32 regex = kNoIndex;
  u32 padding = 0;
};

struct FlatSplit {
  u32 cluster = 0;
  u32 end = 0;  // the sum of the weights up to this one
};

struct FlatRoute {
  PathKind pathKind = PathKind::kPrefix;
  u32 rank = 0;        // within the host: the lowest that matches is taken
  u32 methods = 0;     // 0: all
  u32 fixedBytes = 0;  // of the path that the route names: what a prefix rewrite replaces
  u32 regex = kNoIndex;
  RewriteKind rewriteKind = RewriteKind::kNone;
  u32 rewriteSource = kNoIndex;  // what is replaced: a regex, or `fixedBytes` bytes of text here
  TextRef rewriteText;
  Range headers;  // in `conditions`
  Range query;    // in `conditions`
  Range splits;
  u32 padding = 0;
};
static_assert(sizeof(FlatRoute) == 64);

struct RouteTableHeader {
  u32 magic = 0;
  u32 version = 0;
  u64 bytes = 0;
  Section hosts, names, nameSlots, exacts, exactSlots, nodes, firstBytes, candidates, routes;
  Section conditions, splits, regexes, regexBytes, text;
  u32 defaultHost = kNoIndex;
  u32 wildcardLabelsMax = 0;  // of any name: no more labels of a host are looked at
};

template <typename T>
const T* RouteTable::items(const Section& section) const {
  return reinterpret_cast<const T*>(bytes_.data() + section.offset);
}

inline u64 hashOfName(std::string_view name) {
  return sipHash13(kRouteHashKey, name.data(), name.size());
}

inline u64 hashOfPath(u32 host, std::string_view path) {
  const HashKey key{kRouteHashKey.k0 ^ host, kRouteHashKey.k1};
  return sipHash13(key, path.data(), path.size());
}

}  // namespace holdfast::http
