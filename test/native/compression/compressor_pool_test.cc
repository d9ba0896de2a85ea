// The pool's bounds on a toy, and the real libraries where this machine has them as shared ones.
#include "compression/compressor_pool.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "check.h"
#include "compression/process_interfaces.h"
#include "compression/toy_compressor.h"

namespace {

using namespace holdfast;
using namespace holdfast::compression;

// Two thirds text, one third noise.
std::string contentOf(size_t length) {
  std::string content;
  u32 state = 1;
  while (content.size() < length) {
    state = state * 1664525 + 1013904223;
    content += "line " + std::to_string(state % 1000) + " of a text\n";
    if (state >> 29 == 0) {
      for (u32 i = 0; i < 200; ++i) {
        state = state * 1664525 + 1013904223;
        content += static_cast<char>(state >> 24);
      }
    }
  }
  content.resize(length);
  return content;
}

std::string noiseOf(size_t length) {
  std::string content;
  for (u32 state = 1; content.size() < length;) {
    state = state * 1664525 + 1013904223;
    content += static_cast<char>(state >> 24);
  }
  return content;
}

// Any sizes of input, a flush now and then, and the end. What came out.
size_t compressAll(const CompressorLibrary& library, void* compressor, const std::string& content,
                   size_t* most) {
  const std::span<const u8> bytes(reinterpret_cast<const u8*>(content.data()), content.size());
  std::vector<u8> out(5000);
  size_t produced = 0;
  size_t at = 0;
  for (size_t turn = 0;; ++turn) {
    const size_t part = std::min(content.size() - at, 1 + turn * 7919 % 40'000);
    const bool isFlushed = turn % 32 == 31;
    const Flush flush = part == 0 ? Flush::kFinish : isFlushed ? Flush::kFlush : Flush::kNone;
    Stepped stepped;
    size_t taken = 0;
    do {
      stepped = library.step(compressor, bytes.subspan(at + taken, part - taken), out, flush);
      CHECK(!stepped.isFailed && (stepped.isDone || stepped.produced == out.size()));
      taken += stepped.taken;
      produced += stepped.produced;
      *most = std::max(*most, compressorBytes(compressor));
    } while (!stepped.isDone);
    CHECK_EQ(taken, part);
    at += part;
    if (flush == Flush::kFinish) return produced;
  }
}

}  // namespace

TEST(compressorPoolBounds) {
  {
    CompressorPool pool(toy::library());
    std::vector<u32> taken;
    while (true) {
      const u32 position = pool.take(ContentCoding::kGzip, CodingLevel::kFast);
      if (position == kNoIndex) break;
      taken.push_back(position);
    }
    CHECK_EQ(taken.size(), std::min<size_t>(kCompressorsMax, kCompressorBytesMax / toy::kBytesMax));
    CHECK(pool.bytes() <= kCompressorBytesMax);
    for (const u32 position : taken) pool.give(position);
    CHECK_EQ(pool.inUse(), 0u);
    CHECK_EQ(toy::open, kUnusedCompressorsMax);
    CHECK_EQ(pool.bytes(), u64{kUnusedCompressorsMax} * toy::kBytesMax);
    // One that cannot be used again is not kept.
    pool.give(pool.take(ContentCoding::kBrotli, CodingLevel::kFast));
    CHECK_EQ(toy::open, kUnusedCompressorsMax);
    CHECK(pool.take(ContentCoding::kZstd, CodingLevel::kSmall) != kNoIndex);
  }
  CHECK_EQ(toy::open, 0u);
  CompressorPool none(nullptr);
  CHECK_EQ(none.take(ContentCoding::kGzip, CodingLevel::kFast), kNoIndex);
}

TEST(compressorProcessLibrary) {
  for (const char* name : {"libz.so.1", "libbrotlienc.so.1", "libzstd.so.1"}) {
    (void)dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  }
  const CompressorLibrary& library = *processLibrary();
  const std::string contents[] = {contentOf(1 << 20), std::string(1 << 20, 'a'), noiseOf(1 << 20)};
  for (u32 i = 0; i < codec::kContentCodings; ++i) {
    const auto coding = static_cast<ContentCoding>(i);
    if (!library.isThere(coding)) {
      CHECK(library.open(coding, CodingLevel::kFast) == nullptr);
      continue;
    }
    for (u32 j = 0; j < static_cast<u32>(CodingLevel::kCount); ++j) {
      const auto level = static_cast<CodingLevel>(j);
      for (const std::string& content : contents) {
        void* const compressor = library.open(coding, level);
        CHECK(compressor != nullptr);
        size_t most = 0;
        CHECK(compressAll(library, compressor, content, &most) < content.size() + 2000);
        CHECK(most > 0 && most <= library.bytesMax(coding, level));
        CHECK_EQ(library.reset(compressor), coding != ContentCoding::kBrotli);
        library.close(compressor);
      }
    }
  }
}
