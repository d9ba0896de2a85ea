// Common ground of the client modes; see stage.h.
//
// Runs before and after the measured window, never inside it.
#include "stage.h"

#include <cstdio>
#include <cstdlib>

namespace holdfast::loadgen {

namespace {

// Standard streams, the epoll set, a raw file, and some room.
constexpr u64 kSpareDescriptors = 32;

}  // namespace

Stage::Stage(Flags& flags)
    : control(loop, flags.isSet("interactive")),
      usage(flags),
      payload(createPayload(flags.text("payload", "tcp"), flags.number("bytes", 64),
                            flags.text("host", kHost))),
      channels(createChannels(flags)),
      descriptorsMax(raiseDescriptorLimit()) {}

FleetOptions Stage::fleetOptions(Flags& flags) const {
  FleetOptions options = FleetOptions::fromFlags(flags);
  options.channels = channels.get();
  return options;
}

Usage::Reading Stage::beginWindow() {
  if (channels) channels->beginWindow();
  return usage.read();
}

void Stage::report(JsonObject& result, const Usage::Reading& from, const Usage::Reading& to) const {
  const bool isLimited = Usage::ownShare(from, to) > kOwnShareMax;
  result.flag("limited", isLimited).text("limitedReason", isLimited ? kOwnLimit : "");
  result.nested("usage", usage.json(from, to));
  reportChannels(result);
}

void Stage::reportChannels(JsonObject& result) const {
  if (channels) channels->report(result);
}

void Stage::checkDescriptors(u64 connections) const {
  if (connections + kSpareDescriptors <= descriptorsMax) return;
  fail("%llu connections need more than the %llu descriptors this process may have (ulimit -n)",
       static_cast<unsigned long long>(connections),
       static_cast<unsigned long long>(descriptorsMax));
}

void Stage::openOrFail(Fleet& fleet, const char* what) {
  if (fleet.openAll()) return;
  const std::string failure = channels ? channels->failure() : "";
  std::fprintf(stderr, "loadgen: could not open the %s connections: %s %s\n", what,
               fleet.json().c_str(), failure.c_str());
  std::exit(kExitFailed);
}

void Stage::announce(const char* event, const Fleet& fleet) {
  printLine(JsonObject().text("event", event).number("connections", fleet.openCount()));
  control.waitForStep(loop);
}

JsonObject resultOf(const char* mode) {
  return JsonObject().text("event", "result").text("mode", mode);
}

}  // namespace holdfast::loadgen
