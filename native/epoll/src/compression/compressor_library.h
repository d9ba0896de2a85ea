// CompressorLibrary: what brings a shard its compressors, as a table of functions.
//
// A shard is given one at its start and knows nothing of the libraries behind it; tests and
// simulations give toys, and a shard without one passes responses on as they are. Compressors are
// streams: bytes go in, and what comes out is sent as it comes. Invariant: a compressor is used on
// the thread that opened it only, and never holds more than bytesMax() of memory.
#pragma once

#include <span>

#include "codec/content_coding.h"
#include "runtime/base.h"

namespace holdfast::compression {

using codec::CodingLevel;
using codec::ContentCoding;

enum class Flush : u8 {
  kNone,    // what was taken may wait in the compressor
  kFlush,   // all that was taken comes out, so that it can be read
  kFinish,  // the same, and the stream ends
};

struct Stepped {
  size_t taken = 0;
  size_t produced = 0;
  bool isDone = false;  // all of the input was taken, and for a flush nothing is left to come out
  bool isFailed = false;
};

struct CompressorLibrary {
  // The memory that one compressor may hold.
  u32 (*bytesMax)(ContentCoding coding, CodingLevel level) = nullptr;
  bool (*isThere)(ContentCoding coding) = nullptr;
  // A compressor at the beginning of a stream; null when there is no memory, or no library.
  void* (*open)(ContentCoding coding, CodingLevel level) = nullptr;
  // Takes input and writes output until one of them is at its end. A flush or an end that is not
  // done goes on with the same argument and nothing else before it.
  Stepped (*step)(void* compressor, std::span<const u8> in, std::span<u8> out,
                  Flush flush) = nullptr;
  // Back to the beginning of a stream, wherever it was. False: it cannot be used again.
  bool (*reset)(void* compressor) = nullptr;
  void (*close)(void* compressor) = nullptr;
};

// zlib, Brotli and Zstandard of this process, as far as it has them.
[[nodiscard]] const CompressorLibrary* processLibrary();

}  // namespace holdfast::compression
