// LoopHost: lets a shard's epoll be the place where a worker thread sleeps, with libuv as its guest.
//
// libuv would sleep in its own epoll and call us through a poll handle: two epoll_wait calls a turn,
// and every socket event would wake two epolls. Instead, just before libuv would sleep (uv_prepare),
// the shard sleeps for it, with libuv's backend descriptor as one entry, for as long as libuv itself
// would have (uv_backend_timeout); an idle handle makes libuv's own poll return at once afterwards.
// This is the embedding that libuv documents for uv_backend_fd and uv_backend_timeout.
// Invariant: JavaScript never waits for the shard: whenever libuv has an event, a timer that is due, or
// anything to start or close, the thread goes back to it.
#pragma once

#include <napi.h>
#include <uv.h>

#include "proxy/shard.h"

namespace holdfast::binding {

class LoopHost {
 public:
  LoopHost() = default;
  LoopHost(const LoopHost&) = delete;
  LoopHost& operator=(const LoopHost&) = delete;
  ~LoopHost() { stop(); }

  // Keeps the thread alive until stop(). The shard outlives that; when the environment ends first,
  // the shard is stopped here. Returns a libuv error (negative) or 0.
  int start(napi_env env, proxy::Shard& shard);
  void stop();

 private:
  struct State;
  static void onPrepare(uv_prepare_t* handle);
  static void onIdle(uv_idle_t*) {}
  static void onTeardown(napi_async_cleanup_hook_handle hook, void* data);
  static void onClosed(uv_handle_t* handle);

  State* state_ = nullptr;
};

}  // namespace holdfast::binding
