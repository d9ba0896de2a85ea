// A hash over the length, the first and the last two bytes of a name, without collisions.
#include "codec/http1_field.h"

#include <array>
#include <iterator>

namespace holdfast::http1 {

namespace {

constexpr u32 kSlotBits = 8;
constexpr u32 kMultipliersTried = 4000;
constexpr size_t kNameBytesMin = 2;

constexpr u32 keyOf(u8 first, u8 beforeLast, u8 last, size_t length) {
  return u32{folded(first)} | u32{folded(beforeLast)} << 8 | u32{folded(last)} << 16 |
         static_cast<u32>(length & 0xff) << 24;
}

constexpr u32 slotOf(u32 key, u32 multiplier) { return key * multiplier >> (32 - kSlotBits); }

struct FieldTable {
  u32 multiplier = 0;
  std::array<u8, 1u << kSlotBits> ids{};
};

constexpr bool fill(FieldTable* table, u32 multiplier) {
  table->multiplier = multiplier;
  table->ids = {};
  for (size_t id = 1; id < kFieldIdCount; ++id) {
    const std::string_view name = kFieldNames[id];
    const u32 key = keyOf(static_cast<u8>(name[0]), static_cast<u8>(name[name.size() - 2]),
                          static_cast<u8>(name[name.size() - 1]), name.size());
    u8& slot = table->ids[slotOf(key, multiplier)];
    if (slot != 0) return false;
    slot = static_cast<u8>(id);
  }
  return true;
}

constexpr FieldTable findTable() {
  FieldTable table;
  u32 multiplier = 0x9e3779b1u;
  for (u32 i = 0; i < kMultipliersTried; ++i) {
    if (fill(&table, multiplier)) return table;
    multiplier = multiplier * 1664525u + 1013904223u;
    multiplier |= 1;
  }
  return FieldTable{};
}

constexpr FieldTable kFieldTable = findTable();
static_assert(kFieldTable.multiplier != 0, "no multiplier found: use more slots");

}  // namespace

FieldId classifyField(std::span<const u8> name) {
  const size_t length = name.size();
  if (length < kNameBytesMin) return FieldId::kOther;
  const u32 key = keyOf(name[0], name[length - 2], name[length - 1], length);
  const u8 id = kFieldTable.ids[slotOf(key, kFieldTable.multiplier)];
  return isName(name, kFieldNames[id]) ? static_cast<FieldId>(id) : FieldId::kOther;
}

Method classifyMethod(std::span<const u8> name) {
  const std::string_view text = textOf(name);
  const auto check = [text](Method method) {
    return text == kMethodNames[static_cast<size_t>(method)] ? method : Method::kOther;
  };
  if (text.empty()) return Method::kOther;
  switch (text[0]) {
    case 'G':
      return check(Method::kGet);
    case 'H':
      return check(Method::kHead);
    case 'P':
      if (text.size() == 3) return check(Method::kPut);
      return text.size() == 4 ? check(Method::kPost) : check(Method::kPatch);
    case 'D':
      return check(Method::kDelete);
    case 'C':
      return check(Method::kConnect);
    case 'O':
      return check(Method::kOptions);
    case 'T':
      return check(Method::kTrace);
    default:
      return Method::kOther;
  }
}

}  // namespace holdfast::http1
