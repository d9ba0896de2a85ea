// RecordLayer: TLS records of detached connections, sealed and opened without an SSL object.
//
// On the path between a socket and a tunnel: what recv() gave goes through open() into a second
// scratch buffer and on to the peer; what the peer sent goes through seal() and out with send().
// One per shard; the state of a connection is its RecordState and nothing else. Covers RFC 8446 5
// and 4.6.3, and RFC 5246 6.2.3.3 with 7.2. Invariant: bytes come out of open() only if their tag
// was right, in order, each once. After a violation, a fatal alert or close_notify nothing more
// comes out. Nothing is allocated. Does not read or write sockets, keep clocks or decide what
// happens to the connection.
#pragma once

#include "tls/aead.h"

namespace holdfast::tls {

// Alert numbers of RFC 8446 6 and RFC 5246 7.2; what a peer sends may be any number.
enum class Alert : u8 {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kHandshakeFailure = 40,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kProtocolVersion = 70,
  kInternalError = 80,
  kUserCanceled = 90,
  kNoRenegotiation = 100,
  kNone = 255,
};
// A name for logs and counters, or "alert" for a number without one.
[[nodiscard]] const char* alertName(Alert alert);

inline constexpr size_t kRecordHeaderBytes = 5;
inline constexpr size_t kRecordContentMax = 16384;
// Content, type byte, padding and tag of TLS 1.3 (RFC 8446 5.2).
inline constexpr size_t kRecordBytesMax13 = kRecordContentMax + 256;
// As OpenSSL takes them; what the tag leaves must still fit kRecordContentMax.
inline constexpr size_t kRecordBytesMax12 = kRecordContentMax + 2048;
// No record is longer: a buffer of this size can always make progress.
inline constexpr size_t kRecordWireBytesMax = kRecordHeaderBytes + kRecordBytesMax12;

// Record sizes: after an idle time, records that fit one packet each, so that the peer can use the
// first one at once; then as large as they get.
inline constexpr size_t kRecordSmallBytes = 1369;
inline constexpr u32 kRecordSmallCount = 64 * 1024 / kRecordSmallBytes + 1;
inline constexpr u32 kRecordIdleMs = 1000;
// Records that cost work and bring no bytes (KeyUpdate, empty, tickets, warnings), in one second.
inline constexpr u32 kRecordFloodMax = 100;
// A key update, an alert or a refusal, sealed: room that seal() wants beside its records.
inline constexpr size_t kControlBytesMax = kRecordHeaderBytes + 8 + 5 + 1 + kTagBytes;

enum class OpenEvent : u8 {
  kNeedMore,     // all whole records are opened; `needed` bytes from the start of the rest go on
  kOutputFull,   // the next record does not fit what is left of the output
  kCloseNotify,  // the peer will send no more; what followed was dropped. Ours may go on
  kAlert,        // the peer ended the connection with `alert`: an abnormal end
  kViolation,    // seal `alert` and close: an abnormal end
};

// What open() did. The produced bytes are good whatever the event is.
struct Opened {
  OpenEvent event = OpenEvent::kNeedMore;
  Alert alert = Alert::kNone;
  bool isReplyDue = false;  // sealDue() has something; the next seal() would send it as well
  u32 records = 0;
  size_t consumed = 0;  // of the input
  size_t produced = 0;  // in the output, contiguous from its start
  size_t needed = 0;    // with kNeedMore: the fewest bytes behind `consumed` that make a difference
};

enum class SealEvent : u8 {
  kDone,
  kNoRoom,     // the output is full: send it and come again with the rest
  kExhausted,  // TLS 1.2: the key has done what it may: seal close_notify and close
  kFailed,     // the cipher library failed: close
};

struct Sealed {
  SealEvent event = SealEvent::kDone;
  size_t consumed = 0;
  size_t produced = 0;
};

enum class UpdateRequest : u8 { kNotRequested = 0, kRequested = 1 };

class RecordLayer {
 public:
  // Keys of `aead` are the shard's; it outlives the layer.
  explicit RecordLayer(const AeadTable& aead) : aead_(aead) {}
  RecordLayer(const RecordLayer&) = delete;
  RecordLayer& operator=(const RecordLayer&) = delete;

  // Fills `state`, of at least recordStateBytes() bytes. False when the suite is not in the table
  // or the library failed; the state is wiped then. The caller wipes the keys.
  [[nodiscard]] bool attach(const RecordKeys& keys, RecordState* state);
  // Bytes that a state for this suite takes; 0 when the suite is not in the table.
  [[nodiscard]] static size_t stateBytes(const RecordKeys& keys);
  // Wipes the state and what is keyed with it. A connection that ends, ends here.
  void end(RecordState* state);
  // The state moves to another place (another process): the cache lets go of the old one.
  void release(RecordState* state);

  // Opens the whole records of `input`, one after the other. `output` as large as the input is
  // always enough; it may be the input itself, otherwise they do not overlap. O(input).
  [[nodiscard]] Opened open(RecordState* state, std::span<u8> input, std::span<u8> output,
                            u64 nowMs);

  // Seals `plain` into as many records as the policy says, after what is due. sealedBytesMax() of
  // room is always enough. The spans do not overlap. O(plain).
  [[nodiscard]] Sealed seal(RecordState* state, std::span<const u8> plain, std::span<u8> output,
                            u64 nowMs);
  // Only what is due: the answer to a KeyUpdate, the refusal of a renegotiation.
  [[nodiscard]] Sealed sealDue(RecordState* state, std::span<u8> output);
  // close_notify is a warning and ends our direction; every other alert is fatal and ends both.
  [[nodiscard]] Sealed sealAlert(RecordState* state, Alert alert, std::span<u8> output);
  // Our own KeyUpdate now (TLS 1.3; nothing in TLS 1.2). Asking for the peer's is done once a key.
  [[nodiscard]] Sealed updateKeys(RecordState* state, UpdateRequest request, std::span<u8> output);

  // Room that seal() needs at most for so many bytes.
  [[nodiscard]] static constexpr size_t sealedBytesMax(size_t plainBytes) {
    constexpr size_t kOverhead = kRecordHeaderBytes + 8 + 1 + kTagBytes;
    // Twice: the bytes may cross the end of the small records.
    const size_t records = plainBytes / 512 + 2;
    return plainBytes + records * kOverhead + 3 * kControlBytesMax;
  }

 private:
  struct Record {
    u8 type = 0;
    std::span<u8> bytes;  // behind the header
    u8* header = nullptr;
  };

  bool openOne(RecordState* state, const Record& record, std::span<u8> output, Opened* opened,
               u64 nowMs);
  [[nodiscard]] bool unseal(RecordState* state, const Record& record, u8* output, size_t* length,
                            u8* type);
  bool takeAlert(RecordState* state, std::span<const u8> content, Opened* opened, u64 nowMs);
  bool takeHandshake(RecordState* state, std::span<const u8> content, Opened* opened, u64 nowMs);
  bool takeMessageStart(RecordState* state, u32 type, u32 length, Opened* opened);
  bool takeKeyUpdate(RecordState* state, u8 request, bool isLast, Opened* opened);
  static bool fail(RecordState* state, Alert alert, Opened* opened);
  static bool isFlood(RecordState* state, u64 nowMs);

  [[nodiscard]] bool sealRecord(RecordState* state, u8 type, std::span<const u8> content,
                                std::span<u8> output, size_t* produced);
  [[nodiscard]] SealEvent sealOwed(RecordState* state, std::span<u8> output, size_t* produced);
  [[nodiscard]] SealEvent sealKeyUpdate(RecordState* state, UpdateRequest request,
                                        std::span<u8> output, size_t* produced);

  const AeadTable& aead_;
};

}  // namespace holdfast::tls
