// One shard as a JavaScript object of its worker thread.
//
// Off the path: traffic runs in the reactor, which sleeps for libuv (loop_host.h).
// Invariant: a call does a bounded amount of work, whatever its arguments ask for.
#include "binding/arguments.h"
#include "binding/objects.h"
#include "proxy/access_record.h"

namespace holdfast::binding {
namespace {

// One call looks at no more slots and describes no more connections than this, whatever was asked
// for: about half a millisecond of the shard's time.
inline constexpr u32 kListSlotsMax = 8192;
inline constexpr u32 kListRecordsMax = 128;

proxy::ConnectionFilter readFilter(Napi::Value value, Problem& problem) {
  const Fields fields(value, "filter", problem);
  proxy::ConnectionFilter filter;
  if (fields.has("listener")) filter.listener = fields.u32Of("listener");
  if (fields.has("cluster")) filter.cluster = fields.u32Of("cluster");
  if (fields.has("endpoint")) filter.endpoint = fields.u32Of("endpoint");
  if (fields.has("olderThanMs")) filter.olderThanMs = fields.u64Of("olderThanMs");
  if (fields.has("idleMoreThanMs")) filter.idleMoreThanMs = fields.u64Of("idleMoreThanMs");
  if (fields.has("client") && !parseIp(fields.stringOf("client", 64), 0, &filter.client)) {
    fields.wrong("client", "an IP address without a port");
  }
  return filter;
}

// A WebSocket is forwarded like TCP, and known by its route.
const char* protocolOf(const proxy::ConnectionView& view) {
  const bool isRouted = view.route != kNoIndex;
  if (view.state == proxy::TunnelState::kOpen) return isRouted ? "websocket" : "tcp";
  return isRouted || view.state == proxy::TunnelState::kHttp ? "http" : "tcp";
}

Napi::Object describe(Napi::Env env, const proxy::ConnectionView& view) {
  Napi::Object out = Napi::Object::New(env);
  char text[kAddressTextMax];
  char id[proxy::kConnectionIdMax];
  (void)proxy::formatConnectionId(view.shard, view.handle, id, sizeof(id));
  (void)formatAddress(view.client, text, sizeof(text));
  out.Set("id", id);
  out.Set("listener", view.listener);
  out.Set("cluster", view.cluster);
  out.Set("endpoint", view.endpoint == kNoIndex ? -1.0 : static_cast<double>(view.endpoint));
  out.Set("client", text);
  out.Set("state", proxy::kTunnelStateNames[static_cast<size_t>(view.state)]);
  out.Set("ageMs", static_cast<double>(view.ageMs));
  out.Set("idleMs", static_cast<double>(view.idleMs));
  out.Set("bytesFromClient", static_cast<double>(view.bytesFromClient));
  out.Set("bytesFromEndpoint", static_cast<double>(view.bytesFromEndpoint));
  out.Set("tls", view.tls);
  out.Set("pendingBytes", static_cast<double>(view.pendingBytes));
  out.Set("protocol", protocolOf(view));
  out.Set("route", view.route == kNoIndex ? -1.0 : static_cast<double>(view.route));
  out.Set("messagesFromClient", static_cast<double>(view.messagesFromClient));
  out.Set("messagesFromEndpoint", static_cast<double>(view.messagesFromEndpoint));
  out.Set("lastPongMs", static_cast<double>(view.lastPongMs));
  return out;
}

}  // namespace

Napi::Function ShardObject::define(Napi::Env env) {
  return DefineClass(env, "Shard",
                     {
                         InstanceMethod<&ShardObject::start>("start"),
                         InstanceMethod<&ShardObject::applySnapshot>("applySnapshot"),
                         InstanceMethod<&ShardObject::connections>("connections"),
                         InstanceMethod<&ShardObject::kill>("kill"),
                         InstanceMethod<&ShardObject::drain>("drain"),
                         InstanceMethod<&ShardObject::undrain>("undrain"),
                         InstanceMethod<&ShardObject::cutDrained>("cutDrained"),
                         InstanceMethod<&ShardObject::attachFilters>("attachFilters"),
                         InstanceMethod<&ShardObject::applyFilterAnswers>("applyFilterAnswers"),
                         InstanceMethod<&ShardObject::retireFilterChain>("retireFilterChain"),
                         InstanceMethod<&ShardObject::stop>("stop"),
                     });
}

ShardObject::ShardObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ShardObject>(info) {
  Problem problem;
  const Fields fields(info[0], "shard", problem);
  proxy::ShardOptions options;
  const i32 boardFd = fields.fdOf("boardFd");
  options.index = fields.u32Of("shard", kShardsMax - 1);
  options.connectionsMax = fields.u32Of("connectionsMax", 1u << 28);
  options.pendingBytesMax = fields.u64Of("pendingBytesMax");
  options.handshakeThreads = fields.u32Of("handshakeThreads", proxy::kHandshakeThreadsMax);
  if (throwIf(info.Env(), problem)) return;
  if (const Status status = board_.attach(boardFd); !status.isOk()) {
    throwErrno(info.Env(), status.sysErrno, "mmap");
    return;
  }
  if (options.index >= board_.shards()) {
    Napi::RangeError::New(info.Env(), "shard is out of range").ThrowAsJavaScriptException();
    return;
  }
  index_ = options.index;
  options.tls = tls::opensslLibrary();
  options.compressors = compression::processLibrary();
  (void)sys::randomBytes(&options.seed, sizeof(options.seed));
  shard_ = std::make_unique<proxy::Shard>(board_, options);
}

void ShardObject::start(const Napi::CallbackInfo& info) {
  if (const Status status = shard_->start(); !status.isOk()) {
    throwErrno(info.Env(), status.sysErrno, "epoll_create1");
    return;
  }
  const int started =
      host_.start(info.Env(), Sleeper{[this](int fd) { return shard_->watchHost(fd); },
                                      [this](int timeoutMs) { return shard_->turn(timeoutMs); },
                                      [this] { shard_->stop(); }});
  if (started != 0) {
    throwErrno(info.Env(), -started, "uv_prepare_start");
    return;
  }
  // A running shard is nobody's to collect.
  Ref();
}

void ShardObject::applySnapshot(const Napi::CallbackInfo& info) {
  const Status status = shard_->applySnapshot(info[0].ToNumber().Int32Value());
  if (!status.isOk()) throwErrno(info.Env(), status.sysErrno, "mmap");
}

Napi::Value ShardObject::connections(const Napi::CallbackInfo& info) {
  Problem problem;
  const proxy::ConnectionFilter filter = readFilter(info[3], problem);
  if (throwIf(info.Env(), problem)) return info.Env().Undefined();
  const u32 slots = std::min(info[1].ToNumber().Uint32Value(), kListSlotsMax);
  std::vector<proxy::ConnectionView> views;
  const u32 limit = std::min(info[2].ToNumber().Uint32Value(), kListRecordsMax);
  const u32 next = shard_->list(info[0].ToNumber().Uint32Value(), slots, limit, filter, &views);
  Napi::Array connections = Napi::Array::New(info.Env(), views.size());
  for (size_t i = 0; i < views.size(); i++) {
    connections.Set(static_cast<u32>(i), describe(info.Env(), views[i]));
  }
  Napi::Object page = Napi::Object::New(info.Env());
  page.Set("connections", connections);
  page.Set("next", next == kNoIndex ? -1.0 : static_cast<double>(next));
  return page;
}

Napi::Value ShardObject::kill(const Napi::CallbackInfo& info) {
  const std::string text = info[0].ToString().Utf8Value();
  u32 shard = 0;
  Handle handle;
  const bool isOurs = proxy::parseConnectionId(text.c_str(), &shard, &handle) && shard == index_;
  return Napi::Boolean::New(info.Env(), isOurs && shard_->kill(handle));
}

Napi::Value ShardObject::drain(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), shard_->drain(info[0].ToNumber().Uint32Value()));
}

void ShardObject::undrain(const Napi::CallbackInfo&) { shard_->undrain(); }

Napi::Value ShardObject::cutDrained(const Napi::CallbackInfo& info) {
  u32 ended = 0;
  const u32 next = shard_->cutDrained(info[0].ToNumber().Uint32Value(), &ended);
  Napi::Object page = Napi::Object::New(info.Env());
  page.Set("ended", ended);
  page.Set("next", next == kNoIndex ? -1.0 : static_cast<double>(next));
  return page;
}

void ShardObject::stop(const Napi::CallbackInfo&) {
  if (shard_->isStopped()) return;
  host_.stop();
  shard_->stop();
  Unref();
}

}  // namespace holdfast::binding
