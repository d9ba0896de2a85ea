// What board_object.cc shares with http_board.cc: setting names, and clearing what HTTP counted.
//
// Main thread only. Invariant: cells that were never used are not touched, so that gateways without
// HTTP have no pages for them.
#pragma once

#include <string>

#include "runtime/board.h"

namespace holdfast::binding {

// Truncated at `room` bytes on a character boundary, always terminated.
void setText(char* out, size_t room, const std::string& text);

// Before an id goes to another listener or cluster.
void clearHttp(Board& board, u32 listener);
void clearClusterHttp(Board& board, u32 cluster);

// What was under way in a shard that died has ended.
void endHttp(Board& board, u32 shard);

}  // namespace holdfast::binding
