// Reader and Writer at their edges, and CRC-32C against its vectors.
#include "codec/bytes.h"

#include <vector>

#include "codec/crc32c.h"

#include "check.h"

namespace holdfast::codec {
namespace {

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

TEST(readerTakesIntegersInNetworkOrder) {
  const u8 bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Reader reader(bytes);
  u8 a = 0;
  u16 b = 0;
  u32 c = 0;
  u64 d = 0;
  CHECK(reader.takeU8(&a) && reader.takeU16(&b) && reader.takeU32(&c) && reader.takeU64(&d));
  CHECK_EQ(a, 1);
  CHECK_EQ(b, 0x0203);
  CHECK_EQ(c, 0x04050607);
  CHECK_EQ(d, 0x08090a0b0c0d0e0fu);
  CHECK(reader.isAtEnd());
}

TEST(readerLeavesTheCursorWhenBytesAreMissing) {
  const u8 bytes[] = {1, 2, 3};
  Reader reader(bytes);
  CHECK(reader.skip(1));
  u32 word = 77;
  std::span<const u8> taken;
  CHECK(!reader.takeU32(&word));
  CHECK(!reader.take(3, &taken));
  CHECK(!reader.take(static_cast<size_t>(-1), &taken));
  CHECK(!reader.skip(3));
  CHECK(!reader.takeIfEqual(bytesOf("\x02\x03\x04")));
  CHECK(!reader.takeIfEqual(bytesOf("\x02\x04")));
  CHECK_EQ(word, 77);
  CHECK_EQ(reader.position(), 1);
  CHECK(reader.takeIfEqual(bytesOf("\x02\x03")));
  CHECK(reader.take(0, &taken) && taken.empty());
}

TEST(writerStopsAtItsEndAndStaysFailed) {
  u8 buffer[5] = {9, 9, 9, 9, 9};
  Writer writer(std::span<u8>(buffer).first(4));
  writer.putU16(0x0102);
  CHECK(!writer.isFailed());
  writer.putU32(0xffffffff);
  CHECK(writer.isFailed());
  writer.putU8(7);  // there would be room, but what was lost stays lost
  CHECK_EQ(writer.size(), 2);
  CHECK_EQ(buffer[2], 9);
  CHECK_EQ(buffer[4], 9);
}

TEST(writerPatchesLengthsFromWhatWasWritten) {
  std::vector<u8> buffer(70000);
  Writer writer(buffer);
  const Writer::LengthMark outer = writer.beginLengthU16();
  writer.putU8(1);
  const Writer::LengthMark inner = writer.beginLengthU16();
  writer.put(bytesOf("abc"));
  writer.endLengthU16(inner);
  writer.endLengthU16(outer);
  const u8 expected[] = {0, 6, 1, 0, 3, 'a', 'b', 'c'};
  CHECK(std::equal(writer.written().begin(), writer.written().end(), std::begin(expected),
                   std::end(expected)));
  const Writer::LengthMark full = writer.beginLengthU16();
  writer.putZeros(0xffff);
  writer.endLengthU16(full);
  CHECK(!writer.isFailed());
}

TEST(writerFailsWhenALengthDoesNotFitItsField) {
  std::vector<u8> buffer(70000);
  Writer writer(buffer);
  const Writer::LengthMark mark = writer.beginLengthU16();
  writer.putZeros(0x10000);
  CHECK(!writer.isFailed());
  writer.endLengthU16(mark);
  CHECK(writer.isFailed());
}

TEST(writerTreatsAMarkOutsideAsAProgrammingError) {
  CHECK(check::isAborting([] {
    u8 buffer[8];
    Writer writer(buffer);
    writer.endLengthU16(Writer::LengthMark{4});
  }));
}

TEST(crc32cMatchesItsVectors) {
  // RFC 3720 B.4.
  const std::vector<u8> zeros(32, 0);
  const std::vector<u8> ones(32, 0xff);
  Crc32c crc;
  crc.update(zeros);
  CHECK_EQ(crc.value(), 0x8a9136aau);
  Crc32c crcOnes;
  crcOnes.update(std::span(ones).first(7));
  crcOnes.update(std::span(ones).subspan(7));
  CHECK_EQ(crcOnes.value(), 0x62a8ab43u);
  Crc32c crcText;
  crcText.update(bytesOf("123456789"));
  CHECK_EQ(crcText.value(), 0xe3069283u);
}

}  // namespace
}  // namespace holdfast::codec
