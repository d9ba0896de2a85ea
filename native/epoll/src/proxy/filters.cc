// Filters of a shard: chains and who holds them, batches to the host and answers from it.
//
// A holder that reaches a hook of its chain is written into the batch and waits; once a turn the
// batch is handed over, and every holder goes on as its answer says, or, without one, as if there
// were no filter. Invariant: a holder has at most one record without an answer (a WebSocket one for
// each direction, or several that are all answered in the same turn); an end is told once.
// Does not read heads (http_filters.cc) or messages (filter_messages.cc).
#include <algorithm>
#include <cstring>

#include "proxy/filter_host.h"
#include "proxy/shard.h"
#include "runtime/siphash.h"

namespace holdfast::proxy {

namespace {

// Behind what `mail` has; spans lead to its own bytes.
void copyAnswers(const FilterMemory& memory, u32 words, FilterMail* mail) {
  FilterAnswers answers(memory.outWords, std::min(words, kFilterWords), memory.outBytes,
                        kFilterBytes);
  const u32* from = memory.outWords;
  for (FilterAnswer answer; answers.next(&answer);) {
    const size_t at = mail->words.size();
    const u32 size = from[0];
    mail->words.insert(mail->words.end(), from, from + size);
    from += size;
    const auto move = [&](size_t word) {
      const u32 offset = mail->words[at + word];
      const u32 length = mail->words[at + word + 1];
      mail->words[at + word] = static_cast<u32>(mail->bytes.size());
      mail->bytes.insert(mail->bytes.end(), memory.outBytes + offset,
                         memory.outBytes + offset + length);
    };
    move(6);
    move(8);
    for (u32 i = 0; i < answer.editCount + answer.logCount; i++) {
      move(kAnswerWords + size_t{i} * kAnswerEditWords + 1);
      move(kAnswerWords + size_t{i} * kAnswerEditWords + 3);
    }
  }
  mail->isBroken = mail->isBroken || answers.isBroken();
}

// A mail that was large once does not stay so.
void emptyMail(FilterMail* mail) {
  mail->isBroken = false;
  if (mail->bytes.capacity() > kFilterMailBytesKept) *mail = FilterMail{};
  mail->words.clear();
  mail->bytes.clear();
}

u16 localPortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = 0;
  if (sys::getSockName(fd, &address, &length) < 0) return 0;
  return fromSockaddr(reinterpret_cast<const sockaddr*>(&address), length).port;
}

FilterAnswers answersOf(const FilterMail& mail) {
  return FilterAnswers(mail.words.data(), static_cast<u32>(mail.words.size()), mail.bytes.data(),
                       static_cast<u32>(mail.bytes.size()));
}

FilterRecord recordOf(const FilterAnswer& answer) {
  FilterRecord record;
  record.hook = answer.hook;
  record.holder = answer.holder;
  record.isFromEndpoint = answer.isFromEndpoint;
  record.handle = answer.handle;
  return record;
}

}  // namespace

// Before the first snapshot with chains.
Status Shard::attachFilters(const FilterMemory& memory, FilterHost host) {
  if (filters_ != nullptr) return Status::fromErrno(EALREADY);
  auto filters = std::make_unique<ShardFilters>(memory, std::move(host));
  const size_t tunnels = size_t{tunnelsMax()} + 1;
  filters->holdsBytes = 2 * tunnels * sizeof(MessageHold);
  filters->holds = static_cast<MessageHold*>(sys::reserve(filters->holdsBytes));
  filters->connectionsBytes = tunnels * sizeof(ConnectionFilters);
  filters->connections = static_cast<ConnectionFilters*>(sys::reserve(filters->connectionsBytes));
  filters_ = std::move(filters);
  if (outScratch_ == nullptr) outScratch_ = static_cast<u8*>(sys::reserve(kHttpOutBytes));
  const bool hasMemory =
      filters_->holds != nullptr && filters_->connections != nullptr && outScratch_ != nullptr;
  if (hasMemory) return Status::ok();
  detachFilters();
  return Status::fromErrno(ENOMEM);
}

void Shard::detachFilters() {
  if (filters_ == nullptr) return;
  if (filters_->holds != nullptr) sys::unreserve(filters_->holds, filters_->holdsBytes);
  if (filters_->connections != nullptr) {
    sys::unreserve(filters_->connections, filters_->connectionsBytes);
  }
  filters_.reset();
}

// The chains of the snapshot that is in use from now on, and the names of its clusters.
void Shard::applyChains() {
  if (filters_ == nullptr) return;
  std::vector<FilterChain>& chains = filters_->chains;
  for (FilterChain& chain : chains) chain.isNamed = false;
  for (u32 i = 0; i < snapshot_.filterChainCount(); i++) {
    const FilterChainSpec& spec = snapshot_.filterChain(i);
    if (spec.id == 0) continue;
    if (chains.size() <= spec.id) chains.resize(spec.id + 1);
    FilterChain& chain = chains[spec.id];
    chain.isNamed = true;
    chain.isRetired = false;
    // What an id stands for does not change while it is in use.
    if (chain.id != 0) continue;
    chain.id = spec.id;
    chain.mask = spec.mask;
    chain.messageBytesMax = spec.messageBytesMax;
    chain.isOversizeClosed = spec.isOversizeClosed != 0;
    const auto fill = [&](u32 first, u32 count, std::vector<FilterField>* fields) {
      for (u32 k = 0; k < count; k++) {
        const std::string_view name = snapshot_.filterName(first + k);
        const auto* bytes = reinterpret_cast<const u8*>(name.data());
        fields->push_back({http1::classifyField({bytes, name.size()}), std::string(name)});
      }
    };
    fill(spec.requestFirst, spec.requestCount, &chain.requestFields);
    fill(spec.responseFirst, spec.responseCount, &chain.responseFields);
    if (spec.framing != kNoIndex) chain.framing = {snapshot_.framing(spec.framing)};
  }
  for (FilterChain& chain : chains) forgetChain(chain);
  filters_->clusters.clear();
  for (u32 i = 0; i < snapshot_.clusterCount(); i++) {
    filters_->clusters.emplace(board_.cluster(snapshot_.cluster(i).id).name, i);
  }
}

const FilterChain* Shard::chainOf(u32 id) const {
  if (id == 0 || filters_ == nullptr || id >= filters_->chains.size()) return nullptr;
  const FilterChain& chain = filters_->chains[id];
  return chain.id == 0 ? nullptr : &chain;
}

// One more holder. Returns the chain's id, or 0 where there is none.
u16 Shard::holdChain(u32 id) {
  if (chainOf(id) == nullptr) return 0;
  filters_->chains[id].live++;
  return static_cast<u16>(id);
}

void Shard::leaveChain(u32 id) {
  if (chainOf(id) == nullptr) return;
  FilterChain& chain = filters_->chains[id];
  HF_ASSERT(chain.live > 0);
  chain.live--;
  forgetChain(chain);
}

// Lets go of a chain that nobody holds or will hold.
void Shard::forgetChain(FilterChain& chain) {
  if (chain.id == 0 || !chain.isRetired || chain.isNamed || chain.live != 0) return;
  filters_->drained.push_back(chain.id);
  chain = FilterChain{};
  wake();
}

void Shard::retireFilterChain(u32 id) {
  if (filters_ == nullptr) return;
  if (chainOf(id) == nullptr) {
    // No snapshot ever named it here.
    filters_->drained.push_back(id);
    return wake();
  }
  filters_->chains[id].isRetired = true;
  forgetChain(filters_->chains[id]);
}

void Shard::wake() { (void)sys::eventSignal(block_->wakeFd.load(std::memory_order_relaxed)); }

bool Shard::isFilterWorkLeft() const {
  return !filters_->batch.isEmpty() || !filters_->due.empty() || !filters_->ends.empty() ||
         !filters_->late.words.empty();
}

// Between two tasks: a batch that the next one might not find room in is handed over.
void Shard::runFiltersIfFull() {
  if (filters_->batch.isNearlyFull()) runFilters();
}

// Hands over what waits, and lets holders go on.
void Shard::runFilters() {
  ShardFilters& filters = *filters_;
  if (filters.isRunning || (!isFilterWorkLeft() && filters.drained.empty())) return;
  enter(Activity::kFilters);
  for (u32 round = 0; round < kFilterRoundsMax; round++) {
    putDueEnds();
    settleLate();
    settleDue();
    if (filters.batch.isEmpty()) break;
    const u32 words = filters.batch.words();
    filters.batch.take(&filters.running);
    filters.isRunning = true;
    if (words == 0) {
      settleFilters(0);
    } else {
      filters.host.run(words);
    }
    filters.isRunning = false;
  }
  std::vector<u32> drained;
  drained.swap(filters.drained);
  for (const u32 id : drained) filters.host.drained(id);
  enter(Activity::kIdle);
}

// The host has answered the batch: its answers are in the first `words` words, behind those that
// had to leave the arrays before.
void Shard::settleFilters(u32 words) {
  ShardFilters& filters = *filters_;
  nowNs_ = sys::nowNs();
  // Before records of holders that have the place of one that is over.
  putDueEnds();
  FilterAnswers early = answersOf(filters.early);
  FilterAnswers rest(filters.memory.outWords, std::min(words, kFilterWords),
                     filters.memory.outBytes, kFilterBytes);
  FilterAnswer answer;
  FilterAnswer refusal;
  refusal.verdict = FilterVerdict::kClose;
  refusal.code = codec::kCloseInternalError;
  refusal.record = 0;
  const auto next = [&] { return early.next(&answer) || rest.next(&answer); };
  bool isAnswer = next();
  for (const FilterRecord& record : filters.running) {
    if (record.hook == FilterHook::kEnd) continue;
    const bool isIts = isAnswer && answer.record == record.at;
    // Of whom nobody knows what was decided does not go on.
    const bool isLost = !isAnswer && (filters.early.isBroken || rest.isBroken());
    settle(record, isIts ? &answer : isLost ? &refusal : nullptr);
    if (isIts) isAnswer = next();
  }
  filters.running.clear();
  emptyMail(&filters.early);
}

// Answers that came by themselves, or too many for the arrays.
void Shard::applyFilterAnswers(u32 words) {
  if (filters_ == nullptr || isStopped_) return;
  const bool isEarly = filters_->isRunning && !filters_->running.empty();
  copyAnswers(filters_->memory, words, isEarly ? &filters_->early : &filters_->late);
  if (!isEarly) wake();
}

void Shard::settleLate() {
  ShardFilters& filters = *filters_;
  if (filters.late.words.empty()) return;
  std::swap(filters.late, filters.lateNow);
  FilterAnswers answers = answersOf(filters.lateNow);
  for (FilterAnswer answer; answers.next(&answer);) settle(recordOf(answer), &answer);
  emptyMail(&filters.lateNow);
}

// Ends for which there was no room.
void Shard::putDueEnds() {
  if (filters_->ends.empty()) return;
  std::vector<FilterEnd> ends;
  ends.swap(filters_->ends);
  for (const FilterEnd& end : ends) putEnd(end);
}

// Other records for which there was none.
void Shard::settleDue() {
  ShardFilters& filters = *filters_;
  filters.dueNow.swap(filters.due);
  for (const FilterRecord& record : filters.dueNow) {
    switch (record.holder) {
      case FilterHolder::kConnection:
        askConnectionAgain(record);
        break;
      case FilterHolder::kExchange:
        askExchangeAgain(record);
        break;
      case FilterHolder::kTunnel:
        if (tunnels_.resolve(record.handle) != nullptr) askTunnelAgain(record);
        break;
      case FilterHolder::kCount:
        break;
    }
  }
  filters.dueNow.clear();
}

// One holder goes on, unless it is parked. `answer` null: as if there were no filter.
void Shard::settle(const FilterRecord& record, const FilterAnswer* answer) {
  const bool isParked = answer != nullptr && answer->verdict == FilterVerdict::kPark;
  if (answer != nullptr && answer->logCount != 0) takeLogged(record, *answer);
  switch (record.holder) {
    case FilterHolder::kConnection:
      if (tunnels_.resolve(record.handle) == nullptr || isParked) return;
      return resumeConnection(record, answer);
    case FilterHolder::kExchange: {
      const Exchange* exchange = exchangePool_.resolve(record.handle);
      if (exchange == nullptr || (exchange->flags & kExParked) == 0 || isParked) return;
      if (exchange->waitsFor != record.hook) return;
      return resumeExchange(record.handle.index, record.hook, answer);
    }
    case FilterHolder::kTunnel: {
      const Tunnel* tunnel = tunnels_.resolve(record.handle);
      if (tunnel == nullptr || tunnel->state != TunnelState::kOpen || !isFollowed(*tunnel)) return;
      if (record.hook == FilterHook::kOpen) {
        if (!isParked) settleOpen(record.handle.index, answer);
        return;
      }
      return settleMessage(record, answer);
    }
    case FilterHolder::kCount:
      return;
  }
}

// Tells the host that a holder is over, if its chain asks for that or still thinks about it.
void Shard::tellEnd(const FilterEnd& end, bool isParked) {
  const FilterChain* chain = chainOf(end.chain);
  if (chain == nullptr || ((chain->mask & kNeedEnd) == 0 && !isParked)) return;
  putEnd(end);
}

void Shard::putEnd(const FilterEnd& end) {
  FilterBatch& batch = filters_->batch;
  const std::string_view reason = end.reason;
  const bool isWritten =
      batch.begin(end.record, end.chain, 0, kEndRecordWords, static_cast<u32>(reason.size()));
  if (!isWritten) return filters_->ends.push_back(end);
  batch.put(6, end.code);
  batch.putText(7, reason);
  batch.putU64(9, end.bytesIn);
  batch.putU64(11, end.bytesOut);
  batch.putU64(13, end.micros);
  batch.put(15, end.messagesIn);
  batch.put(16, end.messagesOut);
  batch.end(kEndRecordWords);
}

// A connection is new, or ready: its listener's filters are asked. True when it waits for them.
bool Shard::askConnection(u32 tunnel, FilterHook hook, std::string_view serverName) {
  if (filters_ == nullptr) return false;
  ConnectionFilters& held = filters_->connections[tunnel];
  const FilterChain* chain = chainOf(held.chain);
  if (chain == nullptr || (chain->mask >> static_cast<u32>(hook) & 1) == 0) return false;
  Tunnel& record = tunnels_[tunnel];
  held.asked = static_cast<u8>(static_cast<u32>(hook) + 1);
  // The host has a deadline of its own; this one is for a host that fails to keep it.
  enterState(tunnel, TunnelState::kFiltering, ticksOf(kFilteringMs));
  const Conn& client = conns_[record.downstream];
  const bool isTls = (client.flags & kConnTls) != 0;
  char room[kAddressTextMax];
  const std::string_view ip =
      record.client.isIp() ? std::string_view(room, formatIp(record.client, room, sizeof(room)))
                           : std::string_view();
  std::string_view alpn;
  if (isTls && tlsOf(record.downstream).facts != kNoIndex) {
    const TlsFactsView facts = facts_.view(tlsOf(record.downstream).facts);
    serverName = facts.serverName;
    alpn = facts.alpn;
  }
  FilterRecord asked;
  asked.hook = hook;
  asked.holder = FilterHolder::kConnection;
  asked.handle = tunnels_.handleOf(tunnel);
  FilterBatch& batch = filters_->batch;
  const auto bytes = static_cast<u32>(ip.size() + serverName.size() + alpn.size());
  if (!batch.begin(asked, held.chain, isTls ? kFilterFlagTls : 0, kConnectionRecordWords, bytes)) {
    filters_->due.push_back(asked);
    if (!serverName.empty()) filters_->dueNames[asked.handle.pack()] = serverName;
    return true;
  }
  batch.putText(6, ip);
  batch.put(8, record.client.port);
  batch.put(9, localPortOf(client.fd));
  batch.putText(10, serverName);
  batch.putText(12, alpn);
  batch.end(kConnectionRecordWords);
  return true;
}

void Shard::askConnectionAgain(const FilterRecord& record) {
  std::string serverName;
  if (auto named = filters_->dueNames.extract(record.handle.pack()); !named.empty()) {
    serverName = std::move(named.mapped());
  }
  const Tunnel* tunnel = tunnels_.resolve(record.handle);
  if (tunnel == nullptr || tunnel->state != TunnelState::kFiltering) return;
  (void)askConnection(record.handle.index, record.hook, serverName);
}

void Shard::resumeConnection(const FilterRecord& record, const FilterAnswer* answer) {
  const u32 tunnel = record.handle.index;
  ConnectionFilters& held = filters_->connections[tunnel];
  const bool isAsked = held.asked == static_cast<u8>(record.hook) + 1;
  if (!isAsked || tunnels_[tunnel].state != TunnelState::kFiltering) return;
  held.asked = 0;
  if (answer != nullptr && answer->verdict == FilterVerdict::kClose) {
    return close(tunnel, CloseReason::kFilter, How::kReset);
  }
  const ListenerSpec* listener = findListener(tunnels_[tunnel].listener);
  if (listener == nullptr) return close(tunnel, CloseReason::kUnrouted, How::kReset);
  if (record.hook == FilterHook::kAccept) return directNow(tunnel, *listener);
  const bool isChosen = answer != nullptr && answer->verdict == FilterVerdict::kChoose;
  if (isChosen && !answer->second.empty()) {
    held.hasHash = true;
    held.hash = sipHash13(board_.addressKey(), answer->second.data(), answer->second.size());
  }
  if (isChosen && !answer->first.empty()) {
    const auto found = filters_->clusters.find(answer->first);
    if (found == filters_->clusters.end()) return close(tunnel, CloseReason::kFilter, How::kReset);
    const ClusterSpec& cluster = snapshot_.cluster(found->second);
    tunnels_[tunnel].cluster = static_cast<u16>(cluster.id);
    tunnels_[tunnel].retriesLeft = static_cast<u8>(cluster.retries);
  }
  readyNow(tunnel, *listener);
}

// The connection is over.
void Shard::endConnection(u32 tunnel) {
  ConnectionFilters& held = filters_->connections[tunnel];
  if (held.chain == 0) return;
  const Tunnel& record = tunnels_[tunnel];
  FilterEnd end;
  end.record.hook = FilterHook::kEnd;
  end.record.holder = FilterHolder::kTunnel;
  end.record.handle = tunnels_.handleOf(tunnel);
  end.chain = held.chain;
  end.reason = kCloseReasonTable[static_cast<size_t>(record.reason)].name;
  end.bytesIn = conns_[record.downstream].bytesIn;
  end.bytesOut = record.upstream == kNoIndex ? 0 : conns_[record.upstream].bytesIn;
  end.micros = u64{nowTick_ - record.openedTick} * kTickMs * 1000;
  if (hasChunks(record)) {
    tellEnd(end, releaseHolds(tunnel));
    conns_[record.downstream].flags =
        static_cast<u16>(conns_[record.downstream].flags & ~kConnFrames);
  }
  end.record.holder = FilterHolder::kConnection;
  tellEnd(end, held.asked != 0);
  leaveChain(held.chain);
  held = ConnectionFilters{};
}

}  // namespace holdfast::proxy
