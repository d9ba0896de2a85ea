// What endpoints expect, and how they answer.
//
// A right answer is planned first, with any framing; then it may be spoiled. Invariant: the book
// says that an answer is whole only when its last byte, or the FIN that ends it, was written.
#include "sim/http_endpoint.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "codec/proxy_protocol.h"
#include "codec/websocket_handshake.h"

namespace holdfast::sim {
namespace {

constexpr size_t kWriteMax = 20000;
constexpr size_t kSendBuffer = 64 * 1024;
constexpr size_t kLongContent = 150000;
constexpr http1::Rules kAnyRules{
    .headBytesMax = 65535, .targetBytesMax = 32768, .fieldsMax = 200, .isUnderscoreAllowed = true};

}  // namespace

HttpEndpoint::HttpEndpoint(World& at, HttpBook& book, u32 number, Stream* itsStream)
    : id(number), stream(itsStream), wire(at, itsStream, number), at_(at), book_(book) {
  stream->isSendLogged = true;
  isStuck = book.hasSilent && at.random.chance(1, 6);
}

void HttpEndpoint::calmDown() {
  if (talk != nullptr) talk->calmDown();
}

bool HttpEndpoint::read() {
  if (stream->farQueue.isEmpty() || stream->isFarResetSent || isStuck) return false;
  std::string bytes(stream->farQueue.view());
  stream->farQueue.clear();
  if (wire.isSecure() && isHeaderExpected && claimed_.empty()) {
    // It comes ahead of the handshake.
    unread_ += bytes;
    if (!takeProxyHeader()) return true;
    bytes = std::exchange(unread_, {});
  }
  wire.take(bytes, &unread_);
  takeBytes();
  return true;
}

void HttpEndpoint::takeBytes() {
  while (!unread_.empty()) {
    // It said its last word and does not care.
    if (stream->isFarFinSent && talk == nullptr) return unread_.clear();
    if (talk != nullptr) {
      talk->take(unread_);
      taken_ += unread_.size();
      unread_.clear();
      return;
    }
    if (isInContent_ ? !takeContent() : !takeHead()) return;
  }
}

bool HttpEndpoint::takeProxyHeader() {
  const codec::ProxyDecoded decoded = codec::decodeProxyHeader(bytesOf(unread_));
  if (decoded.kind == codec::ProxyDecoded::Kind::kNeedMore) return false;
  if (decoded.kind == codec::ProxyDecoded::Kind::kViolation) fail("a wrong PROXY header came");
  char text[kAddressTextMax];
  claimed_.assign(text, formatIp(decoded.header.source, text, sizeof(text)));
  unread_.erase(0, decoded.length);
  taken_ += decoded.length;
  return true;
}

bool HttpEndpoint::takeHead() {
  if (isHeaderExpected && claimed_.empty()) return takeProxyHeader();
  if (ask_ != nullptr) fail("bytes behind a request that is not answered, at endpoint");
  if (isFinal_) fail("a request behind a last answer, at endpoint");
  judgeReuse();
  const http1::HeadResult result = http1::takeRequest(bytesOf(unread_), kAnyRules, &scan_, &head_);
  if (result.kind == http1::HeadResult::Kind::kNeedMore) return false;
  if (result.kind == http1::HeadResult::Kind::kViolation) fail(http1::nameOf(result.violation));
  judgeHead();
  body_ = http1::Body(head_, http1::kBodyBytesMax);
  isInContent_ = !body_.isEnded();
  isAsked_ = !isInContent_;
  got_ = 0;
  const size_t length = head_.length;
  plan();
  unread_.erase(0, length);
  taken_ += length;
  if (isAsked_ && !ask_->content.empty()) fail("a request lost its content, at endpoint");
  return true;
}

// A connection that was spoiled before the gateway wrote to it is not used again.
void HttpEndpoint::judgeReuse() {
  if (!isSpoiled_) return;
  u64 known = 0;
  for (const auto& [sent, delivered] : stream->sends) {
    if (sent <= taken_) known = delivered;
  }
  if (known > spoiledAt_) fail("a spoiled connection was used again, at endpoint");
}

void HttpEndpoint::judgeHead() {
  ask_ = book_.findAsk(numberOf(head_, "x-ask"));
  if (ask_ == nullptr) fail("a request that nobody sent, at endpoint");
  if (!valueOf(head_, "x-holdfast-mirror").empty()) judgeCopy(*ask_);
  Ask& ask = *ask_;
  if (ask.fault == Fault::kHead) fail("a request that was to be refused, at endpoint");
  if (ask.method != head_.method) fail("another method, at endpoint");
  const std::string name = std::to_string(numberOf(head_, "x-ask"));
  const std::string_view path = head_.textOf(head_.path);
  const bool isRewritten = ask.way == Way::kSecond;
  const std::string wanted = ask.way == Way::kFirst ? "/a/" : isRewritten ? "/v2/" : "/w/";
  if (ask.way > Way::kSecond && ask.way != Way::kSocket)
    fail("a way that leads nowhere, at endpoint");
  if (path != wanted + name || head_.textOf(head_.query) != "q=1")
    fail("another path, at endpoint");
  if (valueOf(head_, "x-edit") != (isRewritten ? "ours" : "theirs")) fail("fields not edited");
  if (!valueOf(head_, "x-drop").empty()) fail("a field of the connection came, at endpoint");
  if (head_.textOf(head_.host) != "a.example") fail("another host, at endpoint");
  if (valueOf(head_, "x-forwarded-for") != ask.from) fail("told another client, at endpoint");
  if (isHeaderExpected && claimed_ != ask.from) fail("introduced another client, at endpoint");
  if (isHeaderExpected && served_ != 0) fail("a connection of one client was used again");
  ask.tries += 1;
  ask.streams.push_back(stream);
  const bool isRepeatable = http1::isIdempotent(ask.method);
  const u32 most = isRepeatable                                      ? 2 + book_.retries
                   : book_.isRetriedUnsafe && ask.way == Way::kFirst ? 1 + book_.retries
                                                                     : 1;
  if (ask.tries > most) fail("a request came too often, at endpoint");
  const bool isSwitchAsked = head_.upgrade == http1::UpgradeTo::kWebSocket;
  if (isSwitchAsked != ask.isUpgrade) fail("an upgrade was lost or made, at endpoint");
}

// A copy comes once, of what is whole and right; its answer is for nobody.
void HttpEndpoint::judgeCopy(Ask& ask) {
  ask.copies += 1;
  // A kept connection may have ended just then.
  if (ask.copies > (http1::isIdempotent(ask.method) ? 2 : 1)) fail("a copy came too often");
  if (ask.fault != Fault::kNone) fail("a request that was to be refused was copied");
  if (ask.isUpgrade) fail("an upgrade was copied");
  ask_ = &book_.copies.emplace_back(ask);
  ask_->id = 0;
  ask_->tries = 0;
}

bool HttpEndpoint::takeContent() {
  size_t at = 0;
  const std::string& expected = ask_->content;
  while (!body_.isEnded() && at < unread_.size()) {
    const http1::BodyPiece piece = body_.take(bytesOf(unread_).subspan(at));
    const std::string_view text(unread_.data() + at + piece.contentAt, piece.contentBytes);
    if (got_ + text.size() > expected.size() || expected.compare(got_, text.size(), text) != 0) {
      fail("content that the client did not send, at endpoint");
    }
    got_ += text.size();
    at += piece.taken;
    if (piece.event == http1::BodyEvent::kViolation) fail("framing of content, at endpoint");
    if (piece.event != http1::BodyEvent::kTrailers) continue;
    const http1::HeadResult result =
        http1::takeTrailers(bytesOf(unread_).subspan(at), http1::kTrailerRules, &scan_, &head_);
    if (result.kind == http1::HeadResult::Kind::kViolation) fail("trailers, at endpoint");
    if (result.kind == http1::HeadResult::Kind::kNeedMore) break;
    body_.finishTrailers();
    at += head_.length;
  }
  unread_.erase(0, at);
  taken_ += at;
  if (!body_.isEnded()) return false;
  if (got_ != expected.size()) fail("a request ended before its content, at endpoint");
  if (ask_->fault != Fault::kNone) fail("a request that was to be refused is whole, at endpoint");
  isInContent_ = false;
  isAsked_ = true;
  if (isSaid_) endAnswer();
  return true;
}

Answer& HttpEndpoint::newAnswer(size_t length) {
  Answer& answer = book_.answers.emplace_back();
  answer.id = static_cast<u32>(book_.answers.size());
  answer.ask = ask_->id;
  answer.content = contentOf(answer.id, length);
  return answer;
}

std::string HttpEndpoint::headOf(const Answer& answer, std::string_view fields) const {
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Fine\r\n";
  head += "X-Answer: " + std::to_string(answer.id) + "\r\nX-For: " + std::to_string(answer.ask);
  head += "\r\nX-Theirs: x\r\n";
  if (book_.hasCompression) head += "Content-Type: text/plain\r\n";
  head += fields;
  return head + "\r\n";
}

// How the request is answered.
void HttpEndpoint::plan() {
  Random& random = at_.random;
  out_.clear();
  outAt_ = 0;
  interims_.clear();
  needsFin_ = false;
  isSaid_ = false;
  after_ = After::kKeep;
  isEarly_ = !book_.isGentle && random.chance(1, 8);
  if (ask_->isUpgrade && random.chance(4, 5)) return planSwitch();
  planRight();
  if (!book_.isGentle && random.chance(1, 5)) planWrong();
}

void HttpEndpoint::planRight() {
  Random& random = at_.random;
  const u32 size = random.below(10);
  answer_ = &newAnswer(random.below(size < 3 ? 2 : size < 8 ? 3000 : kLongContent));
  Answer& answer = *answer_;
  static constexpr u16 kStatuses[] = {200, 200, 200, 200, 200, 204, 304, 404, 500, 503, 429};
  answer.status = kStatuses[random.below(11)];
  const bool isBare = answer.status == 204 || answer.status == 304;
  if (isBare) answer.content.clear();
  const bool isHead = ask_->method == http1::Method::kHead;
  if (random.chance(1, 6)) {
    const u32 count = !book_.isGentle && random.chance(1, 30) ? 70 : 1 + random.below(3);
    if (count > 60) ask_->wasRough = true;
    for (u32 i = 0; i < count; ++i) interims_ += "HTTP/1.1 103 Early\r\nX-Hint: a\r\n\r\n";
    ask_->interims += count;
  }
  if (random.chance(1, 2) && got_ < ask_->content.size()) {
    interims_ += "HTTP/1.1 100 Continue\r\n\r\n";
    ask_->interims += 1;
  }
  std::string fields;
  if (random.chance(1, 8)) {
    fields += "Connection: close\r\n";
    after_ = random.chance(1, 2) ? After::kFin : After::kKeep;
    isFinal_ = true;
  }
  const std::string length = "Content-Length: " + std::to_string(answer.content.size()) + "\r\n";
  const u32 framing = random.below(6);
  std::string content = answer.content;
  if (isBare) {
  } else if (framing < 3) {
    fields += length;
  } else if (framing < 5) {
    fields += "Transfer-Encoding: chunked\r\n";
    content = chunked(answer.content, random, false);
  } else if (!isHead) {
    needsFin_ = true;
    isFinal_ = true;
    after_ = After::kFin;
  }
  out_ = interims_ + headOf(answer, fields);
  if (!isHead && !isBare) out_ += content;
  if (isHead) answer.content.clear();
  wholeAt_ = out_.size();
}

// Spoils the right answer.
void HttpEndpoint::planWrong() {
  Random& random = at_.random;
  ask_->wasRough = true;
  // Where a read may find less than there is, nobody could know of more.
  const Knobs& knobs = at_.knobs;
  const bool isExact =
      knobs.shortRecv == 0 && knobs.fewEvents == 0 && knobs.urgent == 0 && !wire.isSecure();
  const u32 kind = isExact ? random.below(9) : 2 + random.below(7);
  // Behind the head of an answer to HEAD everything is too much.
  switch (kind == 6 && ask_->method == http1::Method::kHead ? 2 : kind) {
    case 0:  // too much
      return spoil(contentOf(answer_->id, 1 + random.below(100)));
    case 1: {  // an answer that nobody waits for
      Answer& extra = newAnswer(10);
      return spoil(headOf(extra, "Content-Length: 10\r\n") + extra.content);
    }
    case 2: {  // a cut
      const size_t cut = random.below(static_cast<u32>(out_.size()) + 1);
      if (cut < wholeAt_ || needsFin_) {
        wholeAt_ = ~size_t{0};
        isFinal_ = true;
      }
      out_.resize(cut);
      after_ = random.chance(1, 2) && !needsFin_ ? After::kFin : After::kReset;
      return;
    }
    case 3:  // something else than HTTP
      out_ = random.chance(1, 2) ? "hello\r\n\r\n" : std::string(40000, 'x');
      break;
    case 4:
      out_ = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
      break;
    case 5:
      out_ = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!";
      break;
    case 6: {  // chunks that break off into nonsense
      Answer& broken = newAnswer(100);
      answer_ = &broken;
      out_ =
          headOf(broken, "Transfer-Encoding: chunked\r\n") + chunked(broken.content, random, true);
      break;
    }
    case 7:
      out_ = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n";
      break;
    default:  // nothing at all
      out_.clear();
      after_ = random.chance(1, 2) ? After::kFin : After::kReset;
      break;
  }
  wholeAt_ = ~size_t{0};
  isFinal_ = true;
}

// Bytes behind the answer.
void HttpEndpoint::spoil(std::string_view extra) {
  if (needsFin_) {
    wholeAt_ = ~size_t{0};
    after_ = After::kReset;
    return;
  }
  isSpoiled_ = true;
  spoiledAt_ = written_ + out_.size();
  out_ += extra;
  // What comes later than the next request would be its answer to any gateway: it comes at once.
  stream->glueFrom = spoiledAt_ - 1;
  stream->glueTo = written_ + out_.size();
}

void HttpEndpoint::planSwitch() {
  Random& random = at_.random;
  const codec::WebSocketAccept accept = codec::webSocketAcceptOf(ask_->key);
  std::string value(accept.data(), accept.size());
  const bool isWrong = !book_.isGentle && random.chance(1, 6);
  if (isWrong) value[3] = value[3] == 'x' ? 'y' : 'x';
  answer_ = nullptr;
  out_ = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  out_ += "Sec-WebSocket-Accept: " + value + "\r\n\r\n";
  wholeAt_ = isWrong ? ~size_t{0} : out_.size();
  if (isWrong) ask_->wasRough = true;
  isFinal_ = true;
  if (isWrong || !random.chance(1, 12) || book_.isGentle) return;
  out_.resize(random.below(static_cast<u32>(out_.size())));
  ask_->wasRough = true;
  wholeAt_ = ~size_t{0};
  after_ = After::kReset;
}

bool HttpEndpoint::act() {
  const bool isConnecting = stream->state == Stream::State::kConnecting;
  if (isConnecting || stream->isFarResetSent || stream->isFarReset || wasCut) return false;
  if (stream->isFarFinSent || isStuck) return false;
  if (!wire.isOpen() && wire.shake(&unread_)) {
    takeBytes();
    return true;
  }
  if (talk != nullptr) {
    if (talk->write()) return true;
    const bool isDone = talk->isOver() && (stream->isFarEof || talk->isClosedByGateway() ||
                                           (!book_.isCalm && at_.random.chance(1, 40)));
    if (!isDone) return false;
    // Without a word of it the end is an abnormal one, and frames under way may be lost.
    if (!book_.isGentle && at_.random.chance(1, 8)) {
      wire.cutOff();
    } else {
      wire.finish();
    }
    return true;
  }
  if (ask_ != nullptr && (isAsked_ || isEarly_ || !interims_.empty())) return write();
  if (stream->isFarEof) {
    wire.finish();
    return true;
  }
  if (!wire.isOpen()) return false;
  // A kept connection ends whenever its endpoint likes.
  if (book_.isCalm || book_.isGentle || served_ == 0 || !at_.random.chance(1, 60)) return false;
  if (ask_ != nullptr) ask_->wasRough = true;
  // A reset may overtake its last answer.
  if (last_ != nullptr) last_->wasRough = true;
  isFinal_ = true;
  if (at_.random.chance(1, 2)) {
    stream->isFarResetSent = true;
  } else {
    endConnection();
  }
  return true;
}

// FIN: clean, or with TLS without a word of it or with a wrong one.
void HttpEndpoint::endConnection() {
  const u32 kind = wire.isSecure() && !book_.isGentle ? at_.random.below(8) : 2;
  if (kind == 0) return wire.cutOff();
  if (kind == 1) return wire.breakRule();
  wire.finish();
}

bool HttpEndpoint::write() {
  if (stream->inbound.size() > kSendBuffer) return false;
  // Interim answers do not wait for the content.
  const bool isHeld = !isAsked_ && !isEarly_;
  size_t end = isHeld ? interims_.size() : out_.size();
  if (outAt_ > end) end = outAt_;
  const size_t most = std::min(end - outAt_, kWriteMax);
  if (most == 0 && isHeld) return false;
  if (most != 0) {
    const bool isWhole = at_.random.chance(1, 2) && !at_.draw(at_.knobs.dribble);
    size_t length = isWhole ? most : 1 + at_.random.below(static_cast<u32>(most));
    if (isSpoiled_ && outAt_ + length >= wholeAt_) length = out_.size() - outAt_;
    wire.write(std::string_view(out_).substr(outAt_, length));
    outAt_ += length;
    written_ += length;
    if (outAt_ >= wholeAt_ && !needsFin_ && answer_ != nullptr) answer_->isWhole = true;
  }
  if (outAt_ < out_.size()) return true;
  endAnswer();
  return true;
}

void HttpEndpoint::endAnswer() {
  // Content that still comes is read.
  if (!isAsked_) {
    if (after_ == After::kKeep) {
      isEarly_ = false;
      isSaid_ = true;
      interims_.clear();
      return;
    }
  }
  if (ask_->isUpgrade && answer_ == nullptr && wholeAt_ <= out_.size()) {
    ask_->isSwitched = true;
    talk = std::make_unique<FrameTalk>(at_, book_, *ask_, wire, FrameTalk::Side::kEndpoint);
    if (book_.isCalm) talk->calmDown();
    return;
  }
  if (after_ == After::kFin) endConnection();
  if (needsFin_ && wholeAt_ <= out_.size() && after_ == After::kFin) {
    answer_->isWhole = !wire.isRough();
    ask_->wasRough |= wire.isRough();
  }
  if (after_ == After::kReset) stream->isFarResetSent = true;
  served_ += 1;
  last_ = ask_;
  ask_ = nullptr;
  answer_ = nullptr;
  isAsked_ = false;
}

void HttpEndpoint::print() const {
  std::fprintf(stderr,
               "  endpoint %u fd %d: served %u, ask %u, asked %d, got %zu, wrote %zu of %zu%s%s%s%s"
               "%s%s%s%s\n",
               id, stream->fd, served_, ask_ == nullptr ? 0 : ask_->id, isAsked_ ? 1 : 0, got_,
               outAt_, out_.size(), isEarly_ ? " early" : "", isFinal_ ? " final" : "",
               isSpoiled_ ? " spoiled" : "", stream->isFarFinSent ? " sent-fin" : "",
               stream->isFarResetSent ? " sent-reset" : "", stream->isFarEof ? " saw-eof" : "",
               stream->isFarReset ? " saw-reset" : "", isStuck ? " stuck" : "");
}

}  // namespace holdfast::sim
