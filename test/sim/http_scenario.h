// HttpScenario: a gateway with HTTP in one world, its clients and endpoints, driven to the end and
// judged.
//
// The same kernel and the same real Board, Acceptor and Shards as in scenario.h; what differs is
// who speaks. Invariant: peers judge what they receive at once; what must be true of a world that
// is over stands in http_judge.cc.
#pragma once

#include <memory>
#include <vector>

#include "proxy/acceptor.h"
#include "proxy/shard.h"

#include "sim/filters.h"
#include "sim/http_client.h"
#include "sim/http_endpoint.h"
#include "sim/scenario.h"

namespace holdfast::sim {

class HttpScenario {
 public:
  HttpScenario(u64 seed, bool isTracing);
  HttpScenario(const HttpScenario&) = delete;
  HttpScenario& operator=(const HttpScenario&) = delete;
  ~HttpScenario();

  Outcome run();

 private:
  struct Policies {
    bool hasMaxAge = false;
    bool hasKills = false;
    bool hasDrain = false;
    bool hasReloads = false;
    bool hasMemoryCap = false;
    bool hasLimits = false;
    bool hasThrottles = false;
    bool hasFilters = false;
    bool hasMirrors = false;
  };

  // http_draw.cc
  void drawKnobs();
  void drawSnapshot();
  void drawRoutes(proxy::HttpParts& http);
  void drawCompression(proxy::HttpRouteParts& first, proxy::HttpRouteParts& second);
  void drawMirrors(proxy::HttpParts& http);
  void drawTls();
  void drawCluster(u32 id);
  void startGateway();
  void drawFilters();
  void applyTo(proxy::Shard& shard);
  void reload(proxy::Shard& shard);

  void storm();
  void calm();
  void step();
  void interfere();
  bool moveWorld();
  bool runGateway();
  bool answerSlowly();
  void turnShard(u32 index);
  bool moveStream(Stream& stream);
  void newClient();
  void introduce(HttpClient& client);
  [[nodiscard]] bool isOver() const;
  [[nodiscard]] u64 copiesActive() const;
  static void acceptedByEndpoint(void* owner, Stream* stream);
  static void printAll(void* owner);

  // http_judge.cc
  void judge();
  void judgeClient(const HttpClient& client);
  void judgeTalk(const Ask& ask);
  void judgeGauges();
  void judgeTls();
  void judgeRecords();
  void judgeLeft();

  World world_;
  Policies policies_;
  HttpBook book_;
  std::unique_ptr<ToyLibrary> library_;  // in worlds with TLS
  Outcome outcome_;
  proxy::SnapshotParts parts_;
  bool hadStalls_ = false;
  bool hadAcceptErrors_ = false;
  u64 slowUntilNs_ = 0;  // the calm filters answer then
  u64 shardPendingMax_ = 0;
  u32 shardCount_ = 1;
  u32 connectionsMax_ = 64;
  std::unique_ptr<Board> board_;
  std::unique_ptr<proxy::Acceptor> acceptor_;
  std::vector<std::unique_ptr<proxy::Shard>> shards_;
  std::vector<std::unique_ptr<SimFilters>> filters_;  // of each shard
  std::vector<u32> chainOf_;                          // that its snapshot names
  std::vector<int> epollFds_;
  int acceptorEpollFd_ = -1;
  int listenFd_ = -1;
  u32 clientsLeft_ = 0;
  std::vector<std::unique_ptr<HttpClient>> clients_;
  std::vector<std::unique_ptr<HttpEndpoint>> endpoints_;
};

}  // namespace holdfast::sim
