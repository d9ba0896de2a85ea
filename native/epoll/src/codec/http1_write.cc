// Lines that came in canonical form and are neighbours are copied in one go; others are put
// together from their parts.
#include "codec/http1_write.h"

namespace holdfast::http1 {

namespace {

using codec::Writer;

constexpr FieldSet kPlannedFields =
    setOf(FieldId::kHost, FieldId::kContentLength, FieldId::kTransferEncoding, FieldId::kConnection,
          FieldId::kKeepAlive, FieldId::kProxyConnection, FieldId::kUpgrade);

void putText(std::string_view text, Writer* writer) { writer->putText(text.data(), text.size()); }

void putDecimal(u64 value, Writer* writer) {
  char digits[20];
  size_t at = sizeof(digits);
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  writer->putText(digits + at, sizeof(digits) - at);
}

void putField(std::string_view name, std::string_view value, Writer* writer) {
  putText(name, writer);
  putText(": ", writer);
  putText(value, writer);
  putText(kCrlf, writer);
}

// Text of a plan that could end its line, or be read as something else, fails the writer.
void expectClass(std::string_view text, u8 classes, Writer* writer) {
  if (skipClass(bytesOf(text), 0, classes) != text.size()) writer->fail();
}

void expectValue(std::string_view value, Writer* writer) {
  if (skipValue(bytesOf(value), 0) != value.size()) writer->fail();
}

// Which fields that came are set or removed.
struct EditedNames {
  FieldSet known = 0;
  bool hasOther = false;
};

EditedNames editedNames(std::span<const FieldEdit> edits) {
  EditedNames names;
  for (const FieldEdit& edit : edits) {
    if (edit.kind == FieldEdit::Kind::kAdd) continue;
    if (edit.id == FieldId::kOther) {
      names.hasOther = true;
    } else {
      names.known |= setOf(edit.id);
    }
  }
  return names;
}

bool isEdited(std::span<const u8> name, std::span<const FieldEdit> edits) {
  for (const FieldEdit& edit : edits) {
    const bool isOther = edit.kind != FieldEdit::Kind::kAdd && edit.id == FieldId::kOther;
    if (isOther && isSameName(name, bytesOf(edit.name))) return true;
  }
  return false;
}

// Copies fields of a head, in their order.
class FieldCopier {
 public:
  FieldCopier(const Head& head, Writer* writer) : head_(head), writer_(writer) {}

  void copy(const Field& field) {
    const size_t lineAt = field.nameAt;
    const size_t colonAt = lineAt + field.nameLength;
    const size_t valueEnd = size_t{field.valueAt} + field.valueLength;
    const bool isCanonical = field.valueAt == colonAt + 2 && head_.base[colonAt + 1] == ' ' &&
                             head_.base[valueEnd] == '\r';
    if (!isCanonical) {
      flush();
      putField(textOf(head_.nameOf(field)), textOf(head_.valueOf(field)), writer_);
      return;
    }
    if (lineAt != runEnd_) {
      flush();
      runAt_ = lineAt;
    }
    runEnd_ = valueEnd + 2;
  }

  void flush() {
    if (runEnd_ != runAt_) writer_->put({head_.base + runAt_, runEnd_ - runAt_});
    runAt_ = runEnd_ = 0;
  }

 private:
  const Head& head_;
  Writer* writer_;
  size_t runAt_ = 0;
  size_t runEnd_ = 0;
};

void copyFields(const Head& head, std::span<const FieldEdit> edits, Writer* writer) {
  const EditedNames names = editedNames(edits);
  const FieldSet left = kOwnFields | names.known;
  FieldCopier copier(head, writer);
  for (size_t i = 0; i < head.fieldCount; ++i) {
    const Field& field = head.fields[i];
    if (has(left, field.id) || head.isDropped(i)) continue;
    if (names.hasOther && field.id == FieldId::kOther && isEdited(head.nameOf(field), edits)) {
      continue;
    }
    copier.copy(field);
  }
  copier.flush();
}

void putEdits(std::span<const FieldEdit> edits, Writer* writer) {
  for (const FieldEdit& edit : edits) {
    if (!isEditable(edit.id) || edit.name.empty()) writer->fail();
    if (edit.kind == FieldEdit::Kind::kRemove) continue;
    expectClass(edit.name, kTokenByte | kUnderline, writer);
    expectValue(edit.value, writer);
    putField(edit.name, edit.value, writer);
  }
}

void putFraming(bool isChunked, bool hasLength, u64 contentLength, Writer* writer) {
  if (isChunked) {
    putText("Transfer-Encoding: chunked\r\n", writer);
  } else if (hasLength) {
    putText("Content-Length: ", writer);
    putDecimal(contentLength, writer);
    putText(kCrlf, writer);
  }
}

void putHop(Hop hop, Writer* writer) {
  switch (hop) {
    case Hop::kKeep:
      return;
    case Hop::kKeepAlive:
      return putText("Connection: keep-alive\r\n", writer);
    case Hop::kClose:
      return putText("Connection: close\r\n", writer);
    case Hop::kWebSocket:
      return putText("Connection: upgrade\r\nUpgrade: websocket\r\n", writer);
  }
}

void putStatusLine(const ResponsePlan& plan, Writer* writer) {
  if (plan.status < 100 || plan.status > 599) writer->fail();
  expectValue(plan.reason, writer);
  putText("HTTP/1.1 ", writer);
  putDecimal(plan.status, writer);
  putText(" ", writer);
  putText(plan.reason, writer);
  putText(kCrlf, writer);
}

// Methods whose requests say that they have no content (RFC 9110 8.6).
bool isLengthExpected(Method method) {
  return method == Method::kPost || method == Method::kPut || method == Method::kPatch;
}

}  // namespace

bool isEditable(FieldId id) { return !has(kPlannedFields, id); }

RequestPlan planRequest(const Head& head) {
  RequestPlan plan;
  const bool isWhole = head.form == TargetForm::kAuthority;
  plan.method = head.textOf(head.methodName);
  plan.path = isWhole ? head.textOf(head.target) : head.pathText();
  plan.query = head.textOf(head.query);
  plan.host = head.textOf(head.host);
  plan.hasQuery = head.hasQuery;
  plan.hasLength = head.hasLength || isLengthExpected(head.method);
  plan.isChunked = head.bodyKind == BodyKind::kChunked;
  plan.contentLength = head.contentLength;
  return plan;
}

ResponsePlan planResponse(const Head& head) {
  ResponsePlan plan;
  // A length without content is still told, where it is that of a GET (RFC 9110 8.6).
  const bool isEmptyStatus = head.status / 100 == 1 || head.status == 204 || head.isSwitch;
  plan.status = head.status;
  plan.hasLength = head.hasLength && !isEmptyStatus;
  plan.isChunked = head.bodyKind == BodyKind::kChunked;
  plan.hop = head.status == 101 ? Hop::kWebSocket : Hop::kKeep;
  plan.reason = head.textOf(head.reason);
  plan.contentLength = head.contentLength;
  return plan;
}

bool writeRequestHead(const Head& head, const RequestPlan& plan, Writer* writer) {
  if (plan.method.empty() || plan.path.empty() || plan.host.empty()) writer->fail();
  expectClass(plan.method, kTokenByte | kUnderline, writer);
  expectClass(plan.path, kPathByte, writer);
  expectClass(plan.query, kQueryByte, writer);
  // Of the bytes of a host, all are in paths too.
  expectClass(plan.host, kPathByte, writer);
  putText(plan.method, writer);
  putText(" ", writer);
  putText(plan.path, writer);
  if (plan.hasQuery) {
    putText("?", writer);
    putText(plan.query, writer);
  }
  putText(" HTTP/1.1\r\n", writer);
  putField("Host", plan.host, writer);
  copyFields(head, plan.edits, writer);
  putEdits(plan.edits, writer);
  putFraming(plan.isChunked, plan.hasLength, plan.contentLength, writer);
  putHop(plan.hop, writer);
  putText(kCrlf, writer);
  return !writer->isFailed();
}

bool writeResponseHead(const Head& head, const ResponsePlan& plan, Writer* writer) {
  putStatusLine(plan, writer);
  copyFields(head, plan.edits, writer);
  putEdits(plan.edits, writer);
  putFraming(plan.isChunked, plan.hasLength, plan.contentLength, writer);
  putHop(plan.hop, writer);
  putText(kCrlf, writer);
  return !writer->isFailed();
}

bool writeOwnResponseHead(const ResponsePlan& plan, Writer* writer) {
  putStatusLine(plan, writer);
  putEdits(plan.edits, writer);
  putFraming(plan.isChunked, plan.hasLength, plan.contentLength, writer);
  putHop(plan.hop, writer);
  putText(kCrlf, writer);
  return !writer->isFailed();
}

bool writeChunkSize(u64 contentBytes, Writer* writer) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (contentBytes == 0) writer->fail();
  char digits[kChunkSizeDigitsMax];
  size_t at = sizeof(digits);
  do {
    digits[--at] = kDigits[contentBytes & 15];
    contentBytes >>= 4;
  } while (contentBytes != 0);
  writer->putText(digits + at, sizeof(digits) - at);
  putText(kCrlf, writer);
  return !writer->isFailed();
}

bool writeTrailers(const Head& trailers, Writer* writer) {
  putText("0\r\n", writer);
  copyFields(trailers, {}, writer);
  putText(kCrlf, writer);
  return !writer->isFailed();
}

}  // namespace holdfast::http1
