// Any bytes as Accept-Encoding, whole and in two lines; any bytes as a list and as a media type.
//
// Invariant: weights are thousandths; what is chosen is offered and acceptable, and nothing that is
// offered is liked better; two lines mean what one with a comma between means.
#include <string>

#include "codec/content_coding.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::codec;

constexpr ContentCoding kOffered[] = {ContentCoding::kZstd, ContentCoding::kBrotli,
                                      ContentCoding::kGzip};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  fuzz::Choices choices({bytes, length});
  const size_t cut = choices.takeU8();
  const std::string_view text(reinterpret_cast<const char*>(choices.rest().data()),
                              choices.rest().size());
  AcceptedCodings accepted;
  accepted.take(text.substr(0, cut));
  if (cut < text.size()) accepted.take(text.substr(cut));
  const ContentCoding chosen = accepted.choose(kOffered);
  FUZZ_CHECK(accepted.weightOfIdentity() <= 1000);
  for (const ContentCoding coding : kOffered) {
    const u32 weight = accepted.weightOf(coding);
    FUZZ_CHECK(weight <= 1000);
    if (chosen != ContentCoding::kCount) {
      FUZZ_CHECK(weight <= accepted.weightOf(chosen));
    } else {
      FUZZ_CHECK(weight == 0 || weight < accepted.weightOfIdentity());
    }
  }
  if (chosen != ContentCoding::kCount) FUZZ_CHECK(accepted.weightOf(chosen) > 0);
  const size_t half = cut < text.size() ? cut : text.size();
  AcceptedCodings joined;
  joined.take(std::string(text.substr(0, half)) + "," + std::string(text.substr(half)));
  FUZZ_CHECK(joined.choose(kOffered) == chosen);
  (void)listHas(text, "no-transform");
  if (isTypeListed(text, "text/*\napplication/json")) {
    FUZZ_CHECK(text.find('/') != std::string_view::npos);
  }
  return 0;
}
