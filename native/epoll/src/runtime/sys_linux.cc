// The real kernel behind runtime/sys.h. One short function for each call; no policy.
//
// Under every other file of the core. Invariant: nothing else of the core includes the kernel's
// headers for readiness, sockets' options or memory, so that a simulated kernel can take this
// file's place.
#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "runtime/sys.h"

namespace holdfast::sys {
namespace {

int orErrno(i64 result) { return result < 0 ? -errno : static_cast<int>(result); }

IoResult ioResult(ssize_t n, size_t asked) {
  if (n > 0) return IoResult::done(static_cast<size_t>(n));
  if (n == 0) return asked == 0 ? IoResult::done(0) : IoResult::eof();
  if (errno == EAGAIN || errno == EWOULDBLOCK) return IoResult::again();
  return IoResult::failed(errno);
}

u32 epollBits(Watch watch) {
  switch (watch) {
    case Watch::kEdgeBoth:
      return static_cast<u32>(EPOLLIN) | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    case Watch::kEdgeRead:
      return static_cast<u32>(EPOLLIN) | EPOLLET;
    case Watch::kLevelRead:
      return EPOLLIN;
    case Watch::kNone:
      return 0;
  }
  return 0;
}

int epollControl(int epollFd, int operation, int fd, Watch watch, u64 key) {
  epoll_event event{};
  event.events = epollBits(watch);
  event.data.u64 = key;
  return orErrno(::epoll_ctl(epollFd, operation, fd, &event));
}

template <typename Call>
ssize_t retryInterrupted(Call call) {
  ssize_t n;
  do {
    n = call();
  } while (n < 0 && errno == EINTR);
  return n;
}

}  // namespace

int epollCreate() { return orErrno(::epoll_create1(EPOLL_CLOEXEC)); }

int epollAdd(int epollFd, int fd, Watch watch, u64 key) {
  return epollControl(epollFd, EPOLL_CTL_ADD, fd, watch, key);
}

int epollModify(int epollFd, int fd, Watch watch, u64 key) {
  return epollControl(epollFd, EPOLL_CTL_MOD, fd, watch, key);
}

int epollWait(int epollFd, std::span<Event> events, int timeoutMs) {
  HF_UNINITIALIZED epoll_event raw[kEventsMax];
  const size_t room = events.size() < kEventsMax ? events.size() : kEventsMax;
  const int count = ::epoll_wait(epollFd, raw, static_cast<int>(room), timeoutMs);
  if (count < 0) return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < count; i++) {
    const u32 in = raw[i].events;
    u32 bits = 0;
    if (in & EPOLLIN) bits |= kEventReadable;
    if (in & EPOLLOUT) bits |= kEventWritable;
    if (in & EPOLLRDHUP) bits |= kEventReadHup;
    if (in & EPOLLERR) bits |= kEventError;
    if (in & EPOLLHUP) bits |= kEventHup;
    if (in & EPOLLPRI) bits |= kEventUrgent;
    events[static_cast<size_t>(i)] = Event{bits, raw[i].data.u64};
  }
  return count;
}

int socketStream(int family) {
  return orErrno(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int accept(int listenFd, sockaddr_storage* peer, socklen_t* peerLength) {
  *peerLength = sizeof(*peer);
  return orErrno(::accept4(listenFd, reinterpret_cast<sockaddr*>(peer), peerLength,
                           SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int bind(int fd, const sockaddr* address, socklen_t length) {
  return orErrno(::bind(fd, address, length));
}

int listen(int fd, int backlog) { return orErrno(::listen(fd, backlog)); }

int connect(int fd, const sockaddr* address, socklen_t length) {
  return orErrno(::connect(fd, address, length));
}

int getSockName(int fd, sockaddr_storage* address, socklen_t* length) {
  *length = sizeof(*address);
  return orErrno(::getsockname(fd, reinterpret_cast<sockaddr*>(address), length));
}

int setOption(int fd, int level, int name, int value) {
  return orErrno(::setsockopt(fd, level, name, &value, sizeof(value)));
}

int getOption(int fd, int level, int name, int* value) {
  socklen_t length = sizeof(*value);
  return orErrno(::getsockopt(fd, level, name, value, &length));
}

int takeSocketError(int fd) {
  int error = 0;
  const int result = getOption(fd, SOL_SOCKET, SO_ERROR, &error);
  return result < 0 ? result : error;
}

int armReset(int fd) {
  const linger abort{1, 0};
  return orErrno(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)));
}

int bytesReadable(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCINQ, &bytes) < 0 ? -errno : bytes;
}

int bytesUnacknowledged(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -errno : bytes;
}

IoResult recv(int fd, void* buffer, size_t length) {
  return ioResult(retryInterrupted([&] { return ::recv(fd, buffer, length, MSG_DONTWAIT); }),
                  length);
}

IoResult peek(int fd, void* buffer, size_t length) {
  return ioResult(
      retryInterrupted([&] { return ::recv(fd, buffer, length, MSG_DONTWAIT | MSG_PEEK); }),
      length);
}

IoResult discard(int fd, size_t length) {
  // MSG_TRUNC would spare TCP the copy, but a Unix socket does not know it; this path is rare.
  HF_UNINITIALIZED char sink[4096];
  size_t left = length;
  while (left > 0) {
    const size_t part = left < sizeof(sink) ? left : sizeof(sink);
    const IoResult result = recv(fd, sink, part);
    if (result.kind != IoResult::Kind::kDone) return result;
    left -= result.bytes;
  }
  return IoResult::done(length);
}

IoResult send(int fd, const void* buffer, size_t length) {
  return ioResult(
      retryInterrupted([&] { return ::send(fd, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL); }), 0);
}

IoResult sendVector(int fd, const iovec* parts, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<size_t>(count);
  return ioResult(
      retryInterrupted([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); }), 0);
}

int shutdownWrite(int fd) { return orErrno(::shutdown(fd, SHUT_WR)); }

// Not retried on EINTR: Linux has released the descriptor by then (close(2)).
int close(int fd) { return orErrno(::close(fd)); }

int eventCreate() { return orErrno(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int eventSignal(int fd) {
  const u64 one = 1;
  return orErrno(::write(fd, &one, sizeof(one)));
}

int timerCreate() { return orErrno(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)); }

int timerArm(int fd, u64 deadlineNs) {
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(deadlineNs / 1'000'000'000u);
  spec.it_value.tv_nsec = static_cast<long>(deadlineNs % 1'000'000'000u);
  return orErrno(::timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, nullptr));
}

void sleepUntil(u64 deadlineNs) {
  timespec deadline{};
  deadline.tv_sec = static_cast<time_t>(deadlineNs / 1'000'000'000u);
  deadline.tv_nsec = static_cast<long>(deadlineNs % 1'000'000'000u);
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

u64 nowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1'000'000'000u + static_cast<u64>(now.tv_nsec);
}

u64 realtimeMs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<u64>(now.tv_sec) * 1000u + static_cast<u64>(now.tv_nsec) / 1'000'000u;
}

int randomBytes(void* buffer, size_t length) { return orErrno(::getrandom(buffer, length, 0)); }

void* reserve(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // Records become resident page by page; a huge page would make one connection cost 2 MiB.
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  return memory;
}

void unreserve(void* memory, size_t bytes) { ::munmap(memory, bytes); }

void excludeFromDumps(void* memory, size_t bytes) { (void)::madvise(memory, bytes, MADV_DONTDUMP); }

void releasePages(void* memory, size_t bytes) { ::madvise(memory, bytes, MADV_DONTNEED); }

int memfdCreate(const char* name, size_t bytes) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  if (::ftruncate(fd, static_cast<off_t>(bytes)) < 0) {
    const int error = errno;
    ::close(fd);
    return -error;
  }
  return fd;
}

void* mapShared(int fd, size_t bytes, Access access) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* memory = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

i64 fileSize(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) < 0 ? -errno : info.st_size;
}

int sealMemfd(int fd) {
  return orErrno(
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL));
}

int openNetns(const char* name) {
  char path[320];
  // A path is used as it is; a bare name is one made by `ip netns add`.
  const char* folder = name[0] == '/' ? "" : "/var/run/netns/";
  const int length = std::snprintf(path, sizeof(path), "%s%s", folder, name);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return -ENAMETOOLONG;
  return orErrno(::open(path, O_RDONLY | O_CLOEXEC));
}

int enterNetns(int netnsFd) {
  const int previous = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (previous < 0) return -errno;
  if (::setns(netnsFd, CLONE_NEWNET) < 0) {
    const int error = errno;
    ::close(previous);
    return -error;
  }
  return previous;
}

void leaveNetns(int previousFd) {
  HF_ASSERT(::setns(previousFd, CLONE_NEWNET) == 0);
  ::close(previousFd);
}

int duplicate(int fd) { return orErrno(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

int openAppend(const char* path) {
  return orErrno(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
}

int waitWritable(int fd, int timeoutMs) {
  pollfd entry{fd, POLLOUT, 0};
  return orErrno(::poll(&entry, 1, timeoutMs));
}

IoResult write(int fd, const void* buffer, size_t length) {
  return ioResult(retryInterrupted([&] { return ::write(fd, buffer, length); }), 0);
}

int enterBackground() {
  const sched_param none{};
  return ::sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? 0 : -errno;
}

ProcessInfo processInfo() {
  ProcessInfo info;
  if (std::FILE* status = std::fopen("/proc/self/status", "re"); status != nullptr) {
    char line[256];
    unsigned long long value = 0;
    while (std::fgets(line, sizeof(line), status) != nullptr) {
      if (std::sscanf(line, "VmRSS: %llu kB", &value) == 1) info.residentBytes = value * 1024;
      if (std::sscanf(line, "Threads: %llu", &value) == 1) info.threads = value;
    }
    std::fclose(status);
  }
  if (DIR* directory = ::opendir("/proc/self/fd"); directory != nullptr) {
    while (::readdir(directory) != nullptr) info.openFds++;
    ::closedir(directory);
    // Without `.`, `..` and the descriptor of the walk itself.
    info.openFds = info.openFds > 3 ? info.openFds - 3 : 0;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) info.fdsMax = limit.rlim_cur;
  return info;
}

}  // namespace holdfast::sys
