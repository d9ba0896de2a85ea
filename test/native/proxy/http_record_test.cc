// Records of requests: every field in JSON, the common format, templates; hostile and huge texts.
#include "proxy/http_record.h"

#include <string>
#include <vector>

#include "proxy/access_record.h"
#include "proxy/record_line.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

std::string format(const HttpRecord& record, AccessFormat as = AccessFormat::kJson,
                   std::string_view compiled = {}) {
  std::vector<char> out(kHttpRecordMax);
  const u32 length = formatHttpRecord(record, as, compiled, out);
  return {out.data(), length};
}

std::string formatTemplate(const HttpRecord& record, std::string_view text) {
  std::string compiled;
  http::TemplateFault fault;
  if (!CHECK(http::compileTemplate(text, &compiled, &fault, http::TemplateUse::kRecord))) return "";
  return format(record, AccessFormat::kTemplate, compiled);
}

HttpRecord someRecord() {
  HttpRecord record;
  record.unixMs = 1'709'210'096'007;  // a leap day
  record.shard = 2;
  record.handle = Handle{0x1a, 3};
  CHECK(parseAddress("192.0.2.7:4711", &record.client));
  record.listener = "web";
  record.route = "rooms";
  record.cluster = "app";
  record.endpoint = "10.0.0.1:80";
  record.method = "GET";
  record.host = "chat.example.com";
  record.path = "/rooms/7";
  record.query = "a=1&b=2";
  record.hasQuery = true;
  record.requestId = "r-1";
  record.userAgent = "curl/8";
  record.referer = "https://a.example/";
  record.status = 200;
  record.bytesIn = 12;
  record.bytesOut = 3456;
  record.queueMicros = 7;
  record.connectMicros = 150;
  record.firstByteMicros = 800;
  record.durationMicros = 1200;
  record.attempts = 1;
  return record;
}

std::string cut(std::string_view text, size_t most, Escape escape = Escape::kJson) {
  char out[256];
  RecordLine line(out);
  line.escaped(text, most, escape);
  CHECK(line.size() <= most);
  return {out, line.size()};
}

TEST(httpRecordsSayEverythingInJson) {
  CHECK_EQ(format(someRecord()),
           "{\"time\":\"2024-02-29T12:34:56.007Z\",\"event\":\"request\",\"id\":\"2-1a-3\","
           "\"listener\":\"web\",\"route\":\"rooms\",\"client\":\"192.0.2.7:4711\","
           "\"method\":\"GET\",\"host\":\"chat.example.com\",\"path\":\"/rooms/7\","
           "\"query\":\"a=1&b=2\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"flags\":\"-\","
           "\"bytesIn\":12,\"bytesOut\":3456,\"queueMicros\":7,\"connectMicros\":150,"
           "\"firstByteMicros\":800,\"durationMicros\":1200,\"attempts\":1,\"cluster\":\"app\","
           "\"endpoint\":\"10.0.0.1:80\",\"requestId\":\"r-1\",\"userAgent\":\"curl/8\","
           "\"referer\":\"https://a.example/\"}\n");
}

TEST(httpRecordsLeaveOutWhatIsNotThere) {
  HttpRecord record;
  record.end = HttpEnd::kRequestInvalid;
  record.violation = "request-line";
  record.status = 400;
  record.isOldProtocol = true;
  const std::string line = format(record);
  CHECK(line.find("\"time\":\"1970-01-01T00:00:00.000Z\"") != std::string::npos);
  CHECK(line.find("\"route\":null") != std::string::npos);
  CHECK(line.find("\"endpoint\":null") != std::string::npos);
  CHECK(line.find("\"protocol\":\"HTTP/1.0\",\"status\":400,\"flags\":\"request-invalid\","
                  "\"violation\":\"request-line\"") != std::string::npos);
  for (const char* absent : {"query\"", "userAgent", "referer", "requestId", "tls", "messages"}) {
    CHECK(line.find(absent) == std::string::npos);
  }
}

TEST(httpRecordsOfWebSockets) {
  HttpRecord record = someRecord();
  record.event = RecordEvent::kTunnel;
  record.end = HttpEnd::kPongTimeout;
  record.messagesIn = 5;
  record.messagesOut = 18446744073709551615u;
  record.closeCode = 1001;
  std::string line = format(record);
  CHECK(line.find("\"event\":\"tunnel\"") != std::string::npos);
  CHECK(line.find("\"flags\":\"pong-timeout\"") != std::string::npos);
  CHECK(line.find("\"durationMicros\":1200,\"messagesIn\":5,\"messagesOut\":18446744073709551615,"
                  "\"closeCode\":1001") != std::string::npos);
  CHECK(line.find("\"method\"") == std::string::npos);
  record.event = RecordEvent::kInterval;
  line = format(record);
  CHECK(line.find("\"event\":\"interval\"") != std::string::npos);
  CHECK(line.find("flags") == std::string::npos && line.find("closeCode") == std::string::npos);
}

TEST(httpRecordsOfTlsClients) {
  HttpRecord record = someRecord();
  record.isTls = true;
  record.tls.version = "TLSv1.3";
  record.tls.suite = "TLS_AES_128_GCM_SHA256";
  record.tls.serverName = "chat.example.com";
  record.tls.subject = "CN=a";
  CHECK(
      format(record).find(",\"tls\":{\"version\":\"TLSv1.3\",\"suite\":\"TLS_AES_128_GCM_SHA256\","
                          "\"resumed\":false,\"serverName\":\"chat.example.com\","
                          "\"subject\":\"CN=a\"}}\n") != std::string::npos);
}

TEST(httpRecordsInTheCommonFormat) {
  HttpRecord record = someRecord();
  CHECK_EQ(format(record, AccessFormat::kClf),
           "192.0.2.7 - - [29/Feb/2024:12:34:56 +0000] \"GET /rooms/7?a=1&b=2 HTTP/1.1\" 200 "
           "3456\n");
  record.path = "/a\"b\n";
  record.hasQuery = false;
  CHECK_EQ(format(record, AccessFormat::kClf),
           "192.0.2.7 - - [29/Feb/2024:12:34:56 +0000] \"GET /a\\\"b\\x0a HTTP/1.1\" 200 3456\n");
  record.event = RecordEvent::kTunnel;
  CHECK_EQ(format(record, AccessFormat::kClf),
           "192.0.2.7 - - [29/Feb/2024:12:34:56 +0000] \"-\" 200 3456\n");
}

TEST(httpRecordsByTemplate) {
  HttpRecord record = someRecord();
  CHECK_EQ(formatTemplate(record,
                          "%{time}\t%{client.address}:%{client.port} \"%{method} "
                          "%{target}\" %{status} %{flags} %{duration} %{query.b}"),
           "2024-02-29T12:34:56.007Z\t192.0.2.7:4711 \"GET /rooms/7?a=1&b=2\" 200 - 1200 2\n");
  CHECK_EQ(formatTemplate(record,
                          "%{connection.id} %{event} %{listener} %{route} %{cluster} "
                          "%{endpoint} %{host} %{scheme} %{protocol} %{request.id}"),
           "2-1a-3 request web rooms app 10.0.0.1:80 chat.example.com http HTTP/1.1 r-1\n");
  CHECK_EQ(formatTemplate(record,
                          "%{bytes.in} %{bytes.out} %{duration.queue} %{duration.connect} "
                          "%{duration.first_byte} %{attempts} %{violation} %{query.zz}"),
           "12 3456 7 150 800 1 - -\n");
  record.userAgent = "a \"b\"\r\n\xff";
  CHECK_EQ(formatTemplate(record, "\"%{header.user-agent}\" \"%{header.referer}\""),
           "\"a \\\"b\\\"\\x0d\\x0a\\xff\" \"https://a.example/\"\n");
}

TEST(httpRecordsShowFieldsOfFilters) {
  codec::LogFields fields;
  CHECK(fields.set("tenant", "a\"b"));
  CHECK(fields.set("room", "7"));
  HttpRecord record = someRecord();
  record.fields = fields.packed();
  CHECK(format(record).ends_with(",\"fields\":{\"tenant\":\"a\\\"b\",\"room\":\"7\"}}\n"));
  record.event = RecordEvent::kTunnel;
  CHECK(format(record).ends_with(",\"fields\":{\"tenant\":\"a\\\"b\",\"room\":\"7\"}}\n"));
  CHECK_EQ(formatTemplate(record, "%{field.room} %{field.tenant} %{field.none}"), "7 a\\\"b -\n");
  CHECK(format(record, AccessFormat::kClf).find("tenant") == std::string::npos);
}

TEST(httpRecordsHoldTheirMaximum) {
  const std::string huge(70'000, '"');
  const std::string tlsText(255, '"');
  const std::string altNames(511, '\\');
  HttpRecord record = someRecord();
  record.listener = record.route = record.cluster = record.endpoint = huge;
  record.method = record.host = record.path = record.query = huge;
  record.requestId = record.userAgent = record.referer = huge;
  record.isTls = true;
  record.tls.serverName = record.tls.alpn = record.tls.subject = tlsText.c_str();
  record.tls.altNames = altNames.c_str();
  record.tls.version = record.tls.suite = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
  record.bytesIn = record.bytesOut = record.durationMicros = ~u64{0};
  codec::LogFields logged;
  for (u32 i = 0; i < codec::kLogFieldsMax; i++) {
    const std::string name = std::string(codec::kLogNameMax - 1, 'n') + static_cast<char>('a' + i);
    CHECK(logged.set(name, std::string(90, '\x01')));
  }
  record.fields = logged.packed();
  for (const AccessFormat as : {AccessFormat::kJson, AccessFormat::kClf}) {
    const std::string line = format(record, as);
    CHECK(line.size() < kHttpRecordMax);
    CHECK(line.find(kCutMark) != std::string::npos);
    CHECK_EQ(line.find('\n'), line.size() - 1);
  }
  CHECK(format(record).ends_with("\"}}\n"));
  CHECK(format(record).find(",\"fields\":{") != std::string::npos);
  std::string text;
  for (int i = 0; i < 20; i++) text += "%{path}";
  const std::string line = formatTemplate(record, text);
  CHECK_EQ(line.size(), kHttpRecordMax);
  CHECK(line.ends_with(std::string(kCutMark) + "\n"));
}

TEST(recordTextsAreCutAtCharacters) {
  const std::string mark(kCutMark);
  CHECK_EQ(cut("abcdefgh", 8), "abcdefgh");
  CHECK_EQ(cut("abcdefghi", 8), "abcde" + mark);
  // Three bytes each.
  CHECK_EQ(cut("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 9), "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
  CHECK_EQ(cut("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 8), "\xe2\x82\xac" + mark);
  CHECK_EQ(cut("\xc3", 20), "\\u00c3");
  CHECK_EQ(cut("a\"\\\x01\x7f", 40), "a\\\"\\\\\\u0001\\u007f");
  CHECK_EQ(cut("\x01\x01\x01", 16), "\\u0001\\u0001" + mark);
  CHECK_EQ(cut("", 16), "");
}

TEST(httpRecordsOfUnixClients) {
  HttpRecord record = someRecord();
  record.client = Address::unixSocket();
  CHECK_EQ(formatTemplate(record, "%{client.address} %{client.port}"), "unix 0\n");
}

TEST(httpRecordIdsAreThoseOfConnections) {
  HttpRecord record = someRecord();
  record.handle = Handle{0xffffffff, 0x80000000};
  record.shard = 63;
  char id[kConnectionIdMax];
  (void)formatConnectionId(record.shard, record.handle, id, sizeof(id));
  CHECK_EQ(formatTemplate(record, "%{connection.id}"), std::string(id) + "\n");
}

}  // namespace
}  // namespace holdfast::proxy
