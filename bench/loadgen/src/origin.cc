// Accepting, echoing, counting and broadcasting; see origin.h.
//
// Runs as a process of its own, so that its CPU time is seen apart from the generator's. Does not
// measure.
#include "origin.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "origin_web.h"

namespace holdfast::loadgen {

namespace {

constexpr std::size_t kScratchBytes = 256 * 1024;
// A subscriber that is this far behind loses messages, which is counted.
constexpr std::size_t kQueueBytesMax = 4 * 1024 * 1024;
constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kGone = ~std::size_t{0};

}  // namespace

std::string makePattern(std::size_t bytes) {
  std::string pattern(bytes, '\0');
  for (std::size_t at = 0; at < bytes; ++at) pattern[at] = patternAt(at);
  return pattern;
}

Origin::Origin(Loop& loop, const std::vector<Address>& addresses)
    : loop_(loop),
      handler_(loop.addHandler(this)),
      payload_(TcpPayload::kHeaderBytes),
      scratch_(kScratchBytes),
      pattern_(makePattern(kScratchBytes + kPatternBytes)) {
  for (const Address& address : addresses) {
    const int fd = listenOn(address, kBacklog);
    acceptors_.push_back(new Acceptor(*this, fd));
    loop.watch(fd, {loop.addHandler(acceptors_.back()), 0, 0}, EPOLLIN);
  }
}

void Origin::Acceptor::ready(u32, u32, u32) {
  for (int accepts = 0; accepts < kAcceptsPerTurn; ++accepts) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    origin_.accepted(fd);
  }
}

void Origin::accepted(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++accepted_;
  if (free_.empty()) {
    free_.push_back(static_cast<u32>(peers_.size()));
    peers_.emplace_back();
  }
  const u32 index = free_.back();
  free_.pop_back();
  peers_[index].fd = fd;
  loop_.watch(fd, {handler_, index, peers_[index].generation});
}

void Origin::closePeer(u32 index) {
  Peer& peer = peers_[index];
  if (peer.role == Role::kSubscriber) std::erase(subscribers_, index);
  if (peer.role == Role::kStream) std::erase(streams_, index);
  close(peer.fd);
  const u32 generation = peer.generation + 1;
  peer = Peer{};
  peer.generation = generation;
  free_.push_back(index);
}

void Origin::ready(u32 index, u32 generation, u32 events) {
  if (peers_[index].fd < 0 || (peers_[index].generation & 0xffffff) != generation) return;
  if ((events & EPOLLOUT) != 0 && peers_[index].isBlocked && !flush(index)) return closePeer(index);
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0 && !peers_[index].hasUnread)
    return;
  const bool mustWait = peers_[index].isBlocked && peers_[index].role != Role::kSubscriber;
  if (mustWait && (events & (EPOLLHUP | EPOLLERR)) == 0) {
    peers_[index].hasUnread = true;
    return;
  }
  peers_[index].hasUnread = false;
  read(index, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

void Origin::read(u32 index, bool isEnding) {
  for (;;) {
    const ssize_t got = recv(peers_[index].fd, scratch_.data(), scratch_.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return closePeer(index);
    const std::size_t size = static_cast<std::size_t>(got);
    if (!handle(index, std::span<const char>(scratch_.data(), size))) return closePeer(index);
    if (size < scratch_.size() && !isEnding) return;
    if (peers_[index].isBlocked) {
      peers_[index].hasUnread = true;
      return;
    }
  }
}

// False when the connection is to be closed.
bool Origin::handle(u32 index, std::span<const char> bytes) {
  Peer& peer = peers_[index];
  if (peer.role == Role::kNew) bytes = bytes.subspan(chooseRole(index, bytes));
  switch (peer.role) {
    case Role::kNew:
    case Role::kEcho:
      return send(peer, bytes);
    case Role::kSubscriber:
    case Role::kStream:
      return true;
    case Role::kPublisher:
      broadcast(subscribers_, bytes);
      return true;
    case Role::kHttp:
    case Role::kWebSocket:
      return handleWeb(index, bytes);
    case Role::kDownload:
      return continueDownload(peer);
    case Role::kUpload:
      break;
  }
  if (!bytes.empty() && bytes[0] != patternAt(peer.position)) return false;
  peer.position += bytes.size();
  peer.remaining -= std::min<u64>(peer.remaining, bytes.size());
  if (peer.remaining > 0) return true;
  char ack[TcpPayload::kHeaderBytes];
  payload_.encode(Stamp{Kind::kAck, peer.position, 0}, ack);
  return send(peer, ack);
}

// Returns how many bytes the first message used up.
std::size_t Origin::chooseRole(u32 index, std::span<const char> bytes) {
  Peer& peer = peers_[index];
  peer.role = isHttp(bytes) ? Role::kHttp : Role::kEcho;
  if (peer.role == Role::kHttp) return 0;
  const Decoded first = payload_.decode(bytes);
  if (first.state != Decoded::State::kMessage || first.stamp.kind == Kind::kEcho) return 0;
  peer.remaining = first.stamp.intendedNs;
  switch (first.stamp.kind) {
    case Kind::kSubscribe:
      peer.role = Role::kSubscriber;
      subscribers_.push_back(index);
      break;
    case Kind::kPublish:
      peer.role = Role::kPublisher;
      break;
    case Kind::kUpload:
      peer.role = Role::kUpload;
      return first.consumed;
    case Kind::kDownload:
      peer.role = Role::kDownload;
      return first.consumed;
    case Kind::kEcho:
    case Kind::kAck:
      return 0;
  }
  // A subscriber and a publisher get their first message back, as a sign that they are known.
  if (!send(peer, bytes.first(first.consumed))) ++dropped_;
  return first.consumed;
}

bool Origin::handleWeb(u32 index, std::span<const char> bytes) {
  Peer& peer = peers_[index];
  if (peer.isClosing) return true;
  const bool isKept = !peer.unread.empty();
  if (isKept) bytes = peer.unread.append(bytes.data(), bytes.size());
  answer_.clear();
  event_.clear();
  const std::size_t used = answerWeb(index, bytes);
  if (used == kGone || !send(peer, answer_)) return false;
  if (!event_.empty()) broadcast(streams_, event_);
  if (peer.isClosing && !peer.isBlocked) return false;
  if (isKept) {
    peer.unread.erase(0, used);
  } else {
    peer.unread.assign(bytes.data() + used, bytes.size() - used);
  }
  return true;
}

std::size_t Origin::answerWeb(u32 index, std::span<const char> bytes) {
  Peer& peer = peers_[index];
  std::size_t used = 0;
  while (used < bytes.size() && !peer.isClosing && peer.role != Role::kStream) {
    const std::span<const char> rest = bytes.subspan(used);
    const WebStep step = peer.role == Role::kHttp ? answerRequest(rest, answer_, event_)
                                                  : answerFrame(rest, answer_);
    used += step.consumed;
    switch (step.next) {
      case WebStep::Next::kNeedMore:
        return used;
      case WebStep::Next::kAbort:
        return kGone;
      case WebStep::Next::kGoOn:
      case WebStep::Next::kPublish:
        break;
      case WebStep::Next::kWebSocket:
        peer.role = Role::kWebSocket;
        break;
      case WebStep::Next::kStream:
        peer.role = Role::kStream;
        streams_.push_back(index);
        break;
      case WebStep::Next::kClose:
        peer.isClosing = true;
    }
  }
  return used;
}

bool Origin::send(Peer& peer, std::span<const char> bytes) {
  if (bytes.empty()) return true;
  if (!peer.isBlocked) {
    const ssize_t sent = ::send(peer.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    bytes = bytes.subspan(sent < 0 ? 0 : static_cast<std::size_t>(sent));
  }
  if (bytes.empty()) return true;
  peer.isBlocked = true;
  peer.queue.append(bytes.data(), bytes.size());
  return true;
}

bool Origin::flush(u32 index) {
  Peer& peer = peers_[index];
  peer.isBlocked = false;
  const std::string queue = std::move(peer.queue);
  peer.queue.clear();
  if (!send(peer, queue) || (peer.isClosing && !peer.isBlocked)) return false;
  return peer.isBlocked || peer.role != Role::kDownload || continueDownload(peer);
}

bool Origin::continueDownload(Peer& peer) {
  while (peer.remaining > 0 && !peer.isBlocked) {
    const std::size_t bytes = std::min<u64>(peer.remaining, kScratchBytes);
    const char* from = pattern_.data() + peer.position % kPatternBytes;
    const ssize_t sent = ::send(peer.fd, from, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) {
      peer.isBlocked = true;
      return true;
    }
    peer.position += static_cast<u64>(sent);
    peer.remaining -= static_cast<u64>(sent);
  }
  return true;
}

void Origin::broadcast(const std::vector<u32>& to, std::span<const char> bytes) {
  for (const u32 index : to) {
    Peer& peer = peers_[index];
    // A failed send is left to the reader of that connection, which sees the end too.
    if (peer.queue.size() > kQueueBytesMax || !send(peer, bytes)) ++dropped_;
  }
}

}  // namespace holdfast::loadgen
