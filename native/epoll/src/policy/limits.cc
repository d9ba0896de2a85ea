// See limits.h. Fields are those of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After
// (RFC 9110 10.2.3).
#include "policy/limits.h"

#include <algorithm>
#include <charconv>

#include "runtime/siphash.h"

#include "policy/facts_text.h"

namespace holdfast::policy {
namespace {

constexpr u64 kSecondNs = 1'000'000'000;

u64 secondsOf(u64 ns) { return ns / kSecondNs + (ns % kSecondNs == 0 ? 0 : 1); }

// Writes a value into the outcome's room; fails as a whole, and then nothing is told.
class Value {
 public:
  explicit Value(Outcome* outcome) : outcome_(outcome), begin_(outcome->textLength) {}

  Value& put(std::string_view text) {
    if (text.size() > kOutcomeTextBytes - outcome_->textLength) {
      isCut_ = true;
      return *this;
    }
    text.copy(outcome_->text + outcome_->textLength, text.size());
    outcome_->textLength += static_cast<u32>(text.size());
    return *this;
  }

  Value& put(u64 number) {
    char digits[20];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), number);
    return put(std::string_view(digits, static_cast<size_t>(end.ptr - digits)));
  }

  void addTo(FieldEdits* edits, std::string_view name) {
    if (isCut_) return;
    outcome_->add(edits, http1::FieldEdit::Kind::kAdd, name,
                  {outcome_->text + begin_, outcome_->textLength - begin_});
  }

 private:
  Outcome* outcome_;
  u32 begin_;
  bool isCut_ = false;
};

u64 mix(u64 hash, u64 salt, const void* bytes, size_t length, const HashKey& key) {
  return sipHash13({key.k0 ^ hash, key.k1 ^ salt}, bytes, length);
}

// The first value of a source; a null view without, which is another key than an empty one.
std::string_view firstOf(const Facts& facts, Source source, std::string_view name) {
  std::string_view found;
  (void)anyValue(facts, source, name, [&found](std::string_view value) {
    found = value;
    return true;
  });
  return found;
}

u64 mixPart(u64 hash, const FlatKeyPart& part, std::string_view name, const Facts& facts,
            const HashKey& key) {
  const u64 salt = static_cast<u64>(part.kind) + 1;
  const auto mixText = [&](std::string_view text) {
    return mix(hash, text.data() == nullptr ? salt << 8 : salt, text.data(), text.size(), key);
  };
  switch (part.kind) {
    case KeyKind::kAddress:
      return hashNetwork(facts.client, {key.k0 ^ hash, key.k1 ^ salt}, part.prefixBits);
    case KeyKind::kMethod:
      return mix(hash, salt, &facts.method, sizeof(facts.method), key);
    case KeyKind::kRoute:
      return mix(hash, salt, &facts.route, sizeof(facts.route), key);
    case KeyKind::kHost:
      return mixText(facts.host);
    case KeyKind::kPath:
      return mixText(facts.path);
    case KeyKind::kSubject:
      return mixText(facts.subject);
    case KeyKind::kHeader:
      return mixText(firstOf(facts, Source::kHeader, name));
    case KeyKind::kCookie:
      return mixText(firstOf(facts, Source::kCookie, name));
    default:
      return mixText(firstOf(facts, Source::kQuery, name));
  }
}

void addFields(const PolicyView& view, const FlatPolicy& policy, const FlatLimit& limit,
               const BucketTake& take, Outcome* outcome) {
  const bool isRefused = !take.isGranted;
  if (isRefused && limit.hasRetryAfter != 0) {
    Value(outcome).put(secondsOf(take.waitNs)).addTo(&outcome->answerFields, "Retry-After");
  }
  if (limit.hasFields == 0) return;
  FieldEdits* const to = isRefused ? &outcome->answerFields : &outcome->responseFields;
  outcome->add(to, http1::FieldEdit::Kind::kAdd, "RateLimit-Policy", view.text(limit.quota));
  Value(outcome)
      .put("\"")
      .put(view.text(policy.name))
      .put("\";r=")
      .put(take.remaining)
      .put(";t=")
      .put(secondsOf(isRefused ? take.waitNs : take.fullInNs))
      .addTo(to, "RateLimit");
}

}  // namespace

u64 bucketKeyOf(const PolicyView& view, const FlatPolicy& policy, const FlatLimit& limit,
                const Facts& facts, const Board& board) {
  const HashKey key = board.addressKey();
  u64 state = policy.id;
  u64 hash = splitMix64(&state);
  for (const FlatKeyPart& part : view.items<FlatKeyPart>(view.header().keyParts, limit.by)) {
    hash = mixPart(hash, part, view.text(part.name), facts, key);
  }
  return hash;
}

bool takeOne(const PolicyView& view, const FlatPolicy& policy, const Facts& facts,
             const Tools& tools, u64 nowNs, Outcome* outcome) {
  const FlatLimit& limit = view.items<FlatLimit>(view.header().limits)[policy.item];
  const u64 key = bucketKeyOf(view, policy, limit, facts, tools.board);
  const BucketTake take = tools.board.buckets().take(key, limit.rate, 1, nowNs);
  if (take.isFull) {
    tools.board.policy(tools.shard, policy.id).count(PolicyCounter::kUncounted);
    return true;
  }
  if (policy.isShadow == 0 && policy.phase == Phase::kRequest) {
    addFields(view, policy, limit, take, outcome);
  }
  return take.isGranted;
}

bool takeFrom(const LimitHold& hold, const Tools& tools, u64 tokens, u64 nowNs) {
  const BucketTake take = tools.board.buckets().take(hold.key, hold.rate, tokens, nowNs);
  PolicyCell& cell = tools.board.policy(tools.shard, hold.id);
  if (take.isFull) {
    cell.count(PolicyCounter::kUncounted);
    return true;
  }
  if (take.isGranted) {
    cell.count(PolicyCounter::kAllowed);
    return true;
  }
  cell.count(hold.isShadow ? PolicyCounter::kShadowDenied : PolicyCounter::kDenied);
  return hold.isShadow;
}

BytesLeft bytesLeft(const LimitHold& hold, const Tools& tools, u64 nowNs) {
  if (hold.isShadow) return {~u64{0}, 0};
  const BucketTake take = tools.board.buckets().charge(hold.key, hold.rate, 0, nowNs);
  return take.isFull ? BytesLeft{~u64{0}, 0} : BytesLeft{take.remaining, take.waitNs};
}

u64 chargeTo(const LimitHold& hold, const Tools& tools, u64 bytes, u64 nowNs) {
  const BucketTake take = tools.board.buckets().charge(hold.key, hold.rate, bytes, nowNs);
  PolicyCell& cell = tools.board.policy(tools.shard, hold.id);
  if (take.isFull) {
    cell.count(PolicyCounter::kUncounted);
    return 0;
  }
  if (take.waitNs == 0) return 0;
  cell.count(hold.isShadow ? PolicyCounter::kShadowDenied : PolicyCounter::kDelayed);
  return hold.isShadow ? 0 : take.waitNs;
}

void refundTo(const LimitHold& hold, const Tools& tools, u64 bytes, u64 nowNs) {
  (void)tools.board.buckets().refund(hold.key, hold.rate, bytes, nowNs);
}

}  // namespace holdfast::policy
