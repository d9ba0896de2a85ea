// Heads of requests and responses, and the trailers behind a body, as tables of offsets.
//
// The bytes stay with the caller, who presents a head that is not complete again when more of it
// came; a HeadScan of 8 bytes remembers how far it was read, so that a head costs two passes at
// most however it is cut. Invariant: a line is judged when its LF is there, and the verdict on the
// bytes does not depend on how they were cut (RFC 9112 2 to 5). What has two readings is refused.
// No allocation, no descriptor; a Head is large and belongs into the shard's scratch.
#pragma once

#include <bit>
#include <span>
#include <string_view>

#include "codec/http1_field.h"
#include "codec/http1_rules.h"
#include "codec/http1_target.h"

namespace holdfast::http1 {

// A part of the bytes of a head.
struct Slice {
  u16 at = 0;
  u16 length = 0;
};

// One field line: where its name and its value are, the space around the value left out.
struct Field {
  u16 nameAt = 0;
  u16 valueAt = 0;
  u16 valueLength = 0;
  u8 nameLength = 0;
  FieldId id = FieldId::kOther;
};
static_assert(sizeof(Field) == 8);

// How the content of a message ends (RFC 9112 6.3).
enum class BodyKind : u8 { kNone, kLength, kChunked, kUntilClose };

enum class TargetForm : u8 { kOrigin, kAbsolute, kAuthority, kAsterisk };

// What an Upgrade field and its Connection option ask for, or grant. kOther is never passed on.
enum class UpgradeTo : u8 { kNone, kWebSocket, kOther };

// What reading a response needs to know of the request: HEAD and CONNECT change its framing.
struct ResponseTo {
  Method method = Method::kGet;
  UpgradeTo upgrade = UpgradeTo::kNone;  // as it was sent to the endpoint
};

// How far an incomplete head was read; what a connection keeps between two presentations.
struct HeadScan {
  u16 lineAt = 0;   // the first line that is not complete
  u16 scanned = 0;  // no LF between lineAt and here
  u16 weight = 0;   // of the fields before lineAt
  u8 fieldCount = 0;
  bool isStarted = false;  // the start line is complete
};
static_assert(sizeof(HeadScan) == 8);

struct Head {
  const u8* base = nullptr;  // the bytes that were presented; changed when they move
  u16 length = 0;            // of the head with its empty line: the body begins there
  u16 fieldCount = 0;
  u16 status = 0;  // of responses
  u8 minorVersion = 1;
  Method method = Method::kOther;
  TargetForm form = TargetForm::kOrigin;
  BodyKind bodyKind = BodyKind::kNone;
  UpgradeTo upgrade = UpgradeTo::kNone;
  bool hasLength = false;     // a Content-Length, which need not be that of a body: see HEAD
  bool isPersistent = false;  // another message may follow on the connection
  bool isContinueExpected = false;
  bool isSwitch = false;  // 101, or success of CONNECT: what follows is no HTTP
  u64 contentLength = 0;  // with hasLength
  Slice methodName;       // also of known methods
  Slice target;           // as it came
  Slice path;             // without query; may be empty with kAbsolute
  Slice query;            // without '?'
  bool hasQuery = false;  // an empty one counts
  Slice host;             // the Host that came, or the authority of the target, as written
  Slice reason;           // of responses; may be empty
  FieldSet present = 0;   // known fields that are there
  FieldSet repeated = 0;  // those of them with more than one line
  u64 dropped[4] = {};    // fields by index that a Connection option, or trailer rules, take out
  Authority authority;    // of the request's Host or target; empty in HTTP/1.0 without either
  u8 firstOf[64] = {};    // by FieldId, for those present: the index of the first line
  Field fields[kFieldsHardMax];

  [[nodiscard]] std::span<const u8> bytesOf(Slice slice) const {
    return {base + slice.at, slice.length};
  }
  [[nodiscard]] std::string_view textOf(Slice slice) const { return http1::textOf(bytesOf(slice)); }
  [[nodiscard]] std::span<const u8> nameOf(const Field& field) const {
    return {base + field.nameAt, field.nameLength};
  }
  [[nodiscard]] std::span<const u8> valueOf(const Field& field) const {
    return {base + field.valueAt, field.valueLength};
  }
  [[nodiscard]] bool has(FieldId id) const { return http1::has(present, id); }
  // The value of the first line; empty when there is none.
  [[nodiscard]] std::string_view valueOf(FieldId id) const {
    return has(id) ? http1::textOf(valueOf(fields[firstOf[static_cast<size_t>(id)]]))
                   : std::string_view();
  }
  [[nodiscard]] bool isDropped(size_t index) const {
    return (dropped[index / 64] >> index % 64 & 1) != 0;
  }
  void drop(size_t index) { dropped[index / 64] |= u64{1} << index % 64; }
  // The path to route by: also of an absolute target without one (RFC 9112 3.2.1, 3.2.4).
  [[nodiscard]] std::string_view pathText() const {
    if (path.length != 0 || form != TargetForm::kAbsolute) return textOf(path);
    return method == Method::kOptions && !hasQuery ? "*" : "/";
  }
};

struct HeadResult {
  enum class Kind : u8 { kNeedMore, kHead, kViolation };

  Kind kind = Kind::kNeedMore;
  Violation violation = Violation::kNone;
};

// Reads the head at the start of `bytes`, which may hold less or more. With kNeedMore the same
// bytes and more are presented next time, with the same scan. With kHead `head` is valid as long as
// the bytes are; the scan is new again. With kViolation nothing else is valid. O(new bytes), and
// once O(length) at the end of a head that came in pieces.
[[nodiscard]] HeadResult takeRequest(std::span<const u8> bytes, const Rules& rules, HeadScan* scan,
                                     Head* head);
[[nodiscard]] HeadResult takeResponse(std::span<const u8> bytes, const Rules& rules, ResponseTo to,
                                      HeadScan* scan, Head* head);

// The same for what follows BodyEvent::kTrailers: fields and an empty line. Fields that may not be
// there are refused or marked as dropped (http1_field.h).
[[nodiscard]] HeadResult takeTrailers(std::span<const u8> bytes, const Rules& rules, HeadScan* scan,
                                      Head* head);

// Whether `fresh` bytes, which follow those that were presented, complete no line and break no
// limit: then they can join the chain without being presented. O(fresh bytes).
[[nodiscard]] bool canKeep(std::span<const u8> fresh, const Rules& rules, HeadScan* scan);

}  // namespace holdfast::http1
