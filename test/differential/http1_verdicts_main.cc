// Prints what the codec makes of HTTP/1.1 messages, for test/e2e/codec to show them to others.
//
// `http1_verdicts requests|responses COUNT SEED` prints one line of JSON for each case of the
// tables and for COUNT accepted mutations of them: the bytes of the messages that were accepted,
// how each was read, and how it is forwarded. Bytes are hexadecimal.
// Invariant: the same arguments print the same lines.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/random.h"

#include "native/codec/http1_response_cases.h"
#include "native/codec/http1_stream.h"

namespace {

using namespace holdfast;
using namespace holdfast::http1;
using Side = Stream::Side;

// Tried before giving up on COUNT accepted ones.
constexpr u32 kTriesForEach = 200;

// What attackers and careless programs put into messages.
constexpr std::string_view kPieces[] = {
    " "sv,
    "\t"sv,
    "\r"sv,
    "\n"sv,
    "\r\n"sv,
    "\0"sv,
    "\v"sv,
    "\x7f"sv,
    "\x80"sv,
    ":"sv,
    ";"sv,
    ","sv,
    "="sv,
    "\""sv,
    "\\"sv,
    "+"sv,
    "-"sv,
    "_"sv,
    "0"sv,
    "1"sv,
    "f"sv,
    "x"sv,
    "%"sv,
    "?"sv,
    "#"sv,
    "/"sv,
    "//"sv,
    "*"sv,
    "@"sv,
    "[]"sv,
    "chunked"sv,
    "identity"sv,
    ";a=b"sv,
    ";a=\"b\""sv,
    "X: y\r\n"sv,
    "X: y\r\n z\r\n"sv,
    "Content-Length: 1\r\n"sv,
    "Content-Length: 0\r\n"sv,
    "Transfer-Encoding: chunked\r\n"sv,
    "Connection: close\r\n"sv,
    "Connection: keep-alive\r\n"sv,
    "Expect: 100-continue\r\n"sv,
    "Host: a\r\n"sv,
    "0\r\n\r\n"sv,
    "1\r\nx\r\n"sv,
};

class Mutator {
 public:
  explicit Mutator(u64 seed) : random_(seed) {}

  u32 below(size_t bound) { return random_.below(static_cast<u32>(bound)); }

  std::string mutate(std::string bytes) {
    const u32 steps = 1 + below(3);
    for (u32 i = 0; i < steps; ++i) step(&bytes);
    return bytes;
  }

 private:
  void step(std::string* bytes) {
    const u32 at = below(bytes->size() + 1);
    const u32 count = 1 + below(4);
    switch (below(6)) {
      case 0:
        bytes->erase(at, count);
        return;
      case 1:
        if (at < bytes->size()) (*bytes)[at] = static_cast<char>((*bytes)[at] ^ 0x20);
        return;
      case 2: {
        const size_t lineAt = bytes->rfind('\n', at);
        const size_t end = bytes->find('\n', at);
        if (lineAt == std::string::npos || end == std::string::npos || end <= lineAt) return;
        const std::string line = bytes->substr(lineAt + 1, end - lineAt);
        bytes->insert(lineAt + 1, line);
        return;
      }
      default:
        bytes->insert(at, kPieces[below(std::size(kPieces))]);
    }
  }

  Random random_;
};

void printHex(const char* name, std::string_view bytes) {
  std::printf("\"%s\":\"", name);
  for (const char byte : bytes) std::printf("%02x", static_cast<unsigned>(static_cast<u8>(byte)));
  std::printf("\"");
}

// False when nothing was accepted.
bool print(Side side, std::string_view name, std::string_view bytes) {
  Stream stream(side);
  stream.feed(bytes);
  if (side == Side::kResponses) stream.end();
  const std::vector<Message>& messages = stream.messages();
  if (messages.empty()) return false;
  std::printf("{\"name\":\"%.*s\",", static_cast<int>(name.size()), name.data());
  printHex("bytes", bytes.substr(0, messages.back().end));
  std::printf(",\"messages\":[");
  for (const Message& message : messages) {
    std::printf(&message == messages.data() ? "{" : ",{");
    printHex("line", message.line);
    std::printf(",");
    printHex("written", message.written);
    std::printf(",");
    printHex("forwarded", message.forwarded);
    std::printf(",\"end\":%zu,\"contentBytes\":%zu,\"isPersistent\":%s}", message.end,
                message.content.size(), message.isPersistent ? "true" : "false");
  }
  std::printf("]}\n");
  return true;
}

std::vector<Case> listCases(Side side) {
  std::vector<Case> all;
  if (side == Side::kResponses) {
    all.insert(all.end(), std::begin(kResponseCases), std::end(kResponseCases));
    return all;
  }
  for (const std::span<const Case> cases : kRequestCases) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  const bool isResponses = count == 4 && std::strcmp(arguments[1], "responses") == 0;
  const bool isRequests = count == 4 && std::strcmp(arguments[1], "requests") == 0;
  if (!isResponses && !isRequests) {
    std::fprintf(stderr, "usage: %s requests|responses COUNT SEED\n", arguments[0]);
    return 2;
  }
  const Side side = isResponses ? Side::kResponses : Side::kRequests;
  const u64 wanted = std::strtoull(arguments[2], nullptr, 10);
  const std::vector<Case> cases = listCases(side);
  for (const Case& example : cases) print(side, example.name, example.bytes);
  Mutator mutator(std::strtoull(arguments[3], nullptr, 10));
  u64 printed = 0;
  for (u64 i = 0; i < wanted * kTriesForEach && printed < wanted; ++i) {
    const Case& from = cases[mutator.below(cases.size())];
    const std::string bytes = mutator.mutate(std::string(from.bytes));
    const std::string name = "mutation " + std::to_string(i) + " of " + std::string(from.name);
    if (bytes != from.bytes && print(side, name, bytes)) printed++;
  }
  return 0;
}
