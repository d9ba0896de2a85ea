// CodedResponse: what an exchange keeps whose response may be compressed, as plain data.
//
// Taken when a policy of the listener or the route asks for it, given back with the exchange; who
// configures no compression has none. Invariant: while `isDue` is set, the endpoint is not read:
// what it sent waits in Exchange::kept, and goes first.
#pragma once

#include <string>

#include "codec/content_coding.h"
#include "runtime/base.h"

namespace holdfast::proxy {

// One read of a response that may be compressed takes this much, and is a task of its own.
inline constexpr u32 kCodedReadBytes = 16 * 1024;
// A chunk of what comes out.
inline constexpr u32 kCodedOutBytes = 16 * 1024;
// Different settings in use at once in a shard; responses beyond them are passed on as they are.
inline constexpr u32 kCodingSettingsMax = 1024;

// What a use of the filter says, kept as long as a response needs it.
struct CodingSettings {
  u32 refs = 0;
  codec::CodingLevel level = codec::CodingLevel::kFast;
  u64 bytesMin = 0;
  std::string types{};  // as codec::isTypeListed has them
};

// kContent -> kFlushing -> kContent ... -> kFinishing -> kEnded
enum class CodedState : u8 {
  kContent,    // what comes is compressed
  kFlushing,   // the endpoint has nothing more for now: all that was taken comes out
  kFinishing,  // the content is whole
  kEnded,      // and so is what came out; trailers may follow
};

struct CodedResponse {
  // A use of the filter: the listener's, or the route's, which goes first.
  struct Use {
    u32 settings = kNoIndex;
    u32 policy = 0;  // on the board
    codec::ContentCoding coding = codec::ContentCoding::kCount;
  };

  u32 generation = 0;
  u32 link = kNoIndex;
  Use uses[2];
  u32 compressor = kNoIndex;  // in the shard's pool
  u32 pieceLeft = 0;          // content in front of what waits, which the framing has counted
  u32 givenBytes = 0;         // to the compressor, of the bytes in hand
  CodedState state = CodedState::kContent;
  bool isUnsuited = false;  // the client wants it as it is: Range, no-transform, HTTP/1.0
  bool isDirty = false;     // something may wait in the compressor
  bool isDue = false;       // the client has to take something first
};

}  // namespace holdfast::proxy
