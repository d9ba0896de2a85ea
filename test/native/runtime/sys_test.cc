// The seam to the kernel: results as promised, on real sockets, counters, timers and shared memory.
#include "runtime/sys.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/address.h"

#include "check.h"

namespace holdfast {
namespace {

using Kind = IoResult::Kind;

// Two ends of a loopback connection, watched by one epoll set.
struct Pair {
  Pair() {
    Address address;
    CHECK(parseAddress("127.0.0.1:0", &address));
    sockaddr_storage storage;
    socklen_t length = toSockaddr(address, &storage);
    const int listening = sys::socketStream(AF_INET);
    CHECK(sys::bind(listening, reinterpret_cast<sockaddr*>(&storage), length) == 0);
    CHECK(sys::listen(listening, 1) == 0);
    CHECK(sys::getSockName(listening, &storage, &length) >= 0);
    near = sys::socketStream(AF_INET);
    const int connected = sys::connect(near, reinterpret_cast<sockaddr*>(&storage), length);
    CHECK(connected == 0 || connected == -EINPROGRESS);
    do {
      far = sys::accept(listening, &storage, &length);
    } while (far == -EAGAIN);
    peer = fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
    CHECK(far >= 0);
    sys::close(listening);
    epoll = sys::epollCreate();
    CHECK_EQ(sys::epollAdd(epoll, near, sys::Watch::kEdgeBoth, 42), 0);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    for (const int fd : {near, far, epoll}) {
      if (fd >= 0) sys::close(fd);
    }
  }

  // Waits until all of `bits` were reported for the near end.
  u32 waitFor(u32 bits) {
    u32 seen = 0;
    for (int round = 0; round < 100 && (seen & bits) != bits; ++round) {
      sys::Event events[4];
      const int count = sys::epollWait(epoll, events, 1000);
      for (int i = 0; i < count; ++i) {
        CHECK_EQ(events[i].key, 42);
        seen |= events[i].bits;
      }
    }
    CHECK_EQ(seen & bits, bits);
    return seen;
  }

  int near = -1;
  int far = -1;
  int epoll = -1;
  Address peer;
};

TEST(sysReportsDataThenFinThenEof) {
  Pair pair;
  u8 buffer[16];
  pair.waitFor(sys::kEventWritable);
  CHECK(sys::recv(pair.near, buffer, sizeof(buffer)).kind == Kind::kAgain);
  CHECK_EQ(sys::send(pair.far, "hello", 5).bytes, 5);
  pair.waitFor(sys::kEventReadable);
  CHECK_EQ(sys::bytesReadable(pair.near), 5);
  CHECK_EQ(sys::peek(pair.near, buffer, sizeof(buffer)).bytes, 5);
  CHECK_EQ(sys::discard(pair.near, 2).bytes, 2);
  CHECK_EQ(sys::recv(pair.near, buffer, sizeof(buffer)).bytes, 3);
  CHECK(std::memcmp(buffer, "llo", 3) == 0);
  CHECK_EQ(sys::shutdownWrite(pair.far), 0);
  pair.waitFor(sys::kEventReadHup | sys::kEventReadable);
  CHECK(sys::recv(pair.near, buffer, sizeof(buffer)).kind == Kind::kEof);
}

TEST(sysDeliversBytesThatCameBeforeAReset) {
  Pair pair;
  CHECK_EQ(sys::send(pair.far, "last", 4).bytes, 4);
  CHECK_EQ(sys::armReset(pair.far), 0);
  sys::close(pair.far);
  pair.far = -1;
  pair.waitFor(sys::kEventError | sys::kEventHup);
  u8 buffer[16];
  CHECK_EQ(sys::recv(pair.near, buffer, sizeof(buffer)).bytes, 4);
  const IoResult end = sys::recv(pair.near, buffer, sizeof(buffer));
  CHECK(end.kind == Kind::kFailed);
  CHECK_EQ(end.sysErrno, ECONNRESET);
  const IoResult sent = sys::send(pair.near, "x", 1);
  CHECK(sent.kind == Kind::kFailed);  // and no SIGPIPE
  CHECK_EQ(sent.sysErrno, EPIPE);
}

TEST(sysTakesASocketErrorOnce) {
  Pair pair;
  CHECK_EQ(sys::armReset(pair.far), 0);
  sys::close(pair.far);
  pair.far = -1;
  pair.waitFor(sys::kEventError);
  CHECK_EQ(sys::takeSocketError(pair.near), ECONNRESET);
  CHECK_EQ(sys::takeSocketError(pair.near), 0);
}

TEST(sysSendsUntilTheSocketIsFullAndWakesWhenItDrains) {
  Pair pair;
  const std::string block(65536, 'x');
  const iovec parts[] = {{const_cast<char*>(block.data()), block.size()},
                         {const_cast<char*>(block.data()), 1}};
  u64 sent = 0;
  for (;;) {
    const IoResult result = sys::sendVector(pair.near, parts, 2);
    if (result.kind != Kind::kDone) {
      CHECK(result.kind == Kind::kAgain);
      break;
    }
    sent += result.bytes;
  }
  CHECK(sys::bytesUnacknowledged(pair.near) > 0);
  sys::Event events[4];
  while (sys::epollWait(pair.epoll, events, 0) > 0) continue;  // edges from before
  u64 received = 0;
  std::vector<u8> buffer(1 << 20);
  while (received < sent) {
    const IoResult result = sys::recv(pair.far, buffer.data(), buffer.size());
    if (result.kind == Kind::kDone) received += result.bytes;
    if (result.kind == Kind::kFailed || result.kind == Kind::kEof) break;
  }
  CHECK_EQ(received, sent);
  pair.waitFor(sys::kEventWritable);
}

TEST(sysReportsUrgentDataAndCutsReadsAtTheMark) {
  Pair pair;
  CHECK_EQ(sys::send(pair.far, "ab", 2).bytes, 2);
  CHECK_EQ(::send(pair.far, "!", 1, MSG_OOB), 1);
  CHECK_EQ(sys::send(pair.far, "cd", 2).bytes, 2);
  pair.waitFor(sys::kEventUrgent);
  std::string text;
  while (text.size() < 4) {
    char buffer[16];
    const IoResult result = sys::recv(pair.near, buffer, sizeof(buffer));
    if (result.kind == Kind::kDone) text.append(buffer, result.bytes);
  }
  CHECK_EQ(text, "abcd");
}

TEST(sysAcceptTellsThePeer) {
  Pair pair;
  sockaddr_storage storage;
  socklen_t length = 0;
  CHECK(sys::getSockName(pair.near, &storage, &length) >= 0);
  CHECK(fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length) == pair.peer);
  CHECK_EQ(sys::setOption(pair.near, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  int value = 0;
  CHECK(sys::getOption(pair.near, IPPROTO_TCP, TCP_NODELAY, &value) >= 0);
  CHECK_EQ(value, 1);
}

TEST(sysCallsAnswerWithTheErrno) {
  Address address;
  CHECK(parseAddress("127.0.0.1:1", &address));
  sockaddr_storage storage;
  const socklen_t length = toSockaddr(address, &storage);
  CHECK_EQ(sys::connect(-1, reinterpret_cast<sockaddr*>(&storage), length), -EBADF);
  CHECK_EQ(sys::close(-1), -EBADF);
  CHECK_EQ(sys::fileSize(-1), -EBADF);
  CHECK_EQ(sys::openNetns("no-such-namespace-here"), -ENOENT);
  CHECK_EQ(sys::openNetns(std::string(400, 'x').c_str()), -ENAMETOOLONG);
  CHECK(sys::mapShared(-1, 4096, sys::Access::kRead) == nullptr);
}

TEST(sysWakesByEventAndByTimer) {
  const int epoll = sys::epollCreate();
  const int event = sys::eventCreate();
  const int timer = sys::timerCreate();
  CHECK_EQ(sys::epollAdd(epoll, event, sys::Watch::kEdgeRead, 1), 0);
  CHECK_EQ(sys::epollAdd(epoll, timer, sys::Watch::kEdgeRead, 2), 0);
  sys::Event events[4];
  CHECK_EQ(sys::epollWait(epoll, events, 0), 0);
  for (int round = 0; round < 3; ++round) {
    // Edge-triggered: each signal wakes once, although nobody reads the counter.
    CHECK(sys::eventSignal(event) >= 0);
    CHECK_EQ(sys::epollWait(epoll, events, 1000), 1);
    CHECK_EQ(events[0].key, 1);
    CHECK_EQ(sys::epollWait(epoll, events, 0), 0);
    CHECK_EQ(sys::timerArm(timer, sys::nowNs() + 1000), 0);
    CHECK_EQ(sys::epollWait(epoll, events, 1000), 1);
    CHECK_EQ(events[0].key, 2);
  }
  CHECK_EQ(sys::timerArm(timer, sys::nowNs() + 1), 0);
  CHECK_EQ(sys::timerArm(timer, 0), 0);
  CHECK_EQ(sys::epollWait(epoll, events, 0), 0);
  for (const int fd : {epoll, event, timer}) sys::close(fd);
}

TEST(sysSharedMemoryIsSeenByEveryMapAndSealable) {
  const int fd = sys::memfdCreate("test", 8192);
  CHECK_EQ(sys::fileSize(fd), 8192);
  auto* first = static_cast<u8*>(sys::mapShared(fd, 8192, sys::Access::kReadWrite));
  first[5000] = 7;
  const auto* second = static_cast<u8*>(sys::mapShared(fd, 8192, sys::Access::kRead));
  CHECK_EQ(second[5000], 7);
  sys::unreserve(first, 8192);
  sys::unreserve(const_cast<u8*>(second), 8192);
  CHECK(sys::sealMemfd(fd) >= 0);
  CHECK(sys::write(fd, "x", 1).kind == Kind::kFailed);
  CHECK(sys::mapShared(fd, 8192, sys::Access::kReadWrite) == nullptr);
  const auto* sealed = static_cast<u8*>(sys::mapShared(fd, 8192, sys::Access::kRead));
  CHECK(sealed != nullptr && sealed[5000] == 7);
  sys::unreserve(const_cast<u8*>(sealed), 8192);
  sys::close(fd);
}

TEST(sysReservedPagesReadZeroAgainAfterRelease) {
  auto* memory = static_cast<u8*>(sys::reserve(16384));
  memory[4096] = 1;
  memory[0] = 2;
  sys::releasePages(memory + 4096, 4096);
  CHECK_EQ(memory[4096], 0);
  CHECK_EQ(memory[0], 2);
  sys::unreserve(memory, 16384);
}

}  // namespace
}  // namespace holdfast
