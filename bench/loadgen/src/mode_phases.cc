// Mode phases: open-loop load while whoever started it does something to the peer, and before.
//
// The window begins calm. The first line on stdin after `ready` has been passed ends the calm, the
// next one ends the window; --duration-ms is the longest it may take. Latencies are kept by phase.
// Needs --interactive. Does not know what is done.
#include "modes.h"
#include "open_loop.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

class Phases : public OpenLoop::Companion {
 public:
  Phases(Control& control, OpenLoop& load) : control_(control), load_(load) {}

  u64 work(u64 now) override {
    if (!control_.takeStep()) return kNever;
    if (calmEndNs_ == kNever) {
      calmEndNs_ = now;
    } else {
      load_.endWindow(now);
    }
    return now;
  }
  u32 phaseOf(u64 intendedNs) const override { return intendedNs < calmEndNs_ ? 0 : 1; }

 private:
  Control& control_;
  OpenLoop& load_;
  u64 calmEndNs_ = kNever;
};

}  // namespace

int runPhases(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  OpenLoop load(stage.loop, OpenLoopOptions::fromFlags(flags, options.connections));
  flags.rejectUnknown();
  if (!stage.control.isInteractive()) fail("the mode phases wants --interactive");
  stage.checkDescriptors(options.connections);
  Fleet fleet(stage.loop, *stage.payload, options, &load);
  fleet.aimFor(options.connections);
  stage.openOrFail(fleet, "established");
  stage.announce("ready", fleet);
  Phases phases(stage.control, load);
  load.run(fleet, stage.usage, &phases);
  JsonObject result = resultOf("phases");
  result.nested("connections", fleet.json());
  load.report(result, stage.usage);
  stage.reportChannels(result);
  result.nested("secondPhase", load.phase(1).json());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
