// What a message looks like on the wire: the one seam where a protocol is added to the load
// generator.
//
// A payload turns a Stamp into bytes and bytes into Stamps. TcpPayload is the plain one; those of
// HTTP/1.1 and WebSocket are in payload_web.cc. They implement the same calls and are chosen by
// name in `createPayload`.
// Invariant: a payload keeps no state of a connection except what `Decoder` carries; it never
// touches a descriptor. Payloads are shared by all connections of a fleet.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "types.h"

namespace holdfast::loadgen {

// What the origin does with a connection is said by the kind of its first message.
enum class Kind : u8 {
  kEcho = 0,
  kSubscribe = 1,
  kPublish = 2,
  kUpload = 3,
  kDownload = 4,
  kAck = 5
};

// Carried inside every message, so that latency needs no table of what is under way.
struct Stamp {
  Kind kind = Kind::kEcho;
  u64 intendedNs = 0;  // when the schedule wanted it sent; the byte count in kUpload and kDownload
  u64 sentNs = 0;      // when it was handed to the kernel
};

struct Decoded {
  // kSkip: `consumed` bytes that carry no message, such as a control frame.
  enum class State : u8 { kMessage, kSkip, kNeedMore, kCorrupt };
  State state = State::kNeedMore;
  std::size_t consumed = 0;
  Stamp stamp;
};

inline constexpr const char* kHost = "bench.test";

class Payload {
 public:
  virtual ~Payload() = default;
  // Bytes of every encoded message.
  virtual std::size_t messageBytes() const = 0;
  // Writes one message of exactly messageBytes() to `out`.
  virtual void encode(const Stamp& stamp, std::span<char> out) const = 0;
  // Looks at the front of `in`, which holds whatever has arrived.
  virtual Decoded decode(std::span<const char> in) const = 0;
  // True when a message waits for the answer to the one before it: clients of HTTP do not pipeline.
  virtual bool isSerial() const { return false; }
  // What the connection sends first, and whether the answer to it is complete: an upgrade, a
  // preface.
  virtual std::span<const char> greeting() const { return {}; }
  virtual Decoded decodeGreeting(std::span<const char>) const {
    return Decoded{Decoded::State::kMessage, 0, {}};
  }
};

// A 24-byte header (mark, kind, size, two times) and filler that depends on the stamp.
class TcpPayload : public Payload {
 public:
  static constexpr std::size_t kHeaderBytes = 24;
  static constexpr std::size_t kMessageBytesMax = 16 * 1024 * 1024;

  explicit TcpPayload(std::size_t messageBytes);
  std::size_t messageBytes() const override { return bytes_; }
  void encode(const Stamp& stamp, std::span<char> out) const override;
  Decoded decode(std::span<const char> in) const override;

 private:
  std::size_t bytes_;
};

// `name` is what --payload says, `host` the value of Host where there is one; an unknown one ends
// the process with a sentence that lists the known.
std::unique_ptr<Payload> createPayload(const std::string& name, u64 messageBytes,
                                       const std::string& host = kHost);

}  // namespace holdfast::loadgen
