// Starting, timing and finishing probes, and what some of them say.
#include "proxy/prober.h"

#include <cerrno>
#include <utility>

#include "proxy/probe_answer.h"

namespace holdfast::proxy {
namespace {

inline constexpr u64 kTimerKey = ~u64{0};
inline constexpr u64 kNsPerMs = 1'000'000;
// Wakes the loop at once, for a result that is there already.
inline constexpr u64 kSoonNs = 1000;
// Bytes of an answer that are read at once.
inline constexpr size_t kReadBytes = 4096;

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
    results_.push_back(ProbeResult{id, error, 0, -1, 0});
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
  probe.isOpen = false;
  probe.sent = 0;
  probe.request = spec.request;
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
    advance(handle.index);
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

void Prober::advance(u32 index) {
  Probe& probe = probes_[index];
  if (!probe.isOpen) {
    const int error = sys::takeSocketError(probe.fd);
    if (error != 0 || probe.request.empty()) return finish(index, error < 0 ? -error : error);
    probe.isOpen = true;
  }
  u32 status = 0;
  const int error = exchange(probe, &status);
  if (error != 0 || status != 0) finish(index, error, status);
}

int Prober::exchange(Probe& probe, u32* status) {
  while (probe.sent < probe.request.size()) {
    const IoResult result =
        sys::send(probe.fd, probe.request.data() + probe.sent, probe.request.size() - probe.sent);
    if (result.kind == IoResult::Kind::kAgain) break;
    // What an endpoint said before it closed is read all the same.
    if (result.kind != IoResult::Kind::kDone) break;
    probe.sent += result.bytes;
  }
  bool hasEnded = false;
  const int error = receive(probe, &hasEnded);
  const ProbeAnswer answer = readProbeAnswer(probe.answer);
  if (answer.kind == ProbeAnswer::Kind::kViolation) return EPROTO;
  *status = answer.status;
  if (answer.kind == ProbeAnswer::Kind::kStatus) return 0;
  return hasEnded ? ECONNRESET : error;
}

// Takes what came: a socket that is closed with bytes unread resets its peer.
int Prober::receive(Probe& probe, bool* hasEnded) {
  u8 bytes[kReadBytes];
  while (probe.answer.size() <= kProbeAnswerBytesMax) {
    const IoResult result = sys::recv(probe.fd, bytes, sizeof(bytes));
    if (result.kind == IoResult::Kind::kAgain) return 0;
    if (result.kind == IoResult::Kind::kFailed) return result.sysErrno;
    if (result.kind == IoResult::Kind::kEof) {
      *hasEnded = true;
      return 0;
    }
    probe.answer.insert(probe.answer.end(), bytes, bytes + result.bytes);
  }
  return 0;
}

void Prober::finish(u32 index, int error, u32 status) {
  Probe& probe = probes_[index];
  const bool isKept = error == 0 && probe.socket == ProbedSocket::kKept;
  const i32 fd = isKept ? probe.fd : -1;
  if (!isKept) sys::close(probe.fd);
  probe.fd = -1;
  probe.request.clear();
  probe.answer.clear();
  results_.push_back(ProbeResult{probe.id, error, status, fd, (nowNs_ - probe.startNs) / 1000});
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
