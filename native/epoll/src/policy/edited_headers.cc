// See edited_headers.h.
#include "policy/edited_headers.h"

#include "codec/http1_bytes.h"

namespace holdfast::policy {
namespace {

using Kind = http1::FieldEdit::Kind;

constexpr http1::FieldSet kStillSeen =
    http1::setOf(http1::FieldId::kAuthorization, http1::FieldId::kAcceptEncoding);

bool isOf(const http1::FieldEdit& edit, std::string_view name) {
  const bool isSeen = edit.kind == Kind::kRemove && http1::has(kStillSeen, edit.id);
  return !isSeen && http1::isSameName(http1::bytesOf(edit.name), http1::bytesOf(name));
}

}  // namespace

bool findEdited(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  const auto& [edits, base] = *static_cast<const EditedHeaders*>(owner);
  // The last one that replaces what stood before it.
  u32 first = 0;
  bool isReplaced = false;
  for (u32 i = edits->count; i > 0 && !isReplaced; --i) {
    isReplaced = edits->edits[i - 1].kind != Kind::kAdd && isOf(edits->edits[i - 1], name);
    if (isReplaced) first = i - 1;
  }
  if (!isReplaced && base.find != nullptr) {
    u32 count = 0;
    if (base.find(base.owner, name, nth, value)) return true;
    while (count < nth && base.find(base.owner, name, count, value)) ++count;
    nth -= count;
  }
  for (u32 i = first; i < edits->count; ++i) {
    const http1::FieldEdit& edit = edits->edits[i];
    if (edit.kind == Kind::kRemove || !isOf(edit, name) || nth-- != 0) continue;
    *value = edit.value;
    return true;
  }
  return false;
}

}  // namespace holdfast::policy
