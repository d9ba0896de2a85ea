// Mode selftest: checks of the parts that can be checked without a network.
//
// Percentiles against sorted values, bucket edges, the schedule's spacing, and the payload's
// refusal of wrong bytes. What needs sockets is checked by the project's own tests, which run the
// modes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "histogram.h"
#include "modes.h"
#include "payload.h"
#include "schedule.h"

namespace holdfast::loadgen {

namespace {

u32 failures = 0;

void check(bool isTrue, const char* what) {
  if (isTrue) return;
  ++failures;
  std::fprintf(stderr, "loadgen: selftest failed: %s\n", what);
}

void checkHistogram() {
  for (u64 value = 1; value < Histogram::kHighestValue; value += value / 3 + 1) {
    const u32 index = Histogram::indexOf(value);
    check(Histogram::lowestOf(index) <= value && value <= Histogram::highestOf(index),
          "bucket edges");
    check(Histogram::indexOf(Histogram::lowestOf(index)) == index, "lowest value of a bucket");
    check(Histogram::indexOf(Histogram::highestOf(index)) == index, "highest value of a bucket");
  }
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latencies(11, 1.2);
  Histogram histogram;
  std::vector<u64> values(100'000);
  for (u64& value : values) {
    value = static_cast<u64>(latencies(random)) + 1;
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    const double rank = std::ceil(percentile / 100 * static_cast<double>(values.size()));
    const double exact = static_cast<double>(values[static_cast<std::size_t>(rank) - 1]);
    const double found = static_cast<double>(histogram.valueAt(percentile));
    check(std::abs(found - exact) <= exact * 0.001 + 1, "percentile within three digits");
  }
}

void checkSchedule() {
  constexpr u64 kPeriodNs = kMillisecondNs;
  Schedule schedule({kPeriodNs, 1, Schedule::Arrivals::kUniform, 3});
  for (u32 index = 0; index < 100; ++index) schedule.start(index, 1000);
  std::vector<u64> last(100, 0);
  u64 before = 0;
  for (u32 step = 0; step < 10'000; ++step) {
    const Schedule::Due due = schedule.next();
    check(due.atNs >= before, "the schedule is in order");
    check(last[due.index] == 0 || due.atNs - last[due.index] == kPeriodNs,
          "each connection keeps its period");
    before = last[due.index] = due.atNs;
    schedule.advance();
  }
  check(schedule.timesUntil(1000, 1000) == 0, "no time before its own start");
  check(schedule.timesUntil(1000, 1001) == 1, "one time in the first period");
  check(schedule.timesUntil(1000, 1001 + kPeriodNs) == 2, "two times after one period");
}

void checkPayload() {
  const TcpPayload payload(64);
  char message[64];
  payload.encode(Stamp{Kind::kPublish, 0x123456789a, 42}, message);
  const Decoded decoded = payload.decode(message);
  check(decoded.state == Decoded::State::kMessage && decoded.consumed == 64, "a message decodes");
  check(decoded.stamp.intendedNs == 0x123456789a && decoded.stamp.kind == Kind::kPublish,
        "stamps survive");
  for (std::size_t size = 0; size < 64; ++size) {
    check(payload.decode(std::span<const char>(message, size)).state == Decoded::State::kNeedMore,
          "part");
  }
  message[63] = static_cast<char>(message[63] + 1);
  check(payload.decode(message).state == Decoded::State::kCorrupt, "a wrong last byte is seen");
}

}  // namespace

int runSelftest(Flags& flags) {
  flags.rejectUnknown();
  checkHistogram();
  checkSchedule();
  checkPayload();
  if (failures == 0) std::puts("selftest passed");
  return failures == 0 ? 0 : kExitFailed;
}

}  // namespace holdfast::loadgen
