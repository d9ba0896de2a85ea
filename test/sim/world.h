// World: the simulated kernel and network that the core runs on, everything drawn from one seed.
//
// sys_sim.cc defines the functions of runtime/sys.h on the one World of the process; peers.h plays
// clients and endpoints on the far ends; scenario.h composes a gateway in it and judges the
// outcome. Invariant: a world is a function of its seed. It never asks the real clock, and its
// trace (a hash over every system call and result) is the same each time. Models what the core
// relies on: edge-triggered readiness, send and receive queues with limits, FIN behind the bytes,
// RST that destroys what is under way, lowest free descriptor first.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/address.h"
#include "runtime/random.h"
#include "runtime/sys.h"

namespace holdfast::sim {

// Probabilities in permille, each 0 when the seed leaves that fault out (swarm testing).
struct Knobs {
  u32 shortRecv = 0;        // recv gives less than there is; the rest wakes again
  u32 shortSend = 0;        // send takes less than there is room for
  u32 sendAgain = 0;        // send takes nothing although there is room
  u32 sendError = 0;        // the connection breaks in the moment of a send
  u32 sendRefused = 0;      // a send fails although the connection lives (a Unix peer shut reading)
  u32 spuriousWake = 0;     // an event without a reason
  u32 duplicateEvent = 0;   // the same event twice in one batch
  u32 fewEvents = 0;        // a batch is cut after one event
  u32 dribble = 0;          // the network delivers single bytes
  u32 timeoutError = 0;     // a connection ends with ETIMEDOUT
  u32 urgent = 0;           // urgent data between the bytes
  u32 acceptError = 0;      // accept fails with each errno it may
  u32 connectRefused = 0;   // the endpoint refuses
  u32 connectHang = 0;      // the endpoint never answers
  u32 connectAtOnce = 0;    // connect() itself succeeds
  u32 connectErrorNow = 0;  // connect() itself fails
  u32 resetAfterAccept = 0;  // the endpoint resets without a word
  u32 socketError = 0;       // no descriptor for a new socket
  u32 watchError = 0;        // epoll refuses a descriptor
  u32 clockStall = 0;        // the clock jumps: this thread did not run for a while
};

// Bytes in order, taken from the front.
class ByteQueue {
 public:
  [[nodiscard]] size_t size() const { return bytes_.size() - start_; }
  [[nodiscard]] bool isEmpty() const { return size() == 0; }
  [[nodiscard]] std::string_view view() const { return std::string_view(bytes_).substr(start_); }
  void append(std::string_view more) { bytes_.append(more); }
  void clear() {
    bytes_.clear();
    start_ = 0;
  }
  void drop(size_t count);
  // Moves up to `count` bytes behind `to`; returns how many.
  size_t moveTo(ByteQueue& to, size_t count);

 private:
  std::string bytes_;
  size_t start_ = 0;
};

// One connection. The near end is the gateway's and has a descriptor; the far end is a peer's.
struct Stream {
  enum class State : u8 { kConnecting, kConnected, kClosed };

  u32 id = 0;
  State state = State::kConnected;
  int fd = -1;  // of the near end; -1 in the backlog and after close
  bool isNearClosed = false;
  u64 connectedNs = 0;  // when connect was called
  Address farAddress;
  Address nearAddress;

  // Far to near.
  ByteQueue inbound;    // under way
  ByteQueue nearQueue;  // in the near end's receive queue
  size_t nearQueueMax = 0;
  bool isFarFinSent = false;
  bool isFinDelivered = false;
  bool isFarResetSent = false;
  bool isResetDelivered = false;
  u64 bytesDelivered = 0;  // ever put into nearQueue
  // Bytes in nearQueue before the urgent mark; recv does not read across it.
  bool hasUrgent = false;
  size_t urgentMark = 0;

  // Near to far.
  u64 sent = 0;        // ever taken by send
  ByteQueue nearSend;  // taken by send, not yet with the far end
  size_t nearSendMax = 0;
  bool isNoSpace = false;
  u32 shutdowns = 0;   // successful shutdownWrite calls
  ByteQueue farQueue;  // what the peer may read
  size_t farQueueMax = 0;
  bool isFarEof = false;
  bool isFarReset = false;

  bool wasBroken = false;  // by a fault, not by a peer
  int error = 0;           // pending SO_ERROR
  bool isResetArmed = false;
  // Bytes of the inbound direction, counted from its beginning, that come in one piece.
  u64 glueFrom = 0;
  u64 glueTo = 0;
  // For those who ask: `sent` before each send, and bytesDelivered at that time.
  bool isSendLogged = false;
  std::vector<std::pair<u64, u64>> sends;
  bool isShut() const { return shutdowns > 0; }
};

struct Listening {
  Address address;
  std::deque<Stream*> backlog;
};

// What a descriptor names, and how the one epoll set that may hold it watches it.
struct File {
  enum class Kind : u8 { kEpoll, kEvent, kTimer, kMemory, kListening, kStream };

  Kind kind = Kind::kEvent;
  u64 counter = 0;     // kEvent
  u64 deadlineNs = 0;  // kTimer; 0: not armed
  bool isExpired = false;
  int memoryFd = -1;  // kMemory: a descriptor of the real kernel
  Listening listening;
  Stream* stream = nullptr;

  int epollFd = -1;
  sys::Watch watch = sys::Watch::kNone;
  u64 key = 0;
  bool isWoken = false;
};

class World {
 public:
  explicit World(u64 seed) : random(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Random random;
  Knobs knobs;
  bool isBulk = false;  // large queues and large writes
  u64 nowNs = 1'000'000'000;
  u64 traceHash = 0xcbf29ce484222325u;
  bool isTracing = false;  // prints every call

  std::vector<std::unique_ptr<File>> files;  // by descriptor
  int lastEpollFd = -1;
  u64 connectNsMax = 0;  // the gateway gives up a connect after this time; 0: it cannot be told
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<Stream*> connecting;  // waiting for their endpoint's answer
  // Called when the gateway connects: makes the far end. Null: nobody is there.
  void (*onConnect)(void* owner, Stream* stream) = nullptr;
  // Called before the run ends by fail(): prints what the scenario knows.
  void (*onFail)(void* owner) = nullptr;
  void* owner = nullptr;

  // True with the knob's probability.
  [[nodiscard]] bool draw(u32 permille) { return permille != 0 && random.chance(permille, 1000); }
  // Mixes one call into the trace.
  void trace(const char* call, i64 a, i64 b);
  // Ends the run: the world was asked for something that no kernel allows.
  [[noreturn]] void fail(const char* what, i64 value);

  int openFile(File::Kind kind);
  [[nodiscard]] File& file(int fd, const char* call);
  [[nodiscard]] Stream& stream(int fd, const char* call);
  [[nodiscard]] u32 openFiles() const;

  Stream* makeStream();
  // What poll would report now.
  [[nodiscard]] u32 mask(const File& file);
  void wake(int fd);
  void wake(const Stream& stream) {
    if (stream.fd >= 0) wake(stream.fd);
  }
  [[nodiscard]] bool isReady(int epollFd);
  // Marks the timers that have come.
  void expireTimers();
  // The earliest armed timer, or 0.
  [[nodiscard]] u64 nextTimerNs() const;

  // The network: moves something on one stream; false when nothing could move.
  bool deliverInbound(Stream& stream);
  bool deliverOutbound(Stream& stream);
  // The far end's answer to a connect; returns false when it stays without one.
  void answerConnect(Stream& stream);
  // The near end learns of an RST, a timeout or a refusal.
  void breakNear(Stream& stream, int error);
  // The far end learns that the near end was reset; what was under way is lost.
  void breakFar(Stream& stream);
  void closeNear(Stream& stream);

 private:
  [[nodiscard]] size_t portion(size_t whole);
};

// The world that sys:: acts on.
extern World* world;

}  // namespace holdfast::sim
