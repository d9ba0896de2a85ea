// Mode idle: opens connections in steps and holds each step until told to go on.
//
// Path: generator -> gateway -> origin, once for each connection, then silence. Whoever measures
// memory does it between the event of a step and the line that ends it. Does not send anything
// while holding.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "modes.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

std::vector<u32> parseSteps(const std::string& list) {
  std::vector<u32> steps;
  for (const char* at = list.c_str(); *at != '\0';) {
    char* end = nullptr;
    const unsigned long step = std::strtoul(at, &end, 10);
    if (end == at || (*end != '\0' && *end != ',')) fail("--steps wants numbers with commas");
    steps.push_back(static_cast<u32>(step));
    at = *end == ',' ? end + 1 : end;
  }
  if (steps.empty() || !std::is_sorted(steps.begin(), steps.end()))
    fail("--steps wants rising numbers");
  return steps;
}

}  // namespace

int runIdle(Flags& flags) {
  Stage stage(flags);
  const std::vector<u32> steps = parseSteps(flags.text("steps", "1000"));
  FleetOptions options = stage.fleetOptions(flags);
  options.connections = steps.back();
  const u64 holdNs = flags.number("hold-ms", 0) * kMillisecondNs;
  flags.rejectUnknown();
  stage.checkDescriptors(options.connections);
  Indifferent nobody;
  Fleet fleet(stage.loop, *stage.payload, options, &nobody);
  const Usage::Reading before = stage.usage.read();
  for (const u32 step : steps) {
    fleet.aimFor(step);
    stage.openOrFail(fleet, "idle");
    stage.announce("step", fleet);
    for (const u64 until = nowNs() + holdNs; nowNs() < until;) stage.loop.turn(until);
  }
  JsonObject result = resultOf("idle");
  result.nested("connections", fleet.json());
  stage.report(result, before, stage.usage.read());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
