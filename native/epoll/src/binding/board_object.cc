// Reading the board's counters and writing its names and health, for the control plane.
//
// Runs on the main thread. Invariant: every index is checked before it reaches the core; numbers
// are read one by one without a lock, so a page of them is not one instant.
#include <cstring>

#include "binding/arguments.h"
#include "binding/http_board.h"
#include "binding/objects.h"

namespace holdfast::binding {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

Napi::Value numbers(Napi::Env env, const std::atomic<u64>* values, size_t count) {
  Napi::Array out = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; i++) {
    out.Set(static_cast<u32>(i), static_cast<double>(values[i].load(kRelaxed)));
  }
  return out;
}

}  // namespace

Napi::Function BoardObject::define(Napi::Env env) {
  return DefineClass(env, "Board",
                     {
                         InstanceAccessor<&BoardObject::fd>("fd"),
                         InstanceMethod<&BoardObject::shardCounters>("shardCounters"),
                         InstanceMethod<&BoardObject::listenerCounters>("listenerCounters"),
                         InstanceMethod<&BoardObject::closeReasons>("closeReasons"),
                         InstanceMethod<&BoardObject::refusals>("refusals"),
                         InstanceMethod<&BoardObject::endpointCounters>("endpointCounters"),
                         InstanceMethod<&BoardObject::connections>("connections"),
                         InstanceMethod<&BoardObject::shardConnections>("shardConnections"),
                         InstanceMethod<&BoardObject::listenerConnections>("listenerConnections"),
                         InstanceMethod<&BoardObject::endpointConnections>("endpointConnections"),
                         InstanceMethod<&BoardObject::clusterCounters>("clusterCounters"),
                         InstanceMethod<&BoardObject::httpCounters>("httpCounters"),
                         InstanceMethod<&BoardObject::httpEnds>("httpEnds"),
                         InstanceMethod<&BoardObject::httpViolations>("httpViolations"),
                         InstanceMethod<&BoardObject::clusterHttpCounters>("clusterHttpCounters"),
                         InstanceMethod<&BoardObject::clusterLatency>("clusterLatency"),
                         InstanceMethod<&BoardObject::routeCounters>("routeCounters"),
                         InstanceMethod<&BoardObject::routeLatency>("routeLatency"),
                         InstanceMethod<&BoardObject::policyCounters>("policyCounters"),
                         InstanceMethod<&BoardObject::setPolicy>("setPolicy"),
                         InstanceMethod<&BoardObject::setHttp>("setHttp"),
                         InstanceMethod<&BoardObject::setRoute>("setRoute"),
                         InstanceMethod<&BoardObject::setListener>("setListener"),
                         InstanceMethod<&BoardObject::setCluster>("setCluster"),
                         InstanceMethod<&BoardObject::setEndpoint>("setEndpoint"),
                         InstanceMethod<&BoardObject::setEndpointHealthy>("setEndpointHealthy"),
                         InstanceMethod<&BoardObject::endpointEjectedMs>("endpointEjectedMs"),
                         InstanceMethod<&BoardObject::pulse>("pulse"),
                         InstanceMethod<&BoardObject::ping>("ping"),
                         InstanceMethod<&BoardObject::resetShard>("resetShard"),
                     });
}

BoardObject::BoardObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BoardObject>(info) {
  Problem problem;
  const Fields fields(info[0], "board", problem);
  BoardOptions options;
  options.shards = fields.u32Of("shards", kShardsMax);
  options.connectionsMax = fields.u32Of("connectionsMax", 1u << 30);
  options.pendingBytesMax = fields.u64Of("pendingBytesMax");
  if (throwIf(info.Env(), problem)) return;
  board_ = std::make_shared<Board>();
  if (const Status status = board_->create(options); !status.isOk()) {
    throwErrno(info.Env(), status.sysErrno, "memfd_create");
  }
}

i64 BoardObject::indexOf(const Napi::CallbackInfo& info, u32 limit, const char* what) {
  const double number = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (number >= 0 && number < limit) return static_cast<i64>(number);
  Napi::RangeError::New(info.Env(), std::string(what) + " is out of range")
      .ThrowAsJavaScriptException();
  return -1;
}

Napi::Value BoardObject::fd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), board_->fd());
}

Napi::Value BoardObject::shardCounters(const Napi::CallbackInfo& info) {
  const i64 shard = indexOf(info, board_->shards(), "shard");
  if (shard < 0) return info.Env().Undefined();
  return numbers(info.Env(), board_->shard(static_cast<u32>(shard)).counters,
                 countOf<ShardCounter>());
}

Napi::Value BoardObject::listenerCounters(const Napi::CallbackInfo& info) {
  const i64 listener = indexOf(info, kListenersMax, "listener");
  if (listener < 0) return info.Env().Undefined();
  std::atomic<u64> sums[countOf<ListenerCounter>()] = {};
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    const ListenerCell& cell = board_->cell(shard, static_cast<u32>(listener));
    for (size_t i = 0; i < countOf<ListenerCounter>(); i++) {
      bump(sums[i], cell.counters[i].load(kRelaxed));
    }
  }
  bump(sums[static_cast<size_t>(ListenerCounter::kRatePauses)],
       board_->listener(static_cast<u32>(listener)).ratePauses.load(kRelaxed));
  return numbers(info.Env(), sums, countOf<ListenerCounter>());
}

Napi::Value BoardObject::closeReasons(const Napi::CallbackInfo& info) {
  const i64 listener = indexOf(info, kListenersMax, "listener");
  if (listener < 0) return info.Env().Undefined();
  std::atomic<u64> sums[countOf<CloseReason>()] = {};
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    const ListenerCell& cell = board_->cell(shard, static_cast<u32>(listener));
    for (size_t i = 0; i < countOf<CloseReason>(); i++) {
      bump(sums[i], cell.closed[i].load(kRelaxed));
    }
  }
  return numbers(info.Env(), sums, countOf<CloseReason>());
}

Napi::Value BoardObject::refusals(const Napi::CallbackInfo& info) {
  const i64 listener = indexOf(info, kListenersMax, "listener");
  if (listener < 0) return info.Env().Undefined();
  return numbers(info.Env(), board_->listener(static_cast<u32>(listener)).refused,
                 countOf<Refusal>());
}

Napi::Value BoardObject::endpointCounters(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kEndpointsMax, "endpoint");
  if (index < 0) return info.Env().Undefined();
  const u32 id = static_cast<u32>(index);
  const EndpointEntry& entry = board_->endpoint(id);
  std::atomic<u64> values[countOf<EndpointCounter>()] = {};
  const auto set = [&](EndpointCounter counter, u64 value) {
    values[static_cast<size_t>(counter)].store(value, kRelaxed);
  };
  set(EndpointCounter::kActive, board_->endpointActive(id).load(kRelaxed));
  set(EndpointCounter::kConnects, entry.connects.load(kRelaxed));
  set(EndpointCounter::kConnectFailures, entry.connectFailures.load(kRelaxed));
  set(EndpointCounter::kEjections, entry.ejections.load(kRelaxed));
  set(EndpointCounter::kEjectionsByErrors, entry.ejectionsByErrors.load(kRelaxed));
  set(EndpointCounter::kEjectionsByLatency, entry.ejectionsByLatency.load(kRelaxed));
  set(EndpointCounter::kAnswers, entry.answers.load(kRelaxed));
  set(EndpointCounter::kErrors, entry.errors.load(kRelaxed));
  set(EndpointCounter::kAnswerMicros, entry.answerMicros.load(kRelaxed));
  set(EndpointCounter::kHealthy, entry.healthy.load(kRelaxed));
  set(EndpointCounter::kLimitHits, entry.limitHits.load(kRelaxed));
  set(EndpointCounter::kConnectMicros, entry.connectMicros.load(kRelaxed));
  return numbers(info.Env(), values, countOf<EndpointCounter>());
}

Napi::Value BoardObject::connections(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(board_->connections()));
}

Napi::Value BoardObject::shardConnections(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env(), board_->shards());
  for (u32 i = 0; i < board_->shards(); i++) {
    out.Set(i, static_cast<double>(board_->shardConnections(i)));
  }
  return out;
}

Napi::Value BoardObject::listenerConnections(const Napi::CallbackInfo& info) {
  const i64 listener = indexOf(info, kListenersMax, "listener");
  if (listener < 0) return info.Env().Undefined();
  const u64 count = board_->listenerConnections(static_cast<u32>(listener));
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

Napi::Value BoardObject::endpointConnections(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kEndpointsMax, "endpoint");
  if (index < 0) return info.Env().Undefined();
  return Napi::Number::New(info.Env(),
                           board_->endpointActive(static_cast<u32>(index)).load(kRelaxed));
}

void BoardObject::setListener(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kListenersMax, "listener");
  if (index < 0) return;
  const u32 id = static_cast<u32>(index);
  ListenerEntry& entry = board_->listener(id);
  setText(entry.name, kNameMax, info[1].ToString().Utf8Value());
  entry.assigned.store(0, kRelaxed);
  entry.ratePauses.store(0, kRelaxed);
  for (std::atomic<u64>& refused : entry.refused) refused.store(0, kRelaxed);
  for (u32 shard = 0; shard < board_->shards(); shard++) {
    ListenerCell& cell = board_->cell(shard, id);
    for (std::atomic<u64>& counter : cell.counters) counter.store(0, kRelaxed);
    for (std::atomic<u64>& closed : cell.closed) closed.store(0, kRelaxed);
  }
  clearHttp(*board_, id);
}

void BoardObject::setCluster(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kClustersMax, "cluster");
  if (index < 0) return;
  ClusterEntry& entry = board_->cluster(static_cast<u32>(index));
  setText(entry.name, kNameMax, info[1].ToString().Utf8Value());
  // Gauges stay: whoever is counted there gives it back.
  for (std::atomic<u64>& refused : entry.refused) refused.store(0, kRelaxed);
  entry.budgetRefused.store(0, kRelaxed);
}

void BoardObject::setEndpoint(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kEndpointsMax, "endpoint");
  if (index < 0) return;
  EndpointEntry& entry = board_->endpoint(static_cast<u32>(index));
  setText(entry.display, kDisplayMax, info[1].ToString().Utf8Value());
  entry.healthy.store(1, kRelaxed);
  entry.consecutiveFailures.store(0, kRelaxed);
  entry.ejectionsInARow.store(0, kRelaxed);
  for (std::atomic<u64>* value :
       {&entry.ejectedUntilMs, &entry.upSinceMs, &entry.connects, &entry.connectFailures,
        &entry.ejections, &entry.limitHits, &entry.connectMicros, &entry.peakLatency,
        &entry.answers, &entry.answerMicros, &entry.errors, &entry.ejectionsByErrors,
        &entry.ejectionsByLatency}) {
    value->store(0, kRelaxed);
  }
  for (LatencyWindow& window : entry.windows) window.number.store(0, kRelaxed);
  entry.consecutiveErrors.store(0, kRelaxed);
  board_->endpointActive(static_cast<u32>(index)).store(0, kRelaxed);
}

void BoardObject::setEndpointHealthy(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kEndpointsMax, "endpoint");
  if (index < 0) return;
  EndpointEntry& entry = board_->endpoint(static_cast<u32>(index));
  const u32 healthy = info[1].ToBoolean().Value() ? 1 : 0;
  if (entry.healthy.load(kRelaxed) == healthy) return;
  if (healthy != 0) entry.upSinceMs.store(sys::nowNs() / 1'000'000, kRelaxed);
  entry.healthy.store(healthy, kRelaxed);
}

Napi::Value BoardObject::endpointEjectedMs(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, kEndpointsMax, "endpoint");
  if (index < 0) return info.Env().Undefined();
  const u64 until = board_->endpoint(static_cast<u32>(index)).ejectedUntilMs.load(kRelaxed);
  const u64 now = sys::nowNs() / 1'000'000;
  return Napi::Number::New(info.Env(), until > now ? static_cast<double>(until - now) : 0);
}

Napi::Value BoardObject::pulse(const Napi::CallbackInfo& info) {
  const i64 shard = indexOf(info, board_->shards(), "shard");
  if (shard < 0) return info.Env().Undefined();
  const ShardBlock& block = board_->shard(static_cast<u32>(shard));
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("heartbeats", static_cast<double>(block.heartbeats.load(kRelaxed)));
  out.Set("turnStartNs", Napi::BigInt::New(info.Env(), u64{block.turnStartNs.load(kRelaxed)}));
  out.Set("isInTurn", Napi::Boolean::New(info.Env(), block.isInTurn.load(kRelaxed) != 0));
  out.Set("activity", block.activity.load(kRelaxed));
  return out;
}

void BoardObject::ping(const Napi::CallbackInfo& info) {
  const i64 shard = indexOf(info, board_->shards(), "shard");
  if (shard >= 0)
    (void)sys::eventSignal(board_->shard(static_cast<u32>(shard)).wakeFd.load(kRelaxed));
}

void BoardObject::resetShard(const Napi::CallbackInfo& info) {
  const i64 index = indexOf(info, board_->shards(), "shard");
  if (index < 0) return;
  const u32 shard = static_cast<u32>(index);
  board_->endPolicies(shard);
  ShardBlock& block = board_->shard(shard);
  MailboxMessage message;
  // Sockets handed over after the shard stopped taking any: nobody else will close them.
  while (board_->mailbox(shard).pop(&message)) {
    (void)sys::armReset(message.fd);
    sys::close(message.fd);
    ListenerCell& cell = board_->cell(shard, message.listener);
    bump(cell.counters[static_cast<size_t>(ListenerCounter::kOpened)]);
    bump(cell.closed[static_cast<size_t>(CloseReason::kShardStopped)]);
    bump(cell.counters[static_cast<size_t>(ListenerCounter::kClosed)]);
    bump(block.closed);
  }
  for (const ShardCounter gauge : {ShardCounter::kTunnels, ShardCounter::kTimers,
                                   ShardCounter::kPaused, ShardCounter::kPendingChunks}) {
    block.counters[static_cast<size_t>(gauge)].store(0, kRelaxed);
  }
  endHttp(*board_, shard);
  block.isInTurn.store(0, kRelaxed);
  block.activity.store(0, kRelaxed);
}

}  // namespace holdfast::binding
