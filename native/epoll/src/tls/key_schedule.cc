// Labels are short and known, so the HkdfLabel structure always fits.
#include "tls/key_schedule.h"

#include "codec/bytes.h"

namespace holdfast::tls {

bool expandLabel(const AeadTable& aead, Hash hash, std::span<const u8> secret,
                 std::string_view label, std::span<u8> output) {
  constexpr std::string_view kPrefix = "tls13 ";
  u8 buffer[64];
  codec::Writer info(buffer);
  info.putU16(static_cast<u16>(output.size()));
  info.putU8(static_cast<u8>(kPrefix.size() + label.size()));
  info.putText(kPrefix.data(), kPrefix.size());
  info.putText(label.data(), label.size());
  info.putU8(0);
  HF_ASSERT(!info.isFailed());
  return aead.expand(aead.self, hash, secret, info.written(), output);
}

bool deriveTrafficKeys(const AeadTable& aead, const CipherSuite& suite,
                       const DirectionMaterial& material) {
  return expandLabel(aead, suite.hash, material.secret, "key", material.key) &&
         expandLabel(aead, suite.hash, material.secret, "iv", material.iv);
}

bool updateTrafficKeys(const AeadTable& aead, const CipherSuite& suite,
                       const DirectionMaterial& material) {
  u8 next[HF_TLS_SECRET_BYTES_MAX];
  const std::span<u8> secret(next, suite.secretBytes);
  const bool isDone = expandLabel(aead, suite.hash, material.secret, "traffic upd", secret);
  if (isDone) std::memcpy(material.secret.data(), next, secret.size());
  wipeBytes(next, sizeof(next));
  return isDone && deriveTrafficKeys(aead, suite, material);
}

}  // namespace holdfast::tls
