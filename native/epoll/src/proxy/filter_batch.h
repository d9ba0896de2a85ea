// FilterBatch and FilterAnswers: what crosses between the core and the filter host, as words.
//
// A shard writes a record for each holder that waits, hands the batch to the host once a turn, and
// reads the answers. Invariant: a record is whole or not there; nothing is written outside the
// arrays, and nothing that an answer says leads outside of them.
// Does not know holders, chains or JavaScript.
#pragma once

#include <string_view>
#include <vector>

#include "codec/http1_write.h"
#include "codec/log_field.h"
#include "proxy/filter_layout.h"
#include "runtime/base.h"

namespace holdfast::proxy {

// The arrays, which the host keeps alive as long as the shard.
struct FilterMemory {
  u32* inWords = nullptr;
  u8* inBytes = nullptr;
  const u32* outWords = nullptr;
  const u8* outBytes = nullptr;
};

// Who a record is about, and what of it the core needs when the answer comes.
struct FilterRecord {
  u32 at = 0;  // its first word
  FilterHook hook = FilterHook::kRequest;
  FilterHolder holder = FilterHolder::kExchange;
  bool isFromEndpoint = false;  // a message
  u32 wireBytes = 0;            // of a message, with its framing
  Handle handle;
};

// Room that only records of ends may take: they cannot wait.
inline constexpr u32 kFilterEndWords = 8'192;
inline constexpr u32 kFilterEndBytes = 16 * 1024;
// With less room than this the batch is handed over before the next task: a task may write that
// much.
inline constexpr u32 kFilterTaskWords = 24'576;
inline constexpr u32 kFilterTaskBytes = 512 * 1024;

class FilterBatch {
 public:
  FilterBatch(u32* words, u8* bytes) : words_(words), bytes_(bytes) {}

  [[nodiscard]] bool isEmpty() const { return records_.empty(); }
  [[nodiscard]] u32 words() const { return wordCount_; }
  [[nodiscard]] u32 byteCount() const { return byteCount_; }
  [[nodiscard]] bool isNearlyFull() const {
    // Ends may take more than what is left for others.
    return wordCount_ + kFilterTaskWords > kFilterWords - kFilterEndWords ||
           byteCount_ + kFilterTaskBytes > kFilterBytes - kFilterEndBytes;
  }

  // Begins a record of up to `words` words and `bytes` bytes. False when there is no room for it.
  [[nodiscard]] bool begin(const FilterRecord& record, u32 chain, u32 flags, u32 words, u32 bytes);
  void put(u32 word, u32 value) { words_[at_ + word] = value; }
  void putU64(u32 word, u64 value) {
    put(word, static_cast<u32>(value));
    put(word + 1, static_cast<u32>(value >> 32));
  }
  // Copies `text` and writes its span to `word` and the next.
  void putText(u32 word, std::string_view text);
  // A field with its name; the name is written in lower case.
  void putField(u32 word, std::string_view name, std::string_view value);
  // Bytes are appended where the last text ended.
  [[nodiscard]] u8* bytesEnd() { return bytes_ + byteCount_; }
  void advanceBytes(u32 bytes) { byteCount_ += bytes; }
  void putSpan(u32 word, u32 offset, u32 length) {
    put(word, length == 0 ? 0 : offset);
    put(word + 1, length);
  }
  // The record has `words` words.
  void end(u32 words);

  // One that is settled in its turn without crossing.
  void addUnseen(const FilterRecord& record) { records_.push_back(record); }

  void clear() {
    records_.clear();
    wordCount_ = byteCount_ = at_ = 0;
  }
  // Makes the batch empty and gives what was in it.
  void take(std::vector<FilterRecord>* records);

 private:
  u32* words_;
  u8* bytes_;
  u32 wordCount_ = 0;
  u32 byteCount_ = 0;
  u32 at_ = 0;
  FilterRecord record_;
  std::vector<FilterRecord> records_;
};

struct FilterAnswer {
  FilterVerdict verdict = FilterVerdict::kContinue;
  FilterHook hook = FilterHook::kRequest;
  FilterHolder holder = FilterHolder::kExchange;
  bool isFromEndpoint = false;
  Handle handle;
  u32 record = kAnswerLate;  // the word at which the record stands that this answers
  u32 code = 0;
  std::string_view first;
  std::string_view second;
  const u32* editWords = nullptr;
  u32 editCount = 0;
  u32 logCount = 0;  // fields for the access record
  const u8* bytes = nullptr;

  // Edit `i`; its texts live as long as the arrays are not written.
  [[nodiscard]] http1::FieldEdit edit(u32 i) const;
  [[nodiscard]] codec::LogField logged(u32 i) const;
};

// Goes through answers. What is malformed ends it.
class FilterAnswers {
 public:
  FilterAnswers(const u32* words, u32 wordCount, const u8* bytes, u32 byteCount)
      : words_(words), bytes_(bytes), wordCount_(wordCount), byteCount_(byteCount) {}
  [[nodiscard]] bool next(FilterAnswer* answer);
  // After the last one: there was more, and it made no sense.
  [[nodiscard]] bool isBroken() const { return at_ < wordCount_; }

 private:
  [[nodiscard]] bool isSpan(u32 offset, u32 length) const {
    return u64{offset} + length <= byteCount_;
  }

  const u32* words_;
  const u8* bytes_;
  u32 wordCount_;
  u32 byteCount_;
  u32 at_ = 0;
};

}  // namespace holdfast::proxy
