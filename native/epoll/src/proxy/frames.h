// What both ways of following frames share: as they pass (tunnel_frames.cc), and as messages that
// wait (filter_messages.cc).
//
// Runs for every read of a WebSocket, so it is inlined. Invariant: rules come from the settings
// that the WebSocket was opened with.
#pragma once

#include <algorithm>

#include "proxy/shard.h"

namespace holdfast::proxy {

__attribute__((always_inline)) inline codec::FrameRules Shard::frameRulesOf(const Tunnel& tunnel,
                                                                            Side from) {
  const FramesSettings& settings = settingsOf(tunnel);
  const bool isClient = from == Side::kDownstream;
  codec::FrameRules rules;
  if (settings.spec.frameBytesMax != 0) {
    rules.payloadMax = std::min(settings.spec.frameBytesMax, codec::kFramePayloadMax);
  }
  rules.sender = isClient ? codec::FrameSender::kClient : codec::FrameSender::kEndpoint;
  rules.isValidated = settings.spec.isValidated != 0;
  rules.hasDeflate = settings.hasDeflate;
  return rules;
}

// What a tracker found is counted, and taken as a sign of life.
__attribute__((always_inline)) inline void Shard::noteFrames(u32 tunnel, Side from,
                                                             const codec::FrameReport& report) {
  Tunnel& record = tunnels_[tunnel];
  const bool isClient = from == Side::kDownstream;
  if (report.messages != 0) {
    board_.http(options_.index, record.listener)
        .count(isClient ? HttpCounter::kMessagesFromClients : HttpCounter::kMessagesFromEndpoints,
               report.messages);
  }
  if (isClient && report.frames != 0) {
    record.frames.flags = (record.frames.flags | kFramesHeard) & ~kFramesPinged & kFramesFlags;
    if (report.has(codec::Opcode::kPong)) record.pongTick = nowTick_;
  }
  if (report.closeCode != 0 && record.frames.closeCode == 0) {
    record.frames.closeCode = report.closeCode;
  }
}

}  // namespace holdfast::proxy
