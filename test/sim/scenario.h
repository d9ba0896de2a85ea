// Scenario: one gateway in one world, driven to its end and judged.
//
// Composes the real Board, Acceptor and Shards on the simulated kernel, lets clients arrive, moves
// the network, the peers, the clock and the reactor in a random order, then stops all faults and
// waits until nothing is left. Invariants are checked on the way and at the end (see judge.cc).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/acceptor.h"
#include "proxy/shard.h"

#include "sim/filters.h"
#include "sim/peers.h"
#include "sim/world.h"

namespace holdfast::sim {

// What one run leaves behind for the summary.
struct Outcome {
  u64 traceHash = 0;
  u32 clients = 0;
  u32 pairs = 0;   // clients that are known to have reached an endpoint
  u32 strict = 0;  // pairs judged by every rule
  u64 bytes = 0;
  u64 turns = 0;
  u64 waits = 0;  // for tokens of filters that limit bytes
  u64 closedBy[countOf<CloseReason>()] = {};
  std::map<std::string, u64> endsWaiting;  // for filters, by reason
};

// Worlds with TLS, and with HTTP, are other series: the same seed is another world.
enum class Series : u8 { kPlain, kTls, kHttp };

class Scenario {
 public:
  Scenario(u64 seed, Series series, bool isTracing);
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  ~Scenario();

  Outcome run();

 private:
  // What the gateway may do to a connection of its own accord, drawn from the seed.
  struct Policies {
    bool hasMaxAge = false;
    bool hasKills = false;
    bool hasDrain = false;
    bool hasReloads = false;
    bool hasMemoryCap = false;
    bool hasFilters = false;  // of what connections send
    bool hasSilentPeers = false;
    bool hasThrottles = false;
    bool hasFlood = false;  // more clients at once than a mailbox holds
  };

  void drawKnobs();
  void drawSnapshot();
  void drawTls();
  void drawFilters();
  int compile();
  void startGateway();

  void storm();
  void step();
  void calm();
  bool moveWorld();
  bool runGateway();
  void turnShard(u32 index);
  void interfere();
  void newClient();
  void giveTls(Peer& peer, u8 role);
  void reload(proxy::Shard& shard);
  static void acceptedByEndpoint(void* owner, Stream* stream);
  static void printPeers(void* owner);
  bool moveStream(Stream& stream);
  void checkTurn(u32 index);
  void checkClient(const proxy::ConnectionView& view);

  // judge.cc
  void judge();
  void judgePair(const Peer& client, const Peer& endpoint);
  void judgeDirection(const Peer& from, const Peer& to);
  void judgeHeader(const Peer& client, const Peer& endpoint);
  void judgeCounters();
  void judgeTimeouts();
  void judgeThrottles();
  void judgeReasons();
  void judgeTls();
  void judgeLinger(const Peer& peer);
  [[nodiscard]] bool isStrict() const;
  [[nodiscard]] u64 shownBytes() const;
  [[nodiscard]] const Peer* partnerOf(const Peer& client) const;

  World world_;
  Policies policies_;
  Outcome outcome_;
  proxy::SnapshotParts parts_;
  // Where TLS is in this world; with pass-through both peers speak it.
  struct Secured {
    bool isClient = false;
    bool isEndpoint = false;
    bool isPassedThrough = false;
    bool hasRoughPeers = false;
  };
  Secured secured_;
  std::unique_ptr<ToyLibrary> library_;
  bool hadStalls_ = false;  // the clock jumped
  bool isCalm_ = false;
  Peer::Role waitingInCalm_ = Peer::Role::kClient;
  u64 shardPendingMax_ = 0;
  u32 shardCount_ = 1;
  u32 connectionsMax_ = 0;
  std::unique_ptr<Board> board_;
  std::unique_ptr<proxy::Acceptor> acceptor_;
  std::vector<std::unique_ptr<proxy::Shard>> shards_;
  std::vector<std::unique_ptr<SimFilters>> filters_;  // of each shard
  std::vector<int> epollFds_;                         // of each shard
  int acceptorEpollFd_ = -1;
  int listenFd_ = -1;
  u32 clientsLeft_ = 0;
  std::vector<std::unique_ptr<Peer>> peers_;    // id - 1 is the position
  std::vector<std::pair<u32, Handle>> killed_;  // by shard: handles that name nothing any more
};

}  // namespace holdfast::sim
