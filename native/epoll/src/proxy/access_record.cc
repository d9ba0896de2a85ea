// Formatting of access records and connection ids.
#include "proxy/access_record.h"

#include <ctime>

namespace holdfast::proxy {
namespace {

// Appends with a hard end; what does not fit is left out and noticed by the final length check.
class Line {
 public:
  Line(char* out, size_t capacity) : out_(out), capacity_(capacity) {}

  void raw(const char* text) {
    while (*text != 0) put(*text++);
  }

  void quoted(const char* text) {
    put('"');
    for (; *text != 0; text++) {
      const u8 byte = static_cast<u8>(*text);
      if (byte == '"' || byte == '\\') {
        put('\\');
        put(*text);
      } else if (byte < 0x20 || byte == 0x7f) {
        raw("\\u00");
        put(kHex[byte >> 4]);
        put(kHex[byte & 15]);
      } else {
        put(*text);
      }
    }
    put('"');
  }

  void number(u64 value) {
    char digits[24];
    int count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (count > 0) put(digits[--count]);
  }

  void put(char c) {
    if (length_ < capacity_) out_[length_++] = c;
  }

  [[nodiscard]] u32 length() const { return static_cast<u32>(length_); }

 private:
  static constexpr char kHex[] = "0123456789abcdef";

  char* out_;
  size_t capacity_;
  size_t length_ = 0;
};

// RFC 3339 in UTC with milliseconds.
void putTime(Line& line, u64 unixMs) {
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
void putTls(Line& line, const AccessRecord& record) {
  line.raw(",\"tls\":{\"version\":");
  line.quoted(record.tls.version);
  line.raw(",\"suite\":");
  line.quoted(record.tls.suite);
  line.raw(",\"resumed\":");
  line.raw(record.isTlsResumed ? "true" : "false");
  const struct {
    const char* name;
    const char* value;
  } texts[] = {
      {"serverName", record.tls.serverName},
      {"alpn", record.tls.alpn},
      {"subject", record.tls.subject},
      {"altNames", record.tls.altNames},
  };
  for (const auto& text : texts) {
    if (text.value[0] == 0) continue;
    line.raw(",\"");
    line.raw(text.name);
    line.raw("\":");
    line.quoted(text.value);
  }
  line.put('}');
}

}  // namespace

u32 formatAccessRecord(const AccessRecord& record, char* out, size_t capacity) {
  Line line(out, capacity);
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
  line.quoted(record.listener);
  (void)formatAddress(record.client, text, sizeof(text));
  line.raw(",\"client\":");
  line.quoted(text);
  line.raw(",\"cluster\":");
  line.quoted(record.cluster);
  line.raw(",\"endpoint\":");
  if (record.endpoint[0] == 0) {
    line.raw("null");
  } else {
    line.quoted(record.endpoint);
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
    line.quoted(record.tlsError);
  }
  if (record.isEnd) {
    const CloseReasonInfo& info = kCloseReasonTable[static_cast<size_t>(record.reason)];
    line.raw(",\"closedBy\":\"");
    line.raw(info.who);
    line.raw("\",\"reason\":\"");
    line.raw(info.name);
    line.put('"');
  }
  line.raw("}\n");
  HF_ASSERT(line.length() < capacity);
  return line.length();
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
