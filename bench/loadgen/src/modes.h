// The modes of the program, one function each; `main` chooses by the first argument.
//
// Every client mode prints JSON lines: events (`ready`, `step`) while it runs and one result at its
// end. With --interactive it waits for a line on stdin after each event, and ends when stdin does.
// Each returns the exit code of the process.
#pragma once

#include "flags.h"

namespace holdfast::loadgen {

int runOrigin(Flags& flags);
// Opens connections in steps and holds them.
int runIdle(Flags& flags);
// Messages at a fixed rate, on a part of the connections.
int runOpen(Flags& flags);
// A fixed number of messages under way on each active connection: saturation.
int runClosed(Flags& flags);
// Messages at a fixed rate, calm and then while something is done to the peer.
int runPhases(Flags& flags);
// One connection and many bytes.
int runBulk(Flags& flags);
// Connect, one round trip, close, again.
int runChurn(Flags& flags);
// Open-loop load on some connections while many others are cut and come back at once.
int runStorm(Flags& flags);
// Open-loop load on some TLS connections while others shake hands as fast as they can.
int runHandshakes(Flags& flags);
// Open-loop load on some connections while others read slowly.
int runSlow(Flags& flags);
// One publisher, many subscribers.
int runFanout(Flags& flags);
// Starts a command and ends it, with all it started, when this process's stdin ends.
int runGuard(int argc, char** argv);
int runSelftest(Flags& flags);

}  // namespace holdfast::loadgen
