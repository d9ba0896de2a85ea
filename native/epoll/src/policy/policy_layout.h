// The flat form of the policies of one place: sections of plain structs, and offsets instead of
// pointers.
//
// Written by policy_compile.cc, checked by policy_check.cc, read by policy_list.cc and its
// neighbours; nobody else includes it. Positions are those of the section that the field is named
// after. Invariant: position-independent; all sections begin at multiples of 8.
#pragma once

#include <compare>
#include <string_view>

#include "codec/http1_write.h"
#include "http/flat_table.h"
#include "runtime/base.h"
#include "runtime/bucket_table.h"
#include "runtime/concurrency.h"

#include "policy/policy_parts.h"

namespace holdfast::policy {

inline constexpr u32 kPolicyMagic = 0x4846504c;  // "HFPL"
inline constexpr u32 kPolicyVersion = 2;

using http::FlatRegex;
using http::Range;
using http::Section;
using http::TextRef;

// Where a condition goes on: another step, or its end.
inline constexpr u32 kHolds = 0xfffffffeu;
inline constexpr u32 kFails = 0xffffffffu;

// One test of a condition. Both ways lead to steps in front of this one, so every walk ends.
struct FlatStep {
  TestKind kind = TestKind::kTls;  // kAddress, kMethod, kTls, kText
  u32 item = 0;                    // an address set, a mask of methods, a matcher
  u32 onTrue = kHolds;
  u32 onFalse = kFails;
};
static_assert(sizeof(FlatStep) == 16);

struct FlatMatcher {
  Source source = Source::kHost;
  TextKind kind = TextKind::kExact;
  TextRef name;
  TextRef value;
  u32 regex = kNoIndex;
  u32 padding = 0;
  Range values;  // in `texts`, sorted: exact values when there are several
};

// Disjoint, sorted.
struct FlatRange4 {
  u32 first = 0;
  u32 last = 0;
};

struct Ip6 {
  u64 high = 0;
  u64 low = 0;
  friend constexpr auto operator<=>(const Ip6&, const Ip6&) = default;
};

struct FlatRange6 {
  Ip6 first;
  Ip6 last;
};

struct FlatAddressSet {
  Range ranges4;
  Range ranges6;
};

// Networks are nested or apart. Sorted by their first address, wider ones in front; `ancestor` is
// the next wider one that holds this one, in front of it.
struct FlatNet4 {
  u32 first = 0;
  u32 last = 0;
  u32 ancestor = kNoIndex;
  u32 padding = 0;
  Range candidates;
};

struct FlatNet6 {
  Ip6 first;
  Ip6 last;
  u32 ancestor = kNoIndex;
  u32 padding = 0;
  Range candidates;
};

// Texts likewise: sorted, `ancestor` is the longest other one that this one begins with.
struct FlatKey {
  TextRef text;
  u32 ancestor = kNoIndex;
  u32 padding = 0;
  Range exact;   // candidates for the text itself
  Range prefix;  // and for all that begin with it
};

// A place of a hash table; `item` is a position in the section of what the table finds.
struct FlatSlot {
  u32 tag = 0;  // the high half of the hash
  u32 item = kNoIndex;
};
static_assert(sizeof(FlatSlot) == 8);

// A hash table of keys or networks (key_hash.h). Without slots there is none.
struct FlatHash {
  Range slots;    // a power of two, not all of them in use
  Range lengths;  // ascending: bytes of keys that are prefixes, or bits of networks
};

// One thing of a request by which rules are found.
struct FlatDimension {
  Source source = Source::kPath;
  u32 padding = 0;
  TextRef name;
  Range keys;
  FlatHash hash;
};

struct FlatRule {
  TextRef name;
  u32 entry = kHolds;  // its first step
  Action action = Action::kAllow;
  u32 isShadow = 0;
  u32 padding = 0;
};

struct FlatRbac {
  Range rules;
  Range always;  // candidates whatever the request is
  Range dimensions;
  Range nets4;
  Range nets6;
  FlatHash hash4;
  FlatHash hash6;
  Action fallback = Action::kDeny;
  u32 hasShadow = 0;
};

struct FlatKeyPart {
  KeyKind kind = KeyKind::kAddress;
  u32 prefixBits = 0;
  TextRef name;
};

struct FlatLimit {
  BucketRate rate;
  u64 count = 0;
  u64 periodMs = 0;
  u64 burst = 0;
  Counted counted = Counted::kRequests;
  u32 hasRetryAfter = 0;
  u32 hasFields = 0;
  u32 directions = 0;
  Range by;       // in `keyParts`
  TextRef quota;  // the value of RateLimit-Policy
};

struct FlatCors {
  u32 entry = kFails;  // the origins
  u32 isAnyOrigin = 0;
  u32 hasCredentials = 0;
  u32 padding = 0;
  TextRef methods;
  TextRef headers;
  TextRef exposed;
  TextRef maxAge;  // empty: none
};

struct FlatUser {
  TextRef name;
  TextRef salt;
  TextRef digest;  // 32 bytes
  u32 rounds = 1;
  u32 padding = 0;
};

struct FlatAuth {
  Range users;        // sorted by name
  TextRef challenge;  // the value of WWW-Authenticate
  TextRef userHeader;
  u32 isHidden = 0;
  u32 rounds = 1;  // spent on names that nobody has
};

struct FlatSize {
  u64 requestBytesMax = 0;
  u64 responseBytesMax = 0;
};

struct FlatCompression {
  u64 bytesMin = 0;
  TextRef types;  // lower case, one a line
  codec::ContentCoding codings[codec::kContentCodings] = {};
  u8 codingCount = 0;
  codec::CodingLevel level = codec::CodingLevel::kFast;
  u8 isHidden = 0;
  u8 padding[2] = {};
};
static_assert(sizeof(FlatCompression) == 24);

struct FlatEdit {
  TextRef name;
  TextRef value;
  http1::FieldEdit::Kind kind = http1::FieldEdit::Kind::kSet;
  http1::FieldId id = http1::FieldId::kOther;
  u8 isResponse = 0;
  u8 padding[5] = {};
};

// A field of access records; its value is a compiled template.
struct FlatLog {
  TextRef name;
  TextRef value;
};

struct FlatPolicy {
  PolicyKind kind = PolicyKind::kRbac;
  Phase phase = Phase::kRequest;
  TextRef name;
  u32 id = 0;
  u32 isShadow = 0;
  u32 status = 403;
  u32 entry = kHolds;  // of `when`
  u32 item = 0;        // in the section of its kind
  u32 padding = 0;
};

struct PolicyHeader {
  u32 magic = 0;
  u32 version = 0;
  u64 bytes = 0;
  u32 phases = 0;   // a bit for each phase that has policies
  u32 counted = 0;  // and for each thing that is limited
  Section policies, steps, matchers, texts, addressSets, ranges4, ranges6;
  Section rbacs, rules, dimensions, keys, nets4, nets6, candidates, slots, lengths;
  Section cors, auths, users, sizes, editLists, edits, injects, gradients, logLists, logs;
  Section compressions, mirrors;
  Section limits, keyParts, regexes, regexBytes, text;
};

}  // namespace holdfast::policy
