// Paths are rewritten from left to right, segment by segment; what is written is always shorter
// than what was read, which is why output and input may share their bytes.
#include "codec/http1_target.h"

#include <algorithm>

#include "codec/client_hello.h"
#include "codec/http1_bytes.h"
#include "runtime/address.h"

namespace holdfast::http1 {

namespace {

// "[::1]": shorter than any address with a zone.
constexpr size_t kBracketedBytesMax = 47;

bool parseBracketed(std::span<const u8> text, Authority* out) {
  if (text.size() > kBracketedBytesMax) return false;
  Address address;
  const std::string_view inner = textOf(text.subspan(1, text.size() - 2));
  if (inner.find(':') == std::string_view::npos || !parseIp(inner, 0, &address)) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const u8 byte = text[i];
    const bool isLetter = byte >= 'A' && byte <= 'F';
    out->host[i] = static_cast<char>(isLetter ? folded(byte) : byte);
  }
  out->hostLength = static_cast<u8>(text.size());
  return true;
}

bool parseName(std::span<const u8> text, Authority* out) {
  const size_t length = codec::canonicalServerName(text, out->host);
  out->hostLength = static_cast<u8>(length);
  return length != 0;
}

}  // namespace

static_assert(codec::kServerNameBytesMax <= kHostBytesMax);

bool parseAuthority(std::span<const u8> text, Authority* out) {
  out->port = 0;
  out->hostLength = 0;
  const bool isBracketed = !text.empty() && text[0] == '[';
  const std::string_view all = textOf(text);
  const size_t bracket = isBracketed ? all.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const size_t colon = all.find(':', bracket);
  const size_t hostLength = colon == std::string_view::npos ? text.size() : colon;
  if (colon != std::string_view::npos) {
    const std::string_view port = all.substr(colon + 1);
    if (port.empty() || port[0] == '0' || !parsePort(port, &out->port)) return false;
  }
  if (!isBracketed) return parseName(text.first(hostLength), out);
  return hostLength == bracket + 1 && parseBracketed(text.first(hostLength), out);
}

bool isSameAuthority(const Authority& a, const Authority& b, u16 defaultPort) {
  const u16 portOfA = a.port == 0 ? defaultPort : a.port;
  const u16 portOfB = b.port == 0 ? defaultPort : b.port;
  return portOfA == portOfB && a.hostText() == b.hostText();
}

namespace {

constexpr u8 kUpperDigits[] = "0123456789ABCDEF";

constexpr bool isUnreserved(u8 byte) {
  const u8 letter = folded(byte);
  return isDigit(byte) || (letter >= 'a' && letter <= 'z') || byte == '-' || byte == '.' ||
         byte == '_' || byte == '~';
}

// The byte that the escape at `at` stands for, or -1.
int escapedByte(std::span<const u8> path, size_t at) {
  if (path.size() - at < 3 || path[at] != '%') return -1;
  const int high = hexValue(path[at + 1]);
  const int low = hexValue(path[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Whether the escape at `at` begins a sequence of UTF-8 that is longer than it has to be: another
// way to write '/' or '.' for origins that decode without looking (RFC 3629 10).
bool isOverlong(std::span<const u8> path, size_t at, int byte) {
  if (byte != 0xc0 && byte != 0xc1 && byte != 0xe0 && byte != 0xf0) return false;
  const int next = escapedByte(path, at + 3);
  const int limit = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0xc0;
  return next >= 0x80 && next < limit;
}

class PathWriter {
 public:
  PathWriter(std::span<const u8> path, const PathRules& rules, std::span<u8> output)
      : path_(path), rules_(rules), output_(output) {}

  NormalPath write() {
    while (at_ < path_.size() && normal_.violation == Violation::kNone) {
      const u8 byte = path_[at_];
      if (byte == '%') {
        writeEscape();
      } else if (byte == '/') {
        endSegment(true);
        ++at_;
      } else {
        put(byte);
        ++at_;
      }
    }
    if (normal_.violation == Violation::kNone) endSegment(false);
    normal_.isChanged = true;
    normal_.hasParameters = textOf(output_.first(size_)).find(';') != std::string_view::npos;
    normal_.length = static_cast<u16>(size_);
    return normal_;
  }

 private:
  void fail(Violation violation) {
    if (normal_.violation == Violation::kNone) normal_.violation = violation;
  }

  void put(u8 byte) { output_[size_++] = byte; }

  void writeEscape() {
    const int byte = escapedByte(path_, at_);
    if (byte < 0) return fail(Violation::kPathEscape);
    const bool isControl = byte < 0x20 || byte == 0x7f;
    const bool isRefusedSlash = byte == '/' && !rules_.isEscapedSlashAllowed;
    if (isControl || byte == '\\' || isRefusedSlash || isOverlong(path_, at_, byte)) {
      return fail(Violation::kPathForbidden);
    }
    const u8 plain = static_cast<u8>(byte);
    if (isUnreserved(plain)) {
      put(plain);
    } else {
      put('%');
      put(kUpperDigits[plain >> 4]);
      put(kUpperDigits[plain & 15]);
    }
    at_ += 3;
  }

  // The segment since segmentAt_ is complete; `isInner` when a slash follows it.
  void endSegment(bool isInner) {
    const std::string_view segment =
        textOf(output_.first(size_)).substr(segmentAt_, size_ - segmentAt_);
    const std::string_view name =
        segment.substr(0, std::min(segment.find(';'), segment.find("%3B")));
    const bool isDot = name == ".";
    const bool isParent = name == "..";
    if ((isDot || isParent) && name.size() != segment.size()) return fail(Violation::kPathRoot);
    if (isParent) return leaveSegment();
    if (isDot) {
      size_ = segmentAt_;
      return;
    }
    const bool isEmpty = segment.empty() && size_ != 0;
    if (isInner && !(isEmpty && rules_.isSlashMerged)) put('/');
    segmentAt_ = size_;
  }

  // Goes back to the start of the segment before this one.
  void leaveSegment() {
    size_ = segmentAt_;
    if (size_ <= 1) return fail(Violation::kPathRoot);
    size_t at = size_ - 1;
    while (output_[at - 1] != '/') --at;
    size_ = at;
    segmentAt_ = at;
  }

  std::span<const u8> path_;
  const PathRules& rules_;
  std::span<u8> output_;
  size_t at_ = 0;
  size_t size_ = 0;
  size_t segmentAt_ = 0;
  NormalPath normal_;
};

// Whether there is anything in a path that is not in normal form already, ';' included.
bool isPlain(std::span<const u8> path) {
  u8 before = 0;
  for (const u8 byte : path) {
    if (isOf(byte, kPathMark)) return false;
    if (before == '/' && (byte == '/' || byte == '.')) return false;
    before = byte;
  }
  return true;
}

}  // namespace

NormalPath normalizePath(std::span<const u8> path, const PathRules& rules, std::span<u8> output) {
  HF_DASSERT(!path.empty() && path[0] == '/' && path.size() <= kHeadBytesHardMax);
  HF_DASSERT(output.size() >= path.size());
  if (isPlain(path)) return {};
  return PathWriter(path, rules, output).write();
}

u16 stripParameters(std::span<const u8> path, std::span<u8> output) {
  size_t size = 0;
  bool isParameter = false;
  for (const u8 byte : path) {
    if (byte == '/') isParameter = false;
    if (byte == ';') isParameter = true;
    if (!isParameter) output[size++] = byte;
  }
  return static_cast<u16>(size);
}

}  // namespace holdfast::http1
