// The epoll turn; see loop.h.
//
// Below every mode. Does not read or write sockets: handlers do.
#include "loop.h"

#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace holdfast::loadgen {

namespace {

constexpr u32 kGenerationMask = 0xffffff;
// The timer's own tag; no handler has this number.
constexpr u64 kTimerTag = u64{0xff} << 56;

}  // namespace

Loop::Loop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kTimerTag;
  if (epoll_ < 0 || timer_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event) != 0) {
    fail("cannot create an epoll set with a timer: %s", std::strerror(errno));
  }
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

Loop::~Loop() {
  close(timer_);
  close(epoll_);
}

u32 Loop::addHandler(Handler* handler) {
  handlers_.push_back(handler);
  return static_cast<u32>(handlers_.size() - 1);
}

void Loop::watch(int fd, Tag tag, u32 events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 =
      (u64{tag.handler} << 56) | (u64{tag.generation & kGenerationMask} << 32) | tag.index;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    fail("cannot watch a descriptor: %s", std::strerror(errno));
  }
}

void Loop::turn(u64 deadlineNs) {
  epoll_event events[kEventsMax];
  const bool isDue = deadlineNs <= nowNs();
  if (!isDue && deadlineNs < armedNs_) arm(deadlineNs);
  const int count = epoll_wait(epoll_, events, perTurn_, isDue ? 0 : -1);
  if (count < 0 && errno != EINTR) fail("waiting for events failed: %s", std::strerror(errno));
  for (int at = 0; at < count; ++at) {
    const u64 tag = events[at].data.u64;
    if (tag == kTimerTag) {
      armedNs_ = kNever;
      continue;
    }
    const u32 generation = static_cast<u32>(tag >> 32) & kGenerationMask;
    handlers_[tag >> 56]->ready(static_cast<u32>(tag), generation, events[at].events);
  }
}

void Loop::arm(u64 deadlineNs) {
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(deadlineNs / kSecondNs);
  when.it_value.tv_nsec = static_cast<long>(deadlineNs % kSecondNs);
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  armedNs_ = deadlineNs;
}

Control::Control(Loop& loop, bool isInteractive) : isInteractive_(isInteractive) {
  if (isInteractive) loop.watch(STDIN_FILENO, {loop.addHandler(this), 0, 0}, EPOLLIN);
}

void Control::ready(u32, u32, u32) {
  char bytes[256];
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got == 0) std::_Exit(kExitFailed);
  for (ssize_t at = 0; at < got; ++at) steps_ += bytes[at] == '\n' ? 1 : 0;
}

void Control::waitForStep(Loop& loop) {
  if (!isInteractive_) return;
  while (steps_ == 0) loop.turn(kNever);
  --steps_;
}

}  // namespace holdfast::loadgen
