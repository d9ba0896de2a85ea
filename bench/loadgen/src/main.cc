// The load generator: one program with an origin, client modes, a guard for peers and its own
// checks.
//
// usage: loadgen MODE [--flag value ...]; the modes are listed in modes.h, their flags in each
// mode's file. Does nothing but choose the mode.
#include <csignal>
#include <cstring>

#include "modes.h"

int main(int argc, char** argv) {
  using namespace holdfast::loadgen;
  struct Mode {
    const char* name;
    int (*run)(Flags&);
  };
  static constexpr Mode kModes[] = {
      {"origin", runOrigin},         {"idle", runIdle},     {"open", runOpen},
      {"closed", runClosed},         {"bulk", runBulk},     {"churn", runChurn},
      {"storm", runStorm},           {"slow", runSlow},     {"fanout", runFanout},
      {"handshakes", runHandshakes}, {"phases", runPhases}, {"selftest", runSelftest}};
  if (argc < 2) {
    fail(
        "usage: loadgen origin|idle|open|closed|bulk|churn|storm|slow|fanout|handshakes|phases|"
        "guard|selftest");
  }
  if (std::strcmp(argv[1], "guard") == 0) return runGuard(argc, argv);
  for (const Mode& mode : kModes) {
    if (std::strcmp(argv[1], mode.name) != 0) continue;
    Flags flags(argc, argv, 2);
    return mode.run(flags);
  }
  fail("unknown mode \"%s\"", argv[1]);
}
