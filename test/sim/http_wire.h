// HttpWire: what a peer of a world with HTTP speaks over: bytes as they are, or TLS.
//
// Peers write and read plain bytes; with TLS they shake hands first, and what they say goes out in
// records of any size, with new keys and empty ones between. Invariant: a polite peer that meets
// anything wrong in the gateway's TLS ends the run. Does not know HTTP.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sim/toy_tls.h"
#include "sim/world.h"

namespace holdfast::sim {

class HttpWire {
 public:
  HttpWire(World& at, Stream* itsStream, u32 number) : stream(itsStream), at_(at), id_(number) {}
  HttpWire(const HttpWire&) = delete;
  HttpWire& operator=(const HttpWire&) = delete;

  // From its first byte on, but for a PROXY header, it is TLS.
  void secure(u8 role);
  [[nodiscard]] bool isSecure() const { return toy_ != nullptr; }
  // Bytes may be written.
  [[nodiscard]] bool isOpen() const { return toy_ == nullptr || toy_->isDone(); }
  // Goes on with the handshake; false when there is nothing to do now. What came behind it is put
  // behind `to`.
  bool shake(std::string* to);
  void write(std::string_view plain);
  // Takes bytes of the stream and puts what they say behind `to`.
  void take(std::string_view bytes, std::string* to);
  // A clean end behind the last byte.
  void finish();
  // FIN, and with TLS no word of it before.
  void cutOff();
  // Breaks a rule of TLS, and FIN.
  void breakRule();

  // The gateway ended it in the handshake.
  void giveUp() {
    isRefused_ = toyLibrary->refused != 0;
    stream->isFarFinSent = true;
  }

  // The gateway ended its direction, and said so where that must be said.
  [[nodiscard]] bool hasEnded() const {
    return stream->isFarEof && (toy_ == nullptr || hasSeenClose_);
  }
  // The gateway ended it in a way that may hide bytes.
  [[nodiscard]] bool isCut() const {
    return stream->isFarReset || (stream->isFarEof && !hasEnded());
  }
  // Its own end said nothing, or something wrong.
  [[nodiscard]] bool isRough() const { return isRough_; }
  // The gateway's engine refused it.
  [[nodiscard]] bool isRefused() const { return isRefused_; }

  Stream* const stream;

 private:
  void stepHandshake(std::string* to);
  void sendExtra();
  void open(std::string* to);
  void put(std::string_view bytes) { stream->inbound.append(bytes); }

  World& at_;
  u32 id_;
  std::unique_ptr<ToyTls> toy_;
  std::string received_;  // not opened yet
  bool isStarted_ = false;
  bool hasNews_ = false;
  bool hasSeenClose_ = false;
  bool isRough_ = false;
  bool isRefused_ = false;
  u32 extras_ = 0;
};

}  // namespace holdfast::sim
