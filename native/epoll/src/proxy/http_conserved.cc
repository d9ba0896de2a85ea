// What must be true of the records of HTTP between two turns; debug builds and simulations ask.
//
// Each record is counted from where it is owned: HttpConns and exchanges from tunnels, connections
// to endpoints from tunnels and from the lists of unused ones, trackers from WebSockets.
// Invariant: what is taken from a pool is found exactly once.
#include "proxy/shard.h"

namespace holdfast::proxy {

// O(records).
void Shard::assertHttpConserved() {
  u32 https = 0;
  u32 exchanges = 0;
  u32 upstreams = 0;
  u32 sockets = 0;
  u32 settings = 0;
  u32 conns = 0;
  u32 coded = 0;
  u32 compressors = 0;
  u32 codingUses = 0;
  u32 mirrors = 0;
  u32 plans = 0;
  for (u32 i = 0; i < tunnels_.touched(); i++) {
    const Tunnel& tunnel = tunnels_[i];
    if (tunnel.state == TunnelState::kClosed || i == pooledTunnel_) continue;
    HF_ASSERT(conns_[tunnel.downstream].tunnel == i);
    conns += 1;
    if (tunnel.upstream != kNoIndex) {
      HF_ASSERT(conns_[tunnel.upstream].tunnel == i);
      conns += 1;
    }
    if (hasFrames(tunnel)) {
      sockets++;
      settings++;
      HF_ASSERT(!isHttp(i));
    }
    if (!isHttp(i)) continue;
    https++;
    if (tunnel.upstream != kNoIndex && httpAt_[tunnel.upstream] != 0) upstreams++;
    if (httpOf(i).exchange == kNoIndex) {
      HF_ASSERT(tunnel.upstream == kNoIndex && tunnel.state == TunnelState::kHttp);
      HF_ASSERT((tunnel.flags & kTunnelEndpointHeld) == 0);
      continue;
    }
    const Exchange& exchange = exchangeOf(i);
    HF_ASSERT(exchange.tunnel == i);
    exchanges++;
    if (exchange.mirror != kNoIndex) plans++;
    if (isMirror(i)) mirrors++;
    if (exchange.settings != kNoIndex) settings++;
    if (exchange.coded != kNoIndex) {
      const CodedResponse& each = codedPool_[exchange.coded];
      coded++;
      if (each.compressor != kNoIndex) compressors++;
      for (const CodedResponse::Use& use : each.uses) codingUses += use.settings != kNoIndex;
      HF_ASSERT(((exchange.flags & kExCoded) != 0) == (each.compressor != kNoIndex));
    }
    if (exchange.hedged == kNoIndex) continue;
    HF_ASSERT(conns_[exchange.hedged].tunnel == i && exchange.hedged != tunnel.upstream);
    upstreams++;
    conns++;
  }
  u32 unused = 0;
  for (u32 i = 0; i < httpUpstreams_.touched(); i++) {
    const HttpUpstream& upstream = httpUpstreams_[i];
    if (upstream.isUnused == 0) continue;
    const Conn& conn = conns_[upstream.conn];
    HF_ASSERT(conn.tunnel == pooledTunnel_ && (conn.flags & kConnOpen) != 0);
    HF_ASSERT(conn.pending.isEmpty() && (conn.flags & kConnPaused) == 0);
    unused++;
  }
  HF_ASSERT(https == httpConns_.inUse());
  HF_ASSERT(exchanges == exchangePool_.inUse());
  HF_ASSERT(unused == unused_);
  HF_ASSERT(plans == mirrorPlans_.inUse());
  for (u32 at = closedHead_; at != kNoIndex; at = tunnels_[at].link) {
    if (tunnels_[at].reason == CloseReason::kCount) mirrors++;
  }
  HF_ASSERT(mirrors == mirrors_);
  HF_ASSERT(upstreams + unused == httpUpstreams_.inUse());
  HF_ASSERT(sockets == framePool_.inUse());
  u32 refs = 0;
  for (const FramesSettings& held : framesSettings_) refs += held.refs;
  HF_ASSERT(settings == refs);
  HF_ASSERT(coded == codedPool_.inUse() && compressors == compressors_.inUse());
  for (const CodingSettings& held : codingSettings_) codingUses -= held.refs;
  HF_ASSERT(codingUses == 0);
  u32 paused = 0;
  u32 waiting = 0;
  for (u32 i = 0; i < conns_.touched(); i++) {
    const Conn& conn = conns_[i];
    if ((conn.flags & kConnPaused) != 0) paused++;
    if (conn.tunnel == kNoIndex) continue;
    // Closed, and its task not taken yet.
    const bool isQueued = (conn.flags & kConnQueued) != 0;
    const bool isOwned =
        tunnels_[conn.tunnel].state != TunnelState::kClosed &&
        (tunnels_[conn.tunnel].downstream == i || tunnels_[conn.tunnel].upstream == i);
    if (isQueued && !isOwned && (conn.flags & kConnOpen) == 0) waiting++;
  }
  HF_ASSERT(paused == paused_);
  HF_ASSERT(conns_.inUse() >= conns + unused);
  HF_ASSERT(conns_.inUse() <= conns + unused + waiting + 2 * closedTunnels());
}

// Closed, and not given back yet.
u32 Shard::closedTunnels() const {
  u32 closed = 0;
  for (u32 at = closedHead_; at != kNoIndex; at = tunnels_[at].link) closed++;
  return closed;
}

}  // namespace holdfast::proxy
