// Mode closed: every active connection keeps `--outstanding` messages under way.
//
// With --messages it ends when so many have been answered, each connection its part; otherwise
// after
// --duration-ms. Shows how much work the path does at its limit, and what a message costs there.
// Its latency is service time under a load that adapts to the peer: never to be read as what a user
// would see.
#include <algorithm>
#include <utility>
#include <vector>

#include "histogram.h"
#include "modes.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

class ClosedLoop : public Fleet::Observer {
 public:
  Fleet* fleet = nullptr;
  Histogram service;
  u64 answered = 0;
  bool isCounting = false;
  bool isEnding = false;
  u64 finished = 0;  // connections that have done their part

  void message(u32 index, const Stamp& stamp, u64 now) override {
    if (isCounting) {
      ++answered;
      service.record(now - stamp.sentNs);
    }
    if (isEnding || (left_.size() > index && left_[index]-- <= 1)) {
      ++finished;
      return;
    }
    send(index);
  }
  void writable(u32 index) override {
    if (index < active_) top(index);
  }
  // `messages` for all together; 0: without end.
  void begin(u32 active, u32 outstanding, u64 messages) {
    active_ = active;
    if (messages > 0) left_.assign(active, messages / active);
    for (u32 index = 0; index < active; ++index) {
      for (u32 times = 0; times < outstanding; ++times) send(index);
    }
  }

 private:
  void send(u32 index) {
    const u64 now = nowNs();
    if (fleet->send(index, Stamp{Kind::kEcho, now, now}) == Fleet::SendResult::kBlocked) {
      if (owed_.size() <= index) owed_.resize(index + 1);
      ++owed_[index];
    }
  }
  // Sends what a full socket put off.
  void top(u32 index) {
    if (owed_.size() <= index) return;
    for (u32 owed = std::exchange(owed_[index], 0); owed > 0; --owed) send(index);
  }

  u32 active_ = 0;
  std::vector<u64> left_;  // answers each connection still wants
  std::vector<u32> owed_;
};

}  // namespace

int runClosed(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  const u32 active = static_cast<u32>(flags.number("active", options.connections));
  const u32 outstanding = static_cast<u32>(flags.number("outstanding", 1));
  const u64 warmupNs = flags.number("warmup-ms", 500) * kMillisecondNs;
  const u64 messages = flags.number("messages", 0);
  const u64 durationNs = flags.number("duration-ms", 2000) * kMillisecondNs;
  flags.rejectUnknown();
  stage.checkDescriptors(options.connections);
  ClosedLoop load;
  Fleet fleet(stage.loop, *stage.payload, options, &load);
  load.fleet = &fleet;
  fleet.aimFor(options.connections);
  stage.openOrFail(fleet, "echo");
  stage.announce("ready", fleet);

  const u32 senders = std::min(active, options.connections);
  // What is counted is either a window or everything; in the second case there is no warm-up.
  load.isCounting = messages > 0;
  Usage::Reading before = stage.beginWindow();
  load.begin(senders, messages > 0 ? 1 : outstanding, messages);
  if (messages == 0) {
    for (const u64 until = nowNs() + warmupNs; nowNs() < until;) stage.loop.turn(until);
    load.isCounting = true;
    before = stage.beginWindow();
  }
  for (const u64 until = before.atNs + durationNs; nowNs() < until && load.finished < senders;) {
    stage.loop.turn(until);
  }
  const Usage::Reading after = stage.usage.read();
  load.isCounting = false;
  load.isEnding = true;

  JsonObject result = resultOf("closed");
  result.nested("connections", fleet.json()).number("answeredInWindow", load.answered);
  stage.report(result, before, after);
  result.nested("service", load.service.json());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
