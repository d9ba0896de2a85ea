// Reading what HTTP counted on the board, summed over shards, and naming routes.
//
// Runs on the main thread when someone asks. Invariant: as in board_object.cc; and histograms are
// read only where something was counted, so that a scrape makes no pages resident.
#include "binding/http_board.h"

#include <cstring>
#include <memory>

#include "binding/http_tables.h"
#include "binding/objects.h"

namespace holdfast::binding {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

template <size_t kCount>
void clear(std::atomic<u64> (&values)[kCount]) {
  for (std::atomic<u64>& value : values) value.store(0, kRelaxed);
}

// Sums the tables that `tableOf(shard)` gives.
template <size_t kCount, typename TableOf>
Napi::Array sums(Napi::Env env, u32 shards, const TableOf& tableOf) {
  u64 totals[kCount] = {};
  for (u32 shard = 0; shard < shards; shard++) {
    const std::atomic<u64>(&table)[kCount] = tableOf(shard);
    for (size_t i = 0; i < kCount; i++) totals[i] += table[i].load(kRelaxed);
  }
  Napi::Array out = Napi::Array::New(env, kCount);
  // Gauges of cells may be below zero for a moment while they are read.
  for (size_t i = 0; i < kCount; i++) {
    const i64 signedTotal = static_cast<i64>(totals[i]);
    out.Set(static_cast<u32>(i), static_cast<double>(signedTotal < 0 ? 0 : signedTotal));
  }
  return out;
}

Napi::Value describeLatency(Napi::Env env, const HistogramSum& sum) {
  if (sum.count == 0) return env.Null();
  Napi::Object out = Napi::Object::New(env);
  out.Set("count", static_cast<double>(sum.count));
  out.Set("sumMicros", static_cast<double>(sum.sum));
  Napi::Array counts = Napi::Array::New(env, std::size(kLatencyBounds));
  for (u32 i = 0; i < std::size(kLatencyBounds); i++) {
    counts.Set(i, static_cast<double>(sum.countAtMost(kLatencyBounds[i])));
  }
  out.Set("counts", counts);
  Napi::Array quantiles = Napi::Array::New(env, std::size(kLatencyPermilles));
  for (u32 i = 0; i < std::size(kLatencyPermilles); i++) {
    quantiles.Set(i, static_cast<double>(sum.quantile(kLatencyPermilles[i])));
  }
  out.Set("quantileMicros", quantiles);
  return out;
}

constexpr size_t kRequestsOfRoute = static_cast<size_t>(RouteCounter::kRequests);
constexpr size_t kRequestsOfCluster = static_cast<size_t>(ClusterHttpCounter::kRequests);

// Requests of a route that have not ended.
u64 activeOf(const RouteCell& cell) {
  u64 ended = 0;
  for (size_t i = static_cast<size_t>(RouteCounter::kResponses1xx);
       i <= static_cast<size_t>(RouteCounter::kUnanswered); i++) {
    ended += cell.counters[i].load(kRelaxed);
  }
  const u64 begun = cell.counters[kRequestsOfRoute].load(kRelaxed);
  return begun > ended ? begun - ended : 0;
}

void clearRoute(Board& board, u32 id) {
  for (u32 shard = 0; shard < board.shards(); shard++) {
    RouteCell& cell = board.route(shard, id);
    if (cell.counters[kRequestsOfRoute].load(kRelaxed) != 0) board.routeLatency(shard, id).clear();
    clear(cell.counters);
  }
}

}  // namespace

void setText(char* out, size_t room, const std::string& text) {
  size_t length = text.size() < room ? text.size() : room;
  while (length > 0 && length < text.size() && (static_cast<u8>(text[length]) & 0xc0) == 0x80) {
    length--;
  }
  std::memcpy(out, text.data(), length);
  std::memset(out + length, 0, room + 1 - length);
}

void clearHttp(Board& board, u32 listener) {
  if (board.listener(listener).isHttp == 0) return;
  board.listener(listener).isHttp = 0;
  for (u32 shard = 0; shard < board.shards(); shard++) {
    HttpCell& cell = board.http(shard, listener);
    clear(cell.counters);
    clear(cell.ends);
    clear(cell.violationsFromClients);
    clear(cell.violationsFromEndpoints);
    clear(cell.frameViolationsFromClients);
    clear(cell.frameViolationsFromEndpoints);
  }
}

void clearClusterHttp(Board& board, u32 cluster) {
  if (board.cluster(cluster).name[0] == 0) return;
  for (u32 shard = 0; shard < board.shards(); shard++) {
    ClusterHttpCell& cell = board.clusterHttp(shard, cluster);
    if (cell.counters[kRequestsOfCluster].load(kRelaxed) != 0) {
      board.clusterLatency(shard, cluster).clear();
    }
    clear(cell.counters);
  }
}

void endHttp(Board& board, u32 shard) {
  bool isAny = false;
  for (u32 listener = 0; listener < kListenersMax; listener++) {
    if (board.listener(listener).isHttp == 0) continue;
    isAny = true;
    for (const HttpCounter gauge : {HttpCounter::kRequestsActive, HttpCounter::kWebSocketsActive}) {
      board.http(shard, listener).counters[static_cast<size_t>(gauge)].store(0, kRelaxed);
    }
  }
  if (!isAny) return;
  for (u32 id = 0; id < kRoutesMax; id++) {
    if (board.routeName(id)[0] == 0) continue;
    RouteCell& cell = board.route(shard, id);
    bump(cell.counters[static_cast<size_t>(RouteCounter::kUnanswered)], activeOf(cell));
    cell.counters[static_cast<size_t>(RouteCounter::kWebSocketsActive)].store(0, kRelaxed);
  }
  for (u32 cluster = 0; cluster < kClustersMax; cluster++) {
    if (board.cluster(cluster).name[0] == 0) continue;
    for (const ClusterHttpCounter gauge :
         {ClusterHttpCounter::kIdle, ClusterHttpCounter::kMirrorsActive}) {
      board.clusterHttp(shard, cluster).counters[static_cast<size_t>(gauge)].store(0, kRelaxed);
    }
  }
}

Napi::Value BoardObject::clusterCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kClustersMax, "cluster");
  if (index < 0) return info.Env().Undefined();
  const ClusterEntry& entry = board_->cluster(static_cast<u32>(index));
  Napi::Array out = Napi::Array::New(info.Env(), countOf<ClusterCounter>());
  u32 at = 0;
  for (const std::atomic<u32>& active : entry.active) {
    out.Set(at++, static_cast<double>(active.load(kRelaxed)));
  }
  for (const std::atomic<u64>& refused : entry.refused) {
    out.Set(at++, static_cast<double>(refused.load(kRelaxed)));
  }
  out.Set(at, static_cast<double>(entry.budgetRefused.load(kRelaxed)));
  static_assert(countOf<ClusterCounter>() == 2 * countOf<Circuit>() + 1);
  return out;
}

Napi::Value BoardObject::httpCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kListenersMax, "listener");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  return sums<countOf<HttpCounter>()>(
      info.Env(), board_->shards(),
      [&](u32 shard) -> const std::atomic<u64>(&)[countOf<HttpCounter>()] {
        return board_->http(shard, id).counters;
      });
}

Napi::Value BoardObject::httpEnds(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kListenersMax, "listener");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  return sums<countOf<HttpEnd>()>(info.Env(), board_->shards(),
                                  [&](u32 shard) -> const std::atomic<u64>(&)[countOf<HttpEnd>()] {
                                    return board_->http(shard, id).ends;
                                  });
}

Napi::Value BoardObject::httpViolations(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kListenersMax, "listener");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  Napi::Object out = Napi::Object::New(info.Env());
  const auto set = [&]<size_t kCount>(const char* name,
                                      std::atomic<u64>(HttpCell::*table)[kCount]) {
    out.Set(name, sums<kCount>(info.Env(), board_->shards(),
                               [&](u32 shard) -> const std::atomic<u64>(&)[kCount] {
                                 return board_->http(shard, id).*table;
                               }));
  };
  set("fromClients", &HttpCell::violationsFromClients);
  set("fromEndpoints", &HttpCell::violationsFromEndpoints);
  set("framesFromClients", &HttpCell::frameViolationsFromClients);
  set("framesFromEndpoints", &HttpCell::frameViolationsFromEndpoints);
  return out;
}

Napi::Value BoardObject::clusterHttpCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kClustersMax, "cluster");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  return sums<countOf<ClusterHttpCounter>()>(
      info.Env(), board_->shards(),
      [&](u32 shard) -> const std::atomic<u64>(&)[countOf<ClusterHttpCounter>()] {
        return board_->clusterHttp(shard, id).counters;
      });
}

Napi::Value BoardObject::clusterLatency(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kClustersMax, "cluster");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  const auto sum = std::make_unique<HistogramSum>();
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    if (board_->clusterHttp(shard, id).counters[kRequestsOfCluster].load(kRelaxed) == 0) continue;
    sum->add(board_->clusterLatency(shard, id));
  }
  return describeLatency(info.Env(), *sum);
}

Napi::Value BoardObject::routeCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kRoutesMax, "route");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  return sums<countOf<RouteCounter>()>(
      info.Env(), board_->shards(),
      [&](u32 shard) -> const std::atomic<u64>(&)[countOf<RouteCounter>()] {
        return board_->route(shard, id).counters;
      });
}

Napi::Value BoardObject::routeLatency(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kRoutesMax, "route");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  const auto sum = std::make_unique<HistogramSum>();
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    if (board_->route(shard, id).counters[kRequestsOfRoute].load(kRelaxed) == 0) continue;
    sum->add(board_->routeLatency(shard, id));
  }
  return describeLatency(info.Env(), *sum);
}

void BoardObject::setRoute(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kRoutesMax, "route");
  if (index < 0) return;
  const u32 id = static_cast<u32>(index);
  RouteEntry& entry = board_->routeEntry(id);
  // What has no id of its own counts together, whatever it is called.
  if (id == kRouteOther && entry.name[0] != 0) return;
  if (entry.name[0] != 0) clearRoute(*board_, id);
  setText(entry.name, kRouteNameMax, info[1].ToString().Utf8Value());
}

void BoardObject::setHttp(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kListenersMax, "listener");
  if (index >= 0) board_->listener(static_cast<u32>(index)).isHttp = 1;
}

}  // namespace holdfast::binding
