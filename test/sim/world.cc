// The simulated kernel's objects and the network between near and far ends.
#include "sim/world.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace holdfast::sim {

World* world = nullptr;

namespace {
constexpr u32 kReadable = sys::kEventReadable;
}  // namespace

void ByteQueue::drop(size_t count) {
  start_ += count;
  if (start_ == bytes_.size()) {
    clear();
  } else if (start_ > 65536 && start_ > bytes_.size() / 2) {
    bytes_.erase(0, start_);
    start_ = 0;
  }
}

size_t ByteQueue::moveTo(ByteQueue& to, size_t count) {
  const size_t moved = std::min(count, size());
  to.append(view().substr(0, moved));
  drop(moved);
  return moved;
}

void World::trace(const char* call, i64 a, i64 b) {
  const auto mix = [this](u64 value) {
    traceHash = (traceHash ^ value) * 0x100000001b3u;
    traceHash ^= traceHash >> 29;
  };
  for (const char* at = call; *at != '\0'; ++at) mix(static_cast<u64>(*at));
  mix(static_cast<u64>(a));
  mix(static_cast<u64>(b));
  if (isTracing) {
    std::fprintf(stderr, "%9.3f ms %-14s %6lld %8lld\n", static_cast<double>(nowNs) / 1e6, call,
                 static_cast<long long>(a), static_cast<long long>(b));
  }
}

void World::fail(const char* what, i64 value) {
  std::fprintf(stderr, "simulation: %s (%lld)\n", what, static_cast<long long>(value));
  if (onFail != nullptr) onFail(owner);
  std::abort();
}

int World::openFile(File::Kind kind) {
  size_t fd = 3;  // the lowest free one, as the kernel does
  while (fd < files.size() && files[fd] != nullptr) ++fd;
  if (fd >= files.size()) files.resize(fd + 1);
  files[fd] = std::make_unique<File>();
  files[fd]->kind = kind;
  return static_cast<int>(fd);
}

File& World::file(int fd, const char* call) {
  if (fd < 0 || static_cast<size_t>(fd) >= files.size() ||
      files[static_cast<size_t>(fd)] == nullptr) {
    fail(call, fd);  // a descriptor that is not open: EBADF, or worse, somebody else's
  }
  return *files[static_cast<size_t>(fd)];
}

Stream& World::stream(int fd, const char* call) {
  File& entry = file(fd, call);
  if (entry.kind != File::Kind::kStream || entry.stream == nullptr) fail(call, fd);
  return *entry.stream;
}

u32 World::openFiles() const {
  u32 count = 0;
  for (const auto& entry : files) count += entry != nullptr ? 1 : 0;
  return count;
}

Stream* World::makeStream() {
  streams.push_back(std::make_unique<Stream>());
  Stream* stream = streams.back().get();
  stream->id = static_cast<u32>(streams.size());
  // Small queues make every limit be reached; large ones let whole messages through.
  const auto size = [this] {
    return size_t{1} << (isBulk ? 20 : random.between(6, random.chance(1, 2) ? 10 : 18));
  };
  stream->nearQueueMax = size();
  stream->nearSendMax = size();
  stream->farQueueMax = size();
  return stream;
}

// As tcp_poll() of Linux has it.
u32 World::mask(const File& entry) {
  switch (entry.kind) {
    case File::Kind::kEvent:
      return entry.counter > 0 ? kReadable : 0;
    case File::Kind::kTimer:
      return entry.isExpired ? kReadable : 0;
    case File::Kind::kListening:
      return entry.listening.backlog.empty() ? 0 : kReadable;
    case File::Kind::kStream:
      break;
    default:
      return 0;
  }
  Stream& at = *entry.stream;
  if (at.state == Stream::State::kConnecting) return 0;
  u32 bits = 0;
  const bool isClosed = at.state == Stream::State::kClosed;
  if (isClosed || (at.isShut() && at.isFinDelivered)) bits |= sys::kEventHup;
  if (isClosed || at.isFinDelivered) bits |= sys::kEventReadable | sys::kEventReadHup;
  if (!at.nearQueue.isEmpty()) bits |= sys::kEventReadable;
  if (isClosed || at.isShut() || at.nearSend.size() * 3 <= at.nearSendMax * 2) {
    bits |= sys::kEventWritable;
  } else {
    at.isNoSpace = true;
  }
  if (at.error != 0) bits |= sys::kEventError;
  if (at.hasUrgent) bits |= sys::kEventUrgent;
  return bits;
}

void World::wake(int fd) {
  File& entry = file(fd, "wake");
  if (entry.epollFd >= 0) entry.isWoken = true;
}

bool World::isReady(int epollFd) {
  for (const auto& entry : files) {
    if (entry == nullptr || entry->epollFd != epollFd || entry->watch == sys::Watch::kNone)
      continue;
    if (entry->watch == sys::Watch::kLevelRead ? mask(*entry) != 0 : entry->isWoken) return true;
  }
  return false;
}

void World::expireTimers() {
  for (const auto& entry : files) {
    if (entry == nullptr || entry->kind != File::Kind::kTimer) continue;
    if (entry->deadlineNs == 0 || entry->deadlineNs > nowNs) continue;
    entry->deadlineNs = 0;
    entry->isExpired = true;
    entry->isWoken = true;
  }
}

u64 World::nextTimerNs() const {
  u64 next = 0;
  for (const auto& entry : files) {
    if (entry == nullptr || entry->kind != File::Kind::kTimer || entry->deadlineNs == 0) continue;
    if (next == 0 || entry->deadlineNs < next) next = entry->deadlineNs;
  }
  return next;
}

size_t World::portion(size_t whole) {
  if (draw(knobs.dribble)) return 1;
  return random.chance(1, 2) ? whole : 1 + random.below(static_cast<u32>(whole));
}

bool World::deliverInbound(Stream& stream) {
  if (stream.state == Stream::State::kConnecting || stream.isResetDelivered) return false;
  if (stream.isNearClosed) {
    // Bytes for a closed socket are answered with RST.
    if (stream.inbound.isEmpty() && !stream.isFarResetSent) return false;
    stream.inbound.clear();
    stream.isResetDelivered = true;
    breakFar(stream);
    return true;
  }
  if (stream.state == Stream::State::kClosed) return false;
  if (stream.isFarResetSent && random.chance(1, 4)) {
    // The RST overtakes what the near end has no room for.
    stream.inbound.clear();
    breakNear(stream, ECONNRESET);
    return true;
  }
  const size_t room = stream.nearQueueMax - std::min(stream.nearQueueMax, stream.nearQueue.size());
  const size_t whole = std::min(room, stream.inbound.size());
  if (whole > 0) {
    size_t part = portion(whole);
    const u64 end = stream.bytesDelivered + part;
    if (end > stream.glueFrom && end < stream.glueTo) part += stream.glueTo - end;
    const size_t moved = stream.inbound.moveTo(stream.nearQueue, part);
    stream.bytesDelivered += moved;
    if (!stream.hasUrgent && draw(knobs.urgent)) {
      stream.hasUrgent = true;
      // Somewhere in what has just come.
      stream.urgentMark = stream.nearQueue.size() - random.below(static_cast<u32>(moved) + 1);
    }
    wake(stream);
    return true;
  }
  if (stream.isFarResetSent) {
    stream.inbound.clear();
    breakNear(stream, ECONNRESET);
    return true;
  }
  if (stream.isFarFinSent && stream.inbound.isEmpty() && !stream.isFinDelivered) {
    stream.isFinDelivered = true;
    wake(stream);
    return true;
  }
  return false;
}

bool World::deliverOutbound(Stream& stream) {
  if (stream.state == Stream::State::kConnecting || stream.isFarReset || stream.isFarEof) {
    return false;
  }
  const size_t room = stream.farQueueMax - std::min(stream.farQueueMax, stream.farQueue.size());
  const size_t whole = std::min(room, stream.nearSend.size());
  if (whole > 0) {
    if (stream.isFarResetSent) {
      stream.nearSend.clear();  // nobody is there to take it
    } else {
      stream.nearSend.moveTo(stream.farQueue, portion(whole));
    }
    const bool isRoomy = stream.nearSend.size() * 3 <= stream.nearSendMax * 2;
    if (stream.isNoSpace && isRoomy) {
      stream.isNoSpace = false;
      wake(stream);
    }
    return true;
  }
  const bool isFinDue = stream.nearSend.isEmpty() && (stream.isShut() || stream.isNearClosed);
  // A peer that has reset sees nothing any more.
  if (isFinDue && stream.state != Stream::State::kClosed && !stream.isFarResetSent) {
    stream.isFarEof = true;
    return true;
  }
  // A send that was refused for want of memory is woken although nothing was acknowledged.
  if (stream.isNoSpace && stream.nearSend.isEmpty()) {
    stream.isNoSpace = false;
    wake(stream);
    return true;
  }
  return false;
}

void World::answerConnect(Stream& stream) {
  if (stream.state != Stream::State::kConnecting) return;
  if (draw(knobs.connectRefused) || onConnect == nullptr) {
    breakNear(stream, random.chance(3, 4) ? ECONNREFUSED : EHOSTUNREACH);
    return;
  }
  stream.state = Stream::State::kConnected;
  onConnect(owner, &stream);
  wake(stream);
}

void World::breakNear(Stream& stream, int error) {
  stream.state = Stream::State::kClosed;
  stream.isResetDelivered = true;
  stream.nearSend.clear();
  stream.error = error;
  wake(stream);
}

void World::breakFar(Stream& stream) {
  stream.nearSend.clear();
  stream.isFarReset = true;
}

void World::closeNear(Stream& stream) {
  stream.fd = -1;
  stream.isNearClosed = true;
  const bool isTimed = stream.state == Stream::State::kConnecting && connectNsMax != 0;
  if (isTimed && nowNs - stream.connectedNs > connectNsMax) {
    fail("a connect was given up too late", static_cast<i64>((nowNs - stream.connectedNs) / 1000));
  }
  if (stream.state == Stream::State::kClosed) return;
  const bool isAbort = stream.isResetArmed || !stream.nearQueue.isEmpty();
  if (isAbort || stream.state == Stream::State::kConnecting) breakFar(stream);
}

}  // namespace holdfast::sim
