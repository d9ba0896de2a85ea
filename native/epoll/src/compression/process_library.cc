// The compressors of the process: zlib, Brotli and Zstandard as Node brings them.
//
// Windows and tables are chosen so that a stream takes a quarter of a MiB to two: a
// gateway has thousands of responses under way, and what is gained by more is a few per cent.
// Invariant: a compressor holds no more than bytesMax() says. The bounds were measured with all
// kinds of content and a test holds them; nothing is refused, because Brotli of Node ends the
// process then.
#include <dlfcn.h>

#include <cstdlib>
#include <limits>
#include <new>

#include "compression/compressor_library.h"
#include "compression/process_interfaces.h"

namespace holdfast::compression {
namespace {

constexpr u32 kKiB = 1024;
constexpr int kGzipMemoryLevel = 8;
constexpr u32 kBrotliWindow = 16;
constexpr int kZstdWindowBits = 17;
constexpr int kZstdTableBits = 15;

// By level.
constexpr int kGzipLevels[] = {1, 6, 9};
constexpr u32 kBrotliQualities[] = {2, 4, 5};
constexpr int kZstdLevels[] = {1, 3, 6};
constexpr u32 kGzipBytesMax[] = {320 * kKiB, 320 * kKiB, 320 * kKiB};
constexpr u32 kBrotliBytesMax[] = {1024 * kKiB, 2048 * kKiB, 2048 * kKiB};
constexpr u32 kZstdBytesMax[] = {1280 * kKiB, 1280 * kKiB, 1280 * kKiB};

u32 bytesMaxOf(ContentCoding coding, CodingLevel level) {
  const auto at = static_cast<size_t>(level);
  switch (coding) {
    case ContentCoding::kGzip:
      return kGzipBytesMax[at];
    case ContentCoding::kBrotli:
      return kBrotliBytesMax[at];
    default:
      return kZstdBytesMax[at];
  }
}

// One open stream. What the library allocates is counted in front of each piece.
struct Compressor {
  ContentCoding coding = ContentCoding::kCount;
  size_t bytes = 0;
  ProcessFunctions functions{};
  void* state = nullptr;  // of Brotli and Zstandard
  ZStream zlib{};
};

constexpr size_t kPieceHeader = 16;

void* allocateFor(Compressor& compressor, size_t bytes) {
  auto* piece = static_cast<u8*>(std::malloc(bytes + kPieceHeader));
  if (piece == nullptr) return nullptr;
  ::new (piece) size_t(bytes);
  compressor.bytes += bytes;
  return piece + kPieceHeader;
}

void releaseOf(Compressor& compressor, void* address) {
  if (address == nullptr) return;
  u8* const piece = static_cast<u8*>(address) - kPieceHeader;
  compressor.bytes -= *reinterpret_cast<size_t*>(piece);
  std::free(piece);
}

void* allocateItems(void* opaque, unsigned items, unsigned size) {
  return allocateFor(*static_cast<Compressor*>(opaque), size_t{items} * size);
}

void* allocateBytes(void* opaque, size_t bytes) {
  return allocateFor(*static_cast<Compressor*>(opaque), bytes);
}

void releasePiece(void* opaque, void* address) {
  releaseOf(*static_cast<Compressor*>(opaque), address);
}

template <typename Function>
bool find(const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

bool isReady(ContentCoding coding) {
  ProcessFunctions functions;
  return findFunctions(coding, &functions);
}

bool openGzip(Compressor* compressor, size_t level) {
  compressor->zlib.allocate = &allocateItems;
  compressor->zlib.release = &releasePiece;
  compressor->zlib.opaque = compressor;
  return compressor->functions.zlib.init(&compressor->zlib, kGzipLevels[level], kZDeflated,
                                         kZWindowBitsMax + kZGzip, kGzipMemoryLevel,
                                         kZDefaultStrategy, kZlibVersion, sizeof(ZStream)) == kZOk;
}

bool openBrotli(Compressor* compressor, size_t level) {
  const BrotliFunctions& brotli = compressor->functions.brotli;
  compressor->state = brotli.create(&allocateBytes, &releasePiece, compressor);
  return compressor->state != nullptr &&
         brotli.setParameter(compressor->state, kBrotliQuality, kBrotliQualities[level]) != 0 &&
         brotli.setParameter(compressor->state, kBrotliWindowBits, kBrotliWindow) != 0;
}

bool openZstd(Compressor* compressor, size_t level) {
  const ZstdFunctions& zstd = compressor->functions.zstd;
  compressor->state = zstd.create();
  if (compressor->state == nullptr) return false;
  const auto set = [&](int parameter, int value) {
    return zstd.isError(zstd.setParameter(compressor->state, parameter, value)) == 0;
  };
  return set(kZstdLevel, kZstdLevels[level]) && set(kZstdWindowLog, kZstdWindowBits) &&
         set(kZstdHashLog, kZstdTableBits) && set(kZstdChainLog, kZstdTableBits);
}

void closeCompressor(void* opened) {
  auto* const compressor = static_cast<Compressor*>(opened);
  const ProcessFunctions& functions = compressor->functions;
  switch (compressor->coding) {
    case ContentCoding::kGzip:
      (void)functions.zlib.end(&compressor->zlib);
      break;
    case ContentCoding::kBrotli:
      if (compressor->state != nullptr) functions.brotli.destroy(compressor->state);
      break;
    default:
      if (compressor->state != nullptr) (void)functions.zstd.release(compressor->state);
      break;
  }
  delete compressor;
}

void* openCompressor(ContentCoding coding, CodingLevel level) {
  ProcessFunctions functions;
  if (!findFunctions(coding, &functions)) return nullptr;
  auto* const compressor = new (std::nothrow) Compressor;
  if (compressor == nullptr) return nullptr;
  compressor->coding = coding;
  compressor->functions = functions;
  const auto at = static_cast<size_t>(level);
  bool isOpen = false;
  if (coding == ContentCoding::kGzip) isOpen = openGzip(compressor, at);
  if (coding == ContentCoding::kBrotli) isOpen = openBrotli(compressor, at);
  if (coding == ContentCoding::kZstd) isOpen = openZstd(compressor, at);
  if (isOpen) return compressor;
  closeCompressor(compressor);
  return nullptr;
}

Stepped stepGzip(Compressor& compressor, std::span<const u8> in, std::span<u8> out, Flush flush) {
  constexpr size_t kMost = std::numeric_limits<unsigned>::max();
  ZStream& stream = compressor.zlib;
  HF_ASSERT(in.size() <= kMost && out.size() <= kMost);
  stream.nextIn = in.data();
  stream.availIn = static_cast<unsigned>(in.size());
  stream.nextOut = out.data();
  stream.availOut = static_cast<unsigned>(out.size());
  constexpr int kFlushes[] = {kZNoFlush, kZSyncFlush, kZFinish};
  const int result = compressor.functions.zlib.step(&stream, kFlushes[static_cast<size_t>(flush)]);
  Stepped stepped;
  stepped.taken = in.size() - stream.availIn;
  stepped.produced = out.size() - stream.availOut;
  stepped.isFailed = result != kZOk && result != kZStreamEnd && result != kZBufError;
  stepped.isDone = stream.availIn == 0;
  // A flush that has filled the output may have more to write.
  if (flush == Flush::kFlush) stepped.isDone = stepped.isDone && stream.availOut != 0;
  if (flush == Flush::kFinish) stepped.isDone = result == kZStreamEnd;
  return stepped;
}

Stepped stepBrotli(Compressor& compressor, std::span<const u8> in, std::span<u8> out, Flush flush) {
  const BrotliFunctions& brotli = compressor.functions.brotli;
  size_t availIn = in.size();
  size_t availOut = out.size();
  const u8* nextIn = in.data();
  u8* nextOut = out.data();
  constexpr int kOperations[] = {kBrotliProcess, kBrotliFlush, kBrotliFinish};
  const int isFine = brotli.step(compressor.state, kOperations[static_cast<size_t>(flush)],
                                 &availIn, &nextIn, &availOut, &nextOut, nullptr);
  Stepped stepped;
  stepped.taken = in.size() - availIn;
  stepped.produced = out.size() - availOut;
  stepped.isFailed = isFine == 0;
  stepped.isDone = availIn == 0;
  if (flush == Flush::kFlush) {
    stepped.isDone = stepped.isDone && brotli.hasMoreOutput(compressor.state) == 0;
  }
  if (flush == Flush::kFinish) stepped.isDone = brotli.isFinished(compressor.state) != 0;
  return stepped;
}

Stepped stepZstd(Compressor& compressor, std::span<const u8> in, std::span<u8> out, Flush flush) {
  const ZstdFunctions& zstd = compressor.functions.zstd;
  ZstdIn from{in.data(), in.size(), 0};
  ZstdOut to{out.data(), out.size(), 0};
  constexpr int kOperations[] = {kZstdContinue, kZstdFlush, kZstdEnd};
  const size_t left =
      zstd.step(compressor.state, &to, &from, kOperations[static_cast<size_t>(flush)]);
  Stepped stepped;
  stepped.taken = from.at;
  stepped.produced = to.at;
  stepped.isFailed = zstd.isError(left) != 0;
  stepped.isDone = from.at == from.length && (flush == Flush::kNone || left == 0);
  return stepped;
}

Stepped stepCompressor(void* opened, std::span<const u8> in, std::span<u8> out, Flush flush) {
  auto& compressor = *static_cast<Compressor*>(opened);
  switch (compressor.coding) {
    case ContentCoding::kGzip:
      return stepGzip(compressor, in, out, flush);
    case ContentCoding::kBrotli:
      return stepBrotli(compressor, in, out, flush);
    default:
      return stepZstd(compressor, in, out, flush);
  }
}

bool resetCompressor(void* opened) {
  auto& compressor = *static_cast<Compressor*>(opened);
  const ProcessFunctions& functions = compressor.functions;
  if (compressor.coding == ContentCoding::kGzip) {
    return functions.zlib.reset(&compressor.zlib) == kZOk;
  }
  if (compressor.coding != ContentCoding::kZstd) return false;
  return functions.zstd.isError(functions.zstd.reset(compressor.state, kZstdResetStream)) == 0;
}

}  // namespace

bool findFunctions(ContentCoding coding, ProcessFunctions* functions) {
  ZlibFunctions& zlib = functions->zlib;
  BrotliFunctions& brotli = functions->brotli;
  ZstdFunctions& zstd = functions->zstd;
  switch (coding) {
    case ContentCoding::kGzip:
      return find("deflateInit2_", &zlib.init) && find("deflate", &zlib.step) &&
             find("deflateReset", &zlib.reset) && find("deflateEnd", &zlib.end);
    case ContentCoding::kBrotli:
      return find("BrotliEncoderCreateInstance", &brotli.create) &&
             find("BrotliEncoderSetParameter", &brotli.setParameter) &&
             find("BrotliEncoderCompressStream", &brotli.step) &&
             find("BrotliEncoderHasMoreOutput", &brotli.hasMoreOutput) &&
             find("BrotliEncoderIsFinished", &brotli.isFinished) &&
             find("BrotliEncoderDestroyInstance", &brotli.destroy);
    case ContentCoding::kZstd:
      return find("ZSTD_createCCtx", &zstd.create) &&
             find("ZSTD_CCtx_setParameter", &zstd.setParameter) &&
             find("ZSTD_CCtx_reset", &zstd.reset) && find("ZSTD_compressStream2", &zstd.step) &&
             find("ZSTD_isError", &zstd.isError) && find("ZSTD_sizeof_CCtx", &zstd.bytesOf) &&
             find("ZSTD_freeCCtx", &zstd.release);
    default:
      return false;
  }
}

size_t compressorBytes(void* opened) {
  const auto& compressor = *static_cast<const Compressor*>(opened);
  if (compressor.coding == ContentCoding::kZstd) {
    return compressor.functions.zstd.bytesOf(compressor.state);
  }
  return compressor.bytes;
}

const CompressorLibrary* processLibrary() {
  static constexpr CompressorLibrary kLibrary{&bytesMaxOf,     &isReady,         &openCompressor,
                                              &stepCompressor, &resetCompressor, &closeCompressor};
  return &kLibrary;
}

}  // namespace holdfast::compression
