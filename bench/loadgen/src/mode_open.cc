// Mode open: messages at a fixed rate on `--active` of `--connections`, the others idle.
//
// The schedule and the accounting are OpenLoop's; this file only sets the stage. The figures of a
// gateway's latency come from here.
#include "modes.h"
#include "open_loop.h"
#include "stage.h"

namespace holdfast::loadgen {

int runOpen(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  OpenLoop load(stage.loop, OpenLoopOptions::fromFlags(flags, options.connections));
  flags.rejectUnknown();
  stage.checkDescriptors(options.connections);
  Fleet fleet(stage.loop, *stage.payload, options, &load);
  fleet.aimFor(options.connections);
  stage.openOrFail(fleet, "echo");
  stage.announce("ready", fleet);
  load.run(fleet, stage.usage, nullptr);
  JsonObject result = resultOf("open");
  result.nested("connections", fleet.json());
  load.report(result, stage.usage);
  stage.reportChannels(result);
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
