// Native filters on the path: what the policies of listeners and routes say is done.
//
// They are asked before the filters in TypeScript of the same place: of connections when they were
// accepted and when they are ready, of requests before their route is sought and when it was found.
// Invariant: each list is asked once for a connection or request, however often its head is read.
// Does not evaluate: policy/ does, in place and without allocation.
#include <algorithm>
#include <cstdio>

#include "http/head_fields.h"
#include "proxy/filter_host.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

// False when the connection was closed.
bool Shard::passConnection(u32 tunnel, const ListenerSpec& listener, policy::Phase phase) {
  if (listener.policies.length == 0) return true;
  policy::PolicyList list;
  list.attachChecked(snapshot_.policies(listener.policies));
  const bool isUsed = phase == policy::Phase::kOpen && listener.http == kNoIndex;
  const bool isThrottled = isUsed && list.limits(policy::Counted::kBytes);
  if (!list.has(phase) && !isThrottled) return true;
  if (regexScratch_ == nullptr) regexScratch_ = std::make_unique<http::RegexScratch>();
  outcome_.clear();
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  if (list.check(phase, factsOf(tunnel), tools, nowNs_, &outcome_)) {
    if (isThrottled) throttleConnection(tunnel, list);
    return true;
  }
  close(tunnel, CloseReason::kFilter, How::kReset);
  return false;
}

policy::Facts Shard::factsOf(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  policy::Facts facts;
  facts.client = record.client;
  facts.isTls = (conns_[record.downstream].flags & kConnTls) != 0;
  if (facts.isTls && tlsOf(record.downstream).facts != kNoIndex) {
    const TlsFactsView view = facts_.view(tlsOf(record.downstream).facts);
    facts.subject = view.subject;
    facts.altNames = view.altNames;
  }
  return facts;
}

policy::Facts Shard::factsOf(const Request& request) {
  policy::Facts facts = factsOf(request.tunnel);
  facts.method = static_cast<u8>(request.head->method);
  facts.host = request.host;
  facts.path = request.routePath;
  facts.query = request.query;
  facts.headers = http::headerLookupOf(*request.head);
  if (request.head->hasLength) facts.contentLength = request.head->contentLength;
  if (request.route != nullptr) facts.route = request.route->id;
  return facts;
}

// Asks the policies of a place about a request, unless `flag` says that they were. False when it
// was answered, or waits.
bool Shard::passPolicies(const Request& request, const TextSpec& spec, u32 flag, size_t total) {
  Exchange& exchange = exchangePool_[request.exchange];
  if ((exchange.flags & flag) != 0) return true;
  exchange.flags |= flag;
  policy::PolicyList list;
  list.attachChecked(snapshot_.policies(spec));
  if (list.limits(policy::Counted::kBytes)) [[unlikely]]
    exchange.flags |= kExThrottled;
  if (!list.has(policy::Phase::kRequest)) return true;
  const policy::Facts facts = factsOf(request);
  outcome_.clear();
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  const bool goesOn = list.check(policy::Phase::kRequest, facts, tools, nowNs_, &outcome_);
  if (outcome_.logCount != 0) logByPolicies(request);
  const u32 tickets = std::min(outcome_.ticketCount, policy::kTicketsMax - exchange.ticketCount);
  std::copy_n(outcome_.tickets, tickets, exchange.tickets + exchange.ticketCount);
  exchange.ticketCount = static_cast<u8>(exchange.ticketCount + tickets);
  // A place has only so many; others are not held.
  for (u32 i = tickets; i < outcome_.ticketCount; i++) {
    policy::leave(outcome_.tickets[i], tools, 0);
  }
  if (!goesOn && outcome_.verdict == policy::Verdict::kClose) {
    closeByFilter(request.tunnel);
    return false;
  }
  const auto least = [](u64 before, u64 limit) {
    return before == 0 || (limit != 0 && limit < before) ? limit : before;
  };
  exchange.requestBytesMax = least(exchange.requestBytesMax, outcome_.requestBytesMax);
  exchange.responseBytesMax = least(exchange.responseBytesMax, outcome_.responseBytesMax);
  const auto isKept = [this](const policy::FieldEdits& edits, ChunkChain* chain) {
    return edits.count == 0 || keepEdits(edits.all(), chain);
  };
  // A route keeps its edits for the endpoint; those of a listener are seen by all behind it.
  HF_UNINITIALIZED EditList edits;
  if (goesOn && flag == kExListenerPassed) takeHeadEdits(&edits);
  const bool areKept = !outcome_.isCut && isKept(outcome_.responseFields, &exchange.toClient) &&
                       isKept(outcome_.requestFields, &exchange.toEndpoint);
  if (!goesOn) {
    for (const http1::FieldEdit& edit : outcome_.answerFields.all()) {
      edits.put(edit.kind, edit.id, edit.name, edit.value);
    }
    (void)std::snprintf(denied_, sizeof(denied_), "%.*s %.*s %.*s",
                        static_cast<int>(outcome_.kind.size()), outcome_.kind.data(),
                        static_cast<int>(outcome_.policy.size()), outcome_.policy.data(),
                        static_cast<int>(outcome_.rule.size()), outcome_.rule.data());
    violation_ = denied_;
    answerEarly(request, outcome_.status, HttpEnd::kFilter, edits.all());
    violation_ = "";
    return false;
  }
  if (!areKept) {
    answerEarly(request, 503, HttpEnd::kNoMemory);
    return false;
  }
  if (outcome_.mirrorCount != 0) planMirrors(request);
  if (flag == kExListenerPassed) {
    const u32 mirrors = exchange.mirror == kNoIndex ? 0 : planOf(exchange).count;
    exchange.ofListener = {exchange.requestBytesMax,
                           exchange.responseBytesMax,
                           static_cast<u16>(exchange.toEndpoint.bytes),
                           static_cast<u16>(exchange.toClient.bytes),
                           static_cast<u8>(mirrors),
                           exchange.ticketCount,
                           0};
  }
  if (outcome_.compression.id != kNoIndex) holdCoding(request, flag == kExRoutePassed);
  if (edits.count != 0 && !editHead(request, edits, &total)) return false;
  if (outcome_.delayMs != 0) return holdUp(request, outcome_.delayMs, total);
  if (edits.count == 0) return true;
  advanceExchange(request.tunnel, *request.listener, total, nullptr);
  return false;
}

// The request waits as it does for filters. Always false.
bool Shard::holdUp(const Request& request, u32 delayMs, size_t total) {
  Exchange& exchange = exchangePool_[request.exchange];
  if (!keepHead(request.tunnel, total)) return false;
  exchange.flags |= kExParked;
  exchange.waitsFor = FilterHook::kCount;
  exchange.delayTick = nowTick_ + std::max(1u, ticksOf(delayMs));
  armHttp(request.tunnel);
  return false;
}

// The request was held up for long enough.
void Shard::endDelay(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  exchange.delayTick = 0;
  exchange.flags &= ~u32{kExParked};
  resumeRequest(tunnel, nullptr);
}

// The request is over: adaptive limits learn how long its endpoint took.
void Shard::leaveLimits(Exchange& exchange) {
  u64 micros = 0;
  if (exchange.firstByteMicros != 0 && exchange.triedNs != 0) {
    const u64 answeredNs = exchange.startedNs + u64{exchange.firstByteMicros} * 1000;
    micros = answeredNs > exchange.triedNs ? (answeredNs - exchange.triedNs) / 1000 : 1;
  }
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  for (u32 i = 0; i < exchange.ticketCount; i++) policy::leave(exchange.tickets[i], tools, micros);
  exchange.ticketCount = 0;
}

// Finds what limits the messages of the WebSocket that is asked for.
void Shard::holdMessageLimits(const Request& request) {
  Exchange& exchange = exchangePool_[request.exchange];
  MessageLimits limits;
  for (const TextSpec& spec : {request.listener->policies, request.route->policies}) {
    policy::PolicyList list;
    list.attachChecked(snapshot_.policies(spec));
    if (spec.length == 0 || !list.limits(policy::Counted::kMessages)) continue;
    const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
    limits.count += list.findLimits(policy::Counted::kMessages, factsOf(request), tools,
                                    std::span(limits.holds).subspan(limits.count));
  }
  if (limits.count == 0) return;
  exchange.limits = limitPool_.take();  // as many as tunnels
  ::new (limitPool_.at(exchange.limits)) MessageLimits(limits);
}

// Takes the tokens of messages that came. False when there are too few of them.
bool Shard::takeMessages(const Tunnel& tunnel, u32 messages) {
  const u32 slot = limitsAt_[tunnel.frames.trackers];
  if (slot == 0) return true;
  const auto& limits = *reinterpret_cast<const MessageLimits*>(limitPool_.at(slot - 1));
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  bool isTaken = true;
  for (u32 i = 0; i < limits.count; i++) {
    isTaken = policy::takeFrom(limits.holds[i], tools, messages, nowNs_) && isTaken;
  }
  return isTaken;
}

}  // namespace holdfast::proxy
