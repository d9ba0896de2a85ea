// Reader and Writer: the only way a codec touches bytes.
//
// A Reader is a cursor over bytes that a peer sent; a Writer fills a buffer that has a hard end.
// Invariant: neither leaves its span, whatever the peer sent. A Reader's take either succeeds whole
// or leaves the cursor where it was; a Writer that once ran out of room stays failed, so that one
// check at the end is enough. Lengths are patched in afterwards from the bytes that were written.
// Does not allocate and does not know any protocol.
#pragma once

#include <cstring>
#include <span>

#include "runtime/base.h"

namespace holdfast::codec {

// A value; borrows the bytes.
class Reader {
 public:
  explicit Reader(std::span<const u8> bytes) : bytes_(bytes) {}

  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - position_; }
  [[nodiscard]] bool isAtEnd() const { return remaining() == 0; }
  // True when `count` bytes are there to be taken.
  [[nodiscard]] bool need(size_t count) const { return count <= remaining(); }
  [[nodiscard]] std::span<const u8> rest() const { return bytes_.subspan(position_); }

  [[nodiscard]] bool skip(size_t count) {
    if (!need(count)) return false;
    position_ += count;
    return true;
  }

  // Borrows the next `count` bytes.
  [[nodiscard]] bool take(size_t count, std::span<const u8>* out) {
    if (!need(count)) return false;
    *out = bytes_.subspan(position_, count);
    position_ += count;
    return true;
  }

  [[nodiscard]] bool takeU8(u8* out) {
    if (!need(1)) return false;
    *out = bytes_[position_++];
    return true;
  }

  // Network byte order.
  [[nodiscard]] bool takeU16(u16* out) { return takeInteger<u16>(out); }
  [[nodiscard]] bool takeU32(u32* out) { return takeInteger<u32>(out); }
  [[nodiscard]] bool takeU64(u64* out) { return takeInteger<u64>(out); }

  // Takes `expected` when the next bytes are it; otherwise takes nothing.
  [[nodiscard]] bool takeIfEqual(std::span<const u8> expected) {
    if (!need(expected.size())) return false;
    if (std::memcmp(bytes_.data() + position_, expected.data(), expected.size()) != 0) return false;
    position_ += expected.size();
    return true;
  }

 private:
  template <typename Integer>
  bool takeInteger(Integer* out) {
    if (!need(sizeof(Integer))) return false;
    u64 value = 0;
    for (size_t i = 0; i < sizeof(Integer); ++i) value = (value << 8) | bytes_[position_ + i];
    position_ += sizeof(Integer);
    *out = static_cast<Integer>(value);
    return true;
  }

  std::span<const u8> bytes_;
  size_t position_ = 0;
};

// A value; borrows the buffer. Everything put after the first failure is ignored.
class Writer {
 public:
  // A length field that is waiting for its value.
  struct LengthMark {
    size_t position = 0;
  };

  explicit Writer(std::span<u8> buffer) : buffer_(buffer) {}

  [[nodiscard]] bool isFailed() const { return isFailed_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t room() const { return buffer_.size() - size_; }
  [[nodiscard]] std::span<const u8> written() const { return buffer_.first(size_); }

  void put(std::span<const u8> bytes) {
    if (!claim(bytes.size())) return;
    if (!bytes.empty()) std::memcpy(buffer_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  void putText(const char* text, size_t length) {
    if (!claim(length)) return;
    if (length != 0) std::memcpy(buffer_.data() + size_, text, length);
    size_ += length;
  }

  void putZeros(size_t count) {
    if (!claim(count)) return;
    if (count != 0) std::memset(buffer_.data() + size_, 0, count);
    size_ += count;
  }

  void putU8(u8 value) { putInteger<u8>(value); }
  // Network byte order.
  void putU16(u16 value) { putInteger<u16>(value); }
  void putU32(u32 value) { putInteger<u32>(value); }
  void putU64(u64 value) { putInteger<u64>(value); }

  // Gives up: for a caller that finds in the middle that it cannot finish.
  void fail() { isFailed_ = true; }

  // Opens a 16-bit length field; endLengthU16 sets it to the bytes written since.
  [[nodiscard]] LengthMark beginLengthU16() {
    const LengthMark mark{size_};
    putU16(0);
    return mark;
  }

  // Fails the writer when more was written than the field can say.
  void endLengthU16(LengthMark mark) {
    if (isFailed_) return;
    HF_ASSERT(mark.position + sizeof(u16) <= size_);
    const size_t length = size_ - mark.position - sizeof(u16);
    if (length > 0xffff) {
      isFailed_ = true;
      return;
    }
    store<u16>(mark.position, static_cast<u16>(length));
  }

  // Replaces 4 bytes that were written before, for checksums over the finished bytes.
  void patchU32(size_t position, u32 value) {
    if (isFailed_) return;
    HF_ASSERT(position <= size_ && size_ - position >= sizeof(u32));
    store<u32>(position, value);
  }

 private:
  bool claim(size_t count) {
    if (isFailed_ || count > room()) isFailed_ = true;
    return !isFailed_;
  }

  template <typename Integer>
  void putInteger(Integer value) {
    if (!claim(sizeof(Integer))) return;
    store(size_, value);
    size_ += sizeof(Integer);
  }

  template <typename Integer>
  void store(size_t position, Integer value) {
    for (size_t i = 0; i < sizeof(Integer); ++i) {
      const size_t shift = 8 * (sizeof(Integer) - 1 - i);
      buffer_[position + i] = static_cast<u8>(u64{value} >> shift);
    }
  }

  std::span<u8> buffer_;
  size_t size_ = 0;
  bool isFailed_ = false;
};

}  // namespace holdfast::codec
