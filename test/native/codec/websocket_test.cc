// Frames: the examples of RFC 6455, every refusal, all splits, and the frames
// of the gateway.
#include "codec/websocket.h"

#include <string>
#include <vector>

#include "runtime/random.h"

#include "check.h"

namespace holdfast::codec {
namespace {

using Bytes = std::vector<u8>;

const Mask kKey{{0x37, 0xfa, 0x21, 0x3d}};

constexpr FrameRules rulesFor(FrameSender sender) {
  FrameRules rules;
  rules.sender = sender;
  rules.isValidated = true;
  return rules;
}
constexpr FrameRules kClientRules = rulesFor(FrameSender::kClient);
constexpr FrameRules kEndpointRules = rulesFor(FrameSender::kEndpoint);

// The sum of all reports, with the boundary counted from the first byte.
struct Total {
  FrameReport report;
  FrameTracker tracker;
};

Total takeInSteps(const Bytes& bytes, size_t step, const FrameRules& rules) {
  Total total;
  total.report.boundary = 0;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const size_t length = std::min(step, bytes.size() - at);
    const FrameReport report = total.tracker.take(std::span(bytes).subspan(at, length), rules);
    if (report.boundary != kNoBoundary) total.report.boundary = at + report.boundary;
    total.report.taken += report.taken;
    total.report.frames += report.frames;
    total.report.messages += report.messages;
    total.report.opcodes = static_cast<u16>(total.report.opcodes | report.opcodes);
    if (report.closeCode != 0) total.report.closeCode = report.closeCode;
    if (total.tracker.violation() != FrameViolation::kNone) break;
  }
  return total;
}

// The total, after checking that it does not depend on how the bytes arrive.
Total takeAll(const Bytes& bytes, const FrameRules& rules) {
  const Total whole = takeInSteps(bytes, bytes.size() + 1, rules);
  for (const size_t step : {1, 2, 3, 5, 7, 16, 125}) {
    const Total cut = takeInSteps(bytes, step, rules);
    CHECK_EQ(cut.tracker.violation(), whole.tracker.violation());
    CHECK_EQ(cut.report.boundary, whole.report.boundary);
    CHECK_EQ(cut.report.frames, whole.report.frames);
    CHECK_EQ(cut.report.messages, whole.report.messages);
    CHECK_EQ(cut.report.opcodes, whole.report.opcodes);
    CHECK_EQ(cut.report.closeCode, whole.report.closeCode);
    CHECK_EQ(cut.tracker.messages(), whole.tracker.messages());
    CHECK_EQ(cut.tracker.isAtBoundary(), whole.tracker.isAtBoundary());
    CHECK_EQ(cut.tracker.isClosed(), whole.tracker.isClosed());
    CHECK_EQ(cut.tracker.isInMessage(), whole.tracker.isInMessage());
  }
  return whole;
}

// A frame with the shortest length; `mask` as in the writers.
Bytes frame(u8 first, const Bytes& payload, const Mask* mask = nullptr) {
  Bytes bytes = {first};
  const size_t length = payload.size();
  const u8 bit = mask == nullptr ? 0 : 0x80;
  if (length < 126) {
    bytes.push_back(static_cast<u8>(bit | length));
  } else if (length < 65536) {
    bytes.push_back(bit | 126);
    bytes.push_back(static_cast<u8>(length >> 8));
    bytes.push_back(static_cast<u8>(length));
  } else {
    bytes.push_back(bit | 127);
    for (size_t i = 0; i < 8; ++i) bytes.push_back(static_cast<u8>(u64{length} >> (56 - 8 * i)));
  }
  if (mask != nullptr) bytes.insert(bytes.end(), std::begin(mask->bytes), std::end(mask->bytes));
  for (size_t i = 0; i < length; ++i) {
    bytes.push_back(static_cast<u8>(payload[i] ^ (mask == nullptr ? 0 : mask->bytes[i & 3])));
  }
  return bytes;
}

Bytes text(std::string_view text) { return {text.begin(), text.end()}; }

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(theExamplesOfRfc6455AreRead) {
  // 5.7, in its order.
  const Bytes hello = {0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
  const Total unmasked = takeAll(hello, kEndpointRules);
  CHECK_EQ(unmasked.report.messages, 1);
  CHECK_EQ(unmasked.report.boundary, 7);
  CHECK(unmasked.report.has(Opcode::kText) && unmasked.tracker.isAtBoundary());

  const Bytes masked = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  CHECK_EQ(takeAll(masked, kClientRules).report.messages, 1);

  const Bytes fragments = {0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
  const Total fragmented = takeAll(fragments, kEndpointRules);
  CHECK_EQ(fragmented.report.messages, 1);
  CHECK_EQ(fragmented.report.frames, 2);

  const Bytes ping = {0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
  const Total pinged = takeAll(ping, kEndpointRules);
  CHECK(pinged.report.has(Opcode::kPing) && pinged.report.messages == 0);
  const Bytes pong = {0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  CHECK(takeAll(pong, kClientRules).report.has(Opcode::kPong));

  CHECK_EQ(takeAll(frame(0x82, Bytes(256, 0xfe)), kEndpointRules).report.messages, 1);
  const Total large = takeAll(frame(0x82, Bytes(65536, 0xff)), kEndpointRules);
  CHECK_EQ(large.report.messages, 1);
  CHECK_EQ(large.report.boundary, 10 + 65536);
}

TEST(everyLengthAndEverySplitIsFollowed) {
  for (const size_t length : {0, 1, 2, 124, 125, 126, 127, 255, 256, 65535, 65536}) {
    const Bytes one = frame(0x82, Bytes(length, 'x'), &kKey);
    const Bytes bytes = joined({one, frame(0x89, text("hi"), &kKey)});
    const Total total = takeAll(bytes, kClientRules);
    CHECK_EQ(total.report.frames, 2);
    CHECK_EQ(total.report.boundary, bytes.size());
    // Two spans, at every place near the edges of the header and the end.
    for (size_t cut = 0; cut <= bytes.size();
         cut += cut < 20 || bytes.size() - cut < 40 ? 1 : 997) {
      FrameTracker tracker;
      const FrameReport first = tracker.take(std::span(bytes).first(cut), kClientRules);
      CHECK_EQ(first.boundary, cut < one.size() ? 0 : cut < bytes.size() ? one.size() : cut);
      CHECK_EQ(tracker.isAtBoundary(), cut == 0 || cut == one.size() || cut == bytes.size());
      const FrameReport second = tracker.take(std::span(bytes).subspan(cut), kClientRules);
      CHECK_EQ(first.frames + second.frames, 2);
      CHECK(tracker.isAtBoundary());
    }
  }
}

TEST(aSpanWithoutABoundaryHasNone) {
  FrameTracker tracker;
  const Bytes bytes = frame(0x82, Bytes(100, 'x'));
  (void)tracker.take(std::span(bytes).first(10), kEndpointRules);
  const FrameReport report = tracker.take(std::span(bytes).subspan(10, 50), kEndpointRules);
  CHECK_EQ(report.boundary, kNoBoundary);
  CHECK_EQ(report.taken, 50);
  CHECK(!tracker.isAtBoundary());
}

TEST(controlFramesStandInsideAMessage) {
  // The euro sign is cut between two frames, with a ping in between.
  const Bytes bytes =
      joined({frame(0x01, {'a', 0xe2, 0x82}, &kKey), frame(0x89, {0xff}, &kKey),
              frame(0x00, {0xac}, &kKey), frame(0x8a, {}, &kKey), frame(0x80, {}, &kKey)});
  const Total total = takeAll(bytes, kClientRules);
  CHECK_EQ(total.tracker.violation(), FrameViolation::kNone);
  CHECK_EQ(total.report.frames, 5);
  CHECK_EQ(total.report.messages, 1);
  FrameTracker tracker;
  (void)tracker.take(frame(0x01, text("a"), &kKey), kClientRules);
  CHECK(tracker.isInMessage() && tracker.isAtBoundary());
}

struct Refused {
  const char* what;
  Bytes bytes;
  FrameRules rules;
  FrameViolation violation;
};

TEST(everythingThatIsRefusedIsRefusedForItsReason) {
  FrameRules small = kEndpointRules;
  small.payloadMax = 10;
  FrameRules deflate = kEndpointRules;
  deflate.hasDeflate = true;
  const Refused cases[] = {
      {"unmasked client", frame(0x81, text("a")), kClientRules, FrameViolation::kUnmasked},
      {"masked endpoint", frame(0x81, text("a"), &kKey), kEndpointRules, FrameViolation::kMasked},
      {"rsv1", frame(0xc1, {}), kEndpointRules, FrameViolation::kReservedBits},
      {"rsv2", frame(0xa1, {}), deflate, FrameViolation::kReservedBits},
      {"rsv3", frame(0x91, {}), deflate, FrameViolation::kReservedBits},
      {"rsv1 on a ping", frame(0xc9, {}), deflate, FrameViolation::kReservedBits},
      {"rsv1 on a continuation", joined({frame(0x01, {}), frame(0xc0, {})}), deflate,
       FrameViolation::kReservedBits},
      {"opcode 3", frame(0x83, {}), kEndpointRules, FrameViolation::kReservedOpcode},
      {"opcode 7", frame(0x87, {}), kEndpointRules, FrameViolation::kReservedOpcode},
      {"opcode 11", frame(0x8b, {}), kEndpointRules, FrameViolation::kReservedOpcode},
      {"opcode 15", frame(0x8f, {}), kEndpointRules, FrameViolation::kReservedOpcode},
      {"fragmented ping", frame(0x09, {}), kEndpointRules, FrameViolation::kControlFragmented},
      {"fragmented close", frame(0x08, {}), kEndpointRules, FrameViolation::kControlFragmented},
      {"long ping", frame(0x89, Bytes(126)), kEndpointRules, FrameViolation::kControlTooLong},
      {"very long pong", frame(0x8a, Bytes(65536)), kEndpointRules,
       FrameViolation::kControlTooLong},
      {"orphan", frame(0x80, {}), kEndpointRules, FrameViolation::kContinuationOrphan},
      {"orphan behind a message", joined({frame(0x81, {}), frame(0x00, {})}), kEndpointRules,
       FrameViolation::kContinuationOrphan},
      {"message in a message", joined({frame(0x01, {}), frame(0x82, {})}), kEndpointRules,
       FrameViolation::kMessageInterleaved},
      {"125 as 16 bits", {0x82, 126, 0, 125}, kEndpointRules, FrameViolation::kLengthNotMinimal},
      {"0 as 16 bits", {0x82, 126, 0, 0}, kEndpointRules, FrameViolation::kLengthNotMinimal},
      {"65535 as 64 bits",
       {0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
       kEndpointRules,
       FrameViolation::kLengthNotMinimal},
      {"2^63", {0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, kEndpointRules, FrameViolation::kLengthSign},
      {"2^62",
       {0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0},
       kEndpointRules,
       FrameViolation::kFrameTooLong},
      {"2^40", {0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0}, kEndpointRules, FrameViolation::kFrameTooLong},
      {"above the limit", frame(0x82, Bytes(11)), small, FrameViolation::kFrameTooLong},
      {"half a code", frame(0x88, {3}), kEndpointRules, FrameViolation::kCloseLength},
      {"half a code, masked", frame(0x88, {3}, &kKey), kClientRules, FrameViolation::kCloseLength},
      {"reason not text", frame(0x88, {3, 0xe8, 'a', 0xff, 'b'}), kEndpointRules,
       FrameViolation::kCloseReason},
      {"reason cut", frame(0x88, {3, 0xe8, 0xe2, 0x82}), kEndpointRules,
       FrameViolation::kCloseReason},
      {"text", frame(0x81, {'a', 0xc0, 0xaf}, &kKey), kClientRules, FrameViolation::kText},
      {"text cut", frame(0x81, {'a', 0xe2, 0x82}, &kKey), kClientRules, FrameViolation::kText},
      {"text cut by an empty end", joined({frame(0x01, {0xe2}), frame(0x80, {})}), kEndpointRules,
       FrameViolation::kText},
      {"text in a continuation", joined({frame(0x01, {'a'}), frame(0x80, {0xff})}), kEndpointRules,
       FrameViolation::kText},
  };
  for (const Refused& refused : cases) {
    const Bytes bytes =
        joined({frame(0x82, text("before"),
                      refused.rules.sender == FrameSender::kClient ? &kKey : nullptr),
                refused.bytes});
    const Total total = takeAll(bytes, refused.rules);
    if (!CHECK_EQ(total.tracker.violation(), refused.violation)) {
      check::fail(__FILE__, __LINE__, refused.what);
    }
    CHECK(total.report.boundary >= bytes.size() - refused.bytes.size());
    CHECK(total.report.boundary < bytes.size());
    CHECK(!total.tracker.isAtBoundary() && !total.tracker.isClosed());
    // Nothing is taken behind a violation.
    FrameTracker after = total.tracker;
    CHECK_EQ(after.take(frame(0x82, {}), refused.rules).taken, 0);
  }
}

TEST(textIsRefusedAtItsFirstWrongByte) {
  FrameTracker tracker;
  const Bytes bytes = frame(0x81, {'a', 0xf4, 0x90, 'b', 'c', 'd', 'e', 'f', 'g'});
  (void)tracker.take(std::span(bytes).first(4), kEndpointRules);
  CHECK_EQ(tracker.violation(), FrameViolation::kNone);
  (void)tracker.take(std::span(bytes).subspan(4, 1), kEndpointRules);
  CHECK_EQ(tracker.violation(), FrameViolation::kText);
}

TEST(closeCodesAreThoseThatMayBeSent) {
  u32 allowed = 0;
  for (u32 code = 0; code < 65536; ++code) {
    const bool isFine = (code >= 1000 && code < 5000) && (code < 1015 || code >= 3000) &&
                        code != 1004 && code != 1005 && code != 1006;
    allowed += isFine ? 1 : 0;
    if (!CHECK_EQ(isCloseCodeSendable(static_cast<u16>(code)), isFine)) return;
    const Bytes bytes = frame(0x88, {static_cast<u8>(code >> 8), static_cast<u8>(code)}, &kKey);
    FrameTracker tracker;
    const FrameReport report = tracker.take(bytes, kClientRules);
    CHECK_EQ(report.closeCode, code);
    const FrameViolation expected = isFine ? FrameViolation::kNone : FrameViolation::kCloseCode;
    if (!CHECK_EQ(tracker.violation(), expected)) return;
  }
  CHECK_EQ(allowed, 4 + 8 + 2000);
}

TEST(aCloseEndsTheStreamOfFrames) {
  for (const bool isValidated : {true, false}) {
    FrameRules rules = kEndpointRules;
    rules.isValidated = isValidated;
    const Bytes close = frame(0x88, joined({{0x03, 0xf4}, text("restart \xe2\x82\xac")}));
    const Bytes bytes = joined({frame(0x81, text("a")), close, {0xff, 0xff, 0xff}});
    const Total total = takeAll(bytes, rules);
    CHECK_EQ(total.tracker.violation(), FrameViolation::kNone);
    CHECK(total.tracker.isClosed() && !total.tracker.isAtBoundary());
    CHECK_EQ(total.report.closeCode, 1012);
    CHECK_EQ(total.report.boundary, bytes.size() - 3);
    CHECK_EQ(total.report.taken, bytes.size());
    CHECK(total.report.has(Opcode::kClose));
  }
  CHECK(takeAll(frame(0x88, {}, &kKey), kClientRules).tracker.isClosed());
  // In the middle of a text message, after half a character.
  const Bytes inside = joined({frame(0x01, {0xe2}), frame(0x88, {0x03, 0xe8, 'x'})});
  CHECK(takeAll(inside, kEndpointRules).tracker.isClosed());
}

TEST(compressedTextIsNotRead) {
  FrameRules rules = kEndpointRules;
  rules.hasDeflate = true;
  const Bytes bytes = joined({frame(0x41, {0xff, 0xfe}), frame(0x80, {0xff}), frame(0xc2, {0xff})});
  const Total total = takeAll(bytes, rules);
  CHECK_EQ(total.tracker.violation(), FrameViolation::kNone);
  CHECK_EQ(total.report.messages, 2);
  // The next message is read again.
  const Bytes plain = joined({bytes, frame(0x81, {0xff})});
  CHECK_EQ(takeAll(plain, rules).tracker.violation(), FrameViolation::kText);
}

TEST(withoutValidationOnlyWhatCannotBeFollowedIsRefused) {
  const FrameRules rules;
  // Unmasked, reserved, fragmented control, orphans, long pings, bad text,
  // lengths of any form.
  const Bytes bytes = joined({frame(0x80, {}),
                              frame(0xf3, text("x"), &kKey),
                              frame(0x09, {}),
                              frame(0x8a, Bytes(300)),
                              frame(0x81, {0xff}),
                              {0x82, 126, 0, 1, 'x'},
                              {0x82, 127, 0, 0, 0, 0, 0, 0, 0, 2, 'x', 'y'}});
  const Total total = takeAll(bytes, rules);
  CHECK_EQ(total.tracker.violation(), FrameViolation::kNone);
  CHECK_EQ(total.report.frames, 7);
  CHECK_EQ(total.report.boundary, bytes.size());
  CHECK_EQ(takeAll({0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, rules).tracker.violation(),
           FrameViolation::kLengthSign);
  CHECK_EQ(takeAll({0x82, 127, 0, 1, 0, 0, 0, 0, 0, 0}, rules).tracker.violation(),
           FrameViolation::kFrameTooLong);
}

TEST(theLargestFrameIsFollowedToItsEnd) {
  FrameTracker tracker;
  const Bytes header = {0x82, 127, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
  (void)tracker.take(header, kEndpointRules);
  // Nearly 2^40 bytes pass in a moment, because a binary payload is not looked
  // at.
  const Bytes piece(1u << 24);
  u64 left = kFramePayloadMax;
  while (left > 0) {
    const size_t length = static_cast<size_t>(std::min<u64>(left, piece.size()));
    left -= tracker.take(std::span(piece).first(length), kEndpointRules).taken;
  }
  CHECK(tracker.isAtBoundary());
  CHECK_EQ(tracker.messages(), 1);
}

TEST(violationsHaveTheirCodes) {
  CHECK_EQ(closeCodeOf(FrameViolation::kNone), 0);
  CHECK_EQ(closeCodeOf(FrameViolation::kUnmasked), 1002);
  CHECK_EQ(closeCodeOf(FrameViolation::kLengthSign), 1002);
  CHECK_EQ(closeCodeOf(FrameViolation::kCloseCode), 1002);
  CHECK_EQ(closeCodeOf(FrameViolation::kText), 1007);
  CHECK_EQ(closeCodeOf(FrameViolation::kCloseReason), 1007);
  CHECK_EQ(closeCodeOf(FrameViolation::kFrameTooLong), 1009);
}

template <typename Write>
Bytes written(Write write) {
  u8 buffer[kControlFrameMax];
  Writer writer(buffer);
  write(&writer);
  CHECK(!writer.isFailed());
  return {writer.written().begin(), writer.written().end()};
}

TEST(writtenFramesAreThoseOfTheRfc) {
  const Bytes hello = text("Hello");
  CHECK(written([&](Writer* writer) { writePing(hello, nullptr, writer); }) == frame(0x89, hello));
  CHECK(written([&](Writer* writer) { writePong(hello, &kKey, writer); }) ==
        Bytes({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
  CHECK(written([&](Writer* writer) {
          writeClose(kCloseTryAgainLater, "full", nullptr, writer);
        }) == Bytes({0x88, 0x06, 0x03, 0xf5, 'f', 'u', 'l', 'l'}));
  CHECK(written([&](Writer* writer) { writeClose(0, "ignored", nullptr, writer); }) ==
        Bytes({0x88, 0x00}));
}

TEST(writtenClosesPassTheTracker) {
  for (const u16 code : {kCloseGoingAway, kCloseServiceRestart, kCloseTryAgainLater}) {
    for (const Mask* mask : {static_cast<const Mask*>(nullptr), &kKey}) {
      for (size_t length = 0; length < 200; ++length) {
        std::string reason(length % 3, 'a');
        while (reason.size() < length) reason += "\xe2\x82\xac";
        const Bytes bytes =
            written([&](Writer* writer) { writeClose(code, reason, mask, writer); });
        const Total total = takeAll(bytes, mask == nullptr ? kEndpointRules : kClientRules);
        CHECK(total.tracker.isClosed());
        CHECK_EQ(total.report.closeCode, code);
        CHECK(bytes.size() <= kControlFrameMax);
      }
    }
  }
  u8 small[10];
  Writer writer(small);
  writeClose(kCloseGoingAway, "no room for this", nullptr, &writer);
  CHECK(writer.isFailed());
}

// Random streams of whole frames, cut at random: the tracker counts what was
// put in.
TEST(randomStreamsAreCountedWhateverTheCuts) {
  Random random(7);
  for (u32 round = 0; round < 300; ++round) {
    Bytes bytes;
    std::vector<size_t> ends = {0};
    u32 messages = 0;
    bool isInside = false;
    for (u32 i = 0; i < 20; ++i) {
      const Mask key{{static_cast<u8>(random.nextU32()), 1, 2, static_cast<u8>(random.nextU32())}};
      const bool isControl = random.chance(1, 3);
      const bool isFinal = random.chance(1, 2);
      const u8 opcode = isControl ? (random.chance(1, 2) ? 9 : 10) : isInside ? 0 : 1;
      const size_t length = random.below(isControl ? 126 : 300);
      const u8 first = static_cast<u8>(opcode | (isControl || isFinal ? 0x80 : 0));
      const Bytes one = frame(first, Bytes(length, 'z'), &key);
      bytes.insert(bytes.end(), one.begin(), one.end());
      ends.push_back(bytes.size());
      if (!isControl) {
        messages += isFinal ? 1 : 0;
        isInside = !isFinal;
      }
    }
    FrameTracker tracker;
    for (size_t at = 0; at < bytes.size();) {
      const size_t length = std::min<size_t>(1 + random.below(400), bytes.size() - at);
      const FrameReport report = tracker.take(std::span(bytes).subspan(at, length), kClientRules);
      size_t expected = kNoBoundary;
      for (const size_t end : ends) {
        if (end >= at && end <= at + length) expected = end - at;
      }
      if (!CHECK_EQ(report.boundary, expected)) return;
      at += length;
    }
    CHECK_EQ(tracker.violation(), FrameViolation::kNone);
    CHECK_EQ(tracker.messages(), messages);
    CHECK_EQ(tracker.isInMessage(), isInside);
  }
}

// A message in any number of fragments, with control frames between them, is unwrapped to what was
// put in, and the control frames stay as they are.
TEST(messagesAreUnwrappedAndControlFramesKept) {
  Random random(5);
  for (u32 round = 0; round < 300 && check::failures() == 0; ++round) {
    const bool isMasked = random.chance(1, 2);
    const u32 key = random.nextU32();
    Mask mask;
    for (u32 i = 0; i < 4; ++i) mask.bytes[i] = static_cast<u8>(key >> 8 * i);
    const Mask* used = isMasked ? &mask : nullptr;
    const Opcode opcode = random.chance(1, 2) ? Opcode::kText : Opcode::kBinary;
    Bytes room(300'000);
    Writer writer(room);
    Bytes payload;
    Bytes controls;
    const u32 fragments = 1 + random.below(4);
    for (u32 i = 0; i < fragments; ++i) {
      Bytes part(random.below(random.chance(1, 5) ? 70'000 : 300));
      for (u8& byte : part) byte = static_cast<u8>(random.nextU32());
      payload.insert(payload.end(), part.begin(), part.end());
      const size_t at = writer.size();
      writeMessage(i == 0 ? opcode : Opcode::kContinuation, part, used, &writer);
      if (i + 1 < fragments) room[at] = static_cast<u8>(room[at] & 0x7f);
      if (!random.chance(1, 2)) continue;
      const size_t from = writer.size();
      writePing(Bytes{1, 2, 3}, used, &writer);
      controls.insert(controls.end(), room.begin() + from, room.begin() + writer.size());
    }
    CHECK(!writer.isFailed());
    Bytes frames(room.begin(), room.begin() + writer.size());
    Bytes same = frames;
    const Unwrapped message = unwrapMessage(frames);
    CHECK(message.opcode == opcode);
    CHECK_EQ(message.bytes, payload.size());
    CHECK(std::equal(payload.begin(), payload.end(), frames.begin()));
    const Unwrapped kept = keepControls(same);
    CHECK_EQ(kept.bytes, controls.size());
    CHECK(std::equal(controls.begin(), controls.end(), same.begin()));
  }
}

// take() can stop behind each frame, and the sum is the same.
TEST(aTrackerStopsBehindAFrameWhenItIsAsked) {
  Bytes room(64);
  Writer writer(room);
  writePing({}, &kKey, &writer);
  writeMessage(Opcode::kText, Bytes{'a', 'b'}, &kKey, &writer);
  writePong({}, &kKey, &writer);
  FrameRules rules = kClientRules;
  rules.stopsAtFrame = true;
  FrameTracker tracker;
  std::vector<size_t> ends;
  for (size_t at = 0; at < writer.size();) {
    const FrameReport report = tracker.take(std::span(room).subspan(at, writer.size() - at), rules);
    CHECK_EQ(report.frames, 1u);
    at += report.taken;
    ends.push_back(at);
  }
  CHECK((ends == std::vector<size_t>{6, 14, 20}));
  CHECK_EQ(tracker.messages(), 1u);
}

}  // namespace
}  // namespace holdfast::codec
