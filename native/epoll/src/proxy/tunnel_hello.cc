// Where a connection goes: straight on, by the name in its ClientHello, or through a handshake.
//
// With pass-through the ClientHello is looked at with MSG_PEEK and stays in the kernel until an
// endpoint answered, as a PROXY header does: a waiting connection holds no buffer, and what is
// forwarded are the bytes as they came.
#include <algorithm>

#include "codec/client_hello.h"
#include "codec/proxy_protocol.h"
#include "proxy/filter_host.h"
#include "proxy/shard.h"

namespace holdfast::proxy {

// The client is known and counted.
void Shard::direct(u32 tunnel, const ListenerSpec& listener) {
  if (!passConnection(tunnel, listener, policy::Phase::kAccept)) return;
  if (filters_ != nullptr && listener.filterChain != 0) {
    filters_->connections[tunnel].chain = holdChain(listener.filterChain);
    if (askConnection(tunnel, FilterHook::kAccept, {})) return;
  }
  directNow(tunnel, listener);
}

void Shard::directNow(u32 tunnel, const ListenerSpec& listener) {
  switch (listener.tlsMode) {
    case TlsMode::kTerminate:
      return beginHandshake(tunnel, listener);
    case TlsMode::kPassthrough:
      enterState(tunnel, TunnelState::kHello, ticksOf(listener.handshakeMs));
      // Behind a PROXY header it may be there already, and no other event will tell.
      return readHello(tunnel);
    case TlsMode::kOff:
    case TlsMode::kCount:
      return ready(tunnel, listener, {});
  }
}

// The connection can be used, and where it goes is known.
void Shard::ready(u32 tunnel, const ListenerSpec& listener, std::string_view serverName) {
  if (!passConnection(tunnel, listener, policy::Phase::kOpen)) return;
  if (askConnection(tunnel, FilterHook::kOpen, serverName)) return;
  readyNow(tunnel, listener);
}

void Shard::readyNow(u32 tunnel, const ListenerSpec& listener) {
  return listener.http == kNoIndex ? startConnect(tunnel) : beginHttp(tunnel);
}

void Shard::readHello(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  Conn& client = conns_[record.downstream];
  if ((client.flags & kConnReadable) == 0) return;
  const IoResult seen =
      sys::peek(client.fd, scratch_, kProxyHeaderMax + codec::kClientHelloBytesMax);
  if (seen.kind == IoResult::Kind::kAgain) {
    client.flags = static_cast<u16>(client.flags & ~kConnReadable);
    return;
  }
  if (seen.kind == IoResult::Kind::kFailed) {
    return close(tunnel, CloseReason::kClientReset, How::kReset);
  }
  size_t header = 0;
  if (seen.kind == IoResult::Kind::kDone && (record.flags & kTunnelHeaderQueued) != 0) {
    header = codec::decodeProxyHeader({scratch_, seen.bytes}, kProxyHeaderMax).length;
  }
  codec::ClientHello hello;
  const size_t there = seen.kind == IoResult::Kind::kDone ? seen.bytes : 0;
  auto verdict = codec::ClientHello::Verdict::kNeedMore;
  if (there > header) verdict = hello.take({scratch_ + header, there - header});
  if (verdict == codec::ClientHello::Verdict::kNeedMore) {
    if (there == header && seen.kind == IoResult::Kind::kEof) {
      return close(tunnel, CloseReason::kClientClosed, How::kFin);
    }
    // The next byte brings a new edge; its end brings one too, and then nothing more can come.
    if (seen.kind == IoResult::Kind::kEof || (client.flags & (kConnReadHup | kConnError)) != 0) {
      return close(tunnel, CloseReason::kHelloInvalid, How::kReset);
    }
    client.flags = static_cast<u16>(client.flags & ~kConnReadable);
    return;
  }
  const ListenerSpec* listener = findListener(record.listener);
  if (listener == nullptr) return close(tunnel, CloseReason::kUnrouted, How::kReset);
  if (verdict == codec::ClientHello::Verdict::kViolation) {
    bump(count(record.listener, ListenerCounter::kTlsFailed));
    return close(tunnel, CloseReason::kHelloInvalid, How::kReset);
  }
  chooseCluster(tunnel, *listener, hello.serverName(), hello.alpn());
  ready(tunnel, *listener, hello.serverName());
}

void Shard::chooseCluster(u32 tunnel, const ListenerSpec& listener, std::string_view serverName,
                          std::span<const u8> alpn) {
  Tunnel& record = tunnels_[tunnel];
  const ClusterSpec& cluster = snapshot_.cluster(snapshot_.route(listener, serverName, alpn));
  record.cluster = static_cast<u16>(cluster.id);
  record.retriesLeft = static_cast<u8>(cluster.retries);
}

}  // namespace holdfast::proxy
