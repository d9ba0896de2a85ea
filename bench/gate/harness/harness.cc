// The gate's harness: drives the core without Node and prints what it counted,
// one JSON line.
//
// usage: harness echo PAIRS ROUNDS [WHAT] | churn COUNT | idle FEW MANY [WHAT]
// | instructions PAIRS ROUNDS [WHAT] echo and churn count system calls and
// allocations, idle reads the resident memory, instructions runs the echo
// uncounted, for callgrind. WHAT is tcp, http, policies (http with rules and a
// limit), elsewhere (http beside a host with those and with filters of
// JavaScript), websocket, or websocket-elsewhere. Each subtracts nothing: the
// gate runs two sizes and takes the difference, so that what happens once is
// not in the figure.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "counting.h"
#include "stage.h"

// Switches for the gate's own test: sources with a planted regression read
// them.
extern "C" {
int holdfastPlant = 0;
}

namespace holdfast::gate {

namespace {

void raiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

u64 readResident() {
  std::FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  if (file == nullptr) fail("no smaps_rollup");
  char line[256];
  unsigned long long pssKib = 0;
  unsigned long long fileKib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    (void)std::sscanf(line, "Pss: %llu", &pssKib);
    (void)std::sscanf(line, "Pss_File: %llu", &fileKib);
  }
  std::fclose(file);
  return (pssKib - fileKib) * 1024;
}

void print(const char* what, u64 count, const Counts& before, const Counts& after) {
  std::printf("{\"%s\":%llu,\"isTraced\":%s,\"syscalls\":%llu,\"allocations\":%llu}\n", what,
              static_cast<unsigned long long>(count), isTraced() ? "true" : "false",
              static_cast<unsigned long long>(after.syscalls - before.syscalls),
              static_cast<unsigned long long>(after.allocations - before.allocations));
}

int echo(u32 pairCount, u32 rounds, Carried carried, Filters filters) {
  Stage stage(pairCount, carried, filters);
  std::vector<Stage::Pair> pairs;
  for (u32 at = 0; at < pairCount; ++at) pairs.push_back(stage.open());
  if (carried == Carried::kHttp) stage.settle(pairs);
  const Counts before = counts();
  for (u32 round = 0; round < rounds; ++round) stage.roundTrip(pairs);
  const Counts after = counts();
  const u64 things = u64{pairCount} * rounds * (carried == Carried::kHttp ? 1 : 2);
  print("messages", things, before, after);
  return 0;
}

int churn(u32 count) {
  Stage stage(16, Carried::kTcp);
  Stage::Pair first = stage.open();
  stage.close(first);
  const Counts before = counts();
  for (u32 at = 0; at < count; ++at) {
    Stage::Pair pair = stage.open();
    stage.close(pair);
  }
  const Counts after = counts();
  if (stage.live() != 0) fail("a closed connection is still there");
  print("connections", count, before, after);
  return 0;
}

int idle(u32 few, u32 many, Carried carried) {
  Stage stage(many, carried);
  std::vector<Stage::Pair> pairs(many);  // resident before the first reading
  u64 before = 0;
  for (u32 at = 0; at < many; ++at) {
    if (at == few) before = readResident();
    pairs[at] = stage.open();
  }
  const u64 after = readResident();
  std::printf("{\"connections\":%u,\"bytes\":%llu}\n", many - few,
              static_cast<unsigned long long>(after - before));
  return 0;
}

// A run takes a second; one that hangs ends by SIGALRM.
constexpr unsigned kSecondsMax = 60;

Filters filtersOf(std::string_view name) {
  if (name == "policies") return Filters::kRulesAndLimit;
  return name.ends_with("elsewhere") ? Filters::kElsewhere : Filters::kNone;
}

int run(int argc, char** argv) {
  alarm(kSecondsMax);
  const char* plant = std::getenv("HF_GATE_PLANT");
  if (plant != nullptr) holdfastPlant = std::atoi(plant);
  const auto number = [&](int at) {
    return at < argc ? static_cast<u32>(std::strtoul(argv[at], nullptr, 10)) : 0;
  };
  raiseDescriptorLimit();
  const Carried carried = carriedOf(argc > 4 ? argv[4] : nullptr);
  const bool isEcho = std::strcmp(argv[1], "echo") == 0;
  if (isEcho || std::strcmp(argv[1], "instructions") == 0) {
    return echo(number(2), number(3), carried, filtersOf(argc > 4 ? argv[4] : ""));
  }
  if (std::strcmp(argv[1], "churn") == 0) return churn(number(2));
  return idle(number(2), number(3), carried);
}

}  // namespace

}  // namespace holdfast::gate

int main(int argc, char** argv) {
  using namespace holdfast::gate;
  if (argc < 3) {
    std::fputs(
        "usage: harness echo|instructions PAIRS ROUNDS [WHAT], churn "
        "COUNT, idle FEW MANY [WHAT]\n",
        stderr);
    return 2;
  }
  const bool isCounted = std::strcmp(argv[1], "echo") == 0 || std::strcmp(argv[1], "churn") == 0;
  return isCounted ? traceSyscalls(run, argc, argv) : run(argc, argv);
}
