// Framing: where the frames of a protocol end, by a description of its headers as numbers.
//
// A codec of a user (`defineCodec`) says where a header has its kind and its lengths; this measures
// frames by that. The description is plain data, so it lies in a snapshot as it is. Invariant: what
// is measured depends on the first bytes of a frame alone, and a description that isFramingValid()
// took never leads outside of them, nor to a frame without bytes.
// Does not look into what follows a header.
#pragma once

#include <iterator>
#include <span>

#include "runtime/base.h"

namespace holdfast::codec {

inline constexpr u32 kFramingMagicMax = 32;
inline constexpr u32 kFramingVariantsMax = 256;
inline constexpr u32 kFramingLengthsMax = 4;       // fields that are added up
inline constexpr u32 kFramingHeaderMax = 1024;     // bytes
inline constexpr u32 kFramingFrameMax = 64 << 20;  // bytes, header included

// A number in a header. Sizes are 1, 2, 3, 4 or 8; 0: there is none.
struct FramingField {
  u16 at = 0;
  u8 size = 0;
  u8 reserved = 0;
};

// One form of frame.
struct FramingVariant {
  u64 value = 0;  // of the field that tells variants apart
  i32 lengthPlus = 0;
  u16 header = 0;  // bytes
  u16 lengthCount = 0;
  FramingField length[kFramingLengthsMax];
};

struct FramingSpec {
  u32 frameBytesMax = 0;
  u16 variantCount = 0;
  u8 magicBytes = 0;
  u8 isLittleEndian = 0;
  FramingField by;  // size 0: there is one variant
  u32 reserved = 0;
  u8 magic[kFramingMagicMax] = {};  // what a direction begins with
  FramingVariant variants[kFramingVariantsMax];
};

// What is wrong with bytes that a description does not fit.
enum class FramingFault : u8 { kNone, kMagic, kVariant, kLength, kTooLong, kCount };

struct FrameMeasure {
  u32 bytes = 0;  // of the frame with its header; 0: more bytes are needed to know
  FramingFault fault = FramingFault::kNone;
};

[[nodiscard]] bool isFramingValid(const FramingSpec& spec);

// The most bytes that measureFrame() looks at.
[[nodiscard]] u32 framingHeaderBytes(const FramingSpec& spec);

// Measures the frame that `bytes` begins with; `isFirst`: it is the first one of its direction.
[[nodiscard]] FrameMeasure measureFrame(const FramingSpec& spec, std::span<const u8> bytes,
                                        bool isFirst);

}  // namespace holdfast::codec
