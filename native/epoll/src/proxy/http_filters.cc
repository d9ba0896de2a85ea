// Filters of requests: what crosses of a head, and how an exchange goes on with the answer.
//
// An exchange that waits before its route keeps its request as it came, in the chain of its client;
// one that waits with a response keeps that in its own. With the answer the head is read again, so
// that nothing of it has to be kept in another form. Edits before the route are written into that
// head, and what follows sees them; later ones go into the message that is written.
// Invariant: what a filter sees is what is acted upon: nothing of a request is forwarded that was
// not in the head it saw.
#include <algorithm>
#include <cstring>

#include "proxy/filter_host.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

// The texts of a head before its fields: method, target, host.
inline constexpr u32 kHeadTexts = 3;
inline constexpr u32 kFieldsAtMost = http1::kFieldsHardMax;
inline constexpr u32 kHeadRecordWordsMax = head_word::kFields + kFieldsAtMost * kFilterFieldWords;
inline constexpr u32 kNamesBytesMax = 2048;  // route, cluster, endpoint, address

bool isSameName(std::span<const u8> name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); i++) {
    const u8 c = name[i];
    const u8 low = c >= 'A' && c <= 'Z' ? static_cast<u8>(c + ('a' - 'A')) : c;
    if (low != static_cast<u8>(lower[i])) return false;
  }
  return true;
}

// Writes those fields of `head` that the chain asks for. Returns how many.
u32 putFields(FilterBatch& batch, const http1::Head& head, const std::vector<FilterField>& wanted,
              bool isAll) {
  u32 count = 0;
  const auto wordOf = [&] { return head_word::kFields + count * kFilterFieldWords; };
  if (isAll) {
    for (u16 i = 0; i < head.fieldCount; i++) {
      if (head.isDropped(i)) continue;
      const http1::Field& field = head.fields[i];
      batch.putField(wordOf(), http1::textOf(head.nameOf(field)),
                     http1::textOf(head.valueOf(field)));
      count++;
    }
    return count;
  }
  for (u32 k = 0; k < wanted.size() && count < kFieldsAtMost; k++) {
    const FilterField& want = wanted[k];
    const bool isKnown = want.id != http1::FieldId::kOther;
    if (isKnown && !head.has(want.id)) continue;
    const u16 first = isKnown ? head.firstOf[static_cast<size_t>(want.id)] : u16{0};
    for (u16 i = first; i < head.fieldCount && count < kFieldsAtMost; i++) {
      const http1::Field& field = head.fields[i];
      if (field.id != want.id || head.isDropped(i)) continue;
      if (!isKnown && !isSameName(head.nameOf(field), want.name)) continue;
      const u32 word = wordOf();
      batch.put(word, k);
      batch.putText(word + 1, http1::textOf(head.valueOf(field)));
      count++;
      if (isKnown && !http1::has(head.repeated, want.id)) break;
    }
  }
  return count;
}

}  // namespace

// Fields cannot take more bytes than the head that they are of.
bool Shard::putHead(FilterBatch& batch, const FilterRecord& asked, const Request& request) {
  const Exchange& exchange = exchangePool_[request.exchange];
  const FilterChain& chain = *chainOf(exchange.chain);
  const http1::Head& head = exchange.toEndpoint.isEmpty() ? *request.head : headToCome(request);
  const auto bytes =
      static_cast<u32>(head.length + request.target.size() + request.host.size() + kNamesBytesMax);
  u32 flags = 0;
  if ((conns_[tunnels_[request.tunnel].downstream].flags & kConnTls) != 0) flags |= kFilterFlagTls;
  if (head.upgrade == http1::UpgradeTo::kWebSocket) flags |= kFilterFlagWebSocket;
  if (!batch.begin(asked, exchange.chain, flags, kHeadRecordWordsMax, bytes)) return false;
  batch.putText(head_word::kMethod, head.textOf(head.methodName));
  batch.putText(head_word::kTarget, request.target);
  batch.putText(head_word::kHost, request.host);
  const bool isAll = (chain.mask & kNeedAllRequestFields) != 0;
  const u32 fields = putFields(batch, head, chain.requestFields, isAll);
  batch.put(head_word::kFieldCount, fields);
  putPlaces(batch, request.tunnel, exchange, request.route);
  batch.end(head_word::kFields + fields * kFilterFieldWords);
  return true;
}

// Who asks, and where the request goes as far as that is known.
void Shard::putPlaces(FilterBatch& batch, u32 tunnel, const Exchange& exchange,
                      const HttpRouteSpec* route) {
  const Tunnel& record = tunnels_[tunnel];
  char room[kAddressTextMax];
  if (record.client.isIp()) {
    batch.putText(head_word::kClientIp, {room, formatIp(record.client, room, sizeof(room))});
  }
  batch.put(head_word::kClientPort, record.client.port);
  const u32 id = route != nullptr ? route->id : exchange.route;
  if (id != kNoIndex) batch.putText(head_word::kRoute, board_.routeName(id));
  if ((exchange.flags & kExPicked) != 0) {
    batch.putText(head_word::kCluster, board_.cluster(record.cluster).name);
  }
  if (record.endpoint != kNoIndex) {
    batch.putText(head_word::kEndpoint, board_.endpoint(record.endpoint).display);
  }
  batch.put(head_word::kTry, std::max<u32>(1, exchange.attempts));
}

// Keeps what later hooks show of the request. False when there is no memory.
bool Shard::keepAsked(const Request& request) {
  Exchange& exchange = exchangePool_[request.exchange];
  const FilterChain* chain = chainOf(exchange.chain);
  constexpr u32 kLater = kNeedEndpoint | kNeedResponse | kNeedOpen;
  if (chain == nullptr || (chain->mask & kLater) == 0) return true;
  FilterBatch& saving = filters_->saving;
  FilterRecord asked;
  if (!putHead(saving, asked, request)) return false;
  const u32 lengths[2] = {saving.words(), saving.byteCount()};
  const auto* words = reinterpret_cast<const u8*>(filters_->savedWords.data());
  const size_t wordBytes = lengths[0] * sizeof(u32);
  if (!exchange.asked.isEmpty()) chunks_.clear(exchange.asked);
  const bool isKept =
      chunks_.append(exchange.asked, reinterpret_cast<const u8*>(lengths), sizeof(lengths)) ==
          sizeof(lengths) &&
      chunks_.append(exchange.asked, words, wordBytes) == wordBytes &&
      chunks_.append(exchange.asked, filters_->savedBytes.data(), lengths[1]) == lengths[1];
  saving.clear();
  return isKept;
}

// Writes a record with the head that was kept. With `response`, its fields take the place of those
// of the request.
bool Shard::putAsked(const FilterRecord& asked, u32 tunnel, const Exchange& exchange,
                     const http1::Head* response) {
  if (exchange.asked.isEmpty()) return false;
  const FilterChain& chain = *chainOf(exchange.chain);
  FilterBatch& batch = filters_->batch;
  u32 lengths[2];
  chunks_.copyFrom(exchange.asked, 0, sizeof(lengths), reinterpret_cast<u8*>(lengths));
  u32* words = filters_->savedWords.data();
  const size_t wordBytes = lengths[0] * sizeof(u32);
  chunks_.copyFrom(exchange.asked, sizeof(lengths), wordBytes, reinterpret_cast<u8*>(words));
  const u32 bytes = lengths[1] + kNamesBytesMax + (response == nullptr ? 0 : response->length);
  if (!batch.begin(asked, exchange.chain, words[5], kHeadRecordWordsMax, bytes)) return false;
  const auto base = static_cast<u32>(batch.byteCount());
  chunks_.copyFrom(exchange.asked, sizeof(lengths) + wordBytes, lengths[1], batch.bytesEnd());
  batch.advanceBytes(lengths[1]);
  const auto putKept = [&](u32 word) { batch.putSpan(word, base + words[word], words[word + 1]); };
  for (u32 i = 0; i < kHeadTexts; i++) putKept(head_word::kMethod + 2 * i);
  u32 fields = words[head_word::kFieldCount];
  if (response == nullptr) {
    for (u32 i = 0; i < fields; i++) {
      const u32 word = head_word::kFields + i * kFilterFieldWords;
      batch.put(word, words[word]);
      batch.put(word + 1, base + words[word + 1]);
      batch.put(word + 2, words[word + 2]);
    }
  } else {
    const bool isAll = (chain.mask & kNeedAllResponseFields) != 0;
    fields = putFields(batch, *response, chain.responseFields, isAll);
    batch.put(head_word::kStatus, response->status);
  }
  batch.put(head_word::kFieldCount, fields);
  putPlaces(batch, tunnel, exchange, nullptr);
  batch.end(head_word::kFields + fields * kFilterFieldWords);
  return true;
}

bool Shard::isAsked(const Exchange& exchange, FilterHook hook) const {
  const FilterChain* chain = chainOf(exchange.chain);
  return chain != nullptr && (chain->mask >> static_cast<u32>(hook) & 1) != 0;
}

FilterRecord Shard::exchangeRecord(u32 exchange, FilterHook hook) const {
  FilterRecord record;
  record.hook = hook;
  record.holder = FilterHolder::kExchange;
  record.handle = exchangePool_.handleOf(exchange);
  return record;
}

// The exchange waits for its filters. `isWritten` false: for room in the batch first.
void Shard::parkExchange(u32 tunnel, const FilterRecord& asked, bool isWritten) {
  Exchange& exchange = exchangeOf(tunnel);
  exchange.flags |= kExParked;
  exchange.waitsFor = asked.hook;
  if (!isWritten) filters_->due.push_back(asked);
  armHttp(tunnel);
}

// Asks about a request whose head is the first of `total` bytes in the scratch. True when it waits.
bool Shard::askRequest(const Request& request, FilterHook hook, size_t total) {
  Exchange& exchange = exchangePool_[request.exchange];
  if (!isAsked(exchange, hook)) return false;
  const FilterRecord asked = exchangeRecord(request.exchange, hook);
  const bool isWritten = putHead(filters_->batch, asked, request);
  if (isWritten) {
    exchange.stage =
        hook == FilterHook::kRequest ? ExchangeStage::kMatching : ExchangeStage::kRouted;
  }
  if (keepHead(request.tunnel, total)) parkExchange(request.tunnel, asked, isWritten);
  return true;
}

// Keeps the first `total` bytes of the scratch, a head and what came behind it, for a request that
// waits. False when it was answered: what of them found room must not be read as another one.
bool Shard::keepHead(u32 tunnel, size_t total) {
  HttpConn& http = httpOf(tunnel);
  if (chunks_.append(http.kept, scratch_, total) == total) return true;
  if (!http.kept.isEmpty()) chunks_.clear(http.kept);
  http.flags |= kHttpCloseDue;
  answer(tunnel, 503, HttpEnd::kNoMemory);
  return false;
}

// Asks about the endpoint that was chosen. True when the exchange waits.
bool Shard::askEndpoint(u32 tunnel) {
  Exchange& exchange = exchangeOf(tunnel);
  if (!isAsked(exchange, FilterHook::kEndpoint)) return false;
  const FilterRecord asked = exchangeRecord(httpOf(tunnel).exchange, FilterHook::kEndpoint);
  const bool isWritten = putAsked(asked, tunnel, exchange, nullptr);
  tunnels_[tunnel].state = TunnelState::kHttp;
  wheel_.disarm(tunnel);
  parkExchange(tunnel, asked, isWritten);
  return true;
}

// Asks about the response whose head is in head_, at the front of `bytes`. True when it waits.
bool Shard::askResponse(u32 tunnel, std::span<const u8> bytes) {
  Exchange& exchange = exchangeOf(tunnel);
  const bool isDone = (exchange.flags & kExResponseSeen) != 0;
  if (isDone || !isAsked(exchange, FilterHook::kResponse)) return false;
  int error = 0;
  const FilterRecord asked = exchangeRecord(httpOf(tunnel).exchange, FilterHook::kResponse);
  const bool isWritten = putAsked(asked, tunnel, exchange, &head_);
  if (chunks_.append(exchange.kept, bytes.data(), bytes.size()) != bytes.size()) {
    answer(tunnel, 503, HttpEnd::kNoMemory);
    return true;
  }
  // This try has had its answer.
  exchange.tryTick = 0;
  parkExchange(tunnel, asked, isWritten);
  // Interim responses came before it.
  if (!flushOut(tunnels_[tunnel].downstream, &error)) clientGone(tunnel, error);
  return true;
}

// The record of an exchange finds room now, or goes on waiting for it.
void Shard::askExchangeAgain(const FilterRecord& asked) {
  const Exchange* exchange = exchangePool_.resolve(asked.handle);
  if (exchange == nullptr || (exchange->flags & kExParked) == 0) return;
  if (exchange->waitsFor != asked.hook) return;
  const http1::Head* response = nullptr;
  switch (asked.hook) {
    case FilterHook::kEndpoint:
      break;
    case FilterHook::kResponse: {
      // It was read before, by the same rules.
      const bool isSwitchAsked = (exchange->flags & kExWebSocket) != 0;
      const http1::ResponseTo to{
          exchange->method, isSwitchAsked ? http1::UpgradeTo::kWebSocket : http1::UpgradeTo::kNone};
      const size_t length = chunks_.copyTo(exchange->kept, scratch_);
      http1::HeadScan scan;
      (void)http1::takeResponse({scratch_, length}, http1::kResponseRules, to, &scan, &head_);
      response = &head_;
      break;
    }
    default:
      // The head is read again, and asked about.
      return resumeExchange(asked.handle.index, asked.hook, nullptr);
  }
  if (!putAsked(asked, exchange->tunnel, *exchange, response)) filters_->due.push_back(asked);
}

// The exchange goes on from where it waited. `answer` null: as if there were no filter, or because
// there is room for its record now.
void Shard::resumeExchange(u32 index, FilterHook hook, const FilterAnswer* answer) {
  Exchange& exchange = exchangePool_[index];
  if ((exchange.flags & kExParked) == 0) return;
  exchange.flags &= ~u32{kExParked};
  filterAnswer_ = answer;
  switch (hook) {
    case FilterHook::kEndpoint:
      resumeEndpoint(exchange.tunnel, answer);
      break;
    case FilterHook::kResponse:
      resumeResponse(exchange.tunnel, answer);
      break;
    default:
      resumeRequest(exchange.tunnel, answer);
      break;
  }
  filterAnswer_ = nullptr;
}

// The edits of the answer in hand, behind those that are there.
void Shard::editByFilter(EditList& edits) {
  if (filterAnswer_ == nullptr) return;
  const size_t before = edits.count;
  for (u32 i = 0; i < filterAnswer_->editCount; i++) {
    const http1::FieldEdit edit = filterAnswer_->edit(i);
    if (edit.name.empty() || edit.name.front() == ':') continue;
    edits.put(edit.kind, edit.id, edit.name, edit.value);
  }
  if (filterAnswer_->verdict != FilterVerdict::kRespond) edits.settle(before);
}

// What a filter says with respond(), for the exchange under way.
void Shard::respondByFilter(u32 tunnel, const Request* request, const FilterAnswer& answered) {
  HF_UNINITIALIZED EditList edits;
  editByFilter(edits);
  const auto status = static_cast<u16>(std::clamp(answered.code, 200u, 599u));
  if (request != nullptr) {
    return answerEarly(*request, status, HttpEnd::kFilter, edits.all(), answered.first);
  }
  answer(tunnel, status, HttpEnd::kFilter, edits.all(), answered.first);
}

void Shard::closeByFilter(u32 tunnel) {
  exchangeOf(tunnel).end = HttpEnd::kFilter;
  close(tunnel, CloseReason::kFilter, How::kReset);
}

void Shard::resumeRequest(u32 tunnel, const FilterAnswer* answered) {
  HttpConn& http = httpOf(tunnel);
  const HttpSpec* spec = findHttp(tunnel);
  size_t total = chunks_.moveTo(http.kept, scratch_);
  if (spec == nullptr) return lingerHttp(tunnel, CloseReason::kUnrouted);
  http1::Rules rules = rulesOf(*spec);
  rules.isUnderscoreAllowed = true;  // in names that filters set; those of the client were judged
  const auto isRead = [&] {
    const http1::HeadResult result =
        http1::takeRequest({scratch_, total}, rules, &http.scan, &head_);
    if (result.kind == http1::HeadResult::Kind::kHead) return true;
    // Limits that a reload has set lower, or edits beyond them.
    const bool isViolation = result.kind == http1::HeadResult::Kind::kViolation;
    refuseRequest(tunnel, isViolation ? result.violation : http1::Violation::kHeadTooLong);
    return false;
  };
  if (!isRead()) return;
  const bool isBefore = answered != nullptr && (answered->hook == FilterHook::kRequest ||
                                                answered->verdict == FilterVerdict::kRematch);
  if (isBefore && answered->editCount != 0 && answered->verdict != FilterVerdict::kRespond) {
    if (!rewriteHead(*answered, &total)) {
      return refuseRequest(tunnel, http1::Violation::kHeadTooLong);
    }
    filterAnswer_ = nullptr;
    http.scan = http1::HeadScan{};
    if (!isRead()) return;
  }
  advanceExchange(tunnel, *findListener(tunnels_[tunnel].listener), total, answered);
}

// Another route is going to take the request: its policies and filters are its own, and of what
// those of this one said nothing stays.
void Shard::leaveRoute(Exchange& exchange) {
  exchange.stage = ExchangeStage::kMatching;
  board_.route(options_.index, exchange.route).countEnd(0);
  exchange.route = kNoIndex;
  if (tunnels_[exchange.tunnel].bufferHigh == 0) endThrottle(exchange.tunnel);
  leaveRouteCoding(exchange);
  if ((exchange.flags & kExRoutePassed) == 0) return;
  exchange.flags &= ~u32{kExRoutePassed};
  const PolicyMark& before = exchange.ofListener;
  const auto cut = [this](ChunkChain* chain, u32 bytes) {
    if (chain->bytes == bytes) return;
    if (bytes == 0) return chunks_.clear(*chain);
    chunks_.cut(*chain, bytes);
  };
  cut(&exchange.toEndpoint, before.requestEdits);
  cut(&exchange.toClient, before.responseEdits);
  exchange.requestBytesMax = before.requestBytesMax;
  exchange.responseBytesMax = before.responseBytesMax;
  if (exchange.mirror != kNoIndex) {
    // A reload may have left out some already.
    MirrorPlan& plan = planOf(exchange);
    plan.count = std::min<u32>(plan.count, before.mirrors);
  }
  const policy::Tools tools{board_, options_.index, *regexScratch_, random_};
  while (exchange.ticketCount > before.tickets) {
    policy::leave(exchange.tickets[--exchange.ticketCount], tools, 0);
  }
  // Without any policy left, freeExchange() does not look for these.
  if ((exchange.flags & kExListenerPassed) != 0) return;
  if (exchange.coded != kNoIndex) freeCoding(exchange);
  if (exchange.mirror != kNoIndex) dropMirrorPlan(exchange);
}

// What a filter decided of a request. False when that was its end.
bool Shard::takeVerdict(Request& request, const FilterAnswer& answered) {
  Exchange& exchange = exchangePool_[request.exchange];
  switch (answered.verdict) {
    case FilterVerdict::kRespond:
      respondByFilter(request.tunnel, &request, answered);
      return false;
    case FilterVerdict::kClose:
      closeByFilter(request.tunnel);
      return false;
    case FilterVerdict::kRematch:
      if (exchange.rematches < kRematchesMax && exchange.route != kNoIndex) {
        exchange.rematches++;
        leaveRoute(exchange);
      }
      return true;
    case FilterVerdict::kChoose:
      request.routed = &answered;
      return true;
    default:
      return true;
  }
}

// Path and host as the filters of the route changed them, and the hash key that they chose.
void Shard::retarget(const FilterAnswer& answered, http1::RequestPlan* plan, Exchange* exchange) {
  for (u32 i = 0; i < answered.editCount; i++) {
    const http1::FieldEdit edit = answered.edit(i);
    if (edit.name == ":host") plan->host = edit.value;
    if (edit.name != ":path") continue;
    const size_t mark = edit.value.find('?');
    plan->hasQuery = mark != std::string_view::npos;
    plan->path = edit.value.substr(0, mark);
    plan->query = plan->hasQuery ? edit.value.substr(mark + 1) : std::string_view();
  }
  const std::string_view hash = answered.second;
  if (answered.verdict != FilterVerdict::kChoose || hash.empty()) return;
  exchange->hasHash = true;
  exchange->hash = sipHash13(board_.addressKey(), hash.data(), hash.size());
}

void Shard::resumeEndpoint(u32 tunnel, const FilterAnswer* answered) {
  Tunnel& record = tunnels_[tunnel];
  Exchange& exchange = exchangeOf(tunnel);
  const FilterVerdict verdict = answered == nullptr ? FilterVerdict::kContinue : answered->verdict;
  // The time of the try is the endpoint's.
  if (exchange.perTryTicks != 0) exchange.tryTick = nowTick_ + exchange.perTryTicks;
  if (exchange.hedged != kNoIndex) queue(exchange.hedged);
  if (verdict == FilterVerdict::kRespond) return respondByFilter(tunnel, nullptr, *answered);
  if (verdict == FilterVerdict::kClose) return closeByFilter(tunnel);
  if (answered != nullptr && answered->editCount != 0 && !editAsked(tunnel, *answered)) {
    return answer(tunnel, 431, HttpEnd::kFilter);
  }
  if (verdict == FilterVerdict::kRechoose && exchange.rechoices < kTriedMax) {
    exchange.rechoices++;
    std::copy_backward(record.tried, record.tried + kTriedMax - 1, record.tried + kTriedMax);
    record.tried[0] = record.endpoint;
    leaveEndpoint(tunnel);
    return startConnect(tunnel);
  }
  const u32 position = findCluster(record.cluster);
  if (position == kNoIndex) return giveUpConnect(tunnel, CloseReason::kNoEndpoint);
  const ClusterSpec& cluster = snapshot_.cluster(position);
  const EndpointSpec* endpoints = snapshot_.endpoints(cluster);
  for (u32 i = 0; i < cluster.endpointCount; i++) {
    if (endpoints[i].id != record.endpoint) continue;
    if (attachUnused(tunnel)) return sendRequest(tunnel);
    if (useEndpoint(tunnel, cluster, endpoints[i])) startConnect(tunnel);
    return;
  }
  // A reload took it.
  leaveEndpoint(tunnel);
  startConnect(tunnel);
}

// Edits the request as it waits for its endpoint.
bool Shard::editAsked(u32 tunnel, const FilterAnswer& answered) {
  Exchange& exchange = exchangeOf(tunnel);
  if (exchange.head.bytes > kScratchBytes) return false;
  size_t total = chunks_.moveTo(exchange.head, scratch_);
  http1::HeadScan scan;
  const http1::HeadResult result =
      http1::takeRequest({scratch_, total}, http1::kOwnRules, &scan, &head_);
  if (result.kind != http1::HeadResult::Kind::kHead || !rewriteHead(answered, &total)) {
    return false;
  }
  return chunks_.append(exchange.head, scratch_, total) == total;
}

void Shard::resumeResponse(u32 tunnel, const FilterAnswer* answered) {
  Exchange& exchange = exchangeOf(tunnel);
  const u32 conn = tunnels_[tunnel].upstream;
  const FilterVerdict verdict = answered == nullptr ? FilterVerdict::kContinue : answered->verdict;
  if (verdict == FilterVerdict::kRespond) return respondByFilter(tunnel, nullptr, *answered);
  if (verdict == FilterVerdict::kClose) return closeByFilter(tunnel);
  // Any condition of the route will do: that there are tries left is what counts.
  constexpr u32 kAnyCondition = ~0u;
  if (verdict == FilterVerdict::kRetry && retryExchange(tunnel, kAnyCondition)) return;
  const Handle handle = conns_.handleOf(conn);
  exchange.flags |= kExResponseSeen;
  takeAnswer(tunnel, chunks_.moveTo(exchange.kept, scratch_));
  const Conn* upstream = conns_.resolve(handle);
  if (upstream == nullptr || upstream->tunnel != tunnel) return;
  if ((upstream->flags & (kConnReadable | kConnEof | kConnError | kConnBroken)) != 0) queue(conn);
}

// The exchange is over.
void Shard::endExchangeFilters(u32 index) {
  Exchange& exchange = exchangePool_[index];
  FilterEnd end;
  end.record = exchangeRecord(index, FilterHook::kEnd);
  end.chain = exchange.chain;
  end.code = (exchange.flags & kExAnswered) != 0 || exchange.status == 101 ? exchange.status : 0;
  end.reason = nameOf(exchange.end);
  end.bytesIn = exchange.bytesIn;
  end.bytesOut = exchange.bytesOut;
  end.micros = (sys::nowNs() - exchange.startedNs) / 1000;
  tellEnd(end, (exchange.flags & kExParked) != 0);
  leaveChain(exchange.chain);
  exchange.chain = 0;
}

}  // namespace holdfast::proxy
