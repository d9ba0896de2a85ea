// Mode fanout: one publisher, `--connections` subscribers, `--rate` publications a second.
//
// The origin repeats each publication to every subscriber. Two histograms, both from the intended
// time of the publication: every delivery, and the last delivery of each publication. What did not
// arrive counts as unanswered with the time it has waited.
#include <algorithm>
#include <deque>

#include "histogram.h"
#include "modes.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

class Subscribers : public Fleet::Observer {
 public:
  struct Publication {
    u64 intendedNs;
    u32 left;
    bool isCounted;
  };
  std::deque<Publication> underWay;
  Histogram deliveries;
  Histogram completions;
  u64 unknown = 0;

  void message(u32, const Stamp& stamp, u64 now) override {
    for (Publication& publication : underWay) {
      if (publication.intendedNs != stamp.intendedNs) continue;
      if (publication.isCounted) deliveries.record(now - stamp.intendedNs);
      if (--publication.left == 0 && publication.isCounted)
        completions.record(now - stamp.intendedNs);
      while (!underWay.empty() && underWay.front().left == 0) underWay.pop_front();
      return;
    }
    ++unknown;
  }
  // Everything that is still missing at the end.
  u64 countUnanswered(u64 now) {
    u64 missing = 0;
    for (const Publication& publication : underWay) {
      if (!publication.isCounted || publication.left == 0) continue;
      missing += publication.left;
      deliveries.record(now - publication.intendedNs, publication.left);
      completions.record(now - publication.intendedNs);
    }
    return missing;
  }
};

}  // namespace

int runFanout(Flags& flags) {
  Stage stage(flags);
  FleetOptions options = stage.fleetOptions(flags);
  options.firstKind = Kind::kSubscribe;
  FleetOptions publisherOptions = options;
  publisherOptions.connections = 1;
  publisherOptions.firstKind = Kind::kPublish;
  const u64 periodNs = kSecondNs / std::max<u64>(1, flags.number("rate", 10));
  const u64 warmupNs = flags.number("warmup-ms", 500) * kMillisecondNs;
  const u64 durationNs = flags.number("duration-ms", 2000) * kMillisecondNs;
  const u64 drainNs = flags.number("drain-ms", 1000) * kMillisecondNs;
  flags.rejectUnknown();
  stage.checkDescriptors(options.connections);

  Subscribers subscribers;
  Indifferent nobody;
  Fleet fleet(stage.loop, *stage.payload, options, &subscribers);
  Fleet publisher(stage.loop, *stage.payload, publisherOptions, &nobody);
  fleet.aimFor(options.connections);
  stage.openOrFail(fleet, "subscribing");
  publisher.aimFor(1);
  stage.openOrFail(publisher, "publishing");
  stage.announce("ready", fleet);

  const u64 windowStartNs = nowNs() + warmupNs;
  const u64 windowEndNs = windowStartNs + durationNs;
  u64 nextNs = nowNs();
  u64 missed = 0;
  Usage::Reading before;
  Usage::Reading after;
  const u64 edges[] = {windowStartNs, windowEndNs, windowEndNs + drainNs};
  for (u32 edge = 0; edge < 3; ++edge) {
    for (u64 now = nowNs(); now < edges[edge]; now = nowNs()) {
      for (; nextNs <= now && nextNs < windowEndNs; nextNs += periodNs) {
        const bool isCounted = nextNs >= windowStartNs;
        if (publisher.send(0, Stamp{Kind::kPublish, nextNs, now}) == Fleet::SendResult::kSent) {
          subscribers.underWay.push_back({nextNs, options.connections, isCounted});
        } else {
          missed += isCounted ? 1 : 0;
        }
      }
      if (edge == 2 && subscribers.underWay.empty()) break;
      stage.loop.turn(std::min(edges[edge], nextNs < windowEndNs ? nextNs : kNever));
    }
    if (edge == 0) before = stage.beginWindow();
    if (edge == 1) after = stage.usage.read();
  }
  const u64 unanswered = subscribers.countUnanswered(nowNs());

  JsonObject result = resultOf("fanout");
  result.nested("connections", fleet.json())
      .number("publications", subscribers.completions.count());
  result.number("missed", missed)
      .number("unanswered", unanswered)
      .number("unknown", subscribers.unknown);
  stage.report(result, before, after);
  result.nested("response", subscribers.deliveries.json());
  result.nested("completion", subscribers.completions.json());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
