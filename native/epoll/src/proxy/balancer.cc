// The seven balancers: which endpoints are usable, and how one of them is chosen.
#include "proxy/balancer.h"

#include <algorithm>
#include <unordered_map>

#include "proxy/circuit.h"
#include "proxy/hash_table.h"
#include "proxy/latency.h"

namespace holdfast::proxy {
namespace {

inline constexpr u32 kWeightScale = 256;
// A slow-starting endpoint never has less than this share of its weight.
inline constexpr u32 kSlowStartFloor = kWeightScale / 10;
// While some endpoint is ejected or warms up, the usable list is renewed this often.
inline constexpr u64 kRefreshMs = 100;
// Entries of a hash table looked at before falling back to any usable endpoint.
inline constexpr u32 kHashProbesMax = 64;
// What an endpoint that was never measured counts as while it works on its first requests.
inline constexpr u32 kUnknownMicros = 10'000'000;
// Loads are compared as products with weights; more than this at work makes no difference.
inline constexpr u64 kActiveMax = 1u << 15;
static_assert(u64{kPeakMicrosMax} * 2 * kActiveMax <= ~u64{0} / (256 * kWeightScale));

// The same for every gateway, so that several of them agree on where a client belongs.
inline constexpr HashKey kPlacementKey{0x686f6c6466617374u, 0x706c6163656d656eu};

constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace

Balancer::Balancer(const Snapshot& snapshot, const ClusterSpec& cluster, Board& board, u64 seed)
    : cluster_(&cluster),
      endpoints_(snapshot.endpoints(cluster)),
      table_(snapshot.table(cluster)),
      board_(board),
      entry_(circuitOf(board, cluster)),
      random_(seed),
      credits_(cluster.endpointCount, 0),
      isUsableNow_(cluster.endpointCount, 0) {
  usable_.reserve(cluster.endpointCount);
  weights_.reserve(cluster.endpointCount);
  rotation_ = random_.below(cluster.endpointCount == 0 ? 1 : cluster.endpointCount);
  epoch_ = entry_.healthEpoch.load(kRelaxed) - 1;
  if (cluster.ejectLatencyPermille != 0) means_.reserve(cluster.endpointCount);
}

u64 Balancer::weightOfAll() const {
  u64 sum = 0;
  for (u32 i = 0; i < cluster_->endpointCount; i++) sum += endpoints_[i].weight;
  return sum;
}

// Whose turn it is would else begin anew with each change, and light endpoints would wait for ever
// where changes come more often than their turns. Credits are parts of the sum of the weights.
void Balancer::resume(const Balancer& former) {
  rotation_ = former.rotation_;
  const auto sum = static_cast<i64>(weightOfAll());
  const auto formerSum = static_cast<i64>(former.weightOfAll());
  std::unordered_map<u32, i64> credits;
  for (u32 i = 0; i < former.cluster_->endpointCount; i++) {
    if (former.credits_[i] != 0) credits.emplace(former.endpoints_[i].id, former.credits_[i]);
  }
  if (credits.empty() || formerSum == 0) return;
  for (u32 i = 0; i < cluster_->endpointCount; i++) {
    const auto found = credits.find(endpoints_[i].id);
    if (found != credits.end()) credits_[i] = found->second * sum / formerSum;
  }
}

Pick Balancer::pick(u64 nowMs, const PickKey& key, std::span<const u32> avoid) {
  if (entry_.healthEpoch.load(kRelaxed) != epoch_ || nowMs >= refreshAtMs_) refresh(nowMs);
  isAtLimit_ = false;
  if (usable_.empty()) return Pick{};
  u32 position = kNoIndex;
  switch (cluster_->balance) {
    case Balance::kRoundRobin:
      position = isUniform_ ? pickRoundRobin(avoid) : pickWeighted(avoid);
      break;
    case Balance::kRandom:
      position = pickRandom(avoid);
      break;
    case Balance::kLeastConnections:
      position = pickLeast(avoid);
      break;
    case Balance::kLeastRequest:
    case Balance::kPeakEwma:
      position = pickTwo(nowMs, avoid);
      break;
    case Balance::kMaglev:
    case Balance::kRingHash:
      position = pickHash(key, avoid);
      break;
    case Balance::kCount:
      break;
  }
  if (position == kNoIndex) return Pick{nullptr, isAtLimit_};
  return Pick{&endpoints_[position], false};
}

bool Balancer::isUsable(u32 position, u64 nowMs) const {
  EndpointEntry& entry = board_.endpoint(endpoints_[position].id);
  return entry.healthy.load(kRelaxed) != 0 && entry.ejectedUntilMs.load(kRelaxed) <= nowMs;
}

u32 Balancer::slowStartWeight(u32 position, u64 nowMs) const {
  const u32 full = endpoints_[position].weight * kWeightScale;
  const u64 up = board_.endpoint(endpoints_[position].id).upSinceMs.load(kRelaxed);
  if (cluster_->slowStartMs == 0 || up == 0 || nowMs >= up + cluster_->slowStartMs) return full;
  const u64 elapsed = nowMs > up ? nowMs - up : 0;
  const u64 share = std::max<u64>(elapsed * kWeightScale / cluster_->slowStartMs, kSlowStartFloor);
  return static_cast<u32>(std::max<u64>(endpoints_[position].weight * share, 1));
}

void Balancer::refresh(u64 nowMs) {
  epoch_ = entry_.healthEpoch.load(kRelaxed);
  usable_.clear();
  weights_.clear();
  for (u32 i = 0; i < cluster_->endpointCount; i++) {
    isUsableNow_[i] = isUsable(i, nowMs) ? 1 : 0;
    if (isUsableNow_[i] != 0) usable_.push_back(i);
  }
  const u64 total = cluster_->endpointCount;
  // Panic: too few are left to carry the load, and the checks may be what is wrong. Use all.
  if (usable_.size() * 100 < total * cluster_->panicPercent) {
    usable_.clear();
    for (u32 i = 0; i < cluster_->endpointCount; i++) {
      usable_.push_back(i);
      isUsableNow_[i] = 1;
    }
  }
  weightSum_ = 0;
  isUniform_ = true;
  for (const u32 position : usable_) {
    const u32 weight = slowStartWeight(position, nowMs);
    if (!weights_.empty() && weight != weights_.front()) isUniform_ = false;
    weights_.push_back(weight);
    weightSum_ += weight;
  }
  refreshAtMs_ = nowMs + kRefreshMs;
}

bool Balancer::isAvoided(u32 id, std::span<const u32> avoid) {
  return std::find(avoid.begin(), avoid.end(), id) != avoid.end();
}

bool Balancer::tryHold(u32 position) {
  const EndpointSpec& endpoint = endpoints_[position];
  std::atomic<u32>& active = board_.endpointActive(endpoint.id);
  const u32 before = active.fetch_add(1, kRelaxed);
  if (endpoint.connectionsMax == 0 || before < endpoint.connectionsMax) return true;
  active.fetch_sub(1, kRelaxed);
  board_.endpoint(endpoint.id).limitHits.fetch_add(1, kRelaxed);
  isAtLimit_ = true;
  return false;
}

u32 Balancer::pickRoundRobin(std::span<const u32> avoid) {
  const u32 count = static_cast<u32>(usable_.size());
  for (u32 step = 0; step < count; step++) {
    const u32 position = usable_[rotation_++ % count];
    if (!isAvoided(endpoints_[position].id, avoid) && tryHold(position)) return position;
  }
  return kNoIndex;
}

// Smooth weighted round robin: each pick credits everyone by weight and debits the winner by the
// sum, so that heavy endpoints are spread through the sequence instead of coming in bursts.
u32 Balancer::pickWeighted(std::span<const u32> avoid) {
  u32 best = kNoIndex;
  for (u32 i = 0; i < usable_.size(); i++) {
    const u32 position = usable_[i];
    credits_[position] += weights_[i];
    if (isAvoided(endpoints_[position].id, avoid)) continue;
    if (best == kNoIndex || credits_[position] > credits_[best]) best = position;
  }
  if (best == kNoIndex) return kNoIndex;
  credits_[best] -= static_cast<i64>(weightSum_);
  return tryHold(best) ? best : pickAny(avoid);
}

u32 Balancer::pickRandom(std::span<const u32> avoid) {
  u64 ticket = random_.between(0, weightSum_ - 1);
  for (u32 i = 0; i < usable_.size(); i++) {
    if (ticket < weights_[i]) {
      const u32 position = usable_[i];
      if (!isAvoided(endpoints_[position].id, avoid) && tryHold(position)) return position;
      break;
    }
    ticket -= weights_[i];
  }
  return pickAny(avoid);
}

u32 Balancer::pickLeast(std::span<const u32> avoid) {
  const u32 count = static_cast<u32>(usable_.size());
  // Ties go round, so that equal endpoints fill evenly.
  const u32 start = rotation_++;
  u32 best = kNoIndex;
  u64 bestLoad = 0;
  u64 bestWeight = 1;
  for (u32 step = 0; step < count; step++) {
    const u32 i = (start + step) % count;
    const EndpointSpec& endpoint = endpoints_[usable_[i]];
    if (isAvoided(endpoint.id, avoid)) continue;
    const u64 active = board_.endpointActive(endpoint.id).load(kRelaxed);
    if (endpoint.connectionsMax != 0 && active >= endpoint.connectionsMax) {
      board_.endpoint(endpoint.id).limitHits.fetch_add(1, kRelaxed);
      isAtLimit_ = true;
      continue;
    }
    // The load after this connection, so that an idle heavy endpoint wins over an idle light one.
    const u64 load = (active + 1) * kWeightScale;
    if (best == kNoIndex || load * bestWeight < bestLoad * weights_[i]) {
      best = usable_[i];
      bestLoad = load;
      bestWeight = weights_[i];
    }
  }
  if (best == kNoIndex) return kNoIndex;
  return tryHold(best) ? best : pickAny(avoid);
}

// What choosing this endpoint costs: requests at work, with peak-ewma times how long each takes.
u64 Balancer::loadOf(u32 id, u64 nowMs) const {
  const u64 active = board_.endpointActive(id).load(kRelaxed);
  if (cluster_->balance != Balance::kPeakEwma) return active + 1;
  const PeakLatency latency{board_.endpoint(id).peakLatency.load(kRelaxed)};
  // The first request of an unknown endpoint goes out at once, the next ones wait for its answer.
  const u32 unknown = active == 0 ? 0 : kUnknownMicros;
  const u64 micros = latency.isKnown() ? latency.micros(nowMs) : unknown;
  return (micros + 1) * (std::min(active, kActiveMax) + 1);
}

u32 Balancer::pickTwo(u64 nowMs, std::span<const u32> avoid) {
  const u32 count = static_cast<u32>(usable_.size());
  const u32 first = random_.below(count);
  const u32 second = count == 1 ? first : (first + 1 + random_.below(count - 1)) % count;
  const u64 firstLoad = loadOf(endpoints_[usable_[first]].id, nowMs);
  const u64 secondLoad = loadOf(endpoints_[usable_[second]].id, nowMs);
  const bool isFirstLighter = firstLoad * weights_[second] <= secondLoad * weights_[first];
  for (const u32 i : {isFirstLighter ? first : second, isFirstLighter ? second : first}) {
    const u32 position = usable_[i];
    if (!isAvoided(endpoints_[position].id, avoid) && tryHold(position)) return position;
  }
  return pickAny(avoid);
}

u32 Balancer::pickHash(const PickKey& key, std::span<const u32> avoid) {
  const u64 hash = key.hasHash ? key.hash : hashIp(key.client, kPlacementKey);
  const HashTableView table{
      {table_, cluster_->tableWords},
      cluster_->balance == Balance::kMaglev ? HashKind::kMaglev : HashKind::kRing};
  for (u32 probe = 0; probe < kHashProbesMax; probe++) {
    const u32 position = table.lookup(hash, probe);
    if (position == kNoIndex) break;
    if (isUsableNow_[position] == 0 || isAvoided(endpoints_[position].id, avoid)) continue;
    if (tryHold(position)) return position;
  }
  return pickAny(avoid);
}

// The last resort of the balancers whose first choice was not to be had.
u32 Balancer::pickAny(std::span<const u32> avoid) { return pickRoundRobin(avoid); }

}  // namespace holdfast::proxy
