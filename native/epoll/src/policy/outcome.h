// Outcome: what policies say about one connection or request.
//
// Filled by PolicyList::check, read by the path right after: what it needs longer it copies.
// Invariant: fixed size, no allocation; texts point into the flat bytes of the policies, into the
// facts, or into the outcome's own room. A field that has no room is left out and `isCut` says so:
// the request must not go on then, because the field may be what a decision stands in.
#pragma once

#include <span>
#include <string_view>

#include "codec/http1_write.h"
#include "codec/log_field.h"
#include "runtime/base.h"

#include "policy/policy_parts.h"

namespace holdfast::policy {

inline constexpr u32 kOutcomeFieldsMax = 64;  // of one list; main refuses lists with more
inline constexpr u32 kOutcomeLogsMax = 2 * codec::kLogFieldsMax;
inline constexpr u32 kTicketsMax = 4;              // adaptive limits of one request
inline constexpr u32 kMirrorsOfRequestMax = 4;     // copies of one request
inline constexpr size_t kOutcomeTextBytes = 1024;  // of values that are made here

enum class Verdict : u8 {
  kContinue,
  kAnswer,  // with `status` and `answerFields`
  kClose,   // the connection, without a word
};

// A list of changes to fields, of a fixed size.
struct FieldEdits {
  u32 count = 0;
  http1::FieldEdit edits[kOutcomeFieldsMax];

  [[nodiscard]] std::span<const http1::FieldEdit> all() const { return {edits, count}; }
};

// How a response may be compressed, for the exchange to decide when it comes.
struct CompressionAsked {
  u32 id = kNoIndex;  // of the use, on the board; kNoIndex: none holds here
  // What the client takes; kCount: none of the codings.
  codec::ContentCoding coding = codec::ContentCoding::kCount;
  codec::CodingLevel level = codec::CodingLevel::kFast;
  u64 bytesMin = 0;
  std::string_view types{};  // as codec::isTypeListed has them
};

// One for each shard is enough; cleared before each connection or request.
struct Outcome {
  Verdict verdict = Verdict::kContinue;
  bool isCut = false;  // of fields
  bool areLogsCut = false;
  u16 status = 0;
  u32 delayMs = 0;  // hold the request up for so long, then go on
  // Who refused: kind ("rbac"), the name of the use, and of the rule. Empty where nobody did.
  std::string_view kind{};
  std::string_view policy{};
  std::string_view rule{};
  // Of the content; 0: no limit of policies. What has a length above it was refused already.
  u64 requestBytesMax = 0;
  u64 responseBytesMax = 0;
  // Adaptive limits that let the request in: to be given back by leave(), whatever becomes of it.
  u32 tickets[kTicketsMax] = {};
  u32 ticketCount = 0;
  CompressionAsked compression;  // of the last use in the list
  u32 mirrorCount = 0;
  u32 textLength = 0;
  // For the answer that refuses, and for whatever response the client gets, that answer too.
  FieldEdits answerFields;
  FieldEdits responseFields;
  FieldEdits requestFields;  // for the endpoint
  // For the access record; values are compiled templates.
  u32 logCount = 0;
  codec::LogField logs[kOutcomeLogsMax];
  // Copies to make of the request, once it is whole: `mirrorCount` of them.
  MirrorParts mirrors[kMirrorsOfRequestMax] = {};
  char text[kOutcomeTextBytes];

  void clear() {
    verdict = Verdict::kContinue;
    isCut = areLogsCut = false;
    status = 0;
    delayMs = 0;
    kind = policy = rule = {};
    answerFields.count = responseFields.count = requestFields.count = textLength = 0;
    requestBytesMax = responseBytesMax = 0;
    ticketCount = mirrorCount = 0;
    compression = {};
    logCount = 0;
  }

  void addLog(const codec::LogField& field) {
    if (logCount == kOutcomeLogsMax) {
      areLogsCut = true;
      return;
    }
    logs[logCount++] = field;
  }

  void add(FieldEdits* to, const http1::FieldEdit& edit) {
    if (to->count == kOutcomeFieldsMax) {
      isCut = true;
      return;
    }
    to->edits[to->count++] = edit;
  }
  void add(FieldEdits* to, http1::FieldEdit::Kind how, std::string_view name,
           std::string_view value) {
    const http1::FieldId id =
        http1::classifyField({reinterpret_cast<const u8*>(name.data()), name.size()});
    add(to, {how, id, name, value});
  }
};

}  // namespace holdfast::policy
