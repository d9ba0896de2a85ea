// AccessRecord: one line of JSON about a connection, at its end or at an interval while it lives.
//
// Formatted on the shard's thread into a stack buffer and handed to the log ring as a whole.
// Invariant: a line always fits kAccessRecordMax, ends with a newline, and holds no raw control
// byte, quote or backslash of foreign origin.
#pragma once

#include <string_view>

#include "proxy/tls_facts.h"
#include "runtime/address.h"
#include "runtime/base.h"
#include "runtime/counters.h"

namespace holdfast::proxy {

// The sum of what the texts may take (access_record.cc), with room to spare.
inline constexpr u32 kAccessRecordMax = 10 * 1024;

struct AccessRecord {
  bool isEnd = true;
  u64 unixMs = 0;
  u32 shard = 0;
  Handle handle;
  const char* listener = "";
  const char* cluster = "";
  const char* endpoint = "";  // empty: none was chosen
  Address client;
  u64 bytesFromClient = 0;
  u64 bytesFromEndpoint = 0;
  u64 durationMs = 0;
  u32 connectMicros = 0;
  CloseReason reason = CloseReason::kCount;
  bool isTls = false;
  bool isTlsResumed = false;
  TlsFactsView tls;           // of the client's side
  const char* tlsError = "";  // why a handshake failed
  std::string_view fields{};  // that filters set, packed (codec/log_field.h)
};

// Returns the length of the line; `capacity` is at least kAccessRecordMax.
u32 formatAccessRecord(const AccessRecord& record, char* out, size_t capacity);

// Writes `shard-slot-generation` in hexadecimal and a NUL. Returns the length.
inline constexpr size_t kConnectionIdMax = 32;
u32 formatConnectionId(u32 shard, Handle handle, char* out, size_t capacity);
// False when `text` is not such an id.
bool parseConnectionId(const char* text, u32* shard, Handle* handle);

}  // namespace holdfast::proxy
