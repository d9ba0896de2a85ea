// HttpClient: a client that asks one thing after another, or all at once, and judges each answer.
//
// Invariant: it knows what it asked and, from the book, what endpoints said; a byte that is neither
// an endpoint's answer to its own question nor the gateway's own fails the world at once.
#pragma once

#include <memory>
#include <vector>

#include "codec/http1_body.h"

#include "compression/toy_compressor.h"
#include "sim/http_frames.h"
#include "sim/http_talk.h"
#include "sim/http_wire.h"

namespace holdfast::sim {

class HttpClient {
 public:
  enum class Leaving : u8 {
    kWhenAnswered,  // FIN when it has all its answers
    kWhenAsked,     // FIN behind its last request: nobody owes it answers
    kAbort,         // RST or FIN at some byte
    kStays,         // waits until the gateway ends the connection
  };

  HttpClient(World& at, HttpBook& book, u32 client, Stream* itsStream);

  // As Peer has them.
  bool act();
  bool read();
  void calmDown();
  [[nodiscard]] bool isOver() const {
    return stream->isFarReset || stream->isFarResetSent || wasCut ||
           (stream->isFarFinSent && stream->isFarEof);
  }
  // Nothing it, or the network, did explains that it is not answered.
  [[nodiscard]] bool isSound() const {
    return !stream->isFarResetSent && !wasCut && !stream->wasBroken && !wasHalfClosed &&
           !wire.isRefused();
  }
  // True when it got what it came for, or was told that there is nothing more.
  [[nodiscard]] bool isServed() const { return answered == asks.size() || isClosed; }
  void print() const;

  u32 id;
  Stream* stream;
  HttpWire wire;
  std::vector<Ask*> asks;
  Leaving leaving = Leaving::kWhenAnswered;
  bool isSlow = false;
  bool hasStopped = false;  // reads nothing any more
  bool isStuck = false;     // writes nothing any more
  bool wasCut = false;
  bool wasHalfClosed = false;  // its FIN went out before its last answer came
  bool isClosed = false;       // an answer said that it is the last one
  bool isUpgraded = false;
  size_t answered = 0;
  u32 direct = 0;  // answers of the gateway's own
  u32 served = 0;  // answers of endpoints
  std::unique_ptr<FrameTalk> talk;

 private:
  bool shake();
  bool write();
  bool leave();
  void take();
  void takeBytes();
  bool takeHead();
  bool takeContent();
  void judgeHead();
  void judgeOwnHead(const Ask& ask);
  void endAnswer();
  void judgeEnd();
  [[nodiscard]] Ask& current() { return *asks[answered]; }
  [[noreturn]] void fail(const char* what) { at_.fail(what, id); }

  World& at_;
  HttpBook& book_;
  size_t asking_ = 0;  // the request that is being written
  size_t askedBytes_ = 0;
  u64 written_ = 0;
  u64 abortAt_ = 0;
  bool isPipelining_ = false;
  bool isContinued_ = false;  // it may send the content
  std::string unread_;
  http1::HeadScan scan_;
  http1::Head head_;
  http1::Body body_;
  bool isInContent_ = false;
  const Answer* answer_ = nullptr;
  std::string expected_;  // content
  size_t got_ = 0;
  bool isCoded_ = false;  // the content is compressed
  compression::toy::Decoder decoder_;
  u32 interims_ = 0;
  bool isEndSeen_ = false;
  bool isIgnoring_ = false;  // what it sent early makes no sense to the gateway
};

}  // namespace holdfast::sim
