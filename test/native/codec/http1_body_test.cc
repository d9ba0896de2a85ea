// Bodies: where content is, where messages end, and what an end of the
// connection means.
#include "codec/http1_body.h"

#include <string>

#include "check.h"

namespace holdfast::http1 {
namespace {

constexpr u64 kAny = kBodyBytesMax;

struct Outcome {
  std::string content;
  size_t taken = 0;
  BodyEvent event = BodyEvent::kMore;
};

Outcome takeAll(Body* body, std::string_view bytes, size_t step) {
  Outcome outcome;
  for (size_t at = 0; at < bytes.size() && outcome.event == BodyEvent::kMore;) {
    const std::string_view part = bytes.substr(at, step);
    const BodyPiece piece = body->take(bytesOf(part));
    outcome.content += part.substr(piece.contentAt, piece.contentBytes);
    outcome.event = piece.event;
    at += piece.taken;
    outcome.taken = at;
    const bool isStuck = piece.event == BodyEvent::kMore && piece.taken == 0;
    if (!CHECK(!isStuck)) break;
  }
  return outcome;
}

Outcome takeChunked(std::string_view bytes, u64 bytesMax = kAny) {
  Body body(BodyKind::kChunked, 0, bytesMax);
  const Outcome whole = takeAll(&body, bytes, bytes.size());
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{17}}) {
    Body cut(BodyKind::kChunked, 0, bytesMax);
    const Outcome other = takeAll(&cut, bytes, step);
    CHECK_EQ(other.content, whole.content);
    CHECK_EQ(other.taken, whole.taken);
    CHECK(other.event == whole.event && cut.violation() == body.violation());
  }
  return whole;
}

TEST(http1BodyWithoutContentIsEnded) {
  Body body;
  CHECK(body.isEnded() && body.takeEof() == Violation::kNone);
  const BodyPiece piece = body.take(bytesOf("next"));
  CHECK(piece.event == BodyEvent::kEnd && piece.taken == 0 && piece.contentBytes == 0);
  CHECK(Body(BodyKind::kLength, 0, kAny).isEnded());
}

TEST(http1BodyOfALengthStopsThere) {
  Body body(BodyKind::kLength, 5, 5);
  BodyPiece piece = body.take(bytesOf("hel"));
  CHECK(piece.event == BodyEvent::kMore && piece.contentBytes == 3 && piece.taken == 3);
  CHECK_EQ(body.contentLeft(), 2);
  piece = body.take(bytesOf("lonext"));
  CHECK(piece.event == BodyEvent::kEnd && piece.contentBytes == 2 && piece.taken == 2);
  CHECK_EQ(body.contentLeft(), 0);
  Body cut(BodyKind::kLength, 5, 5);
  CHECK(cut.take(bytesOf("hell")).event == BodyEvent::kMore);
  CHECK(cut.takeEof() == Violation::kTruncated && cut.violation() == Violation::kTruncated);
  CHECK(cut.take(bytesOf("o")).event == BodyEvent::kViolation);
  CHECK(Body(BodyKind::kLength, 6, 5).violation() == Violation::kBodyTooLong);
}

TEST(http1BodyOfAnyLengthIsCounted) {
  // No overflow where lengths are as large as they may be.
  Body body(BodyKind::kLength, kBodyBytesMax, kAny);
  CHECK_EQ(body.take(bytesOf("abc")).contentBytes, 3);
  CHECK_EQ(body.contentLeft(), kBodyBytesMax - 3);
}

TEST(http1BodyUntilCloseEndsWithTheConnection) {
  Body body(BodyKind::kUntilClose, 0, 8);
  CHECK_EQ(body.take(bytesOf("hello")).contentBytes, 5);
  CHECK(!body.isEnded());
  CHECK(body.takeEof() == Violation::kNone && body.isEnded());
  Body full(BodyKind::kUntilClose, 0, 5);
  CHECK(full.take(bytesOf("hello")).event == BodyEvent::kMore);
  CHECK(full.takeEof() == Violation::kNone);
  Body over(BodyKind::kUntilClose, 0, 5);
  const BodyPiece piece = over.take(bytesOf("hello!"));
  CHECK(piece.event == BodyEvent::kViolation && piece.contentBytes == 5);
  CHECK(over.takeEof() == Violation::kBodyTooLong);
}

TEST(http1ChunksAreTakenOutOfTheirFraming) {
  const Outcome outcome =
      takeChunked("5\r\nhello\r\n1;a=\"\\\"\"\r\n \r\n05\r\nworld\r\n0\r\n\r\nnext");
  CHECK_EQ(outcome.content, "hello world");
  CHECK(outcome.event == BodyEvent::kEnd);
  CHECK_EQ(outcome.taken,
           std::string("5\r\nhello\r\n1;a=\"\\\"\"\r\n \r\n05\r\nworld\r\n0\r\n\r\n").size());
  Body body(BodyKind::kChunked, 0, kAny);
  const BodyPiece piece = body.take(bytesOf("10\r\nabc"));
  CHECK(piece.contentAt == 4 && piece.contentBytes == 3 && piece.taken == 7);
  CHECK_EQ(body.contentLeft(), 13);
  CHECK(body.takeEof() == Violation::kTruncated);
}

TEST(http1ChunksLeaveTrailersToOthers) {
  Body body(BodyKind::kChunked, 0, kAny);
  const BodyPiece piece = body.take(bytesOf("0\r\nX: y\r\n\r\n"));
  CHECK(piece.event == BodyEvent::kTrailers && piece.taken == 3 && piece.contentBytes == 0);
  CHECK(!body.isEnded());
  body.finishTrailers();
  CHECK(body.isEnded() && body.takeEof() == Violation::kNone);
}

TEST(http1ChunkExtensionsAreBounded) {
  const auto extended = [](size_t length, size_t count) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) bytes += "1;" + std::string(length, 'a') + "\r\nx\r\n";
    return bytes + "0\r\n\r\n";
  };
  CHECK(takeChunked(extended(kChunkExtensionBytesMax - 1, 1)).event == BodyEvent::kEnd);
  CHECK(takeChunked(extended(kChunkExtensionBytesMax, 1)).event == BodyEvent::kViolation);
  CHECK(takeChunked(extended(16384, 1)).event == BodyEvent::kViolation);
  CHECK(takeChunked(extended(100, 40)).event == BodyEvent::kEnd);
  CHECK(takeChunked(extended(100, 41)).event == BodyEvent::kViolation);
}

TEST(http1ChunksAreBoundedTogether) {
  CHECK(takeChunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5).event == BodyEvent::kEnd);
  Body body(BodyKind::kChunked, 0, 5);
  const Outcome outcome = takeAll(&body, "3\r\nabc\r\n3\r\ndef\r\n", 64);
  CHECK(outcome.event == BodyEvent::kViolation && outcome.content == "abc");
  CHECK(body.violation() == Violation::kBodyTooLong);
  CHECK_EQ(statusOf(body.violation()), 413);
  // Sums of sizes cannot wrap.
  Body large(BodyKind::kChunked, 0, kAny);
  CHECK_EQ(large.take(bytesOf("7fffffffffffffff\r\nx")).contentBytes, 1);
}

}  // namespace
}  // namespace holdfast::http1
