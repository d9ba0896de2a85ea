// Words in, words out.
#include "proxy/filter_batch.h"

#include <algorithm>
#include <cstring>

namespace holdfast::proxy {

bool FilterBatch::begin(const FilterRecord& record, u32 chain, u32 flags, u32 words, u32 bytes) {
  const bool isEnd = record.hook == FilterHook::kEnd;
  const u32 wordsMax = kFilterWords - (isEnd ? 0 : kFilterEndWords);
  const u32 bytesMax = kFilterBytes - (isEnd ? 0 : kFilterEndBytes);
  if (u64{wordCount_} + words > wordsMax || u64{byteCount_} + bytes > bytesMax) return false;
  at_ = wordCount_;
  record_ = record;
  record_.at = at_;
  std::fill(words_ + at_, words_ + at_ + words, 0u);
  put(1, static_cast<u32>(record.hook) | static_cast<u32>(record.holder) << 8);
  put(2, record.handle.index);
  put(3, record.handle.generation);
  put(4, chain);
  put(5, flags);
  return true;
}

void FilterBatch::putText(u32 word, std::string_view text) {
  putSpan(word, byteCount_, static_cast<u32>(text.size()));
  if (text.empty()) return;
  std::memcpy(bytesEnd(), text.data(), text.size());
  byteCount_ += static_cast<u32>(text.size());
}

void FilterBatch::putField(u32 word, std::string_view name, std::string_view value) {
  put(word, kFilterFieldNamed + static_cast<u32>(name.size()));
  for (const char c : name) {
    const bool isUpper = c >= 'A' && c <= 'Z';
    bytes_[byteCount_++] = static_cast<u8>(isUpper ? c + ('a' - 'A') : c);
  }
  // The name is found before the value, so an empty value has a place too.
  put(word + 1, byteCount_);
  put(word + 2, static_cast<u32>(value.size()));
  if (!value.empty()) std::memcpy(bytesEnd(), value.data(), value.size());
  byteCount_ += static_cast<u32>(value.size());
}

void FilterBatch::end(u32 words) {
  put(0, words);
  wordCount_ = at_ + words;
  records_.push_back(record_);
}

void FilterBatch::take(std::vector<FilterRecord>* records) {
  records->clear();
  records->swap(records_);
  wordCount_ = byteCount_ = at_ = 0;
}

http1::FieldEdit FilterAnswer::edit(u32 i) const {
  const u32* words = editWords + size_t{i} * kAnswerEditWords;
  http1::FieldEdit out;
  constexpr http1::FieldEdit::Kind kKinds[] = {
      http1::FieldEdit::Kind::kSet, http1::FieldEdit::Kind::kAdd, http1::FieldEdit::Kind::kRemove};
  out.kind = kKinds[std::min(words[0], kEditRemove)];
  out.name = {reinterpret_cast<const char*>(bytes) + words[1], words[2]};
  out.value = {reinterpret_cast<const char*>(bytes) + words[3], words[4]};
  out.id = http1::classifyField({bytes + words[1], words[2]});
  return out;
}

codec::LogField FilterAnswer::logged(u32 i) const {
  const u32* words = editWords + (size_t{editCount} + i) * kAnswerEditWords;
  const auto* text = reinterpret_cast<const char*>(bytes);
  return {{text + words[1], words[2]}, {text + words[3], words[4]}};
}

bool FilterAnswers::next(FilterAnswer* answer) {
  if (at_ + kAnswerWords > wordCount_) return false;
  const u32* words = words_ + at_;
  const u32 size = words[0];
  const u32 edits = words[10];
  if (size < kAnswerWords || size > wordCount_ - at_ || edits > size ||
      kAnswerWords + edits * kAnswerEditWords != size) {
    return false;
  }
  const u32 verdict = words[1] & 0xff;
  const u32 hook = words[1] >> 8 & 0xff;
  const u32 holder = words[1] >> 16 & 0xff;
  if (verdict >= static_cast<u32>(FilterVerdict::kCount) ||
      hook >= static_cast<u32>(FilterHook::kCount) ||
      holder >= static_cast<u32>(FilterHolder::kCount) || !isSpan(words[6], words[7]) ||
      !isSpan(words[8], words[9])) {
    return false;
  }
  u32 logs = 0;
  for (u32 i = 0; i < edits; i++) {
    const u32* edit = words + kAnswerWords + size_t{i} * kAnswerEditWords;
    if (!isSpan(edit[1], edit[2]) || !isSpan(edit[3], edit[4])) return false;
    if (edit[0] == kEditLog) {
      logs++;
    } else if (edit[0] > kEditRemove || logs != 0) {
      return false;
    }
  }
  answer->verdict = static_cast<FilterVerdict>(verdict);
  answer->hook = static_cast<FilterHook>(hook);
  answer->holder = static_cast<FilterHolder>(holder);
  answer->isFromEndpoint = (words[1] & kAnswerFromEndpoint) != 0;
  answer->handle = Handle{words[2], words[3]};
  answer->record = words[4];
  answer->code = words[5];
  const auto* text = reinterpret_cast<const char*>(bytes_);
  answer->first = {text + words[6], words[7]};
  answer->second = {text + words[8], words[9]};
  answer->editWords = words + kAnswerWords;
  answer->editCount = edits - logs;
  answer->logCount = logs;
  answer->bytes = bytes_;
  at_ += size;
  return true;
}

}  // namespace holdfast::proxy
