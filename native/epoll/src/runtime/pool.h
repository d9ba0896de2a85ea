// Pool: fixed-capacity records by slot index, in reserved address space that becomes resident when
// used.
//
// Owner of every Conn and Tunnel of a shard. A slot never moves, so an index stays valid for life
// and a Handle (index and generation) tells a live record from its predecessors.
// Invariant: `inUse` equals the slots taken and not released; a released slot has a new generation.
// Never grows beyond the capacity given at start: take() answers kNoIndex then, and the caller
// refuses.
#pragma once

#include <cerrno>
#include <cstring>
#include <new>
#include <type_traits>

#include "runtime/base.h"
#include "runtime/sys.h"

namespace holdfast {

// T needs `u32 generation` and `u32 link` (free here, so records reuse a field they need only
// alive).
template <typename T>
class Pool {
 public:
  static_assert(std::is_trivially_destructible_v<T>);

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    if (slots_ != nullptr) sys::unreserve(slots_, bytes());
  }

  // ENOMEM when the address space cannot be had.
  Status reserve(u32 capacity) {
    capacity_ = capacity;
    slots_ = static_cast<T*>(sys::reserve(bytes()));
    return slots_ == nullptr ? Status::fromErrno(ENOMEM) : Status::ok();
  }

  // Core dumps leave the records out.
  void excludeFromDumps() { sys::excludeFromDumps(slots_, bytes()); }

  // Returns a slot whose fields are default-initialised, or kNoIndex at capacity. O(1).
  [[nodiscard]] u32 take() {
    u32 index = free_;
    u32 generation = 1;
    if (index != kNoIndex) {
      free_ = slots_[index].link;
      generation = slots_[index].generation;
    } else {
      if (touched_ == capacity_) return kNoIndex;
      index = touched_++;
    }
    T* slot = ::new (&slots_[index]) T{};
    slot->generation = generation;
    inUse_++;
    return index;
  }

  // The slot's generation moves on: every Handle to it is stale from here on.
  void release(u32 index) {
    HF_ASSERT(index < touched_ && inUse_ > 0);
    renew(index);
    T& slot = slots_[index];
    slot.link = free_;
    free_ = index;
    inUse_--;
  }

  // Makes every Handle to the slot stale and keeps the record.
  void renew(u32 index) {
    T& slot = slots_[index];
    slot.generation++;
    if (slot.generation == 0) slot.generation = 1;
  }

  [[nodiscard]] T& operator[](u32 index) {
    HF_DASSERT(index < touched_);
    return slots_[index];
  }
  [[nodiscard]] const T& operator[](u32 index) const {
    HF_DASSERT(index < touched_);
    return slots_[index];
  }

  // Null when the handle is stale. A free slot has no live handle: its generation has moved on.
  [[nodiscard]] T* resolve(Handle handle) {
    if (handle.index >= touched_) return nullptr;
    T& slot = slots_[handle.index];
    return slot.generation == handle.generation ? &slot : nullptr;
  }

  [[nodiscard]] Handle handleOf(u32 index) const { return Handle{index, slots_[index].generation}; }
  [[nodiscard]] u32 inUse() const { return inUse_; }
  // Slots ever used: the bound of a scan over all records.
  [[nodiscard]] u32 touched() const { return touched_; }
  [[nodiscard]] u32 capacity() const { return capacity_; }

 private:
  [[nodiscard]] size_t bytes() const { return sizeof(T) * (size_t{capacity_} + 1); }

  T* slots_ = nullptr;
  u32 capacity_ = 0;
  u32 touched_ = 0;
  u32 free_ = kNoIndex;
  u32 inUse_ = 0;
};

// SlotPool: plain bytes of one size by index, for what has neither generation nor links of its own.
// Whoever has the index is the owner. A free slot's first bytes hold the list of free slots.
class SlotPool {
 public:
  SlotPool() = default;
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;
  ~SlotPool() {
    if (slots_ != nullptr) sys::unreserve(slots_, bytes());
  }

  // `slotBytes` is a multiple of 8. ENOMEM when the address space cannot be had.
  Status reserve(u32 slotBytes, u32 capacity) {
    HF_ASSERT(slotBytes >= 8 && slotBytes % 8 == 0);
    slotBytes_ = slotBytes;
    capacity_ = capacity;
    slots_ = static_cast<u8*>(sys::reserve(bytes()));
    return slots_ == nullptr ? Status::fromErrno(ENOMEM) : Status::ok();
  }
  // Core dumps leave the slots out.
  void excludeFromDumps() { sys::excludeFromDumps(slots_, bytes()); }

  // Its bytes are those of its last owner. kNoIndex at capacity. O(1).
  [[nodiscard]] u32 take() {
    u32 index = free_;
    if (index != kNoIndex) {
      std::memcpy(&free_, at(index), sizeof(free_));
    } else {
      if (touched_ == capacity_) return kNoIndex;
      index = touched_++;
    }
    inUse_++;
    return index;
  }

  void release(u32 index) {
    HF_ASSERT(index < touched_ && inUse_ > 0);
    std::memcpy(at(index), &free_, sizeof(free_));
    free_ = index;
    inUse_--;
  }

  [[nodiscard]] u8* at(u32 index) {
    HF_DASSERT(index < touched_);
    return slots_ + size_t{index} * slotBytes_;
  }
  [[nodiscard]] u32 slotBytes() const { return slotBytes_; }
  [[nodiscard]] u32 inUse() const { return inUse_; }

 private:
  [[nodiscard]] size_t bytes() const { return size_t{slotBytes_} * (size_t{capacity_} + 1); }

  u8* slots_ = nullptr;
  u32 slotBytes_ = 0;
  u32 capacity_ = 0;
  u32 touched_ = 0;
  u32 free_ = kNoIndex;
  u32 inUse_ = 0;
};

}  // namespace holdfast
