// Measuring frames by a description: fields of every size, variants, cuts, faults, limits.
#include "codec/framing.h"

#include <vector>

#include "check.h"

namespace holdfast::codec {
namespace {

FramingSpec boxes() {
  FramingSpec spec;
  spec.frameBytesMax = 1000;
  spec.by = FramingField{2, 1, 0};
  spec.magicBytes = 2;
  spec.magic[0] = 0x48;
  spec.magic[1] = 0x46;
  spec.variantCount = 2;
  spec.variants[0].value = 1;
  spec.variants[0].header = 5;
  spec.variants[0].lengthCount = 1;
  spec.variants[0].length[0] = FramingField{3, 2, 0};
  spec.variants[1].value = 2;
  spec.variants[1].header = 12;
  spec.variants[1].lengthCount = 2;
  spec.variants[1].length[0] = FramingField{3, 1, 0};
  spec.variants[1].length[1] = FramingField{4, 8, 0};
  spec.variants[1].lengthPlus = -12;
  return spec;
}

FrameMeasure measure(const FramingSpec& spec, std::vector<u8> bytes, bool isFirst = true) {
  return measureFrame(spec, bytes, isFirst);
}

TEST(framesAreMeasuredByTheirHeader) {
  const FramingSpec spec = boxes();
  CHECK(isFramingValid(spec));
  CHECK_EQ(framingHeaderBytes(spec), 12u);
  CHECK_EQ(measure(spec, {0x48, 0x46, 1, 1, 4}).bytes, 265u);
  CHECK_EQ(measure(spec, {0, 0, 1, 0, 0}, false).bytes, 5u);
  CHECK_EQ(measure(spec, {0, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 7}, false).bytes, 17u);
}

TEST(lessThanAHeaderSaysNothing) {
  const FramingSpec spec = boxes();
  const std::vector<u8> whole = {0x48, 0x46, 1, 0, 4};
  for (size_t length = 0; length < whole.size(); ++length) {
    const FrameMeasure found = measure(spec, {whole.begin(), whole.begin() + i64(length)});
    CHECK_EQ(found.bytes, 0u);
    CHECK(found.fault == FramingFault::kNone);
  }
}

TEST(whatIsNoFrameIsToldAsSoonAsItIsSeen) {
  const FramingSpec spec = boxes();
  CHECK(measure(spec, {0x47}).fault == FramingFault::kMagic);
  CHECK(measure(spec, {0x48, 0x47}).fault == FramingFault::kMagic);
  CHECK(measure(spec, {0x48, 0x46, 3}).fault == FramingFault::kVariant);
  CHECK(measure(spec, {0, 0, 3}, false).fault == FramingFault::kVariant);
  CHECK(measure(spec, {0, 0, 1, 4, 0}, false).fault == FramingFault::kTooLong);
  // A sum below nothing, and one that would wrap.
  const FrameMeasure less = measure(spec, {0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0}, false);
  CHECK(less.fault == FramingFault::kLength);
  const FrameMeasure wraps =
      measure(spec, {0, 0, 2, 12, 255, 255, 255, 255, 255, 255, 255, 255}, false);
  CHECK(wraps.fault == FramingFault::kTooLong);
}

TEST(littleEndianFieldsAreReadFromTheirEnd) {
  FramingSpec spec = boxes();
  spec.isLittleEndian = 1;
  CHECK_EQ(measure(spec, {0, 0, 1, 4, 1}, false).bytes, 265u);
}

TEST(descriptionsThatLeadOutsideOfTheirHeadersAreRefused) {
  using Change = void (*)(FramingSpec&);
  constexpr Change kChanges[] = {
      [](FramingSpec& spec) { spec.frameBytesMax = 0; },
      [](FramingSpec& spec) { spec.frameBytesMax = kFramingFrameMax + 1; },
      [](FramingSpec& spec) { spec.variantCount = 0; },
      [](FramingSpec& spec) { spec.variantCount = kFramingVariantsMax + 1; },
      [](FramingSpec& spec) { spec.magicBytes = kFramingMagicMax + 1; },
      [](FramingSpec& spec) { spec.by.size = 0; },
      [](FramingSpec& spec) { spec.by.size = 5; },
      [](FramingSpec& spec) { spec.by.at = 5; },
      [](FramingSpec& spec) { spec.variants[0].header = 0; },
      [](FramingSpec& spec) { spec.variants[0].header = kFramingHeaderMax + 1; },
      [](FramingSpec& spec) { spec.variants[0].length[0].at = 4; },
      [](FramingSpec& spec) { spec.variants[1].length[1].at = 0xffff; },
      [](FramingSpec& spec) { spec.variants[0].lengthCount = kFramingLengthsMax + 1; },
      [](FramingSpec& spec) { spec.variants[0].lengthPlus = -2000; },
  };
  for (const Change change : kChanges) {
    FramingSpec spec = boxes();
    change(spec);
    CHECK(!isFramingValid(spec));
  }
}

}  // namespace
}  // namespace holdfast::codec
