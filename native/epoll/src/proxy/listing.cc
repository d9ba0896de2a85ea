// Looking at live tunnels, a bounded number of records at a time, for `holdfast conns`.
//
// Runs on the shard's thread between turns. Invariant: reads records and changes none; the cursor
// is a slot, so a tunnel that lives throughout a walk is seen exactly once.
#include <algorithm>

#include "proxy/shard.h"

namespace holdfast::proxy {
namespace {

bool isMatch(const ConnectionFilter& filter, const ConnectionView& view) {
  if (filter.listener != kNoIndex && filter.listener != view.listener) return false;
  if (filter.cluster != kNoIndex && filter.cluster != view.cluster) return false;
  if (filter.endpoint != kNoIndex && filter.endpoint != view.endpoint) return false;
  if (view.ageMs < filter.olderThanMs || view.idleMs < filter.idleMoreThanMs) return false;
  return filter.client.family == 0 || isSameIp(filter.client, view.client);
}

}  // namespace

u32 Shard::list(u32 cursor, u32 slots, u32 limit, const ConnectionFilter& filter,
                std::vector<ConnectionView>* out) {
  enter(Activity::kList);
  const u32 touched = tunnels_.touched();
  const u32 tick = static_cast<u32>((sys::nowNs() - startNs_) / (kTickMs * 1'000'000ull)) + 1;
  const u32 end = slots < touched - std::min(cursor, touched) ? cursor + slots : touched;
  for (; cursor < end && out->size() < limit; cursor++) {
    const Tunnel& tunnel = tunnels_[cursor];
    if (tunnel.state >= TunnelState::kPooled || isMirror(cursor)) continue;
    const Conn& down = conns_[tunnel.downstream];
    const Conn none;
    const Conn& up = tunnel.upstream == kNoIndex ? none : conns_[tunnel.upstream];
    ConnectionView view;
    view.shard = options_.index;
    view.handle = tunnels_.handleOf(cursor);
    view.listener = tunnel.listener;
    view.cluster = tunnel.cluster;
    view.endpoint = tunnel.endpoint;
    view.client = tunnel.client;
    view.state = tunnel.state;
    view.ageMs = u64{tick - tunnel.openedTick} * kTickMs;
    view.idleMs = u64{tick - tunnel.lastActiveTick} * kTickMs;
    view.bytesFromClient = down.bytesIn;
    view.bytesFromEndpoint = up.bytesIn;
    const bool isTls = (down.flags & kConnTls) != 0 && tlsOf(tunnel.downstream).facts != kNoIndex;
    if (isTls) view.tls = facts_.view(tlsOf(tunnel.downstream).facts).version;
    view.pendingBytes = u64{down.pending.bytes} + up.pending.bytes;
    describeHttp(cursor, tick, &view);
    if (isMatch(filter, view)) out->push_back(view);
  }
  enter(Activity::kIdle);
  return cursor < touched ? cursor : kNoIndex;
}

// The route of the request under way, or what a WebSocket has done.
void Shard::describeHttp(u32 tunnel, u32 tick, ConnectionView* view) {
  const Tunnel& record = tunnels_[tunnel];
  if (isHttp(tunnel) && httpOf(tunnel).exchange != kNoIndex) {
    view->route = exchangeOf(tunnel).route;
  }
  if (!hasFrames(record)) return;
  view->route = settingsOf(record).route;
  view->messagesFromClient = trackerOf(record, Side::kDownstream).messages();
  view->messagesFromEndpoint = trackerOf(record, Side::kUpstream).messages();
  const bool hasPong = record.state == TunnelState::kOpen && record.pongTick != 0;
  if (hasPong) view->lastPongMs = std::max<u64>(1, u64{tick - record.pongTick} * kTickMs);
}

}  // namespace holdfast::proxy
