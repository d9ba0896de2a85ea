// FrameTalk: one end of a WebSocket, with the frames it sends and the check of those it receives.
//
// What arrives is split into frames; each is the next one that the other end sent, byte for byte,
// or one of the gateway's own: a ping of its kind, or its close, after which nothing follows.
// Invariant: a frame that breaks a rule, and what stands behind it or behind a close, is never
// received whole where the route validates.
#pragma once

#include <string>
#include <vector>

#include "sim/http_talk.h"
#include "sim/http_wire.h"

namespace holdfast::sim {

class FrameTalk {
 public:
  enum class Side : u8 { kClient, kEndpoint };

  // Takes its place in `ask`.
  FrameTalk(World& at, HttpBook& book, Ask& ask, HttpWire& wire, Side side);

  // Sends the next piece; false when there is nothing to send.
  bool write();
  void take(std::string_view bytes);
  // The other direction ended cleanly.
  void takeEnd();
  // Sends no new frames.
  void calmDown() { planned_ = sent_.size(); }
  // Everything that it wanted to say is written.
  [[nodiscard]] bool isOver() const { return sent_.size() >= planned_ && out_.empty(); }

  [[nodiscard]] size_t sent() const { return sent_.size(); }
  // Frames up to the end of the last message that is whole.
  [[nodiscard]] size_t sentWhole() const;
  [[nodiscard]] size_t received() const { return received_; }
  // Its end was cut off.
  [[nodiscard]] bool isRough() const { return wire_.isRough(); }
  [[nodiscard]] bool isClosedByGateway() const { return isClosedByGateway_; }
  // The position of the first frame that may not be received, or no index.
  [[nodiscard]] size_t firstBad() const { return firstBad_; }
  [[nodiscard]] const std::string& frameAt(size_t at) const { return sent_[at]; }

 private:
  void plan();
  void send(u8 first, std::string payload, size_t claimed);
  void takeFrame(std::string_view frame);
  [[nodiscard]] FrameTalk* other() const {
    return side_ == Side::kClient ? ask_.endpointTalk : ask_.clientTalk;
  }

  World& at_;
  HttpBook& book_;
  Ask& ask_;
  HttpWire& wire_;
  Stream* stream_;
  Side side_;
  size_t planned_ = 0;
  std::vector<std::string> sent_;  // whole, in order; the last one may be under way
  std::string out_;
  bool isInMessage_ = false;
  size_t firstBad_ = ~size_t{0};
  std::string unread_;
  size_t received_ = 0;
  bool isClosedByGateway_ = false;
};

}  // namespace holdfast::sim
