// Mode bulk: one connection carries `--size` bytes: up, down, or up and back at once (both).
//
// Bytes follow a pattern that depends on the position; the first and the last byte of every read
// are checked. The handshake of a TLS connection is over before the window begins. Latency is not
// measured here; throughput and CPU are.
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "modes.h"
#include "origin.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

constexpr u64 kOpenTimeoutNs = 10 * kSecondNs;
constexpr std::size_t kChunkBytes = 256 * 1024;
// One record: what a channel would have to keep when the socket is full.
constexpr std::size_t kRecordBytes = 16 * 1024;

class Bulk : public Loop::Handler {
 public:
  Bulk(u64 toSend, u64 toReceive, Channels* channels)
      : toSend_(toSend), toReceive_(toReceive), channels_(channels) {}

  u64 sent = 0;
  u64 received = 0;
  bool isBroken = false;
  int fd = -1;
  // What precedes the pattern in each direction.
  std::string head;
  bool isAckExpected = false;

  // True when bytes can be sent: the connection stands, and so does its channel.
  bool isOpen() const { return isOpen_; }
  bool isDone() const {
    return isBroken || (sent == toSend_ && received == toReceive_ && head.empty());
  }

  void ready(u32, u32, u32 events) override {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) isBroken = true;
    if ((events & EPOLLOUT) != 0) isWritable_ = true;
    const bool isEnding = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if ((events & EPOLLIN) != 0 || isEnding) isReadable_ = true;
    if (isBroken || (!isWritable_ && !isOpen_)) return;
    if (!isOpen_) return open(isEnding);
    if (channel_) channel_->readable(isEnding);
  }
  // Some sends and some receives; false when only an event can help.
  bool work() {
    bool hasMoved = false;
    if (channel_ && isWritable_ && !channel_->flush()) isWritable_ = false;
    if (isWritable_) hasMoved |= send();
    if (isReadable_) hasMoved |= receive();
    return hasMoved && !isDone();
  }

 private:
  void open(bool isEnding) {
    if (channels_ != nullptr && !channel_) channel_ = channels_->open(fd);
    if (channel_) channel_->readable(isEnding);
    const Channel::Step step = channel_ ? channel_->shakeHands() : Channel::Step::kDone;
    isOpen_ = step == Channel::Step::kDone;
    isBroken = step == Channel::Step::kFailed;
  }
  bool send() {
    if (head.empty() && sent == toSend_) return false;
    const bool isHead = !head.empty();
    const char* from = isHead ? head.data() : pattern_.data() + sent % kPatternBytes;
    const u64 chunk = channel_ ? kRecordBytes : kChunkBytes;
    const std::size_t size = isHead ? head.size() : std::min<u64>(chunk, toSend_ - sent);
    const ssize_t taken =
        channel_ ? channel_->send({from, size}) : ::send(fd, from, size, MSG_NOSIGNAL);
    if (taken < 0) {
      isWritable_ = false;
      if (errno != EAGAIN) isBroken = true;
      return false;
    }
    if (isHead) {
      head.erase(0, static_cast<std::size_t>(taken));
    } else {
      sent += static_cast<u64>(taken);
    }
    return true;
  }
  bool receive() {
    const ssize_t got =
        channel_ ? channel_->receive(scratch_) : recv(fd, scratch_.data(), scratch_.size(), 0);
    if (got <= 0) {
      isReadable_ = false;
      if (got == 0 || errno != EAGAIN) isBroken = true;
      return false;
    }
    const std::size_t size = static_cast<std::size_t>(got);
    if (!isAckExpected) {
      const bool isIntact = scratch_[0] == patternAt(received) &&
                            scratch_[size - 1] == patternAt(received + size - 1);
      if (!isIntact) isBroken = true;
    }
    received += size;
    return true;
  }

  u64 toSend_;
  u64 toReceive_;
  Channels* channels_;
  std::unique_ptr<Channel> channel_;
  bool isOpen_ = false;
  bool isWritable_ = false;
  bool isReadable_ = false;
  std::string pattern_ = makePattern(kChunkBytes + kPatternBytes);
  std::string scratch_ = std::string(kChunkBytes, '\0');
};

}  // namespace

int runBulk(Flags& flags) {
  Stage stage(flags);
  const std::vector<Address> targets = parseAddresses(flags.text("target", ""));
  if (targets.empty()) fail("--target is missing; it wants the form 127.0.0.1:80");
  const u64 size = flags.number("size", u64{1} << 30);
  const u64 timeoutNs = flags.number("timeout-ms", 120'000) * kMillisecondNs;
  const std::string direction = flags.text("direction", "down");
  const bool isUp = direction == "up";
  const bool isBoth = direction == "both";
  if (!isUp && !isBoth && direction != "down") fail("--direction is up, down or both");
  flags.rejectUnknown();

  Bulk bulk(isUp || isBoth ? size : 0, isUp ? TcpPayload::kHeaderBytes : size,
            stage.channels.get());
  bulk.isAckExpected = isUp;
  if (!isBoth) {
    const TcpPayload payload(TcpPayload::kHeaderBytes);
    bulk.head.resize(TcpPayload::kHeaderBytes);
    payload.encode(Stamp{isUp ? Kind::kUpload : Kind::kDownload, size, 0}, bulk.head);
  }
  bulk.fd = beginConnect(targets[0], nullptr);
  if (bulk.fd < 0) fail("cannot connect: %s", std::strerror(-bulk.fd));
  stage.loop.watch(bulk.fd, {stage.loop.addHandler(&bulk), 0, 0});
  for (const u64 until = nowNs() + kOpenTimeoutNs; !bulk.isOpen();) {
    if (bulk.isBroken || nowNs() > until) {
      std::fputs("loadgen: the connection could not be opened\n", stderr);
      return kExitFailed;
    }
    stage.loop.turn(until);
  }
  printLine(JsonObject().text("event", "ready").number("connections", 1));
  stage.control.waitForStep(stage.loop);
  const Usage::Reading before = stage.usage.read();
  const u64 until = before.atNs + timeoutNs;
  while (!bulk.isDone() && nowNs() < until) {
    if (!bulk.work() && !bulk.isDone()) stage.loop.turn(until);
  }
  const Usage::Reading after = stage.usage.read();
  close(bulk.fd);

  JsonObject result = resultOf("bulk");
  result.flag("complete", bulk.isDone() && !bulk.isBroken).number("sentBytes", bulk.sent);
  result.number("receivedBytes", bulk.received).text("direction", direction);
  stage.report(result, before, after);
  printLine(result);
  return bulk.isBroken ? kExitFailed : 0;
}

}  // namespace holdfast::loadgen
