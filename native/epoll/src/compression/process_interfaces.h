// The parts of the C interfaces of zlib, Brotli and Zstandard that are used, as plain declarations.
//
// Node exports these functions, but its package has headers for zlib alone, and a program that
// linked against a missing one could not start. So they are looked up by name when a
// check asks or a compressor is opened. The facts come from the headers of the libraries: zlib.h of
// zlib 1.2.0 and later, brotli/encode.h and brotli/types.h of Brotli 1.0, zstd.h of Zstandard 1.4
// and later; all of them are stable interfaces. Invariant: nothing here is linked against.
#pragma once

#include <cstddef>

#include "codec/content_coding.h"
#include "runtime/base.h"

namespace holdfast::compression {

// --- zlib --------------------------------------------------------------------------------------

inline constexpr int kZOk = 0;
inline constexpr int kZStreamEnd = 1;
inline constexpr int kZBufError = -5;  // nothing could be done; no fault
inline constexpr int kZNoFlush = 0;
inline constexpr int kZSyncFlush = 2;
inline constexpr int kZFinish = 4;
inline constexpr int kZDeflated = 8;
inline constexpr int kZDefaultStrategy = 0;
inline constexpr int kZGzip = 16;  // added to the bits of the window
inline constexpr int kZWindowBitsMax = 15;

struct ZStream {
  const u8* nextIn;
  unsigned availIn;
  unsigned long totalIn;
  u8* nextOut;
  unsigned availOut;
  unsigned long totalOut;
  const char* message;
  void* state;
  void* (*allocate)(void* opaque, unsigned items, unsigned size);
  void (*release)(void* opaque, void* address);
  void* opaque;
  int kind;  // of the content, as zlib guesses it
  unsigned long adler;
  unsigned long reserved;
};

struct ZlibFunctions {
  int (*init)(ZStream* stream, int level, int method, int windowBits, int memLevel, int strategy,
              const char* version, int streamBytes);
  int (*step)(ZStream* stream, int flush);
  int (*reset)(ZStream* stream);
  int (*end)(ZStream* stream);
};
// Of the interface that is declared here: its first character is what is compared.
inline constexpr const char* kZlibVersion = "1.2.11";

// --- Brotli ------------------------------------------------------------------------------------

inline constexpr int kBrotliProcess = 0;
inline constexpr int kBrotliFlush = 1;
inline constexpr int kBrotliFinish = 2;
inline constexpr int kBrotliQuality = 1;
inline constexpr int kBrotliWindowBits = 2;  // lgwin

struct BrotliFunctions {
  void* (*create)(void* (*allocate)(void* opaque, size_t bytes),
                  void (*release)(void* opaque, void* address), void* opaque);
  int (*setParameter)(void* state, int parameter, u32 value);
  int (*step)(void* state, int operation, size_t* availIn, const u8** nextIn, size_t* availOut,
              u8** nextOut, size_t* totalOut);
  int (*hasMoreOutput)(void* state);
  int (*isFinished)(void* state);
  void (*destroy)(void* state);
};

// --- Zstandard ---------------------------------------------------------------------------------

inline constexpr int kZstdContinue = 0;
inline constexpr int kZstdFlush = 1;
inline constexpr int kZstdEnd = 2;
inline constexpr int kZstdLevel = 100;
inline constexpr int kZstdWindowLog = 101;
inline constexpr int kZstdHashLog = 102;
inline constexpr int kZstdChainLog = 103;
inline constexpr int kZstdResetStream = 1;

struct ZstdIn {
  const void* bytes;
  size_t length;
  size_t at;
};

struct ZstdOut {
  void* bytes;
  size_t length;
  size_t at;
};

struct ZstdFunctions {
  void* (*create)();
  size_t (*setParameter)(void* compressor, int parameter, int value);
  size_t (*reset)(void* compressor, int directive);
  size_t (*step)(void* compressor, ZstdOut* out, ZstdIn* in, int operation);
  unsigned (*isError)(size_t code);
  size_t (*bytesOf)(const void* compressor);
  size_t (*release)(void* compressor);
};

// --- What this process has ---------------------------------------------------------------------

// Those of one coding, the others null. Found anew for each compressor: the core has no statics.
struct ProcessFunctions {
  ZlibFunctions zlib{};
  BrotliFunctions brotli{};
  ZstdFunctions zstd{};
};

// False when the process lacks one of them. Any thread.
[[nodiscard]] bool findFunctions(codec::ContentCoding coding, ProcessFunctions* functions);

// The memory that an open compressor of processLibrary() holds now, for tests.
[[nodiscard]] size_t compressorBytes(void* compressor);

}  // namespace holdfast::compression
