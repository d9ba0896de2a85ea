// HttpRecord: one line about a request at its end, or about a WebSocket at its end or at an
// interval while it lives.
//
// The exchange fills it, formats it on the shard's thread into a stack buffer, and hands the line
// to the log ring as a whole. Invariant: a line always fits kHttpRecordMax and ends with a newline;
// foreign bytes are escaped, texts that are too long are cut with a mark.
// Does not know connections of TCP: access_record.h does.
#pragma once

#include <span>
#include <string_view>

#include "http/template.h"
#include "proxy/tls_facts.h"
#include "runtime/address.h"
#include "runtime/base.h"
#include "runtime/http_counters.h"

namespace holdfast::proxy {

// The sum of the maxima below, keys and numbers, with room to spare.
inline constexpr u32 kHttpRecordMax = 16 * 1024;

// Bytes of a text in a record, escaped and with the mark where it was cut.
inline constexpr size_t kRecordMethodMax = 40;
inline constexpr size_t kRecordHostMax = 300;
inline constexpr size_t kRecordPathMax = 2048;
inline constexpr size_t kRecordQueryMax = 2048;
inline constexpr size_t kRecordFieldMax = 512;  // user agent, referer, what TLS agreed on
inline constexpr size_t kRecordNameMax = 256;   // names of the configuration, endpoints, ids
inline constexpr size_t kRecordAltNamesMax = 1024;

enum class AccessFormat : u32 { kJson, kClf, kTemplate, kCount };
inline constexpr const char* kAccessFormatNames[] = {"json", "common", "template"};

enum class RecordEvent : u8 { kRequest, kTunnel, kInterval, kCount };

// A value; borrows its texts. What is empty is left out of a JSON line, or null where an operator
// would look for it.
struct HttpRecord {
  RecordEvent event = RecordEvent::kRequest;
  HttpEnd end = HttpEnd::kOk;
  bool isOldProtocol = false;  // HTTP/1.0
  bool isTls = false;
  bool isTlsResumed = false;
  bool hasQuery = false;
  u16 status = 0;     // sent to the client; 0: none
  u16 closeCode = 0;  // of a WebSocket; 0: none was seen
  u64 unixMs = 0;
  u32 shard = 0;
  Handle handle;  // of the client's connection
  Address client;
  std::string_view listener{};
  std::string_view route{};
  std::string_view cluster{};
  std::string_view endpoint{};
  // Of the request; a WebSocket at its end has none of them.
  std::string_view method{};
  std::string_view host{};
  std::string_view path{};
  std::string_view query{};
  std::string_view requestId{};
  std::string_view userAgent{};
  std::string_view referer{};
  std::string_view violation{};
  std::string_view fields{};  // that filters set, packed (codec/log_field.h)
  TlsFactsView tls;
  u64 bytesIn = 0;  // of content, or of a WebSocket
  u64 bytesOut = 0;
  u64 durationMicros = 0;
  u32 queueMicros = 0;      // from the head of the request to the choice of the last endpoint
  u32 connectMicros = 0;    // 0: the connection was there
  u32 firstByteMicros = 0;  // from the head of the request to the head of the response; 0: none
  u32 attempts = 0;
  u64 messagesIn = 0;
  u64 messagesOut = 0;
};

// Returns the length of the line; `capacity` is at least kHttpRecordMax. `compiled` is read with
// kTemplate only (TemplateUse::kRecord).
[[nodiscard]] u32 formatHttpRecord(const HttpRecord& record, AccessFormat format,
                                   std::string_view compiled, std::span<char> out);

}  // namespace holdfast::proxy
