// The origin of the measurements: it does for each connection what the first message asks for.
//
// An ordinary first message makes it an echo; subscribe and publish make it a fan-out hub; upload
// counts bytes and acknowledges; download sends bytes. A request of HTTP is answered as such, and
// so are those that follow, and the frames after an upgrade (origin_web.h). Anything else is echoed
// byte by byte.
// Invariant: what a reader does not take waits in that connection's own queue, and reading from it
// pauses, so memory is bounded by what one read returned; a subscriber's queue is bounded by
// kQueueBytesMax.
#pragma once

#include <string>
#include <vector>

#include "loop.h"
#include "payload.h"
#include "sockets.h"

namespace holdfast::loadgen {

// A repeated block whose every byte depends on its position: what bulk transfers carry and check.
inline constexpr std::size_t kPatternBytes = 65521;
inline char patternAt(u64 position) {
  const u64 place = position % kPatternBytes;
  return static_cast<char>(place * 31 + (place >> 8));
}
// `bytes` of the pattern, at least kPatternBytes longer than any single send.
std::string makePattern(std::size_t bytes);

class Origin : public Loop::Handler {
 public:
  Origin(Loop& loop, const std::vector<Address>& addresses);
  void ready(u32 index, u32 generation, u32 events) override;
  u64 acceptedCount() const { return accepted_; }
  u64 droppedCount() const { return dropped_; }

 private:
  enum class Role : u8 {
    kNew,
    kEcho,
    kSubscriber,
    kPublisher,
    kUpload,
    kDownload,
    kHttp,
    kWebSocket,
    kStream
  };
  struct Peer {
    int fd = -1;
    u32 generation = 0;
    Role role = Role::kNew;
    bool isBlocked = false;
    bool isClosing = false;  // ends when the queue is empty
    bool hasUnread = false;  // readable edge seen while blocked
    u64 remaining = 0;       // bytes of an upload or download still to come
    u64 position = 0;
    std::string queue;
    std::string unread;  // a request or frame that is not whole
  };
  struct Acceptor : Loop::Handler {
    Acceptor(Origin& origin, int fd) : origin_(origin), fd_(fd) {}
    void ready(u32 index, u32 generation, u32 events) override;
    Origin& origin_;
    int fd_;
  };

  void accepted(int fd);
  // `isEnding`: the edge said that no more follows, and there will be no other.
  void read(u32 index, bool isEnding);
  bool handle(u32 index, std::span<const char> bytes);
  std::size_t chooseRole(u32 index, std::span<const char> bytes);
  bool handleWeb(u32 index, std::span<const char> bytes);
  // Answers what is whole at the front; returns the bytes used, or npos when it is to be closed.
  std::size_t answerWeb(u32 index, std::span<const char> bytes);
  bool send(Peer& peer, std::span<const char> bytes);
  bool flush(u32 index);
  bool continueDownload(Peer& peer);
  void broadcast(const std::vector<u32>& to, std::span<const char> bytes);
  void closePeer(u32 index);

  Loop& loop_;
  u32 handler_;
  TcpPayload payload_;
  std::vector<Acceptor*> acceptors_;
  std::vector<Peer> peers_;
  std::vector<u32> free_;
  std::vector<u32> subscribers_;
  std::vector<u32> streams_;
  std::string answer_;  // of one read
  std::string event_;
  std::vector<char> scratch_;
  std::string pattern_;
  u64 accepted_ = 0;
  u64 dropped_ = 0;
};

}  // namespace holdfast::loadgen
