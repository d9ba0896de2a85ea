// HttpEndpoint: what stands behind one connection of the gateway's: it judges each request, and
// answers it rightly or wrongly.
//
// Invariant: every byte that it receives belongs to a request that some client sent, in order and
// once; a second request never comes before the first one was answered, nor on a connection that
// was ended or spoiled by an answer.
#pragma once

#include <memory>

#include "codec/http1_body.h"

#include "sim/http_frames.h"
#include "sim/http_talk.h"
#include "sim/http_wire.h"

namespace holdfast::sim {

class HttpEndpoint {
 public:
  HttpEndpoint(World& at, HttpBook& book, u32 number, Stream* itsStream);

  bool act();
  bool read();
  void calmDown();
  // The network ends the connection.
  void cut() {
    wasCut = true;
    if (ask_ != nullptr) ask_->wasRough = true;
    if (last_ != nullptr) last_->wasRough = true;
  }
  void print() const;
  [[nodiscard]] bool isOver() const {
    return stream->isFarReset || stream->isFarResetSent || wasCut ||
           (stream->isFarFinSent && stream->isFarEof);
  }
  // It has no request and was not spoiled: the gateway may keep it.
  [[nodiscard]] bool isIdle() const { return ask_ == nullptr && talk == nullptr; }

  u32 id;
  Stream* stream;
  HttpWire wire;
  bool wasCut = false;
  bool isStuck = false;           // answers nothing
  bool isHeaderExpected = false;  // a PROXY header comes first, and one request at most
  std::unique_ptr<FrameTalk> talk;

 private:
  // What follows the answer.
  enum class After : u8 { kKeep, kFin, kReset };

  void takeBytes();
  bool takeProxyHeader();
  bool takeHead();
  bool takeContent();
  void judgeHead();
  void judgeCopy(Ask& ask);
  void judgeReuse();
  void plan();
  void planRight();
  void planWrong();
  void planSwitch();
  void spoil(std::string_view extra);
  std::string headOf(const Answer& answer, std::string_view fields) const;
  Answer& newAnswer(size_t length);
  bool write();
  void endAnswer();
  void endConnection();
  [[noreturn]] void fail(const char* what) { at_.fail(what, id); }

  World& at_;
  HttpBook& book_;
  std::string unread_;
  u64 taken_ = 0;  // bytes in front of unread_
  http1::HeadScan scan_;
  http1::Head head_;
  http1::Body body_;
  bool isInContent_ = false;
  size_t got_ = 0;
  Ask* last_ = nullptr;
  Ask* ask_ = nullptr;    // under way
  bool isAsked_ = false;  // it is here whole
  Answer* answer_ = nullptr;
  std::string out_;
  size_t outAt_ = 0;
  size_t wholeAt_ = 0;  // bytes of out_ up to the end of the answer
  std::string interims_;
  bool isSaid_ = false;    // the answer is written, and the content still comes
  bool isEarly_ = false;   // does not wait for the content
  bool needsFin_ = false;  // the end of the connection is the end of the answer
  bool isFinal_ = false;   // its answer said that no other request may follow
  After after_ = After::kKeep;
  bool isSpoiled_ = false;
  u64 spoiledAt_ = 0;  // bytes of ours up to the first one that is wrong
  u64 written_ = 0;
  u32 served_ = 0;
  std::string claimed_;  // of the PROXY header
};

}  // namespace holdfast::sim
