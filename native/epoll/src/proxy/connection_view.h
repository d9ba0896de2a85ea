// What control code sees of live connections, and what it asks for.
//
// Filled by Shard::list (listing.cc) on the shard's thread, shown by the binding. Invariant: plain
// values; nothing in them leads back into a shard.
#pragma once

#include "proxy/tunnel.h"
#include "runtime/address.h"

namespace holdfast::proxy {

// What `holdfast conns` shows of one tunnel.
struct ConnectionView {
  u32 shard = 0;
  Handle handle;
  u16 listener = 0;
  u16 cluster = 0;
  u32 endpoint = kNoIndex;
  Address client;
  TunnelState state = TunnelState::kClosed;
  u64 ageMs = 0;
  u64 idleMs = 0;
  u64 bytesFromClient = 0;
  u64 bytesFromEndpoint = 0;
  u64 pendingBytes = 0;
  const char* tls = "";  // version of the client's side; empty: none
  // HTTP: of the request under way, or of the WebSocket.
  u32 route = kNoIndex;
  u64 messagesFromClient = 0;
  u64 messagesFromEndpoint = 0;
  u64 lastPongMs = 0;  // since a client's pong, at least 1; 0: none was seen
};

// Each field that is set must match.
struct ConnectionFilter {
  u32 listener = kNoIndex;
  u32 cluster = kNoIndex;
  u32 endpoint = kNoIndex;
  u64 olderThanMs = 0;
  u64 idleMoreThanMs = 0;
  Address client;  // family 0: any
};

}  // namespace holdfast::proxy
