// Mode storm: open-loop load on established connections while `--storm` others are cut and all come
// back.
//
// Latencies are kept by phase: before the storm, while it lasts (from the cut to the last
// reconnect), and after. --connections are the established ones; the storm's own reconnect times
// have a histogram too. Does not speed up or slow down the schedule of the established connections:
// a few opens a turn, and no more than --storm-per-second.
#include <algorithm>

#include "histogram.h"
#include "modes.h"
#include "open_loop.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

// So that the cut does not delay the schedule of the established connections.
constexpr u32 kClosesPerTurn = 8;
constexpr int kEventsPerTurn = 16;

class Storm : public OpenLoop::Companion, public Fleet::Observer {
 public:
  Fleet* fleet = nullptr;
  const OpenLoop* load = nullptr;
  u64 afterNs = 0;
  u64 startNs = 0;
  u64 endNs = 0;
  u32 cut = 0;  // connections closed so far
  Histogram reconnects;

  u64 work(u64 now) override {
    if (startNs == 0) {
      if (now < load->windowStartNs() + afterNs) return load->windowStartNs() + afterNs;
      startNs = now;
      fleet->restartPace();
    }
    if (cut < fleet->goal()) {
      for (u32 closes = 0; closes < kClosesPerTurn && cut < fleet->goal(); ++closes) {
        fleet->close(cut++, CloseKind::kReset);
      }
      return now;
    }
    if (endNs == 0 && fleet->openCount() == fleet->goal()) endNs = now;
    return endNs == 0 ? fleet->pump(now) : kNever;
  }
  u32 phaseOf(u64 intendedNs) const override {
    if (startNs == 0 || intendedNs < startNs) return 0;
    return endNs == 0 || intendedNs < endNs ? 1 : 2;
  }
  void opened(u32, u64 startedNs, u64 now) override {
    // Every connection waits since the cut, not since its own turn came.
    if (startNs > 0) reconnects.record(now - std::min(startNs, startedNs));
  }
};

}  // namespace

int runStorm(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  OpenLoop load(stage.loop, OpenLoopOptions::fromFlags(flags, options.connections));
  FleetOptions stormOptions = options;
  stormOptions.connections = static_cast<u32>(flags.number("storm", 1000));
  stormOptions.opensPerSecond = flags.number("storm-per-second", 0);
  stormOptions.opensPerTurnMax = static_cast<u32>(flags.number("storm-opens-per-turn", 4));
  Storm storm;
  storm.afterNs = flags.number("storm-after-ms", 1000) * kMillisecondNs;
  flags.rejectUnknown();
  stage.checkDescriptors(u64{options.connections} + stormOptions.connections);

  Fleet established(stage.loop, *stage.payload, options, &load);
  Fleet stormers(stage.loop, *stage.payload, stormOptions, &storm);
  storm.fleet = &stormers;
  storm.load = &load;
  established.aimFor(options.connections);
  stage.openOrFail(established, "established");
  stormers.aimFor(stormOptions.connections);
  stage.openOrFail(stormers, "storming");
  stage.announce("ready", established);
  stage.loop.limitEvents(kEventsPerTurn);
  load.run(established, stage.usage, &storm);

  JsonObject result = resultOf("storm");
  result.nested("connections", established.json()).nested("storm", stormers.json());
  load.report(result, stage.usage);
  stage.reportChannels(result);
  result.nested("duringStorm", load.phase(1).json()).nested("afterStorm", load.phase(2).json());
  result.nested("reconnects", storm.reconnects.json());
  result.number("stormNs", storm.endNs > storm.startNs ? storm.endNs - storm.startNs : 0);
  result.flag("stormEnded", storm.endNs != 0);
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
