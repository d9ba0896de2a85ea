// The addon's entry: what loadNative() returns. Composition of the native side happens here.
//
// Runs once in every thread that loads the addon; nothing here is on the path of a connection.
// Every thread loads its own instance; what they share is the board's memfd. No statics.
#include <napi.h>

#include "binding/arguments.h"
#include "binding/http_reader.h"
#include "binding/http_tables.h"
#include "binding/objects.h"
#include "binding/policy_reader.h"
#include "binding/tls_reader.h"
#include "proxy/access_record.h"

namespace holdfast::binding {
namespace {

template <size_t kCount>
Napi::Array describeCounters(Napi::Env env, const CounterInfo (&table)[kCount]) {
  Napi::Array out = Napi::Array::New(env, kCount);
  for (u32 i = 0; i < kCount; i++) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", table[i].name);
    row.Set("kind", table[i].kind);
    row.Set("help", table[i].help);
    out.Set(i, row);
  }
  return out;
}

template <size_t kCount>
Napi::Array describeNames(Napi::Env env, const char* const (&table)[kCount]) {
  Napi::Array out = Napi::Array::New(env, kCount);
  for (u32 i = 0; i < kCount; i++) out.Set(i, table[i]);
  return out;
}

Napi::Object describeAbi(Napi::Env env) {
  Napi::Object abi = Napi::Object::New(env);
  abi.Set("shardCounters", describeCounters(env, kShardCounterTable));
  abi.Set("listenerCounters", describeCounters(env, kListenerCounterTable));
  abi.Set("endpointCounters", describeCounters(env, kEndpointCounterTable));
  abi.Set("clusterCounters", describeCounters(env, kClusterCounterTable));
  abi.Set("http", describeHttp(env));
  abi.Set("policyCounters", describeCounters(env, kPolicyCounterTable));
  Napi::Array reasons = Napi::Array::New(env);
  for (u32 i = 0; i < countOf<CloseReason>(); i++) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", kCloseReasonTable[i].name);
    row.Set("who", kCloseReasonTable[i].who);
    row.Set("help", kCloseReasonTable[i].help);
    reasons.Set(i, row);
  }
  abi.Set("closeReasons", reasons);
  Napi::Array refusals = Napi::Array::New(env);
  for (u32 i = 0; i < countOf<Refusal>(); i++) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", kRefusalTable[i].name);
    row.Set("help", kRefusalTable[i].help);
    refusals.Set(i, row);
  }
  abi.Set("refusals", refusals);
  abi.Set("balancers", describeNames(env, proxy::kBalanceNames));
  abi.Set("activities", describeNames(env, kActivityTable));
  Napi::Object sizes = Napi::Object::New(env);
  sizes.Set("conn", static_cast<double>(sizeof(proxy::Conn)));
  sizes.Set("tunnel", static_cast<double>(sizeof(proxy::Tunnel)));
  sizes.Set("httpConn", static_cast<double>(sizeof(proxy::HttpConn)));
  sizes.Set("exchange", static_cast<double>(sizeof(proxy::Exchange)));
  sizes.Set("httpUpstream", static_cast<double>(sizeof(proxy::HttpUpstream)));
  sizes.Set("frames", static_cast<double>(2 * sizeof(codec::FrameTracker)));
  sizes.Set("chunk", static_cast<double>(kChunkBytes));
  sizes.Set("mailboxMessage", static_cast<double>(sizeof(MailboxMessage)));
  abi.Set("sizes", sizes);
  abi.Set("shardsMax", kShardsMax);
  abi.Set("listenersMax", kListenersMax);
  abi.Set("clustersMax", kClustersMax);
  abi.Set("endpointsMax", kEndpointsMax);
  abi.Set("policiesMax", kPolicyUsesMax);
  return abi;
}

AddonState& stateOf(Napi::Env env) { return *env.GetInstanceData<AddonState>(); }

Napi::Value createBoard(const Napi::CallbackInfo& info) {
  return stateOf(info.Env()).board.New({info[0]});
}
Napi::Value createAcceptor(const Napi::CallbackInfo& info) {
  return stateOf(info.Env()).acceptor.New({info[0]});
}
Napi::Value createProber(const Napi::CallbackInfo& info) {
  return stateOf(info.Env()).prober.New({});
}
Napi::Value createShard(const Napi::CallbackInfo& info) {
  return stateOf(info.Env()).shard.New({info[0]});
}
Napi::Value createAccessLog(const Napi::CallbackInfo& info) {
  return stateOf(info.Env()).accessLog.New({info[0], info[1]});
}

Napi::Value compileSnapshot(const Napi::CallbackInfo& info) {
  Problem problem;
  const proxy::SnapshotParts parts = readSnapshot(info[0], problem);
  if (throwIf(info.Env(), problem)) return info.Env().Undefined();
  const int fd = proxy::compileSnapshot(parts);
  if (fd < 0) {
    throwErrno(info.Env(), -fd, "compileSnapshot");
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), fd);
}

void closeFd(const Napi::CallbackInfo& info) {
  if (info[0].IsNumber()) sys::close(info[0].As<Napi::Number>().Int32Value());
}

// Opens the namespace and proves that it may be entered, so that the privilege is missed at start
// and not at the first connection.
Napi::Value openNetns(const Napi::CallbackInfo& info) {
  const std::string name = info[0].ToString().Utf8Value();
  const int fd = sys::openNetns(name.c_str());
  if (fd < 0) {
    throwErrno(info.Env(), -fd, "open");
    return info.Env().Undefined();
  }
  const int previous = sys::enterNetns(fd);
  if (previous < 0) {
    sys::close(fd);
    throwErrno(info.Env(), -previous, "setns");
    return info.Env().Undefined();
  }
  sys::leaveNetns(previous);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value processInfo(const Napi::CallbackInfo& info) {
  const sys::ProcessInfo process = sys::processInfo();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("residentBytes", static_cast<double>(process.residentBytes));
  out.Set("openFds", static_cast<double>(process.openFds));
  out.Set("fdsMax", static_cast<double>(process.fdsMax));
  out.Set("threads", static_cast<double>(process.threads));
  return out;
}

Napi::Value enterBackground(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), sys::enterBackground() == 0);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* state = new AddonState;
  env.SetInstanceData(state);
  state->board = Napi::Persistent(BoardObject::define(env));
  state->acceptor = Napi::Persistent(AcceptorObject::define(env));
  state->prober = Napi::Persistent(ProberObject::define(env));
  state->shard = Napi::Persistent(ShardObject::define(env));
  state->accessLog = Napi::Persistent(AccessLogObject::define(env));
  exports.Set("abi", describeAbi(env));
  exports.Set("createBoard", Napi::Function::New<createBoard>(env, "createBoard"));
  exports.Set("createAcceptor", Napi::Function::New<createAcceptor>(env, "createAcceptor"));
  exports.Set("createProber", Napi::Function::New<createProber>(env, "createProber"));
  exports.Set("createShard", Napi::Function::New<createShard>(env, "createShard"));
  exports.Set("createAccessLog", Napi::Function::New<createAccessLog>(env, "createAccessLog"));
  exports.Set("compileSnapshot", Napi::Function::New<compileSnapshot>(env, "compileSnapshot"));
  exports.Set("closeFd", Napi::Function::New<closeFd>(env, "closeFd"));
  exports.Set("tlsProblem", Napi::Function::New<tlsProblem>(env, "tlsProblem"));
  exports.Set("checkTls", Napi::Function::New<checkTls>(env, "checkTls"));
  exports.Set("checkRoutes", Napi::Function::New<checkRoutes>(env, "checkRoutes"));
  exports.Set("checkPolicies", Napi::Function::New<checkPolicies>(env, "checkPolicies"));
  exports.Set("checkTemplate", Napi::Function::New<checkTemplate>(env, "checkTemplate"));
  exports.Set("openNetns", Napi::Function::New<openNetns>(env, "openNetns"));
  exports.Set("enterBackground", Napi::Function::New<enterBackground>(env, "enterBackground"));
  exports.Set("processInfo", Napi::Function::New<processInfo>(env, "processInfo"));
  return exports;
}

}  // namespace
}  // namespace holdfast::binding

namespace {

Napi::Object initialiseAddon(Napi::Env env, Napi::Object exports) {
  return holdfast::binding::initialise(env, exports);
}

}  // namespace

NODE_API_MODULE(holdfast, initialiseAddon)
