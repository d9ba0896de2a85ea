// Any description and any bytes: what isFramingValid() takes never leads outside of the bytes, and
// more bytes never take a verdict back.
// Input: a FramingSpec with as many variants as there are bytes for, then what is measured.
#include <algorithm>
#include <cstring>

#include "codec/framing.h"

#include "fuzz/fuzz.h"

using holdfast::u8;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace holdfast::codec;
  constexpr size_t kSpecBytes = offsetof(FramingSpec, variants) + 4 * sizeof(FramingVariant);
  if (length < kSpecBytes) return 0;
  FramingSpec spec;
  std::memcpy(static_cast<void*>(&spec), bytes, kSpecBytes);
  spec.variantCount = static_cast<holdfast::u16>(spec.variantCount % 5);
  if (!isFramingValid(spec)) return 0;
  const std::span<const u8> rest(bytes + kSpecBytes, length - kSpecBytes);
  for (const bool isFirst : {true, false}) {
    FrameMeasure before;
    for (size_t seen = 0; seen <= std::min<size_t>(rest.size(), kFramingHeaderMax); ++seen) {
      // Exactly so many bytes, so that reading one more is found.
      u8* exact = new u8[seen];
      std::copy_n(rest.begin(), seen, exact);
      const FrameMeasure now = measureFrame(spec, {exact, seen}, isFirst);
      delete[] exact;
      FUZZ_CHECK(now.bytes == 0 || now.fault == FramingFault::kNone);
      FUZZ_CHECK(now.bytes <= spec.frameBytesMax);
      const bool isKnown = before.bytes != 0 || before.fault != FramingFault::kNone;
      if (isKnown) FUZZ_CHECK(now.bytes == before.bytes && now.fault == before.fault);
      if (seen >= framingHeaderBytes(spec)) {
        FUZZ_CHECK(now.bytes != 0 || now.fault != FramingFault::kNone);
      }
      before = now;
    }
  }
  return 0;
}
