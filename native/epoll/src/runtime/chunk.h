// ChunkPool and ChunkChain: where bytes wait that a slow reader did not take yet.
//
// On the path only when a socket took less than it was given; an idle connection holds no chunk.
// Chunks are fixed-size slabs by index. The shard's pool has a cap, and all shards share a
// process-wide cap through one atomic. hasRoom() asks for both before a read; what was read is
// kept, so that the process cap can be passed by one read of each shard when several read at once,
// and by what a caller appends without asking, up to `beyondBytes` (a TLS record that was opened
// cannot be put back).
// Invariant: the sum of pending bytes of all chains is at most inUse * kChunkBytes.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base.h"
#include "runtime/sys.h"

namespace holdfast {

inline constexpr u32 kChunkBytes = 4096;
// One sendmsg gathers at most this many chunks (128 KiB).
inline constexpr u32 kChunksPerSend = 32;
// Free chunks kept resident; the rest goes back to the kernel when the pool calms down.
inline constexpr u32 kChunksKeptWarm = 64;
// Pages given back per trim call, so that trimming cannot stall a turn.
inline constexpr u32 kTrimMax = 64;

// First and last chunk of a chain, and its length. Part of the connection record.
struct ChunkChain {
  u32 head = kNoIndex;
  u32 tail = kNoIndex;
  u32 bytes = 0;

  [[nodiscard]] bool isEmpty() const { return bytes == 0; }
};

class ChunkPool {
 public:
  ChunkPool() = default;
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  ~ChunkPool() {
    if (slabs_ != nullptr) sys::unreserve(slabs_, size_t{capacity_} * kChunkBytes);
    if (notes_ != nullptr) sys::unreserve(notes_, size_t{capacity_} * sizeof(Note));
  }

  // `processBytes` counts chunk bytes of all shards against `processBytesMax`; both outlive the
  // pool.
  Status reserve(u64 bytesMax, std::atomic<u64>* processBytes, u64 processBytesMax,
                 u64 beyondBytes = 0) {
    const auto toChunks = [](u64 bytes) {
      const u64 chunks = bytes / kChunkBytes;
      return chunks < kNoIndex ? static_cast<u32>(chunks) : kNoIndex - 1;
    };
    cap_ = toChunks(bytesMax);
    capacity_ = toChunks(bytesMax + beyondBytes);
    processBytes_ = processBytes;
    processBytesMax_ = processBytesMax;
    if (capacity_ == 0) return Status::ok();
    slabs_ = static_cast<u8*>(sys::reserve(size_t{capacity_} * kChunkBytes));
    notes_ = static_cast<Note*>(sys::reserve(size_t{capacity_} * sizeof(Note)));
    return slabs_ == nullptr || notes_ == nullptr ? Status::fromErrno(ENOMEM) : Status::ok();
  }

  // Copies `length` bytes behind the chain. Returns how many found room: all, when hasRoom() said
  // so.
  size_t append(ChunkChain& chain, const u8* bytes, size_t length) {
    size_t copied = 0;
    while (copied < length) {
      if (chain.tail == kNoIndex || notes_[chain.tail].end == kChunkBytes) {
        const u32 fresh = take();
        if (fresh == kNoIndex) break;
        if (chain.tail == kNoIndex) {
          chain.head = fresh;
        } else {
          notes_[chain.tail].next = fresh;
        }
        chain.tail = fresh;
      }
      Note& note = notes_[chain.tail];
      const size_t room = kChunkBytes - note.end;
      const size_t part = length - copied < room ? length - copied : room;
      std::memcpy(slab(chain.tail) + note.end, bytes + copied, part);
      note.end = static_cast<u16>(note.end + part);
      copied += part;
    }
    chain.bytes += static_cast<u32>(copied);
    return copied;
  }

  // Describes the front of the chain for one gathering write. Returns the parts filled.
  int gather(const ChunkChain& chain, iovec* parts) {
    int count = 0;
    for (u32 at = chain.head; at != kNoIndex && count < static_cast<int>(kChunksPerSend);
         at = notes_[at].next) {
      parts[count].iov_base = slab(at) + notes_[at].start;
      parts[count].iov_len = static_cast<size_t>(notes_[at].end - notes_[at].start);
      count++;
    }
    return count;
  }

  // Copies the whole chain to `out`, which has room for it, and empties it. Returns its length.
  size_t moveTo(ChunkChain& chain, u8* out) {
    const size_t length = copyTo(chain, out);
    clear(chain);
    return length;
  }

  // The same, and the chain stays.
  size_t copyTo(const ChunkChain& chain, u8* out) {
    size_t length = 0;
    for (u32 at = chain.head; at != kNoIndex; at = notes_[at].next) {
      const size_t part = static_cast<size_t>(notes_[at].end - notes_[at].start);
      std::memcpy(out + length, slab(at) + notes_[at].start, part);
      length += part;
    }
    return length;
  }

  // Copies `length` bytes from `offset` on; the chain has them.
  void copyFrom(const ChunkChain& chain, size_t offset, size_t length, u8* out) {
    HF_ASSERT(offset + length <= chain.bytes);
    for (u32 at = chain.head; length > 0; at = notes_[at].next) {
      const size_t held = static_cast<size_t>(notes_[at].end - notes_[at].start);
      if (offset >= held) {
        offset -= held;
        continue;
      }
      const size_t part = held - offset < length ? held - offset : length;
      std::memcpy(out, slab(at) + notes_[at].start + offset, part);
      out += part;
      length -= part;
      offset = 0;
    }
  }

  // Drops `length` bytes from the front; frees emptied chunks.
  void consume(ChunkChain& chain, size_t length) {
    HF_ASSERT(length <= chain.bytes);
    chain.bytes -= static_cast<u32>(length);
    while (length > 0) {
      Note& note = notes_[chain.head];
      const size_t held = static_cast<size_t>(note.end - note.start);
      if (length < held) {
        note.start = static_cast<u16>(note.start + length);
        return;
      }
      length -= held;
      const u32 emptied = chain.head;
      chain.head = note.next;
      give(emptied);
    }
    if (chain.bytes == 0) chain = ChunkChain{};
  }

  // Drops what is behind the first `length` bytes, of which there is at least one.
  void cut(ChunkChain& chain, size_t length) {
    HF_ASSERT(length > 0 && length <= chain.bytes);
    chain.bytes = static_cast<u32>(length);
    u32 at = chain.head;
    for (;; at = notes_[at].next) {
      const size_t held = static_cast<size_t>(notes_[at].end - notes_[at].start);
      if (length <= held) break;
      length -= held;
    }
    notes_[at].end = static_cast<u16>(notes_[at].start + length);
    chain.tail = at;
    for (u32 next = std::exchange(notes_[at].next, kNoIndex); next != kNoIndex;) {
      const u32 behind = notes_[next].next;
      give(next);
      next = behind;
    }
  }

  void clear(ChunkChain& chain) { consume(chain, chain.bytes); }

  // True when `length` more bytes find room in any chain (a partly filled tail not counted).
  [[nodiscard]] bool hasRoom(size_t length) const {
    const u64 chunks = (length + kChunkBytes - 1) / kChunkBytes;
    if (inUse_ + chunks > cap_) return false;
    return processBytes_->load(std::memory_order_relaxed) + chunks * kChunkBytes <=
           processBytesMax_;
  }

  // Bytes that append() puts behind the chain without another chunk.
  [[nodiscard]] size_t tailRoom(const ChunkChain& chain) const {
    return chain.tail == kNoIndex ? 0 : kChunkBytes - size_t{notes_[chain.tail].end};
  }

  // Gives pages of free chunks back when few are in use; bounded work. Returns pages released.
  u32 trim() {
    u32 released = 0;
    while (warm_ > kChunksKeptWarm && released < kTrimMax) {
      const u32 index = free_;
      free_ = notes_[index].next;
      warm_--;
      sys::releasePages(slab(index), kChunkBytes);
      notes_[index].next = cold_;
      cold_ = index;
      released++;
    }
    return released;
  }

  [[nodiscard]] u32 inUse() const { return inUse_; }
  [[nodiscard]] u32 capacity() const { return capacity_; }

 private:
  struct Note {
    u32 next;
    u16 start;
    u16 end;
  };
  static_assert(sizeof(Note) == 8);

  [[nodiscard]] u8* slab(u32 index) { return slabs_ + size_t{index} * kChunkBytes; }

  u32 take() {
    if (inUse_ == capacity_) return kNoIndex;
    processBytes_->fetch_add(kChunkBytes, std::memory_order_relaxed);
    u32 index;
    if (free_ != kNoIndex) {
      index = free_;
      free_ = notes_[index].next;
      warm_--;
    } else if (cold_ != kNoIndex) {
      index = cold_;
      cold_ = notes_[index].next;
    } else {
      index = touched_++;
    }
    notes_[index] = Note{kNoIndex, 0, 0};
    inUse_++;
    return index;
  }

  void give(u32 index) {
    notes_[index].next = free_;
    free_ = index;
    warm_++;
    inUse_--;
    processBytes_->fetch_sub(kChunkBytes, std::memory_order_relaxed);
  }

  u8* slabs_ = nullptr;
  Note* notes_ = nullptr;
  std::atomic<u64>* processBytes_ = nullptr;
  u64 processBytesMax_ = 0;
  u32 cap_ = 0;       // what hasRoom() promises
  u32 capacity_ = 0;  // what there is
  u32 touched_ = 0;
  u32 free_ = kNoIndex;  // resident
  u32 cold_ = kNoIndex;  // pages given back
  u32 warm_ = 0;         // length of the resident free list
  u32 inUse_ = 0;
};

}  // namespace holdfast
