// The request in hand while its head lies in the scratch, and the list of fields to write.
//
// Shared by the files that turn a head into an exchange (http_request.cc, http_edits.cc) and those
// that answer. Invariant: both live on the stack of one task; what they refer to is the scratch,
// the text scratch and the snapshot, none of which changes meanwhile.
#pragma once

#include "proxy/filter_batch.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

struct Shard::Request {
  u32 tunnel = kNoIndex;
  u32 exchange = kNoIndex;
  const ListenerSpec* listener = nullptr;
  const HttpSpec* spec = nullptr;
  const HttpRouteSpec* route = nullptr;
  u32 number = 0;  // of the route in its table
  const http1::Head* head = nullptr;
  std::span<const u8> rest;    // what came with the head, in the scratch
  std::string_view host;       // lower case, without port
  std::string_view path;       // in normal form
  std::string_view routePath;  // without parameters of segments
  std::string_view query;
  std::string_view target;  // path and query
  std::string_view id;      // of the request, where the listener has them
  std::string_view trace;   // traceparent, where it was made
  bool isTrusted = false;
  const FilterAnswer* routed = nullptr;  // what filters of the route said; null: none was asked

  // Values of the head; a null view where there is none. `name` of a field in lower case.
  [[nodiscard]] std::string_view field(std::string_view name) const;
  [[nodiscard]] std::string_view cookie(std::string_view name) const;
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
};

// Edits of one message. Beyond its room it is full, and the message is not sent.
struct Shard::EditList {
  static constexpr size_t kRoom = 160;

  // Of a union, so that the rows' initializers do not run.
  union {
    http1::FieldEdit edits[kRoom];
  };
  size_t count = 0;
  bool isOver = false;

  EditList() {}  // leaves `edits` unwritten, in variables that are HF_UNINITIALIZED

  void put(http1::FieldEdit::Kind kind, http1::FieldId id, std::string_view name,
           std::string_view value) {
    if (count == kRoom) {
      isOver = true;
      return;
    }
    edits[count++] = http1::FieldEdit{kind, id, name, value};
  }
  void set(http1::FieldId id, std::string_view name, std::string_view value) {
    put(http1::FieldEdit::Kind::kSet, id, name, value);
  }
  void add(http1::FieldId id, std::string_view name, std::string_view value) {
    put(http1::FieldEdit::Kind::kAdd, id, name, value);
  }
  void remove(http1::FieldId id) {
    put(http1::FieldEdit::Kind::kRemove, id, http1::kFieldNames[static_cast<size_t>(id)], {});
  }
  // Of edits of one field the last `set` or `remove` holds, and what was added behind it: those
  // from `from` on undo what came before them. O(count * (count - from)). In head_edits.cc.
  void settle(size_t from);
  [[nodiscard]] bool isFull() const { return isOver; }
  [[nodiscard]] std::span<const http1::FieldEdit> all() const { return {edits, count}; }
};

}  // namespace holdfast::proxy
