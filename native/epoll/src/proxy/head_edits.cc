// Edits of heads that several filters make: which of them hold, and what those behind them see.
//
// A filter that sets or removes a field undoes what filters in front of it did to the field. Native
// filters of a listener, and filters in TypeScript before the route, have their edits written into
// the head of the request, which is then read again; native filters of a route have theirs kept for
// the endpoint, and filters in TypeScript behind them are shown a head that has them already.
// Invariant: a field that a filter sets is never seen behind it as the client sent it.
#include <algorithm>
#include <cstring>

#include "proxy/filter_host.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

using http1::FieldEdit;
using http1::FieldId;

// What the gateway writes anew for the endpoint, and what filters behind read however it is hidden
// from the endpoint: edits of these are kept for the message that is written.
constexpr http1::FieldSet kForEndpoint = http1::setOf(
    FieldId::kXForwardedFor, FieldId::kXForwardedProto, FieldId::kXForwardedHost,
    FieldId::kXForwardedPort, FieldId::kXForwardedPrefix, FieldId::kXRealIp, FieldId::kXOriginalUrl,
    FieldId::kXRewriteUrl, FieldId::kForwarded, FieldId::kVia, FieldId::kXRequestId,
    FieldId::kTraceparent, FieldId::kTracestate, FieldId::kAuthorization, FieldId::kAcceptEncoding);

bool isSameField(const FieldEdit& edit, FieldId id, std::span<const u8> name) {
  return edit.id == id &&
         (id != FieldId::kOther || http1::isSameName(name, http1::bytesOf(edit.name)));
}

void putText(std::string_view text, codec::Writer* writer) {
  writer->putText(text.data(), text.size());
}

void putField(std::string_view name, std::string_view value, codec::Writer* writer) {
  putText(name, writer);
  putText(": ", writer);
  putText(value, writer);
  putText("\r\n", writer);
}

// The request in `head` with edits. Empty `target` and `host` stay as they are.
void writeHead(const http1::Head& head, std::span<const FieldEdit> edits, std::string_view target,
               std::string_view host, codec::Writer* writer) {
  putText(head.textOf(head.methodName), writer);
  putText(" ", writer);
  // The host stands in its field alone.
  const bool isAbsolute = head.form == http1::TargetForm::kAbsolute && target.empty();
  if (isAbsolute) {
    putText(head.pathText(), writer);
    if (head.hasQuery) putText("?", writer);
    putText(head.textOf(head.query), writer);
  } else {
    putText(target.empty() ? head.textOf(head.target) : target, writer);
  }
  putText(head.minorVersion == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n", writer);
  if (host.empty()) host = head.textOf(head.host);
  if (!host.empty()) putField("Host", host, writer);
  // What the client says of its connection holds, but for the names of fields: those it named are
  // out, and what filters put in stays (RFC 9110 7.6.1).
  if (head.isPersistent != (head.minorVersion != 0)) {
    putField("Connection", head.isPersistent ? "keep-alive" : "close", writer);
  }
  if (head.upgrade != http1::UpgradeTo::kNone) putField("Connection", "upgrade", writer);
  for (u16 i = 0; i < head.fieldCount; i++) {
    const http1::Field& field = head.fields[i];
    const bool isOfConnection = field.id == FieldId::kConnection || head.isDropped(i);
    if (field.id == FieldId::kHost || isOfConnection) continue;
    const auto replaces = [&](const FieldEdit& edit) {
      return edit.kind != FieldEdit::Kind::kAdd && isSameField(edit, field.id, head.nameOf(field));
    };
    if (std::any_of(edits.begin(), edits.end(), replaces)) continue;
    putField(http1::textOf(head.nameOf(field)), http1::textOf(head.valueOf(field)), writer);
  }
  for (const FieldEdit& edit : edits) {
    if (edit.kind != FieldEdit::Kind::kRemove) putField(edit.name, edit.value, writer);
  }
  putText("\r\n", writer);
}

}  // namespace

void Shard::EditList::settle(size_t from) {
  for (size_t late = from; late < count; late++) {
    const FieldEdit& last = edits[late];
    if (last.kind == FieldEdit::Kind::kAdd) continue;
    for (size_t i = 0; i < late; i++) {
      if (!isSameField(edits[i], last.id, http1::bytesOf(last.name))) continue;
      edits[i].kind = FieldEdit::Kind::kRemove;
    }
  }
}

// Writes the head in the scratch anew, and what came behind it.
bool Shard::replaceHead(const EditList& edits, std::string_view target, std::string_view host,
                        size_t* total) {
  codec::Writer writer({outScratch_, kHttpOutBytes});
  writeHead(head_, edits.all(), target, host, &writer);
  const size_t rest = *total - head_.length;
  if (edits.isFull() || writer.isFailed() || writer.size() + rest > kScratchBytes) return false;
  std::memmove(scratch_ + writer.size(), scratch_ + head_.length, rest);
  std::memcpy(scratch_, outScratch_, writer.size());
  *total = writer.size() + rest;
  return true;
}

// The same with the edits of an answer.
bool Shard::rewriteHead(const FilterAnswer& answered, size_t* total) {
  HF_UNINITIALIZED EditList edits;
  std::string_view target;
  std::string_view host;
  for (u32 i = 0; i < answered.editCount; i++) {
    const FieldEdit edit = answered.edit(i);
    if (edit.name == ":path") {
      target = edit.value;
    } else if (edit.name == ":host") {
      host = edit.value;
    } else {
      edits.put(edit.kind, edit.id, edit.name, edit.value);
    }
  }
  edits.settle(0);
  return replaceHead(edits, target, host, total);
}

// Takes out of the outcome what the policies of the listener change in the head of the request, and
// leaves what is for the endpoint alone.
void Shard::takeHeadEdits(EditList* edits) {
  policy::FieldEdits& fields = outcome_.requestFields;
  u32 kept = 0;
  for (u32 i = 0; i < fields.count; i++) {
    const FieldEdit& edit = fields.edits[i];
    if (http1::has(kForEndpoint, edit.id)) {
      fields.edits[kept++] = edit;
    } else {
      edits->put(edit.kind, edit.id, edit.name, edit.value);
    }
  }
  fields.count = kept;
  edits->settle(0);
}

// Writes edits into the head and reads it again. False when the request was refused.
bool Shard::editHead(const Request& request, const EditList& edits, size_t* total) {
  HttpConn& http = httpOf(request.tunnel);
  http.scan = http1::HeadScan{};
  http1::Rules rules = rulesOf(*request.spec);
  rules.isUnderscoreAllowed = true;  // in names that filters set; those of the client were judged
  const bool isRead = replaceHead(edits, {}, {}, total) &&
                      http1::takeRequest({scratch_, *total}, rules, &http.scan, &head_).kind ==
                          http1::HeadResult::Kind::kHead;
  if (!isRead) refuseRequest(request.tunnel, http1::Violation::kHeadTooLong);
  return isRead;
}

// The head of the request with the edits that are kept for the endpoint, until the next call.
// Without fields where that head would be too long: then nobody is shown what the client sent.
const http1::Head& Shard::headToCome(const Request& request) {
  if (editedHead_ == nullptr) editedHead_ = std::make_unique<http1::Head>();
  const size_t textLength = textLength_;
  HF_UNINITIALIZED EditList edits;
  putKept(exchangePool_[request.exchange].toEndpoint, edits);
  edits.settle(0);
  const std::span<u8> room(outScratch_ + outLength_, kHttpOutBytes - outLength_);
  codec::Writer writer(room);
  writeHead(*request.head, edits.all(), {}, {}, &writer);
  textLength_ = textLength;
  http1::HeadScan scan;
  const bool isRead =
      !edits.isFull() && !writer.isFailed() &&
      http1::takeRequest(room.first(writer.size()), http1::kOwnRules, &scan, editedHead_.get())
              .kind == http1::HeadResult::Kind::kHead;
  if (isRead) return *editedHead_;
  *editedHead_ = *request.head;
  editedHead_->fieldCount = 0;
  editedHead_->present = 0;
  return *editedHead_;
}

}  // namespace holdfast::proxy
