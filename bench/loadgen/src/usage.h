// CPU time of this process and of the processes it watches, taken at the edges of a measured
// window.
//
// Watched processes are read through their CPU clock, which covers all their threads, ended ones
// too, in nanoseconds. The generator reads them itself, so that the window is the one it measured
// and not the one that another process heard of.
// Does not follow children: each watched process id is given on the command line.
#pragma once

#include <string>
#include <vector>

#include "flags.h"
#include "json.h"
#include "types.h"

namespace holdfast::loadgen {

// Above this share of its core the generator was the limit, and the run is void.
inline constexpr double kOwnShareMax = 0.85;
inline constexpr const char* kOwnLimit = "the generator used more than 85 % of its core";

class Usage {
 public:
  // From `--watch gateway=12+13,origin=14`.
  explicit Usage(Flags& flags);

  struct Reading {
    u64 atNs = 0;
    u64 ownNs = 0;
    u64 ownUserNs = 0;
    u64 ownSystemNs = 0;
    std::vector<u64> watchedNs;
  };
  Reading read() const;

  // Share of one core that this process used between two readings.
  static double ownShare(const Reading& from, const Reading& to);
  // `{"wallNs":...,"ownNs":...,"watched":{"gateway":...}}`
  std::string json(const Reading& from, const Reading& to) const;

 private:
  struct Watched {
    std::string label;
    std::vector<clockid_t> clocks;
  };
  std::vector<Watched> watched_;
};

}  // namespace holdfast::loadgen
