// What HTTP/1.1 allows here: limits, and every reason to refuse a message, with its status.
//
// Everything that reads or writes HTTP/1.1 (http1.h) takes its bounds from here. Invariant: each
// violation has one name, for counters and logs, and one status, for the answer to a request; a
// violation in a response is a 502, whatever its status here. No limit is unlimited but that of a
// body, which is streamed. Does not know time: 408 belongs to whoever holds the clock.
#pragma once

#include <iterator>

#include "runtime/base.h"

namespace holdfast::http1 {

// Start line, fields and empty line together; also names and values with 32 bytes for each field,
// the measure of HTTP/2 (RFC 9113 6.5.2).
inline constexpr u32 kHeadBytesMax = 32768;
// What offsets of 16 bits can say; no configuration goes beyond.
inline constexpr u32 kHeadBytesHardMax = 65535;
inline constexpr u32 kFieldWeight = 32;
inline constexpr u32 kFieldsMax = 100;
// Room in the table of fields; no configuration goes beyond.
inline constexpr u32 kFieldsHardMax = 255;
inline constexpr u32 kFieldNameBytesMax = 255;
inline constexpr u32 kMethodBytesMax = 32;
inline constexpr u32 kTargetBytesMax = 8192;
inline constexpr u32 kStatusLineBytesMax = 1024;
// One host name; an IPv6 address in brackets is shorter.
inline constexpr u32 kHostBytesMax = 255;
// Options that the Connection fields of a message may name, and protocols in Upgrade.
inline constexpr u32 kConnectionOptionsMax = 16;
// Extensions of one chunk, and of all chunks of a body.
inline constexpr u32 kChunkExtensionBytesMax = 256;
inline constexpr u32 kChunkExtensionsBytesMax = 4096;
inline constexpr u32 kChunkSizeDigitsMax = 16;
inline constexpr u32 kTrailerBytesMax = 4096;
inline constexpr u32 kTrailerFieldsMax = 16;
// The longest body that can be counted.
inline constexpr u64 kBodyBytesMax = 0x7fffffffffffffffu;

// The bounds of one head. The defaults are those of requests.
struct Rules {
  u32 headBytesMax = kHeadBytesMax;      // at most kHeadBytesHardMax
  u32 targetBytesMax = kTargetBytesMax;  // at most headBytesMax
  u32 fieldsMax = kFieldsMax;            // at most kFieldsHardMax
  // Origins that turn '-' and '_' into the same variable can be deceived with such names.
  bool isUnderscoreAllowed = false;
};
inline constexpr Rules kRequestRules{};
inline constexpr Rules kResponseRules{.isUnderscoreAllowed = true};
// For a head that was judged before and was written by the gateway.
inline constexpr Rules kOwnRules{.headBytesMax = kHeadBytesHardMax,
                                 .targetBytesMax = kHeadBytesHardMax,
                                 .fieldsMax = kFieldsHardMax,
                                 .isUnderscoreAllowed = true};
inline constexpr Rules kTrailerRules{.headBytesMax = kTrailerBytesMax,
                                     .targetBytesMax = 0,
                                     .fieldsMax = kTrailerFieldsMax,
                                     .isUnderscoreAllowed = false};

// Why a message is refused. Sections are of RFC 9112 unless they say otherwise.
enum class Violation : u8 {
  kNone,
  // Heads, in the order of their bytes.
  kLineEnd,        // a line that does not end with CRLF, a CR inside a line (2.2)
  kMethod,         // not a token (3.1)
  kMethodTooLong,  // longer than any method (3)
  kRequestLine,    // not three parts with one space between (3)
  kTarget,         // bytes or a form that no target has, or not that of its method (3.2)
  kTargetTooLong,  // (3)
  kVersion,        // neither HTTP/1.1 nor HTTP/1.0 (2.3)
  kStatusLine,     // (4)
  kFieldFold,      // a line that continues another (5.2)
  kFieldName,      // no name, not a token, white space around it, no colon (5.1)
  kUnderscore,     // a name with '_'
  kFieldNameTooLong,
  kFieldValue,  // a control byte (RFC 9110 5.5)
  kHeadTooLong,
  kTooManyFields,
  // What heads say.
  kHostMissing,    // (3.2)
  kHostDuplicate,  // (3.2)
  kHost,           // not a host with a port (3.2)
  kHostMismatch,   // an absolute target for another host (3.2.2)
  kConnection,     // not a list of tokens, or one that names a field of framing (RFC 9110 7.6.1)
  kContentLength,  // not a plain number (6.2)
  kContentLengthDuplicate,
  kTransferEncoding,   // not `chunked` once and last (6.1)
  kTransferCoding,     // a coding besides chunked (6.1)
  kTransferVersion,    // Transfer-Encoding in HTTP/1.0 (6.1)
  kLengthAndEncoding,  // both (6.3)
  kExpectation,        // something else than 100-continue (RFC 9110 10.1.1)
  kUnexpectedContent,  // content where the method has none (RFC 9110 9.3.6, 9.3.8)
  kForbiddenContent,   // content announced in a 1xx or 204, or behind CONNECT (6.1, 6.3)
  kUnexpectedSwitch,   // 101 that nobody asked for (RFC 9110 15.2.2)
  // Bodies.
  kChunkSize,       // not 1 to 16 digits, or too large (7.1)
  kChunkExtension,  // (7.1.1)
  kChunkExtensionTooLong,
  kChunkEnd,  // content that does not end with CRLF where its size says (7.1)
  kTrailer,   // a field that frames or routes, behind the body (RFC 9110 6.5.1)
  kBodyTooLong,
  kTruncated,  // the connection ended before the message (8)
  // Paths.
  kPathEscape,     // '%' without two digits
  kPathForbidden,  // an escape that origins read in different ways: / \ NUL, controls, overlong
  kPathRoot,       // leaves the root, or hides that behind a parameter
  kCount,
};

struct ViolationInfo {
  const char* name;
  u16 status;
};
inline constexpr ViolationInfo kViolations[] = {
    {"none", 0},
    {"line-end", 400},
    {"method", 400},
    {"method-too-long", 501},
    {"request-line", 400},
    {"target", 400},
    {"target-too-long", 414},
    {"version", 505},
    {"status-line", 400},
    {"field-fold", 400},
    {"field-name", 400},
    {"underscore", 400},
    {"field-name-too-long", 431},
    {"field-value", 400},
    {"head-too-long", 431},
    {"too-many-fields", 431},
    {"host-missing", 400},
    {"host-duplicate", 400},
    {"host", 400},
    {"host-mismatch", 400},
    {"connection", 400},
    {"content-length", 400},
    {"content-length-duplicate", 400},
    {"transfer-encoding", 400},
    {"transfer-coding", 501},
    {"transfer-version", 400},
    {"length-and-encoding", 400},
    {"expectation", 417},
    {"unexpected-content", 400},
    {"forbidden-content", 400},
    {"unexpected-switch", 400},
    {"chunk-size", 400},
    {"chunk-extension", 400},
    {"chunk-extension-too-long", 400},
    {"chunk-end", 400},
    {"trailer", 400},
    {"body-too-long", 413},
    {"truncated", 400},
    {"path-escape", 400},
    {"path-forbidden", 400},
    {"path-root", 400},
};
static_assert(std::size(kViolations) == static_cast<size_t>(Violation::kCount));

[[nodiscard]] constexpr const char* nameOf(Violation violation) {
  return kViolations[static_cast<size_t>(violation)].name;
}

// The status that answers a request with this violation; 0 for kNone.
[[nodiscard]] constexpr u16 statusOf(Violation violation) {
  return kViolations[static_cast<size_t>(violation)].status;
}

}  // namespace holdfast::http1
