// Access records: one line of JSON whatever the names hold, and connection ids
// that parse back.
#include "proxy/access_record.h"

#include <string>

#include "codec/log_field.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

std::string format(const AccessRecord& record) {
  char text[kAccessRecordMax];
  const u32 length = formatAccessRecord(record, text, sizeof(text));
  return {text, length};
}

AccessRecord someRecord() {
  AccessRecord record;
  record.unixMs = 1'700'000'000'123;
  record.shard = 2;
  record.handle = Handle{17, 3};
  record.listener = "mqtt";
  record.cluster = "brokers";
  record.endpoint = "10.0.0.1:1883";
  CHECK(parseAddress("192.0.2.7:4711", &record.client));
  record.bytesFromClient = 123;
  record.bytesFromEndpoint = 18446744073709551615u;
  record.durationMs = 45;
  record.connectMicros = 678;
  record.reason = CloseReason::kClientClosed;
  return record;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(accessRecordSaysWhoWhatAndWhy) {
  const std::string line = format(someRecord());
  CHECK(line.starts_with("{") && line.ends_with("}\n"));
  for (const char* part :
       {"\"event\":\"close\"", "\"id\":\"2-11-3\"", "\"listener\":\"mqtt\"",
        "\"client\":\"192.0.2.7:4711\"", "\"cluster\":\"brokers\"",
        "\"endpoint\":\"10.0.0.1:1883\"", "\"bytesFromClient\":123",
        "\"bytesFromEndpoint\":18446744073709551615", "\"durationMs\":45", "\"connectUs\":678",
        "\"closedBy\":\"client\"", "\"reason\":\"client-closed\""}) {
    if (!CHECK(holds(line, part))) check::fail(__FILE__, __LINE__, part);
  }
}

TEST(accessRecordOfALivingConnectionHasNoReason) {
  AccessRecord record = someRecord();
  record.isEnd = false;
  record.endpoint = "";
  const std::string line = format(record);
  CHECK(holds(line, "\"event\":\"interval\""));
  CHECK(holds(line, "\"endpoint\":null"));
  CHECK(!holds(line, "reason"));
}

TEST(accessRecordEscapesEveryByteOfNames) {
  std::string name;
  for (int byte = 1; byte < 64; ++byte) name.push_back(static_cast<char>(byte));
  AccessRecord record = someRecord();
  record.listener = name.c_str();
  const std::string quotes(63, '"');
  record.cluster = quotes.c_str();
  const std::string controls(111, '\x01');
  record.endpoint = controls.c_str();
  const std::string line = format(record);
  CHECK(line.size() < kAccessRecordMax);
  for (size_t i = 0; i + 1 < line.size(); ++i) CHECK(static_cast<u8>(line[i]) >= 0x20);
  CHECK_EQ(line.back(), '\n');
  u32 unescaped = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      ++unescaped;
    }
  }
  CHECK_EQ(unescaped % 2, 0);
}

TEST(accessRecordShowsFieldsOfFilters) {
  codec::LogFields fields;
  CHECK(fields.set("tenant", "red \"one\"\n\xff"));
  CHECK(fields.set("b.2", ""));
  AccessRecord record = someRecord();
  record.fields = fields.packed();
  const std::string line = format(record);
  CHECK(
      line.ends_with(",\"fields\":{\"tenant\":\"red \\\"one\\\"\\u000a\\u00ff\",\"b.2\":\"\"}}\n"));
}

TEST(connectionIdsParseBack) {
  for (const Handle handle : {Handle{0, 1}, Handle{17, 3}, Handle{0xfffffffe, 0xffffffff}}) {
    char text[kConnectionIdMax];
    CHECK(formatConnectionId(63, handle, text, sizeof(text)) > 0);
    u32 shard = 0;
    Handle parsed;
    CHECK(parseConnectionId(text, &shard, &parsed));
    CHECK_EQ(shard, 63);
    CHECK(parsed == handle);
  }
  u32 shard = 0;
  Handle parsed;
  for (const char* bad : {"", "1", "1-2", "1-2-", "1-2-3-", "1-2-3-4", "-1-2-3", "g-1-2", "1--2",
                          "123456789-1-1", "1-2-3 ", "0x1-2-3", "1-2-F"}) {
    CHECK(!parseConnectionId(bad, &shard, &parsed));
  }
}

}  // namespace
}  // namespace holdfast::proxy
