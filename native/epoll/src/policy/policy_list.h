// PolicyList: the native filters of one listener or route, evaluated in place and in order.
//
// Compiled on the main thread into flat bytes that a snapshot carries; every shard reads them where
// they lie. The path asks for a verdict when a socket was accepted, when a connection is open, and
// for each request: listener first, then its route.
// Invariant: attach() checks the bytes whole, and after that no evaluation leaves them, whoever
// made them. Evaluation allocates nothing, and refuses where it cannot tell. Does not send, close
// or wait: the path does what the outcome says.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "http/regex.h"
#include "http/route_table.h"
#include "runtime/address.h"
#include "runtime/base.h"
#include "runtime/board.h"
#include "runtime/random.h"

#include "policy/outcome.h"
#include "policy/policy_parts.h"

namespace holdfast::policy {

// Lays the policies of one place flat. On failure `faults` has everything that is wrong and `bytes`
// is empty. Control code: allocates. The result is to be kept at a multiple of 8.
[[nodiscard]] bool compilePolicies(const std::vector<PolicyParts>& policies, std::vector<u8>* bytes,
                                   std::vector<PolicyFault>* faults);

inline constexpr u64 kNoLength = ~u64{0};

// What is known of a connection, and of a request on it. Views last as long as the call.
struct Facts {
  Address client{};
  bool isTls = false;
  std::string_view subject{};   // of the client's certificate; empty: none
  std::string_view altNames{};  // with commas between
  // From here on, for requests.
  u8 method = 0;             // http1::Method
  std::string_view host{};   // lower case, without port
  std::string_view path{};   // normalised, without query and parameters of segments
  std::string_view query{};  // behind the question mark
  http::HeaderLookup headers{};
  u32 route = kNoIndex;  // its id, once it is known
  // What Content-Length says; kNoLength without one.
  u64 contentLength = kNoLength;
};

// What evaluation works with: of one shard, not its own.
struct Tools {
  Board& board;
  u32 shard = 0;
  http::RegexScratch& scratch;
  Random& random;
};

// A limit of messages or bytes that a connection or an exchange is under; plain data to be kept
// with it, also when the configuration changes.
struct LimitHold {
  u64 key = 0;
  BucketRate rate;
  u32 id = 0;  // on the board
  bool isShadow = false;
  u8 directions = kBothDirections;  // of bytes
};
inline constexpr u32 kLimitHoldsMax = 4;  // of one place and counted thing; later ones are left out

// Reads policies. A value; borrows the bytes.
class PolicyList {
 public:
  PolicyList() = default;

  // Takes the bytes for its own after a check of all of them; on failure what it had stays.
  // They begin at a multiple of 8. O(bytes).
  [[nodiscard]] bool attach(std::span<const u8> bytes);
  // Takes bytes that were attached before, in this process. Empty ones are no policies.
  void attachChecked(std::span<const u8> bytes) { bytes_ = bytes; }

  [[nodiscard]] bool isEmpty() const { return bytes_.empty(); }
  // True when there is something to ask in that phase.
  [[nodiscard]] bool has(Phase phase) const;
  // True when something of that kind is limited: see findLimits().
  [[nodiscard]] bool limits(Counted counted) const;

  // Asks the policies of a phase until one refuses. True: go on; `outcome` may have fields and a
  // delay all the same. What it held before stays, so that a route goes on where its listener
  // ended. O(policies), and what their conditions cost.
  bool check(Phase phase, const Facts& facts, const Tools& tools, u64 nowNs,
             Outcome* outcome) const;

  // Limits of messages or bytes that hold for these facts, for takeFrom() and chargeTo(). Bytes may
  // be slowed down on purpose, too: each call draws anew. Returns how many.
  u32 findLimits(Counted counted, const Facts& facts, const Tools& tools,
                 std::span<LimitHold> holds) const;

 private:
  std::span<const u8> bytes_;
};

// Takes tokens of a limit, and counts what came of it. False when they are not there; then nothing
// was taken. Shadow limits are never out of tokens.
bool takeFrom(const LimitHold& hold, const Tools& tools, u64 tokens, u64 nowNs);
// What a limit of bytes has at the moment; shadow limits have all one asks for.
struct BytesLeft {
  u64 bytes = 0;
  u64 waitNs = 0;  // until nothing is owed
};
BytesLeft bytesLeft(const LimitHold& hold, const Tools& tools, u64 nowNs);
// Takes bytes that have passed, or are to pass, whether they are there or not. Returns in how many
// nanoseconds they are: 0 for shadow limits.
u64 chargeTo(const LimitHold& hold, const Tools& tools, u64 bytes, u64 nowNs);
// Gives back what was charged and did not pass.
void refundTo(const LimitHold& hold, const Tools& tools, u64 bytes, u64 nowNs);

// Gives back what a request has of an adaptive limit (Outcome::tickets), when it ended. `micros`
// from its choice of an endpoint to the head of the response; 0: nobody answered. Each ticket once,
// also after a refusal behind the limit.
void leave(u32 ticket, const Tools& tools, u64 micros);

}  // namespace holdfast::policy
