// Heads, one after the other, until one is final.
#include "proxy/probe_answer.h"

#include "codec/http1_head.h"

namespace holdfast::proxy {
namespace {

inline constexpr u16 kFinalStatusMin = 200;

}  // namespace

ProbeAnswer readProbeAnswer(std::span<const u8> bytes) {
  const bool isTooLong = bytes.size() > kProbeAnswerBytesMax;
  while (!bytes.empty()) {
    http1::HeadScan scan;
    http1::Head head;
    const http1::HeadResult result =
        http1::takeResponse(bytes, http1::kResponseRules, http1::ResponseTo{}, &scan, &head);
    if (result.kind == http1::HeadResult::Kind::kNeedMore) break;
    if (result.kind == http1::HeadResult::Kind::kViolation) {
      return {ProbeAnswer::Kind::kViolation, 0};
    }
    if (head.status >= kFinalStatusMin) return {ProbeAnswer::Kind::kStatus, head.status};
    bytes = bytes.subspan(head.length);
  }
  return {isTooLong ? ProbeAnswer::Kind::kViolation : ProbeAnswer::Kind::kNeedMore, 0};
}

}  // namespace holdfast::proxy
