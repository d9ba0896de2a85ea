// The PROXY protocol, versions 1 and 2: who the client really is, said by the balancer before us
// and to the endpoint behind us (haproxy.org/download/3.2/doc/proxy-protocol.txt, here "spec").
//
// Pure functions from bytes to a value and back; no descriptor, no clock, no allocation.
// Invariant: a header is accepted only whole and only in the one form that the spec allows; the
// verdict on a prefix is never taken back when more bytes come. Encoding never writes past its end.
// Does not decide whether a peer may send a header, nor for how long to wait for one.
#pragma once

#include <span>

#include "codec/bytes.h"
#include "runtime/address.h"

namespace holdfast::codec {

// Longest version 1 line with its CRLF (spec 2.1).
inline constexpr size_t kProxyV1LengthMax = 107;
// Fixed part of a version 2 header (spec 2.2).
inline constexpr size_t kProxyV2FixedLength = 16;
// What decoding takes at most unless told otherwise: room for TLVs, far below the 65551 of the
// spec.
inline constexpr size_t kProxyHeaderLengthMax = kProxyV2FixedLength + 4096;
// The two paths of a Unix pair in version 2, each padded with NUL.
inline constexpr size_t kProxyUnixPathLength = 108;
inline constexpr size_t kProxyUnixPairLength = 2 * kProxyUnixPathLength;

enum class ProxyVersion : u8 { kV1 = 1, kV2 = 2 };

// kLocal: the sender speaks for itself (a health check); the socket's own addresses count.
enum class ProxyCommand : u8 { kLocal = 0, kProxy = 1 };

enum class ProxyTransport : u8 { kUnspecified = 0, kStream = 1, kDatagram = 2 };

// Why bytes are not a header, with the section of the spec that they break.
enum class ProxyViolation : u8 {
  kNone,
  kSignature,      // neither version's first bytes (2.1, 2.2)
  kLine,           // a version 1 line that is not exactly one of the allowed forms (2.1)
  kLineTooLong,    // no CRLF within 107 bytes (2.1)
  kVersion,        // version 2 signature, other version (2.2)
  kCommand,        // neither LOCAL nor PROXY (2.2)
  kFamily,         // a reserved pair of family and transport (2.2)
  kTooLong,        // longer than the limit that was given
  kAddressLength,  // shorter than the addresses of its family (2.2)
  kTlv,            // a TLV that leaves the header, or a checksum TLV of a wrong length (2.2.1)
  kChecksum,       // the CRC-32C is wrong or there are two (2.2.3)
  kCount,
};
inline constexpr const char* kProxyViolationNames[] = {
    "none",   "signature", "line",           "line-too-long", "version",  "command",
    "family", "too-long",  "address-length", "tlv",           "checksum",
};
static_assert(std::size(kProxyViolationNames) == static_cast<size_t>(ProxyViolation::kCount));

// What a header says; spans borrow the decoded bytes. Also what encoding is given.
struct ProxyHeader {
  ProxyVersion version = ProxyVersion::kV2;
  ProxyCommand command = ProxyCommand::kProxy;
  ProxyTransport transport = ProxyTransport::kStream;
  // Family 0 with kLocal and when the header does not tell (UNKNOWN, UNSPEC). AF_UNIX: see below.
  Address source;
  Address destination;
  // With AF_UNIX: source and destination path as on the wire; kProxyUnixPairLength bytes or empty.
  std::span<const u8> unixPair;
  // Version 2: the TLVs as on the wire, checked to lie inside the header, checksum included. Empty
  // with kLocal, whose block is to be ignored.
  std::span<const u8> tlvs;
};

// need_more | header | violation.
struct ProxyDecoded {
  enum class Kind : u8 { kNeedMore, kHeader, kViolation };

  Kind kind = Kind::kNeedMore;
  ProxyViolation violation = ProxyViolation::kNone;
  // kHeader: bytes of the header; what follows belongs to the connection. kNeedMore: the fewest
  // bytes that can bring a verdict, counted from the start.
  size_t length = 0;
  ProxyHeader header;
};

// Decodes the header at the start of `bytes`, which may hold less or more. `lengthMax` bounds
// version 2; version 1 has its own bound. O(length).
[[nodiscard]] ProxyDecoded decodeProxyHeader(std::span<const u8> bytes,
                                             size_t lengthMax = kProxyHeaderLengthMax);

// Writes a version 1 line. Addresses of different families are both written as IPv6; what version 1
// cannot say (LOCAL, Unix, unknown) is UNKNOWN. TLVs do not exist there. False, and a failed
// writer, when there was no room.
[[nodiscard]] bool encodeProxyV1(const ProxyHeader& header, Writer* writer);

// Writes a version 2 header; `header.version` does not matter. Addresses of different families are
// both written as IPv6 (v4-mapped), Unix pairs with their paths, and pairs of which one is not
// known as UNSPEC. TLVs are copied in order, a checksum TLV being computed anew. False, and a
// failed writer, when there was no room or the TLVs are not well formed.
[[nodiscard]] bool encodeProxyV2(const ProxyHeader& header, Writer* writer);

// TLV types that the codec itself knows (spec 2.2.1 to 2.2.7).
inline constexpr u8 kProxyTlvAlpn = 0x01;
inline constexpr u8 kProxyTlvAuthority = 0x02;
inline constexpr u8 kProxyTlvCrc32c = 0x03;
inline constexpr u8 kProxyTlvNoop = 0x04;
// What a TLS handshake with the client agreed on (spec 2.2.5): these bits and a verification result
// that is 0 when it succeeded, then TLVs.
inline constexpr u8 kProxyTlvSsl = 0x20;
inline constexpr u8 kProxyTlvSslVersion = 0x21;
inline constexpr u8 kProxyTlvSslName = 0x22;
inline constexpr u8 kProxyTlvSslCipher = 0x23;
inline constexpr u8 kProxyTlsUsed = 0x01;
inline constexpr u8 kProxyTlsCertificate = 0x02;        // on this connection
inline constexpr u8 kProxyTlsCertificateBefore = 0x04;  // or on one that it resumes

// One TLV; false at the end of the list or where it is not well formed.
struct ProxyTlv {
  u8 type = 0;
  std::span<const u8> value;
};
[[nodiscard]] bool takeProxyTlv(Reader* reader, ProxyTlv* out);

}  // namespace holdfast::codec
