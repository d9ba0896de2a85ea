// ChunkPool and chains against a string, and at both caps.
#include "runtime/chunk.h"

#include <string>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast {
namespace {

const u8* bytesOf(const std::string& text) { return reinterpret_cast<const u8*>(text.data()); }

// What a gathering write would see.
std::string frontOf(ChunkPool& pool, const ChunkChain& chain) {
  iovec parts[kChunksPerSend];
  const int count = pool.gather(chain, parts);
  std::string text;
  for (int i = 0; i < count; ++i) {
    text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return text;
}

std::string randomText(Random& random, size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i) text.push_back(static_cast<char>(random.nextU32()));
  return text;
}

TEST(chunkChainsAgreeWithStrings) {
  std::atomic<u64> processBytes{0};
  ChunkPool pool;
  CHECK(pool.reserve(64 * kChunkBytes, &processBytes, 1u << 30).isOk());
  Random random(3);
  std::vector<ChunkChain> chains(4);
  std::vector<std::string> model(4);
  for (int step = 0; step < 5000 && check::failures() == 0; ++step) {
    const u32 at = random.below(4);
    if (random.chance(1, 2)) {
      const std::string text = randomText(random, random.below(3 * kChunkBytes));
      const size_t kept = pool.append(chains[at], bytesOf(text), text.size());
      CHECK(kept <= text.size());
      if (kept < text.size()) CHECK_EQ(pool.inUse(), pool.capacity());
      model[at].append(text, 0, kept);
    } else if (!model[at].empty()) {
      const size_t length = random.below(static_cast<u32>(model[at].size()) + 1);
      pool.consume(chains[at], length);
      model[at].erase(0, length);
    }
    if (!model[at].empty() && random.chance(1, 4)) {
      const size_t offset = random.below(static_cast<u32>(model[at].size()));
      const size_t length = random.below(static_cast<u32>(model[at].size() - offset) + 1);
      std::string part(length, ' ');
      pool.copyFrom(chains[at], offset, length, reinterpret_cast<u8*>(part.data()));
      CHECK(model[at].compare(offset, length, part) == 0);
    }
    if (!model[at].empty() && random.chance(1, 8)) {
      const size_t length = 1 + random.below(static_cast<u32>(model[at].size()));
      pool.cut(chains[at], length);
      model[at].resize(length);
    }
    CHECK_EQ(chains[at].bytes, model[at].size());
    CHECK_EQ(chains[at].isEmpty(), model[at].empty());
    const std::string front = frontOf(pool, chains[at]);
    CHECK(model[at].compare(0, front.size(), front) == 0);
    if (!model[at].empty()) CHECK(!front.empty());
    CHECK_EQ(processBytes.load(), u64{pool.inUse()} * kChunkBytes);
  }
  for (ChunkChain& chain : chains) pool.clear(chain);
  CHECK_EQ(pool.inUse(), 0);
  CHECK_EQ(processBytes.load(), 0);
}

TEST(chunkPoolStopsAtItsOwnCap) {
  std::atomic<u64> processBytes{0};
  ChunkPool pool;
  CHECK(pool.reserve(2 * kChunkBytes, &processBytes, 1u << 30).isOk());
  ChunkChain chain;
  const std::string text(3 * kChunkBytes, 'x');
  CHECK(pool.hasRoom(2 * kChunkBytes));
  CHECK(!pool.hasRoom(2 * kChunkBytes + 1));
  CHECK_EQ(pool.append(chain, bytesOf(text), text.size()), 2 * kChunkBytes);
  CHECK(!pool.hasRoom(1));
  pool.consume(chain, kChunkBytes);
  CHECK_EQ(pool.append(chain, bytesOf(text), 10), 10);
  pool.clear(chain);
}

TEST(chunkPoolsShareTheCapOfTheProcess) {
  std::atomic<u64> processBytes{0};
  ChunkPool first;
  ChunkPool second;
  CHECK(first.reserve(8 * kChunkBytes, &processBytes, 3 * kChunkBytes).isOk());
  CHECK(second.reserve(8 * kChunkBytes, &processBytes, 3 * kChunkBytes).isOk());
  const std::string text(2 * kChunkBytes, 'x');
  ChunkChain a;
  ChunkChain b;
  CHECK_EQ(first.append(a, bytesOf(text), text.size()), text.size());
  CHECK(second.hasRoom(kChunkBytes));
  CHECK(!second.hasRoom(kChunkBytes + 1));
  // Two that asked at the same time both keep what they read.
  CHECK_EQ(second.append(b, bytesOf(text), text.size()), text.size());
  CHECK_EQ(processBytes.load(), 4 * kChunkBytes);
  CHECK(!first.hasRoom(1));
  second.clear(b);
  CHECK(first.hasRoom(kChunkBytes));
  first.clear(a);
  CHECK_EQ(processBytes.load(), 0);
}

TEST(chunkPoolOfNoBytesHasNoRoom) {
  std::atomic<u64> processBytes{0};
  ChunkPool pool;
  CHECK(pool.reserve(0, &processBytes, 1u << 30).isOk());
  ChunkChain chain;
  const u8 byte = 1;
  CHECK(!pool.hasRoom(1));
  CHECK_EQ(pool.append(chain, &byte, 1), 0);
}

TEST(chunkPoolGivesPagesBackInBoundedSteps) {
  constexpr u32 kChunks = 300;
  std::atomic<u64> processBytes{0};
  ChunkPool pool;
  CHECK(pool.reserve(u64{kChunks} * kChunkBytes, &processBytes, 1u << 30).isOk());
  ChunkChain chain;
  const std::string text(size_t{kChunks} * kChunkBytes, 'x');
  CHECK_EQ(pool.append(chain, bytesOf(text), text.size()), text.size());
  CHECK_EQ(pool.trim(), 0);
  pool.clear(chain);
  u32 released = 0;
  for (u32 step = pool.trim(); step != 0; step = pool.trim()) {
    CHECK(step <= kTrimMax);
    released += step;
  }
  CHECK_EQ(released, kChunks - kChunksKeptWarm);
  // Chunks whose pages were given back serve again.
  CHECK_EQ(pool.append(chain, bytesOf(text), text.size()), text.size());
  CHECK(frontOf(pool, chain) == text.substr(0, kChunksPerSend * kChunkBytes));
  pool.clear(chain);
}

}  // namespace
}  // namespace holdfast
