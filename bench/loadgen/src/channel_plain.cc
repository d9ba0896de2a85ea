// No channels: the part of the program that needs nothing but a compiler; see channel.h.
//
// Stands in for channel_tls.cc in the program `loadgen`, which the project's tests build on every
// machine. Does not ignore a request for TLS: it refuses it.
#include "channel.h"

namespace holdfast::loadgen {

std::unique_ptr<Channels> createChannels(Flags& flags) {
  if (flags.text("tls", "").empty()) return nullptr;
  fail("this program has no TLS; `make tls` builds loadgen-tls, which has");
}

}  // namespace holdfast::loadgen
