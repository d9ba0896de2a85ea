// The numbers of the boundary between the core and the filter host of a shard.
//
// The host is JavaScript on the same thread (src/shard/filters, whose README.md says what each word
// means); both sides read and write four arrays that the host made. Invariant: these are the
// numbers of src/shard/filters/layout.ts; a test compares the two.
#pragma once

#include "runtime/base.h"

namespace holdfast::proxy {

// Words and bytes of each of the arrays.
inline constexpr u32 kFilterWords = 65'536;
inline constexpr u32 kFilterBytes = 1u << 20;

inline constexpr u32 kFilterChainMax = 4095;
inline constexpr u32 kFilterMessageMax = 256 * 1024;

// When filters are asked. The number is also the bit in the mask of a chain.
enum class FilterHook : u8 {
  kAccept,
  kOpen,
  kRequest,
  kRouted,
  kEndpoint,
  kResponse,
  kMessage,
  kEnd,
  kCount,
};

// What they are asked about.
enum class FilterHolder : u8 { kConnection, kExchange, kTunnel, kCount };

enum FilterNeed : u32 {
  kNeedAccept = 1u << 0,
  kNeedOpen = 1u << 1,
  kNeedRequest = 1u << 2,
  kNeedRouted = 1u << 3,
  kNeedEndpoint = 1u << 4,
  kNeedResponse = 1u << 5,
  kNeedMessage = 1u << 6,
  kNeedEnd = 1u << 7,
  kNeedFromClient = 1u << 8,
  kNeedFromEndpoint = 1u << 9,
  kNeedText = 1u << 10,
  kNeedBinary = 1u << 11,
  kNeedSerial = 1u << 12,
  kNeedAllRequestFields = 1u << 13,
  kNeedAllResponseFields = 1u << 14,
};
inline constexpr u32 kFilterNeeds = (1u << 15) - 1;

enum class FilterVerdict : u8 {
  kContinue,
  kPark,
  kRespond,
  kClose,
  kRematch,
  kChoose,
  kRechoose,
  kRetry,
  kDrop,
  kReplace,
  kCount,
};

// Records of the core.
inline constexpr u32 kRecordWords = 6;
inline constexpr u32 kFilterFlagTls = 1;
inline constexpr u32 kFilterFlagWebSocket = 2;
inline constexpr u32 kFilterFlagFromEndpoint = 1;
inline constexpr u32 kFilterFlagBinary = 2;

// Words of a head.
namespace head_word {
inline constexpr u32 kMethod = 6;
inline constexpr u32 kTarget = 8;
inline constexpr u32 kHost = 10;
inline constexpr u32 kClientIp = 12;
inline constexpr u32 kClientPort = 14;
inline constexpr u32 kRoute = 15;
inline constexpr u32 kCluster = 17;
inline constexpr u32 kEndpoint = 19;
inline constexpr u32 kStatus = 21;
inline constexpr u32 kTry = 22;
inline constexpr u32 kFieldCount = 23;
inline constexpr u32 kFields = 24;
}  // namespace head_word
inline constexpr u32 kFilterFieldWords = 3;
inline constexpr u32 kFilterFieldNamed = 0x8000'0000u;

inline constexpr u32 kConnectionRecordWords = 14;
inline constexpr u32 kMessageRecordWords = 8;
inline constexpr u32 kEndRecordWords = 17;

// Answers of the host.
inline constexpr u32 kAnswerWords = 11;
inline constexpr u32 kAnswerEditWords = 5;
// Kinds of edits. Those of the access record stand behind the others.
inline constexpr u32 kEditRemove = 2;
inline constexpr u32 kEditLog = 3;
inline constexpr u32 kAnswerFromEndpoint = 1u << 24;
inline constexpr u32 kAnswerLate = 0xffff'ffffu;

}  // namespace holdfast::proxy
