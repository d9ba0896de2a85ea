// runtime/sys.h on the simulated world, in place of sys_linux.cc.
//
// Each call checks its descriptor, draws its faults, answers as Linux does, and goes into the
// trace.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/sys.h"

#include "sim/world.h"

namespace holdfast::sys {
namespace {

using sim::File;
using sim::Stream;
using sim::world;

// What a fresh socket takes in one piece.
constexpr size_t kFirstSendMin = 256;

int traced(const char* call, i64 argument, int result) {
  world->trace(call, argument, result);
  return result;
}

IoResult traced(const char* call, i64 argument, IoResult result) {
  world->trace(call, argument,
               result.kind == IoResult::Kind::kDone ? static_cast<i64>(result.bytes)
                                                    : -1000 * static_cast<i64>(result.kind));
  return result;
}

int openTraced(const char* call, File::Kind kind) { return traced(call, 0, world->openFile(kind)); }

template <typename T, size_t kCount>
T oneOf(const T (&choices)[kCount]) {
  return choices[world->random.below(kCount)];
}

// What a receiving call finds, without taking it.
IoResult look(Stream& stream, size_t length, size_t* available) {
  *available = stream.nearQueue.size();
  if (stream.hasUrgent && stream.urgentMark > 0) {
    *available = std::min(*available, stream.urgentMark);
  } else if (stream.hasUrgent) {
    stream.hasUrgent = false;  // reading goes across the mark
  }
  *available = std::min(*available, length);
  if (*available > 0) return IoResult::done(*available);
  if (stream.error != 0) {
    const int error = stream.error;
    stream.error = 0;
    return IoResult::failed(error);
  }
  if (stream.isFinDelivered || stream.state == Stream::State::kClosed) return IoResult::eof();
  return IoResult::again();
}

IoResult take(Stream& stream, void* buffer, size_t length) {
  size_t available = 0;
  const IoResult found = look(stream, length, &available);
  if (found.kind != IoResult::Kind::kDone) return found;
  size_t taken = available;
  if (world->draw(world->knobs.shortRecv)) {
    taken = 1 + world->random.below(static_cast<u32>(available));
    if (taken < available) world->wake(stream);  // the rest has only just come
  }
  if (buffer != nullptr) std::memcpy(buffer, stream.nearQueue.view().data(), taken);
  stream.nearQueue.drop(taken);
  if (stream.hasUrgent) stream.urgentMark -= taken;
  return IoResult::done(taken);
}

IoResult put(Stream& stream, std::string_view bytes) {
  if (world->draw(world->knobs.sendError) && stream.state == Stream::State::kConnected) {
    stream.wasBroken = true;
    stream.inbound.clear();
    world->breakFar(stream);
    world->breakNear(stream, ECONNRESET);
  }
  if (world->draw(world->knobs.sendRefused) && stream.state == Stream::State::kConnected) {
    stream.wasBroken = true;
    return IoResult::failed(world->random.chance(1, 2) ? EPIPE : ENOBUFS);
  }
  if (stream.error != 0) {
    const int error = stream.error;
    stream.error = 0;
    return IoResult::failed(error);
  }
  if (stream.isShut() || stream.state == Stream::State::kClosed) return IoResult::failed(EPIPE);
  if (stream.state == Stream::State::kConnecting) return IoResult::again();
  const size_t room = stream.nearSendMax - std::min(stream.nearSendMax, stream.nearSend.size());
  size_t taken = std::min(room, bytes.size());
  // The first bytes, a PROXY header perhaps, always find room.
  if (stream.sent == 0) taken = std::max(taken, std::min(bytes.size(), kFirstSendMin));
  if (stream.sent != 0 && taken > 0 && world->draw(world->knobs.shortSend)) {
    taken = 1 + world->random.below(static_cast<u32>(taken));
  }
  if (stream.sent != 0 && world->draw(world->knobs.sendAgain)) taken = 0;
  if (taken < bytes.size()) stream.isNoSpace = true;
  if (stream.isSendLogged) stream.sends.emplace_back(stream.sent, stream.bytesDelivered);
  stream.sent += taken;
  stream.nearSend.append(bytes.substr(0, taken));
  return taken == 0 ? IoResult::again() : IoResult::done(taken);
}

}  // namespace

int epollCreate() {
  world->lastEpollFd = openTraced("epollCreate", File::Kind::kEpoll);
  return world->lastEpollFd;
}

int epollAdd(int epollFd, int fd, Watch watch, u64 key) {
  (void)world->file(epollFd, "epollAdd to a closed set");
  File& entry = world->file(fd, "epollAdd of a closed descriptor");
  if (entry.epollFd >= 0) return traced("epollAdd", fd, -EEXIST);
  const bool isStream = entry.kind == File::Kind::kStream;
  if (isStream && world->draw(world->knobs.watchError)) return traced("epollAdd", fd, -ENOSPC);
  entry.epollFd = epollFd;
  entry.watch = watch;
  entry.key = key;
  entry.isWoken = world->mask(entry) != 0;
  return traced("epollAdd", fd, 0);
}

int epollModify(int epollFd, int fd, Watch watch, u64 key) {
  File& entry = world->file(fd, "epollModify of a closed descriptor");
  if (entry.epollFd != epollFd) return traced("epollModify", fd, -ENOENT);
  entry.watch = watch;
  entry.key = key;
  entry.isWoken = world->mask(entry) != 0;
  return traced("epollModify", fd, 0);
}

int epollWait(int epollFd, std::span<Event> events, int) {
  std::vector<Event> ready;
  for (auto& entry : world->files) {
    if (entry == nullptr || entry->epollFd != epollFd || entry->watch == Watch::kNone) continue;
    const bool isLevel = entry->watch == Watch::kLevelRead;
    const bool isStream = entry->kind == File::Kind::kStream;
    const bool isSpurious = isStream && world->draw(world->knobs.spuriousWake);
    if (!isLevel && !entry->isWoken && !isSpurious) continue;
    u32 bits = world->mask(*entry);
    if (entry->watch != Watch::kEdgeBoth) bits &= kEventReadable;
    entry->isWoken = false;
    if (bits == 0) continue;
    ready.push_back(Event{bits, entry->key});
    if (isStream && world->draw(world->knobs.duplicateEvent)) ready.push_back(ready.back());
    if (world->draw(world->knobs.fewEvents)) break;
  }
  for (size_t i = ready.size(); i > 1; --i) {
    std::swap(ready[i - 1], ready[world->random.below(static_cast<u32>(i))]);
  }
  // More than there is room for stays ready; a world is too small for that, except by duplicates.
  const size_t count = std::min(ready.size(), events.size());
  std::copy_n(ready.begin(), count, events.begin());
  return traced("epollWait", epollFd, static_cast<int>(count));
}

int socketStream(int family) {
  if (world->draw(world->knobs.socketError)) return traced("socket", family, -EMFILE);
  const int fd = world->openFile(File::Kind::kStream);
  Stream* stream = world->makeStream();
  stream->state = Stream::State::kClosed;
  stream->fd = fd;
  world->files[static_cast<size_t>(fd)]->stream = stream;
  return traced("socket", family, fd);
}

int accept(int listenFd, sockaddr_storage* peer, socklen_t* peerLength) {
  File& entry = world->file(listenFd, "accept on a closed descriptor");
  if (world->draw(world->knobs.acceptError)) {
    static constexpr int kErrors[] = {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO};
    const int error = oneOf(kErrors);
    // An aborted connection is gone; with all others it stays in the backlog.
    if (error == ECONNABORTED && !entry.listening.backlog.empty()) {
      world->breakFar(*entry.listening.backlog.front());
      entry.listening.backlog.front()->isNearClosed = true;
      entry.listening.backlog.pop_front();
    }
    return traced("accept", listenFd, -error);
  }
  if (entry.listening.backlog.empty()) return traced("accept", listenFd, -EAGAIN);
  Stream* stream = entry.listening.backlog.front();
  entry.listening.backlog.pop_front();
  const int fd = world->openFile(File::Kind::kStream);
  world->files[static_cast<size_t>(fd)]->stream = stream;
  stream->fd = fd;
  *peerLength = toSockaddr(stream->farAddress, peer);
  return traced("accept", listenFd, fd);
}

int bind(int fd, const sockaddr* address, socklen_t length) {
  File& entry = world->file(fd, "bind of a closed descriptor");
  entry.kind = File::Kind::kListening;
  entry.stream->fd = -1;  // a listening socket is no stream
  entry.stream->isNearClosed = true;
  entry.stream = nullptr;
  entry.listening.address = fromSockaddr(address, length);
  return traced("bind", fd, 0);
}

int listen(int fd, int) { return traced("listen", fd, 0); }

int connect(int fd, const sockaddr* address, socklen_t length) {
  Stream& stream = world->stream(fd, "connect of a closed descriptor");
  stream.farAddress = fromSockaddr(address, length);
  if (world->draw(world->knobs.connectErrorNow)) {
    static constexpr int kErrors[] = {ENETUNREACH, EADDRNOTAVAIL, ECONNREFUSED, EAGAIN, EACCES};
    return traced("connect", fd, -oneOf(kErrors));
  }
  stream.state = Stream::State::kConnecting;
  stream.connectedNs = world->nowNs;
  if (world->draw(world->knobs.connectAtOnce)) {
    stream.state = Stream::State::kConnected;
    if (world->onConnect != nullptr) world->onConnect(world->owner, &stream);
    return traced("connect", fd, 0);
  }
  if (!world->draw(world->knobs.connectHang)) world->connecting.push_back(&stream);
  return traced("connect", fd, -EINPROGRESS);
}

int getSockName(int fd, sockaddr_storage* address, socklen_t* length) {
  const File& entry = world->file(fd, "getSockName of a closed descriptor");
  const bool isListening = entry.kind == File::Kind::kListening;
  *length = toSockaddr(isListening ? entry.listening.address : entry.stream->nearAddress, address);
  return traced("getSockName", fd, 0);
}

int setOption(int fd, int, int, int) {
  (void)world->file(fd, "setOption of a closed descriptor");
  return 0;
}

int getOption(int fd, int, int, int* value) {
  (void)world->file(fd, "getOption of a closed descriptor");
  *value = 0;
  return 0;
}

int takeSocketError(int fd) {
  Stream& stream = world->stream(fd, "takeSocketError of a closed descriptor");
  const int error = stream.error;
  stream.error = 0;
  return traced("takeError", fd, error);
}

int armReset(int fd) {
  world->stream(fd, "armReset of a closed descriptor").isResetArmed = true;
  return traced("armReset", fd, 0);
}

int bytesReadable(int fd) {
  return static_cast<int>(world->stream(fd, "bytesReadable").nearQueue.size());
}

int bytesUnacknowledged(int fd) {
  return static_cast<int>(world->stream(fd, "bytesUnacknowledged").nearSend.size());
}

IoResult recv(int fd, void* buffer, size_t length) {
  return traced("recv", fd, take(world->stream(fd, "recv of a closed descriptor"), buffer, length));
}

IoResult peek(int fd, void* buffer, size_t length) {
  Stream& stream = world->stream(fd, "peek of a closed descriptor");
  size_t available = 0;
  const IoResult found = look(stream, length, &available);
  if (found.kind == IoResult::Kind::kDone) {
    std::memcpy(buffer, stream.nearQueue.view().data(), available);
  }
  return traced("peek", fd, found);
}

IoResult discard(int fd, size_t length) {
  Stream& stream = world->stream(fd, "discard of a closed descriptor");
  size_t left = length;
  while (left > 0) {
    const IoResult result = take(stream, nullptr, left);
    if (result.kind != IoResult::Kind::kDone) return traced("discard", fd, result);
    left -= result.bytes;
  }
  return traced("discard", fd, IoResult::done(length));
}

IoResult send(int fd, const void* buffer, size_t length) {
  Stream& stream = world->stream(fd, "send on a closed descriptor");
  return traced("send", fd, put(stream, {static_cast<const char*>(buffer), length}));
}

IoResult sendVector(int fd, const iovec* parts, int count) {
  Stream& stream = world->stream(fd, "sendVector on a closed descriptor");
  std::string all;
  for (int i = 0; i < count; ++i) {
    all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return traced("sendVector", fd, put(stream, all));
}

int shutdownWrite(int fd) {
  Stream& stream = world->stream(fd, "shutdownWrite of a closed descriptor");
  if (stream.state != Stream::State::kConnected) return traced("shutdown", fd, -ENOTCONN);
  stream.shutdowns += 1;
  world->wake(stream);
  return traced("shutdown", fd, 0);
}

int close(int fd) {
  File& entry = world->file(fd, "close of a closed descriptor");
  if (entry.kind == File::Kind::kStream) world->closeNear(*entry.stream);
  if (entry.kind == File::Kind::kListening) {
    for (Stream* stream : entry.listening.backlog) {
      stream->isNearClosed = true;
      world->breakFar(*stream);
    }
  }
  if (entry.kind == File::Kind::kEpoll) {
    for (auto& other : world->files) {
      if (other != nullptr && other->epollFd == fd) other->epollFd = -1;
    }
  }
  if (entry.memoryFd >= 0) ::close(entry.memoryFd);
  world->files[static_cast<size_t>(fd)].reset();
  return traced("close", fd, 0);
}

int eventCreate() { return openTraced("eventCreate", File::Kind::kEvent); }

int eventSignal(int fd) {
  world->file(fd, "eventSignal of a closed descriptor").counter += 1;
  world->wake(fd);
  return traced("signal", fd, 0);
}

int timerCreate() { return openTraced("timerCreate", File::Kind::kTimer); }

int timerArm(int fd, u64 deadlineNs) {
  File& entry = world->file(fd, "timerArm of a closed descriptor");
  entry.deadlineNs = deadlineNs;
  entry.isExpired = false;
  world->expireTimers();
  return traced("timerArm", fd, static_cast<int>(deadlineNs / 1000));
}

u64 nowNs() { return world->nowNs; }
u64 realtimeMs() { return world->nowNs / 1'000'000 + 1'700'000'000'000; }

int randomBytes(void* buffer, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    static_cast<u8*>(buffer)[i] = static_cast<u8>(world->random.nextU32());
  }
  return static_cast<int>(length);
}

void* reserve(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unreserve(void* memory, size_t bytes) { ::munmap(memory, bytes); }
void excludeFromDumps(void*, size_t) {}

void releasePages(void* memory, size_t bytes) { ::madvise(memory, bytes, MADV_DONTNEED); }

// Shared memory is the real kernel's: it has no part in what is simulated.
int memfdCreate(const char* name, size_t bytes) {
  const int real = ::memfd_create(name, MFD_CLOEXEC);
  if (real < 0 || ::ftruncate(real, static_cast<off_t>(bytes)) < 0) world->fail("memfd", errno);
  const int fd = world->openFile(File::Kind::kMemory);
  world->files[static_cast<size_t>(fd)]->memoryFd = real;
  return traced("memfdCreate", 0, fd);
}

void* mapShared(int fd, size_t bytes, Access access) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  const File& entry = world->file(fd, "mapShared of a closed descriptor");
  void* memory = ::mmap(nullptr, bytes, protection, MAP_SHARED, entry.memoryFd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

i64 fileSize(int fd) {
  struct stat info {};
  const int real = world->file(fd, "fileSize of a closed descriptor").memoryFd;
  return ::fstat(real, &info) < 0 ? -errno : info.st_size;
}

int sealMemfd(int) { return 0; }

IoResult write(int fd, const void* buffer, size_t length) {
  const int real = world->file(fd, "write to a closed descriptor").memoryFd;
  const ssize_t written = ::write(real, buffer, length);
  return written < 0 ? IoResult::failed(errno) : IoResult::done(static_cast<size_t>(written));
}

// No world has namespaces or files.
int openNetns(const char*) { return -ENOENT; }
int enterNetns(int) { return -EPERM; }
void leaveNetns(int previousFd) { world->fail("leaveNetns", previousFd); }
int duplicate(int) { return -EMFILE; }
int openAppend(const char*) { return -ENOENT; }
int waitWritable(int, int) { return 0; }
ProcessInfo processInfo() { return {}; }

int enterBackground() { return 0; }
void sleepUntil(u64 deadlineNs) {
  world->nowNs = std::max(world->nowNs, deadlineNs);
  world->expireTimers();
}

}  // namespace holdfast::sys
