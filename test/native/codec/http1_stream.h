// A connection as the exchange will read it: messages one after the other, in
// whatever pieces.
//
// Shared by the unit tests, the fuzzers and the differential test: feed it,
// then compare verdict(), the messages and what would be forwarded. Invariant:
// it uses the codec as http1.h says and keeps what the codec told; equal bytes
// must give equal streams however they are cut. Allocates freely.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/http1.h"

namespace holdfast::http1 {

inline constexpr u64 kStreamBodyMax = 1u << 20;
// More than a plan adds to the bytes that came.
inline constexpr size_t kPlannedBytesMax = 256;

struct Message {
  std::string line;       // "GET /path?query" or "200"
  std::string written;    // the same with the target as it came
  std::string authority;  // canonical
  std::string content;
  std::string forwarded;  // as it leaves in canonical form, the content in one run
  std::string trailers;   // as they leave
  bool isPersistent = false;
  size_t end = 0;  // in the bytes that were fed
};

class Stream {
 public:
  enum class Side : u8 { kRequests, kResponses };

  explicit Stream(Side side, ResponseTo to = {}) : side_(side), to_(to) {}

  void feed(std::string_view bytes) {
    if (isDone_) return;
    const Rules& rules = state_ == State::kTrailers ? kTrailerRules
                         : side_ == Side::kRequests ? kRequestRules
                                                    : kResponseRules;
    const bool isKept = state_ != State::kBody && canKeep(bytesOf(bytes), rules, &scan_);
    // At another place each time, as a chain would have it.
    std::string moved;
    moved.reserve(pending_.size() + bytes.size());
    moved.append(pending_).append(bytes);
    pending_ = std::move(moved);
    if (isKept) return;
    while (!isDone_ && step()) {
    }
  }

  void end() {
    if (isDone_) return;
    if (state_ != State::kBody) return finishOpen();
    const Violation violation = body_.takeEof();
    if (violation != Violation::kNone) return fail(violation);
    complete();
  }

  [[nodiscard]] const std::vector<Message>& messages() const { return messages_; }
  [[nodiscard]] Violation violation() const { return violation_; }
  [[nodiscard]] bool isSwitched() const { return isSwitched_; }
  // Something of a message is there, and it is not complete.
  [[nodiscard]] bool isOpen() const {
    return !isDone_ && (state_ != State::kHead || !pending_.empty());
  }

  // "GET / 0 | POST /a 5 close | !host-missing", "GET / 0 | ..." while more is
  // to come.
  [[nodiscard]] std::string verdict() const {
    std::string text;
    const auto add = [&text](const std::string& part) {
      text += (text.empty() ? "" : " | ") + part;
    };
    for (const Message& message : messages_) {
      add(message.line + ' ' + std::to_string(message.content.size()) +
          (message.trailers.empty() ? "" : " trailers") + (message.isPersistent ? "" : " close"));
    }
    if (isSwitched_) add("switch");
    if (violation_ != Violation::kNone) add(std::string("!") + nameOf(violation_));
    if (isOpen()) add("...");
    return text;
  }

 private:
  enum class State : u8 { kHead, kBody, kTrailers };

  std::span<const u8> pending() const { return bytesOf(pending_); }

  // False when more bytes are needed.
  bool step() {
    if (pending_.empty()) return false;
    switch (state_) {
      case State::kHead:
        return takeHead();
      case State::kBody:
        return takeBody();
      case State::kTrailers:
        return takeLastFields();
    }
    return false;
  }

  bool takeHead() {
    const HeadResult result = side_ == Side::kRequests
                                  ? takeRequest(pending(), kRequestRules, &scan_, &head_)
                                  : takeResponse(pending(), kResponseRules, to_, &scan_, &head_);
    if (!isHead(result)) return false;
    now_ = Message{};
    now_.isPersistent = head_.isPersistent;
    now_.authority = std::string(head_.authority.hostText());
    if (head_.authority.port != 0) now_.authority += ':' + std::to_string(head_.authority.port);
    std::string room(head_.length + 4 * head_.fieldCount + kPlannedBytesMax, '\0');
    codec::Writer writer({reinterpret_cast<u8*>(room.data()), room.size()});
    if (side_ == Side::kRequests) {
      RequestPlan plan = planRequest(head_);
      std::string normal(plan.path);
      if (!normalize(&normal)) return false;
      plan.path = normal;
      now_.line = std::string(plan.method) + ' ' + std::string(plan.path);
      if (plan.hasQuery) now_.line += '?' + std::string(plan.query);
      now_.written = std::string(plan.method) + ' ' + std::string(head_.textOf(head_.target));
      if (plan.host.empty()) plan.host = "unnamed.example";
      if (head_.upgrade == UpgradeTo::kWebSocket) plan.hop = Hop::kWebSocket;
      if (!head_.isPersistent) plan.hop = Hop::kClose;
      isWritten_ = writeRequestHead(head_, plan, &writer);
    } else {
      ResponsePlan plan = planResponse(head_);
      now_.line = now_.written = std::to_string(head_.status);
      if (!head_.isPersistent && !head_.isSwitch) plan.hop = Hop::kClose;
      isWritten_ = writeResponseHead(head_, plan, &writer);
    }
    now_.forwarded = std::string(textOf(writer.written()));
    body_ = Body(head_, kStreamBodyMax);
    kind_ = head_.bodyKind;
    isInterim_ = side_ == Side::kResponses && head_.status / 100 == 1;
    isSwitch_ = head_.isSwitch;
    consume(head_.length);
    state_ = State::kBody;
    if (body_.isEnded()) complete();
    if (body_.violation() != Violation::kNone) fail(body_.violation());
    return true;
  }

  // Puts a path into normal form; "*" and authorities have none.
  bool normalize(std::string* path) {
    if ((*path)[0] != '/') return true;
    const std::span<u8> place(reinterpret_cast<u8*>(path->data()), path->size());
    const NormalPath normal = normalizePath(place, {}, place);
    if (normal.violation != Violation::kNone) fail(normal.violation);
    if (normal.isChanged) path->resize(normal.length);
    return normal.violation == Violation::kNone;
  }

  bool takeBody() {
    const BodyPiece piece = body_.take(pending());
    now_.content += pending_.substr(piece.contentAt, piece.contentBytes);
    consume(piece.taken);
    if (piece.event == BodyEvent::kEnd) complete();
    if (piece.event == BodyEvent::kViolation) fail(body_.violation());
    if (piece.event == BodyEvent::kTrailers) state_ = State::kTrailers;
    return true;
  }

  bool takeLastFields() {
    if (!isHead(takeTrailers(pending(), kTrailerRules, &scan_, &head_))) return false;
    std::string room(kTrailerBytesMax + kCrlf.size() + 3, '\0');
    codec::Writer writer({reinterpret_cast<u8*>(room.data()), room.size()});
    isWritten_ = isWritten_ && writeTrailers(head_, &writer);
    now_.trailers = std::string(textOf(writer.written()));
    consume(head_.length);
    body_.finishTrailers();
    complete();
    return true;
  }

  bool isHead(HeadResult result) {
    if (result.kind == HeadResult::Kind::kViolation) fail(result.violation);
    return result.kind == HeadResult::Kind::kHead;
  }

  void complete() {
    if (kind_ == BodyKind::kChunked) {
      if (!now_.content.empty()) {
        u8 size[kChunkSizeLineBytesMax];
        codec::Writer writer(size);
        isWritten_ = writeChunkSize(now_.content.size(), &writer) && isWritten_;
        now_.forwarded.append(textOf(writer.written())).append(now_.content).append(kCrlf);
      }
      now_.forwarded += now_.trailers.empty() ? std::string(kLastChunk) : now_.trailers;
    } else {
      now_.forwarded += now_.content;
    }
    if (!isWritten_) now_.forwarded = "not written";
    now_.end = consumed_;
    state_ = State::kHead;
    const bool isLast = !now_.isPersistent;
    isDone_ = isSwitch_ || (isLast && !isInterim_);
    isSwitched_ = isSwitch_;
    messages_.push_back(std::move(now_));
  }

  void finishOpen() {
    if (state_ == State::kTrailers || !pending_.empty()) fail(Violation::kTruncated);
  }

  void fail(Violation violation) {
    violation_ = violation;
    isDone_ = true;
  }

  void consume(size_t count) {
    consumed_ += count;
    pending_.erase(0, count);
  }

  Side side_;
  ResponseTo to_;
  State state_ = State::kHead;
  BodyKind kind_ = BodyKind::kNone;
  Violation violation_ = Violation::kNone;
  bool isDone_ = false;
  bool isWritten_ = true;
  bool isInterim_ = false;
  bool isSwitch_ = false;
  bool isSwitched_ = false;
  size_t consumed_ = 0;
  HeadScan scan_;
  Body body_;
  Message now_;
  std::string pending_;
  std::vector<Message> messages_;
  Head head_;
};

// Whether two streams made the same of their bytes.
inline bool isSameStream(const Stream& a, const Stream& b) {
  if (a.verdict() != b.verdict() || a.messages().size() != b.messages().size()) return false;
  for (size_t i = 0; i < a.messages().size(); ++i) {
    const Message& one = a.messages()[i];
    const Message& other = b.messages()[i];
    if (one.content != other.content || one.forwarded != other.forwarded) return false;
    if (one.end != other.end || one.authority != other.authority) return false;
  }
  return true;
}

// Whether what is forwarded is accepted, says the same, and is its own
// canonical form.
inline bool isForwardedSame(Stream::Side side, ResponseTo to, const Message& message) {
  Stream again(side, to);
  again.feed(message.forwarded);
  again.end();
  if (again.messages().size() != 1 || again.violation() != Violation::kNone) return false;
  const Message& read = again.messages()[0];
  return read.line == message.line && read.content == message.content &&
         read.isPersistent == message.isPersistent && read.forwarded == message.forwarded &&
         read.end == message.forwarded.size() &&
         (read.authority == message.authority || message.authority.empty());
}

// The stream of bytes in pieces of `step`, whole when 0.
inline Stream readStream(Stream stream, std::string_view bytes, size_t step = 0) {
  if (step == 0) step = std::max<size_t>(bytes.size(), 1);
  for (size_t at = 0; at < bytes.size(); at += step) stream.feed(bytes.substr(at, step));
  return stream;
}

}  // namespace holdfast::http1
