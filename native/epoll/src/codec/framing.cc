// Measures frames by a description; see framing.h.
//
// Runs once for each frame that filters of a TCP listener look at. Invariant: sums cannot wrap: a
// field that is larger than any frame ends the measuring.
#include "codec/framing.h"

#include <algorithm>

namespace holdfast::codec {
namespace {

bool isField(const FramingField& field, u32 header) {
  constexpr u8 kSizes[] = {1, 2, 3, 4, 8};
  return std::find(std::begin(kSizes), std::end(kSizes), field.size) != std::end(kSizes) &&
         u32{field.at} + field.size <= header;
}

u64 numberAt(const u8* bytes, const FramingField& field, bool isLittleEndian) {
  u64 value = 0;
  for (u32 i = 0; i < field.size; i++) {
    const u32 at = field.at + (isLittleEndian ? field.size - 1 - i : i);
    value = value << 8 | bytes[at];
  }
  return value;
}

bool isVariant(const FramingVariant& variant, const FramingField& by) {
  if (variant.header == 0 || variant.header > kFramingHeaderMax) return false;
  if (by.size != 0 && !isField(by, variant.header)) return false;
  constexpr i32 kPlusMax = static_cast<i32>(kFramingHeaderMax);
  if (variant.lengthPlus < -kPlusMax || variant.lengthPlus > kPlusMax) return false;
  return variant.lengthCount <= kFramingLengthsMax &&
         std::all_of(variant.length, variant.length + variant.lengthCount,
                     [&](const FramingField& field) { return isField(field, variant.header); });
}

}  // namespace

bool isFramingValid(const FramingSpec& spec) {
  if (spec.frameBytesMax == 0 || spec.frameBytesMax > kFramingFrameMax) return false;
  if (spec.magicBytes > kFramingMagicMax || spec.isLittleEndian > 1) return false;
  if (spec.variantCount == 0 || spec.variantCount > kFramingVariantsMax) return false;
  if (spec.by.size == 0 && (spec.variantCount != 1 || spec.variants[0].value != 0)) return false;
  return std::all_of(spec.variants, spec.variants + spec.variantCount,
                     [&](const FramingVariant& variant) { return isVariant(variant, spec.by); });
}

u32 framingHeaderBytes(const FramingSpec& spec) {
  u32 most = spec.magicBytes;
  for (u32 i = 0; i < spec.variantCount; i++) {
    most = std::max<u32>(most, spec.variants[i].header);
  }
  return most;
}

FrameMeasure measureFrame(const FramingSpec& spec, std::span<const u8> bytes, bool isFirst) {
  FrameMeasure measure;
  const bool isLittle = spec.isLittleEndian != 0;
  if (isFirst) {
    const size_t seen = std::min<size_t>(bytes.size(), spec.magicBytes);
    if (!std::equal(spec.magic, spec.magic + seen, bytes.begin())) {
      measure.fault = FramingFault::kMagic;
    }
    if (seen < spec.magicBytes || measure.fault != FramingFault::kNone) return measure;
  }
  const FramingVariant* variant = spec.variants;
  if (spec.by.size != 0) {
    if (bytes.size() < size_t{spec.by.at} + spec.by.size) return measure;
    const u64 value = numberAt(bytes.data(), spec.by, isLittle);
    const FramingVariant* end = spec.variants + spec.variantCount;
    variant = std::find_if(spec.variants, end,
                           [&](const FramingVariant& one) { return one.value == value; });
    if (variant == end) {
      measure.fault = FramingFault::kVariant;
      return measure;
    }
  }
  if (bytes.size() < variant->header) return measure;
  i64 follows = variant->lengthPlus;
  for (u32 i = 0; i < variant->lengthCount; i++) {
    const u64 part = numberAt(bytes.data(), variant->length[i], isLittle);
    if (part > kFramingFrameMax) {
      measure.fault = FramingFault::kTooLong;
      return measure;
    }
    follows += static_cast<i64>(part);
  }
  if (follows < 0) {
    measure.fault = FramingFault::kLength;
  } else if (follows + variant->header > i64{spec.frameBytesMax}) {
    measure.fault = FramingFault::kTooLong;
  } else {
    measure.bytes = static_cast<u32>(follows) + variant->header;
  }
  return measure;
}

}  // namespace holdfast::codec
