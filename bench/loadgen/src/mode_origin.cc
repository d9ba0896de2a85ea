// Mode origin: serves until it is told to stop, then says what it did.
//
// Path: the far end of every TCP measurement. Ends on SIGTERM, SIGINT, or the end of stdin with
// --interactive. With --spin it never sleeps, so that waking it costs the sender nothing: for
// measuring the generator itself.
#include <csignal>
#include <cstdio>

#include "modes.h"
#include "origin.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

volatile std::sig_atomic_t isStopping = 0;

void stop(int) { isStopping = 1; }

}  // namespace

int runOrigin(Flags& flags) {
  Loop loop;
  Control control(loop, flags.isSet("interactive"));
  const std::vector<Address> addresses = parseAddresses(flags.text("listen", "127.0.0.1:7000"));
  const bool isSpinning = flags.isSet("spin");
  flags.rejectUnknown();
  raiseDescriptorLimit();
  std::signal(SIGTERM, stop);
  std::signal(SIGINT, stop);
  Origin origin(loop, addresses);
  printLine(JsonObject().text("event", "ready").number("listeners", addresses.size()));
  while (isStopping == 0 && !control.hasStep()) loop.turn(isSpinning ? 0 : nowNs() + kSecondNs);
  printLine(resultOf("origin")
                .number("accepted", origin.acceptedCount())
                .number("dropped", origin.droppedCount()));
  return 0;
}

}  // namespace holdfast::loadgen
