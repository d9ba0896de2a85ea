// Frames as peers send and check them.
#include "sim/http_frames.h"

#include <algorithm>

namespace holdfast::sim {
namespace {

constexpr u8 kFinal = 0x80;
constexpr u8 kMasked = 0x80;
constexpr size_t kFramesMax = 12;
constexpr size_t kWriteMax = 8000;
constexpr std::string_view kGatewayPing = "holdfast";

void putLength(std::string* frame, size_t length, u8 mask) {
  if (length < 126) {
    frame->push_back(static_cast<char>(mask | length));
    return;
  }
  const bool isShort = length < 65536;
  frame->push_back(static_cast<char>(mask | (isShort ? 126 : 127)));
  for (int i = isShort ? 1 : 7; i >= 0; --i) frame->push_back(static_cast<char>(length >> 8 * i));
}

// The length of the frame at the front, or 0 when it is not whole; `headAt`: of its header.
size_t frameLength(std::string_view bytes, size_t* headerBytes) {
  if (bytes.size() < 2) return 0;
  const u8 second = static_cast<u8>(bytes[1]);
  u64 length = second & 0x7f;
  size_t at = 2;
  const size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < at + extra) return 0;
  if (extra != 0) length = 0;
  for (size_t i = 0; i < extra; ++i) length = length << 8 | static_cast<u8>(bytes[at + i]);
  at += extra + ((second & kMasked) != 0 ? 4 : 0);
  *headerBytes = at;
  return bytes.size() < at + length ? 0 : static_cast<size_t>(at + length);
}

}  // namespace

FrameTalk::FrameTalk(World& at, HttpBook& book, Ask& ask, HttpWire& wire, Side side)
    : at_(at), book_(book), ask_(ask), wire_(wire), stream_(wire.stream), side_(side) {
  (side == Side::kClient ? ask.clientTalk : ask.endpointTalk) = this;
  planned_ = at.random.below(kFramesMax);
}

void FrameTalk::send(u8 first, std::string payload, size_t claimed) {
  std::string frame(1, static_cast<char>(first));
  const bool isClient = side_ == Side::kClient;
  putLength(&frame, claimed, isClient ? kMasked : 0);
  if (isClient) {
    const u32 key = at_.random.nextU32();
    for (u32 i = 0; i < 4; ++i) frame.push_back(static_cast<char>(key >> 8 * i));
    for (size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ static_cast<char>(key >> 8 * (i % 4)));
    }
  }
  sent_.push_back(frame + payload);
  out_ += sent_.back();
}

// Draws the next frame.
void FrameTalk::plan() {
  Random& random = at_.random;
  const size_t length = random.below(random.chance(1, 10) ? 90000 : 300);
  const std::string text = contentOf(ask_.id, length);
  const u32 kind = random.below(20);
  if (kind == 0 && !(book_.hasFilters && isInMessage_)) {
    firstBad_ = std::min(firstBad_, sent_.size() + 1);
    return send(kFinal | 8, std::string("\x03\xe8 bye", 6), 6);
  }
  if (kind < 4)
    return send(kFinal | (random.chance(1, 2) ? 9 : 10), text.substr(0, 100),
                std::min<size_t>(100, length));
  if (book_.frameMax != 0 && length > book_.frameMax) firstBad_ = std::min(firstBad_, sent_.size());
  if (book_.isValidated && random.chance(1, 20)) {
    firstBad_ = std::min(firstBad_, sent_.size());
    if (random.chance(1, 2)) return send(kFinal | 3, text, length);
    isInMessage_ = false;
    return send(kFinal | 1, "\xc3\x28" + text, length + 2);
  }
  const bool isFinal = random.chance(2, 3);
  const u8 opcode = isInMessage_ ? 0 : random.chance(1, 2) ? 1 : 2;
  isInMessage_ = !isFinal;
  send(static_cast<u8>((isFinal ? kFinal : 0) | opcode), text, length);
}

size_t FrameTalk::sentWhole() const {
  bool isInside = false;
  size_t whole = 0;
  for (size_t i = 0; i < sent_.size(); ++i) {
    const u8 first = static_cast<u8>(sent_[i][0]);
    if ((first & 8) == 0) isInside = (first & kFinal) == 0;
    if (!isInside) whole = i + 1;
  }
  return whole;
}

bool FrameTalk::write() {
  if (stream_->isFarFinSent || stream_->isFarResetSent) return false;
  if (out_.empty()) {
    if (sent_.size() >= planned_) return false;
    plan();
  }
  const size_t most = std::min(out_.size(), kWriteMax);
  const bool isWhole = at_.random.chance(1, 2) && !at_.draw(at_.knobs.dribble);
  const size_t length = isWhole ? most : 1 + at_.random.below(static_cast<u32>(most));
  wire_.write(std::string_view(out_).substr(0, length));
  out_.erase(0, length);
  return true;
}

void FrameTalk::take(std::string_view bytes) {
  unread_.append(bytes);
  size_t header = 0;
  while (const size_t length = frameLength(unread_, &header)) {
    takeFrame(std::string_view(unread_).substr(0, length));
    unread_.erase(0, length);
  }
}

void FrameTalk::takeFrame(std::string_view frame) {
  if (isClosedByGateway_) at_.fail("a frame behind the gateway's close, in", ask_.id);
  const FrameTalk* from = other();
  const bool isTheirs =
      from != nullptr && received_ < from->sent() && from->frameAt(received_) == frame;
  if (isTheirs) {
    if (received_ >= from->firstBad()) at_.fail("a frame that breaks a rule arrived, in", ask_.id);
    ++received_;
    return;
  }
  const u8 opcode = static_cast<u8>(frame[0]) & 0x0f;
  const bool isPing =
      opcode == 9 && side_ == Side::kClient && book_.hasPings && frame.substr(2) == kGatewayPing;
  if (isPing) {
    if (at_.random.chance(1, 2) && !stream_->isFarFinSent) {
      ++planned_;
      // Behind what is under way.
      send(kFinal | 10, std::string(kGatewayPing), kGatewayPing.size());
    }
    return;
  }
  if (opcode != 8) at_.fail("a frame that nobody sent, in", ask_.id);
  const bool isMasked = (static_cast<u8>(frame[1]) & kMasked) != 0;
  if (isMasked == (side_ == Side::kClient))
    at_.fail("the gateway's close is masked wrong", ask_.id);
  const bool isLater = frame.substr(2).starts_with("\x03\xf5");
  if (!isLater && from == nullptr && side_ == Side::kClient)
    at_.fail("a close with the wrong code, in", ask_.id);
  isClosedByGateway_ = true;
  planned_ = sent_.size();
}

void FrameTalk::takeEnd() {
  const FrameTalk* from = other();
  if (from == nullptr || isClosedByGateway_) return;
  // Frames that its sender finished writing, and the gateway did not refuse.
  const bool isWhole = from->firstBad() == ~size_t{0} && firstBad_ == ~size_t{0};
  if (isWhole && from->stream_->isFarFinSent && from->isOver() && !from->isClosedByGateway_ &&
      !unread_.empty()) {
    at_.fail("a clean end inside of a frame, in", ask_.id);
  }
}

}  // namespace holdfast::sim
