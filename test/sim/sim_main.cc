// Runs simulated worlds, one for each seed, and prints one line at the end.
//
// `--seed N --count K` runs seeds N to N+K-1; every 50th runs twice and must give the same trace.
// `--tls` runs the worlds with TLS instead, `--http` those with HTTP. `--seed N --trace` prints
// every system call of one world; `--reasons` tells how connections ended, and how those did that
// waited for filters. A world that breaks a rule ends the process by SIGABRT, with the seed and the
// command that runs it again on stderr.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "sim/http_scenario.h"
#include "sim/scenario.h"

namespace {

using holdfast::u32;
using holdfast::u64;

constexpr u64 kSeedsBetweenRepeats = 50;

u64 currentSeed = 0;
holdfast::sim::Series series = holdfast::sim::Series::kPlain;

const char* seriesOption() {
  using enum holdfast::sim::Series;
  return series == kTls ? " --tls" : series == kHttp ? " --http" : "";
}

void onAbort(int) {
  std::fprintf(stderr,
               "simulation: seed %llu failed; holdfast_sim%s --seed %llu --trace shows it\n",
               static_cast<unsigned long long>(currentSeed), seriesOption(),
               static_cast<unsigned long long>(currentSeed));
  std::signal(SIGABRT, SIG_DFL);
}

struct Totals {
  u64 clients = 0;
  u64 pairs = 0;
  u64 strict = 0;
  u64 bytes = 0;
  u64 turns = 0;
  u64 waits = 0;
  u64 closedBy[holdfast::countOf<holdfast::CloseReason>()] = {};
  std::map<std::string, u64> endsWaiting;

  void add(const holdfast::sim::Outcome& outcome) {
    clients += outcome.clients;
    pairs += outcome.pairs;
    strict += outcome.strict;
    bytes += outcome.bytes;
    turns += outcome.turns;
    waits += outcome.waits;
    for (size_t i = 0; i < std::size(closedBy); ++i) closedBy[i] += outcome.closedBy[i];
    for (const auto& [reason, ends] : outcome.endsWaiting) endsWaiting[reason] += ends;
  }
};

holdfast::sim::Outcome runSeed(u64 seed, bool isTracing) {
  currentSeed = seed;
  if (series == holdfast::sim::Series::kHttp) {
    holdfast::sim::HttpScenario scenario(seed, isTracing);
    return scenario.run();
  }
  holdfast::sim::Scenario scenario(seed, series, isTracing);
  return scenario.run();
}

void printReasons(const Totals& totals) {
  for (size_t i = 0; i < std::size(totals.closedBy); ++i) {
    std::printf("  %-22s %llu\n", holdfast::kCloseReasonTable[i].name,
                static_cast<unsigned long long>(totals.closedBy[i]));
  }
  std::printf("while filters thought:\n");
  for (const auto& [reason, ends] : totals.endsWaiting) {
    std::printf("  %-22s %llu\n", reason.c_str(), static_cast<unsigned long long>(ends));
  }
}

}  // namespace

int main(int argc, char** argv) {
  u64 seed = 1;
  u64 count = 1;
  bool isTracing = false;
  bool isVerbose = false;
  for (int i = 1; i < argc; ++i) {
    const bool hasValue = i + 1 < argc;
    if (std::strcmp(argv[i], "--seed") == 0 && hasValue) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--count") == 0 && hasValue) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--trace") == 0) {
      isTracing = true;
    } else if (std::strcmp(argv[i], "--tls") == 0) {
      series = holdfast::sim::Series::kTls;
    } else if (std::strcmp(argv[i], "--http") == 0) {
      series = holdfast::sim::Series::kHttp;
    } else if (std::strcmp(argv[i], "--reasons") == 0) {
      isVerbose = true;
    } else {
      std::fprintf(stderr,
                   "usage: %s [--seed N] [--count K] [--tls|--http] [--trace] [--reasons]\n",
                   argv[0]);
      return 2;
    }
  }
  std::signal(SIGABRT, onAbort);
  Totals totals;
  for (u64 i = 0; i < count; ++i) {
    const holdfast::sim::Outcome outcome = runSeed(seed + i, isTracing);
    totals.add(outcome);
    if ((seed + i) % kSeedsBetweenRepeats != 0 || isTracing) continue;
    if (runSeed(seed + i, false).traceHash != outcome.traceHash) {
      std::fprintf(stderr, "simulation: the same seed gave two traces\n");
      std::abort();
    }
  }
  if (isVerbose) printReasons(totals);
  std::printf(
      "simulation%s: %llu worlds, seeds %llu to %llu, %llu clients, %llu joined, %llu judged "
      "strictly, %llu bytes, %llu turns, %llu waits for tokens, ok\n",
      seriesOption(), static_cast<unsigned long long>(count), static_cast<unsigned long long>(seed),
      static_cast<unsigned long long>(seed + count - 1),
      static_cast<unsigned long long>(totals.clients),
      static_cast<unsigned long long>(totals.pairs), static_cast<unsigned long long>(totals.strict),
      static_cast<unsigned long long>(totals.bytes), static_cast<unsigned long long>(totals.turns),
      static_cast<unsigned long long>(totals.waits));
  return 0;
}
