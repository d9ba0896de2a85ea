// What flat tables are made of: sections of plain structs, and offsets instead of pointers.
//
// Route tables (route_layout.h) and policies (policy/policy_layout.h) are laid out so; their checks
// stand on FlatTable. Invariant: what passes a check leads nowhere outside of the bytes, whoever
// wrote them. Does not read a table: who does asks no bounds, because it was checked.
#pragma once

#include <cstring>
#include <span>

#include "http/regex.h"
#include "runtime/base.h"

namespace holdfast::http {

// Of items of one kind; the offset is a multiple of 8.
struct Section {
  u32 offset = 0;
  u32 count = 0;
};

// Bytes of the text section.
struct TextRef {
  u32 offset = 0;
  u32 length = 0;
};

// Items of another section.
struct Range {
  u32 first = 0;
  u32 count = 0;
};

struct FlatRegex {
  u32 offset = 0;  // in `regexBytes`, a multiple of 8
  u32 length = 0;
};

// The base of a check. A header has `magic`, `version` and `bytes`, and sections `text` and
// `regexBytes` among others.
template <typename Header>
class FlatTable {
 protected:
  explicit FlatTable(std::span<const u8> bytes) : bytes_(bytes) {}

  // Takes the header off the bytes, which are all of the table.
  [[nodiscard]] bool takeHeader(u32 magic, u32 version, u64 bytesMax) {
    if (bytes_.size() < sizeof(header_)) return false;
    std::memcpy(&header_, bytes_.data(), sizeof(header_));
    return header_.magic == magic && header_.version == version && header_.bytes == bytes_.size() &&
           header_.bytes <= bytesMax;
  }

  template <typename T>
  [[nodiscard]] bool lies(const Section& section) const {
    const u64 size = u64{section.count} * sizeof(T);
    return section.offset % 8 == 0 && section.offset <= bytes_.size() &&
           size <= bytes_.size() - section.offset;
  }

  // True when `isGood(item, position)` holds for each item of a section.
  template <typename T, typename Judge>
  [[nodiscard]] bool all(const Section& section, Judge isGood) const {
    const T* const items = reinterpret_cast<const T*>(bytes_.data() + section.offset);
    for (u32 i = 0; i < section.count; ++i) {
      if (!isGood(items[i], i)) return false;
    }
    return true;
  }

  [[nodiscard]] bool isText(const TextRef& ref) const {
    return u64{ref.offset} + ref.length <= header_.text.count;
  }
  [[nodiscard]] static bool isIn(const Range& range, const Section& section) {
    return u64{range.first} + range.count <= section.count;
  }
  [[nodiscard]] bool isRegex(const FlatRegex& regex) const {
    if (regex.offset % 8 != 0) return false;
    if (u64{regex.offset} + regex.length > header_.regexBytes.count) return false;
    return RegexView(bytes_.subspan(header_.regexBytes.offset + regex.offset, regex.length))
        .isValid();
  }

  std::span<const u8> bytes_;
  Header header_;
};

}  // namespace holdfast::http
