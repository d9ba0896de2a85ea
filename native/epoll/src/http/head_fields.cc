// Both walk the table of fields; what the handshake does not need is told apart by its id.
#include "http/head_fields.h"

#include <algorithm>

namespace holdfast::http {

namespace {

constexpr http1::FieldSet kHandshakeFields =
    http1::setOf(http1::FieldId::kUpgrade, http1::FieldId::kConnection,
                 http1::FieldId::kSecWebSocketKey, http1::FieldId::kSecWebSocketAccept,
                 http1::FieldId::kSecWebSocketVersion, http1::FieldId::kSecWebSocketExtensions);

bool isSameName(std::span<const u8> name, std::string_view lowerCase) {
  return name.size() == lowerCase.size() &&
         std::equal(name.begin(), name.end(), lowerCase.begin(), [](u8 a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == static_cast<u8>(b);
         });
}

bool findField(const void* owner, std::string_view name, u32 nth, std::string_view* value) {
  const auto& head = *static_cast<const http1::Head*>(owner);
  for (size_t i = 0; i < head.fieldCount; ++i) {
    const http1::Field& field = head.fields[i];
    if (head.isDropped(i) && field.id != http1::FieldId::kUpgrade) continue;
    if (!isSameName(head.nameOf(field), name) || nth-- != 0) continue;
    *value = http1::textOf(head.valueOf(field));
    return true;
  }
  return false;
}

template <typename Handshake>
Handshake handshakeOf(const http1::Head& head) {
  Handshake handshake;
  for (size_t i = 0; i < head.fieldCount; ++i) {
    const http1::Field& field = head.fields[i];
    if (!http1::has(kHandshakeFields, field.id)) continue;
    handshake.take(http1::textOf(head.nameOf(field)), http1::textOf(head.valueOf(field)));
  }
  return handshake;
}

}  // namespace

HeaderLookup headerLookupOf(const http1::Head& head) { return {&head, &findField}; }

codec::UpgradeRequest upgradeRequestOf(const http1::Head& head) {
  return handshakeOf<codec::UpgradeRequest>(head);
}

codec::UpgradeResponse upgradeResponseOf(const http1::Head& head) {
  return handshakeOf<codec::UpgradeResponse>(head);
}

}  // namespace holdfast::http
