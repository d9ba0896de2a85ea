// Formatting of access records and connection ids.
#include "proxy/access_record.h"

#include <ctime>

#include "proxy/record_line.h"

namespace holdfast::proxy {
namespace {

// Bytes of a text as it is shown, escaped: names and addresses; of certificates; other names of
// one.
inline constexpr size_t kTextMax = 256;
inline constexpr size_t kSubjectMax = 512;
inline constexpr size_t kAltNamesMax = 1024;
inline constexpr size_t kKeysMax = 768;  // keys, numbers and words of ours
static_assert(9 * kTextMax + kSubjectMax + kAltNamesMax + kLoggedTextMax + kKeysMax <
              kAccessRecordMax);

void quoted(RecordLine& line, std::string_view text, size_t most = kTextMax) {
  line.put('"');
  line.escaped(text, most, Escape::kJson);
  line.put('"');
}

// RFC 3339 in UTC with milliseconds.
void putTime(RecordLine& line, u64 unixMs) {
  const time_t seconds = static_cast<time_t>(unixMs / 1000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.", &parts);
  text[length] = 0;
  line.put('"');
  line.raw(text);
  const u64 ms = unixMs % 1000;
  line.put(static_cast<char>('0' + ms / 100));
  line.put(static_cast<char>('0' + ms / 10 % 10));
  line.put(static_cast<char>('0' + ms % 10));
  line.raw("Z\"");
}

// What does not apply is left out.
void putTls(RecordLine& line, const AccessRecord& record) {
  line.raw(",\"tls\":{\"version\":");
  quoted(line, record.tls.version);
  line.raw(",\"suite\":");
  quoted(line, record.tls.suite);
  line.raw(",\"resumed\":");
  line.raw(record.isTlsResumed ? "true" : "false");
  const struct {
    const char* name;
    std::string_view value;
    size_t most;
  } texts[] = {
      {"serverName", record.tls.serverName, kTextMax},
      {"alpn", record.tls.alpn, kTextMax},
      {"subject", record.tls.subject, kSubjectMax},
      {"altNames", record.tls.altNames, kAltNamesMax},
  };
  for (const auto& text : texts) {
    if (text.value.empty()) continue;
    line.raw(",\"");
    line.raw(text.name);
    line.raw("\":");
    quoted(line, text.value, text.most);
  }
  line.put('}');
}

}  // namespace

u32 formatAccessRecord(const AccessRecord& record, char* out, size_t capacity) {
  RecordLine line({out, capacity});
  line.raw("{\"time\":");
  putTime(line, record.unixMs);
  line.raw(",\"event\":");
  line.raw(record.isEnd ? "\"close\"" : "\"interval\"");
  char text[kAddressTextMax];
  char id[kConnectionIdMax];
  (void)formatConnectionId(record.shard, record.handle, id, sizeof(id));
  line.raw(",\"id\":\"");
  line.raw(id);
  line.raw("\",\"listener\":");
  quoted(line, record.listener);
  (void)formatAddress(record.client, text, sizeof(text));
  line.raw(",\"client\":");
  quoted(line, text);
  line.raw(",\"cluster\":");
  quoted(line, record.cluster);
  line.raw(",\"endpoint\":");
  if (record.endpoint[0] == 0) {
    line.raw("null");
  } else {
    quoted(line, record.endpoint);
  }
  line.raw(",\"bytesFromClient\":");
  line.number(record.bytesFromClient);
  line.raw(",\"bytesFromEndpoint\":");
  line.number(record.bytesFromEndpoint);
  line.raw(",\"durationMs\":");
  line.number(record.durationMs);
  line.raw(",\"connectUs\":");
  line.number(record.connectMicros);
  if (record.isTls) putTls(line, record);
  if (record.tlsError[0] != 0) {
    line.raw(",\"tlsError\":");
    quoted(line, record.tlsError);
  }
  if (record.isEnd) {
    const CloseReasonInfo& info = kCloseReasonTable[static_cast<size_t>(record.reason)];
    line.raw(",\"closedBy\":\"");
    line.raw(info.who);
    line.raw("\",\"reason\":\"");
    line.raw(info.name);
    line.put('"');
  }
  putLogged(line, record.fields);
  line.raw("}\n");
  HF_ASSERT(line.size() < capacity);
  return line.size();
}

u32 formatConnectionId(u32 shard, Handle handle, char* out, size_t capacity) {
  const int length =
      std::snprintf(out, capacity, "%x-%x-%x", shard, handle.index, handle.generation);
  HF_ASSERT(length > 0 && static_cast<size_t>(length) < capacity);
  return static_cast<u32>(length);
}

bool parseConnectionId(const char* text, u32* shard, Handle* handle) {
  u32 parts[3] = {0, 0, 0};
  for (int i = 0; i < 3; i++) {
    int digits = 0;
    for (;; text++, digits++) {
      u32 digit;
      if (*text >= '0' && *text <= '9') {
        digit = static_cast<u32>(*text - '0');
      } else if (*text >= 'a' && *text <= 'f') {
        digit = static_cast<u32>(*text - 'a') + 10;
      } else {
        break;
      }
      if (digits == 8) return false;
      parts[i] = parts[i] << 4 | digit;
    }
    if (digits == 0) return false;
    const char separator = i < 2 ? '-' : '\0';
    if (*text != separator) return false;
    text++;
  }
  *shard = parts[0];
  *handle = Handle{parts[1], parts[2]};
  return true;
}

}  // namespace holdfast::proxy
