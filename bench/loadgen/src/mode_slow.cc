// Mode slow: open-loop load on some connections while `--slow` others read far less than is sent to
// them.
//
// Each slow reader asks the origin for an endless download and takes `--slow-rate` bytes a second
// from a small receive buffer. The question is what the gateway holds for them and what the others
// feel.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "modes.h"
#include "open_loop.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

constexpr u64 kTickNs = 50 * kMillisecondNs;
constexpr u32 kReceiveBufferBytes = 16 * 1024;
constexpr u64 kEndless = u64{1} << 50;

class SlowReaders : public OpenLoop::Companion {
 public:
  SlowReaders(const FleetOptions& options, u32 count, u64 bytesPerSecond)
      : asked_(count, false),
        perTick_(bytesPerSecond * kTickNs / kSecondNs + 1),
        scratch_(perTick_) {
    for (u32 index = 0; index < count; ++index) {
      const Address* source =
          options.sources.empty() ? nullptr : &options.sources[index % options.sources.size()];
      const int fd = beginConnect(options.targets[index % options.targets.size()], source);
      if (fd < 0) fail("could not open the slow connections");
      setReceiveBuffer(fd, kReceiveBufferBytes);
      readers_.push_back(fd);
    }
  }
  ~SlowReaders() {
    for (const int fd : readers_) close(fd);
  }
  SlowReaders(const SlowReaders&) = delete;
  SlowReaders& operator=(const SlowReaders&) = delete;

  u64 work(u64 now) override {
    if (now < nextNs_) return nextNs_;
    nextNs_ = now + kTickNs;
    for (std::size_t index = 0; index < readers_.size(); ++index) tick(index);
    return nextNs_;
  }
  u64 readBytes() const { return readBytes_; }
  u64 endedCount() const { return ended_; }

 private:
  void tick(std::size_t index) {
    int& fd = readers_[index];
    if (fd < 0) return;
    if (!asked_[index]) {
      char ask[TcpPayload::kHeaderBytes];
      payload_.encode(Stamp{Kind::kDownload, kEndless, 0}, ask);
      asked_[index] = send(fd, ask, sizeof ask, MSG_NOSIGNAL) == sizeof ask;
      return;
    }
    const ssize_t got = recv(fd, scratch_.data(), scratch_.size(), 0);
    if (got > 0) readBytes_ += static_cast<u64>(got);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
      close(fd);
      fd = -1;
      ++ended_;
    }
  }

  TcpPayload payload_{TcpPayload::kHeaderBytes};
  std::vector<int> readers_;
  std::vector<bool> asked_;
  u64 perTick_;
  std::vector<char> scratch_;
  u64 nextNs_ = 0;
  u64 readBytes_ = 0;
  u64 ended_ = 0;
};

}  // namespace

int runSlow(Flags& flags) {
  Stage stage(flags);
  const FleetOptions options = stage.fleetOptions(flags);
  OpenLoop load(stage.loop, OpenLoopOptions::fromFlags(flags, options.connections));
  const u32 slow = static_cast<u32>(flags.number("slow", 100));
  const u64 slowRate = flags.number("slow-rate", 1024);
  const u64 stallNs = flags.number("stall-ms", 2000) * kMillisecondNs;
  flags.rejectUnknown();
  if (stage.channels) fail("the mode slow has no TLS");
  stage.checkDescriptors(u64{options.connections} + slow);

  Fleet fleet(stage.loop, *stage.payload, options, &load);
  fleet.aimFor(options.connections);
  stage.openOrFail(fleet, "established");
  stage.announce("ready", fleet);
  SlowReaders readers(options, slow, slowRate);
  // The buffers on the way fill before the window begins.
  for (const u64 until = nowNs() + stallNs; nowNs() < until;) {
    stage.loop.turn(std::min(readers.work(nowNs()), until));
  }
  stage.announce("stalled", fleet);
  load.run(fleet, stage.usage, &readers);

  JsonObject result = resultOf("slow");
  result.nested("connections", fleet.json());
  load.report(result, stage.usage);
  result.number("slowBytes", readers.readBytes()).number("slowEnded", readers.endedCount());
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
