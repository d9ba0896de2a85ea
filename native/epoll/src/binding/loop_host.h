// LoopHost: lets a reactor's epoll be the place where a thread sleeps, with libuv as its guest.
//
// libuv would sleep in its own epoll and call us through a poll handle: two epoll_wait calls a
// turn, and every socket event would wake two epolls. Instead, just before libuv would sleep
// (uv_prepare), the reactor sleeps for it, with libuv's backend descriptor as one entry, for as
// long as libuv itself would have (uv_backend_timeout); an idle handle makes libuv's own poll
// return at once afterwards. This is the embedding that libuv documents for uv_backend_fd and
// uv_backend_timeout. Invariant: JavaScript never waits for the reactor: whenever libuv has an
// event, a timer that is due, or anything to start or close, the thread goes back to it.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

#include "runtime/base.h"

namespace holdfast::binding {

// What LoopHost needs of a reactor (the shard, the acceptor).
struct Sleeper {
  // Adds libuv's backend descriptor to the reactor's epoll.
  std::function<Status(int)> watchHost;
  // Sleeps up to so many milliseconds and runs a turn; true when libuv has events.
  std::function<bool(int)> turn;
  // Called once when the environment ends before stop().
  std::function<void()> teardown;
};

class LoopHost {
 public:
  LoopHost() = default;
  LoopHost(const LoopHost&) = delete;
  LoopHost& operator=(const LoopHost&) = delete;
  ~LoopHost() { stop(); }

  // Keeps the thread alive until stop(). Returns a libuv error (negative) or 0.
  int start(napi_env env, Sleeper sleeper);
  void stop();
  [[nodiscard]] bool isStarted() const { return state_ != nullptr; }
  // Before JavaScript is entered from inside of a turn: timers that it sets begin now, and are
  // looked at behind the turn.
  void enterScript();

 private:
  struct State;
  static int timeoutOf(State* state);
  static void onPrepare(uv_prepare_t* handle);
  static void onIdle(uv_idle_t*) {}
  static void onTeardown(napi_async_cleanup_hook_handle hook, void* argument);
  static void onClosed(uv_handle_t* handle);

  State* state_ = nullptr;
  bool isEntered_ = false;
};

}  // namespace holdfast::binding
