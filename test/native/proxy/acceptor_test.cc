// An acceptor whose listening sockets close: who waits in a queue is handed
// over, within limits.
//
// Real sockets, no thread and no shard: what reached a mailbox is counted
// there. The queue is filled while nobody turns the acceptor, so that nothing
// here depends on timing. Invariant: every client that connected is in a
// mailbox, refused by a limit, or was reset by the kernel because its socket
// had not served yet.
#include "proxy/acceptor.h"

#include <sys/resource.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "check.h"
#include "loopback.h"

namespace holdfast::proxy {
namespace {

constexpr u32 kListener = 3;
constexpr u32 kWaiting = 200;  // more than one batch

class Scene {
 public:
  explicit Scene(u32 shards = 2) : acceptor_(std::make_unique<Acceptor>(board_)) {
    BoardOptions options;
    options.shards = shards;
    options.connectionsMax = 10'000;
    options.pendingBytesMax = 1u << 20;
    CHECK(board_.create(options).isOk());
    CHECK(acceptor_->start().isOk());
    wakeFd_ = sys::eventCreate();
    for (u32 shard = 0; shard < shards; ++shard) {
      acceptor_->setShardReady(shard, 1);
      board_.shard(shard).wakeFd.store(wakeFd_);
    }
    address_ = loopback::addressOf(0);
    const ListenResult listening = acceptor_->listen(spec());
    CHECK(listening.handle >= 0);
    handle_ = listening.handle;
    port_ = fromSockaddr(reinterpret_cast<const sockaddr*>(&listening.bound), listening.boundLength)
                .port;
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  ~Scene() {
    for (const int client : clients_) ::close(client);
    (void)takeHandedOver();
    acceptor_.reset();
    sys::close(wakeFd_);
  }

  [[nodiscard]] ListenSpec spec() const {
    ListenSpec spec;
    spec.listener = kListener;
    spec.address = reinterpret_cast<const sockaddr*>(&address_);
    spec.addressLength = sizeof(address_);
    return spec;
  }
  // A connect is done when the connection is in the queue of the listening
  // socket.
  void connect(u32 count) {
    for (u32 i = 0; i < count; ++i) clients_.push_back(loopback::connectTo(port_));
  }
  // Empties the mailboxes, closing what was in them; returns how many there
  // were.
  u32 takeHandedOver() {
    u32 count = 0;
    for (u32 shard = 0; shard < board_.shards(); ++shard) {
      MailboxMessage message;
      while (board_.mailbox(shard).pop(&message)) {
        CHECK_EQ(message.listener, kListener);
        sys::close(message.fd);
        count++;
      }
    }
    return count;
  }
  // Whether a shard has been woken since the last call.
  bool isWoken() {
    u64 signals = 0;
    pollfd watched{wakeFd_, POLLIN, 0};
    return ::poll(&watched, 1, 0) == 1 && ::read(wakeFd_, &signals, sizeof(signals)) > 0;
  }
  // How many clients see a reset; the others see the FIN of takeHandedOver().
  u32 countResets() {
    u32 resets = 0;
    for (const int client : clients_) {
      int error = 0;
      CHECK_EQ(loopback::receive(client, 1, &error), std::string());
      if (error == ECONNRESET) resets++;
    }
    return resets;
  }

  Acceptor& acceptor() { return *acceptor_; }
  Board& board() { return board_; }
  [[nodiscard]] i32 handle() const { return handle_; }

 private:
  Board board_;
  std::unique_ptr<Acceptor> acceptor_;
  sockaddr_in address_{};
  int wakeFd_ = -1;
  i32 handle_ = -1;
  u16 port_ = 0;
  std::vector<int> clients_;
};

}  // namespace

TEST(acceptorHandsOverWhoWaitsWhenASocketCloses) {
  Scene scene;
  scene.acceptor().update(scene.handle(), scene.spec());
  scene.connect(kWaiting);
  scene.acceptor().unlisten(scene.handle());
  CHECK(scene.isWoken());
  CHECK_EQ(scene.takeHandedOver(), kWaiting);
  CHECK_EQ(scene.countResets(), 0u);
  CHECK_EQ(scene.board().listener(kListener).assigned.load(), u64{kWaiting});
}

TEST(acceptorHandsOverTheRestOfAQueueThatItHasBegun) {
  Scene scene;
  scene.connect(kWaiting);
  (void)scene.acceptor().turn(1000);
  CHECK_EQ(scene.takeHandedOver(), kAcceptBatchMax);
  scene.acceptor().unlisten(scene.handle());
  CHECK_EQ(scene.takeHandedOver(), kWaiting - kAcceptBatchMax);
  CHECK_EQ(scene.countResets(), 0u);
}

TEST(acceptorAcceptsNobodyFromASocketThatNeverServed) {
  Scene scene;
  scene.connect(kWaiting);
  scene.acceptor().unlisten(scene.handle());
  CHECK_EQ(scene.takeHandedOver(), 0u);
  CHECK_EQ(scene.countResets(), kWaiting);
}

TEST(acceptorKeepsLimitsWhileASocketCloses) {
  constexpr u32 kRate = 10;
  Scene scene;
  ListenerLimits limits;
  limits.acceptsPerSecond = kRate;
  scene.acceptor().setLimits(kListener, limits);
  scene.acceptor().update(scene.handle(), scene.spec());
  scene.connect(kWaiting);
  scene.acceptor().unlisten(scene.handle());
  // A bucket of one second, and nothing on top of it.
  CHECK_EQ(scene.takeHandedOver(), kRate);
  CHECK_EQ(scene.countResets(), kWaiting - kRate);
}

// Fills a mailbox, so it needs two descriptors for each of its slots.
TEST(acceptorClosesWithinItsTimeWhenMailboxesStayFull) {
  constexpr u32 kBeyond = 20;
  rlimit limit{};
  CHECK_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  CHECK_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  Scene scene(1);
  scene.acceptor().update(scene.handle(), scene.spec());
  scene.connect(kMailboxSlots + kBeyond);
  scene.acceptor().unlisten(scene.handle());
  CHECK_EQ(scene.takeHandedOver(), kMailboxSlots);
  // One is parked until a mailbox has room, and its time comes soon.
  (void)scene.acceptor().turn(1000);
  CHECK_EQ(scene.takeHandedOver(), 1u);
  CHECK_EQ(scene.countResets(), kBeyond - 1);
}

}  // namespace holdfast::proxy
