// The heap of intended times; see schedule.h.
//
// Touched once for each message. Does not read a clock: it is told where to start.
#include "schedule.h"

#include <algorithm>

namespace holdfast::loadgen {

namespace {

bool isLater(const Schedule::Due& left, const Schedule::Due& right) {
  return left.atNs > right.atNs;
}

}  // namespace

Schedule::Schedule(const Shape& shape) : shape_(shape), random_(shape.seed) {
  shape_.periodNs = std::max<u64>(shape.periodNs, 1);
  shape_.gridNs = std::max<u64>(shape.gridNs, 1);
}

u64 Schedule::gap() {
  if (shape_.arrivals == Arrivals::kUniform) return shape_.periodNs;
  std::exponential_distribution<double> gaps(1.0 / static_cast<double>(shape_.periodNs));
  return static_cast<u64>(gaps(random_)) + 1;
}

void Schedule::start(u32 index, u64 fromNs) {
  std::uniform_int_distribution<u64> phases(0, shape_.periodNs - 1);
  const u64 exactNs = fromNs + phases(random_);
  putBack(Due{onGrid(exactNs), index, exactNs});
}

void Schedule::advance() {
  Due& due = heap_.front();
  due.exactNs += gap();
  due.atNs = onGrid(due.exactNs);
  siftDown();
}

Schedule::Due Schedule::takeOut() {
  std::pop_heap(heap_.begin(), heap_.end(), isLater);
  const Due due = heap_.back();
  heap_.pop_back();
  return due;
}

void Schedule::putBack(Due due) {
  heap_.push_back(due);
  std::push_heap(heap_.begin(), heap_.end(), isLater);
}

// The front has become later: lets it sink to its place.
void Schedule::siftDown() {
  const Due due = heap_.front();
  std::size_t at = 0;
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].atNs < heap_[child].atNs) ++child;
    if (heap_[child].atNs >= due.atNs) break;
    heap_[at] = heap_[child];
    at = child;
  }
  heap_[at] = due;
}

u64 Schedule::timesUntil(u64 atNs, u64 untilNs) const {
  return atNs >= untilNs ? 0 : (untilNs - atNs - 1) / shape_.periodNs + 1;
}

}  // namespace holdfast::loadgen
