// FilterHost: how a shard reaches the filters of its thread, and what it keeps for that.
//
// The binding makes the host of two JavaScript functions; the simulation and tests make it of C++.
// Invariant: a shard without filters has none of this, and pays one comparison with null.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/filter_batch.h"
#include "proxy/filter_chain.h"
#include "runtime/chunk.h"

namespace holdfast::proxy {

struct FilterHost {
  // Hands over the first `words` words of the batch. The host calls Shard::settleFilters() with the
  // words of its answers before anything else enters JavaScript, and then returns.
  std::function<void(u32)> run;
  // The last holder of a retired chain is gone.
  std::function<void(u32)> drained;
};

// Turns of batch and answers that one turn of the shard makes at most.
inline constexpr u32 kFilterRoundsMax = 8;
inline constexpr u32 kRematchesMax = 4;  // of one exchange
// Beyond the longest message that is shown: headers of its frames, and control frames between them.
inline constexpr u32 kFilterFramingMax = 8 * 1024;
// One read of a WebSocket whose messages are shown.
inline constexpr u32 kFilterReadBytes = 16 * 1024;

// Messages of one direction of a WebSocket that wait for their answers, as they came.
struct MessageHold {
  ChunkChain raw;        // messages that wait, then what is not whole, then what was not looked at
  u32 queuedBytes = 0;   // at the front: of messages that wait, and of those that may go
  u32 readyBytes = 0;    // at the front of these: of messages that may go, behind which one waits
  u32 restBytes = 0;     // at the end: not looked at
  u32 waiting = 0;       // messages without an answer
  u32 passingBytes = 0;  // of a frame of TCP that is too long, still to pass
  ChunkChain closeText;  // of a close that waits for the end of a frame; of the client's side
  bool isParked = false;
  bool isPassing = false;  // a message that is too long is passed on as it comes
  bool isBegun = false;    // the first frame of TCP was seen
};

// Filters of a connection: its listener's chain.
struct ConnectionFilters {
  u16 chain = 0;
  u8 asked = 0;  // hook and 1 that is waited for; 0: none
  bool hasHash = false;
  u64 hash = 0;  // what a filter chose, in place of the client's address
};

// The end of a holder for which there was no room in the batch.
struct FilterEnd {
  FilterRecord record;
  u32 chain = 0;
  u32 code = 0;
  const char* reason = "";  // of a table
  u64 bytesIn = 0;
  u64 bytesOut = 0;
  u64 micros = 0;
  u32 messagesIn = 0;
  u32 messagesOut = 0;
};

// Answers that came by themselves, copied: the arrays are the host's again.
struct FilterMail {
  std::vector<u32> words;
  std::vector<u8> bytes;
  bool isBroken = false;  // not all of them made sense
};
// What a mail keeps of its memory when it was read.
inline constexpr size_t kFilterMailBytesKept = 1 << 20;

struct ShardFilters {
  ShardFilters(const FilterMemory& arrays, FilterHost functions)
      : memory(arrays),
        host(std::move(functions)),
        batch(arrays.inWords, arrays.inBytes),
        savedWords(kFilterWords),
        savedBytes(kFilterBytes),
        saving(savedWords.data(), savedBytes.data()) {}

  FilterMemory memory;
  FilterHost host;
  FilterBatch batch;
  std::vector<u32> savedWords;
  std::vector<u8> savedBytes;
  FilterBatch saving;  // of heads that are shown again later
  std::vector<FilterRecord> running;
  std::vector<FilterRecord> due;  // could not be written: there was no room
  std::vector<FilterRecord> dueNow;
  std::unordered_map<u64, std::string> dueNames;  // that connections among them asked for
  std::vector<FilterEnd> ends;
  FilterMail early;  // while the host runs
  FilterMail late;
  FilterMail lateNow;
  bool isRunning = false;
  std::vector<FilterChain> chains;  // by id
  std::vector<u32> drained;         // to be told
  MessageHold* holds = nullptr;     // by tracker slot, one for each direction
  size_t holdsBytes = 0;
  ConnectionFilters* connections = nullptr;  // by tunnel
  size_t connectionsBytes = 0;
  std::unordered_map<std::string_view, u32> clusters;  // position by name, of the snapshot in use
};

}  // namespace holdfast::proxy
