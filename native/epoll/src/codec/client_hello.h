// ClientHello: the first message of a TLS client, read for routing without decrypting anything.
//
// Fed with what arrives, in whatever pieces: bytes, segments, records. It keeps the server name and
// the protocols of ALPN and nothing else, so it needs no buffer; the bytes stay with the caller,
// who forwards them as they came (RFC 8446 4.1.2 and 5.1, RFC 6066 3, RFC 7301 3.1). Invariant: the
// verdict depends on the bytes, not on how they were cut, and is never taken back; a hello that is
// not well formed to its last byte is refused. At most kClientHelloBytesMax are read. Does not
// judge versions, suites or names that exist; plain data, no allocation.
#pragma once

#include <iterator>
#include <span>
#include <string_view>

#include "runtime/base.h"

namespace holdfast::codec {

// Records and their headers, counted as they come (Envoy's limit as well).
inline constexpr size_t kClientHelloBytesMax = 16384;
inline constexpr size_t kServerNameBytesMax = 255;
// Protocols beyond this are not kept; the first ones are the client's favourites.
inline constexpr size_t kAlpnBytesMax = 128;

// Why bytes are not a ClientHello that can be routed.
enum class HelloViolation : u8 {
  kNone,
  kNotTls,      // the first record is something else: HTTP, SSLv2, noise
  kRecord,      // a record that has no place in a hello, or an impossible length
  kMessage,     // another handshake message
  kTooLong,     // no end within kClientHelloBytesMax
  kForm,        // lengths that contradict each other
  kDuplicate,   // two server names or two lists of protocols
  kServerName,  // a name that no host can have
  kCount,
};
inline constexpr const char* kHelloViolationNames[] = {
    "none", "not-tls", "record", "message", "too-long", "form", "duplicate", "server-name",
};
static_assert(std::size(kHelloViolationNames) == static_cast<size_t>(HelloViolation::kCount));

// Writes the one form that names are compared in: lower case, without a trailing dot. `output` has
// kServerNameBytesMax bytes. Returns the length, 0 for what is no host name: empty, too long, empty
// labels, labels above 63 bytes, bytes other than letters, digits, '-', '_' and '.'.
[[nodiscard]] size_t canonicalServerName(std::span<const u8> name, char* output);

class ClientHello {
 public:
  enum class Verdict : u8 { kNeedMore, kHello, kViolation };

  // Takes the bytes that follow those taken before. Bytes behind a verdict are not looked at.
  // O(bytes).
  Verdict take(std::span<const u8> bytes);

  [[nodiscard]] Verdict verdict() const { return verdict_; }
  [[nodiscard]] HelloViolation violation() const { return violation_; }
  // Bytes looked at so far: where a caller that peeks goes on.
  [[nodiscard]] size_t bytesTaken() const { return bytesTaken_; }

  // Canonical; empty when the client named nobody.
  [[nodiscard]] std::string_view serverName() const { return {serverName_, serverNameLength_}; }
  // The protocols as on the wire, each behind its length; whole ones only.
  [[nodiscard]] std::span<const u8> alpn() const { return {alpn_, alpnLength_}; }
  [[nodiscard]] bool isAlpnCut() const { return isAlpnCut_; }
  [[nodiscard]] bool hasAlpn(std::string_view protocol) const;

 private:
  // What comes next in the message, in the order of the wire. Numbers first, then contents.
  enum class Field : u8 {
    kType,
    kLength,
    kIdLength,
    kSuitesLength,
    kCompressionsLength,
    kExtensionsLength,
    kExtensionType,
    kExtensionLength,
    kNameListLength,
    kNameType,
    kNameLength,
    kAlpnListLength,
    kAlpnLength,
    kFixed,  // version and random
    kId,
    kSuites,
    kCompressions,
    kSkipped,  // an extension of no interest
    kSkippedName,
    kName,
    kAlpn,
  };

  void takeHeader(u8 byte);
  // Takes bytes of the message; returns how many.
  size_t takeMessage(std::span<const u8> bytes);
  void takeContent(std::span<const u8> bytes);
  void enterNumber(Field field, u8 width);
  void enterContent(Field field, u32 length);
  void endNumber();
  void endExtensionLength(u32 length);
  void endContent();
  void endName();
  void nextExtension();
  void nextInExtension(Field field, u8 width);
  void fail(HelloViolation violation);

  u32 bytesTaken_ = 0;
  u32 messageLeft_ = 0;    // of the message's body
  u32 extensionLeft_ = 0;  // of the present extension
  u32 contentLeft_ = 0;    // of the present content
  u32 number_ = 0;         // the present number so far
  u32 recordLeft_ = 0;
  u32 headerLength_ = 0;  // the first byte of a record's length
  u32 extensionType_ = 0;
  u8 nameType_ = 0;
  u8 numberLeft_ = 1;  // bytes of the present number
  u8 headerBytes_ = 0;
  Field field_ = Field::kType;
  Verdict verdict_ = Verdict::kNeedMore;
  HelloViolation violation_ = HelloViolation::kNone;
  bool isFirstRecord_ = true;
  bool hasNames_ = false;
  bool hasName_ = false;
  bool hasAlpnList_ = false;
  bool isAlpnCut_ = false;
  bool isAlpnKept_ = false;  // the present protocol
  u8 rawLength_ = 0;
  u8 serverNameLength_ = 0;
  u8 alpnLength_ = 0;
  u8 alpn_[kAlpnBytesMax] = {};
  u8 raw_[kServerNameBytesMax] = {};
  char serverName_[kServerNameBytesMax] = {};
};
static_assert(kServerNameBytesMax <= 0xff && kAlpnBytesMax <= 0xff);

}  // namespace holdfast::codec
