// The one seam to the kernel: every system call of the core is declared here, once.
//
// The functions are free functions resolved at link time: `sys_linux.cc` calls the kernel, and a
// simulated kernel can be linked in its place without a cost on the path.
// Convention: calls return >= 0 on success and -errno on failure; recv and send return IoResult.
// Nothing here retries, logs or allocates, except that EINTR is retried where the call is
// restartable.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <span>

#include "runtime/base.h"

namespace holdfast::sys {

// What an epoll entry reports, independent of <sys/epoll.h>.
enum EventBits : u32 {
  kEventReadable = 1u << 0,
  kEventWritable = 1u << 1,
  kEventReadHup = 1u << 2,  // the peer shut down its sending side (FIN)
  kEventError = 1u << 3,    // EPOLLERR: an error is pending on the socket
  kEventHup = 1u << 4,      // EPOLLHUP: both directions are shut down
  kEventUrgent = 1u << 5,   // EPOLLPRI: urgent data (MSG_OOB) arrived
};

struct Event {
  u32 bits = 0;
  u64 key = 0;  // what was given to epollAdd
};

// How an entry is watched.
enum class Watch : u8 {
  kEdgeBoth,   // readable, writable, FIN, urgent; edge-triggered; never modified afterwards
  kEdgeRead,   // readable; edge-triggered (event counters and timers, which need no read then)
  kLevelRead,  // readable; level-triggered (listening sockets)
  kNone,       // keeps the entry but reports nothing (a listener that backs off)
};

inline constexpr size_t kEventsMax = 512;  // events taken by one epollWait

int epollCreate();
int epollAdd(int epollFd, int fd, Watch watch, u64 key);
int epollModify(int epollFd, int fd, Watch watch, u64 key);
// Returns the number of events; timeoutMs -1 blocks, 0 polls.
int epollWait(int epollFd, std::span<Event> events, int timeoutMs);

// Non-blocking, close-on-exec stream socket.
int socketStream(int family);
int accept(int listenFd, sockaddr_storage* peer, socklen_t* peerLength);
int bind(int fd, const sockaddr* address, socklen_t length);
int listen(int fd, int backlog);
int connect(int fd, const sockaddr* address, socklen_t length);
int getSockName(int fd, sockaddr_storage* address, socklen_t* length);
int setOption(int fd, int level, int name, int value);
int getOption(int fd, int level, int name, int* value);
// Reads and clears SO_ERROR; returns the pending errno (>= 0) or -errno when the call fails.
int takeSocketError(int fd);
// Sends RST instead of FIN when the socket is closed.
int armReset(int fd);
// Bytes in the receive queue, and bytes in the send queue that the peer has not acknowledged.
int bytesReadable(int fd);
int bytesUnacknowledged(int fd);

IoResult recv(int fd, void* buffer, size_t length);
// Copies without consuming.
IoResult peek(int fd, void* buffer, size_t length);
// Drops `length` bytes that a peek has shown.
IoResult discard(int fd, size_t length);
IoResult send(int fd, const void* buffer, size_t length);
IoResult sendVector(int fd, const iovec* parts, int count);
int shutdownWrite(int fd);
int close(int fd);

int eventCreate();
// Adds one to the counter: the reader wakes up.
int eventSignal(int fd);
int timerCreate();
// Fires once at `deadlineNs` on CLOCK_MONOTONIC; 0 disarms.
int timerArm(int fd, u64 deadlineNs);

// Sleeps until `deadlineNs` on CLOCK_MONOTONIC; at once when that has passed.
void sleepUntil(u64 deadlineNs);

u64 nowNs();       // CLOCK_MONOTONIC
u64 realtimeMs();  // CLOCK_REALTIME, for records only
int randomBytes(void* buffer, size_t length);

// Address space that becomes resident page by page when touched. Null when refused.
void* reserve(size_t bytes);
void unreserve(void* memory, size_t bytes);
// Gives pages back to the kernel; they read as zero afterwards.
void releasePages(void* memory, size_t bytes);
// Core dumps leave these pages out; where the kernel cannot, nothing happens.
void excludeFromDumps(void* memory, size_t bytes);

int memfdCreate(const char* name, size_t bytes);
// Maps a whole memfd, shared; read-only maps also work on a sealed one.
enum class Access : u8 { kRead, kReadWrite };
void* mapShared(int fd, size_t bytes, Access access);
i64 fileSize(int fd);
int sealMemfd(int fd);

// Network namespaces. enter returns a descriptor of the namespace left behind, for leave.
int openNetns(const char* name);
int enterNetns(int netnsFd);
// Returns to the namespace behind `previousFd` and closes it. Failing would leave the thread in the
// wrong namespace, so it aborts the process instead.
void leaveNetns(int previousFd);

int duplicate(int fd);
int openAppend(const char* path);
// Blocks until a write may succeed; 0 when the time is over.
int waitWritable(int fd, int timeoutMs);
IoResult write(int fd, const void* buffer, size_t length);

// This process, as /proc tells; 0 for what cannot be read.
struct ProcessInfo {
  u64 residentBytes = 0;
  u64 openFds = 0;
  u64 fdsMax = 0;
  u64 threads = 0;
};
ProcessInfo processInfo();
// The calling thread runs only where no other one wants to, and gives way at once. 0 or -errno.
int enterBackground();

}  // namespace holdfast::sys
