// Sleeping in the reactor on behalf of libuv.
#include "binding/loop_host.h"

#include <utility>

#include "runtime/sys.h"

namespace holdfast::binding {

struct LoopHost::State {
  uv_prepare_t prepare{};
  uv_idle_t idle{};
  uv_loop_t* loop = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  Sleeper sleeper;
  LoopHost* owner = nullptr;
  int open = 2;  // handles that libuv has not closed yet
};

int LoopHost::start(napi_env env, Sleeper sleeper) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return UV_EINVAL;
  if (const Status status = sleeper.watchHost(uv_backend_fd(loop)); !status.isOk()) {
    return -status.sysErrno;
  }
  auto* state = new State;
  state->loop = loop;
  state->sleeper = std::move(sleeper);
  state->owner = this;
  state->prepare.data = state;
  state->idle.data = state;
  // These four cannot fail: they only link the handles into the loop's lists.
  uv_prepare_init(loop, &state->prepare);
  uv_idle_init(loop, &state->idle);
  uv_prepare_start(&state->prepare, &LoopHost::onPrepare);
  uv_idle_start(&state->idle, &LoopHost::onIdle);
  napi_add_async_cleanup_hook(env, &LoopHost::onTeardown, state, &state->hook);
  state_ = state;
  return 0;
}

// How long libuv would sleep, in milliseconds; -1: without end.
int LoopHost::timeoutOf(State* state) {
  // Our own idle handle would make the answer 0.
  uv_idle_stop(&state->idle);
  const int timeout = uv_backend_timeout(state->loop);
  uv_idle_start(&state->idle, &LoopHost::onIdle);
  return timeout;
}

// Whether descriptors wait to be watched: libuv tells its epoll only when it polls itself.
static bool hasNewWatchers(const uv_loop_t* loop) {
  return loop->watcher_queue.next != &loop->watcher_queue;
}

void LoopHost::onPrepare(uv_prepare_t* handle) {
  auto* state = static_cast<State*>(handle->data);
  int wait = timeoutOf(state);
  const auto deadlineOf = [](int timeout) {
    return timeout > 0 ? sys::nowNs() + static_cast<u64>(timeout) * 1'000'000 : 0;
  };
  u64 deadlineNs = deadlineOf(wait);
  for (;;) {
    const bool isLooking = wait == 0;
    const bool isHostReady = state->sleeper.turn(wait);
    if (isHostReady || isLooking || state->owner == nullptr) return;
    if (std::exchange(state->owner->isEntered_, false)) {
      // JavaScript ran inside of the turn and may have set timers, or opened sockets.
      wait = timeoutOf(state);
      if (wait == 0 || hasNewWatchers(state->loop)) return;
      deadlineNs = deadlineOf(wait);
      continue;
    }
    if (wait < 0) continue;
    const u64 now = sys::nowNs();
    if (now >= deadlineNs) return;
    // Rounded up, so that the last millisecond is not spent polling.
    wait = static_cast<int>((deadlineNs - now + 999'999) / 1'000'000);
  }
}

void LoopHost::enterScript() {
  isEntered_ = true;
  if (state_ != nullptr) uv_update_time(state_->loop);
}

void LoopHost::stop() {
  if (state_ == nullptr) return;
  State* state = state_;
  state_ = nullptr;
  state->owner = nullptr;
  uv_prepare_stop(&state->prepare);
  uv_idle_stop(&state->idle);
  uv_close(reinterpret_cast<uv_handle_t*>(&state->prepare), &LoopHost::onClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&state->idle), &LoopHost::onClosed);
}

void LoopHost::onTeardown(napi_async_cleanup_hook_handle, void* argument) {
  auto* state = static_cast<State*>(argument);
  if (state->owner == nullptr) return;  // closing already: onClosed removes the hook
  state->sleeper.teardown();
  // The teardown may have stopped the host itself.
  if (state->owner != nullptr) state->owner->stop();
}

void LoopHost::onClosed(uv_handle_t* handle) {
  auto* state = static_cast<State*>(handle->data);
  if (--state->open > 0) return;
  if (state->hook != nullptr) napi_remove_async_cleanup_hook(state->hook);
  delete state;
}

}  // namespace holdfast::binding
