// What clients ask and endpoints answer in worlds with HTTP: every message has a number, and the
// book of all of them says what was really sent.
//
// Requests name themselves in X-Ask and in their path, responses in X-Answer and X-For, and their
// content is a function of the number that is full of things that look like messages, so that
// framing that slips is seen at once. Invariant: the book holds what peers did, never what the
// gateway did; peers compare what they receive with it.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "codec/http1_head.h"

#include "sim/world.h"

namespace holdfast::sim {

class FrameTalk;

// Where a request goes, by its path.
enum class Way : u8 {
  kFirst,     // /a: the first cluster
  kSecond,    // /b: the second one; a route with another set of limits
  kRedirect,  // /r
  kRespond,   // /f: a fixed answer
  kSocket,    // /w: WebSockets are allowed
  kMissing,   // no route
};

// What is wrong with a request.
enum class Fault : u8 {
  kNone,
  kHead,     // the head is refused: no endpoint may see anything of it
  kContent,  // the content breaks a rule: no endpoint may see it whole
  kTooLong,  // more content than the route takes: the same
};

struct Ask {
  u32 id = 0;
  u32 client = 0;
  Way way = Way::kFirst;
  Fault fault = Fault::kNone;
  http1::Method method = http1::Method::kGet;
  bool isOld = false;      // HTTP/1.0
  bool isClosing = false;  // the client wants no other request to be answered
  bool isExpecting = false;
  bool isUpgrade = false;
  bool isCoded = false;  // it takes content that is compressed
  std::string key;       // of a WebSocket
  std::string from;      // the client's address, as endpoints are to be told
  std::string content;   // without framing
  std::string wire;      // all bytes
  size_t headBytes = 0;

  u32 tries = 0;     // heads that endpoints saw
  u32 copies = 0;    // and those of its copies
  u32 interims = 0;  // 1xx that endpoints wrote for it
  // An endpoint did with one of its tries what endpoints should not.
  bool wasRough = false;
  std::vector<const Stream*> streams;  // of those tries
  bool isSwitched = false;             // 101 was written
  FrameTalk* clientTalk = nullptr;
  FrameTalk* endpointTalk = nullptr;
};

struct Answer {
  u32 id = 0;
  u32 ask = 0;
  u16 status = 200;
  std::string content;   // as the client is to see it
  bool isWhole = false;  // every byte of it was written, and its end
};

// What is the same for all peers of a world.
struct HttpBook {
  std::deque<Ask> asks;  // id - 1 is the position
  std::deque<Answer> answers;
  // What endpoints know of copies: what they do with one is not done with its request.
  std::deque<Ask> copies;
  bool isCalm = false;
  // Drawn from the seed.
  bool isGentle = false;   // endpoints do everything right
  bool hasSilent = false;  // peers may stand still
  bool hasSockets = false;
  bool hasPings = false;
  bool hasShortKeepAlive = false;
  u32 bodyMax = 0;  // of the second way; 0: none
  u32 retries = 0;
  bool isRetriedUnsafe = false;
  bool isHedged = false;  // the first way has little time for a try
  u32 frameMax = 0;
  u32 proxyProtocol[2] = {0, 0};  // towards the endpoints of each cluster
  bool isValidated = false;
  bool hasCompression = false;
  bool hasSlowFilters = false;  // they outlast deadlines
  bool hasFilters = false;      // of messages: what a close cuts off never arrives

  [[nodiscard]] Ask* findAsk(u32 id) { return id - 1 < asks.size() ? &asks[id - 1] : nullptr; }
  [[nodiscard]] Answer* findAnswer(u32 id) {
    return id - 1 < answers.size() ? &answers[id - 1] : nullptr;
  }
};

inline constexpr std::string_view kFixedText = "what the route says";

// `length` bytes that belong to the message with that number.
[[nodiscard]] std::string contentOf(u32 id, size_t length);
// The content with chunks around it, cut at random, with trailers now and then; `isBroken`: with an
// error where the last chunk should be.
[[nodiscard]] std::string chunked(std::string_view content, Random& random, bool isBroken);
// Draws a request of `client` and writes it into the book.
[[nodiscard]] Ask& drawAsk(HttpBook& book, Random& random, u32 client);
// The number in a field, or 0.
[[nodiscard]] u32 numberOf(const http1::Head& head, std::string_view name);
[[nodiscard]] std::string_view valueOf(const http1::Head& head, std::string_view name);
[[nodiscard]] inline std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace holdfast::sim
