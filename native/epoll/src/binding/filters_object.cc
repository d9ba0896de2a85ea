// The filter host of a shard as two JavaScript functions, called from inside of its turns.
//
// A turn runs in libuv's prepare phase, where no JavaScript is on the stack: each call opens a
// callback scope, so that microtasks, and with them the Promises of filters, run when it closes.
// The core takes the answers before that, because the arrays are the host's again afterwards.
// Invariant: an exception of the host, which promises to have none, ends the thread and not less.
#include <optional>

#include "binding/arguments.h"
#include "binding/objects.h"
#include "proxy/filter_host.h"

namespace holdfast::binding {
namespace {

// The elements of a typed array of the host, or null with the problem noted.
template <typename Element, typename Array>
Element* elementsOf(const Fields& fields, const char* name, size_t count) {
  const Napi::Value value = fields.valueOf(name);
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    const bool isKind = array.ElementSize() == sizeof(Element) && array.ElementLength() >= count;
    if (isKind) return value.As<Array>().Data();
  }
  fields.wrong(name, "an array of the host's memory");
  return nullptr;
}

}  // namespace

void ShardObject::attachFilters(const Napi::CallbackInfo& info) {
  Problem problem;
  const Fields fields(info[0], "memory", problem);
  proxy::FilterMemory memory;
  memory.inWords = elementsOf<u32, Napi::Uint32Array>(fields, "inWords", proxy::kFilterWords);
  memory.inBytes = elementsOf<u8, Napi::Uint8Array>(fields, "inBytes", proxy::kFilterBytes);
  memory.outWords = elementsOf<u32, Napi::Uint32Array>(fields, "outWords", proxy::kFilterWords);
  memory.outBytes = elementsOf<u8, Napi::Uint8Array>(fields, "outBytes", proxy::kFilterBytes);
  if (!info[1].IsFunction() || !info[2].IsFunction()) problem.note("run and drained are functions");
  if (throwIf(info.Env(), problem)) return;
  filters_.run = Napi::Persistent(info[1].As<Napi::Function>());
  filters_.drained = Napi::Persistent(info[2].As<Napi::Function>());
  filters_.memory = Napi::Persistent(info[0].As<Napi::Object>());
  filters_.scope = std::make_unique<Napi::AsyncContext>(info.Env(), "holdfast:filters");
  const auto callJs = [this](const Napi::FunctionReference& function, u32 argument) {
    const Napi::Env env = function.Env();
    const napi_value number = Napi::Number::New(env, argument);
    const Napi::Value result = function.Call({number});
    if (env.IsExceptionPending()) {
      const Napi::Error error = env.GetAndClearPendingException();
      (void)napi_fatal_exception(env, error.Value());
      return std::optional<u32>();
    }
    if (result.IsEmpty() || !result.IsNumber()) return std::optional<u32>();
    return std::optional<u32>(result.As<Napi::Number>().Uint32Value());
  };
  proxy::FilterHost host;
  host.run = [this, callJs](u32 words) {
    host_.enterScript();
    const Napi::HandleScope handles(filters_.run.Env());
    const Napi::CallbackScope scope(filters_.run.Env(), *filters_.scope);
    // A thread that is being ended answers nothing: who waits goes on waiting, and ends with it.
    const std::optional<u32> answers = callJs(filters_.run, words);
    if (answers.has_value()) shard_->settleFilters(*answers);
  };
  host.drained = [this, callJs](u32 chain) {
    host_.enterScript();
    const Napi::HandleScope handles(filters_.drained.Env());
    const Napi::CallbackScope scope(filters_.drained.Env(), *filters_.scope);
    (void)callJs(filters_.drained, chain);
  };
  const Status status = shard_->attachFilters(memory, std::move(host));
  if (!status.isOk()) throwErrno(info.Env(), status.sysErrno, "mmap");
}

void ShardObject::applyFilterAnswers(const Napi::CallbackInfo& info) {
  shard_->applyFilterAnswers(info[0].ToNumber().Uint32Value());
}

void ShardObject::retireFilterChain(const Napi::CallbackInfo& info) {
  shard_->retireFilterChain(info[0].ToNumber().Uint32Value());
}

}  // namespace holdfast::binding
