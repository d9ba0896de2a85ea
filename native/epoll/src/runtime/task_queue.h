// TaskQueue: what is ready to run in a shard, by class, first come first served within a class.
//
// Tasks are records linked through their own `link` field, so queueing never allocates and a record
// is in the queue at most once. Classes are served in order, each within a budget per turn, so that
// neither a storm of new connections nor one busy connection delays the others.
// Invariant: `count` equals the records linked in the class's list.
#pragma once

#include "runtime/base.h"

namespace holdfast {

// In the order of service. Accepted sockets wait in the mailbox, which is the queue of its own
// class.
enum class TaskClass : u8 {
  kEstablished,  // bytes of open tunnels
  kExchange,     // connects, PROXY headers: tunnels that are not open yet
  kHandshake,    // steps of TLS handshakes that have begun
  kHello,        // handshakes that have not; they wait while too many are under way
  kCount,
};

// Tasks of one turn by class; what is left runs in the next turn. Established work is bounded by
// the time budget alone.
inline constexpr u32 kEstablishedTasksMax = 4096;
inline constexpr u32 kExchangeTasksMax = 256;
// Steps of TLS handshakes in one turn. A step costs up to some hundred microseconds and cannot be
// interrupted, a turn a few: established connections wait for one step at most.
inline constexpr u32 kHandshakeTasksMax = 1;
inline constexpr u32 kAdmissionsMax = 64;
// Tasks of connections that closed while they waited for their handshake: taken out in one turn.
inline constexpr u32 kClosedHellosMax = 256;
// Admissions of a turn in which established work was left over.
inline constexpr u32 kAdmissionsWhenBusyMax = 8;
// And of one with a step of a handshake, so that established connections wait for little else.
inline constexpr u32 kAdmissionsBesideStepMax = 2;
inline constexpr u32 kExpirationsMax = 1024;
// A turn ends after this time, so that JavaScript and the mailbox get theirs.
inline constexpr u64 kTurnNsMax = 4'000'000;
// The clock is read once per this many tasks.
inline constexpr u32 kTasksPerClock = 16;
// Bytes one read task forwards before others get their turn.
inline constexpr u32 kReadBudgetBytes = 512 * 1024;

template <typename Records>
class TaskList {
 public:
  explicit TaskList(Records& records) : records_(records) {}

  void push(u32 index) {
    records_[index].link = kNoIndex;
    if (tail_ == kNoIndex) {
      head_ = index;
    } else {
      records_[tail_].link = index;
    }
    tail_ = index;
    count_++;
  }

  // The next one, which stays; kNoIndex when empty.
  [[nodiscard]] u32 front() const { return head_; }

  // kNoIndex when empty.
  [[nodiscard]] u32 pop() {
    const u32 index = head_;
    if (index == kNoIndex) return kNoIndex;
    head_ = records_[index].link;
    if (head_ == kNoIndex) tail_ = kNoIndex;
    records_[index].link = kNoIndex;
    count_--;
    return index;
  }

  [[nodiscard]] u32 count() const { return count_; }

 private:
  Records& records_;
  u32 head_ = kNoIndex;
  u32 tail_ = kNoIndex;
  u32 count_ = 0;
};

}  // namespace holdfast
