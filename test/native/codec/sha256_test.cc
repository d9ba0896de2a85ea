// SHA-256 and PBKDF2 against the published vectors.
#include "codec/sha256.h"

#include <string>

#include "check.h"

namespace holdfast::codec {
namespace {

std::string hexOf(const Sha256Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const u8 byte : digest) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

std::span<const u8> bytesOf(const std::string& text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

TEST(sha256KnowsThePublishedDigests) {
  // FIPS 180-4, examples; and the lengths at which the padding takes another block.
  CHECK_EQ(hexOf(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQ(hexOf(sha256(bytesOf("abc"))),
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(hexOf(sha256(bytesOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQ(hexOf(sha256(bytesOf(std::string(1'000'000, 'a')))),
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK_EQ(hexOf(sha256(bytesOf(std::string(55, 'a')))),
           "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  CHECK_EQ(hexOf(sha256(bytesOf(std::string(64, 'a')))),
           "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(pbkdf2KnowsThePublishedKeys) {
  // RFC 7914 11, and the vectors of RFC 6070 with SHA-256.
  CHECK_EQ(hexOf(pbkdf2Sha256("passwd", bytesOf("salt"), 1)),
           "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK_EQ(hexOf(pbkdf2Sha256("password", bytesOf("salt"), 2)),
           "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
  CHECK_EQ(hexOf(pbkdf2Sha256("password", bytesOf("salt"), 4096)),
           "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

TEST(digestsAreComparedWhole) {
  Sha256Digest a = sha256({});
  const Sha256Digest b = a;
  CHECK(isSameDigest(a, b));
  a[31] ^= 1;
  CHECK(!isSameDigest(a, b));
}

}  // namespace
}  // namespace holdfast::codec
