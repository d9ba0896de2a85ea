// Any bytes as WebSocket frames: what a tracker says does not depend on how they are cut, and what
// a validating one accepts is what a plain reader finds. The first byte of the input chooses rules,
// the second one the cuts.
// Invariant: a violation is never taken back, and what stands before a boundary is whole frames.
#include <algorithm>

#include "codec/websocket.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::codec;

struct Sum {
  FrameTracker tracker;
  size_t boundary = 0;
  u32 frames = 0;
  u32 messages = 0;
  u16 opcodes = 0;
  u16 closeCode = 0;
};

void take(Sum* sum, std::span<const u8> bytes, size_t at, const FrameRules& rules) {
  const bool wasAtBoundary = sum->tracker.isAtBoundary();
  const FrameViolation before = sum->tracker.violation();
  const FrameReport report = sum->tracker.take(bytes, rules);
  FUZZ_CHECK(report.taken <= bytes.size());
  if (sum->tracker.violation() == FrameViolation::kNone) FUZZ_CHECK(report.taken == bytes.size());
  if (before != FrameViolation::kNone) {
    FUZZ_CHECK(sum->tracker.violation() == before && report.taken == 0 && report.frames == 0);
  }
  if (wasAtBoundary) FUZZ_CHECK(report.boundary != kNoBoundary);
  if (report.boundary != kNoBoundary) {
    FUZZ_CHECK(report.boundary <= bytes.size());
    FUZZ_CHECK(report.boundary > 0 || wasAtBoundary);
    sum->boundary = at + report.boundary;
  }
  sum->frames += report.frames;
  sum->messages += report.messages;
  sum->opcodes = static_cast<u16>(sum->opcodes | report.opcodes);
  if (report.closeCode != 0) sum->closeCode = report.closeCode;
}

// Reads whole frames without any state; returns the bytes that are whole frames, and their number.
size_t skipFrames(std::span<const u8> bytes, u32* frames) {
  size_t at = 0;
  *frames = 0;
  while (bytes.size() - at >= 2) {
    u64 length = bytes[at + 1] & 0x7f;
    const size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
    const size_t header = 2 + wide + ((bytes[at + 1] & 0x80) != 0 ? 4 : 0);
    if (bytes.size() - at < header) break;
    if (wide != 0) length = 0;
    for (size_t i = 0; i < wide; ++i) length = length << 8 | bytes[at + 2 + i];
    if (length > bytes.size() - at - header) break;
    const u8 opcode = bytes[at] & 15;
    at += header + static_cast<size_t>(length);
    ++*frames;
    if (opcode == 8) break;
  }
  return at;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  const u8 choice = choices.takeU8();
  const size_t step = size_t{choices.takeU8()} + 1;
  const std::span<const u8> input = choices.rest();
  FrameRules rules;
  rules.isValidated = (choice & 1) != 0;
  rules.sender = (choice & 2) != 0 ? FrameSender::kEndpoint : FrameSender::kClient;
  rules.hasDeflate = (choice & 4) != 0;
  if ((choice & 8) != 0) rules.payloadMax = choice;

  Sum whole;
  take(&whole, input, 0, rules);
  Sum cut;
  for (size_t at = 0; at < input.size(); at += step) {
    take(&cut, input.subspan(at, std::min(step, input.size() - at)), at, rules);
  }
  FUZZ_CHECK(cut.tracker.violation() == whole.tracker.violation());
  FUZZ_CHECK(cut.boundary == whole.boundary && cut.frames == whole.frames);
  FUZZ_CHECK(cut.messages == whole.messages && cut.opcodes == whole.opcodes);
  FUZZ_CHECK(cut.closeCode == whole.closeCode);
  FUZZ_CHECK(cut.tracker.messages() == whole.messages);
  FUZZ_CHECK(cut.tracker.isAtBoundary() == whole.tracker.isAtBoundary());
  FUZZ_CHECK(cut.tracker.isClosed() == whole.tracker.isClosed());
  FUZZ_CHECK(cut.tracker.isInMessage() == whole.tracker.isInMessage());

  u32 frames = 0;
  const size_t end = skipFrames(input, &frames);
  if (whole.tracker.violation() == FrameViolation::kNone) {
    FUZZ_CHECK(whole.boundary == end && whole.frames == frames);
  } else {
    u32 before = 0;
    FUZZ_CHECK(skipFrames(input.first(whole.boundary), &before) == whole.boundary);
    FUZZ_CHECK(before == whole.frames);
  }
  return 0;
}
