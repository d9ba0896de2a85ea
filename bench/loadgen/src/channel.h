// How the bytes of one connection travel when they do not travel as they are: the seam for TLS.
//
// A fleet without channels reads and writes its sockets itself; with channels every byte goes
// through one, and the connection is usable once its handshake is done. The program `loadgen` has
// none (channel_plain.cc), `loadgen-tls` has those of channel_tls.cc.
// Invariant: a channel never closes its descriptor, and never waits.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>

#include "flags.h"
#include "json.h"
#include "types.h"

namespace holdfast::loadgen {

class Channel {
 public:
  enum class Step : u8 { kDone, kAgain, kFailed };

  virtual ~Channel() = default;
  // Says that the socket may have bytes again; `isEnding` when the edge said that no more follow.
  virtual void readable(bool isEnding) = 0;
  // Goes on with the handshake; kFailed leaves errno.
  virtual Step shakeHands() = 0;
  // As send(2), but what was taken is kept whole until the socket takes it: -1 with EAGAIN means
  // that nothing was taken.
  virtual ssize_t send(std::span<const char> bytes) = 0;
  // Writes what was kept; false with errno when something is left.
  virtual bool flush() = 0;
  // As recv(2); 0 is the end of the stream, with or without its proper sign.
  virtual ssize_t receive(std::span<char> room) = 0;
  // Tells the peer that nothing more comes, as far as the socket takes it.
  virtual void sayGoodbye() = 0;
};

// Makes the channels of a process and counts what became of them.
class Channels {
 public:
  virtual ~Channels() = default;
  // For a connected descriptor.
  virtual std::unique_ptr<Channel> open(int fd) = 0;
  // Counts anew: what came before a measured window is not part of it.
  virtual void beginWindow() = 0;
  // The first flight of a client, as it goes over the wire.
  virtual std::string recordHello() = 0;
  // What went wrong first, or nothing.
  virtual std::string failure() const = 0;
  // Adds `tls` (what was negotiated, and counts) and `handshake` (a histogram) to a result.
  virtual void report(JsonObject& result) const = 0;
};

// By --tls; nothing when it is not given, and the end of the process where the build has none.
std::unique_ptr<Channels> createChannels(Flags& flags);

}  // namespace holdfast::loadgen
