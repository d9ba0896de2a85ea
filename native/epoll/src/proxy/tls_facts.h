// TlsFacts: what handshakes agreed on, for access records and PROXY headers.
//
// Most connections of a listener agree on the same few things, so texts are shared: each set is
// held once and counted. One client certificate each makes one set each.
// Invariant: a set lives exactly as long as connections name it. Control memory of a shard: touched
// when a connection opens and ends, never per message.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base.h"
#include "tls/engine_abi.h"

namespace holdfast::proxy {

// Borrows until the set is released. Texts end with NUL and are printable ASCII.
struct TlsFactsView {
  const char* version = "";
  const char* suite = "";
  const char* serverName = "";
  const char* alpn = "";
  const char* subject = "";
  const char* altNames = "";
};

class TlsFacts {
 public:
  // Counts one more connection; the index of its set.
  u32 hold(const HfTlsNegotiated& negotiated);
  void release(u32 index);
  [[nodiscard]] TlsFactsView view(u32 index) const;
  // Sets that are held.
  [[nodiscard]] size_t size() const { return indexes_.size(); }

 private:
  struct Set {
    std::string text;  // the fields, each with its NUL
    u32 connections = 0;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::vector<Set> sets_;
  std::vector<u32> free_;
  std::unordered_map<std::string, u32, TextHash, std::equal_to<>> indexes_;
};

}  // namespace holdfast::proxy
