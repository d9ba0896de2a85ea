// Heads, chunks and trailers as they leave the gateway, in the one canonical form.
//
// The exchange parses a Head, decides, and writes what the next hop sees: nothing is passed on raw.
// Invariant: a writer that did not fail holds exactly one message head whose framing is the plan's
// and which takeRequest or takeResponse reads as that; no text of the plan can end a line. What
// belongs to the connection (http1_field.h, Connection options) is never copied (RFC 9110 7.6.1).
// Does not decide: hosts, targets, lengths and edits are told.
#pragma once

#include <span>
#include <string_view>

#include "codec/bytes.h"
#include "codec/http1_head.h"

namespace holdfast::http1 {

// A change to the fields of a message. Names that are set or removed are taken out of what came;
// then fields that are set or added follow in the order of the edits. Host, framing and connection
// are not edited but planned: an edit of them fails the writer (isEditable).
struct FieldEdit {
  enum class Kind : u8 { kAdd, kSet, kRemove };

  Kind kind = Kind::kAdd;
  FieldId id = FieldId::kOther;  // classifyField(name)
  std::string_view name;         // as it is to be written
  std::string_view value;
};
[[nodiscard]] bool isEditable(FieldId id);

// What the message says about the connection it travels on.
enum class Hop : u8 {
  kKeep,       // nothing: HTTP/1.1 is persistent
  kKeepAlive,  // said, for clients of HTTP/1.0
  kClose,
  kWebSocket,  // Connection: upgrade, Upgrade: websocket
};

// planOf() fills plans with what came; the exchange changes what it decided.
struct RequestPlan {
  std::string_view method;
  std::string_view path;  // in normal form; "*" and authorities as they are
  std::string_view query;
  std::string_view host;  // never empty: HTTP/1.0 may come without one
  bool hasQuery = false;
  bool hasLength = false;  // write Content-Length, unless chunked
  bool isChunked = false;
  Hop hop = Hop::kKeep;
  u64 contentLength = 0;
  std::span<const FieldEdit> edits;
};
// Upgrades are not planned: a route must allow them.
[[nodiscard]] RequestPlan planRequest(const Head& head);

struct ResponsePlan {
  u16 status = 0;
  bool hasLength = false;
  bool isChunked = false;
  Hop hop = Hop::kKeep;
  std::string_view reason;
  u64 contentLength = 0;
  std::span<const FieldEdit> edits;
};
[[nodiscard]] ResponsePlan planResponse(const Head& head);

// Write one head with its empty line. False, and a failed writer, when there was no room or a plan
// says what cannot be said.
[[nodiscard]] bool writeRequestHead(const Head& head, const RequestPlan& plan,
                                    codec::Writer* writer);
[[nodiscard]] bool writeResponseHead(const Head& head, const ResponsePlan& plan,
                                     codec::Writer* writer);
// A response of our own, without a head that came: its fields are the edits.
[[nodiscard]] bool writeOwnResponseHead(const ResponsePlan& plan, codec::Writer* writer);

// Around each run of content: size line in front, kCrlf behind. A run is never empty.
inline constexpr std::string_view kCrlf = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr size_t kChunkSizeLineBytesMax = kChunkSizeDigitsMax + 2;
[[nodiscard]] bool writeChunkSize(u64 contentBytes, codec::Writer* writer);

// The last chunk with the trailers that may pass, and the end of the message.
[[nodiscard]] bool writeTrailers(const Head& trailers, codec::Writer* writer);

// The standard phrase, empty for statuses without one.
[[nodiscard]] std::string_view reasonOf(u16 status);

// A whole response without content that closes the connection, ready to send: one for each status
// of a violation, and 408, 502, 503, 504; that of 400 for any other.
[[nodiscard]] std::string_view closingResponse(u16 status);

}  // namespace holdfast::http1
