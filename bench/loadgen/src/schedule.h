// When each connection sends next: a heap of intended times, one for each active connection.
//
// Connection i sends at start + phase(i) + k * period, with phases spread at random over one
// period, or with exponential gaps of the same mean. Times lie on a grid, whose lines the generator
// can meet without waking for each single message: what is intended is the time on the grid. The
// schedule never moves because a peer is slow: a connection that cannot send keeps its intended
// time and is put back with it.
// Invariant: a connection is in the heap at most once.
#pragma once

#include <random>
#include <vector>

#include "types.h"

namespace holdfast::loadgen {

class Schedule {
 public:
  enum class Arrivals : u8 { kUniform, kPoisson };
  struct Due {
    u64 atNs;  // on the grid
    u32 index;
    u64 exactNs = 0;  // before rounding; keeps the rate exact
  };

  // `gridNs` of 1 leaves times where they fall.
  struct Shape {
    u64 periodNs;
    u64 gridNs = 1;
    Arrivals arrivals = Arrivals::kUniform;
    u64 seed = 1;
  };
  explicit Schedule(const Shape& shape);

  // Gives the connection its first time: within one period from `fromNs`.
  void start(u32 index, u64 fromNs);
  bool isEmpty() const { return heap_.empty(); }
  const Due& next() const { return heap_.front(); }
  u64 nextNs() const { return heap_.empty() ? kNever : heap_.front().atNs; }
  // Moves the front to its following time.
  void advance();
  // Takes the front out, to be put back by `putBack` with the same time.
  Due takeOut();
  void putBack(Due due);
  // How many times of a connection whose next one is `atNs` lie before `untilNs`.
  u64 timesUntil(u64 atNs, u64 untilNs) const;
  u64 periodNs() const { return shape_.periodNs; }

 private:
  u64 gap();
  u64 onGrid(u64 exactNs) const {
    return (exactNs + shape_.gridNs - 1) / shape_.gridNs * shape_.gridNs;
  }
  void siftDown();

  Shape shape_;
  std::mt19937_64 random_;
  std::vector<Due> heap_;
};

}  // namespace holdfast::loadgen
