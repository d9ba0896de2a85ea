// A gateway of one shard, its clients and its endpoint, in one thread on
// loopback.
//
// Composes the real Board, Acceptor and Shard on the real kernel and plays both
// far ends. Every step is synchronous: what a send puts into a socket is there
// when the send returns, so a run is the same each time. The core's clock
// stands still but for one microsecond a reading. Invariant: `Counted` is
// around the core's turns and nothing else.
#pragma once

#include <memory>
#include <vector>

#include "proxy/acceptor.h"
#include "proxy/shard.h"
#include "runtime/board.h"

#include "messages.h"

namespace holdfast::gate {

// What filters there are for HTTP: none; 1,000 rules and a rate limit; or those
// and a chain that wants to be asked of everything, on another host, so that no
// request may cost more for them.
enum class Filters : u8 { kNone, kRulesAndLimit, kElsewhere };

class Stage {
 public:
  Stage(u32 connectionsMax, Carried carried, Filters filters = Filters::kNone);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // One proxied connection, opened and with one round trip behind it. With HTTP
  // an endpoint's connection serves whoever comes, so it belongs to no pair.
  struct Pair {
    int client = -1;
    int endpoint = -1;
  };
  Pair open();
  // FIN from the client, relayed, answered, closed on both sides.
  void close(Pair& pair);
  // Every pair carries one message there and one back, all of them at once,
  // each in one turn.
  void roundTrip(const std::vector<Pair>& pairs);
  // The same in as many turns as it takes: with HTTP connections to the
  // endpoint are made.
  void settle(const std::vector<Pair>& pairs);
  // Runs the core until it has nothing to do.
  void turn();
  [[nodiscard]] u32 live() { return shard_->tunnels(); }

 private:
  void listenForGateway();
  void configure();
  void attachFilters();
  void openTunnel(Pair& pair);
  void upgrade(Pair& pair);
  [[nodiscard]] int acceptAtEndpoint();
  // Answers what has arrived at connections of HTTP; returns how many requests
  // that were.
  u32 answerRequests();

  Carried carried_;
  Filters filters_;
  std::vector<u32> filterWords_;
  std::vector<u8> filterBytes_;
  std::vector<int> endpoints_;  // with HTTP
  Board board_;
  std::unique_ptr<proxy::Acceptor> acceptor_;
  std::unique_ptr<proxy::Shard> shard_;
  int endpointListener_ = -1;
  sockaddr_storage front_{};
  socklen_t frontLength_ = 0;
};

// Ends the program with a sentence.
[[noreturn]] void fail(const char* what);

}  // namespace holdfast::gate
