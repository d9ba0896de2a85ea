// Passive ejection: an endpoint that fails in a row, or is much slower than its neighbours, is left
// alone for a while.
//
// Told by the tunnels and exchanges of one shard through the Balancer; counts in a row and windows
// of latency lie on the board, so that all shards judge together.
// Invariant: no more than ejection.atMost of a cluster's endpoints are ejected, and each further
// ejection for the same cause in a row is twice as long, up to ejection.max.
#include <algorithm>

#include "proxy/balancer.h"
#include "proxy/latency.h"

namespace holdfast::proxy {
namespace {

inline constexpr u32 kEjectionDoublingsMax = 10;
// Answers in a window that say something about an endpoint.
inline constexpr u32 kJudgedAnswersMin = 20;
// Endpoints that a median is taken of.
inline constexpr size_t kJudgedEndpointsMin = 2;
// Who is slower by less than this is not slow, whatever the factor.
inline constexpr u64 kSlowerMicrosMin = 1000;

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

void Balancer::onConnected(u32 endpoint, u32 micros) {
  EndpointEntry& entry = board_.endpoint(endpoint);
  entry.connectMicros.fetch_add(micros, kRelaxed);
  if (entry.consecutiveFailures.load(kRelaxed) != 0) entry.consecutiveFailures.store(0, kRelaxed);
  endRow(entry, Cause::kConnects);
}

void Balancer::onConnectFailed(u32 endpoint, u64 nowMs) {
  EndpointEntry& entry = board_.endpoint(endpoint);
  entry.connectFailures.fetch_add(1, kRelaxed);
  const u32 failures = entry.consecutiveFailures.fetch_add(1, kRelaxed) + 1;
  if (cluster_->ejectAfter == 0 || failures < cluster_->ejectAfter) return;
  (void)eject(entry, Cause::kConnects, nowMs);
}

void Balancer::onAnswered(u32 endpoint, u32 micros, bool isError, u64 nowMs) {
  EndpointEntry& entry = board_.endpoint(endpoint);
  entry.answers.fetch_add(1, kRelaxed);
  entry.answerMicros.fetch_add(micros, kRelaxed);
  if (cluster_->balance == Balance::kPeakEwma) {
    const PeakLatency before{entry.peakLatency.load(kRelaxed)};
    const PeakLatency now =
        isError ? before.afterError(micros, nowMs) : before.after(micros, nowMs);
    if (now.word() != before.word()) entry.peakLatency.store(now.word(), kRelaxed);
  }
  if (isError) {
    noteError(entry, nowMs);
  } else {
    if (entry.consecutiveErrors.load(kRelaxed) != 0) entry.consecutiveErrors.store(0, kRelaxed);
    if (entry.ejectedUntilMs.load(kRelaxed) <= nowMs) endRow(entry, Cause::kErrors);
  }
  if (cluster_->ejectLatencyPermille == 0) return;
  // A quick refusal does not make an endpoint look fast.
  if (!isError) noteLatency(entry, micros, nowMs);
  const u32 number = latencyWindowOf(nowMs);
  std::atomic<u32>& window = board_.cluster(cluster_->id).latencyWindow;
  u32 judged = window.load(kRelaxed);
  // Another shard's clock may be a turn ahead.
  if (judged >= number) return;
  // One shard judges the window that ended.
  if (window.compare_exchange_strong(judged, number, kRelaxed)) judgeLatency(number - 1, nowMs);
}

// What was sent before an ejection may fail after it, and says nothing new.
void Balancer::noteError(EndpointEntry& entry, u64 nowMs) {
  entry.errors.fetch_add(1, kRelaxed);
  if (entry.ejectedUntilMs.load(kRelaxed) > nowMs) return;
  const u32 errors = entry.consecutiveErrors.fetch_add(1, kRelaxed) + 1;
  if (cluster_->ejectAfterErrors == 0 || errors < cluster_->ejectAfterErrors) return;
  if (!eject(entry, Cause::kErrors, nowMs)) return;
  entry.consecutiveErrors.store(0, kRelaxed);
  entry.ejectionsByErrors.fetch_add(1, kRelaxed);
}

// Compares the means of one window with their median. O(endpoints).
void Balancer::judgeLatency(u32 window, u64 nowMs) {
  means_.clear();
  for (u32 i = 0; i < cluster_->endpointCount; i++) {
    const u64 mean = meanLatency(board_.endpoint(endpoints_[i].id), window, kJudgedAnswersMin);
    if (mean != 0) means_.push_back(mean);
  }
  if (means_.size() < kJudgedEndpointsMin) return;
  // The lower one of an even number: of two endpoints, the slower one is compared with the other.
  const auto middle = means_.begin() + static_cast<std::ptrdiff_t>((means_.size() - 1) / 2);
  std::nth_element(means_.begin(), middle, means_.end());
  const u64 limit =
      std::max(*middle * cluster_->ejectLatencyPermille / 1000, *middle + kSlowerMicrosMin);
  for (u32 i = 0; i < cluster_->endpointCount; i++) {
    EndpointEntry& entry = board_.endpoint(endpoints_[i].id);
    const u64 mean = meanLatency(entry, window, kJudgedAnswersMin);
    if (mean == 0) continue;
    if (mean <= limit) {
      endRow(entry, Cause::kLatency);
    } else if (eject(entry, Cause::kLatency, nowMs)) {
      entry.ejectionsByLatency.fetch_add(1, kRelaxed);
    }
  }
}

// An endpoint that is well again starts anew.
void Balancer::endRow(EndpointEntry& entry, Cause cause) {
  if (entry.ejectionsInARow.load(kRelaxed) == 0) return;
  if (entry.ejectionCause.load(kRelaxed) != static_cast<u32>(cause)) return;
  entry.ejectionsInARow.store(0, kRelaxed);
}

// False when it is ejected already, or too many are. Two shards that count at once would both find
// room for one more: who comes second waits for the next failure.
bool Balancer::eject(EndpointEntry& entry, Cause cause, u64 nowMs) {
  if (entry.ejectedUntilMs.load(kRelaxed) > nowMs) return false;
  if (entry_.isEjecting.exchange(1, std::memory_order_acquire) != 0) return false;
  const bool isDone = ejectAlone(entry, cause, nowMs);
  entry_.isEjecting.store(0, std::memory_order_release);
  return isDone;
}

bool Balancer::ejectAlone(EndpointEntry& entry, Cause cause, u64 nowMs) {
  if (entry.ejectedUntilMs.load(kRelaxed) > nowMs) return false;
  u64 ejected = 0;
  for (u32 i = 0; i < cluster_->endpointCount; i++) {
    if (board_.endpoint(endpoints_[i].id).ejectedUntilMs.load(kRelaxed) > nowMs) ejected++;
  }
  if ((ejected + 1) * 100 > u64{cluster_->endpointCount} * cluster_->ejectPercentMax) return false;
  const u32 doublings = std::min(entry.ejectionsInARow.load(kRelaxed), kEjectionDoublingsMax);
  const u64 duration = std::min<u64>(u64{cluster_->ejectMs} << doublings, cluster_->ejectMsMax);
  entry.ejectedUntilMs.store(nowMs + duration, kRelaxed);
  entry.ejectionsInARow.fetch_add(1, kRelaxed);
  entry.ejectionCause.store(static_cast<u32>(cause), kRelaxed);
  entry.ejections.fetch_add(1, kRelaxed);
  entry.consecutiveFailures.store(0, kRelaxed);
  entry.upSinceMs.store(nowMs + duration, kRelaxed);
  entry_.healthEpoch.fetch_add(1, kRelaxed);
  return true;
}

}  // namespace holdfast::proxy
