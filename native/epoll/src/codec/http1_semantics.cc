// Each rule reads the fields it is about and sets what it decides; the first broken rule counts.
#include "codec/http1_semantics.h"

#include <algorithm>

namespace holdfast::http1 {

namespace {

constexpr u16 kHttpPort = 80;
constexpr u16 kHttpsPort = 443;
constexpr size_t kLengthDigitsMax = 19;  // of kBodyBytesMax, and still within 64 bits
constexpr std::string_view kHttpsScheme = "https:";
constexpr std::string_view kHopFraming[] = {"host", "content-length", "transfer-encoding"};
constexpr std::string_view kOtherCodings[] = {"gzip", "x-gzip", "deflate", "compress",
                                              "x-compress"};

// The elements of a list (RFC 9110 5.6.1) without the space around them; empty ones are passed.
class ListReader {
 public:
  explicit ListReader(std::span<const u8> list) : list_(list) {}

  [[nodiscard]] bool take(std::span<const u8>* element) {
    while (at_ < list_.size()) {
      at_ = skipSpaces(list_, at_);
      const size_t first = at_;
      while (at_ < list_.size() && list_[at_] != ',') ++at_;
      size_t end = at_;
      while (end > first && isSpace(list_[end - 1])) --end;
      if (at_ < list_.size()) ++at_;
      if (end == first) continue;
      *element = list_.subspan(first, end - first);
      return true;
    }
    return false;
  }

 private:
  std::span<const u8> list_;
  size_t at_ = 0;
};

std::span<const u8> firstValue(const Head& head, FieldId id) {
  return head.valueOf(head.fields[head.firstOf[static_cast<size_t>(id)]]);
}

Slice sliceOf(const Head& head, std::span<const u8> part) {
  return {static_cast<u16>(part.data() - head.base), static_cast<u16>(part.size())};
}

bool isAnyName(std::span<const u8> bytes, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    if (isName(bytes, name)) return true;
  }
  return false;
}

// Digits without a leading zero: what some read as octal and some cut short is not guessed at.
bool parseLength(std::span<const u8> text, u64* out) {
  if (text.empty() || text.size() > kLengthDigitsMax) return false;
  if (text[0] == '0' && text.size() > 1) return false;
  u64 value = 0;
  for (const u8 byte : text) {
    if (!isDigit(byte)) return false;
    value = value * 10 + static_cast<u64>(byte - '0');
  }
  *out = value;
  return value <= kBodyBytesMax;
}

// Other codings before one chunked are well-formed and not implemented; the rest is an attempt.
Violation judgeCodings(std::span<const u8> list) {
  ListReader reader(list);
  std::span<const u8> element;
  bool isChunked = false;
  bool hasOther = false;
  while (reader.take(&element)) {
    if (isChunked) return Violation::kTransferEncoding;
    isChunked = isName(element, "chunked");
    if (!isChunked && !isAnyName(element, kOtherCodings)) return Violation::kTransferEncoding;
    hasOther |= !isChunked;
  }
  return isChunked && hasOther ? Violation::kTransferCoding : Violation::kTransferEncoding;
}

// A tab around the value, which the grammar allows and other parsers do not agree about.
bool isTabbed(const Head& head, FieldId id) {
  const Field& field = head.fields[head.firstOf[static_cast<size_t>(id)]];
  size_t at = size_t{field.nameAt} + field.nameLength + 1;
  for (; at < field.valueAt; ++at) {
    if (head.base[at] == '\t') return true;
  }
  for (at += field.valueLength; head.base[at] != '\r'; ++at) {
    if (head.base[at] == '\t') return true;
  }
  return false;
}

// Content-Length and Transfer-Encoding (RFC 9112 6.1 to 6.3).
Violation readFraming(Head* head) {
  constexpr FieldSet kFraming = setOf(FieldId::kContentLength, FieldId::kTransferEncoding);
  if ((head->present & kFraming) == 0) return Violation::kNone;
  if ((head->present & kFraming) == kFraming) return Violation::kLengthAndEncoding;
  if (head->has(FieldId::kContentLength)) {
    if (has(head->repeated, FieldId::kContentLength)) return Violation::kContentLengthDuplicate;
    const std::span<const u8> value = firstValue(*head, FieldId::kContentLength);
    if (!parseLength(value, &head->contentLength) || isTabbed(*head, FieldId::kContentLength)) {
      return Violation::kContentLength;
    }
    head->hasLength = true;
    head->bodyKind = BodyKind::kLength;
    return Violation::kNone;
  }
  if (head->minorVersion == 0) return Violation::kTransferVersion;
  if (has(head->repeated, FieldId::kTransferEncoding)) return Violation::kTransferEncoding;
  const std::span<const u8> value = firstValue(*head, FieldId::kTransferEncoding);
  if (!isName(value, "chunked")) return judgeCodings(value);
  if (isTabbed(*head, FieldId::kTransferEncoding)) return Violation::kTransferEncoding;
  head->bodyKind = BodyKind::kChunked;
  return Violation::kNone;
}

struct ConnectionOptions {
  u32 count = 0;
  bool isClose = false;
  bool isKeepAlive = false;
  bool isUpgrade = false;
};

// Marks the fields with this name as belonging to the connection.
void dropNamed(std::span<const u8> name, Head* head) {
  for (size_t i = 0; i < head->fieldCount; ++i) {
    if (isSameName(head->nameOf(head->fields[i]), name)) head->drop(i);
  }
}

Violation readOptions(std::span<const u8> list, ConnectionOptions* options, Head* head) {
  ListReader reader(list);
  std::span<const u8> option;
  while (reader.take(&option)) {
    if (++options->count > kConnectionOptionsMax) return Violation::kConnection;
    if (skipClass(option, 0, kTokenByte | kUnderline) != option.size()) {
      return Violation::kConnection;
    }
    if (isName(option, "close")) {
      options->isClose = true;
    } else if (isName(option, "keep-alive")) {
      options->isKeepAlive = true;
    } else if (isName(option, "upgrade")) {
      options->isUpgrade = true;
    } else if (isAnyName(option, kHopFraming)) {
      return Violation::kConnection;
    } else {
      dropNamed(option, head);
    }
  }
  return Violation::kNone;
}

// Upgrade counts with its option only, and never in HTTP/1.0 (RFC 9110 7.8).
UpgradeTo readUpgrade(const Head& head, const ConnectionOptions& options) {
  const bool isThere = head.has(FieldId::kUpgrade) && options.isUpgrade && head.minorVersion != 0;
  if (!isThere) return UpgradeTo::kNone;
  const bool isOne = !has(head.repeated, FieldId::kUpgrade);
  return isOne && isName(firstValue(head, FieldId::kUpgrade), "websocket") ? UpgradeTo::kWebSocket
                                                                           : UpgradeTo::kOther;
}

Violation readConnection(Head* head) {
  ConnectionOptions options;
  if (head->has(FieldId::kConnection)) {
    const size_t first = head->firstOf[static_cast<size_t>(FieldId::kConnection)];
    for (size_t i = first; i < head->fieldCount; ++i) {
      if (head->fields[i].id != FieldId::kConnection) continue;
      const std::span<const u8> list = head->valueOf(head->fields[i]);
      const Violation violation = readOptions(list, &options, head);
      if (violation != Violation::kNone) return violation;
      if (!has(head->repeated, FieldId::kConnection)) break;
    }
  }
  head->isPersistent = !options.isClose && (head->minorVersion != 0 || options.isKeepAlive);
  head->upgrade = readUpgrade(*head, options);
  return Violation::kNone;
}

// The authority of a target in absolute or authority form.
std::span<const u8> targetAuthority(const Head& head) {
  const std::span<const u8> target = head.bytesOf(head.target);
  if (head.form == TargetForm::kAuthority) return target;
  const std::string_view text = textOf(target);
  const size_t first = text.find("//") + 2;
  const size_t end = std::min(text.find_first_of("/?", first), text.size());
  return target.subspan(first, end - first);
}

// Host, once and valid; a target that names a host must name the same (RFC 9112 3.2, 3.2.2).
Violation readHost(Head* head) {
  const bool hasHost = head->has(FieldId::kHost);
  if (hasHost) head->host = sliceOf(*head, firstValue(*head, FieldId::kHost));
  if (!hasHost && head->minorVersion != 0) return Violation::kHostMissing;
  if (has(head->repeated, FieldId::kHost)) return Violation::kHostDuplicate;
  if (hasHost && !parseAuthority(firstValue(*head, FieldId::kHost), &head->authority)) {
    return Violation::kHost;
  }
  if (head->form == TargetForm::kOrigin || head->form == TargetForm::kAsterisk) {
    return Violation::kNone;
  }
  Authority named;
  const std::span<const u8> written = targetAuthority(*head);
  if (!parseAuthority(written, &named)) return Violation::kTarget;
  const bool isConnect = head->form == TargetForm::kAuthority;
  if (isConnect && named.port == 0) return Violation::kTarget;
  const std::string_view target = head->textOf(head->target);
  const bool isHttps = isName(bytesOf(target.substr(0, kHttpsScheme.size())), kHttpsScheme);
  const u16 defaultPort = isConnect ? named.port : isHttps ? kHttpsPort : kHttpPort;
  if (hasHost && !isSameAuthority(named, head->authority, defaultPort)) {
    return Violation::kHostMismatch;
  }
  head->authority = named;
  head->host = sliceOf(*head, written);
  return Violation::kNone;
}

Violation readExpect(Head* head) {
  if (!head->has(FieldId::kExpect)) return Violation::kNone;
  if (head->minorVersion == 0) {
    // Ignored there (RFC 9110 10.1.1), so that nobody behind answers it.
    for (size_t i = 0; i < head->fieldCount; ++i) {
      if (head->fields[i].id == FieldId::kExpect) head->drop(i);
    }
    return Violation::kNone;
  }
  const bool isOne = !has(head->repeated, FieldId::kExpect);
  if (!isOne || !isName(firstValue(*head, FieldId::kExpect), "100-continue")) {
    return Violation::kExpectation;
  }
  head->isContinueExpected = true;
  return Violation::kNone;
}

}  // namespace

Violation readRequestFields(Head* head) {
  Violation violation = readFraming(head);
  if (violation == Violation::kNone) violation = readHost(head);
  if (violation == Violation::kNone) violation = readConnection(head);
  if (violation == Violation::kNone) violation = readExpect(head);
  if (violation != Violation::kNone) return violation;
  const bool hasNoContent = head->method == Method::kConnect || head->method == Method::kTrace;
  const bool isContent = head->bodyKind == BodyKind::kChunked || head->contentLength > 0;
  if (hasNoContent && isContent) return Violation::kUnexpectedContent;
  // A handshake is a GET, and what follows it is not content (RFC 6455 4.1).
  const bool isHandshake = head->method == Method::kGet && !isContent;
  if (head->upgrade == UpgradeTo::kWebSocket && !isHandshake) head->upgrade = UpgradeTo::kOther;
  return Violation::kNone;
}

Violation readResponseFields(ResponseTo to, Head* head) {
  Violation violation = readFraming(head);
  if (violation == Violation::kNone) violation = readConnection(head);
  if (violation != Violation::kNone) return violation;
  const u16 status = head->status;
  const bool isTunnel = to.method == Method::kConnect && status / 100 == 2;
  if (status / 100 == 1 || status == 204 || isTunnel) {
    // Whoever believed the length would wait for content, or take the next response for it.
    const bool isContent = head->bodyKind == BodyKind::kChunked || head->contentLength > 0;
    if (isContent) return Violation::kForbiddenContent;
    head->bodyKind = BodyKind::kNone;
    head->isSwitch = isTunnel || status == 101;
    if (head->isSwitch) head->isPersistent = false;
    const bool isGranted = to.upgrade != UpgradeTo::kNone && head->upgrade == to.upgrade;
    return status == 101 && !isGranted ? Violation::kUnexpectedSwitch : Violation::kNone;
  }
  if (to.method == Method::kHead || status == 304) {
    head->bodyKind = BodyKind::kNone;
    return Violation::kNone;
  }
  if (head->bodyKind == BodyKind::kNone) {
    head->bodyKind = BodyKind::kUntilClose;
    head->isPersistent = false;
  }
  return Violation::kNone;
}

Violation readTrailerFields(Head* head) {
  if ((head->present & kTrailerRefused) != 0) return Violation::kTrailer;
  for (size_t i = 0; i < head->fieldCount; ++i) {
    if (has(kTrailerDropped, head->fields[i].id)) head->drop(i);
  }
  return Violation::kNone;
}

}  // namespace holdfast::http1
