// What a shard is made with, and the limits of its work.
//
// Values only; shard.h is the reactor. Invariant: what a turn may spend, hold or wait for has its
// name here or beside the record it is about.
#pragma once

#include "proxy/tunnel.h"
#include "runtime/base.h"
#include "tls/record_layer.h"
#include "tls/tls_library.h"

#include "compression/compressor_library.h"

namespace holdfast::proxy {

inline constexpr u32 kTickMs = 10;
// One read takes at most this much; sized to stay in the second-level cache.
inline constexpr u32 kScratchBytes = 128 * 1024;
// How long bytes under way may delay the reset that follows them.
inline constexpr u32 kFlushMs = 2000;
// How often a flushing tunnel asks whether the kernel has delivered everything.
inline constexpr u32 kFlushPollMs = 10;
// How long a tunnel that we ended waits for the peers' FIN before it is closed for good.
inline constexpr u32 kLingerMs = 5000;
// Upstream keepalive options are set when a tunnel has lived this long: short ones never pay for
// them.
inline constexpr u32 kOptionsDueMs = 5000;
// Slots looked at per turn when a drain is spread over the tunnels.
inline constexpr u32 kDrainSlotsMax = 4096;
// How long a connection waits for filters, which have a shorter deadline of their own.
inline constexpr u32 kFilteringMs = 600'000;
// What an access record says of the policy that refused a request.
inline constexpr size_t kDeniedTextMax = 200;
// A PROXY header may be this long, TLVs included.
inline constexpr u32 kProxyHeaderMax = 4096 + 16;
// Room for what the scratch holds, sealed.
inline constexpr u32 kSealScratchBytes =
    static_cast<u32>(tls::RecordLayer::sealedBytesMax(kScratchBytes));
// Handshakes of clients under way in a shard: each holds some 15 to 30 KiB of the library's memory.
// Those that come meanwhile wait in the kernel, as long as their deadline lets them.
inline constexpr u32 kHandshakesMax = 1024;
// What one conn may append beyond the memory cap, in whole chunks: a record that has begun, one
// that was opened or sealed with an alert behind it, a PROXY header.
inline constexpr u64 kBeyondCapBytes = 16 * kChunkBytes;
static_assert(kBeyondCapBytes >=
              2 * (tls::kRecordWireBytesMax + 2 * kChunkBytes) + kProxyHeaderMax + kChunkBytes);
inline constexpr u64 kBeyondCapBytesMax = u64{64} << 30;  // address space only

struct ShardOptions {
  u32 index = 0;
  u32 connectionsMax = 0;
  u64 pendingBytesMax = 0;
  u64 seed = 0;
  const tls::TlsLibrary* tls = nullptr;  // null: TLS listeners are refused; outlives the shard
  u32 handshakeThreads = 0;              // 0: handshakes are done on the shard's thread
  // Null: responses are passed on as they come; outlives the shard.
  const compression::CompressorLibrary* compressors = nullptr;
};

}  // namespace holdfast::proxy
