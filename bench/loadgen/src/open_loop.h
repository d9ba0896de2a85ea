// Open-loop load on a fleet: messages leave when the schedule says, whatever the peer does.
//
// Latency runs from the intended send time. What could not be sent in the window is counted as
// missed, what was not answered as unanswered, and both enter the histogram with the time they had
// waited so far, so that a stall cannot hide. A second histogram runs from the actual send time
// (service time).
// Invariant: every intended time inside the window ends in exactly one of: answered, unanswered,
// missed.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "fleet.h"
#include "histogram.h"
#include "schedule.h"
#include "usage.h"

namespace holdfast::loadgen {

struct OpenLoopOptions {
  u32 active = 0;
  double perSecond = 0;
  u64 gridNs = 1;
  u64 warmupNs = 0;
  u64 durationNs = 0;
  u64 drainNs = 0;
  u64 seed = 1;
  Schedule::Arrivals arrivals = Schedule::Arrivals::kUniform;
  std::string rawPath;

  // `connections` bounds --active.
  static OpenLoopOptions fromFlags(Flags& flags, u32 connections);
};

class OpenLoop : public Fleet::Observer {
 public:
  // Timed work of a mode that runs beside the schedule: a storm, other fleets. `work` returns the
  // time at which it wants to be called again.
  class Companion {
   public:
    virtual u64 work(u64 now) = 0;
    // Which of at most kPhasesMax phases a message belongs to that was intended at `intendedNs`.
    virtual u32 phaseOf(u64) const { return 0; }

   protected:
    ~Companion() = default;
  };
  static constexpr u32 kPhasesMax = 3;

  OpenLoop(Loop& loop, OpenLoopOptions options);
  ~OpenLoop();
  OpenLoop(const OpenLoop&) = delete;
  OpenLoop& operator=(const OpenLoop&) = delete;

  // The fleet must be open. Returns when the window and the drain are over.
  void run(Fleet& fleet, const Usage& usage, Companion* companion);
  // Ends the window now instead of at its planned end; for a companion that knows when it is done.
  void endWindow(u64 now) { windowEndNs_ = std::min(windowEndNs_, now); }
  // Everything that was measured; `limited` says when this process was the limit.
  void report(JsonObject& result, const Usage& usage) const;

  u64 windowStartNs() const { return windowStartNs_; }
  u64 windowEndNs() const { return windowEndNs_; }
  // Latencies of one phase, for a companion that has several.
  const Histogram& phase(u32 index) const { return response_[index]; }

  void message(u32 index, const Stamp& stamp, u64 now) override;
  void writable(u32 index) override;
  void lost(u32 index) override;

 private:
  // One connection's place in the schedule.
  struct Sender {
    std::vector<u64> waiting;  // intended times under way, oldest first
    std::size_t waitingFrom = 0;
    Schedule::Due blocked{kNever, 0, 0};  // what waits for a writable socket
    u64 unblockedNs = 0;
  };

  void sendDue(u64 now);
  void record(u64 intendedNs, u64 untilNs);
  void countMissed(u64 atNs, u64 now);
  void countUnanswered(Sender& sender, u64 now);
  void countLeftovers(u64 now);
  void closeRaw();

  Loop& loop_;
  OpenLoopOptions options_;
  Schedule schedule_;
  Fleet* fleet_ = nullptr;
  Companion* companion_ = nullptr;
  std::vector<Sender> senders_;
  std::vector<Histogram> response_;  // by phase
  Histogram service_;
  Histogram lateness_;
  std::FILE* raw_ = nullptr;
  u64 windowStartNs_ = 0;
  u64 windowEndNs_ = 0;
  u64 sent_ = 0;
  u64 answered_ = 0;
  u64 answeredInWindow_ = 0;
  u64 missed_ = 0;
  u64 late_ = 0;
  u64 unanswered_ = 0;
  u64 outOfOrder_ = 0;
  Usage::Reading before_;
  Usage::Reading after_;
};

}  // namespace holdfast::loadgen
