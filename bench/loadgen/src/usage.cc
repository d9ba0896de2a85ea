// Reading of CPU clocks; see usage.h.
//
// Runs twice in each measured window. A watched process that ends inside the window reads as zero,
// which the caller sees as a window without CPU time and refuses.
#include "usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

namespace holdfast::loadgen {

namespace {

u64 nanosecondsOf(const timeval& time) {
  return static_cast<u64>(time.tv_sec) * kSecondNs + static_cast<u64>(time.tv_usec) * 1000;
}

clockid_t clockOf(const std::string& digits) {
  clockid_t clock = 0;
  const pid_t pid = static_cast<pid_t>(std::strtol(digits.c_str(), nullptr, 10));
  if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0)
    fail("cannot watch process %s", digits.c_str());
  return clock;
}

}  // namespace

Usage::Usage(Flags& flags) {
  std::string rest = flags.text("watch", "");
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string entry = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos)
      fail("--watch wants label=pid[+pid], got \"%s\"", entry.c_str());
    Watched watched{entry.substr(0, equals), {}};
    std::string pids = entry.substr(equals + 1);
    while (!pids.empty()) {
      const std::size_t plus = pids.find('+');
      watched.clocks.push_back(clockOf(pids.substr(0, plus)));
      pids = plus == std::string::npos ? "" : pids.substr(plus + 1);
    }
    watched_.push_back(watched);
  }
}

Usage::Reading Usage::read() const {
  Reading reading;
  reading.atNs = nowNs();
  reading.ownNs = timeOf(CLOCK_PROCESS_CPUTIME_ID);
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  reading.ownUserNs = nanosecondsOf(own.ru_utime);
  reading.ownSystemNs = nanosecondsOf(own.ru_stime);
  for (const Watched& watched : watched_) {
    u64 sum = 0;
    for (const clockid_t clock : watched.clocks) sum += timeOf(clock);
    reading.watchedNs.push_back(sum);
  }
  return reading;
}

double Usage::ownShare(const Reading& from, const Reading& to) {
  if (to.atNs <= from.atNs) return 0;
  return static_cast<double>(to.ownNs - from.ownNs) / static_cast<double>(to.atNs - from.atNs);
}

std::string Usage::json(const Reading& from, const Reading& to) const {
  JsonObject watched;
  for (std::size_t at = 0; at < watched_.size(); ++at) {
    const u64 before = from.watchedNs[at];
    const u64 after = to.watchedNs[at];
    watched.number(watched_[at].label.c_str(), after > before ? after - before : 0);
  }
  JsonObject object;
  object.number("wallNs", to.atNs - from.atNs).number("ownNs", to.ownNs - from.ownNs);
  object.number("ownUserNs", to.ownUserNs - from.ownUserNs);
  object.number("ownSystemNs", to.ownSystemNs - from.ownSystemNs);
  object.real("ownShare", ownShare(from, to)).nested("watched", watched.str());
  return object.str();
}

}  // namespace holdfast::loadgen
