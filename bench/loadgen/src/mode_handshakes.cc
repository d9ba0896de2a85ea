// Mode handshakes: open-loop load on established TLS connections while `--places` others shake
// hands for `--storm-ms`.
//
// --kind full: complete handshakes with a round trip, ended by RST, --storm-per-second of them. A
// client's handshake costs as much as the server's, so one generator does not saturate a gateway
// with them.
// --kind hello: a ClientHello recorded once is sent anew with another random part, and the
// connection is cut as soon as the server's flight arrives, which the server has had to sign by
// then: that saturates.
// Latencies of the established connections are kept by phase: before, while and after.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "histogram.h"
#include "modes.h"
#include "open_loop.h"
#include "stage.h"

namespace holdfast::loadgen {

namespace {

// So that the storm does not delay the schedule of the established connections.
constexpr u32 kOpensPerTurn = 4;
constexpr int kHellosPerTurn = 8;
constexpr int kHandshakesPerTurn = 2;
// Record header, handshake header and version stand before the 32 random bytes of a ClientHello.
constexpr std::size_t kRandomAt = 11;
constexpr std::size_t kRandomBytes = 32;
constexpr char kHandshakeRecord = 22;

// What a storm consists of. `pump` returns when it wants to be called again.
class Attackers {
 public:
  virtual ~Attackers() = default;
  virtual u64 pump(u64 now) = 0;
  virtual void stop() = 0;

  Histogram times;  // from connect to the server's flight, or to the first answer
  u64 answered = 0;
  u64 failed = 0;
};

class FullHandshakes final : public Attackers, public Fleet::Observer {
 public:
  FullHandshakes(Stage& stage, const FleetOptions& options)
      : fleet_(stage.loop, *stage.payload, options, this), places_(options.connections) {
    stage.loop.limitEvents(kHandshakesPerTurn);
  }

  u64 pump(u64 now) override {
    if (fleet_.goal() == 0) fleet_.restartPace();
    fleet_.aimFor(places_);
    failed = fleet_.failedCount();
    return fleet_.pump(now);
  }
  void stop() override {
    fleet_.aimFor(0);
    isStopped_ = true;
  }
  void opened(u32 index, u64 startedNs, u64 now) override {
    if (!isStopped_) {
      times.record(now - std::min(now, startedNs));
      ++answered;
    }
    fleet_.close(index, CloseKind::kReset);
  }

 private:
  Fleet fleet_;
  u32 places_;
  bool isStopped_ = false;
};

class Hellos final : public Attackers, public Loop::Handler {
 public:
  Hellos(Stage& stage, const FleetOptions& options)
      : loop_(stage.loop),
        options_(options),
        handler_(stage.loop.addHandler(this)),
        hello_(stage.channels->recordHello()),
        places_(options.connections) {
    for (u32 place = 0; place < options.connections; ++place) free_.push_back(place);
    stage.loop.limitEvents(kHellosPerTurn);
  }
  ~Hellos() override { stop(); }

  u64 pump(u64 now) override {
    for (u32 opens = 0; opens < kOpensPerTurn && !free_.empty(); ++opens) open(now);
    return free_.empty() ? kNever : now;
  }
  void stop() override {
    for (Place& place : places_) {
      if (place.fd >= 0) cut(place);
    }
    free_.clear();
  }
  void ready(u32 index, u32 generation, u32 events) override {
    Place& place = places_[index];
    if (place.fd < 0 || (place.generation & 0xffffff) != generation) return;
    if (!place.isSent && (events & EPOLLOUT) != 0) return say(index);
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hear(index);
  }

 private:
  struct Place {
    int fd = -1;
    u32 generation = 0;
    bool isSent = false;
    u64 startedNs = 0;
  };

  void open(u64 now) {
    const u64 turn = opens_++;
    const Address* source =
        options_.sources.empty() ? nullptr : &options_.sources[turn % options_.sources.size()];
    const int fd = beginConnect(options_.targets[turn % options_.targets.size()], source);
    if (fd < 0) {
      ++failed;
      return;
    }
    const u32 index = free_.back();
    free_.pop_back();
    Place& place = places_[index];
    place.fd = fd;
    place.isSent = false;
    place.startedNs = now;
    loop_.watch(fd, {handler_, index, place.generation});
  }
  void say(u32 index) {
    for (std::size_t at = 0; at < kRandomBytes; ++at) {
      hello_[kRandomAt + at] = static_cast<char>(random_());
    }
    const ssize_t sent = ::send(places_[index].fd, hello_.data(), hello_.size(), MSG_NOSIGNAL);
    places_[index].isSent = true;
    if (sent != static_cast<ssize_t>(hello_.size())) end(index, false);
  }
  void hear(u32 index) {
    char flight[4096];
    const ssize_t got = recv(places_[index].fd, flight, sizeof flight, 0);
    if (got < 0 && errno == EAGAIN) return;
    end(index, got > 0 && flight[0] == kHandshakeRecord);
  }
  void end(u32 index, bool isAnswered) {
    Place& place = places_[index];
    ++(isAnswered ? answered : failed);
    if (isAnswered) times.record(nowNs() - place.startedNs);
    cut(place);
    free_.push_back(index);
  }
  static void cut(Place& place) {
    resetOnClose(place.fd);
    close(place.fd);
    place.fd = -1;
    ++place.generation;
  }

  Loop& loop_;
  const FleetOptions& options_;
  u32 handler_;
  std::string hello_;
  std::vector<Place> places_;
  std::vector<u32> free_;
  std::minstd_rand random_{7};
  u64 opens_ = 0;
};

class Storm final : public OpenLoop::Companion {
 public:
  Storm(Attackers& attackers, const OpenLoop& load, const Usage& usage)
      : attackers_(attackers), load_(load), usage_(usage) {}

  u64 afterNs = 0;
  u64 lastsNs = 0;
  Usage::Reading begin;
  Usage::Reading end;

  u64 work(u64 now) override {
    const u64 startNs = load_.windowStartNs() + afterNs;
    if (now < startNs) return startNs;
    if (begin.atNs == 0) begin = usage_.read();
    if (now < begin.atNs + lastsNs) return std::min(attackers_.pump(now), begin.atNs + lastsNs);
    if (end.atNs == 0) {
      attackers_.stop();
      end = usage_.read();
    }
    return kNever;
  }
  u32 phaseOf(u64 intendedNs) const override {
    if (begin.atNs == 0 || intendedNs < begin.atNs) return 0;
    return end.atNs == 0 || intendedNs < end.atNs ? 1 : 2;
  }

 private:
  Attackers& attackers_;
  const OpenLoop& load_;
  const Usage& usage_;
};

}  // namespace

int runHandshakes(Flags& flags) {
  Stage stage(flags);
  if (!stage.channels) fail("the mode handshakes wants --tls");
  const FleetOptions options = stage.fleetOptions(flags);
  OpenLoop load(stage.loop, OpenLoopOptions::fromFlags(flags, options.connections));
  FleetOptions stormOptions = options;
  stormOptions.connections = static_cast<u32>(flags.number("places", 64));
  stormOptions.opensPerTurnMax = kOpensPerTurn;
  stormOptions.opensPerSecond = flags.number("storm-per-second", 0);
  const std::string kind = flags.text("kind", "hello");
  if (kind != "hello" && kind != "full") fail("--kind is hello or full");
  const u64 afterNs = flags.number("storm-after-ms", 1000) * kMillisecondNs;
  const u64 lastsNs = flags.number("storm-ms", 1000) * kMillisecondNs;
  flags.rejectUnknown();
  stage.checkDescriptors(u64{options.connections} + stormOptions.connections);

  Fleet established(stage.loop, *stage.payload, options, &load);
  established.aimFor(options.connections);
  stage.openOrFail(established, "established");
  stage.announce("ready", established);
  std::unique_ptr<Attackers> attackers;
  if (kind == "hello") attackers = std::make_unique<Hellos>(stage, stormOptions);
  if (kind == "full") attackers = std::make_unique<FullHandshakes>(stage, stormOptions);
  Storm storm(*attackers, load, stage.usage);
  storm.afterNs = afterNs;
  storm.lastsNs = lastsNs;
  load.run(established, stage.usage, &storm);

  JsonObject result = resultOf("handshakes");
  result.nested("connections", established.json());
  load.report(result, stage.usage);
  stage.reportChannels(result);
  result.nested("duringStorm", load.phase(1).json()).nested("afterStorm", load.phase(2).json());
  result.nested("stormHandshakes", attackers->times.json());
  result.number("stormAnswered", attackers->answered).number("stormFailed", attackers->failed);
  result.nested("stormUsage", stage.usage.json(storm.begin, storm.end));
  printLine(result);
  return 0;
}

}  // namespace holdfast::loadgen
