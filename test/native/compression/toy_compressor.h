// A toy in place of zlib, Brotli and Zstandard, for simulations and tests: it hoards input as they
// do, gives its output in pieces, and its streams tell at once when a byte is wrong.
//
// A stream is 'T', blocks of two length bytes with their content under a mask, and an empty block
// at the end. Invariant: what is flushed can be decoded up to there; only a finished stream has an
// end.
#pragma once

#include <algorithm>
#include <string>

#include "compression/compressor_library.h"

namespace holdfast::compression::toy {

inline constexpr u8 kMask = 0x5a;
inline constexpr u32 kBytesMax = 300 * 1024;
// How much input waits at most, by coding.
inline constexpr size_t kHoards[] = {1000, 20'000, 60'000};

struct Toy {
  ContentCoding coding = ContentCoding::kGzip;
  std::string hoard{};
  std::string out{"T"};
  size_t outAt = 0;
  bool isEnded = false;
  bool isFlushing = false;
};

inline u32 open = 0;  // of all shards; whoever closes the world looks

inline void putBlock(Toy& toy) {
  toy.out += static_cast<char>(toy.hoard.size() >> 8);
  toy.out += static_cast<char>(toy.hoard.size() & 0xff);
  for (const char byte : toy.hoard) toy.out += static_cast<char>(byte ^ kMask);
  toy.hoard.clear();
}

inline Stepped step(void* compressor, std::span<const u8> in, std::span<u8> out, Flush flush) {
  Toy& toy = *static_cast<Toy*>(compressor);
  Stepped stepped;
  const auto drain = [&] {
    const size_t part = std::min(out.size() - stepped.produced, toy.out.size() - toy.outAt);
    std::copy_n(toy.out.data() + toy.outAt, part,
                reinterpret_cast<char*>(out.data()) + stepped.produced);
    toy.outAt += part;
    stepped.produced += part;
    if (toy.outAt < toy.out.size()) return false;
    toy.out.clear();
    toy.outAt = 0;
    return true;
  };
  // A flush that has begun ends before anything else does.
  HF_ASSERT(!toy.isFlushing || (flush == Flush::kFlush && in.empty()));
  const size_t most = kHoards[static_cast<size_t>(toy.coding)];
  while (stepped.taken < in.size()) {
    HF_ASSERT(!toy.isEnded);
    if (toy.hoard.size() == most) {
      if (!drain()) return stepped;
      putBlock(toy);
    }
    const size_t part = std::min(in.size() - stepped.taken, most - toy.hoard.size());
    toy.hoard.append(reinterpret_cast<const char*>(in.data()) + stepped.taken, part);
    stepped.taken += part;
  }
  if (flush != Flush::kNone && !toy.hoard.empty()) putBlock(toy);
  if (flush == Flush::kFinish && !toy.isEnded) {
    toy.isEnded = true;
    toy.out.append(2, '\0');
  }
  const bool isEmpty = flush == Flush::kNone || drain();
  toy.isFlushing = flush == Flush::kFlush && !isEmpty;
  stepped.isDone = isEmpty;
  return stepped;
}

inline const CompressorLibrary* library() {
  static const CompressorLibrary kLibrary{[](ContentCoding, CodingLevel) { return kBytesMax; },
                                          [](ContentCoding) { return true; },
                                          [](ContentCoding coding, CodingLevel) -> void* {
                                            ++open;
                                            return new Toy{coding};
                                          },
                                          &step,
                                          [](void* compressor) {
                                            Toy& toy = *static_cast<Toy*>(compressor);
                                            const ContentCoding coding = toy.coding;
                                            toy = Toy{coding};
                                            return coding != ContentCoding::kBrotli;
                                          },
                                          [](void* compressor) {
                                            --open;
                                            delete static_cast<Toy*>(compressor);
                                          }};
  return &kLibrary;
}

// Reads a stream in pieces.
class Decoder {
 public:
  // Appends what `bytes` decode to. False when they are no stream.
  bool take(std::string_view bytes, std::string* content) {
    for (const char byte : bytes) {
      if (isEnded_) return false;
      if (at_ == 0) {
        if (byte != 'T') return false;
      } else if (left_ > 0) {
        *content += static_cast<char>(byte ^ kMask);
        --left_;
        if (left_ == 0) at_ = 0;
      } else if (at_ % 2 == 1) {
        length_ = static_cast<size_t>(static_cast<u8>(byte)) << 8;
      } else {
        left_ = length_ | static_cast<u8>(byte);
        isEnded_ = left_ == 0;
      }
      ++at_;
    }
    return true;
  }
  [[nodiscard]] bool isEnded() const { return isEnded_; }

 private:
  size_t at_ = 0;  // odd: the first byte of a length
  size_t length_ = 0;
  size_t left_ = 0;
  bool isEnded_ = false;
};

}  // namespace holdfast::compression::toy
