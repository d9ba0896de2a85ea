// A mutation loop for fuzz targets where libFuzzer is not to be had: g++ and nothing else.
//
// Runs every seed, then mutations of what it keeps: an input stays in the corpus when it reaches a
// basic block, or reaches it a new order of times (gcc's -fsanitize-coverage=trace-pc).
// Prints one line: `NAME: N inputs, K kept, B blocks, seed S, ok`. On a crash the input is written
// to
// `<crash-dir>/<name>.crash`, and giving that file as an argument replays it.
// Invariant: the same binary, seeds and --seed try the same inputs in the same order, so --runs
// makes a run repeatable; --seconds only decides where the sequence ends.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/random.h"

#include "fuzz/fuzz.h"

namespace {

using holdfast::Random;
using holdfast::u32;
using holdfast::u64;
using holdfast::u8;
using Input = std::vector<u8>;

constexpr size_t kBlocksMax = 1u << 16;
constexpr size_t kInputMax = 16384;  // bytes of one input
constexpr size_t kKeptMax = 20000;   // inputs of the corpus
constexpr u32 kRunsBetweenClocks = 256;

// Counts of one run, by block, and which of them are not zero.
std::array<u8, kBlocksMax> blockHits;
std::array<u32, kBlocksMax> touched;
size_t touchedCount = 0;
// The orders of counts ever seen, by block: one bit for each power of two.
std::array<u8, kBlocksMax> blockOrders;

struct Options {
  std::string name = "fuzz";
  std::string seedDir;
  std::string crashDir = ".";
  u64 seed = 1;
  double seconds = 10;
  u64 runsMax = 0;  // 0: until the seconds are over
  std::vector<std::string> replays;
};

// What the crash handler writes; only the running input is ever of interest.
const Input* current = nullptr;
char crashPath[4096];

void writeCrash() {
  const int fd = open(crashPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || current == nullptr) return;
  size_t done = 0;
  while (done < current->size()) {
    const ssize_t n = write(fd, current->data() + done, current->size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  close(fd);
  static const char kText[] = "the input is kept in ";
  (void)!write(STDERR_FILENO, kText, sizeof(kText) - 1);
  (void)!write(STDERR_FILENO, crashPath, std::strlen(crashPath));
  (void)!write(STDERR_FILENO, "\n", 1);
}

void onSignal(int number) {
  writeCrash();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

bool readFile(const std::string& path, Input* out) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  out->resize(kInputMax);
  size_t length = 0;
  while (length < kInputMax) {
    const ssize_t n = read(fd, out->data() + length, kInputMax - length);
    if (n <= 0) break;
    length += static_cast<size_t>(n);
  }
  close(fd);
  out->resize(length);
  return true;
}

// The files of a directory in the order of their names.
std::vector<Input> readSeeds(const std::string& directory) {
  std::vector<std::string> names;
  if (DIR* dir = directory.empty() ? nullptr : opendir(directory.c_str()); dir != nullptr) {
    while (const dirent* entry = readdir(dir)) {
      if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    closedir(dir);
  }
  std::sort(names.begin(), names.end());
  std::vector<Input> seeds;
  for (const std::string& name : names) {
    Input input;
    if (readFile(directory + "/" + name, &input)) seeds.push_back(std::move(input));
  }
  return seeds;
}

// Tells whether the last run reached a block, or an order of its count, for the first time.
bool takeCoverage(u32* blocks) {
  bool isNew = false;
  for (size_t at = 0; at < touchedCount; ++at) {
    const u32 i = touched[at];
    const u8 order = static_cast<u8>(1u << (31 - __builtin_clz(u32{blockHits[i]})));
    if (blockOrders[i] == 0) *blocks += 1;
    if ((blockOrders[i] & order) == 0) {
      blockOrders[i] = static_cast<u8>(blockOrders[i] | order);
      isNew = true;
    }
    blockHits[i] = 0;
  }
  touchedCount = 0;
  return isNew;
}

class Mutator {
 public:
  Mutator(u64 seed, const std::vector<Input>& kept) : random_(seed), kept_(kept) {}

  Input next() {
    Input input = kept_[random_.below(static_cast<u32>(kept_.size()))];
    const u32 steps = 1u << random_.below(5);
    for (u32 i = 0; i < steps; ++i) step(input);
    if (input.size() > kInputMax) input.resize(kInputMax);
    return input;
  }

 private:
  u32 below(size_t bound) { return random_.below(static_cast<u32>(bound)); }

  void step(Input& input) {
    static constexpr u8 kEdges[] = {0, 1, 0x0a, 0x0d, 0x20, 0x7f, 0x80, 0xff};
    const u32 kind = random_.below(10);
    if (input.empty() || kind == 0) {
      const u8 byte = random_.chance(1, 2) ? kEdges[below(8)] : static_cast<u8>(random_.nextU32());
      input.insert(input.begin() + below(input.size() + 1), byte);
      return;
    }
    const u32 at = below(input.size());
    const auto place = input.begin() + at;
    switch (kind) {
      case 1:
        *place = static_cast<u8>(*place ^ (1u << random_.below(8)));
        break;
      case 2:
        *place = static_cast<u8>(random_.nextU32());
        break;
      case 3:
        *place = kEdges[below(8)];
        break;
      case 4:
        *place = static_cast<u8>(*place + random_.below(9) - 4);
        break;
      case 5:
        input.erase(place, place + 1 + below(std::min<size_t>(input.size() - at, 16)));
        break;
      case 6:
        input.resize(at + 1);
        break;
      case 7:
        duplicate(input, at);
        break;
      case 8:
        splice(input, at);
        break;
      default:
        std::swap(*place, input[below(input.size())]);
        break;
    }
  }

  // Repeats a piece of the input behind itself.
  void duplicate(Input& input, u32 at) {
    const u32 length = 1 + below(std::min<size_t>(input.size() - at, 64));
    const Input piece(input.begin() + at, input.begin() + at + length);
    input.insert(input.begin() + at, piece.begin(), piece.end());
  }

  // Goes on with a piece of another input.
  void splice(Input& input, u32 at) {
    const Input& other = kept_[below(kept_.size())];
    if (other.empty()) return;
    const u32 from = below(other.size());
    const u32 length = 1 + below(other.size() - from);
    const Input piece(other.begin() + from, other.begin() + from + length);
    if (random_.chance(1, 2)) input.resize(at);
    input.insert(input.begin() + std::min<std::ptrdiff_t>(at, std::ssize(input)), piece.begin(),
                 piece.end());
  }

  Random random_;
  const std::vector<Input>& kept_;
};

void runOne(const Input& input) {
  current = &input;
  // A copy of the exact size lets the sanitizer see the first byte read behind the end.
  const Input exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

int fuzz(const Options& options) {
  std::vector<Input> kept = readSeeds(options.seedDir);
  kept.emplace_back();
  u32 blocks = 0;
  u64 runs = 0;
  for (const Input& seed : kept) {
    runOne(seed);
    (void)takeCoverage(&blocks);
    ++runs;
  }
  Mutator mutator(options.seed, kept);
  const auto start = std::chrono::steady_clock::now();
  const auto isOver = [&] {
    if (options.runsMax != 0) return runs >= options.runsMax;
    if (runs % kRunsBetweenClocks != 0) return false;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    return spent.count() >= options.seconds;
  };
  for (; !isOver(); ++runs) {
    const Input input = mutator.next();
    runOne(input);
    if (takeCoverage(&blocks) && kept.size() < kKeptMax) kept.push_back(input);
  }
  std::printf("%s: %llu inputs, %zu kept, %u blocks, seed %llu, ok\n", options.name.c_str(),
              static_cast<unsigned long long>(runs), kept.size(), blocks,
              static_cast<unsigned long long>(options.seed));
  return 0;
}

int replay(const Options& options) {
  for (const std::string& path : options.replays) {
    Input input;
    if (!readFile(path, &input)) {
      std::fprintf(stderr, "%s: cannot read %s\n", options.name.c_str(), path.c_str());
      return 2;
    }
    runOne(input);
  }
  std::printf("%s: %zu inputs replayed, ok\n", options.name.c_str(), options.replays.size());
  return 0;
}

bool parseOptions(int argc, char** argv, Options* options) {
  const char* slash = std::strrchr(argv[0], '/');
  options->name = slash != nullptr ? slash + 1 : argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name.compare(0, 2, "--") != 0) {
      options->replays.push_back(name);
      continue;
    }
    if (++i == argc) return false;
    if (name == "--seeds") {
      options->seedDir = argv[i];
    } else if (name == "--crash-dir") {
      options->crashDir = argv[i];
    } else if (name == "--seed") {
      options->seed = std::strtoull(argv[i], nullptr, 10);
    } else if (name == "--seconds") {
      options->seconds = std::strtod(argv[i], nullptr);
    } else if (name == "--runs") {
      options->runsMax = std::strtoull(argv[i], nullptr, 10);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

// The first address of the program: makes block numbers independent of where it was loaded.
extern "C" const char __executable_start;

// Called by instrumented code at each basic block.
extern "C" void __sanitizer_cov_trace_pc() {
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0)) -
                  reinterpret_cast<uintptr_t>(&__executable_start);
  const u32 block = static_cast<u32>((pc ^ (pc >> 16)) % kBlocksMax);
  u8& hits = blockHits[block];
  if (hits == 0) touched[touchedCount++] = block;
  if (hits != 0xff) ++hits;
}

// Both sanitizers end by a signal, whose handler keeps the input.
extern "C" __attribute__((visibility("default"))) const char* __ubsan_default_options() {
  return "abort_on_error=1:print_stacktrace=1";
}

// The sanitizers end the process by their own way; this is the last thing they do before.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

int main(int argc, char** argv) {
  Options options;
  if (!parseOptions(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: %s [--seeds DIR] [--crash-dir DIR] [--seed N] [--seconds S | --runs N] "
                 "[FILE to replay]...\n",
                 argv[0]);
    return 2;
  }
  std::snprintf(crashPath, sizeof(crashPath), "%s/%s.crash", options.crashDir.c_str(),
                options.name.c_str());
  if (options.replays.empty()) {
    std::signal(SIGABRT, onSignal);
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(writeCrash);
  }
  return options.replays.empty() ? fuzz(options) : replay(options);
}
