// What every client mode stands on: loop, control line, CPU readings, payload, and the result's
// first part.
//
// Invariant: the order of construction is the order of use; the stage outlives the fleets of its
// mode.
#pragma once

#include <memory>

#include "channel.h"
#include "fleet.h"
#include "json.h"
#include "loop.h"
#include "payload.h"
#include "usage.h"

namespace holdfast::loadgen {

struct Stage {
  // Reads --payload, --bytes, --watch, --interactive and the flags of channels, and raises the
  // descriptor limit.
  explicit Stage(Flags& flags);

  // What a fleet is opened with, by the flags; its connections have this stage's channels.
  FleetOptions fleetOptions(Flags& flags) const;
  // Opens what the fleet aims for; ends the process with a sentence when it cannot.
  void openOrFail(Fleet& fleet, const char* what);
  // Prints the event with the number of open connections and waits for a line when interactive.
  void announce(const char* event, const Fleet& fleet);
  // Begins a measured window: CPU from here on, channels counted anew.
  Usage::Reading beginWindow();
  // Adds the CPU of a window, whether this process was the limit in it, and reportChannels.
  void report(JsonObject& result, const Usage::Reading& from, const Usage::Reading& to) const;
  // Adds what the channels negotiated and counted; nothing without them.
  void reportChannels(JsonObject& result) const;
  // Ends the process when fewer descriptors are allowed than `connections` need.
  void checkDescriptors(u64 connections) const;

  Loop loop;
  Control control;
  Usage usage;
  std::unique_ptr<Payload> payload;
  std::unique_ptr<Channels> channels;  // none without --tls
  u64 descriptorsMax;
};

// For fleets whose messages and ends nobody asks about.
struct Indifferent final : Fleet::Observer {};

// A result that names its mode.
JsonObject resultOf(const char* mode);

}  // namespace holdfast::loadgen
