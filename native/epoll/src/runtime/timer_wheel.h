// TimerWheel: deadlines of up to millions of records, one wheel per shard, intrusive nodes.
//
// A hierarchical wheel: five levels of 64 slots and a top level of 4 cover all 32-bit ticks. A node
// lives in the slot of the highest digit (6 bits) in which its expiry differs from now, and moves
// down when time reaches that slot: at most five times in its life. Arm and disarm are O(1);
// advance skips empty slots by bitmap. Nodes are 16 bytes inside the caller's records, named by
// index.
// Invariant: every armed node is in exactly one list, and every node in the slots expires after
// now(); a node never fires early, and never later than the first advance() that has the budget.
// Does not read a clock, does not allocate, does not own records, is not thread-safe.
#pragma once

#include <type_traits>
#include <utility>

#include "runtime/base.h"

namespace holdfast {

// Lies inside the record that has the deadline. All zero: not armed, so zeroed memory is valid.
struct TimerNode {
  u32 next = 0;
  u32 previous = 0;
  u32 expiryTick = 0;
  u32 bucket = 0;  // 0: not armed; otherwise the wheel's list, counted from 1
};
static_assert(sizeof(TimerNode) == 16 && std::is_trivially_copyable_v<TimerNode>);

// True when tick `a` comes before tick `b`, across the wrap of 32 bits.
[[nodiscard]] constexpr bool isTickBefore(u32 a, u32 b) { return static_cast<i32>(a - b) < 0; }

// `NodeOf` is a callable `TimerNode& operator()(u32 index)` whose answer stays valid for the call.
template <typename NodeOf>
class TimerWheel {
 public:
  // The furthest deadline ahead of now(): about 24 days in ticks of one millisecond.
  static constexpr u32 kTicksMax = 0x7fffffffu;
  // Nodes that advance() may move down for each expiration it may report.
  static constexpr u32 kMovesPerExpiration = 4;

  TimerWheel(NodeOf nodeOf, u32 nowTick) : nodeOf_(std::move(nodeOf)), now_(nowTick) {
    for (u32& head : heads_) head = kNoIndex;
  }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  [[nodiscard]] static bool isArmed(const TimerNode& node) { return node.bucket != 0; }

  // Armed nodes.
  [[nodiscard]] u32 count() const { return count_; }

  // All deadlines before this tick have fired. Behind the caller's clock while work is left over.
  [[nodiscard]] u32 now() const { return now_; }

  // Sets the deadline, or moves it when it is armed already. A deadline that is not after now()
  // fires on the next tick. `tick` is at most kTicksMax ahead of now().
  void arm(u32 index, u32 tick) {
    TimerNode& node = nodeOf_(index);
    if (!isTickBefore(now_, tick)) tick = now_ + 1;
    const u32 bucket = bucketOf(tick);
    if (node.bucket == bucket) {
      node.expiryTick = tick;
      return;
    }
    if (isArmed(node)) {
      unlink(node);
    } else {
      ++count_;
    }
    node.expiryTick = tick;
    link(index, node, bucket);
  }

  // Forgets the deadline; nothing happens when there is none.
  void disarm(u32 index) {
    TimerNode& node = nodeOf_(index);
    if (!isArmed(node)) return;
    unlink(node);
    node.bucket = 0;
    --count_;
  }

  // Moves time to `nowTick` and calls `callback(index)` for each deadline that has come, earliest
  // tick first, the order within one tick being unspecified. The node is not armed any more when
  // its callback runs; the callback may arm, disarm and free any node, its own too, but not call
  // advance(). A deadline armed by a callback fires in a later tick, never twice in one.
  // Stops after `maxExpirations` callbacks or kMovesPerExpiration times as many moves, and goes on
  // in the next call: isBehind() tells. Returns the number of callbacks.
  template <typename Callback>
  u32 advance(u32 nowTick, Callback&& callback, u32 maxExpirations) {
    HF_ASSERT(!isAdvancing_);
    isAdvancing_ = true;
    if (isTickBefore(target_, nowTick)) target_ = nowTick;
    u32 expired = 0;
    u64 movesLeft = u64{maxExpirations} * kMovesPerExpiration;
    while (expired < maxExpirations && movesLeft != 0) {
      const u32 index = heads_[open_];
      if (index == kNoIndex) {
        if (!openNextSlot()) break;
        continue;
      }
      TimerNode& node = nodeOf_(index);
      unlink(node);
      if (isTickBefore(now_, node.expiryTick)) {
        link(index, node, bucketOf(node.expiryTick));
        --movesLeft;
        continue;
      }
      HF_DASSERT(node.expiryTick == now_);
      node.bucket = 0;
      --count_;
      ++expired;
      callback(index);
    }
    isAdvancing_ = false;
    return expired;
  }

  // True when the last advance() ran out of budget before it reached its tick.
  [[nodiscard]] bool isBehind() const { return now_ != target_ || heads_[open_] != kNoIndex; }

  // The tick at which advance() has something to do next: exact for the nearest 64 ticks, otherwise
  // a bound that is never late. With nothing armed, the furthest tick there is. O(1).
  [[nodiscard]] u32 nextExpiryTick() const {
    if (heads_[open_] != kNoIndex) return now_;
    u32 bucket = kNone;
    u32 start = 0;
    return findNextSlot(&bucket, &start) ? start : now_ + kTicksMax;
  }

  // Debug: walks every list and aborts on a broken link, a wrong slot or a wrong count. O(n).
  void assertConserved() {
    u32 found = 0;
    for (u32 bucket = 1; bucket < kBuckets; ++bucket) {
      u32 previous = kNoIndex;
      for (u32 index = heads_[bucket]; index != kNoIndex;) {
        const TimerNode& node = nodeOf_(index);
        HF_ASSERT(node.bucket == bucket && node.previous == previous);
        HF_ASSERT(bucket == open_ || isTickBefore(now_, node.expiryTick));
        HF_ASSERT(bucket == open_ || bucketOf(node.expiryTick) == bucket);
        previous = index;
        index = node.next;
        ++found;
      }
      const bool isMarked = ((occupied_[levelOf(bucket)] >> slotOf(bucket)) & 1) != 0;
      HF_ASSERT(isMarked == (heads_[bucket] != kNoIndex));
    }
    HF_ASSERT(found == count_);
  }

 private:
  static constexpr u32 kSlotBits = 6;
  static constexpr u32 kSlots = 1u << kSlotBits;
  static constexpr u32 kTopLevel = 5;  // holds bits 30 and 31: 4 slots, used in a circle
  static constexpr u32 kTopSlots = 4;
  static constexpr u32 kNone = 0;  // an always empty list, so that TimerNode can be all zero
  static constexpr u32 kFirstSlot = 1;
  static constexpr u32 kBuckets = kFirstSlot + kTopLevel * kSlots + kTopSlots;

  static constexpr u32 levelOf(u32 bucket) { return (bucket - kFirstSlot) / kSlots; }
  static constexpr u32 slotOf(u32 bucket) { return (bucket - kFirstSlot) % kSlots; }

  // The slot of a tick after now_: the highest digit in which the two differ.
  [[nodiscard]] u32 bucketOf(u32 tick) const {
    const u32 highestBit = 31u - static_cast<u32>(__builtin_clz((tick ^ now_) | 1u));
    const u32 level = highestBit / kSlotBits;
    return kFirstSlot + level * kSlots + ((tick >> (level * kSlotBits)) & (kSlots - 1));
  }

  void link(u32 index, TimerNode& node, u32 bucket) {
    node.bucket = bucket;
    node.previous = kNoIndex;
    node.next = heads_[bucket];
    if (node.next != kNoIndex) nodeOf_(node.next).previous = index;
    heads_[bucket] = index;
    occupied_[levelOf(bucket)] |= u64{1} << slotOf(bucket);
  }

  // Leaves `node.bucket` to the caller.
  void unlink(TimerNode& node) {
    if (node.next != kNoIndex) nodeOf_(node.next).previous = node.previous;
    if (node.previous != kNoIndex) {
      nodeOf_(node.previous).next = node.next;
      return;
    }
    heads_[node.bucket] = node.next;
    if (node.next == kNoIndex) {
      occupied_[levelOf(node.bucket)] &= ~(u64{1} << slotOf(node.bucket));
    }
  }

  // The lower level is always nearer: its nodes share every higher digit with now_.
  bool findNextSlot(u32* bucket, u32* start) const {
    for (u32 level = 0; level < kTopLevel; ++level) {
      if (occupied_[level] == 0) continue;
      const u32 slot = static_cast<u32>(__builtin_ctzll(occupied_[level]));
      const u32 shift = level * kSlotBits;
      *bucket = kFirstSlot + level * kSlots + slot;
      *start = (now_ & ~((1u << (shift + kSlotBits)) - 1)) | (slot << shift);
      return true;
    }
    const u32 current = now_ >> (kTopLevel * kSlotBits);
    for (u32 step = 1; step < kTopSlots; ++step) {
      const u32 slot = (current + step) % kTopSlots;
      if (((occupied_[kTopLevel] >> slot) & 1) == 0) continue;
      *bucket = kFirstSlot + kTopLevel * kSlots + slot;
      *start = slot << (kTopLevel * kSlotBits);
      return true;
    }
    return false;
  }

  // Moves time to the start of the next slot in use, which becomes the open one: its nodes leave it
  // by firing or by moving down. None comes in, because no later tick has now_'s own digit there.
  bool openNextSlot() {
    u32 start = 0;
    u32 bucket = kNone;
    if (!findNextSlot(&bucket, &start) || isTickBefore(target_, start)) {
      open_ = kNone;
      now_ = target_;
      return false;
    }
    open_ = bucket;
    now_ = start;
    return true;
  }

  NodeOf nodeOf_;
  u32 now_;
  u32 target_ = now_;
  u32 count_ = 0;
  u32 open_ = kNone;  // the slot that time has reached; now_ stands still until it is empty
  bool isAdvancing_ = false;
  u64 occupied_[kTopLevel + 1] = {};
  u32 heads_[kBuckets];
};

}  // namespace holdfast
