// Batches and answers of filters: the example of the boundary's README, limits, and malformed
// answers.
#include "proxy/filter_batch.h"

#include <cstring>
#include <string>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast::proxy {
namespace {

struct Arrays {
  std::vector<u32> words = std::vector<u32>(kFilterWords);
  std::vector<u8> bytes = std::vector<u8>(kFilterBytes);
};

FilterRecord recordOf(FilterHook hook) {
  FilterRecord record;
  record.hook = hook;
  record.holder = FilterHolder::kExchange;
  record.handle = Handle{7, 9};
  return record;
}

TEST(theExampleOfTheBoundaryIsWrittenWordForWord) {
  Arrays in;
  FilterBatch batch(in.words.data(), in.bytes.data());
  CHECK(batch.begin(recordOf(FilterHook::kRequest), 3, kFilterFlagTls, 32, 64));
  batch.putText(head_word::kMethod, "GET");
  batch.putText(head_word::kTarget, "/a");
  batch.putText(head_word::kHost, "h");
  batch.putText(head_word::kClientIp, "10.0.0.1");
  batch.put(head_word::kClientPort, 5000);
  batch.put(head_word::kTry, 1);
  batch.put(head_word::kFieldCount, 1);
  batch.put(head_word::kFields, 0);
  batch.putText(head_word::kFields + 1, "ann");
  batch.end(head_word::kFields + kFilterFieldWords);
  const std::vector<u32> wanted = {27,   258, 7, 9, 3, 1, 0, 3, 3, 2, 5, 1,  6, 8,
                                   5000, 0,   0, 0, 0, 0, 0, 0, 1, 1, 0, 14, 3};
  CHECK_EQ(batch.words(), u32(wanted.size()));
  for (size_t i = 0; i < wanted.size(); ++i) CHECK_EQ(in.words[i], wanted[i]);
  CHECK(std::memcmp(in.bytes.data(), "GET/ah10.0.0.1ann", 17) == 0);
  std::vector<FilterRecord> records;
  batch.take(&records);
  CHECK_EQ(records.size(), size_t{1});
  CHECK(batch.isEmpty());
}

TEST(theAnswerOfTheExampleIsRead) {
  const std::vector<u32> words = {16, 66048, 7, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0, 5, 5, 4};
  const std::string text = "x-whoann!";
  FilterAnswers answers(words.data(), u32(words.size()), reinterpret_cast<const u8*>(text.data()),
                        u32(text.size()));
  FilterAnswer answer;
  CHECK(answers.next(&answer));
  CHECK(answer.verdict == FilterVerdict::kContinue);
  CHECK(answer.hook == FilterHook::kRequest);
  CHECK(answer.holder == FilterHolder::kExchange);
  CHECK_EQ(answer.handle.index, 7u);
  CHECK_EQ(answer.record, 0u);
  CHECK_EQ(answer.editCount, 1u);
  const http1::FieldEdit edit = answer.edit(0);
  CHECK(edit.kind == http1::FieldEdit::Kind::kSet);
  CHECK(edit.name == "x-who");
  CHECK(edit.value == "ann!");
  CHECK(!answers.next(&answer));
}

TEST(fieldsOfRecordsStandBehindTheEditsOfAnAnswer) {
  std::vector<u32> words = {26, 66048, 7, 9, 0, 0, 0, 0, 0, 0, 3, 0, 0,
                            5,  5,     4, 3, 2, 3, 5, 4, 3, 0, 1, 0, 0};
  const std::string text = "x-whoann!";
  const auto answersOf = [&] {
    return FilterAnswers(words.data(), u32(words.size()), reinterpret_cast<const u8*>(text.data()),
                         u32(text.size()));
  };
  FilterAnswer answer;
  FilterAnswers answers = answersOf();
  CHECK(answers.next(&answer));
  CHECK_EQ(answer.editCount, 1u);
  CHECK_EQ(answer.logCount, 2u);
  CHECK(answer.edit(0).name == "x-who");
  CHECK(answer.logged(0).name == "who" && answer.logged(0).value == "ann!");
  CHECK(answer.logged(1).name == "x" && answer.logged(1).value.empty());
  words[21] = kEditRemove;
  CHECK(!answersOf().next(&answer));
  words[21] = kEditLog + 1;
  CHECK(!answersOf().next(&answer));
}

TEST(whatHasNoRoomIsNotBegunAndEndsHaveTheirOwn) {
  Arrays in;
  FilterBatch batch(in.words.data(), in.bytes.data());
  while (batch.begin(recordOf(FilterHook::kRequest), 1, 0, 1000, 10)) batch.end(1000);
  CHECK(batch.isNearlyFull());
  CHECK(batch.words() <= kFilterWords - kFilterEndWords);
  u32 ends = 0;
  while (batch.begin(recordOf(FilterHook::kEnd), 1, 0, kEndRecordWords, 4)) {
    batch.putText(7, "why");
    batch.end(kEndRecordWords);
    ends++;
  }
  CHECK(ends >= kFilterEndWords / kEndRecordWords);
  CHECK(batch.words() <= kFilterWords);
  // One that was begun and left is not there.
  std::vector<FilterRecord> records;
  batch.take(&records);
  CHECK(batch.begin(recordOf(FilterHook::kRouted), 1, 0, 30, 10));
  CHECK(batch.isEmpty());
  CHECK_EQ(batch.words(), 0u);
}

TEST(aBatchThatEndsHaveFilledIsNearlyFull) {
  Arrays in;
  FilterBatch batch(in.words.data(), in.bytes.data());
  const FilterRecord end = recordOf(FilterHook::kEnd);
  for (bool wasFull = false; batch.begin(end, 1, 0, kEndRecordWords, 1);) {
    batch.putText(7, "-");
    batch.end(kEndRecordWords);
    CHECK(batch.isNearlyFull() || !wasFull);
    wasFull = batch.isNearlyFull();
  }
  CHECK(batch.words() > kFilterWords - kFilterEndWords);
  CHECK(batch.isNearlyFull());
  batch.clear();
  CHECK(batch.isEmpty() && !batch.isNearlyFull());
}

TEST(namesOfFieldsAreInLowerCaseBeforeTheirValues) {
  Arrays in;
  FilterBatch batch(in.words.data(), in.bytes.data());
  CHECK(batch.begin(recordOf(FilterHook::kRequest), 1, 0, 32, 64));
  batch.putField(24, "X-Upper-09", "Value");
  batch.putField(27, "empty", "");
  batch.end(30);
  CHECK_EQ(in.words[24], kFilterFieldNamed + 10);
  CHECK_EQ(in.words[25], 10u);
  CHECK_EQ(in.words[26], 5u);
  CHECK_EQ(in.words[28], 20u);
  CHECK_EQ(in.words[29], 0u);
  CHECK(std::memcmp(in.bytes.data(), "x-upper-09Valueempty", 20) == 0);
}

// Whatever the words are, nothing outside of them and of the bytes is read.
TEST(malformedAnswersEndTheReading) {
  Random random(11);
  const std::vector<u32> good = {16, 66048, 7, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0, 5, 5, 4};
  const std::string text = "x-whoann!";
  u32 read = 0;
  for (u32 i = 0; i < 20'000; ++i) {
    std::vector<u32> words = good;
    const u32 changes = 1 + random.below(3);
    for (u32 k = 0; k < changes; ++k) {
      const u32 at = random.below(u32(words.size()));
      words[at] = random.chance(1, 2) ? random.below(40) : random.nextU32();
    }
    words.resize(random.chance(1, 4) ? random.below(17) : words.size());
    FilterAnswers answers(words.data(), u32(words.size()), reinterpret_cast<const u8*>(text.data()),
                          u32(text.size()));
    FilterAnswer answer;
    while (answers.next(&answer)) {
      read++;
      CHECK(answer.first.size() <= text.size() && answer.second.size() <= text.size());
      for (u32 k = 0; k < answer.editCount; ++k) CHECK(answer.edit(k).name.size() <= text.size());
    }
  }
  CHECK(read > 0);
}

}  // namespace
}  // namespace holdfast::proxy
