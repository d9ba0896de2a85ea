// See compressor_pool.h.
#include "compression/compressor_pool.h"

namespace holdfast::compression {

CompressorPool::~CompressorPool() {
  for (const Slot& slot : slots_) {
    if (slot.compressor != nullptr) library_->close(slot.compressor);
  }
  for (const auto& levels : unused_) {
    for (const Unused& unused : levels) {
      for (u32 i = 0; i < unused.count; i++) library_->close(unused.compressors[i]);
    }
  }
}

u32 CompressorPool::take(ContentCoding coding, CodingLevel level) {
  if (library_ == nullptr || inUse_ == kCompressorsMax) return kNoIndex;
  Unused& unused = unused_[static_cast<u32>(coding)][static_cast<u32>(level)];
  void* compressor = nullptr;
  if (unused.count != 0) {
    compressor = unused.compressors[--unused.count];
  } else {
    const u32 bytes = library_->bytesMax(coding, level);
    if (!makeRoom(bytes)) return kNoIndex;
    compressor = library_->open(coding, level);
    if (compressor == nullptr) return kNoIndex;
    bytes_ += bytes;
  }
  if (slots_.empty()) slots_.reserve(kCompressorsMax);
  u32 position = free_;
  if (position != kNoIndex) {
    free_ = slots_[position].next;
  } else {
    position = static_cast<u32>(slots_.size());
    slots_.emplace_back();
  }
  slots_[position] = {compressor, kNoIndex, coding, level};
  inUse_++;
  return position;
}

void CompressorPool::give(u32 position) {
  Slot& slot = slots_[position];
  HF_ASSERT(slot.compressor != nullptr);
  Unused& unused = unused_[static_cast<u32>(slot.coding)][static_cast<u32>(slot.level)];
  if (unused.count < kUnusedCompressorsMax && library_->reset(slot.compressor)) {
    unused.compressors[unused.count++] = slot.compressor;
  } else {
    library_->close(slot.compressor);
    bytes_ -= library_->bytesMax(slot.coding, slot.level);
  }
  slot.compressor = nullptr;
  slot.next = free_;
  free_ = position;
  inUse_--;
}

// Closes unused ones until `bytes` more are allowed. False when there is no room all the same.
bool CompressorPool::makeRoom(u32 bytes) {
  for (u32 coding = 0; coding < codec::kContentCodings; coding++) {
    for (u32 level = 0; level < kLevels; level++) {
      Unused& unused = unused_[coding][level];
      while (unused.count != 0 && bytes_ + bytes > kCompressorBytesMax) {
        library_->close(unused.compressors[--unused.count]);
        bytes_ -=
            library_->bytesMax(static_cast<ContentCoding>(coding), static_cast<CodingLevel>(level));
      }
    }
  }
  return bytes_ + bytes <= kCompressorBytesMax;
}

}  // namespace holdfast::compression
