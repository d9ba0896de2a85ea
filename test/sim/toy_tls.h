// ToyTls: one end of a connection with a toy handshake and real records; the
// gateway's engine and the peers both speak it.
//
// Its first flight is a well-formed ClientHello, so that it can be passed
// through as well; the answer names suite and record limit, "finished" follows,
// and keys are both randoms mixed. Flights have random lengths in random
// records, and tickets may follow. Invariant: everything it draws comes from
// the random of the world; no secrecy at all. What an engine owes its shard (a
// config outlives its handshakes, everything is freed) is asserted.
#pragma once

#include <string>

#include "runtime/random.h"
#include "tls/record_layer.h"
#include "tls/tls_library.h"
#include "tls/toy_aead.h"

namespace holdfast::sim {

class ToyTls {
 public:
  ToyTls(Random& random, const tls::AeadTable& aead, u8 role, u32 tickets);
  ToyTls(const ToyTls&) = delete;
  ToyTls& operator=(const ToyTls&) = delete;

  // As HfTlsEngine::step.
  HfTlsStep step(HfTlsIo* io);
  // The next step fails, as when a certificate is refused.
  void refuse() { isRefusing_ = true; }
  [[nodiscard]] bool isDone() const { return phase_ == Phase::kDone; }
  [[nodiscard]] bool isOriginating() const { return role_ == HF_TLS_ORIGINATING; }
  [[nodiscard]] bool is13() const { return keys_.version == HF_TLS_VERSION_1_3; }
  [[nodiscard]] u8 alertSent() const { return alertSent_; }
  [[nodiscard]] u8 alertReceived() const { return alertReceived_; }

  // Once it is done: its records.
  [[nodiscard]] tls::RecordLayer& records() { return records_; }
  [[nodiscard]] tls::RecordState* state() { return &state_; }
  // One record of any type; `padding` zeros behind the type in TLS 1.3.
  [[nodiscard]] std::string sealTyped(u8 type, std::string_view content, size_t padding = 0);
  [[nodiscard]] std::string seal(std::string_view plain, u64 nowMs);
  [[nodiscard]] std::string sealClose();
  // The keys as they are now, or WANT_INPUT inside of a message.
  HfTlsStep detach(HfTlsRecordKeys* keys);
  void negotiated(HfTlsNegotiated* out) const;

 private:
  enum class Phase : u8 { kStart, kWaitHello, kWaitFinished, kDone, kFailed };

  // Takes whole records until its message is there; returns how many bytes.
  size_t takeInput(const u8* input, size_t length);
  void takeMessage();
  void putMessage(u8 type, std::string_view body);
  void fail(u8 alert);
  void done();
  [[nodiscard]] std::string makeHello();
  [[nodiscard]] std::string randomText(size_t length);
  [[nodiscard]] bool isAwaited(u8 type) const;

  Random& random_;
  tls::RecordLayer records_;
  const tls::AeadTable& aead_;
  tls::RecordState state_;
  HfTlsRecordKeys keys_{};
  u8 role_;
  u32 tickets_;
  Phase phase_ = Phase::kStart;
  bool isRefusing_ = false;
  u8 alertSent_ = 0xff;
  u8 alertReceived_ = 0xff;
  std::string message_;  // of the peer, so far
  std::string output_;
  std::string randoms_;  // the client's, then the other's
};

// What a world's gateway is given in place of OpenSSL.
struct ToyLibrary {
  tls::ToyAead gatewayAead;
  tls::ToyAead peersAead;
  u32 refusedPermille = 0;  // handshakes that the gateway's engine refuses
  u32 refused = 0;
  tls::TlsLibrary table;

  ToyLibrary();
  ToyLibrary(const ToyLibrary&) = delete;
  ToyLibrary& operator=(const ToyLibrary&) = delete;
};

// The library that the engine acts on.
extern ToyLibrary* toyLibrary;

}  // namespace holdfast::sim
