// LoopWatch: ties a core descriptor to the libuv loop of the thread that made it.
//
// The core's reactors are epoll descriptors; libuv polls them level-triggered, so a turn runs on
// the loop between JavaScript callbacks and neither blocks the other. Invariant: the handle
// outlives its owner until libuv has closed it; after stop() the callback never runs again. When
// the environment is torn down without stop(), the teardown hook runs `stopped` first, so that
// connections are closed in order even when no JavaScript can run any more.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

namespace holdfast::binding {

class LoopWatch {
 public:
  LoopWatch() = default;
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;
  ~LoopWatch() { stop(); }

  // `turn` runs whenever `fd` is readable. `teardown` runs once if the environment ends first.
  // `isLoopKept` keeps the thread alive while watching. Returns a libuv error (negative) or 0.
  int start(napi_env env, int fd, bool isLoopKept, std::function<void()> turn,
            std::function<void()> teardown);
  void stop();
  [[nodiscard]] bool isStarted() const { return state_ != nullptr; }

 private:
  struct State;
  static void onPoll(uv_poll_t* handle, int status, int events);
  static void onTeardown(napi_async_cleanup_hook_handle hook, void* argument);
  static void onClosed(uv_handle_t* handle);

  State* state_ = nullptr;
};

}  // namespace holdfast::binding
