// Peers: the clients and endpoints at the far ends, each with a plan, and what they may expect.
//
// Every peer sends a stream that names its sender in its first bytes and is a function of sender
// and offset after that, so a receiver can check each byte and learn whom it is joined with.
// Invariant: a peer never checks against the gateway's state, only against what the other peer did.
#pragma once

#include "sim/toy_tls.h"
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

// How a peer with TLS shakes hands.
enum class HandshakePlan : u8 {
  kPolite,
  kSilent,   // not a byte
  kGarbage,  // something else than TLS
  kCut,      // FIN in the middle of its first flight
};

// What a peer with TLS says before its FIN.
enum class LastWord : u8 {
  kCloseNotify,
  kNothing,    // a truncation, perhaps inside of a record
  kAlert,      // a fatal one
  kViolation,  // bytes that no key has sealed
};

// What a peer with TLS is beside a plain one.
struct TlsEnd {
  TlsEnd(Random& random, const tls::AeadTable& aead, u8 role, u32 tickets)
      : toy(random, aead, role, tickets) {}

  ToyTls toy;
  HandshakePlan plan = HandshakePlan::kPolite;
  LastWord lastWord = LastWord::kCloseNotify;
  std::string received;  // not opened yet
  bool hasNews = false;
  bool isStarted = false;
  bool isOff = false;  // it will never speak TLS: its PROXY header is cut, or it was refused
  bool hasSeenClose = false;
  u32 extras = 0;   // records that carry nothing
  u64 closeAt = 0;  // wire bytes up to the end of its close_notify; 0: it said none
  std::vector<std::pair<u64, u64>> marks;  // wire bytes, and the plain bytes that they carry
};

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
  [[nodiscard]] bool isReliable() const {
    return !hasReset() && !isRough() && reading == Reading::kPrompt;
  }
  // True when it breaks rules of TLS or ends without a word.
  [[nodiscard]] bool isRough() const {
    return tls != nullptr &&
           (tls->plan != HandshakePlan::kPolite || tls->lastWord != LastWord::kCloseNotify);
  }
  // Its own clean end is with the gateway's kernel.
  [[nodiscard]] bool isEndDelivered() const;
  // It was told that the other side ended cleanly.
  [[nodiscard]] bool hasSeenEnd() const;
  // Bytes of its stream that are with the gateway's kernel, so that they can be forwarded.
  [[nodiscard]] u64 delivered() const;

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
  std::unique_ptr<TlsEnd> tls;

 private:
  void put(std::string_view bytes);
  void sendHeader();
  bool write();
  bool end();
  void finish();
  void check(std::string_view bytes);
  size_t takeHeader(std::string_view bytes);

  // peers_tls.cc
  bool shakeHands();
  void stepHandshake();
  void sendSealed(std::string_view bytes);
  void sendExtra();
  void sayLastWord();
  void openAll();

  // True when whoever is joined with this peer has read all it wrote.
  [[nodiscard]] bool isTaken() const;

  World& at_;
  const std::vector<std::unique_ptr<Peer>>& all_;
  u64 wireBytes_ = 0;  // ever given to the network
  bool isHeaderSent_ = false;
  std::string early_;  // PROXY header bytes so far, or the first bytes of the partner's stream
  bool isHeaderTaken_ = false;
};

// Byte `offset` of the stream of peer `id`.
[[nodiscard]] char streamByte(u32 id, u64 offset);
// Bytes at the start of a stream that name its sender.
inline constexpr u64 kNameBytes = 4;

}  // namespace holdfast::sim
