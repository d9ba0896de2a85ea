// Starting, timing and finishing probes.
#include "proxy/prober.h"

#include <cerrno>
#include <utility>

namespace holdfast::proxy {
namespace {

inline constexpr u64 kTimerKey = ~u64{0};
inline constexpr u64 kNsPerMs = 1'000'000;
// Wakes the loop at once, for a result that is there already.
inline constexpr u64 kSoonNs = 1000;

}  // namespace

Status Prober::start() {
  epollFd_ = sys::epollCreate();
  if (epollFd_ < 0) return Status::fromErrno(-epollFd_);
  timerFd_ = sys::timerCreate();
  if (timerFd_ < 0) return Status::fromErrno(-timerFd_);
  const int added = sys::epollAdd(epollFd_, timerFd_, sys::Watch::kEdgeRead, kTimerKey);
  return added < 0 ? Status::fromErrno(-added) : Status::ok();
}

void Prober::stop() {
  for (Probe& probe : probes_) {
    if (probe.fd >= 0) sys::close(probe.fd);
  }
  probes_.clear();
  for (const ProbeResult& result : results_) {
    if (result.fd >= 0) sys::close(result.fd);
  }
  results_.clear();
  if (timerFd_ >= 0) sys::close(timerFd_);
  if (epollFd_ >= 0) sys::close(epollFd_);
  timerFd_ = -1;
  epollFd_ = -1;
}

void Prober::probe(u32 id, const ProbeSpec& spec) {
  nowNs_ = sys::nowNs();
  const auto failAtOnce = [&](int error) {
    results_.push_back(ProbeResult{id, error, -1, 0});
    armTimer();
  };
  u32 index = 0;
  while (index < probes_.size() && probes_[index].fd >= 0) index++;
  if (index >= kProbesMax) return failAtOnce(EAGAIN);
  if (index == probes_.size()) probes_.emplace_back();

  int previous = -1;
  if (spec.netnsFd >= 0) {
    previous = sys::enterNetns(spec.netnsFd);
    if (previous < 0) return failAtOnce(-previous);
  }
  const int fd = sys::socketStream(spec.address->sa_family);
  if (previous >= 0) sys::leaveNetns(previous);
  if (fd < 0) return failAtOnce(-fd);
  const int connected = sys::connect(fd, spec.address, spec.length);
  if (connected < 0 && connected != -EINPROGRESS) {
    sys::close(fd);
    return failAtOnce(-connected);
  }
  Probe& probe = probes_[index];
  probe.fd = fd;
  probe.id = id;
  probe.startNs = nowNs_;
  probe.deadlineNs = nowNs_ + spec.timeoutMs * kNsPerMs;
  probe.socket = spec.socket;
  probe.generation++;
  const u64 key = Handle{index, probe.generation}.pack();
  if (const int added = sys::epollAdd(epollFd_, fd, sys::Watch::kEdgeBoth, key); added < 0) {
    finish(index, -added);
  }
  armTimer();
}

void Prober::turn(int timeoutMs) {
  sys::Event events[64];
  const int count = sys::epollWait(epollFd_, events, timeoutMs);
  nowNs_ = sys::nowNs();
  for (int i = 0; i < count; i++) {
    if (events[i].key == kTimerKey) continue;
    const Handle handle = Handle::unpack(events[i].key);
    if (handle.index >= probes_.size()) continue;
    const Probe& probe = probes_[handle.index];
    if (probe.fd < 0 || probe.generation != handle.generation) continue;
    const int error = sys::takeSocketError(probe.fd);
    finish(handle.index, error < 0 ? -error : error);
  }
  for (u32 i = 0; i < probes_.size(); i++) {
    if (probes_[i].fd >= 0 && probes_[i].deadlineNs <= nowNs_) finish(i, ETIMEDOUT);
  }
  armTimer();
}

std::vector<ProbeResult> Prober::takeResults() {
  std::vector<ProbeResult> taken = std::exchange(results_, {});
  armTimer();
  return taken;
}

void Prober::finish(u32 index, int error) {
  Probe& probe = probes_[index];
  const bool isKept = error == 0 && probe.socket == ProbedSocket::kKept;
  const i32 fd = isKept ? probe.fd : -1;
  if (!isKept) sys::close(probe.fd);
  probe.fd = -1;
  results_.push_back(ProbeResult{probe.id, error, fd, (nowNs_ - probe.startNs) / 1000});
}

void Prober::armTimer() {
  u64 next = 0;
  for (const Probe& probe : probes_) {
    if (probe.fd >= 0 && (next == 0 || probe.deadlineNs < next)) next = probe.deadlineNs;
  }
  if (!results_.empty()) next = nowNs_ + kSoonNs;
  if (next != 0) (void)sys::timerArm(timerFd_, next);
}

}  // namespace holdfast::proxy
