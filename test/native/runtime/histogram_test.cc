// Histograms: where values go, what merged ones answer; and the cells that HTTP has on a board.
#include "runtime/histogram.h"

#include <cstring>
#include <memory>

#include "runtime/board.h"

#include "check.h"

using namespace holdfast;

namespace {

std::unique_ptr<Histogram> makeHistogram() {
  auto histogram = std::make_unique<Histogram>();
  histogram->clear();
  return histogram;
}

}  // namespace

TEST(histogramBucketsCoverEveryValueOnceInOrder) {
  u64 next = 0;
  for (u32 bucket = 0; bucket < kHistogramBuckets; bucket++) {
    const u64 low = histogramLowOf(bucket);
    const u64 high = histogramHighOf(bucket);
    if (!CHECK_EQ(low, next) || !CHECK(high >= low)) return;
    CHECK_EQ(histogramBucketOf(low), bucket);
    CHECK_EQ(histogramBucketOf(high), bucket);
    // The middle stands for every value of the bucket to within 1/32.
    const u64 middle = low + (high - low) / 2;
    CHECK((middle - low) * 32 <= low);
    CHECK((high - middle) * 32 <= high);
    next = high + 1;
  }
  CHECK_EQ(next, kHistogramValueMax + 1);
}

TEST(histogramTakesLongerTimesAsTheLongest) {
  CHECK_EQ(histogramBucketOf(~u64{0}), kHistogramBuckets - 1);
}

TEST(histogramSumsMergeAndAnswer) {
  const auto one = makeHistogram();
  const auto other = makeHistogram();
  for (u64 value = 1; value <= 1000; value++) (value % 2 == 0 ? one : other)->record(value);
  auto all = std::make_unique<HistogramSum>();
  all->add(*one);
  all->add(*other);
  CHECK_EQ(all->count, 1000u);
  CHECK_EQ(all->sum, 500'500u);
  CHECK_EQ(all->countAtMost(0), 0u);
  CHECK_EQ(all->countAtMost(15), 15u);
  CHECK_EQ(all->countAtMost(511), 511u);
  CHECK_EQ(all->countAtMost(kHistogramValueMax), 1000u);
  for (const u32 permille : {1u, 500u, 900u, 990u, 1000u}) {
    const u64 exact = permille;
    const u64 found = all->quantile(permille);
    CHECK(found * 32 >= exact * 31 && found * 32 <= exact * 33);
  }
  one->clear();
  HistogramSum empty;
  empty.add(*one);
  CHECK_EQ(empty.count, 0u);
  CHECK_EQ(empty.quantile(500), 0u);
}

TEST(boardHoldsHttpCellsApart) {
  Board board;
  BoardOptions options;
  options.shards = 2;
  options.connectionsMax = 16;
  if (!CHECK(board.create(options).isOk())) return;
  board.http(1, kListenersMax - 1).count(HttpCounter::kRequests, 3);
  board.http(1, kListenersMax - 1).count(HttpEnd::kShardStopped);
  board.route(1, kRouteOther).count(RouteCounter::kWebSocketsActive);
  board.routeLatency(1, kRouteOther).record(70);
  board.clusterHttp(1, kClustersMax - 1).count(ClusterHttpCounter::kIdle);
  board.clusterLatency(1, kClustersMax - 1).record(80);
  std::strcpy(board.routeEntry(kRouteOther).name, "other");

  Board shard;
  if (!CHECK(shard.attach(board.fd()).isOk())) return;
  const auto at = [](const auto& counters, auto counter) {
    return counters[static_cast<size_t>(counter)].load();
  };
  CHECK_EQ(at(shard.http(1, kListenersMax - 1).counters, HttpCounter::kRequests), 3u);
  CHECK_EQ(at(shard.http(1, kListenersMax - 1).ends, HttpEnd::kShardStopped), 1u);
  CHECK_EQ(at(shard.http(0, kListenersMax - 1).counters, HttpCounter::kRequests), 0u);
  CHECK_EQ(at(shard.route(1, kRouteOther).counters, RouteCounter::kWebSocketsActive), 1u);
  CHECK_EQ(at(shard.clusterHttp(1, kClustersMax - 1).counters, ClusterHttpCounter::kIdle), 1u);
  CHECK_EQ(shard.routeLatency(1, kRouteOther).sum.load(), 70u);
  CHECK_EQ(shard.clusterLatency(1, kClustersMax - 1).sum.load(), 80u);
  CHECK_EQ(std::string_view(shard.routeName(kRouteOther)), "other");
}

TEST(httpCellsCountResponsesByClass) {
  RouteCell route{};
  route.countEnd(101);
  route.countEnd(204);
  route.countEnd(599);
  route.countEnd(0);
  const auto of = [&](RouteCounter counter) {
    return route.counters[static_cast<size_t>(counter)].load();
  };
  CHECK_EQ(of(RouteCounter::kResponses1xx), 1u);
  CHECK_EQ(of(RouteCounter::kResponses2xx), 1u);
  CHECK_EQ(of(RouteCounter::kResponses5xx), 1u);
  CHECK_EQ(of(RouteCounter::kUnanswered), 1u);
  CHECK(responseCounterOf(404) == HttpCounter::kResponses4xx);
  CHECK(clusterResponseCounterOf(302) == ClusterHttpCounter::kResponses3xx);
  // Gauges come back to where they were.
  route.count(RouteCounter::kWebSocketsActive);
  route.lower(RouteCounter::kWebSocketsActive);
  CHECK_EQ(of(RouteCounter::kWebSocketsActive), 0u);
}
