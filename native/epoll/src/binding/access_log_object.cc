// The writer of access records: one thread that moves bytes from the shards' rings to a descriptor.
//
// Invariant: records of different shards never mix within a line.
// A blocked or full disk stops this thread only; the rings fill, and the shards drop and count.
#include <chrono>
#include <vector>

#include "binding/arguments.h"
#include "binding/objects.h"

namespace holdfast::binding {
namespace {

// How long the writer sleeps when every ring is empty, and when none had a whole batch: it then
// finds many records at once instead of waking for each.
inline constexpr std::chrono::milliseconds kIdleSleep{20};
inline constexpr std::chrono::milliseconds kGatherSleep{4};
inline constexpr u32 kBatchBytes = 64 * 1024;
inline constexpr int kWaitMs = 100;

// Writes all of it, waiting where the descriptor does not block. False when it cannot be written.
bool writeAll(AccessLogState& state, const char* bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    const int fd = state.fd.load();
    const IoResult result = sys::write(fd, bytes + done, length - done);
    if (result.kind == IoResult::Kind::kDone) {
      done += result.bytes;
    } else if (result.kind == IoResult::Kind::kAgain) {
      (void)sys::waitWritable(fd, kWaitMs);
    } else {
      return false;
    }
  }
  return true;
}

// One pass over all rings. Returns bytes moved.
size_t drainRings(AccessLogState& state, std::vector<char>& buffer) {
  size_t moved = 0;
  for (u32 shard = 0; shard < state.board->shards(); shard++) {
    const u32 length = state.board->log(shard).pop(buffer.data(), kBatchBytes);
    if (length == 0) continue;
    // A ring may give half a record; the rest follows at once, so that shards do not mix in a line.
    size_t total = length;
    while (buffer[total - 1] != '\n') {
      char byte;
      if (state.board->log(shard).pop(&byte, 1) == 0) break;
      if (total == buffer.size()) buffer.resize(buffer.size() * 2);
      buffer[total++] = byte;
    }
    if (writeAll(state, buffer.data(), total)) {
      state.written.fetch_add(total);
    } else {
      state.failed.fetch_add(total);
    }
    moved += total;
  }
  return moved;
}

void runWriter(const std::shared_ptr<AccessLogState>& state) {
  std::vector<char> buffer(kBatchBytes * 2);
  for (;;) {
    const bool isStopping = state->isStopping.load();
    if (const int next = state->nextFd.exchange(-1); next >= 0) {
      sys::close(state->fd.exchange(next));
    }
    const size_t moved = drainRings(*state, buffer);
    if (isStopping && moved == 0) break;
    if (isStopping || moved >= kBatchBytes) continue;
    std::this_thread::sleep_for(moved > 0 ? kGatherSleep : kIdleSleep);
  }
  sys::close(state->fd.exchange(-1));
  state->isDone.store(true);
}

}  // namespace

Napi::Function AccessLogObject::define(Napi::Env env) {
  return DefineClass(env, "AccessLog",
                     {
                         InstanceMethod<&AccessLogObject::reopen>("reopen"),
                         InstanceMethod<&AccessLogObject::written>("written"),
                         InstanceMethod<&AccessLogObject::dropped>("dropped"),
                         InstanceMethod<&AccessLogObject::close>("close"),
                     });
}

AccessLogObject::AccessLogObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<AccessLogObject>(info) {
  BoardObject* board =
      info[0].IsObject() ? BoardObject::Unwrap(info[0].As<Napi::Object>()) : nullptr;
  const std::string target = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  if (board == nullptr || target.empty()) {
    Napi::TypeError::New(info.Env(), "createAccessLog takes a Board and a target")
        .ThrowAsJavaScriptException();
    return;
  }
  const bool isStream = target == "stdout" || target == "stderr";
  const int fd =
      isStream ? sys::duplicate(target == "stdout" ? 1 : 2) : sys::openAppend(target.c_str());
  if (fd < 0) {
    throwErrno(info.Env(), -fd, "open");
    return;
  }
  state_ = std::make_shared<AccessLogState>();
  state_->board = board->board();
  state_->path = isStream ? "" : target;
  state_->fd.store(fd);
  thread_ = std::thread([state = state_] { runWriter(state); });
}

AccessLogObject::~AccessLogObject() { finish(0); }

void AccessLogObject::reopen(const Napi::CallbackInfo& info) {
  if (state_ == nullptr || state_->path.empty()) return;
  const int fd = sys::openAppend(state_->path.c_str());
  if (fd < 0) {
    throwErrno(info.Env(), -fd, "open");
    return;
  }
  if (const int unused = state_->nextFd.exchange(fd); unused >= 0) sys::close(unused);
}

Napi::Value AccessLogObject::written(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->written.load()));
}

Napi::Value AccessLogObject::dropped(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(state_->failed.load()));
}

void AccessLogObject::close(const Napi::CallbackInfo& info) {
  finish(info[0].ToNumber().Uint32Value());
}

// The thread is left behind when a reader that never reads blocks it: it holds nothing of ours.
void AccessLogObject::finish(u32 timeoutMs) {
  if (!thread_.joinable()) return;
  state_->isStopping.store(true);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeoutMs);
  while (!state_->isDone.load() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (state_->isDone.load()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

}  // namespace holdfast::binding
