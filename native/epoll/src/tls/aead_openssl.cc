// Slots of a kind are a list from the one used last to the one used longest ago, by index.
#include "tls/aead_openssl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <new>

#include "tls/library_openssl.h"

namespace holdfast::tls {

namespace {

constexpr const char* kCipherNames[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
static_assert(std::size(kCipherNames) == static_cast<size_t>(Aead::kCount));
constexpr size_t kDirections = 2;
// Slot numbers are 16 bits wide, and one of them says "none".
constexpr u32 kSlotsLimit = kNoSlot;
// Nothing secret: it takes the place of keys that are to be forgotten.
constexpr u8 kNoKey[32] = {};

EVP_CIPHER_CTX* asCipher(void* cipher) { return static_cast<EVP_CIPHER_CTX*>(cipher); }

bool sealWith(EVP_CIPHER_CTX* cipher, const AeadCall& call) {
  int done = 0;
  u8* const sealed = call.output;
  const int length = static_cast<int>(call.input.size());
  if (EVP_EncryptUpdate(cipher, nullptr, &done, call.aad.data(),
                        static_cast<int>(call.aad.size())) != 1) {
    return false;
  }
  if (length > 0 && EVP_EncryptUpdate(cipher, sealed, &done, call.input.data(), length) != 1) {
    return false;
  }
  if (call.tail != kNoTail) {
    const u8 tail = static_cast<u8>(call.tail);
    if (EVP_EncryptUpdate(cipher, sealed + length, &done, &tail, 1) != 1) return false;
  }
  return EVP_EncryptFinal_ex(cipher, call.tag, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagBytes, call.tag) == 1;
}

bool openWith(EVP_CIPHER_CTX* cipher, const AeadCall& call) {
  int done = 0;
  u8 nothing[kTagBytes];
  const int length = static_cast<int>(call.input.size());
  const bool isRead = EVP_DecryptUpdate(cipher, nullptr, &done, call.aad.data(),
                                        static_cast<int>(call.aad.size())) == 1 &&
                      (length == 0 || EVP_DecryptUpdate(cipher, call.output, &done,
                                                        call.input.data(), length) == 1) &&
                      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagBytes, call.tag) == 1;
  const bool isTrue = isRead && EVP_DecryptFinal_ex(cipher, nothing, &done) == 1;
  // What was decrypted under a wrong tag is nobody's to see.
  if (!isTrue && length > 0) std::memset(call.output, 0, call.input.size());
  return isTrue;
}

}  // namespace

struct AeadOpenssl::Slot {
  RecordState* owner = nullptr;
  u16 previous = kNoSlot;  // used after this one
  u16 next = kNoSlot;      // used before this one
  bool isKeyed[kDirections] = {};
  EVP_CIPHER_CTX* cipher[kDirections] = {};
};

struct AeadOpenssl::Kind {
  EVP_CIPHER* cipher = nullptr;
  std::unique_ptr<Slot[]> slots;
  u32 made = 0;  // slots that were ever used
  u16 first = kNoSlot;
  u16 last = kNoSlot;

  void unlink(u16 index) {
    Slot& slot = slots[index];
    (slot.previous == kNoSlot ? first : slots[slot.previous].next) = slot.next;
    (slot.next == kNoSlot ? last : slots[slot.next].previous) = slot.previous;
    slot.previous = slot.next = kNoSlot;
  }
  void linkFirst(u16 index) {
    slots[index].next = first;
    if (first != kNoSlot) slots[first].previous = index;
    first = index;
    if (last == kNoSlot) last = index;
  }
  void linkLast(u16 index) {
    slots[index].previous = last;
    if (last != kNoSlot) slots[last].next = index;
    last = index;
    if (first == kNoSlot) first = index;
  }
};

AeadOpenssl::AeadOpenssl(u32 slotsMax)
    : table_{this, sealOne, openOne, forgetOne, expandOne},
      slotsMax_(std::clamp<u32>(slotsMax, 1, kSlotsLimit)) {}

AeadOpenssl::~AeadOpenssl() {
  if (kinds_ == nullptr) return;
  for (size_t i = 0; i < static_cast<size_t>(Aead::kCount); ++i) {
    Kind& kind = kinds_[i];
    for (u32 slot = 0; slot < kind.made; ++slot) {
      for (EVP_CIPHER_CTX* cipher : kind.slots[slot].cipher) EVP_CIPHER_CTX_free(cipher);
    }
    EVP_CIPHER_free(kind.cipher);
  }
}

bool AeadOpenssl::start() {
  ERR_clear_error();
  kinds_.reset(new Kind[static_cast<size_t>(Aead::kCount)]);
  for (size_t i = 0; i < static_cast<size_t>(Aead::kCount); ++i) {
    kinds_[i].cipher = EVP_CIPHER_fetch(nullptr, kCipherNames[i], nullptr);
    if (kinds_[i].cipher == nullptr) return false;
    kinds_[i].slots.reset(new Slot[slotsMax_]);
  }
  return kdf_.start();
}

u32 AeadOpenssl::slotsInUse() const {
  u32 count = 0;
  if (kinds_ == nullptr) return count;
  for (size_t i = 0; i < static_cast<size_t>(Aead::kCount); ++i) {
    for (u32 slot = 0; slot < kinds_[i].made; ++slot) {
      if (kinds_[i].slots[slot].owner != nullptr) count++;
    }
  }
  return count;
}

AeadOpenssl::Slot* AeadOpenssl::slotOf(const AeadCall& call, Kind** kindOut) {
  RecordState* const state = call.state;
  Kind& kind = kinds_[static_cast<size_t>(suiteOf(*state).aead)];
  *kindOut = &kind;
  u16 index = state->slot;
  if (index < kind.made && kind.slots[index].owner == state) {
    if (kind.first != index) {
      kind.unlink(index);
      kind.linkFirst(index);
    }
    return &kind.slots[index];
  }
  if (kind.made < slotsMax_ && (kind.last == kNoSlot || kind.slots[kind.last].owner != nullptr)) {
    index = static_cast<u16>(kind.made++);
  } else {
    index = kind.last;
    kind.unlink(index);
  }
  kind.linkFirst(index);
  Slot& slot = kind.slots[index];
  // The owner before is not told, and may be gone: its hint no longer leads to a slot of its own.
  // The one key is overwritten by the caller, the other one here: nobody's key stays.
  const size_t other = 1 - static_cast<size_t>(call.direction);
  if (slot.isKeyed[other]) {
    EVP_CipherInit_ex(slot.cipher[other], nullptr, nullptr, kNoKey, nullptr, -1);
  }
  slot.isKeyed[0] = slot.isKeyed[1] = false;
  slot.owner = state;
  state->slot = index;
  return &slot;
}

void* AeadOpenssl::cipherOf(const AeadCall& call) {
  Kind* kind = nullptr;
  Slot* const slot = slotOf(call, &kind);
  const size_t at = static_cast<size_t>(call.direction);
  const int isSealing = call.direction == Direction::kWrite ? 1 : 0;
  EVP_CIPHER_CTX*& cipher = slot->cipher[at];
  if (slot->isKeyed[at]) {
    hits_++;
    const int isSet = EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, call.nonce, isSealing);
    return isSet == 1 ? cipher : nullptr;
  }
  keyings_++;
  const bool isNew = cipher == nullptr;
  if (isNew) cipher = EVP_CIPHER_CTX_new();
  if (cipher == nullptr) return nullptr;
  const u8* const key = materialOf(*call.state, call.direction).key.data();
  const int isSet = EVP_CipherInit_ex(cipher, isNew ? kind->cipher : nullptr, nullptr, key,
                                      call.nonce, isSealing);
  if (isSet != 1) {
    EVP_CIPHER_CTX_free(cipher);
    cipher = nullptr;
    return nullptr;
  }
  slot->isKeyed[at] = true;
  return cipher;
}

bool AeadOpenssl::sealOne(void* self, const AeadCall& call) {
  EVP_CIPHER_CTX* const cipher = asCipher(static_cast<AeadOpenssl*>(self)->cipherOf(call));
  const bool isSealed = cipher != nullptr && sealWith(cipher, call);
  // Nobody else on this thread is to find our error in the library's queue.
  if (!isSealed) ERR_clear_error();
  return isSealed;
}

bool AeadOpenssl::openOne(void* self, const AeadCall& call) {
  EVP_CIPHER_CTX* const cipher = asCipher(static_cast<AeadOpenssl*>(self)->cipherOf(call));
  const bool isOpened = cipher != nullptr && openWith(cipher, call);
  if (!isOpened) ERR_clear_error();
  return isOpened;
}

void AeadOpenssl::forgetOne(void* self, RecordState* state, Direction direction) {
  AeadOpenssl& aead = *static_cast<AeadOpenssl*>(self);
  Kind& kind = aead.kinds_[static_cast<size_t>(suiteOf(*state).aead)];
  const u16 index = state->slot;
  if (index >= kind.made || kind.slots[index].owner != state) return;
  Slot& slot = kind.slots[index];
  const size_t at = static_cast<size_t>(direction);
  if (slot.isKeyed[at]) {
    EVP_CipherInit_ex(slot.cipher[at], nullptr, nullptr, kNoKey, nullptr, -1);
    slot.isKeyed[at] = false;
  }
  if (slot.isKeyed[0] || slot.isKeyed[1]) return;
  // Free slots stand last and are taken first.
  slot.owner = nullptr;
  state->slot = kNoSlot;
  kind.unlink(index);
  kind.linkLast(index);
}

bool AeadOpenssl::expandOne(void* self, Hash hash, std::span<const u8> secret,
                            std::span<const u8> info, std::span<u8> output) {
  return Kdf::expand(&static_cast<AeadOpenssl*>(self)->kdf_, hash, secret, info, output);
}

}  // namespace holdfast::tls
