// The objects that JavaScript holds: thin shells around the core's Board, Acceptor, Prober and
// Shard.
//
// Each is made by a function of the addon, never by `new` in JavaScript, and hangs its constructor
// off the addon's instance data: nothing is static, because every thread loads its own instance.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <thread>
#include <unordered_map>

#include "binding/loop_host.h"
#include "binding/loop_watch.h"
#include "proxy/acceptor.h"
#include "proxy/prober.h"
#include "proxy/shard.h"

namespace holdfast::binding {

class BoardObject : public Napi::ObjectWrap<BoardObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BoardObject(const Napi::CallbackInfo& info);
  // Shared with whatever was made from it, so that no order of collection can free it too early.
  [[nodiscard]] const std::shared_ptr<Board>& board() const { return board_; }

 private:
  Napi::Value fd(const Napi::CallbackInfo& info);
  Napi::Value shardCounters(const Napi::CallbackInfo& info);
  Napi::Value listenerCounters(const Napi::CallbackInfo& info);
  Napi::Value closeReasons(const Napi::CallbackInfo& info);
  Napi::Value refusals(const Napi::CallbackInfo& info);
  Napi::Value endpointCounters(const Napi::CallbackInfo& info);
  Napi::Value connections(const Napi::CallbackInfo& info);
  Napi::Value shardConnections(const Napi::CallbackInfo& info);
  Napi::Value listenerConnections(const Napi::CallbackInfo& info);
  Napi::Value endpointConnections(const Napi::CallbackInfo& info);
  // http_board.cc
  Napi::Value clusterCounters(const Napi::CallbackInfo& info);
  Napi::Value httpCounters(const Napi::CallbackInfo& info);
  Napi::Value httpEnds(const Napi::CallbackInfo& info);
  Napi::Value httpViolations(const Napi::CallbackInfo& info);
  Napi::Value clusterHttpCounters(const Napi::CallbackInfo& info);
  Napi::Value clusterLatency(const Napi::CallbackInfo& info);
  Napi::Value routeCounters(const Napi::CallbackInfo& info);
  Napi::Value routeLatency(const Napi::CallbackInfo& info);
  void setHttp(const Napi::CallbackInfo& info);
  // policy_reader.cc
  Napi::Value policyCounters(const Napi::CallbackInfo& info);
  void setPolicy(const Napi::CallbackInfo& info);
  void setRoute(const Napi::CallbackInfo& info);
  void setListener(const Napi::CallbackInfo& info);
  void setCluster(const Napi::CallbackInfo& info);
  void setEndpoint(const Napi::CallbackInfo& info);
  void setEndpointHealthy(const Napi::CallbackInfo& info);
  Napi::Value endpointEjectedMs(const Napi::CallbackInfo& info);
  Napi::Value pulse(const Napi::CallbackInfo& info);
  void ping(const Napi::CallbackInfo& info);
  void resetShard(const Napi::CallbackInfo& info);
  // The index at argument 0, or -1 with a RangeError thrown.
  static i64 indexOf(const Napi::CallbackInfo& info, u32 limit, const char* what);

  std::shared_ptr<Board> board_;
};

class AcceptorObject : public Napi::ObjectWrap<AcceptorObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit AcceptorObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value listen(const Napi::CallbackInfo& info);
  void unlisten(const Napi::CallbackInfo& info);
  void update(const Napi::CallbackInfo& info);
  void setLimits(const Napi::CallbackInfo& info);
  void setConnectionsMax(const Napi::CallbackInfo& info);
  void setDistribution(const Napi::CallbackInfo& info);
  void setShardReady(const Napi::CallbackInfo& info);
  Napi::Value errors(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  std::shared_ptr<Board> board_;
  std::unique_ptr<proxy::Acceptor> acceptor_;
  LoopHost host_;
};

class ProberObject : public Napi::ObjectWrap<ProberObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ProberObject(const Napi::CallbackInfo& info);

 private:
  void probe(const Napi::CallbackInfo& info);
  Napi::Value readAnswer(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void deliver();

  proxy::Prober prober_;
  LoopWatch watch_;
  u32 nextId_ = 1;
  std::unordered_map<u32, Napi::FunctionReference> waiting_;
};

// The functions of the filter host, and the arrays that it shares with the core.
struct FilterFunctions {
  Napi::FunctionReference run;
  Napi::FunctionReference drained;
  Napi::ObjectReference memory;
  std::unique_ptr<Napi::AsyncContext> scope;
};

class ShardObject : public Napi::ObjectWrap<ShardObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ShardObject(const Napi::CallbackInfo& info);

 private:
  void start(const Napi::CallbackInfo& info);
  void applySnapshot(const Napi::CallbackInfo& info);
  Napi::Value connections(const Napi::CallbackInfo& info);
  Napi::Value kill(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  void undrain(const Napi::CallbackInfo& info);
  Napi::Value cutDrained(const Napi::CallbackInfo& info);
  // filters_object.cc
  void attachFilters(const Napi::CallbackInfo& info);
  void applyFilterAnswers(const Napi::CallbackInfo& info);
  void retireFilterChain(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);

  Board board_;
  std::unique_ptr<proxy::Shard> shard_;
  u32 index_ = 0;
  LoopHost host_;
  FilterFunctions filters_;
};

// What the log writer's thread and its owner share; it outlives both.
struct AccessLogState {
  std::shared_ptr<Board> board;
  std::string path;  // empty: a standard stream, which cannot be opened again
  std::atomic<int> fd{-1};
  std::atomic<int> nextFd{-1};  // takes the place of fd, set by reopen
  std::atomic<bool> isStopping{false};
  std::atomic<bool> isDone{false};
  std::atomic<u64> written{0};
  std::atomic<u64> failed{0};  // bytes lost because the file could not be written
};

class AccessLogObject : public Napi::ObjectWrap<AccessLogObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit AccessLogObject(const Napi::CallbackInfo& info);
  ~AccessLogObject() override;

 private:
  void reopen(const Napi::CallbackInfo& info);
  Napi::Value written(const Napi::CallbackInfo& info);
  Napi::Value dropped(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  void finish(u32 timeoutMs);

  std::shared_ptr<AccessLogState> state_;
  std::thread thread_;
};

// Everything of one environment. Owned by the environment.
struct AddonState {
  Napi::FunctionReference board;
  Napi::FunctionReference acceptor;
  Napi::FunctionReference prober;
  Napi::FunctionReference shard;
  Napi::FunctionReference accessLog;
};

// JavaScript's snapshot as parts; the problem says what is wrong with it.
struct Problem;
proxy::SnapshotParts readSnapshot(Napi::Value value, Problem& problem);

}  // namespace holdfast::binding
