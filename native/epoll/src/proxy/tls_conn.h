// TlsConn: what a conn with TLS is beside its Conn record, as plain data.
//
// It lies in a pool of its own, on pages that core dumps leave out; a conn without TLS has none.
// The handshake object exists only while it negotiates (or where the configuration keeps it), so
// that these bytes and the Conn are all of a detached connection.
// Invariant: a conn has kConnTls exactly while it has a TlsConn.
#pragma once

#include "proxy/tunnel.h"
#include "tls/engine_abi.h"
#include "tls/record_keys.h"

namespace holdfast::proxy {

// clang-format off
//   kNew --first bytes--> kHandshake --done--> kDetached
//                             |                   ^
//                             +---done--> kEngine-+-- when its tickets came
// clang-format on
enum class TlsPhase : u8 { kNew, kHandshake, kEngine, kDetached };

enum TlsConnFlag : u16 {
  kTlsResumed = 1u << 0,
  kTlsHasPeer = 1u << 1,    // the peer showed a certificate
  kTlsVerified = 1u << 2,   // and it holds
  kTlsDetachDue = 1u << 3,  // leaves its engine as soon as that can be
  kTlsCloseSent = 1u << 4,  // close_notify by the engine
  kTlsBegun = 1u << 5,      // a step of its handshake was made
  kTlsFailed = 1u << 6,     // never a clean end: no close_notify
  kTlsAway = 1u << 7,       // a step is with the handshake pool: nothing is read meanwhile
  kTlsTicketDue = 1u << 8,  // to an endpoint: stays on its engine until a ticket came
  kTlsEndDue = 1u << 9,     // close_notify was read; what filters hold goes first
  kTlsAbortDue = 1u << 10,  // the same for a broken rule
};

struct TlsConn {
  u32 generation = 0;
  u32 link = kNoIndex;
  HfTlsHandshake* object = nullptr;  // kHandshake and kEngine
  u32 facts = kNoIndex;              // what was agreed, in the shard's table
  u32 record = kNoIndex;             // kDetached: slot of its class
  u16 needed = 0;                    // `received` is worth opening from this many bytes on
  TlsPhase phase = TlsPhase::kNew;
  u16 flags = 0;
  u8 engine = 0;        // in the shard's table; kHandshake in the pool: the thread
  u8 recordClass = 0;   // of kRecordSlotBytes
  ChunkChain received;  // of a record that is not whole
  ChunkChain header;    // the PROXY header that came before, until an endpoint was found
};
static_assert(sizeof(TlsConn) == 56);

// Keys take as much as their suite needs: TLS 1.2 with AES-128, TLS 1.3 with AES-128 and all others
// of TLS 1.2, the rest.
inline constexpr u32 kRecordClasses = 3;
inline constexpr u32 kRecordSlotBytes[kRecordClasses] = {80, 152, sizeof(tls::RecordState)};

// The budget of an idle pair with TLS on one side, all user memory: records, keys, the slot's
// index.
inline constexpr size_t kIdleTlsPairBytesMax = 512;
static_assert(2 * sizeof(Conn) + sizeof(Tunnel) + sizeof(TlsConn) + sizeof(tls::RecordState) +
                  sizeof(u32) <=
              kIdleTlsPairBytesMax);

}  // namespace holdfast::proxy
