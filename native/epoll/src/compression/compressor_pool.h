// CompressorPool: the compressors of one shard, and the bound of their memory.
//
// A response that is compressed has one from its head to its end. Those given back are kept for the
// next response, a few of each kind; kept ones make room where others are needed.
// Invariant: the bytes counted are the sum of bytesMax() of all that are open, in use or kept.
// Allocates off the plain path only: with the first compressor, and in the libraries.
#pragma once

#include <vector>

#include "compression/compressor_library.h"

namespace holdfast::compression {

// In use at once, and the memory of all of them, of one shard.
inline constexpr u32 kCompressorsMax = 512;
inline constexpr u64 kCompressorBytesMax = u64{256} << 20;
// Kept of one algorithm and level.
inline constexpr u32 kUnusedCompressorsMax = 4;

class CompressorPool {
 public:
  explicit CompressorPool(const CompressorLibrary* library) : library_(library) {}
  CompressorPool(const CompressorPool&) = delete;
  CompressorPool& operator=(const CompressorPool&) = delete;
  ~CompressorPool();

  // Position of a compressor at its beginning; kNoIndex when there is no room for one.
  [[nodiscard]] u32 take(ContentCoding coding, CodingLevel level);
  void give(u32 position);

  Stepped step(u32 position, std::span<const u8> in, std::span<u8> out, Flush flush) {
    return library_->step(slots_[position].compressor, in, out, flush);
  }

  [[nodiscard]] u32 inUse() const { return inUse_; }
  [[nodiscard]] u64 bytes() const { return bytes_; }

 private:
  static constexpr u32 kLevels = static_cast<u32>(CodingLevel::kCount);

  struct Slot {
    void* compressor = nullptr;
    u32 next = kNoIndex;  // free
    ContentCoding coding = ContentCoding::kCount;
    CodingLevel level = CodingLevel::kCount;
  };
  struct Unused {
    void* compressors[kUnusedCompressorsMax] = {};
    u32 count = 0;
  };

  bool makeRoom(u32 bytes);

  const CompressorLibrary* library_;
  std::vector<Slot> slots_;
  Unused unused_[codec::kContentCodings][kLevels];
  u32 free_ = kNoIndex;
  u32 inUse_ = 0;
  u64 bytes_ = 0;
};

}  // namespace holdfast::compression
