// A host that waits, counts and lets go.
#include "sim/filters.h"

#include <cstring>
#include <string_view>
#include <tuple>

namespace holdfast::sim {
namespace {

constexpr u32 kEndHook = static_cast<u32>(proxy::FilterHook::kEnd);
// Of one answer with fields.
constexpr size_t kLogWordsMax = proxy::kAnswerWords + 3 * proxy::kAnswerEditWords;
constexpr u32 kMessageHook = static_cast<u32>(proxy::FilterHook::kMessage);

}  // namespace

bool SimFilters::Waiting::operator<(const Waiting& other) const {
  return std::tie(what, index, generation, isFromEndpoint) <
         std::tie(other.what, other.index, other.generation, other.isFromEndpoint);
}

void SimFilters::attach() {
  inWords_.resize(proxy::kFilterWords);
  outWords_.resize(proxy::kFilterWords);
  inBytes_.resize(proxy::kFilterBytes);
  outBytes_.resize(proxy::kFilterBytes);
  const proxy::FilterMemory memory{inWords_.data(), inBytes_.data(), outWords_.data(),
                                   outBytes_.data()};
  proxy::FilterHost host;
  host.run = [this](u32 words) { run(words); };
  host.drained = [this](u32 chain) {
    if (retired_.erase(chain) != 1) world_.fail("a chain is gone that was not retired", chain);
  };
  HF_ASSERT(shard_.attachFilters(memory, std::move(host)).isOk());
}

void SimFilters::retire(u32 chain) {
  retired_.insert(chain);
  shard_.retireFilterChain(chain);
}

// Spans lead to bytes that are there; a head has the fields it says.
void SimFilters::check(u32 at, u32 words) {
  const u32* record = inWords_.data() + at;
  const u32 size = record[0];
  if (size < proxy::kRecordWords || at + size > words) world_.fail("a record is cut", at);
  const u32 hook = record[1] & 0xff;
  const auto isSpan = [&](u32 word) {
    return u64{record[word]} + record[word + 1] <= proxy::kFilterBytes;
  };
  if (serial_.find(record[4]) == serial_.end()) world_.fail("a chain that nobody knows", record[4]);
  if (hook == kMessageHook && !isSpan(6)) world_.fail("a message outside", at);
  const bool isHead = hook != kEndHook && (record[1] >> 8 & 0xff) != 0 && hook != kMessageHook;
  if (!isHead) return;
  const u32 fields = record[proxy::head_word::kFieldCount];
  if (size != proxy::head_word::kFields + fields * proxy::kFilterFieldWords) {
    world_.fail("a head has another number of fields", fields);
  }
  for (u32 i = 0; i < fields; ++i) {
    if (!isSpan(proxy::head_word::kFields + i * proxy::kFilterFieldWords + 1)) {
      world_.fail("a field outside", i);
    }
  }
  const std::string_view method(
      reinterpret_cast<const char*>(inBytes_.data()) + record[proxy::head_word::kMethod],
      record[proxy::head_word::kMethod + 1]);
  if (method.empty() || record[proxy::head_word::kTarget + 1] == 0) {
    world_.fail("a head without its request", at);
  }
}

void SimFilters::run(u32 words) {
  Random& random = world_.random;
  u32 out = 0;
  for (u32 at = 0; at < words; at += inWords_[at]) {
    check(at, words);
    const u32 hook = inWords_[at + 1] & 0xff;
    if (hook == kEndHook) {
      takeEnd(at);
      continue;
    }
    const bool isMessage = hook == kMessageHook;
    if (isMessage) shownBytes_ += inWords_[at + 7];
    const Waiting waiting{inWords_[at + 1], inWords_[at + 2], inWords_[at + 3],
                          isMessage && (inWords_[at + 5] & proxy::kFilterFlagFromEndpoint) != 0};
    const Waiting any{(waiting.what & 0xff00), waiting.index, waiting.generation, false};
    if (!isMessage && waiting_.lower_bound(any) != waiting_.end()) {
      const Waiting& found = *waiting_.lower_bound(any);
      const bool isSame = (found.what & 0xff00) == any.what && found.index == any.index &&
                          found.generation == any.generation && found.what == waiting.what;
      if (isSame) world_.fail("a holder asks twice", waiting.index);
    }
    const bool mayPark = !isMessage || serial_[inWords_[at + 4]];
    if (mayPark && random.chance(1, 3)) {
      waiting_.insert(waiting);
      out = write(out, waiting, at, proxy::FilterVerdict::kPark);
    } else if (random.chance(1, 3)) {
      out = write(out, waiting, at, proxy::FilterVerdict::kContinue);
    }
  }
  shard_.settleFilters(out);
}

u32 SimFilters::write(u32 at, const Waiting& waiting, u32 record, proxy::FilterVerdict verdict) {
  u32* out = outWords_.data() + at;
  std::memset(out, 0, proxy::kAnswerWords * sizeof(u32));
  out[0] = proxy::kAnswerWords;
  out[1] = static_cast<u32>(verdict) | (waiting.what & 0xff) << 8 |
           (waiting.what >> 8 & 0xff) << 16 |
           (waiting.isFromEndpoint ? proxy::kAnswerFromEndpoint : 0);
  out[2] = waiting.index;
  out[3] = waiting.generation;
  out[4] = record;
  return at + proxy::kAnswerWords + putLogged(out);
}

// Fields for the access record, some with a name that is none. Returns their words.
u32 SimFilters::putLogged(u32* answer) {
  constexpr std::string_view kBytes = "tenantroom-1Bad";
  constexpr u32 kSpans[][2] = {{0, 6}, {6, 6}, {6, 4}, {12, 3}, {0, 0}};
  const auto before = static_cast<size_t>(answer - outWords_.data());
  if (before + kLogWordsMax > proxy::kFilterWords / 2) return 0;
  if (!world_.random.chance(1, 4)) return 0;
  std::memcpy(outBytes_.data(), kBytes.data(), kBytes.size());
  const u32 count = 1 + world_.random.below(3);
  for (u32 i = 0; i < count; ++i) {
    const u32* name = kSpans[world_.random.below(5)];
    u32* edit = answer + proxy::kAnswerWords + size_t{i} * proxy::kAnswerEditWords;
    edit[0] = proxy::kEditLog;
    edit[1] = name[0];
    edit[2] = name[1];
    edit[3] = 0;
    edit[4] = world_.random.below(3000);
  }
  answer[0] += count * proxy::kAnswerEditWords;
  answer[10] = count;
  return count * proxy::kAnswerEditWords;
}

// Who waited does not any more.
void SimFilters::takeEnd(u32 at) {
  const u32 holder = inWords_[at + 1] & 0xff00;
  for (auto found = waiting_.begin(); found != waiting_.end();) {
    const bool isIts = (found->what & 0xff00) == holder && found->index == inWords_[at + 2] &&
                       found->generation == inWords_[at + 3];
    if (isIts) {
      const auto* bytes = reinterpret_cast<const char*>(inBytes_.data());
      endsWaiting_[std::string(bytes + inWords_[at + 7], inWords_[at + 8])] += 1;
    }
    found = isIts ? waiting_.erase(found) : std::next(found);
  }
}

bool SimFilters::answerLate(bool isAll) {
  if (waiting_.empty()) return false;
  if (isSlow_ && !isAll && !world_.random.chance(1, 50)) return false;
  u32 out = 0;
  do {
    auto found = waiting_.begin();
    std::advance(found, world_.random.below(static_cast<u32>(waiting_.size())));
    out = write(out, *found, proxy::kAnswerLate, proxy::FilterVerdict::kContinue);
    waiting_.erase(found);
  } while (isAll && !waiting_.empty());
  shard_.applyFilterAnswers(out);
  return true;
}

void SimFilters::judge() {
  if (!waiting_.empty())
    world_.fail("somebody waits for filters still", static_cast<i64>(waiting_.size()));
  if (!retired_.empty()) world_.fail("a retired chain is held", *retired_.begin());
}

}  // namespace holdfast::sim
