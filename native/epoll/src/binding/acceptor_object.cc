// The acceptor and the prober as JavaScript objects of the main thread.
//
// Off the path of messages; on the path of arrivals only through the acceptor's own turns.
// Invariant: once started, an object stays alive until it is closed or the environment ends.
#include "binding/arguments.h"
#include "binding/objects.h"
#include "proxy/probe_answer.h"

namespace holdfast::binding {

Napi::Function AcceptorObject::define(Napi::Env env) {
  return DefineClass(env, "Acceptor",
                     {
                         InstanceMethod<&AcceptorObject::listen>("listen"),
                         InstanceMethod<&AcceptorObject::unlisten>("unlisten"),
                         InstanceMethod<&AcceptorObject::update>("update"),
                         InstanceMethod<&AcceptorObject::setLimits>("setLimits"),
                         InstanceMethod<&AcceptorObject::setConnectionsMax>("setConnectionsMax"),
                         InstanceMethod<&AcceptorObject::setDistribution>("setDistribution"),
                         InstanceMethod<&AcceptorObject::setShardReady>("setShardReady"),
                         InstanceMethod<&AcceptorObject::errors>("errors"),
                         InstanceMethod<&AcceptorObject::close>("close"),
                     });
}

AcceptorObject::AcceptorObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<AcceptorObject>(info) {
  BoardObject* board =
      info[0].IsObject() ? BoardObject::Unwrap(info[0].As<Napi::Object>()) : nullptr;
  if (board == nullptr) {
    Napi::TypeError::New(info.Env(), "createAcceptor takes a Board").ThrowAsJavaScriptException();
    return;
  }
  board_ = board->board();
  acceptor_ = std::make_unique<proxy::Acceptor>(*board_);
  if (const Status status = acceptor_->start(); !status.isOk()) {
    throwErrno(info.Env(), status.sysErrno, "epoll_create1");
    return;
  }
  const int started =
      host_.start(info.Env(), Sleeper{[this](int fd) { return acceptor_->watchHost(fd); },
                                      [this](int timeoutMs) { return acceptor_->turn(timeoutMs); },
                                      [this] { acceptor_->stop(); }});
  if (started != 0) {
    throwErrno(info.Env(), -started, "uv_prepare_start");
    return;
  }
  // While it listens it is nobody's to collect.
  Ref();
}

Napi::Value AcceptorObject::listen(const Napi::CallbackInfo& info) {
  Problem problem;
  const Fields fields(info[0], "listen", problem);
  proxy::ListenSpec spec;
  spec.listener = fields.u32Of("listener", kListenersMax - 1);
  spec.netnsFd = fields.fdOf("netnsFd");
  spec.backlog = static_cast<i32>(fields.u32Of("backlog", 1u << 20));
  spec.deferSeconds = fields.u32Of("deferSeconds", 3600);
  spec.socket = readSocketOptions(fields.valueOf("socket"), "listen.socket", problem);
  sockaddr_storage address{};
  spec.addressLength =
      readSocketAddress(fields.valueOf("address"), "listen.address", problem, &address);
  spec.address = reinterpret_cast<const sockaddr*>(&address);
  if (throwIf(info.Env(), problem)) return info.Env().Undefined();
  const proxy::ListenResult result = acceptor_->listen(spec);
  if (result.handle < 0) {
    throwErrno(info.Env(), result.sysErrno, result.syscall);
    return info.Env().Undefined();
  }
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("handle", result.handle);
  out.Set("address", describeAddress(info.Env(), reinterpret_cast<const sockaddr*>(&result.bound),
                                     result.boundLength));
  return out;
}

void AcceptorObject::unlisten(const Napi::CallbackInfo& info) {
  acceptor_->unlisten(info[0].ToNumber().Int32Value());
}

void AcceptorObject::update(const Napi::CallbackInfo& info) {
  Problem problem;
  const Fields fields(info[1], "update", problem);
  proxy::ListenSpec spec;
  spec.listener = fields.u32Of("listener", kListenersMax - 1);
  spec.backlog = static_cast<i32>(fields.u32Of("backlog", 1u << 20));
  spec.deferSeconds = fields.u32Of("deferSeconds", 3600);
  spec.socket = readSocketOptions(fields.valueOf("socket"), "update.socket", problem);
  if (throwIf(info.Env(), problem)) return;
  acceptor_->update(info[0].ToNumber().Int32Value(), spec);
}

void AcceptorObject::setLimits(const Napi::CallbackInfo& info) {
  Problem problem;
  const Fields fields(info[1], "limits", problem);
  proxy::ListenerLimits limits;
  limits.connectionsMax = fields.u64Of("connectionsMax");
  limits.acceptsPerSecond = fields.u32Of("acceptsPerSecond");
  const u32 listener = info[0].ToNumber().Uint32Value();
  if (listener >= kListenersMax) problem.note("listener is out of range");
  if (throwIf(info.Env(), problem)) return;
  acceptor_->setLimits(listener, limits);
}

void AcceptorObject::setConnectionsMax(const Napi::CallbackInfo& info) {
  acceptor_->setConnectionsMax(static_cast<u64>(info[0].ToNumber().Int64Value()));
}

void AcceptorObject::setDistribution(const Napi::CallbackInfo& info) {
  const std::string kind = info[0].ToString().Utf8Value();
  acceptor_->setDistribution(kind == "round-robin" ? proxy::Distribution::kRoundRobin
                                                   : proxy::Distribution::kLeastConnections);
}

void AcceptorObject::setShardReady(const Napi::CallbackInfo& info) {
  const u32 shard = info[0].ToNumber().Uint32Value();
  if (shard >= board_->shards()) {
    Napi::RangeError::New(info.Env(), "shard is out of range").ThrowAsJavaScriptException();
    return;
  }
  acceptor_->setShardReady(shard, info[1].ToBoolean().Value() ? 1 : 0);
}

Napi::Value AcceptorObject::errors(const Napi::CallbackInfo& info) {
  Napi::Object out = Napi::Object::New(info.Env());
  for (u32 error = 1; error < proxy::kErrnoMax; error++) {
    const u64 times = acceptor_->errors(error);
    if (times != 0) out.Set(errnoName(static_cast<int>(error)), static_cast<double>(times));
  }
  out.Set("backoffs", static_cast<double>(acceptor_->backoffs()));
  return out;
}

void AcceptorObject::close(const Napi::CallbackInfo&) {
  if (!host_.isStarted()) return;
  Unref();
  host_.stop();
  acceptor_->stop();
}

Napi::Function ProberObject::define(Napi::Env env) {
  return DefineClass(env, "Prober",
                     {
                         InstanceMethod<&ProberObject::probe>("probe"),
                         InstanceMethod<&ProberObject::readAnswer>("readAnswer"),
                         InstanceMethod<&ProberObject::close>("close"),
                     });
}

ProberObject::ProberObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ProberObject>(info) {
  if (const Status status = prober_.start(); !status.isOk()) {
    throwErrno(info.Env(), status.sysErrno, "epoll_create1");
    return;
  }
  const int started = watch_.start(
      info.Env(), prober_.pollFd(), false,
      [this] {
        prober_.turn();
        deliver();
      },
      [this] { prober_.stop(); });
  if (started != 0) {
    throwErrno(info.Env(), -started, "uv_poll_start");
    return;
  }
  Ref();
}

void ProberObject::probe(const Napi::CallbackInfo& info) {
  Problem problem;
  const Fields fields(info[0], "probe", problem);
  sockaddr_storage address{};
  const u32 length =
      readSocketAddress(fields.valueOf("address"), "probe.address", problem, &address);
  proxy::ProbeSpec spec;
  spec.address = reinterpret_cast<const sockaddr*>(&address);
  spec.length = length;
  spec.netnsFd = fields.fdOf("netnsFd");
  spec.timeoutMs = fields.u32Of("timeoutMs");
  spec.socket = fields.boolOf("isKept") ? proxy::ProbedSocket::kKept : proxy::ProbedSocket::kClosed;
  const Napi::Value request = fields.valueOf("request");
  if (!request.IsTypedArray()) {
    fields.wrong("request", "bytes");
  } else {
    const auto bytes = request.As<Napi::Uint8Array>();
    spec.request = {reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength()};
  }
  if (!info[1].IsFunction()) problem.note("probe takes a callback");
  if (throwIf(info.Env(), problem)) return;
  const u32 id = nextId_++;
  waiting_[id] = Napi::Persistent(info[1].As<Napi::Function>());
  prober_.probe(id, spec);
}

void ProberObject::deliver() {
  const std::vector<proxy::ProbeResult> results = prober_.takeResults();
  if (results.empty()) return;
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  for (const proxy::ProbeResult& result : results) {
    const auto found = waiting_.find(result.id);
    if (found == waiting_.end()) {
      if (result.fd >= 0) sys::close(result.fd);
      continue;
    }
    const Napi::FunctionReference callback = std::move(found->second);
    waiting_.erase(found);
    const Napi::Value error = result.sysErrno == 0
                                  ? env.Null()
                                  : Napi::Value(Napi::String::New(env, errnoName(result.sysErrno)));
    // An exception in the callback is JavaScript's own, and becomes an uncaughtException there.
    (void)callback.MakeCallback(
        Value(), {error, Napi::Number::New(env, static_cast<double>(result.micros)),
                  Napi::Number::New(env, result.fd), Napi::Number::New(env, result.status)});
  }
}

// For answers that came over TLS: 0 as long as there is no status yet, -1 when there will be none.
Napi::Value ProberObject::readAnswer(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) {
    Napi::TypeError::New(info.Env(), "readAnswer takes bytes").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const proxy::ProbeAnswer answer = proxy::readProbeAnswer({bytes.Data(), bytes.ByteLength()});
  const bool isHttp = answer.kind != proxy::ProbeAnswer::Kind::kViolation;
  return Napi::Number::New(info.Env(), isHttp ? answer.status : -1);
}

void ProberObject::close(const Napi::CallbackInfo&) {
  if (!watch_.isStarted()) return;
  Unref();
  watch_.stop();
  prober_.stop();
  waiting_.clear();
}

}  // namespace holdfast::binding
