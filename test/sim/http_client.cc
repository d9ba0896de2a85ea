// What clients do, and what they may be told.
//
// Requests are written in pieces of any size; answers are read with the project's own codec, in
// order, one for each request. Does not judge who was never answered: http_judge.cc does.
#include "sim/http_client.h"

#include <algorithm>
#include <cstdio>

namespace holdfast::sim {
namespace {

constexpr size_t kWriteMax = 20000;
constexpr size_t kSendBuffer = 64 * 1024;
constexpr u32 kAsksMax = 6;
// Answers of the gateway's own, and those that a request without a fault may get.
constexpr u16 kRefusals[] = {400, 405, 408, 413, 414, 417, 431, 501, 505};
constexpr u16 kFailures[] = {502, 503, 504};

template <size_t kCount>
bool isOneOf(u16 status, const u16 (&list)[kCount]) {
  return std::find(std::begin(list), std::end(list), status) != std::end(list);
}

}  // namespace

HttpClient::HttpClient(World& at, HttpBook& book, u32 client, Stream* itsStream)
    : id(client), stream(itsStream), wire(at, itsStream, client), at_(at), book_(book) {
  Random& random = at.random;
  const u32 count = 1 + random.below(random.chance(1, 3) ? kAsksMax : 2);
  u64 bytes = 0;
  for (u32 i = 0; i < count; ++i) {
    asks.push_back(&drawAsk(book, random, id));
    bytes += asks.back()->wire.size();
    // Nothing is asked behind an upgrade or behind what ends the connection.
    if (asks.back()->isUpgrade || asks.back()->fault == Fault::kHead) break;
  }
  isPipelining_ = random.chance(1, 3);
  isSlow = random.chance(1, 8);
  const u32 kind = random.below(12);
  if (kind == 0) leaving = Leaving::kWhenAsked;
  if (kind == 1) leaving = Leaving::kAbort;
  if (kind == 2) leaving = Leaving::kStays;
  abortAt_ = random.below(static_cast<u32>(std::min<u64>(bytes, 200000)) + 1);
  if (!book.hasSilent) return;
  hasStopped = random.chance(1, 6);
  isStuck = random.chance(1, 6);
}

void HttpClient::calmDown() {
  isSlow = false;
  hasStopped = false;
  if (isStuck || leaving == Leaving::kStays) return;
  if (talk != nullptr) talk->calmDown();
}

bool HttpClient::act() {
  if (stream->isFarResetSent || stream->isFarReset || wasCut) return false;
  if (leaving == Leaving::kAbort && written_ >= abortAt_ && !stream->isFarFinSent) {
    wasHalfClosed = true;
    if (at_.random.chance(3, 4)) {
      stream->isFarResetSent = true;
    } else if (at_.random.chance(1, 2)) {
      wire.finish();
    } else {
      wire.cutOff();
    }
    return true;
  }
  if (stream->isFarFinSent) return false;
  if (!wire.isOpen()) return shake();
  return write() || leave();
}

bool HttpClient::shake() {
  if (wire.shake(&unread_)) return true;
  if (!stream->isFarEof || !stream->farQueue.isEmpty()) return false;
  wire.giveUp();
  return true;
}

bool HttpClient::write() {
  if (isStuck && written_ >= abortAt_) return false;
  if (isUpgraded) return talk->write();
  if (isClosed || isIgnoring_) return false;
  if (stream->inbound.size() > kSendBuffer || asking_ == asks.size()) return false;
  Ask& ask = *asks[asking_];
  if (askedBytes_ == 0 && answered < asking_ && !isPipelining_) return false;
  // Frames ahead of the answer.
  size_t most = ask.wire.size() - askedBytes_;
  if (ask.isExpecting && !isContinued_ && answered == asking_) {
    if (askedBytes_ < ask.headBytes) most = ask.headBytes - askedBytes_;
    if (askedBytes_ == ask.headBytes) {
      const bool isWaiting = !book_.isCalm && !at_.random.chance(1, 30);
      if (isWaiting) return false;
      isContinued_ = true;
    }
  }
  most = std::min(most, kWriteMax);
  if (leaving == Leaving::kAbort || isStuck) {
    most = std::min<size_t>(most, abortAt_ - std::min(abortAt_, written_));
    if (most == 0) return false;
  }
  const bool isWhole = at_.random.chance(1, 2) && !at_.draw(at_.knobs.dribble);
  const size_t length = isWhole ? most : 1 + at_.random.below(static_cast<u32>(most));
  wire.write(std::string_view(ask.wire).substr(askedBytes_, length));
  askedBytes_ += length;
  written_ += length;
  if (askedBytes_ < ask.wire.size()) return true;
  ++asking_;
  askedBytes_ = 0;
  isContinued_ = false;
  return true;
}

bool HttpClient::leave() {
  const bool isAsked = asking_ == asks.size();
  const bool isToldOff = isClosed || stream->isFarEof || isIgnoring_;
  if (isUpgraded) {
    if (!talk->isOver() && !stream->isFarEof) return false;
    wire.finish();
    return true;
  }
  if (leaving == Leaving::kWhenAsked && isAsked && !isToldOff && answered < asks.size()) {
    wasHalfClosed = true;
    wire.finish();
    return true;
  }
  const bool isDone = answered == asks.size() && leaving != Leaving::kStays;
  if (!isDone && !isToldOff) return false;
  // It has all it wanted: how it goes is of no matter to it.
  if (!book_.isGentle && at_.random.chance(1, 8)) {
    wire.cutOff();
  } else {
    wire.finish();
  }
  return true;
}

bool HttpClient::read() {
  if (stream->isFarResetSent || hasStopped) return false;
  const bool hasBytes = !stream->farQueue.isEmpty();
  if (hasBytes) {
    size_t length = stream->farQueue.size();
    if (isSlow) length = 1 + at_.random.below(static_cast<u32>(std::min<size_t>(length, 200)));
    wire.take(stream->farQueue.view().substr(0, length), &unread_);
    stream->farQueue.drop(length);
    takeBytes();
  }
  if (stream->farQueue.isEmpty() && stream->isFarEof && !isEndSeen_) {
    isEndSeen_ = true;
    if (wire.hasEnded()) judgeEnd();
    return true;
  }
  return hasBytes;
}

void HttpClient::takeBytes() {
  while (true) {
    if (isIgnoring_) return unread_.clear();
    if (isUpgraded) {
      talk->take(unread_);
      return unread_.clear();
    }
    if (isInContent_ ? !takeContent() : !takeHead()) return;
  }
}

bool HttpClient::takeHead() {
  if (unread_.empty()) return false;
  if (isClosed) fail("bytes behind the last answer, to client");
  // Who writes nothing wrong is answered only when it has asked.
  if (answered == asks.size() || (answered == asking_ && askedBytes_ == 0)) {
    fail("an answer that nobody asked for, to client");
  }
  Ask& ask = current();
  const http1::ResponseTo to{
      ask.method, ask.isUpgrade ? http1::UpgradeTo::kWebSocket : http1::UpgradeTo::kNone};
  const http1::HeadResult result =
      http1::takeResponse(bytesOf(unread_), http1::kResponseRules, to, &scan_, &head_);
  if (result.kind == http1::HeadResult::Kind::kNeedMore) return false;
  if (result.kind == http1::HeadResult::Kind::kViolation) fail(http1::nameOf(result.violation));
  if (head_.isSwitch) {
    // The gateway itself switches to say with a close frame what a status would not.
    if (!ask.isSwitched && book_.isGentle) fail("a switch that no endpoint made, to client");
    isUpgraded = true;
    answered += 1;
    served += 1;
    talk = std::make_unique<FrameTalk>(at_, book_, ask, wire, FrameTalk::Side::kClient);
    if (book_.isCalm) talk->calmDown();
  } else if (head_.status < 200) {
    if (ask.isOld) fail("an interim answer to HTTP/1.0, to client");
    if (++interims_ > ask.interims) fail("an interim answer that no endpoint gave, to client");
    isContinued_ = true;
  } else {
    judgeHead();
  }
  unread_.erase(0, head_.length);
  return true;
}

void HttpClient::judgeHead() {
  const Ask& ask = current();
  if (head_.minorVersion != 1) fail("not HTTP/1.1, to client");
  const u32 number = numberOf(head_, "x-answer");
  answer_ = nullptr;
  if (number != 0) {
    answer_ = book_.findAnswer(number);
    if (answer_ == nullptr || answer_->ask != ask.id || numberOf(head_, "x-for") != ask.id) {
      fail("an answer to another request, to client");
    }
    if (head_.status != answer_->status) fail("another status than the endpoint's, to client");
    if (ask.fault == Fault::kHead) fail("an endpoint answered what was to be refused, to client");
    const bool isEdited = ask.way == Way::kSecond;
    const bool hasTheirs = valueOf(head_, "x-theirs") == "x";
    if ((valueOf(head_, "x-ours") == "edited") != isEdited || hasTheirs == isEdited) {
      fail("fields of the answer were not edited, to client");
    }
    expected_ = answer_->content;
    served += 1;
  } else {
    judgeOwnHead(ask);
    direct += 1;
  }
  isCoded_ = !valueOf(head_, "content-encoding").empty();
  decoder_ = {};
  if (isCoded_ && (answer_ == nullptr || !ask.isCoded || ask.isOld || head_.hasLength)) {
    fail("a coding that nobody asked for, to client");
  }
  const bool isBare =
      ask.method == http1::Method::kHead || head_.status == 204 || head_.status == 304;
  if (head_.hasLength && !isBare && head_.contentLength != expected_.size()) {
    fail("another length than the content's, to client");
  }
  if (isBare) expected_.clear();
  body_ = http1::Body(head_, http1::kBodyBytesMax);
  if (!head_.isPersistent || body_.kind() == http1::BodyKind::kUntilClose) isClosed = true;
  isInContent_ = true;
  got_ = 0;
}

// An answer of the gateway's own.
void HttpClient::judgeOwnHead(const Ask& ask) {
  const u16 status = head_.status;
  expected_.clear();
  if (ask.fault != Fault::kNone) {
    const bool isEarly = ask.fault != Fault::kHead;
    if (!isOneOf(status, kRefusals) && !(isEarly && isOneOf(status, kFailures)) &&
        !(isEarly && (ask.way > Way::kSecond))) {
      fail("a fault was answered with another status, to client");
    }
    if (ask.way != Way::kRespond || status != 200) return;
  }
  const bool isSlow408 = status == 408 && (isStuck || book_.hasSilent || book_.hasShortKeepAlive ||
                                           book_.hasSlowFilters);
  if (ask.isUpgrade && ask.way != Way::kSocket && ask.way < Way::kRedirect) {
    if (status != 403 && !isSlow408) fail("an upgrade was not refused, to client");
    return;
  }
  switch (ask.way) {
    case Way::kRedirect:
      if (status != 308 && !isSlow408) fail("not the redirect, to client");
      return;
    case Way::kRespond:
      if (status != 200 && !isSlow408) fail("not the fixed answer, to client");
      if (status == 200) expected_ = kFixedText;
      return;
    case Way::kMissing:
      if (status != 404 && !isSlow408) fail("not 404, to client");
      return;
    default:
      break;
  }
  if (!isOneOf(status, kFailures) && !isSlow408) fail("an unexpected own answer, to client");
  const bool isHurried = book_.isHedged && status == 504 && ask.way == Way::kFirst;
  if (book_.isGentle && !isHurried) fail("an own answer where endpoints do all right, to client");
}

bool HttpClient::takeContent() {
  size_t at = 0;
  while (!body_.isEnded() && at < unread_.size()) {
    const std::span<const u8> rest = bytesOf(unread_).subspan(at);
    const http1::BodyPiece piece = body_.take(rest);
    std::string_view text(unread_.data() + at + piece.contentAt, piece.contentBytes);
    std::string decoded;
    if (isCoded_) {
      if (!decoder_.take(text, &decoded)) fail("what no compressor wrote, to client");
      text = decoded;
    }
    if (got_ + text.size() > expected_.size() || expected_.compare(got_, text.size(), text) != 0) {
      fail("content that the endpoint did not send, to client");
    }
    got_ += text.size();
    at += piece.taken;
    if (piece.event == http1::BodyEvent::kViolation) fail("framing of content, to client");
    if (piece.event != http1::BodyEvent::kTrailers) continue;
    const http1::HeadResult result =
        http1::takeTrailers(bytesOf(unread_).subspan(at), http1::kTrailerRules, &scan_, &head_);
    if (result.kind == http1::HeadResult::Kind::kViolation) fail("trailers, to client");
    if (result.kind == http1::HeadResult::Kind::kNeedMore) break;
    body_.finishTrailers();
    at += head_.length;
  }
  unread_.erase(0, at);
  if (!body_.isEnded()) return false;
  endAnswer();
  return true;
}

void HttpClient::endAnswer() {
  if (isCoded_ && body_.kind() != http1::BodyKind::kNone && !decoder_.isEnded()) {
    fail("an answer ended before its compressor did, to client");
  }
  if (got_ != expected_.size()) fail("an answer ended before its content, to client");
  if (answer_ != nullptr && !answer_->isWhole) {
    fail("an answer is whole that its endpoint did not finish, to client");
  }
  // Frames that were sent too early are no requests.
  isIgnoring_ = current().isUpgrade;
  isInContent_ = false;
  answered += 1;
  interims_ = 0;
}

// The gateway ended the connection cleanly.
void HttpClient::judgeEnd() {
  if (isUpgraded) return talk->takeEnd();
  if (isIgnoring_) return;
  if (isInContent_ && body_.takeEof() == http1::Violation::kNone) endAnswer();
  if (isInContent_) fail("a clean end inside of an answer, to client");
  if (!unread_.empty()) fail("a clean end inside of a head, to client");
}

void HttpClient::print() const {
  std::fprintf(stderr,
               "  client %u fd %d: asks %zu, asking %zu at %zu, answered %zu, got %zu of %zu, "
               "leaving %u%s%s%s%s%s%s%s%s%s%s\n",
               id, stream->fd, asks.size(), asking_, askedBytes_, answered, got_, expected_.size(),
               static_cast<u32>(leaving), isPipelining_ ? " pipelining" : "",
               isClosed ? " closed" : "", isUpgraded ? " upgraded" : "",
               stream->isFarFinSent ? " sent-fin" : "", stream->isFarResetSent ? " sent-reset" : "",
               stream->isFarEof ? " saw-eof" : "", stream->isFarReset ? " saw-reset" : "",
               isStuck ? " stuck" : "", wasCut ? " cut" : "", stream->wasBroken ? " broken" : "");
  for (const Ask* ask : asks) {
    std::fprintf(stderr, "    ask %u way %u %s%s%s%s fault %u, content %zu, tries %u, rough %d\n",
                 ask->id, static_cast<u32>(ask->way),
                 std::string(http1::kMethodNames[static_cast<size_t>(ask->method)]).c_str(),
                 ask->isOld ? " old" : "", ask->isClosing ? " closing" : "",
                 ask->isUpgrade ? " upgrade" : "", static_cast<u32>(ask->fault),
                 ask->content.size(), ask->tries, ask->wasRough ? 1 : 0);
  }
}

}  // namespace holdfast::sim
