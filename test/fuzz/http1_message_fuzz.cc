// Any bytes as requests or responses of one connection: what is read does not
// depend on how they are cut, and what is forwarded is accepted, says the same
// and is canonical. The first byte of the input chooses the side and the
// request that is answered, the second one the cuts. Invariant: neither a crash
// nor a message that another cut or another hop reads differently.
#include "fuzz/fuzz.h"
#include "native/codec/http1_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace holdfast::http1;
  if (length < 2) return 0;
  const bool isResponses = (bytes[0] & 1) != 0;
  const Stream::Side side = isResponses ? Stream::Side::kResponses : Stream::Side::kRequests;
  constexpr ResponseTo kAnswered[] = {
      {Method::kGet, UpgradeTo::kNone},
      {Method::kHead, UpgradeTo::kNone},
      {Method::kConnect, UpgradeTo::kNone},
      {Method::kGet, UpgradeTo::kWebSocket},
  };
  const ResponseTo to = kAnswered[bytes[0] >> 1 & 3];
  const std::string_view input(reinterpret_cast<const char*>(bytes + 2), length - 2);

  const Stream whole = readStream(Stream(side, to), input);
  const Stream single = readStream(Stream(side, to), input, 1);
  const Stream cut = readStream(Stream(side, to), input, size_t{bytes[1]} + 2);
  FUZZ_CHECK(isSameStream(whole, single));
  FUZZ_CHECK(isSameStream(whole, cut));

  Stream ended = whole;
  Stream endedSingle = single;
  ended.end();
  endedSingle.end();
  FUZZ_CHECK(isSameStream(ended, endedSingle));
  FUZZ_CHECK(!ended.isOpen() || ended.isSwitched());
  for (const Message& message : ended.messages()) {
    FUZZ_CHECK(message.forwarded != "not written");
    FUZZ_CHECK(message.end <= input.size());
    FUZZ_CHECK(isForwardedSame(side, to, message));
  }
  return 0;
}
