// What is logged of requests and WebSockets, from the records of the core to a line.
//
// The texts of a request are copied into the exchange's note while its head is in the scratch; the
// line is formatted when it ended. Invariant: no line where the listener asks for none, one for
// each request and each WebSocket otherwise.
#include <algorithm>

#include "proxy/http_record.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

// What an exchange keeps for its line, in this order.
enum NoteText : u8 { kMethod, kHost, kPath, kQuery, kAgent, kReferer, kId, kNoteTexts };

// One byte more than a line shows of any of them, so that it shows a mark where more was.
inline constexpr size_t kNoteTextMax = kRecordPathMax + 1;
static_assert(kNoteTextMax > kRecordQueryMax && kNoteTextMax > kRecordFieldMax);

}  // namespace

// Copies what the line says of the request.
void Shard::noteForLog(const Request& request) {
  Exchange& exchange = exchangePool_[request.exchange];
  const http1::Head& head = *request.head;
  const std::string_view texts[] = {
      head.textOf(head.methodName),
      request.host,
      request.path,
      request.query,
      head.valueOf(http1::FieldId::kUserAgent),
      head.valueOf(http1::FieldId::kReferer),
      request.id,
  };
  static_assert(std::size(texts) == kNoteTexts);
  codec::Writer writer(textRoom());
  for (const std::string_view text : texts) {
    const size_t length = std::min(text.size(), kNoteTextMax);
    writer.putU16(static_cast<u16>(length));
    writer.putText(text.data(), length);
  }
  if (writer.isFailed()) return;
  if (head.hasQuery) exchange.flags |= kExHasQuery;
  if (!exchange.note.isEmpty()) chunks_.clear(exchange.note);
  (void)chunks_.append(exchange.note, textRoom().data(), writer.size());
}

void Shard::describeClient(u32 tunnel, HttpRecord* line) {
  const Tunnel& record = tunnels_[tunnel];
  line->unixMs = sys::realtimeMs();
  line->shard = options_.index;
  line->handle = tunnels_.handleOf(tunnel);
  line->client = record.client;
  line->listener = board_.listener(record.listener).name;
  const Conn& client = conns_[record.downstream];
  const bool isTls = (client.flags & kConnTls) != 0 && tlsOf(record.downstream).facts != kNoIndex;
  if (!isTls) return;
  line->isTls = true;
  line->isTlsResumed = (tlsOf(record.downstream).flags & kTlsResumed) != 0;
  line->tls = facts_.view(tlsOf(record.downstream).facts);
}

void Shard::pushRecord(const HttpRecord& line) {
  HF_UNINITIALIZED char text[kHttpRecordMax];
  const u32 length =
      formatHttpRecord(line, snapshot_.accessFormat(), snapshot_.accessTemplate(), text);
  const bool isKept = board_.log(options_.index).push(text, length);
  bump(count(isKept ? ShardCounter::kAccessRecords : ShardCounter::kAccessDropped));
}

// The line of the exchange under way, or, without one, of bytes that were refused with `status`.
void Shard::writeRequestRecord(u32 tunnel, u16 status, HttpEnd end) {
  const Tunnel& record = tunnels_[tunnel];
  if ((record.flags & kTunnelAccessLog) == 0) return;
  HttpRecord line;
  describeClient(tunnel, &line);
  line.status = status;
  line.end = end;
  line.violation = violation_;
  std::string_view texts[kNoteTexts];
  HF_UNINITIALIZED char note[kNoteTexts * (kNoteTextMax + 2)];
  if (httpOf(tunnel).exchange != kNoIndex) {
    const Exchange& exchange = exchangeOf(tunnel);
    const size_t length = chunks_.copyTo(exchange.note, reinterpret_cast<u8*>(note));
    codec::Reader reader({reinterpret_cast<const u8*>(note), length});
    for (std::string_view& text : texts) {
      u16 size = 0;
      std::span<const u8> bytes;
      if (!reader.takeU16(&size) || !reader.take(size, &bytes)) break;
      text = http1::textOf(bytes);
    }
    line.isOldProtocol = (exchange.flags & kExOldClient) != 0;
    line.hasQuery = (exchange.flags & kExHasQuery) != 0;
    line.bytesIn = exchange.bytesIn;
    line.bytesOut = exchange.bytesOut;
    line.durationMicros = (sys::nowNs() - exchange.startedNs) / 1000;
    line.attempts = exchange.attempts;
    line.firstByteMicros = exchange.firstByteMicros;
    if (exchange.route != kNoIndex) line.route = board_.routeName(exchange.route);
    if (exchange.attempts != 0) {
      line.cluster = board_.cluster(record.cluster).name;
      line.queueMicros = static_cast<u32>((exchange.triedNs - exchange.startedNs) / 1000);
      line.connectMicros = exchange.connectMicros;
      if (record.endpoint != kNoIndex) line.endpoint = board_.endpoint(record.endpoint).display;
    }
  }
  line.method = texts[kMethod];
  line.host = texts[kHost];
  line.path = texts[kPath];
  line.query = texts[kQuery];
  line.userAgent = texts[kAgent];
  line.referer = texts[kReferer];
  line.requestId = texts[kId];
  HF_UNINITIALIZED codec::LogFields fields;
  if (logged_ != nullptr) readLogged(tunnel, httpOf(tunnel).exchange, &fields);
  line.fields = fields.packed();
  pushRecord(line);
}

// The line of a WebSocket.
void Shard::writeTunnelRecord(u32 tunnel, RecordEvent event, HttpEnd end) {
  const Tunnel& record = tunnels_[tunnel];
  if ((record.flags & kTunnelAccessLog) == 0) return;
  HttpRecord line;
  describeClient(tunnel, &line);
  line.event = event;
  line.status = 101;
  line.end = end;
  line.closeCode = record.frames.closeCode;
  const FramesSettings& settings = settingsOf(record);
  if (settings.route != kNoIndex) line.route = board_.routeName(settings.route);
  line.cluster = board_.cluster(record.cluster).name;
  if (record.endpoint != kNoIndex) line.endpoint = board_.endpoint(record.endpoint).display;
  line.bytesIn = conns_[record.downstream].bytesIn;
  line.bytesOut = conns_[record.upstream].bytesIn;
  line.durationMicros = u64{nowTick_ - record.openedTick} * kTickMs * 1000;
  for (const Side side : {Side::kDownstream, Side::kUpstream}) {
    const codec::FrameTracker& tracker = trackerOf(record, side);
    (side == Side::kDownstream ? line.messagesIn : line.messagesOut) = tracker.messages();
    const codec::FrameViolation violation = tracker.violation();
    if (end != HttpEnd::kFrameInvalid || violation == codec::FrameViolation::kNone) continue;
    line.violation = codec::kFrameViolationNames[static_cast<size_t>(violation)];
  }
  HF_UNINITIALIZED codec::LogFields fields;
  if (logged_ != nullptr) readLogged(tunnel, kNoIndex, &fields);
  line.fields = fields.packed();
  pushRecord(line);
}

}  // namespace holdfast::proxy
