// Content codings: which of them a client takes, and the small questions about lists that whoever
// codes a response has to ask.
//
// Used by policies when a request comes and by the exchange when its response does.
// Invariant: a member that is not written as RFC 9110 12.5.3 has it allows nothing: a coding is
// used only when the client clearly takes it. No allocation. Does not code: compression/ does.
#pragma once

#include <iterator>
#include <span>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

enum class ContentCoding : u8 { kGzip, kBrotli, kZstd, kCount };
// As fields and configurations have them.
inline constexpr const char* kContentCodingNames[] = {"gzip", "br", "zstd"};
inline constexpr u32 kContentCodings = static_cast<u32>(ContentCoding::kCount);
static_assert(std::size(kContentCodingNames) == kContentCodings);

// How much work goes into making content small.
enum class CodingLevel : u8 { kFast, kBalanced, kSmall, kCount };
inline constexpr const char* kCodingLevelNames[] = {"fast", "balanced", "small"};
static_assert(std::size(kCodingLevelNames) == static_cast<size_t>(CodingLevel::kCount));

// What the lines of Accept-Encoding say (RFC 9110 12.5.3). A client without any takes what comes as
// it is.
class AcceptedCodings {
 public:
  // One line after the other. Of a coding that is named twice, the lower weight holds.
  void take(std::string_view line);

  // The coding to use: of those with the highest weight the one that `offered` has first. kCount:
  // none, because none is acceptable or the client likes content as it is better.
  [[nodiscard]] ContentCoding choose(std::span<const ContentCoding> offered) const;

  // In thousandths; 0: not acceptable.
  [[nodiscard]] u32 weightOf(ContentCoding coding) const;
  [[nodiscard]] u32 weightOfIdentity() const;

 private:
  static constexpr u16 kUnsaid = 0xffff;

  void takeMember(std::string_view member);

  u16 weights_[kContentCodings] = {kUnsaid, kUnsaid, kUnsaid};
  u16 identity_ = kUnsaid;
  u16 others_ = kUnsaid;  // `*`
};

// True when a list of members with commas between names `member` (lower case), in any case and
// without parameters.
[[nodiscard]] bool listHas(std::string_view list, std::string_view member);

// True when the media type of a Content-Type is one of `types`: lower case, one a line, `text/*`
// for all of a kind.
[[nodiscard]] bool isTypeListed(std::string_view contentType, std::string_view types);

}  // namespace holdfast::codec
