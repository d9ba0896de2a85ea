// One epoll set and its handlers: the turn of the load generator.
//
// Every mode runs `turn` in a loop of its own and does its timed work between turns. Deadlines are
// absolute nanoseconds and kept by one timer descriptor, which is armed once for each deadline and
// not once for each turn: arming is dear on a virtual machine.
// Invariant: an event whose generation is old is dropped by its handler, never delivered to a
// successor.
#pragma once

#include <sys/epoll.h>

#include <vector>

#include "types.h"

namespace holdfast::loadgen {

class Loop {
 public:
  // At most this many events are handled before the schedule is looked at again.
  static constexpr int kEventsMax = 64;
  static constexpr u32 kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

  class Handler {
   public:
    virtual void ready(u32 index, u32 generation, u32 events) = 0;

   protected:
    ~Handler() = default;
  };

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // At most 256 handlers; returns the number to pass to `watch`. The handler outlives the loop's
  // last turn.
  u32 addHandler(Handler* handler);
  struct Tag {
    u32 handler;
    u32 index;
    u32 generation;  // 24 bits are kept
  };
  void watch(int fd, Tag tag, u32 events = kEdges);
  // Fewer events between two looks at the schedule, for those whose events are dear.
  void limitEvents(int perTurn) { perTurn_ = perTurn; }
  // Waits until an event or `deadlineNs` and handles as many events as a turn may.
  void turn(u64 deadlineNs);

 private:
  void arm(u64 deadlineNs);

  int epoll_;
  int timer_;
  u64 armedNs_ = kNever;
  int perTurn_ = kEventsMax;
  std::vector<Handler*> handlers_;
};

// The parent's end of a conversation: one line on stdin is one step, its end means that the parent
// is gone.
class Control : public Loop::Handler {
 public:
  // Watches stdin when `isInteractive`; otherwise every `waitForStep` returns at once.
  Control(Loop& loop, bool isInteractive);
  // Runs the loop until the next line arrives.
  void waitForStep(Loop& loop);
  // True once a line is there that no `waitForStep` has taken; taking it is left to waitForStep.
  bool hasStep() const { return steps_ > 0; }
  // Takes one of them; false when there is none.
  bool takeStep() { return steps_ > 0 && steps_-- > 0; }
  bool isInteractive() const { return isInteractive_; }
  void ready(u32 index, u32 generation, u32 events) override;

 private:
  bool isInteractive_;
  u32 steps_ = 0;
};

}  // namespace holdfast::loadgen
