// Lines, one after the other; a line that is not complete is looked at again from its start, a head
// that came in pieces is read once more at its end, because tables are not kept between pieces.
#include "codec/http1_head.h"

#include <algorithm>

#include "codec/http1_semantics.h"

namespace holdfast::http1 {

namespace {

enum class Part : u8 { kRequest, kResponse, kTrailers };

constexpr std::string_view kVersionPrefix = "HTTP/1.";
constexpr size_t kVersionBytes = 8;
constexpr size_t kStatusDigits = 3;
// "<method> <target> HTTP/1.1\r\n" without the target.
constexpr size_t kRequestLineOverhead = kMethodBytesMax + 1 + 1 + kVersionBytes + 2;

// How one step over a line ended.
enum class Step : u8 { kLine, kEnd, kIncomplete, kViolation };

// "HTTP/" digits "." digits: a version, if one that is not spoken here.
bool isVersionForm(std::span<const u8> text) {
  constexpr size_t kNameBytes = 5;
  if (textOf(text.first(std::min(kNameBytes, text.size()))) != "HTTP/") return false;
  size_t at = kNameBytes;
  while (at < text.size() && isDigit(text[at])) ++at;
  if (at == kNameBytes || at == text.size() || text[at] != '.') return false;
  const size_t minorAt = ++at;
  while (at < text.size() && isDigit(text[at])) ++at;
  return at > minorAt && at < text.size() && (text[at] == '\r' || text[at] == ' ');
}

class HeadReader {
 public:
  HeadReader(std::span<const u8> bytes, const Rules& rules, Part part, HeadScan* scan, Head* head)
      : bytes_(bytes.first(std::min<size_t>(bytes.size(), rules.headBytesMax))),
        presented_(bytes.size()),
        rules_(rules),
        part_(part),
        nameClass_(static_cast<u8>(kTokenByte | (rules.isUnderscoreAllowed ? kUnderline : 0))),
        scan_(scan),
        head_(head) {
    HF_DASSERT(rules.headBytesMax <= kHeadBytesHardMax && rules.fieldsMax <= kFieldsHardMax);
  }

  // Everything up to the empty line; kHead when it is there.
  HeadResult read() {
    if (scan_->scanned != 0 && !hasLineFeed(bytes_.subspan(scan_->scanned))) return wait();
    const bool isResumed = scan_->isStarted;
    HeadResult result = readLines();
    if (result.kind == HeadResult::Kind::kHead && isResumed) {
      *scan_ = HeadScan{};
      result = readLines();
    }
    return result;
  }

 private:
  HeadResult readLines() {
    at_ = scan_->lineAt;
    if (!scan_->isStarted) {
      resetHead();
      const Step step = readStart();
      if (step != Step::kLine) return finish(step);
    }
    Step step = Step::kLine;
    while (step == Step::kLine) step = readField();
    return finish(step);
  }

  void resetHead() {
    head_->base = bytes_.data();
    head_->length = 0;
    head_->fieldCount = 0;
    head_->status = 0;
    head_->minorVersion = 1;
    head_->method = Method::kOther;
    head_->form = TargetForm::kOrigin;
    head_->bodyKind = BodyKind::kNone;
    head_->upgrade = UpgradeTo::kNone;
    head_->hasLength = false;
    head_->isPersistent = false;
    head_->isContinueExpected = false;
    head_->isSwitch = false;
    head_->hasQuery = false;
    head_->contentLength = 0;
    head_->methodName = head_->target = head_->path = head_->query = Slice{};
    head_->host = head_->reason = Slice{};
    head_->present = 0;
    head_->repeated = 0;
    std::fill(std::begin(head_->dropped), std::end(head_->dropped), 0);
    head_->authority.port = 0;
    head_->authority.hostLength = 0;
  }

  // More bytes are needed; or would not help.
  HeadResult wait() {
    if (!scan_->isStarted) {
      const size_t at = scan_->lineAt;
      const size_t lineBytes = bytes_.size() - at;
      const bool isRequest = part_ == Part::kRequest;
      const u8 first = lineBytes == 0 ? u8{'\r'} : bytes_[at];
      // Nothing that follows makes this a request: a hello of TLS, for example.
      if (isRequest && first == '\n') return violated(Violation::kLineEnd);
      if (isRequest && first != '\r' && !isToken(first)) return violated(Violation::kMethod);
      if (lineBytes >= startLineMax()) {
        return violated(isRequest ? Violation::kTargetTooLong : Violation::kStatusLine);
      }
    }
    if (presented_ >= rules_.headBytesMax) return violated(Violation::kHeadTooLong);
    scan_->scanned = static_cast<u16>(bytes_.size());
    return {};
  }

  HeadResult violated(Violation violation) {
    *scan_ = HeadScan{};
    return {HeadResult::Kind::kViolation, violation};
  }

  // A violation counts when its line is complete: until then, the line may still be too long.
  HeadResult finish(Step step) {
    switch (step) {
      case Step::kEnd:
        head_->fieldCount = scan_->fieldCount;
        return {HeadResult::Kind::kHead, Violation::kNone};
      case Step::kViolation:
        return hasLineFeed(line()) ? violated(violation_) : wait();
      default:
        return wait();
    }
  }

  // The bytes in which the line at lineAt must end.
  std::span<const u8> line() const {
    const std::span<const u8> rest = bytes_.subspan(scan_->lineAt);
    return scan_->isStarted ? rest : rest.first(std::min(rest.size(), startLineMax()));
  }

  size_t startLineMax() const {
    return part_ == Part::kRequest ? rules_.targetBytesMax + kRequestLineOverhead
                                   : size_t{kStatusLineBytesMax};
  }

  Step fail(Violation violation) {
    violation_ = violation;
    return Step::kViolation;
  }

  Slice slice(size_t first, size_t end) const {
    return {static_cast<u16>(first), static_cast<u16>(end - first)};
  }

  Step readStart() {
    if (part_ == Part::kTrailers) {
      scan_->isStarted = true;
      return Step::kLine;
    }
    if (part_ == Part::kRequest && at_ == 0 && !bytes_.empty() && bytes_[0] == '\r') {
      // One empty line in front, as some clients send it behind a body (RFC 9112 2.2).
      if (bytes_.size() < 2) return Step::kIncomplete;
      if (bytes_[1] != '\n') return fail(Violation::kLineEnd);
      at_ = 2;
      scan_->lineAt = 2;
    }
    const Step step = part_ == Part::kRequest ? readRequestLine() : readStatusLine();
    if (step != Step::kLine) return step;
    scan_->lineAt = static_cast<u16>(at_);
    scan_->isStarted = true;
    return Step::kLine;
  }

  Step readRequestLine() {
    const std::span<const u8> bytes = startBytes();
    const size_t methodEnd = skipClass(bytes, at_, kTokenByte | kUnderline);
    if (methodEnd == bytes.size()) return Step::kIncomplete;
    if (methodEnd == at_)
      return fail(bytes[at_] == '\n' ? Violation::kLineEnd : Violation::kMethod);
    if (methodEnd - at_ > kMethodBytesMax) return fail(Violation::kMethodTooLong);
    if (bytes[methodEnd] != ' ') return fail(lineViolation(bytes[methodEnd], Violation::kMethod));
    head_->methodName = slice(at_, methodEnd);
    head_->method = classifyMethod(bytes.subspan(at_, methodEnd - at_));
    const size_t targetAt = methodEnd + 1;
    const size_t pathEnd = skipClass(bytes, targetAt, kPathByte);
    size_t end = pathEnd;
    head_->hasQuery = pathEnd < bytes.size() && bytes[pathEnd] == '?';
    if (head_->hasQuery) {
      end = skipClass(bytes, pathEnd + 1, kQueryByte);
      head_->query = slice(pathEnd + 1, end);
    }
    if (end == bytes.size()) return Step::kIncomplete;
    if (bytes[end] != ' ') return fail(lineViolation(bytes[end], Violation::kTarget));
    if (end == targetAt) return fail(Violation::kRequestLine);
    if (end - targetAt > rules_.targetBytesMax) return fail(Violation::kTargetTooLong);
    head_->target = slice(targetAt, end);
    head_->path = slice(targetAt, pathEnd);
    const Step step = readVersion(bytes, end + 1);
    if (step != Step::kLine) return step;
    return isTargetFormed() ? Step::kLine : fail(Violation::kTarget);
  }

  // A line that ends too early ends, whatever else is wrong with it.
  static Violation lineViolation(u8 byte, Violation otherwise) {
    return byte == '\r' || byte == '\n' ? Violation::kRequestLine : otherwise;
  }

  // The start line can only be in these bytes.
  std::span<const u8> startBytes() const {
    return bytes_.first(std::min(bytes_.size(), scan_->lineAt + startLineMax()));
  }

  // "HTTP/1.1" and the end of the line.
  Step readVersion(std::span<const u8> bytes, size_t first) {
    const std::span<const u8> rest = bytes.subspan(first);
    if (rest.size() >= kVersionBytes + 2 && isSpoken(rest) && rest[kVersionBytes] == '\r' &&
        rest[kVersionBytes + 1] == '\n') {
      head_->minorVersion = static_cast<u8>(rest[kVersionBytes - 1] - '0');
      at_ = first + kVersionBytes + 2;
      return Step::kLine;
    }
    const std::span<const u8> text = lineOf(rest);
    if (text.empty()) return Step::kIncomplete;
    if (!isSpoken(text)) {
      return fail(isVersionForm(text) ? Violation::kVersion : Violation::kRequestLine);
    }
    const u8 end = text[kVersionBytes];
    if (end == '\r' || end == '\n') return fail(Violation::kLineEnd);
    return fail(isVersionForm(text) ? Violation::kVersion : Violation::kRequestLine);
  }

  // A version that is spoken here, and at least one byte behind it.
  static bool isSpoken(std::span<const u8> text) {
    if (text.size() <= kVersionBytes) return false;
    const u8 minor = text[kVersionBytes - 1];
    return textOf(text.first(kVersionPrefix.size())) == kVersionPrefix &&
           (minor == '0' || minor == '1');
  }

  // The bytes up to their first LF and with it; none while there is none.
  static std::span<const u8> lineOf(std::span<const u8> bytes) {
    const size_t end = textOf(bytes).find('\n');
    return end == std::string_view::npos ? std::span<const u8>() : bytes.first(end + 1);
  }

  // The form of the target is one that the method allows (RFC 9112 3.2).
  bool isTargetFormed() {
    const std::string_view text = head_->textOf(head_->target);
    if (head_->method == Method::kConnect) {
      head_->form = TargetForm::kAuthority;
      head_->path = Slice{};
      return !head_->hasQuery && text[0] != '/';
    }
    if (text[0] == '/') return true;
    if (text == "*") {
      head_->form = TargetForm::kAsterisk;
      return head_->method == Method::kOptions;
    }
    head_->form = TargetForm::kAbsolute;
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return false;
    const std::span<const u8> scheme = http1::bytesOf(text.substr(0, colon));
    if (!isName(scheme, "http") && !isName(scheme, "https")) return false;
    if (text.substr(colon, 3) != "://") return false;
    const size_t authorityAt = colon + 3;
    const size_t pathAt = std::min(text.find_first_of("/?", authorityAt), text.size());
    const size_t pathEnd = head_->hasQuery ? text.find('?') : text.size();
    head_->path = slice(head_->target.at + pathAt, head_->target.at + pathEnd);
    return true;
  }

  Step readStatusLine() {
    const std::span<const u8> text = lineOf(startBytes().subspan(at_));
    if (text.empty()) return Step::kIncomplete;
    if (!isSpoken(text)) {
      return fail(isVersionForm(text) ? Violation::kVersion : Violation::kStatusLine);
    }
    constexpr size_t kFixedBytes = kVersionBytes + 1 + kStatusDigits;
    if (text.size() < kFixedBytes + 1) return fail(Violation::kStatusLine);
    if (text[kVersionBytes] != ' ') return fail(Violation::kStatusLine);
    u32 status = 0;
    for (size_t i = 0; i < kStatusDigits; ++i) {
      const u8 digit = text[kVersionBytes + 1 + i];
      if (!isDigit(digit)) return fail(Violation::kStatusLine);
      status = status * 10 + static_cast<u32>(digit - '0');
    }
    if (status < 100 || status > 599) return fail(Violation::kStatusLine);
    // Many leave out the space when there is no reason.
    const bool hasReason = text[kFixedBytes] == ' ';
    const size_t lineAt = at_;
    const size_t reasonAt = kFixedBytes + (hasReason ? 1 : 0);
    const size_t end = hasReason ? skipValue(text, reasonAt) : reasonAt;
    const Step step = readLineEnd(bytes_, lineAt + end, Violation::kStatusLine);
    if (step != Step::kLine) return step;
    head_->minorVersion = static_cast<u8>(text[kVersionBytes - 1] - '0');
    head_->status = static_cast<u16>(status);
    head_->reason = slice(lineAt + reasonAt, lineAt + end);
    return Step::kLine;
  }

  // CRLF at `end`; then at_ is behind it.
  Step readLineEnd(std::span<const u8> bytes, size_t end, Violation otherwise) {
    if (end == bytes.size()) return Step::kIncomplete;
    if (bytes[end] == '\n') return fail(Violation::kLineEnd);
    if (bytes[end] != '\r') return fail(otherwise);
    if (end + 1 == bytes.size()) return Step::kIncomplete;
    if (bytes[end + 1] != '\n') return fail(Violation::kLineEnd);
    at_ = end + 2;
    return Step::kLine;
  }

  // One field line, or the empty line.
  Step readField() {
    const size_t lineAt = at_;
    const size_t nameEnd = skipClass(bytes_, lineAt, nameClass_);
    if (nameEnd == bytes_.size()) return Step::kIncomplete;
    if (nameEnd == lineAt || bytes_[nameEnd] != ':') return readOddLine(lineAt, nameEnd);
    const size_t valueAt = skipSpaces(bytes_, nameEnd + 1);
    const size_t lineEnd = skipValue(bytes_, valueAt);
    const Step step = readLineEnd(bytes_, lineEnd, Violation::kFieldValue);
    if (step != Step::kLine) return step;
    size_t valueEnd = lineEnd;
    while (valueEnd > valueAt && isSpace(bytes_[valueEnd - 1])) --valueEnd;
    return addField(slice(lineAt, nameEnd), slice(valueAt, valueEnd));
  }

  // A line that does not begin with a name and a colon: the empty one, or a violation.
  Step readOddLine(size_t lineAt, size_t nameEnd) {
    const u8 byte = bytes_[nameEnd];
    if (nameEnd != lineAt) {
      return fail(byte == '_' ? Violation::kUnderscore : Violation::kFieldName);
    }
    if (isSpace(byte)) return fail(Violation::kFieldFold);
    if (byte == '\n') return fail(Violation::kLineEnd);
    if (byte == '_') return fail(Violation::kUnderscore);
    if (byte != '\r') return fail(Violation::kFieldName);
    const Step step = readLineEnd(bytes_, lineAt, Violation::kLineEnd);
    if (step != Step::kLine) return step;
    head_->length = static_cast<u16>(at_);
    return Step::kEnd;
  }

  Step addField(Slice name, Slice value) {
    if (name.length > kFieldNameBytesMax) return fail(Violation::kFieldNameTooLong);
    if (scan_->fieldCount >= rules_.fieldsMax) return fail(Violation::kTooManyFields);
    const u32 weight = scan_->weight + u32{name.length} + value.length + kFieldWeight;
    if (weight > rules_.headBytesMax) return fail(Violation::kHeadTooLong);
    const FieldId id = classifyField(bytes_.subspan(name.at, name.length));
    const u8 index = scan_->fieldCount++;
    head_->fields[index] = {name.at, value.at, value.length, static_cast<u8>(name.length), id};
    if (id != FieldId::kOther) {
      const FieldSet bit = setOf(id);
      if ((head_->present & bit) == 0) head_->firstOf[static_cast<size_t>(id)] = index;
      head_->repeated |= head_->present & bit;
      head_->present |= bit;
    }
    scan_->weight = static_cast<u16>(weight);
    scan_->lineAt = static_cast<u16>(at_);
    return Step::kLine;
  }

  std::span<const u8> bytes_;  // never beyond headBytesMax
  size_t presented_;
  const Rules& rules_;
  Part part_;
  u8 nameClass_;
  HeadScan* scan_;
  Head* head_;
  size_t at_ = 0;
  Violation violation_ = Violation::kNone;
};

// The lines were read; what they say together decides.
HeadResult conclude(Violation violation, HeadScan* scan) {
  *scan = HeadScan{};
  if (violation != Violation::kNone) return {HeadResult::Kind::kViolation, violation};
  return {HeadResult::Kind::kHead, Violation::kNone};
}

}  // namespace

HeadResult takeRequest(std::span<const u8> bytes, const Rules& rules, HeadScan* scan, Head* head) {
  const HeadResult result = HeadReader(bytes, rules, Part::kRequest, scan, head).read();
  if (result.kind != HeadResult::Kind::kHead) return result;
  return conclude(readRequestFields(head), scan);
}

HeadResult takeResponse(std::span<const u8> bytes, const Rules& rules, ResponseTo to,
                        HeadScan* scan, Head* head) {
  const HeadResult result = HeadReader(bytes, rules, Part::kResponse, scan, head).read();
  if (result.kind != HeadResult::Kind::kHead) return result;
  return conclude(readResponseFields(to, head), scan);
}

HeadResult takeTrailers(std::span<const u8> bytes, const Rules& rules, HeadScan* scan, Head* head) {
  const HeadResult result = HeadReader(bytes, rules, Part::kTrailers, scan, head).read();
  if (result.kind != HeadResult::Kind::kHead) return result;
  return conclude(readTrailerFields(head), scan);
}

bool canKeep(std::span<const u8> fresh, const Rules& rules, HeadScan* scan) {
  // The first byte of a start line is looked at, and below the limit of every start line.
  if (!scan->isStarted && scan->scanned <= scan->lineAt) return false;
  if (scan->scanned == 0 || hasLineFeed(fresh)) return false;
  const u32 startMax = std::min<u32>(kStatusLineBytesMax, rules.targetBytesMax);
  const size_t bytesMax =
      scan->isStarted ? rules.headBytesMax : std::min(rules.headBytesMax, startMax);
  const size_t bytes = scan->scanned + fresh.size();
  if (bytes >= bytesMax) return false;
  scan->scanned = static_cast<u16>(bytes);
  return true;
}

}  // namespace holdfast::http1
