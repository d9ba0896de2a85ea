// Peers: the clients and endpoints at the far ends, each with a plan, and what they may expect.
//
// Every peer sends a stream that names its sender in its first bytes and is a function of sender
// and offset after that, so a receiver can check each byte and learn whom it is joined with.
// Invariant: a peer never checks against the gateway's state, only against what the other peer did.
#pragma once

#include "sim/world.h"

namespace holdfast::sim {

// How a peer ends its own direction.
enum class Ending : u8 {
  kFin,           // FIN behind its last byte
  kFinAfterEof,   // FIN when the other side has ended
  kFinWhenTaken,  // FIN when the other side has read everything, as a request that waits for its
                  // answer
  kReset,         // RST at some byte
  kNever,         // stays silent: the gateway's timeouts end it
};

enum class Reading : u8 {
  kPrompt,
  kSlow,   // little at a time
  kStops,  // nothing after some bytes
};

// How a client begins when its listener expects a PROXY header.
enum class HeaderPlan : u8 { kNone, kV1, kV2, kUnknown, kGarbage, kCut, kStall };

class Peer {
 public:
  enum class Role : u8 { kClient, kEndpoint };

  // `all` holds every peer of the world, to see what the other side has read.
  Peer(World& at, Role itsRole, Stream* itsStream, const std::vector<std::unique_ptr<Peer>>& all);

  // Does one thing of its plan; false when there is nothing to do now.
  bool act();
  // Reads and checks whatever has arrived; false when there was nothing.
  bool read();
  // From here on reads promptly, sends no more, and ends with FIN: at once, or when the other side
  // has ended. Clients wait for endpoints or the other way round, never both.
  void calmDown(Role waiting);
  // Nothing will happen any more unless the gateway does something.
  [[nodiscard]] bool isOver() const;

  [[nodiscard]] bool hasSentFin() const { return stream->isFarFinSent; }
  [[nodiscard]] bool hasReset() const { return stream->isFarResetSent; }
  // True when it took everything it could get, to the end.
  [[nodiscard]] bool isReliable() const { return !hasReset() && reading == Reading::kPrompt; }

  Role role;
  u32 id;
  Stream* stream;
  Ending ending = Ending::kFin;
  Reading reading = Reading::kPrompt;
  HeaderPlan headerPlan = HeaderPlan::kNone;
  bool isHeaderExpected = false;  // endpoint: the gateway says who the client is
  Address claimed;                // client: as its PROXY header says; endpoint: as it was told
  u64 planned = 0;                // bytes of its stream
  u64 written = 0;
  u64 received = 0;
  u64 headerBytes = 0;     // client: bytes of its PROXY header
  u64 stopsAt = 0;         // kStops: bytes it reads
  u32 partner = kNoIndex;  // id of the sender of what it receives
  bool wasCut = false;     // the network ended it

 private:
  void sendHeader();
  bool write();
  bool end();
  void check(std::string_view bytes);
  size_t takeHeader(std::string_view bytes);

  // True when whoever is joined with this peer has read all it wrote.
  [[nodiscard]] bool isTaken() const;

  World& at_;
  const std::vector<std::unique_ptr<Peer>>& all_;
  bool isHeaderSent_ = false;
  std::string early_;  // PROXY header bytes so far, or the first bytes of the partner's stream
  bool isHeaderTaken_ = false;
};

// Byte `offset` of the stream of peer `id`.
[[nodiscard]] char streamByte(u32 id, u64 offset);
// Bytes at the start of a stream that name its sender.
inline constexpr u64 kNameBytes = 4;

}  // namespace holdfast::sim
