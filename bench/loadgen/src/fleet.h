// A fleet: many client connections of one kind, opened at a bounded pace and kept.
//
// Each connection connects, shakes hands where it has a channel, greets, makes one round trip (so
// that the path behind a proxy is known to stand) and is then open. Modes send through `send` and
// hear of messages through the Observer. Invariant: at most `openingMax` connections are being
// opened at a time; an idle open connection holds no buffer; a close that nobody asked for is
// counted as lost.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "channel.h"
#include "flags.h"
#include "loop.h"
#include "payload.h"
#include "sockets.h"

namespace holdfast::loadgen {

enum class CloseKind : u8 { kFin, kReset };

struct FleetOptions {
  std::vector<Address> targets;
  std::vector<Address> sources;
  u32 connections = 0;
  u32 openingMax = 256;
  u64 opensPerSecond = 0;    // 0: as fast as openingMax allows
  u32 opensPerTurnMax = 32;  // keeps a storm from delaying the schedule of other fleets
  u32 receiveBufferBytes = 0;
  u64 openTimeoutNs = 30 * kSecondNs;
  Kind firstKind = Kind::kEcho;
  Channels* channels = nullptr;  // none: bytes travel as they are

  static FleetOptions fromFlags(Flags& flags);
};

class Fleet : public Loop::Handler {
 public:
  class Observer {
   public:
    // The first round trip is done; `startedNs` is when connecting began, or was meant to with a
    // rate.
    virtual void opened(u32, u64 /*startedNs*/, u64 /*nowNs*/) {}
    virtual void message(u32, const Stamp&, u64 /*nowNs*/) {}
    // The connection takes a message again after it was blocked.
    virtual void writable(u32) {}
    // The connection ended without being asked to.
    virtual void lost(u32) {}
    // A close by FIN that this side began is complete.
    virtual void finished(u32) {}

   protected:
    ~Observer() = default;
  };

  enum class SendResult : u8 { kSent, kBlocked, kNotOpen };

  Fleet(Loop& loop, const Payload& payload, FleetOptions options, Observer* observer);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Sets how many connections there shall be; `pump` opens them.
  void aimFor(u32 connections) { goal_ = connections; }
  // With a rate: what is opened from now on is due from now on.
  void restartPace() { nextOpenNs_ = 0; }
  // Opens what is due now. Returns when it wants to be called again (kNever: after any event).
  u64 pump(u64 now);
  // Pumps and turns the loop until the goal is open; false when opening failed too often or took
  // too long.
  bool openAll();

  SendResult send(u32 index, const Stamp& stamp);
  // kFin sends FIN, waits for the peer's and reports `finished`; kReset is done at once.
  void close(u32 index, CloseKind kind);
  bool isOpen(u32 index) const { return connections_[index].phase == Phase::kOpen; }
  bool isWritable(u32 index) const { return connections_[index].isWritable; }

  u32 openCount() const { return open_; }
  u32 goal() const { return goal_; }
  u64 lostCount() const { return lost_; }
  u64 failedCount() const { return failed_; }
  u64 corruptCount() const { return corrupt_; }
  // `{"wanted":...,"open":...,"failed":...,"lost":...,"corrupt":...,"firstCorrupt":"...",
  // "errors":{"ECONNREFUSED":3}}`
  std::string json() const;

  void ready(u32 index, u32 generation, u32 events) override;

 private:
  enum class Phase : u8 { kClosed, kConnecting, kHandshake, kGreeting, kFirst, kOpen, kClosing };

  struct Connection {
    int fd = -1;
    Phase phase = Phase::kClosed;
    bool isWritable = false;
    bool isAwaiting = false;  // of a serial payload: an answer is due
    u32 generation = 0;
    u64 startedNs = 0;
    std::unique_ptr<Channel> channel;
    std::unique_ptr<std::string> unread;  // an incomplete message
    std::unique_ptr<std::string> unsent;  // what the socket did not take
  };

  bool beginOpen(u32 index, u64 now);
  void connected(u32 index);
  // False when the connection is not usable yet, or has ended.
  bool shakeHands(u32 index);
  void greet(u32 index);
  void sendFirst(u32 index);
  // `isEnding`: the edge said that no more follows, and there will be no other.
  void read(u32 index, bool isEnding);
  // Decodes what is at the front; returns the bytes used, or npos when the connection is gone.
  std::size_t decode(u32 index, std::span<const char> bytes, u64 now);
  // Of this generation, and it would take a message.
  bool isIdle(u32 index, u32 generation) const;
  void keepUnread(Connection& connection, std::span<const char> rest, bool isFromUnread);
  bool write(Connection& connection, std::span<const char> bytes);
  void flush(u32 index);
  void ended(u32 index, int error);
  void release(u32 index);
  void expire(u64 now);

  Loop& loop_;
  const Payload& payload_;
  FleetOptions options_;
  Observer* observer_;
  u32 handler_;
  std::vector<Connection> connections_;
  std::vector<u32> closed_;  // indexes to open, the last first
  std::string scratchOut_;
  std::vector<char> scratchIn_;
  std::map<int, u64> errors_;
  std::string firstCorrupt_;  // the beginning of what was not understood first
  u32 goal_ = 0;
  u32 opening_ = 0;
  u32 open_ = 0;
  u64 lost_ = 0;
  u64 failed_ = 0;
  u64 corrupt_ = 0;
  u64 nextOpenNs_ = 0;
  u64 nextExpireNs_ = 0;
  u64 nextPlace_ = 0;
};

}  // namespace holdfast::loadgen
