// Mode churn: connect, one round trip, close, and again, on `--connections` places at once.
//
// With --opens-per-second it is an open loop, and latency runs from the intended time of the
// connect; without, it is saturation. --close is fin (this side first) or rst.
#include <algorithm>

#include "histogram.h"
#include "modes.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

class Churn : public Fleet::Observer {
 public:
  Fleet* fleet = nullptr;
  CloseKind closeKind = CloseKind::kFin;
  Histogram opening;
  u64 completed = 0;
  u64 wanted = kNever;
  bool isCounting = false;

  void opened(u32 index, u64 startedNs, u64 now) override {
    if (isCounting) opening.record(now > startedNs ? now - startedNs : 0);
    fleet->close(index, closeKind);
    if (closeKind == CloseKind::kReset) completed += isCounting ? 1 : 0;
  }
  void finished(u32) override { completed += isCounting ? 1 : 0; }
};

// Until the time is over, or so many connections have come and gone.
void churnUntil(Stage& stage, Fleet& fleet, u64 untilNs, const Churn& load) {
  for (u64 now = nowNs(); now < untilNs && load.completed < load.wanted; now = nowNs()) {
    stage.loop.turn(std::min(fleet.pump(now), untilNs));
  }
}

}  // namespace

int runChurn(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  const u64 warmupNs = flags.number("warmup-ms", 500) * kMillisecondNs;
  const u64 durationNs = flags.number("duration-ms", 2000) * kMillisecondNs;
  const u64 count = flags.number("count", 0);
  const std::string closeKind = flags.text("close", "fin");
  if (closeKind != "fin" && closeKind != "rst") fail("--close is fin or rst");
  flags.rejectUnknown();
  stage.checkDescriptors(options.connections);
  Churn load;
  load.closeKind = closeKind == "fin" ? CloseKind::kFin : CloseKind::kReset;
  Fleet fleet(stage.loop, *stage.payload, options, &load);
  load.fleet = &fleet;
  if (count > 0) load.wanted = count;
  stage.announce("ready", fleet);
  fleet.aimFor(options.connections);
  churnUntil(stage, fleet, nowNs() + warmupNs, load);
  load.isCounting = true;
  const Usage::Reading before = stage.beginWindow();
  churnUntil(stage, fleet, before.atNs + (count > 0 ? kSecondNs * 60 : durationNs), load);
  const Usage::Reading after = stage.usage.read();

  JsonObject result = resultOf("churn");
  result.nested("connections", fleet.json()).number("completed", load.completed);
  stage.report(result, before, after);
  result.nested("response", load.opening.json());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
