// A machine of numbers and contents: a number says how long something is or what it is, a content
// is skipped or kept. Every number is checked against what is left around it before it is believed.
#include "codec/client_hello.h"

#include <algorithm>
#include <cstring>

namespace holdfast::codec {

namespace {

constexpr u8 kTypeHandshake = 22;
constexpr u8 kMajorVersion = 3;
constexpr u32 kRecordLengthMax = 16384;
constexpr u32 kClientHelloType = 1;
constexpr u32 kFixedBytes = 2 + 32;
constexpr u32 kIdBytesMax = 32;
constexpr u32 kServerNameExtension = 0;
constexpr u32 kAlpnExtension = 16;
constexpr u32 kHostName = 0;
constexpr size_t kLabelBytesMax = 63;

// The canonical form of a byte of a host name, or 0.
char canonicalByte(u8 byte) {
  if (byte >= 'A' && byte <= 'Z') return static_cast<char>(byte - 'A' + 'a');
  const bool isPlain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
                       byte == '-' || byte == '_' || byte == '.';
  return isPlain ? static_cast<char>(byte) : '\0';
}

}  // namespace

size_t canonicalServerName(std::span<const u8> name, char* output) {
  if (!name.empty() && name.back() == '.') name = name.first(name.size() - 1);
  if (name.empty() || name.size() > kServerNameBytesMax) return 0;
  size_t labelBytes = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const char byte = canonicalByte(name[i]);
    if (byte == '\0') return 0;
    if (byte == '.' && labelBytes == 0) return 0;
    labelBytes = byte == '.' ? 0 : labelBytes + 1;
    if (labelBytes > kLabelBytesMax) return 0;
    output[i] = byte;
  }
  return labelBytes == 0 ? 0 : name.size();
}

bool ClientHello::hasAlpn(std::string_view protocol) const {
  for (size_t at = 0; at < alpnLength_; at += 1u + alpn_[at]) {
    const std::string_view offered(reinterpret_cast<const char*>(alpn_ + at + 1), alpn_[at]);
    if (offered == protocol) return true;
  }
  return false;
}

ClientHello::Verdict ClientHello::take(std::span<const u8> bytes) {
  while (!bytes.empty() && verdict_ == Verdict::kNeedMore) {
    size_t taken = 1;
    if (recordLeft_ == 0) {
      takeHeader(bytes[0]);
    } else {
      const size_t room = kClientHelloBytesMax - bytesTaken_;
      taken = takeMessage(bytes.first(std::min({bytes.size(), size_t{recordLeft_}, room})));
      recordLeft_ -= static_cast<u32>(taken);
    }
    bytesTaken_ += static_cast<u32>(taken);
    bytes = bytes.subspan(taken);
    if (verdict_ == Verdict::kNeedMore && bytesTaken_ >= kClientHelloBytesMax) {
      fail(HelloViolation::kTooLong);
    }
  }
  return verdict_;
}

void ClientHello::takeHeader(u8 byte) {
  const HelloViolation wrong = isFirstRecord_ ? HelloViolation::kNotTls : HelloViolation::kRecord;
  switch (headerBytes_++) {
    case 0:
      if (byte != kTypeHandshake) fail(wrong);
      return;
    case 1:
      if (byte != kMajorVersion) fail(wrong);
      return;
    case 2:
      return;
    case 3:
      // Not in number_: a number of the message may go on behind this header.
      headerLength_ = u32{byte} << 8;
      return;
    default:
      recordLeft_ = headerLength_ | byte;
      headerBytes_ = 0;
      isFirstRecord_ = false;
      if (recordLeft_ == 0 || recordLeft_ > kRecordLengthMax) fail(HelloViolation::kRecord);
  }
}

size_t ClientHello::takeMessage(std::span<const u8> bytes) {
  const bool isHeader = field_ == Field::kType || field_ == Field::kLength;
  if (numberLeft_ > 0) {
    number_ = number_ << 8 | bytes[0];
    numberLeft_--;
    if (!isHeader) messageLeft_--;
    if (extensionLeft_ > 0) extensionLeft_--;
    if (numberLeft_ == 0) endNumber();
    return 1;
  }
  const size_t taken = std::min(bytes.size(), size_t{contentLeft_});
  takeContent(bytes.first(taken));
  contentLeft_ -= static_cast<u32>(taken);
  messageLeft_ -= static_cast<u32>(taken);
  extensionLeft_ -= std::min(extensionLeft_, static_cast<u32>(taken));
  if (contentLeft_ == 0) endContent();
  return taken;
}

void ClientHello::takeContent(std::span<const u8> bytes) {
  // Both fit: the length was checked when the content began.
  if (field_ == Field::kName) {
    std::memcpy(raw_ + rawLength_, bytes.data(), bytes.size());
    rawLength_ = static_cast<u8>(rawLength_ + bytes.size());
  } else if (field_ == Field::kAlpn && isAlpnKept_) {
    std::memcpy(alpn_ + alpnLength_, bytes.data(), bytes.size());
    alpnLength_ = static_cast<u8>(alpnLength_ + bytes.size());
  }
}

void ClientHello::enterNumber(Field field, u8 width) {
  field_ = field;
  number_ = 0;
  numberLeft_ = width;
  if (messageLeft_ < width) fail(HelloViolation::kForm);
}

void ClientHello::enterContent(Field field, u32 length) {
  field_ = field;
  contentLeft_ = length;
  if (length > messageLeft_) return fail(HelloViolation::kForm);
  if (length == 0) endContent();
}

void ClientHello::nextInExtension(Field field, u8 width) {
  if (extensionLeft_ == 0) return nextExtension();
  if (extensionLeft_ < width) return fail(HelloViolation::kForm);
  enterNumber(field, width);
}

void ClientHello::nextExtension() {
  if (messageLeft_ == 0) {
    verdict_ = Verdict::kHello;
    return;
  }
  enterNumber(Field::kExtensionType, 2);
}

void ClientHello::endNumber() {
  const u32 value = number_;
  switch (field_) {
    case Field::kType:
      if (value != kClientHelloType) return fail(HelloViolation::kMessage);
      field_ = Field::kLength;
      number_ = 0;
      numberLeft_ = 3;
      return;
    case Field::kLength:
      if (value > kClientHelloBytesMax) return fail(HelloViolation::kTooLong);
      messageLeft_ = value;
      return enterContent(Field::kFixed, kFixedBytes);
    case Field::kIdLength:
      if (value > kIdBytesMax) return fail(HelloViolation::kForm);
      return enterContent(Field::kId, value);
    case Field::kSuitesLength:
      if (value == 0 || value % 2 != 0) return fail(HelloViolation::kForm);
      return enterContent(Field::kSuites, value);
    case Field::kCompressionsLength:
      if (value == 0) return fail(HelloViolation::kForm);
      return enterContent(Field::kCompressions, value);
    case Field::kExtensionsLength:
      // They are the last thing in a hello.
      if (value != messageLeft_) return fail(HelloViolation::kForm);
      return nextExtension();
    case Field::kExtensionType:
      extensionType_ = value;
      return enterNumber(Field::kExtensionLength, 2);
    case Field::kExtensionLength:
      return endExtensionLength(value);
    case Field::kNameListLength:
    case Field::kAlpnListLength:
      // A list fills its extension and is not empty.
      if (value != extensionLeft_ || value == 0) return fail(HelloViolation::kForm);
      return field_ == Field::kNameListLength ? nextInExtension(Field::kNameType, 1)
                                              : nextInExtension(Field::kAlpnLength, 1);
    case Field::kNameType:
      nameType_ = static_cast<u8>(value);
      if (extensionLeft_ == 0) return fail(HelloViolation::kForm);
      return nextInExtension(Field::kNameLength, 2);
    case Field::kNameLength:
      if (value > extensionLeft_) return fail(HelloViolation::kForm);
      if (nameType_ != kHostName) return enterContent(Field::kSkippedName, value);
      if (hasName_) return fail(HelloViolation::kDuplicate);
      hasName_ = true;
      if (value == 0 || value > kServerNameBytesMax) return fail(HelloViolation::kServerName);
      return enterContent(Field::kName, value);
    default:
      break;
  }
  HF_DASSERT(field_ == Field::kAlpnLength);
  if (value == 0 || value > extensionLeft_) return fail(HelloViolation::kForm);
  isAlpnKept_ = !isAlpnCut_ && alpnLength_ + 1 + value <= kAlpnBytesMax;
  isAlpnCut_ = !isAlpnKept_;
  if (isAlpnKept_) alpn_[alpnLength_++] = static_cast<u8>(value);
  enterContent(Field::kAlpn, value);
}

void ClientHello::endExtensionLength(u32 length) {
  if (length > messageLeft_) return fail(HelloViolation::kForm);
  const bool isName = extensionType_ == kServerNameExtension;
  if (!isName && extensionType_ != kAlpnExtension) return enterContent(Field::kSkipped, length);
  bool& wasSeen = isName ? hasNames_ : hasAlpnList_;
  if (wasSeen) return fail(HelloViolation::kDuplicate);
  wasSeen = true;
  if (length < 2) return fail(HelloViolation::kForm);
  extensionLeft_ = length;
  enterNumber(isName ? Field::kNameListLength : Field::kAlpnListLength, 2);
}

void ClientHello::endContent() {
  switch (field_) {
    case Field::kFixed:
      return enterNumber(Field::kIdLength, 1);
    case Field::kId:
      return enterNumber(Field::kSuitesLength, 2);
    case Field::kSuites:
      return enterNumber(Field::kCompressionsLength, 1);
    case Field::kCompressions:
      // A hello may end here (RFC 5246 7.4.1.2).
      return messageLeft_ == 0 ? nextExtension() : enterNumber(Field::kExtensionsLength, 2);
    case Field::kName:
      endName();
      [[fallthrough]];
    case Field::kSkippedName:
      return verdict_ == Verdict::kViolation ? (void)0 : nextInExtension(Field::kNameType, 1);
    case Field::kAlpn:
      return nextInExtension(Field::kAlpnLength, 1);
    default:
      return nextExtension();
  }
}

void ClientHello::endName() {
  const size_t length = canonicalServerName({raw_, rawLength_}, serverName_);
  if (length == 0) return fail(HelloViolation::kServerName);
  serverNameLength_ = static_cast<u8>(length);
}

void ClientHello::fail(HelloViolation violation) {
  verdict_ = Verdict::kViolation;
  violation_ = violation;
  serverNameLength_ = 0;
  alpnLength_ = 0;
}

}  // namespace holdfast::codec
