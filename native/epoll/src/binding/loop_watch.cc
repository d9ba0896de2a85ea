// The life of a poll handle: started, stopped by its owner or by the end of the environment,
// closed.
#include "binding/loop_watch.h"

namespace holdfast::binding {

struct LoopWatch::State {
  uv_poll_t poll{};
  napi_async_cleanup_hook_handle hook = nullptr;
  std::function<void()> turn;
  std::function<void()> teardown;
  LoopWatch* owner = nullptr;
};

int LoopWatch::start(napi_env env, int fd, bool isLoopKept, std::function<void()> turn,
                     std::function<void()> teardown) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return UV_EINVAL;
  auto* state = new State;
  state->turn = std::move(turn);
  state->teardown = std::move(teardown);
  state->owner = this;
  state->poll.data = state;
  if (const int result = uv_poll_init(loop, &state->poll, fd); result != 0) {
    delete state;
    return result;
  }
  state_ = state;
  if (!isLoopKept) uv_unref(reinterpret_cast<uv_handle_t*>(&state->poll));
  napi_add_async_cleanup_hook(env, &LoopWatch::onTeardown, state, &state->hook);
  return uv_poll_start(&state->poll, UV_READABLE, &LoopWatch::onPoll);
}

void LoopWatch::stop() {
  if (state_ == nullptr) return;
  State* state = state_;
  state_ = nullptr;
  state->owner = nullptr;
  state->turn = nullptr;
  state->teardown = nullptr;
  uv_poll_stop(&state->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&state->poll), &LoopWatch::onClosed);
}

void LoopWatch::onPoll(uv_poll_t* handle, int, int) {
  auto* state = static_cast<State*>(handle->data);
  if (state->turn) state->turn();
}

void LoopWatch::onTeardown(napi_async_cleanup_hook_handle, void* argument) {
  auto* state = static_cast<State*>(argument);
  if (state->owner == nullptr) return;  // already closing: onClosed removes the hook
  const std::function<void()> teardown = std::move(state->teardown);
  if (teardown) teardown();
  // The teardown may have stopped the watch itself.
  if (state->owner != nullptr) state->owner->stop();
}

void LoopWatch::onClosed(uv_handle_t* handle) {
  auto* state = static_cast<State*>(handle->data);
  if (state->hook != nullptr) napi_remove_async_cleanup_hook(state->hook);
  delete state;
}

}  // namespace holdfast::binding
