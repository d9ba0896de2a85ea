// What the origin answers to HTTP/1.1 requests and to WebSocket frames: bytes in, bytes out.
//
// A GET is answered by as much content as its target asks for, with its stamp repeated; a stamp of
// the kind kSubscribe turns the connection into a stream of events, kPublish sends one to all
// streams; an upgrade turns it into a WebSocket that echoes.
// Invariant: nothing is consumed that is not whole. Keeps nothing of a connection and never touches
// a descriptor; origin.cc does.
#pragma once

#include <span>
#include <string>

#include "payload.h"

namespace holdfast::loadgen {

struct WebStep {
  enum class Next : u8 {
    kNeedMore,   // nothing was whole
    kGoOn,       // `consumed` was answered
    kWebSocket,  // and frames follow
    kStream,     // and events follow, of this side
    kPublish,    // and `event` goes to all streams
    kClose,      // and the connection ends when the answer is out
    kAbort,      // wrong, or at its end: close at once
  };
  Next next = Next::kNeedMore;
  std::size_t consumed = 0;
};

// True when a connection that begins like this speaks HTTP.
bool isHttp(std::span<const char> first);
// One request at the front of `in`; its answer is appended to `out`, what kPublish sends to
// `event`.
WebStep answerRequest(std::span<const char> in, std::string& out, std::string& event);
// One frame at the front of `in`; its answer is appended to `out`.
WebStep answerFrame(std::span<const char> in, std::string& out);

}  // namespace holdfast::loadgen
