// Formatting of records of requests: JSON, the common log format, templates.
#include "proxy/http_record.h"

#include "codec/http1_rules.h"
#include "codec/websocket.h"
#include "proxy/access_record.h"
#include "proxy/record_line.h"

namespace holdfast::proxy {
namespace {

static_assert(static_cast<u32>(http1::Violation::kCount) <= kViolationsMax);
static_assert(static_cast<u32>(codec::FrameViolation::kCount) <= kFrameViolationsMax);

inline constexpr std::string_view kEventNames[] = {"request", "tunnel", "interval"};
inline constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Keys and numbers of the longest JSON line.
inline constexpr size_t kKeysMax = 1536;
static_assert(kRecordMethodMax + kRecordHostMax + kRecordPathMax + kRecordQueryMax +
                  4 * kRecordFieldMax + 8 * kRecordNameMax + kRecordAltNamesMax + kLoggedTextMax +
                  kKeysMax <
              kHttpRecordMax);

struct CivilTime {
  u32 year, month, day, hour, minute, second;
};

// Days are counted in eras of 400 years that begin on 1 March, so that the leap day comes last.
CivilTime civilTimeOf(u64 unixSeconds) {
  const u64 days = unixSeconds / 86400;
  const u32 rest = static_cast<u32>(unixSeconds % 86400);
  const u64 shifted = days + 719468;
  const u64 era = shifted / 146097;
  const u32 dayOfEra = static_cast<u32>(shifted % 146097);
  const u32 yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  const u32 dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const u32 monthFromMarch = (5 * dayOfYear + 2) / 153;
  const u32 month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return CivilTime{.year = static_cast<u32>(era * 400) + yearOfEra + (month <= 2 ? 1 : 0),
                   .month = month,
                   .day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1,
                   .hour = rest / 3600,
                   .minute = rest / 60 % 60,
                   .second = rest % 60};
}

void putClock(RecordLine& line, const CivilTime& at) {
  line.digits(at.hour, 2);
  line.put(':');
  line.digits(at.minute, 2);
  line.put(':');
  line.digits(at.second, 2);
}

// RFC 3339 in UTC with milliseconds.
void putTime(RecordLine& line, u64 unixMs) {
  const CivilTime at = civilTimeOf(unixMs / 1000);
  line.digits(at.year, 4);
  line.put('-');
  line.digits(at.month, 2);
  line.put('-');
  line.digits(at.day, 2);
  line.put('T');
  putClock(line, at);
  line.put('.');
  line.digits(static_cast<u32>(unixMs % 1000), 3);
  line.put('Z');
}

// shard-slot-generation, as formatConnectionId writes it.
void putHex(RecordLine& line, u32 value) {
  char digits[8];
  size_t at = sizeof(digits);
  do {
    digits[--at] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0);
  line.raw({digits + at, sizeof(digits) - at});
}

void putConnectionId(RecordLine& line, const HttpRecord& record) {
  putHex(line, record.shard);
  line.put('-');
  putHex(line, record.handle.index);
  line.put('-');
  putHex(line, record.handle.generation);
}

std::string_view addressText(const Address& address, std::span<char> room, bool hasPort) {
  const size_t length = hasPort || !address.isIp()
                            ? formatAddress(address, room.data(), room.size())
                            : formatIp(address, room.data(), room.size());
  return {room.data(), length};
}

std::string_view protocolOf(const HttpRecord& record) {
  return record.isOldProtocol ? "HTTP/1.0" : "HTTP/1.1";
}

// --- JSON ---

void putText(RecordLine& line, std::string_view key, std::string_view value, size_t most) {
  line.raw(key);
  line.put('"');
  line.escaped(value, most, Escape::kJson);
  line.put('"');
}

// Keys come with their comma, quotes and colon.
void putSome(RecordLine& line, std::string_view key, std::string_view value, size_t most) {
  if (!value.empty()) putText(line, key, value, most);
}

void putOrNull(RecordLine& line, std::string_view key, std::string_view value) {
  if (!value.empty()) return putText(line, key, value, kRecordNameMax);
  line.raw(key);
  line.raw("null");
}

void putNumber(RecordLine& line, std::string_view key, u64 value) {
  line.raw(key);
  line.number(value);
}

void putTls(RecordLine& line, const HttpRecord& record) {
  putText(line, ",\"tls\":{\"version\":", record.tls.version, kRecordNameMax);
  putText(line, ",\"suite\":", record.tls.suite, kRecordNameMax);
  line.raw(record.isTlsResumed ? ",\"resumed\":true" : ",\"resumed\":false");
  putSome(line, ",\"serverName\":", record.tls.serverName, kRecordNameMax);
  putSome(line, ",\"alpn\":", record.tls.alpn, kRecordNameMax);
  putSome(line, ",\"subject\":", record.tls.subject, kRecordFieldMax);
  putSome(line, ",\"altNames\":", record.tls.altNames, kRecordAltNamesMax);
  line.put('}');
}

void putRequest(RecordLine& line, const HttpRecord& record) {
  putText(line, ",\"method\":", record.method, kRecordMethodMax);
  putText(line, ",\"host\":", record.host, kRecordHostMax);
  putText(line, ",\"path\":", record.path, kRecordPathMax);
  if (record.hasQuery) putText(line, ",\"query\":", record.query, kRecordQueryMax);
  putText(line, ",\"protocol\":", protocolOf(record), kRecordNameMax);
}

void putJson(RecordLine& line, const HttpRecord& record) {
  const bool isRequest = record.event == RecordEvent::kRequest;
  char client[kAddressTextMax];
  line.raw("{\"time\":\"");
  putTime(line, record.unixMs);
  line.raw("\",\"event\":\"");
  line.raw(kEventNames[static_cast<size_t>(record.event)]);
  line.raw("\",\"id\":\"");
  putConnectionId(line, record);
  putText(line, "\",\"listener\":", record.listener, kRecordNameMax);
  putOrNull(line, ",\"route\":", record.route);
  putText(line, ",\"client\":", addressText(record.client, client, true), kRecordNameMax);
  if (isRequest) putRequest(line, record);
  putNumber(line, ",\"status\":", record.status);
  if (record.event != RecordEvent::kInterval) {
    putText(line, ",\"flags\":", nameOf(record.end), kRecordNameMax);
  }
  putSome(line, ",\"violation\":", record.violation, kRecordNameMax);
  putNumber(line, ",\"bytesIn\":", record.bytesIn);
  putNumber(line, ",\"bytesOut\":", record.bytesOut);
  if (isRequest) {
    putNumber(line, ",\"queueMicros\":", record.queueMicros);
    putNumber(line, ",\"connectMicros\":", record.connectMicros);
    putNumber(line, ",\"firstByteMicros\":", record.firstByteMicros);
  }
  putNumber(line, ",\"durationMicros\":", record.durationMicros);
  if (isRequest) {
    putNumber(line, ",\"attempts\":", record.attempts);
  } else {
    putNumber(line, ",\"messagesIn\":", record.messagesIn);
    putNumber(line, ",\"messagesOut\":", record.messagesOut);
    if (record.event == RecordEvent::kTunnel) {
      putNumber(line, ",\"closeCode\":", record.closeCode);
    }
  }
  putOrNull(line, ",\"cluster\":", record.cluster);
  putOrNull(line, ",\"endpoint\":", record.endpoint);
  putSome(line, ",\"requestId\":", record.requestId, kRecordNameMax);
  putSome(line, ",\"userAgent\":", record.userAgent, kRecordFieldMax);
  putSome(line, ",\"referer\":", record.referer, kRecordFieldMax);
  if (record.isTls) putTls(line, record);
  putLogged(line, record.fields);
  line.put('}');
}

// --- Common log format ---

void putClf(RecordLine& line, const HttpRecord& record) {
  char client[kAddressTextMax];
  line.raw(addressText(record.client, client, false));
  line.raw(" - - [");
  const CivilTime at = civilTimeOf(record.unixMs / 1000);
  line.digits(at.day, 2);
  line.put('/');
  line.raw(kMonths[at.month - 1]);
  line.put('/');
  line.digits(at.year, 4);
  line.put(':');
  putClock(line, at);
  line.raw(" +0000] \"");
  if (record.event == RecordEvent::kRequest && !record.method.empty()) {
    line.escaped(record.method, kRecordMethodMax, Escape::kText);
    line.put(' ');
    line.escaped(record.path, kRecordPathMax, Escape::kText);
    if (record.hasQuery) {
      line.put('?');
      line.escaped(record.query, kRecordQueryMax, Escape::kText);
    }
    line.put(' ');
    line.raw(protocolOf(record));
  } else {
    line.put('-');
  }
  line.raw("\" ");
  line.number(record.status);
  line.put(' ');
  line.number(record.bytesOut);
}

// --- Templates ---

void putQuoted(RecordLine& line, std::string_view value, size_t most) {
  if (value.empty()) {
    line.put('-');
  } else {
    line.escaped(value, most, Escape::kText);
  }
}

void putTarget(RecordLine& line, const HttpRecord& record) {
  putQuoted(line, record.path, kRecordPathMax);
  if (!record.hasQuery) return;
  line.put('?');
  line.escaped(record.query, kRecordQueryMax, Escape::kText);
}

u64 numberOf(const HttpRecord& record, http::Variable variable) {
  using http::Variable;
  switch (variable) {
    case Variable::kClientPort:
      return record.client.port;
    case Variable::kStatus:
      return record.status;
    case Variable::kBytesIn:
      return record.bytesIn;
    case Variable::kBytesOut:
      return record.bytesOut;
    case Variable::kDuration:
      return record.durationMicros;
    case Variable::kQueueTime:
      return record.queueMicros;
    case Variable::kConnectTime:
      return record.connectMicros;
    case Variable::kFirstByteTime:
      return record.firstByteMicros;
    case Variable::kAttempts:
      return record.attempts;
    case Variable::kMessagesIn:
      return record.messagesIn;
    case Variable::kMessagesOut:
      return record.messagesOut;
    default:
      return record.closeCode;
  }
}

std::string_view textOf(const HttpRecord& record, const http::TemplatePiece& piece) {
  using http::Variable;
  switch (piece.variable) {
    case Variable::kHost:
      return record.host;
    case Variable::kMethod:
      return record.method;
    case Variable::kQuery:
      return record.query;
    case Variable::kScheme:
      return record.isTls ? "https" : "http";
    case Variable::kProtocol:
      return protocolOf(record);
    case Variable::kRequestId:
      return record.requestId;
    case Variable::kRoute:
      return record.route;
    case Variable::kCluster:
      return record.cluster;
    case Variable::kEndpoint:
      return record.endpoint;
    case Variable::kListener:
      return record.listener;
    case Variable::kTlsServerName:
      return record.tls.serverName;
    case Variable::kTlsSubject:
      return record.tls.subject;
    case Variable::kTlsVersion:
      return record.tls.version;
    case Variable::kHeader:
      return piece.text == "user-agent" ? record.userAgent : record.referer;
    case Variable::kQueryParameter:
      return http::findQueryParameter(record.query, piece.text);
    case Variable::kEvent:
      return kEventNames[static_cast<size_t>(record.event)];
    case Variable::kFlags:
      return nameOf(record.end);
    case Variable::kViolation:
      return record.violation;
    case Variable::kField:
      return codec::findLogField(record.fields, piece.text);
    default:
      return {};
  }
}

void putVariable(RecordLine& line, const HttpRecord& record, const http::TemplatePiece& piece) {
  using http::Variable;
  char room[kAddressTextMax];
  switch (piece.variable) {
    case Variable::kClientAddress:
      return line.raw(addressText(record.client, room, false));
    case Variable::kTime:
      return putTime(line, record.unixMs);
    case Variable::kConnectionId:
      return putConnectionId(line, record);
    case Variable::kPath:
      return putQuoted(line, record.path, kRecordPathMax);
    case Variable::kTarget:
      return putTarget(line, record);
    case Variable::kClientPort:
    case Variable::kStatus:
    case Variable::kBytesIn:
    case Variable::kBytesOut:
    case Variable::kDuration:
    case Variable::kQueueTime:
    case Variable::kConnectTime:
    case Variable::kFirstByteTime:
    case Variable::kAttempts:
    case Variable::kMessagesIn:
    case Variable::kMessagesOut:
    case Variable::kCloseCode:
      return line.number(numberOf(record, piece.variable));
    case Variable::kField:
      return putQuoted(line, textOf(record, piece), codec::kLogValueMax);
    default:
      return putQuoted(line, textOf(record, piece), kRecordQueryMax);
  }
}

}  // namespace

u32 formatHttpRecord(const HttpRecord& record, AccessFormat format, std::string_view compiled,
                     std::span<char> out) {
  HF_ASSERT(out.size() >= kHttpRecordMax);
  // Room for the end of the line; a template may ask for more than fits and is cut.
  const size_t most = kHttpRecordMax - kCutMark.size() - 1;
  RecordLine line(out.first(most));
  if (format == AccessFormat::kJson) {
    putJson(line, record);
    HF_DASSERT(line.room() > 0);
  } else if (format == AccessFormat::kClf) {
    putClf(line, record);
  } else {
    http::TemplatePiece piece;
    while (http::takePiece(&compiled, &piece)) {
      if (piece.isVariable) {
        putVariable(line, record, piece);
      } else {
        line.raw(piece.text);
      }
    }
  }
  RecordLine end(out.subspan(line.size()));
  if (line.room() == 0) end.raw(kCutMark);
  end.put('\n');
  return line.size() + end.size();
}

}  // namespace holdfast::proxy
