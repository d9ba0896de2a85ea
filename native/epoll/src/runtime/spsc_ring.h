// SpscRing: a bounded queue of fixed-size messages between one writing and one reading thread.
//
// Lives in the board's shared memory (plain data, no pointers), so each side may map it at another
// address. The mailbox of a shard is such a ring from the acceptor to the shard.
// Invariant: head - tail <= capacity; each side writes only its own index.
// A full ring refuses; the writer decides what then (the acceptor leaves sockets in the backlog).
#pragma once

#include <atomic>
#include <cstring>

#include "runtime/base.h"

namespace holdfast {

template <typename Message, u32 kCapacity>
class SpscRing {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0);

  [[nodiscard]] bool push(const Message& message) {
    const u32 head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == kCapacity) return false;
    slots_[head & (kCapacity - 1)] = message;
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool pop(Message* message) {
    const u32 tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    *message = slots_[tail & (kCapacity - 1)];
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] bool isEmpty() const {
    return tail_.load(std::memory_order_relaxed) == head_.load(std::memory_order_acquire);
  }

 private:
  alignas(64) std::atomic<u32> head_;
  alignas(64) std::atomic<u32> tail_;
  alignas(64) Message slots_[kCapacity];
};

// LogRing: a bounded byte queue of whole records from one shard to the log writer's thread.
//
// A record that does not fit is dropped whole and counted by the caller.
template <u32 kCapacity>
class LogRing {
 public:
  static_assert((kCapacity & (kCapacity - 1)) == 0);

  [[nodiscard]] bool push(const char* bytes, u32 length) {
    const u64 head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) + length > kCapacity) return false;
    const u32 first = runAt(head, length);
    std::memcpy(bytes_ + (head & (kCapacity - 1)), bytes, first);
    std::memcpy(bytes_, bytes + first, length - first);
    head_.store(head + length, std::memory_order_release);
    return true;
  }

  // Copies up to `room` bytes out. Records may be cut: the reader writes a byte stream.
  [[nodiscard]] u32 pop(char* out, u32 room) {
    const u64 tail = tail_.load(std::memory_order_relaxed);
    const u64 held = head_.load(std::memory_order_acquire) - tail;
    const u32 length = held < room ? static_cast<u32>(held) : room;
    const u32 first = runAt(tail, length);
    std::memcpy(out, bytes_ + (tail & (kCapacity - 1)), first);
    std::memcpy(out + first, bytes_, length - first);
    tail_.store(tail + length, std::memory_order_release);
    return length;
  }

  [[nodiscard]] u64 bytesHeld() const {
    return head_.load(std::memory_order_acquire) - tail_.load(std::memory_order_acquire);
  }

 private:
  // Bytes of `length` that lie in one piece from `position` on.
  [[nodiscard]] static u32 runAt(u64 position, u32 length) {
    const u32 rest = kCapacity - static_cast<u32>(position & (kCapacity - 1));
    return length < rest ? length : rest;
  }

  alignas(64) std::atomic<u64> head_;
  alignas(64) std::atomic<u64> tail_;
  alignas(64) char bytes_[kCapacity];
};

}  // namespace holdfast
