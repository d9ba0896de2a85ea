// Handshakes: with clients before an endpoint is looked for, with endpoints before a tunnel opens.
//
// A task gives an engine what the socket has and sends what the engine says, one step at a time,
// behind all established work. When keys are agreed they go into the TlsConn and the engine's
// object is freed; tunnel_records.cc goes on.
// Invariant: bytes that an engine did not take are kept, none is given to anybody twice, and
// nothing of the peer reaches the other side before its handshake is done.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "codec/proxy_protocol.h"
#include "proxy/shard.h"

namespace holdfast::proxy {
namespace {

// What a step is given at most, with what waited: any one record fits, and no more than that can be
// left behind the handshake.
inline constexpr size_t kHandshakeReadBytes = tls::kRecordWireBytesMax;

u32 microsOf(u64 ns) { return static_cast<u32>(ns / 1000); }

// The name that an endpoint is asked for, and checked against, where the cluster says none.
std::string_view addressNameOf(const sockaddr_un& address, u32 length, char (&text)[64]) {
  const Address parsed = fromSockaddr(reinterpret_cast<const sockaddr*>(&address), length);
  if (!parsed.isIp()) return "localhost";
  return {text, formatIp(parsed, text, sizeof(text))};
}

}  // namespace

// Gives a conn its TlsConn. There are as many as conns.
void Shard::attachTls(u32 conn) {
  tlsAt_[conn] = tlsConns_.take() + 1;
  conns_[conn].flags |= kConnTls;
}

void Shard::beginHandshake(u32 tunnel, const ListenerSpec& listener) {
  Tunnel& record = tunnels_[tunnel];
  attachTls(record.downstream);
  if ((record.flags & kTunnelHeaderQueued) != 0) keepClientHeader(tunnel);
  enterState(tunnel, TunnelState::kHandshake, ticksOf(listener.handshakeMs));
  if ((conns_[record.downstream].flags & kConnReadable) != 0) queue(record.downstream);
}

// The handshake follows the PROXY header on the wire, so the header cannot stay in the kernel.
void Shard::keepClientHeader(u32 tunnel) {
  Tunnel& record = tunnels_[tunnel];
  const int fd = conns_[record.downstream].fd;
  const IoResult seen = sys::peek(fd, scratch_, kProxyHeaderMax);
  const size_t held = seen.kind == IoResult::Kind::kDone ? seen.bytes : 0;
  const codec::ProxyDecoded decoded = codec::decodeProxyHeader({scratch_, held}, kProxyHeaderMax);
  record.flags = static_cast<u8>(record.flags & ~kTunnelHeaderQueued);
  // It was whole before; the kernel keeps what nobody consumed.
  if (decoded.kind != codec::ProxyDecoded::Kind::kHeader) return;
  (void)sys::discard(fd, decoded.length);
  (void)chunks_.append(tlsOf(record.downstream).header, scratch_, decoded.length);
}

// TCP is connected. The deadline of the connect goes on.
void Shard::beginEndpointHandshake(u32 tunnel, const ClusterSpec& cluster) {
  Tunnel& record = tunnels_[tunnel];
  attachTls(record.upstream);
  TlsConn& tls = tlsOf(record.upstream);
  const TlsEntry& entry = tlsTable_.at(cluster.tls);
  char text[64];
  std::string_view name = snapshot_.text(cluster.serverName);
  const EndpointSpec* endpoints = snapshot_.endpoints(cluster);
  for (u32 i = 0; name.empty() && i < cluster.endpointCount; i++) {
    if (endpoints[i].id != record.endpoint) continue;
    name = addressNameOf(endpoints[i].address, endpoints[i].addressLength, text);
  }
  tls.engine = entry.engineIndex;
  tls.object = tls::Handshake::create(entry.engine, entry.config, name).object;
  if (tls.object == nullptr) return failConnect(tunnel, ENOMEM);
  engineConns_++;
  tls.phase = TlsPhase::kHandshake;
  if (entry.isDetached) tls.flags |= kTlsDetachDue;
  if (entry.hasTickets) tls.flags |= kTlsTicketDue;
  record.state = TunnelState::kEndpointHandshake;
  queue(record.upstream);
}

// The first bytes of a client are there. False when the tunnel closed.
bool Shard::openHandshake(u32 conn) {
  TlsConn& tls = tlsOf(conn);
  const u32 tunnel = conns_[conn].tunnel;
  const ListenerSpec* listener = findListener(tunnels_[tunnel].listener);
  if (listener == nullptr || listener->tlsMode != TlsMode::kTerminate) {
    close(tunnel, CloseReason::kUnrouted, How::kReset);
    return false;
  }
  const TlsEntry& entry = tlsTable_.at(listener->tls);
  const bool isForPool = pool_.has_value() && entry.isDetached;
  tls.engine = isForPool ? pool_->choose() : entry.engineIndex;
  if (!isForPool) {
    tls.object = tls::Handshake::create(entry.engine, entry.config).object;
    if (tls.object == nullptr) {
      endHandshake(conn, "no memory for a handshake");
      return false;
    }
    engineConns_++;
  }
  tls.phase = TlsPhase::kHandshake;
  if (entry.isDetached) tls.flags |= kTlsDetachDue;
  handshakes_++;
  // Until the end of the handshake this is when it began; no connect is under way.
  tunnels_[tunnel].connectMicros = microsOf(sys::nowNs());
  return true;
}

void Shard::runHandshake(u32 conn) {
  Conn& record = conns_[conn];
  if ((record.flags & kConnOpen) == 0) return;
  if ((record.flags & kConnWritable) != 0 && !record.pending.isEmpty()) {
    int error = 0;
    if (!transmit(conn, nullptr, 0, &error)) return endHandshake(conn, "the peer broke off");
  }
  TlsConn& tls = tlsOf(conn);
  if ((tls.flags & kTlsAway) != 0) return;
  // A connected socket that is not readable has the first word still to say.
  const bool isFirst = record.side == Side::kUpstream && (tls.flags & kTlsBegun) == 0;
  size_t total = chunks_.copyTo(tls.received, scratch_);
  if ((record.flags & kConnReadable) != 0) {
    const size_t room = kHandshakeReadBytes - std::min(total, kHandshakeReadBytes);
    if (room == 0) return endHandshake(conn, "no record is so long");
    const IoResult result = sys::recv(record.fd, scratch_ + total, room);
    switch (result.kind) {
      case IoResult::Kind::kDone:
        total += result.bytes;
        // Less than was asked for: nothing is left, unless the kernel may cut reads.
        if (result.bytes < room &&
            (record.flags & (kConnReadHup | kConnError | kConnCutReads)) == 0) {
          record.flags = static_cast<u16>(record.flags & ~kConnReadable);
        }
        break;
      case IoResult::Kind::kAgain:
        record.flags = static_cast<u16>(record.flags & ~kConnReadable);
        if (!isFirst) return;
        break;
      case IoResult::Kind::kEof:
        // A health check of a balancer in front connects and leaves.
        if (tls.phase == TlsPhase::kNew) {
          return close(record.tunnel, CloseReason::kClientClosed, How::kFin);
        }
        return endHandshake(conn, "the peer closed in the handshake");
      case IoResult::Kind::kFailed:
        return endHandshake(conn, "the peer reset in the handshake");
    }
  } else if (!isFirst) {
    return;
  }
  chunks_.clear(tls.received);
  if (tls.phase == TlsPhase::kNew && !openHandshake(conn)) return;
  // A handshake without an object is the pool's.
  if (tls.object == nullptr) return giveToPool(conn, total);
  stepHandshake(conn, total);
}

void Shard::giveToPool(u32 conn, size_t total) {
  TlsConn& tls = tlsOf(conn);
  const ListenerSpec* listener = findListener(tunnels_[conns_[conn].tunnel].listener);
  tls.flags |= kTlsAway;
  // Only the first step asks for a config, and openHandshake() has just seen that it is there.
  const u32 config = listener == nullptr ? kNoIndex : listener->tls;
  pool_->step(tls.engine, conns_.handleOf(conn), config, {scratch_, total});
}

void Shard::collectHandshakes() {
  pool_->collect(&answers_);
  if (answers_.empty()) return;
  enter(Activity::kHandshake);
  for (HandshakeAnswer& answer : answers_) takeAnswer(answer);
  answers_.clear();
}

void Shard::takeAnswer(HandshakeAnswer& answer) {
  Conn* record = conns_.resolve(answer.conn);
  const bool isOurs = record != nullptr && (record->flags & kConnTls) != 0;
  if (!isOurs || tlsOf(answer.conn.index).phase != TlsPhase::kHandshake) return;
  const u32 conn = answer.conn.index;
  TlsConn& tls = tlsOf(conn);
  tls.flags = static_cast<u16>(tls.flags & ~kTlsAway);
  int error = 0;
  const bool isSent =
      answer.output.empty() || transmit(conn, answer.output.data(), answer.output.size(), &error);
  if (answer.step == HF_TLS_FAILED) return endHandshake(conn, answer.reason);
  if (!isSent) return endHandshake(conn, "the peer broke off");
  if (answer.step != HF_TLS_DONE) {
    if ((record->flags & kConnReadable) != 0) queue(conn);
    return;
  }
  if (!attachRecords(tls, answer.keys)) {
    return endHandshake(conn, "the record layer does not have this suite");
  }
  (void)chunks_.append(tls.received, answer.rest.data(), answer.rest.size());
  settleHandshake(conn, *answer.agreed);
}

// One step with what lies in the scratch.
void Shard::stepHandshake(u32 conn, size_t total) {
  Conn& record = conns_[conn];
  TlsConn& tls = tlsOf(conn);
  tls.flags |= kTlsBegun;
  tls::Handshake handshake = handshakeOf(tls);
  size_t taken = 0;
  HfTlsStep step = HF_TLS_WANT_OUTPUT;
  bool isSent = true;
  while (step == HF_TLS_WANT_OUTPUT && isSent) {
    HfTlsIo io;
    step =
        handshake.step({scratch_ + taken, total - taken}, {sealScratch_, kSealScratchBytes}, &io);
    taken += io.consumed;
    int error = 0;
    isSent = io.produced == 0 || transmit(conn, sealScratch_, io.produced, &error);
  }
  (void)chunks_.append(tls.received, scratch_ + taken, total - taken);
  if (step == HF_TLS_FAILED) return handshakeFailed(conn);
  if (!isSent) return endHandshake(conn, "the peer broke off");
  if (step == HF_TLS_DONE) return handshakeDone(conn);
  if ((record.flags & kConnReadable) != 0) queue(conn);
}

// The keys leave the engine, or the connection stays on it.
void Shard::detach(TlsConn& tls) {
  HF_UNINITIALIZED tls::RecordKeys keys;
  tls::Handshake handshake = handshakeOf(tls);
  const HfTlsStep step = handshake.detach(&keys);
  if (step == HF_TLS_DONE && attachRecords(tls, keys)) {
    leaveEngine(tls);
  } else if (step == HF_TLS_FAILED) {
    tls.flags = static_cast<u16>(tls.flags & ~kTlsDetachDue);
  }
  tls::wipe(&keys);
}

// False when the suite is not in the record layer's table, or the library failed.
bool Shard::attachRecords(TlsConn& tls, const tls::RecordKeys& keys) {
  const size_t bytes = tls::RecordLayer::stateBytes(keys);
  if (bytes == 0) return false;
  u8 best = 0;
  while (kRecordSlotBytes[best] < bytes) best++;
  tls.recordClass = best;
  tls.record = recordPools_[best].take();  // as many as conns
  if (!records_->attach(keys, recordsOf(tls))) {
    recordPools_[best].release(tls.record);
    tls.record = kNoIndex;
    return false;
  }
  tls.phase = TlsPhase::kDetached;
  tls.flags = static_cast<u16>(tls.flags & ~kTlsDetachDue);
  return true;
}

void Shard::leaveEngine(TlsConn& tls) {
  if (tls.object == nullptr) return;
  handshakeOf(tls).free();
  tls.object = nullptr;
  engineConns_--;
}

void Shard::handshakeDone(u32 conn) {
  TlsConn& tls = tlsOf(conn);
  HF_UNINITIALIZED HfTlsNegotiated agreed;
  handshakeOf(tls).negotiated(&agreed);
  tls.phase = TlsPhase::kEngine;
  // Tickets of an endpoint come after its handshake, and only the engine can keep them.
  const bool isTicketDue =
      (tls.flags & kTlsTicketDue) != 0 && agreed.version >= HF_TLS_VERSION_1_3 &&
      handshakeOf(tls).engine->ticketsReceived(tls.object) == 0 && agreed.isResumed == 0;
  if ((tls.flags & kTlsDetachDue) != 0 && !isTicketDue) detach(tls);
  settleHandshake(conn, agreed);
}

// The records go on; what was agreed on is kept and used.
void Shard::settleHandshake(u32 conn, const HfTlsNegotiated& agreed) {
  Conn& record = conns_[conn];
  TlsConn& tls = tlsOf(conn);
  const u32 tunnel = record.tunnel;
  if (agreed.isResumed != 0) tls.flags |= kTlsResumed;
  if (agreed.hasPeerCertificate != 0) tls.flags |= kTlsHasPeer;
  if (agreed.isPeerVerified != 0) tls.flags |= kTlsVerified;
  tls.needed = tls::kRecordHeaderBytes;
  // What came behind the handshake waits in the chain; no event will tell of it.
  if (!tls.received.isEmpty()) record.flags |= kConnReadable;
  if (record.side == Side::kUpstream) return opened(tunnel);
  handshakes_--;
  Tunnel& owner = tunnels_[tunnel];
  const ListenerSpec* listener = findListener(owner.listener);
  bump(count(owner.listener,
             agreed.isResumed != 0 ? ListenerCounter::kTlsResumed : ListenerCounter::kTlsFull));
  bump(count(owner.listener, ListenerCounter::kTlsMicros),
       microsOf(sys::nowNs()) - owner.connectMicros);
  tls.facts = facts_.hold(agreed);
  if (listener == nullptr) return close(tunnel, CloseReason::kUnrouted, How::kReset);
  if (listener->http != kNoIndex) return ready(tunnel, *listener, {});
  u8 protocol[HF_TLS_NAME_BYTES_MAX + 1];
  protocol[0] = static_cast<u8>(agreed.alpnLength);
  std::memcpy(protocol + 1, agreed.alpn, agreed.alpnLength);
  const std::span<const u8> alpn(protocol, agreed.alpnLength == 0 ? 0 : 1u + agreed.alpnLength);
  chooseCluster(tunnel, *listener, {agreed.serverName, agreed.serverNameLength}, alpn);
  ready(tunnel, *listener, {});
}

// The engine gave up; its alert is on the way.
void Shard::handshakeFailed(u32 conn) {
  HfTlsFailure failure;
  handshakeOf(tlsOf(conn)).failure(&failure);
  endHandshake(conn, failure.reason);
}

void Shard::endHandshake(u32 conn, const char* why) {
  const u32 tunnel = conns_[conn].tunnel;
  std::snprintf(tlsError_, sizeof(tlsError_), "%s", why);
  if (conns_[conn].side == Side::kUpstream) {
    failConnect(tunnel, EPROTO);
  } else {
    bump(count(tunnels_[tunnel].listener, ListenerCounter::kTlsFailed));
    close(tunnel, CloseReason::kHandshakeFailed, How::kFin);
  }
  tlsError_[0] = 0;
}

// The conn is being closed: close_notify where it is a clean end, and nothing of the keys stays.
void Shard::endTls(u32 conn, How how) {
  Conn& record = conns_[conn];
  TlsConn& tls = tlsOf(conn);
  const bool isClean = how == How::kFin && record.pending.isEmpty() &&
                       (tls.flags & kTlsFailed) == 0 && (record.flags & kConnBroken) == 0;
  if (isClean && tls.phase >= TlsPhase::kEngine) (void)closeNotify(conn);
  if (tls.phase == TlsPhase::kHandshake && record.side == Side::kDownstream) handshakes_--;
  if (tls.phase == TlsPhase::kHandshake && tls.object == nullptr) {
    pool_->release(tls.engine, conns_.handleOf(conn));
  }
  leaveEngine(tls);
  if (tls.phase == TlsPhase::kDetached) {
    records_->end(recordsOf(tls));
    recordPools_[tls.recordClass].release(tls.record);
  }
  if (tls.facts != kNoIndex) facts_.release(tls.facts);
  if (!tls.received.isEmpty()) chunks_.clear(tls.received);
  if (!tls.header.isEmpty()) chunks_.clear(tls.header);
  tlsConns_.release(tlsAt_[conn] - 1);
  tlsAt_[conn] = 0;
}

}  // namespace holdfast::proxy
