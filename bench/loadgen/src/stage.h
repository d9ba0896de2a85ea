// What every client mode stands on: loop, control line, CPU readings, payload, and the result's
// first part.
//
// Invariant: the order of construction is the order of use; the stage outlives the fleets of its
// mode.
#pragma once

#include <memory>

#include "fleet.h"
#include "json.h"
#include "loop.h"
#include "payload.h"
#include "usage.h"

namespace holdfast::loadgen {

struct Stage {
  // Reads --payload, --bytes, --watch and --interactive and raises the descriptor limit.
  explicit Stage(Flags& flags);

  // Opens what the fleet aims for; ends the process with a sentence when it cannot.
  void openOrFail(Fleet& fleet, const char* what);
  // Prints the event with the number of open connections and waits for a line when interactive.
  void announce(const char* event, const Fleet& fleet);
  // Ends the process when fewer descriptors are allowed than `connections` need.
  void checkDescriptors(u64 connections) const;

  Loop loop;
  Control control;
  Usage usage;
  std::unique_ptr<Payload> payload;
  u64 descriptorsMax;
};

// For fleets whose messages and ends nobody asks about.
struct Indifferent final : Fleet::Observer {};

// A result that names its mode.
JsonObject resultOf(const char* mode);

}  // namespace holdfast::loadgen
