// TaskList: first come first served, each record at most once, no memory of its own.
#include "runtime/task_queue.h"

#include <deque>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast {
namespace {

struct Record {
  u32 link = kNoIndex;
};

TEST(taskListIsFirstComeFirstServed) {
  std::vector<Record> records(16);
  TaskList<std::vector<Record>> list(records);
  std::deque<u32> model;
  std::vector<bool> isQueued(16, false);
  Random random(2);
  CHECK_EQ(list.pop(), kNoIndex);
  for (int step = 0; step < 10000; ++step) {
    const u32 index = random.below(16);
    if (random.chance(1, 2) && !isQueued[index]) {
      list.push(index);
      model.push_back(index);
      isQueued[index] = true;
    } else {
      const u32 popped = list.pop();
      CHECK_EQ(popped, model.empty() ? kNoIndex : model.front());
      if (model.empty()) continue;
      model.pop_front();
      isQueued[popped] = false;
      CHECK_EQ(records[popped].link, kNoIndex);
    }
    CHECK_EQ(list.count(), model.size());
  }
}

TEST(taskListLetsATaskQueueItselfAgain) {
  std::vector<Record> records(2);
  TaskList<std::vector<Record>> list(records);
  list.push(0);
  list.push(1);
  for (u32 turn = 0; turn < 4; ++turn) {
    const u32 index = list.pop();
    CHECK_EQ(index, turn % 2);
    list.push(index);
  }
  CHECK_EQ(list.count(), 2);
}

}  // namespace
}  // namespace holdfast
