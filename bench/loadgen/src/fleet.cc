// Opening, reading, writing and ending of fleet connections; see fleet.h.
//
// Between the loop and the modes. Reads go through one scratch buffer for the whole fleet. Does not
// decide when a message is sent: the modes do.
#include "fleet.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "flags.h"
#include "json.h"

namespace holdfast::loadgen {

namespace {

constexpr std::size_t kScratchBytes = 256 * 1024;
constexpr std::size_t kGone = ~std::size_t{0};
constexpr u64 kExpireEveryNs = 100 * kMillisecondNs;
// So many failures in opening mean that nobody is there.
constexpr u64 kFailuresMax = 1000;
constexpr std::size_t kQuotedBytesMax = 120;

// Printable, for a result that a person reads.
std::string quote(std::span<const char> bytes) {
  std::string text(bytes.data(), std::min(bytes.size(), kQuotedBytesMax));
  for (char& letter : text) {
    if (letter < ' ' || letter > '~') letter = '.';
  }
  return text;
}

}  // namespace

FleetOptions FleetOptions::fromFlags(Flags& flags) {
  FleetOptions options;
  options.targets = parseAddresses(flags.text("target", ""));
  if (options.targets.empty()) fail("--target is missing; it wants the form 127.0.0.1:80");
  options.sources = parseSources(flags.text("source", ""));
  options.connections = static_cast<u32>(flags.number("connections", 100));
  options.openingMax = static_cast<u32>(flags.number("opening", 256));
  options.opensPerSecond = flags.number("opens-per-second", 0);
  options.openTimeoutNs = flags.number("open-timeout-ms", 30'000) * kMillisecondNs;
  return options;
}

Fleet::Fleet(Loop& loop, const Payload& payload, FleetOptions options, Observer* observer)
    : loop_(loop),
      payload_(payload),
      options_(std::move(options)),
      observer_(observer),
      handler_(loop.addHandler(this)),
      connections_(options_.connections),
      scratchOut_(payload.messageBytes(), '\0'),
      scratchIn_(kScratchBytes) {
  for (u32 index = options_.connections; index > 0; --index) closed_.push_back(index - 1);
}

Fleet::~Fleet() {
  for (Connection& connection : connections_) {
    if (connection.fd >= 0) ::close(connection.fd);
  }
}

bool Fleet::beginOpen(u32 index, u64 now) {
  const u64 place = nextPlace_++;
  const Address& target = options_.targets[place % options_.targets.size()];
  const Address* source =
      options_.sources.empty() ? nullptr : &options_.sources[place % options_.sources.size()];
  const int fd = beginConnect(target, source);
  if (fd < 0) {
    ++failed_;
    ++errors_[-fd];
    return false;
  }
  if (options_.receiveBufferBytes > 0) setReceiveBuffer(fd, options_.receiveBufferBytes);
  Connection& connection = connections_[index];
  connection.fd = fd;
  connection.phase = Phase::kConnecting;
  connection.isWritable = false;
  connection.startedNs = now;
  ++opening_;
  loop_.watch(fd, {handler_, index, connection.generation});
  return true;
}

u64 Fleet::pump(u64 now) {
  expire(now);
  u32 budget = options_.opensPerTurnMax;
  while (open_ + opening_ < goal_ && !closed_.empty() && opening_ < options_.openingMax) {
    if (budget-- == 0) return now;
    u64 intendedNs = now;
    if (options_.opensPerSecond > 0) {
      if (nextOpenNs_ == 0) nextOpenNs_ = now;
      if (nextOpenNs_ > now) return nextOpenNs_;
      intendedNs = nextOpenNs_;
      nextOpenNs_ += kSecondNs / options_.opensPerSecond;
    }
    const u32 index = closed_.back();
    closed_.pop_back();
    if (!beginOpen(index, intendedNs)) {
      closed_.insert(closed_.begin(), index);
      return now + kMillisecondNs;
    }
  }
  return opening_ > 0 ? nextExpireNs_ : kNever;
}

bool Fleet::openAll() {
  const u64 until = nowNs() + options_.openTimeoutNs +
                    (options_.opensPerSecond > 0 ? goal_ * kSecondNs / options_.opensPerSecond : 0);
  while (open_ < goal_) {
    const u64 now = nowNs();
    if (now > until || failed_ > kFailuresMax) return false;
    loop_.turn(std::min(pump(now), until));
  }
  return true;
}

void Fleet::expire(u64 now) {
  if (opening_ == 0 || now < nextExpireNs_) return;
  nextExpireNs_ = now + kExpireEveryNs;
  for (u32 index = 0; index < connections_.size(); ++index) {
    const Connection& connection = connections_[index];
    const bool isOpening = connection.phase != Phase::kClosed && connection.phase < Phase::kOpen;
    if (isOpening && now - connection.startedNs > options_.openTimeoutNs) ended(index, ETIMEDOUT);
  }
}

void Fleet::ready(u32 index, u32 generation, u32 events) {
  Connection& connection = connections_[index];
  if ((connection.generation & 0xffffff) != generation || connection.fd < 0) return;
  const u32 before = connection.generation;
  if (connection.phase == Phase::kConnecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return ended(index, error);
    connected(index);
  } else if ((events & EPOLLOUT) != 0 && (!connection.isWritable || connection.channel)) {
    flush(index);
  }
  if (connection.generation != before) return;
  constexpr u32 kEnds = EPOLLRDHUP | EPOLLERR | EPOLLHUP;
  if (connection.channel) connection.channel->readable((events & kEnds) != 0);
  if (connection.phase == Phase::kHandshake && !shakeHands(index)) return;
  if ((events & (EPOLLIN | kEnds)) != 0) read(index, (events & kEnds) != 0);
}

void Fleet::connected(u32 index) {
  Connection& connection = connections_[index];
  connection.isWritable = true;
  if (options_.channels == nullptr) return greet(index);
  connection.phase = Phase::kHandshake;
  connection.channel = options_.channels->open(connection.fd);
}

bool Fleet::shakeHands(u32 index) {
  Connection& connection = connections_[index];
  const u32 generation = connection.generation;
  const Channel::Step step = connection.channel->shakeHands();
  if (step == Channel::Step::kFailed) ended(index, errno);
  if (step != Channel::Step::kDone) return false;
  greet(index);
  return connections_[index].generation == generation;
}

void Fleet::greet(u32 index) {
  Connection& connection = connections_[index];
  connection.phase = Phase::kGreeting;
  if (payload_.greeting().empty()) return sendFirst(index);
  if (!write(connection, payload_.greeting())) ended(index, errno);
}

void Fleet::sendFirst(u32 index) {
  Connection& connection = connections_[index];
  connection.phase = Phase::kFirst;
  const u64 now = nowNs();
  payload_.encode(Stamp{options_.firstKind, now, now}, scratchOut_);
  if (!write(connection, scratchOut_)) ended(index, errno);
}

Fleet::SendResult Fleet::send(u32 index, const Stamp& stamp) {
  Connection& connection = connections_[index];
  if (connection.phase != Phase::kOpen) return SendResult::kNotOpen;
  if (!connection.isWritable || connection.isAwaiting) return SendResult::kBlocked;
  payload_.encode(stamp, scratchOut_);
  connection.isAwaiting = payload_.isSerial();
  if (write(connection, scratchOut_)) return SendResult::kSent;
  connection.isAwaiting = false;
  if (errno == EAGAIN) return SendResult::kBlocked;
  ended(index, errno);
  return SendResult::kNotOpen;
}

// False with errno when nothing was taken; a part that was not taken waits for the next edge.
bool Fleet::write(Connection& connection, std::span<const char> bytes) {
  const ssize_t sent = connection.channel
                           ? connection.channel->send(bytes)
                           : ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    connection.isWritable = false;
    return false;
  }
  const std::size_t taken = static_cast<std::size_t>(sent);
  if (taken < bytes.size()) {
    connection.isWritable = false;
    connection.unsent = std::make_unique<std::string>(bytes.data() + taken, bytes.size() - taken);
  }
  return true;
}

void Fleet::flush(u32 index) {
  Connection& connection = connections_[index];
  if (connection.channel && !connection.channel->flush()) {
    if (errno != EAGAIN) ended(index, errno);
    return;
  }
  if (connection.isWritable) return;
  connection.isWritable = true;
  if (connection.unsent) {
    const std::unique_ptr<std::string> rest = std::move(connection.unsent);
    if (!write(connection, *rest)) {
      if (errno != EAGAIN) return ended(index, errno);
      connection.unsent = std::make_unique<std::string>(*rest);
    }
  }
  if (isIdle(index, connection.generation)) observer_->writable(index);
}

void Fleet::read(u32 index, bool isEnding) {
  const u32 generation = connections_[index].generation;
  for (;;) {
    Connection& connection = connections_[index];
    const ssize_t got = connection.channel
                            ? connection.channel->receive(scratchIn_)
                            : recv(connection.fd, scratchIn_.data(), scratchIn_.size(), 0);
    if (got == 0) return ended(index, 0);
    if (got < 0) {
      if (errno != EAGAIN) ended(index, errno);
      return;
    }
    std::span<const char> bytes(scratchIn_.data(), static_cast<std::size_t>(got));
    const bool isFromUnread = connection.unread != nullptr;
    if (isFromUnread) {
      connection.unread->append(bytes.data(), bytes.size());
      bytes = *connection.unread;
    }
    const std::size_t used = decode(index, bytes, nowNs());
    if (used == kGone || connections_[index].generation != generation) return;
    keepUnread(connections_[index], bytes.subspan(used), isFromUnread);
    const bool isDrained = static_cast<std::size_t>(got) < scratchIn_.size() && !isEnding;
    if (!connections_[index].channel && isDrained) return;
  }
}

void Fleet::keepUnread(Connection& connection, std::span<const char> rest, bool isFromUnread) {
  if (rest.empty()) {
    connection.unread.reset();
  } else if (isFromUnread) {
    connection.unread->erase(0, connection.unread->size() - rest.size());
  } else {
    connection.unread = std::make_unique<std::string>(rest.data(), rest.size());
  }
}

std::size_t Fleet::decode(u32 index, std::span<const char> bytes, u64 now) {
  const u32 generation = connections_[index].generation;
  std::size_t used = 0;
  while (used < bytes.size()) {
    const bool isGreeting = connections_[index].phase == Phase::kGreeting;
    const std::span<const char> rest = bytes.subspan(used);
    const Decoded decoded = isGreeting ? payload_.decodeGreeting(rest) : payload_.decode(rest);
    if (decoded.state == Decoded::State::kNeedMore) return used;
    if (decoded.state == Decoded::State::kCorrupt) {
      if (corrupt_++ == 0) firstCorrupt_ = quote(rest);
      ended(index, EPROTO);
      return kGone;
    }
    used += decoded.consumed;
    if (decoded.state == Decoded::State::kSkip) continue;
    if (isGreeting) {
      sendFirst(index);
    } else if (connections_[index].phase == Phase::kFirst) {
      connections_[index].phase = Phase::kOpen;
      --opening_;
      ++open_;
      observer_->opened(index, connections_[index].startedNs, now);
    } else if (connections_[index].phase == Phase::kOpen) {
      const bool wasAwaiting = std::exchange(connections_[index].isAwaiting, false);
      observer_->message(index, decoded.stamp, now);
      if (wasAwaiting && isIdle(index, generation)) observer_->writable(index);
    }
    if (connections_[index].generation != generation) return kGone;
  }
  return used;
}

bool Fleet::isIdle(u32 index, u32 generation) const {
  const Connection& connection = connections_[index];
  return connection.generation == generation && connection.phase == Phase::kOpen &&
         connection.isWritable && !connection.isAwaiting;
}

void Fleet::close(u32 index, CloseKind kind) {
  Connection& connection = connections_[index];
  if (connection.phase != Phase::kOpen) return;
  --open_;
  if (kind == CloseKind::kReset) {
    resetOnClose(connection.fd);
    return release(index);
  }
  connection.phase = Phase::kClosing;
  if (connection.channel) connection.channel->sayGoodbye();
  shutdown(connection.fd, SHUT_WR);
}

// The peer closed, reset, or never answered.
void Fleet::ended(u32 index, int error) {
  const Phase phase = connections_[index].phase;
  if (error != 0) ++errors_[error];
  if (phase == Phase::kOpen) {
    --open_;
    ++lost_;
  } else if (phase < Phase::kOpen) {
    --opening_;
    ++failed_;
  }
  release(index);
  if (phase == Phase::kOpen) observer_->lost(index);
  if (phase == Phase::kClosing) observer_->finished(index);
}

void Fleet::release(u32 index) {
  Connection& connection = connections_[index];
  connection.channel.reset();
  ::close(connection.fd);
  connection.fd = -1;
  connection.phase = Phase::kClosed;
  connection.isWritable = false;
  connection.isAwaiting = false;
  ++connection.generation;
  connection.unread.reset();
  connection.unsent.reset();
  closed_.push_back(index);
}

std::string Fleet::json() const {
  JsonObject errors;
  for (const auto& [error, times] : errors_) {
    const char* name = strerrorname_np(error);
    errors.number(name == nullptr ? "UNKNOWN" : name, times);
  }
  JsonObject object;
  object.number("wanted", goal_)
      .number("open", open_)
      .number("failed", failed_)
      .number("lost", lost_);
  object.number("corrupt", corrupt_).text("firstCorrupt", firstCorrupt_);
  object.nested("errors", errors.str());
  return object.str();
}

}  // namespace holdfast::loadgen
