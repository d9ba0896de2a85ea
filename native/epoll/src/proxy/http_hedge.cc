// Hedging: a try that is slow goes on while another one is made, and the first answer counts.
//
// Only where the route asks for it (`retry.on: [hedge]`), for requests that may be repeated, and
// one at a time. The slow try keeps its connection, which still belongs to the tunnel, in
// Exchange::hedged; the tunnel's upstream is that of the new try.
// Invariant: an exchange lets go of its hedged connection before it is answered from the other, and
// at its end; the endpoint's count is given back with it.
#include "proxy/shard.h"

namespace holdfast::proxy {

// The present try took longer than perTry: leaves it as it is and makes another one. False when the
// route does not ask for that, or it cannot be.
bool Shard::startHedge(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  constexpr u32 kNeeded = kExReplayable | kExSent;
  const bool isWaiting = record.state == TunnelState::kHttp && record.upstream != kNoIndex &&
                         (exchange.flags & kNeeded) == kNeeded && exchange.kept.isEmpty();
  if ((exchange.retryOn & kRetryHedge) == 0 || !isWaiting || exchange.hedged != kNoIndex) {
    return false;
  }
  if (!takeRetry(tunnel)) return false;
  exchange.hedged = record.upstream;
  exchange.hedgedEndpoint = record.endpoint;
  record.upstream = kNoIndex;
  record.flags = static_cast<u8>(record.flags & ~kTunnelEndpointHeld);
  dispatch(tunnel);
  return true;
}

// A task of the connection that was left behind: its first bytes are the answer.
void Shard::serveHedged(u32 conn) {
  const Conn& record = conns_[conn];
  const u32 tunnel = record.tunnel;
  if ((record.flags & kConnOpen) == 0 || exchangeOf(tunnel).hedged != conn) return;
  // Its request may wait for room still.
  const bool isFlushDue = (record.flags & kConnWritable) != 0 && !record.pending.isEmpty();
  if (isFlushDue && flushPending(conn) != 0) return dropHedged(tunnel);
  if ((record.flags & (kConnReadable | kConnReadHup | kConnError)) == 0) return;
  // Filters look at the endpoint of the other try: then this one is looked at again.
  if ((exchangeOf(tunnel).flags & kExParked) != 0) return;
  if (sys::bytesReadable(record.fd) > 0) {
    dropUpstream(tunnel, false, How::kReset);
    return promoteHedged(tunnel);
  }
  if ((record.flags & (kConnReadHup | kConnError)) != 0) dropHedged(tunnel);
}

// The connection that was left behind becomes that of the exchange; it has no other.
void Shard::promoteHedged(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  record.upstream = exchange.hedged;
  record.endpoint = exchange.hedgedEndpoint;
  record.flags |= kTunnelEndpointHeld;
  exchange.hedged = kNoIndex;
  exchange.tryTick = 0;
  exchange.flags = (exchange.flags & ~u32{kExReused}) | kExSent;
  record.state = TunnelState::kHttp;
  wheel_.disarm(tunnel);
  armHttp(tunnel);
  queue(record.upstream);
}

// The other try answered, or the request is over.
void Shard::dropHedged(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  const u32 conn = exchange.hedged;
  if (conn == kNoIndex) return;
  exchange.hedged = kNoIndex;
  board_.endpointActive(exchange.hedgedEndpoint).fetch_sub(1, std::memory_order_relaxed);
  conns_[conn].tunnel = pooledTunnel_;
  closeConn(conn, How::kReset);
  releaseUpstream(conn);
}

}  // namespace holdfast::proxy
