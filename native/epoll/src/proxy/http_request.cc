// From the head of a request to its exchange: which route takes it, what is done with it, and the
// bytes that an endpoint is to get.
//
// Runs while the head lies in the scratch. What the exchange needs later is copied out of it here:
// the canonical request itself, edits of the response with their variables put in, texts for the
// access record. So neither the scratch nor the snapshot is needed when the response comes.
// Invariant: path and host that the route was found by are those that the endpoint gets, unless the
// route rewrites them.
#include "proxy/http_request.h"

#include <algorithm>
#include <cstring>

#include "http/head_fields.h"
#include "proxy/filter_host.h"

namespace holdfast::proxy {

namespace {

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

// The value of a cookie in one Cookie field, or a null view.
std::string_view findCookie(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    const size_t end = std::min(field.find(';'), field.size());
    std::string_view pair = field.substr(0, end);
    field.remove_prefix(std::min(end + 1, field.size()));
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name)) {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

std::string_view Shard::Request::cookie(std::string_view name) const {
  for (u16 i = 0; i < head->fieldCount; i++) {
    const http1::Field& field = head->fields[i];
    if (field.id != http1::FieldId::kCookie) continue;
    const std::string_view found = findCookie(http1::textOf(head->valueOf(field)), name);
    if (found.data() != nullptr) return found;
  }
  return {};
}

std::string_view Shard::Request::field(std::string_view name) const {
  const http::HeaderLookup lookup = http::headerLookupOf(*head);
  std::string_view value;
  return lookup.find(lookup.owner, name, 0, &value) ? value : std::string_view();
}

std::string_view Shard::Request::parameter(std::string_view name) const {
  return http::findQueryParameter(query, name);
}

// The head of a request is in head_, on the first bytes of `total` in the scratch.
void Shard::startExchange(u32 tunnel, size_t total) {
  Tunnel& record = tunnels_[tunnel];
  HttpConn& http = httpOf(tunnel);
  const std::span<const u8> rest(scratch_ + head_.length, total - head_.length);
  textLength_ = 0;
  outLength_ = 0;
  http.requests++;
  http.exchange = exchangePool_.take();  // as many as tunnels
  Exchange& exchange = exchangePool_[http.exchange];
  exchange.tunnel = tunnel;
  exchange.startedNs = nowNs_;
  exchange.method = head_.method;
  if (http1::isIdempotent(head_.method)) exchange.flags |= kExIdempotent;
  if (head_.minorVersion == 0) exchange.flags |= kExOldClient;
  record.endpoint = kNoIndex;
  const ListenerSpec& listener = *findListener(record.listener);
  const HttpSpec& spec = snapshot_.http(listener.http);
  const bool isLast = spec.requestsMax != 0 && http.requests >= spec.requestsMax;
  // Who asked for a WebSocket may send its frames: they are never read as a request, whatever the
  // answer is.
  const bool isSwitchAsked = head_.upgrade == http1::UpgradeTo::kWebSocket;
  if (head_.isPersistent && !isLast && !isSwitchAsked && !isClosing(tunnel)) {
    exchange.flags |= kExKeepAsked;
  }
  exchange.bodyTicks = ticksOf(spec.bodyMs);
  if (listener.filterChain != 0) exchange.chain = holdChain(listener.filterChain);
  HttpCell& cell = board_.http(options_.index, record.listener);
  cell.count(HttpCounter::kRequests);
  cell.count(HttpCounter::kRequestsActive);
  advanceExchange(tunnel, listener, total, nullptr);
}

// Takes the request, whose head is in head_ on the first bytes of `total` in the scratch, as far as
// it gets: to a filter that it waits for, to an answer, or to an endpoint. `answered` is what
// filters said of it; null: none was asked.
void Shard::advanceExchange(u32 tunnel, const ListenerSpec& listener, size_t total,
                            const FilterAnswer* answered) {
  Tunnel& record = tunnels_[tunnel];
  HttpConn& http = httpOf(tunnel);
  Exchange& exchange = exchangePool_[http.exchange];
  const std::span<const u8> rest(scratch_ + head_.length, total - head_.length);
  textLength_ = 0;
  outLength_ = 0;
  Request request;
  request.tunnel = tunnel;
  request.exchange = http.exchange;
  request.listener = &listener;
  request.spec = &snapshot_.http(listener.http);
  request.head = &head_;
  request.isTrusted =
      request.spec->cidrCount != 0 && snapshot_.isForwarderTrusted(*request.spec, record.client);
  // How the message is framed must be known whoever answers it.
  exchange.request = http1::Body(head_, http1::kBodyBytesMax);
  request.rest = rest;
  if (answered != nullptr && !takeVerdict(request, *answered)) return;
  if (!findTarget(request)) return;
  if (exchange.stage == ExchangeStage::kNew) {
    const TextSpec& policies = request.listener->policies;
    if (policies.length != 0 && !passPolicies(request, policies, kExListenerPassed, total)) return;
    if (exchange.chain != 0 && askRequest(request, FilterHook::kRequest, total)) return;
    exchange.stage = ExchangeStage::kMatching;
  }
  if (!findRoute(request)) return;
  const HttpRouteSpec& route = *request.route;
  if (exchange.route != kNoIndex && exchange.route != route.id) [[unlikely]] {
    // A reload came while it waited: what filters and policies of that route said is of no use.
    leaveRoute(exchange);
    filterAnswer_ = nullptr;
  }
  if (exchange.stage == ExchangeStage::kMatching) {
    enterRoute(request);
    if (route.policies.length != 0 &&
        !passPolicies(request, route.policies, kExRoutePassed, total)) {
      return;
    }
    if ((exchange.flags & kExThrottled) != 0 && !throttleRequest(request, total)) return;
    if (exchange.chain != 0 && askRequest(request, FilterHook::kRouted, total)) return;
    exchange.stage = ExchangeStage::kRouted;
  } else if (answered != nullptr) {
    request.routed = answered;
  }
  u64 bodyMax = route.bodyBytesMax == 0 ? http1::kBodyBytesMax : route.bodyBytesMax;
  if (exchange.requestBytesMax != 0) bodyMax = std::min(bodyMax, exchange.requestBytesMax);
  exchange.request = http1::Body(head_, bodyMax);
  if (exchange.request.violation() != http1::Violation::kNone) {
    return refuseRequest(tunnel, exchange.request.violation());
  }
  if (route.action != HttpAction::kCluster) return actHere(request);
  if (head_.upgrade == http1::UpgradeTo::kWebSocket && !acceptWebSocket(request)) return;
  const u32 position = exchange.chain != 0 ? clusterFor(request)
                                           : routeTables_[request.listener->http].pickCluster(
                                                 request.number, random_.nextU32());
  if (position >= snapshot_.clusterCount()) {
    return answerEarly(request, 503, HttpEnd::kNoEndpoint);
  }
  const ClusterSpec& cluster = snapshot_.cluster(position);
  record.cluster = static_cast<u16>(cluster.id);
  const bool isConnectRetried = (route.retryOn & kRetryConnect) != 0;
  record.retriesLeft = static_cast<u8>(
      std::min(std::max(cluster.retries, isConnectRetried ? route.retries : 0), 255u));
  record.reason = CloseReason::kCount;
  std::fill(std::begin(record.tried), std::end(record.tried), kNoIndex);
  exchange.retriesLeft = static_cast<u8>(std::min(route.retries, 255u));
  exchange.retryOn = static_cast<u16>(route.retryOn);
  exchange.requestTicks = ticksOf(route.requestMs);
  exchange.perTryTicks = ticksOf(route.perTryMs);
  exchange.idleTicks = ticksOf(route.idleMs);
  if (!openExchange(request)) return;
  if (exchange.bodyTicks != 0) exchange.rateTick = nowTick_ + ticksOf(kContentRateMs);
  noteRequestEnd(exchange);
  dispatch(tunnel);
}

// The route took the request, which is held by its filters from here on.
void Shard::enterRoute(Request& request) {
  Exchange& exchange = exchangePool_[request.exchange];
  const HttpRouteSpec& route = *request.route;
  // It comes again when it waited for room.
  if (exchange.route == route.id) return;
  exchange.route = route.id;
  board_.route(options_.index, route.id).count(RouteCounter::kRequests);
  if (route.filterChain != 0 && route.filterChain != exchange.chain) {
    const u16 chain = holdChain(route.filterChain);
    leaveChain(exchange.chain);
    exchange.chain = chain;
  }
  exchange.flags &= ~u32{kExPicked};
  // Filters are shown its name.
  if (exchange.chain != 0 && route.action == HttpAction::kCluster) (void)clusterFor(request);
}

// Position of the cluster that the request goes to: the one a filter chose, or that of the route,
// which is drawn once. kNoIndex: none.
u32 Shard::clusterFor(const Request& request) {
  Tunnel& record = tunnels_[request.tunnel];
  Exchange& exchange = exchangePool_[request.exchange];
  u32 position = kNoIndex;
  const FilterAnswer* routed = request.routed;
  const bool isChosen = routed != nullptr && routed->verdict == FilterVerdict::kChoose;
  if (isChosen && !routed->first.empty()) {
    const auto found = filters_->clusters.find(routed->first);
    if (found == filters_->clusters.end()) return kNoIndex;
    position = found->second;
  } else if ((exchange.flags & kExPicked) != 0 && findCluster(record.cluster) != kNoIndex) {
    return findCluster(record.cluster);
  } else {
    position = routeTables_[request.listener->http].pickCluster(request.number, random_.nextU32());
    if (position >= snapshot_.clusterCount()) return kNoIndex;
  }
  record.cluster = static_cast<u16>(snapshot_.cluster(position).id);
  exchange.flags |= kExPicked;
  return position;
}

// Brings the target into normal form. False when the request was answered.
bool Shard::findTarget(Request& request) {
  const u32 tunnel = request.tunnel;
  const http1::Head& head = *request.head;
  if (head.form == http1::TargetForm::kAuthority) {
    answerEarly(request, 405, HttpEnd::kNoRoute);
    return false;
  }
  request.host = head.authority.hostText();
  request.path = head.pathText();
  request.query = head.textOf(head.query);
  if (request.path.starts_with('/')) {
    const http1::PathRules rules{(request.spec->flags & kHttpSlashMerged) != 0,
                                 (request.spec->flags & kHttpEscapedSlash) != 0};
    u8* room = textScratch_ + textLength_;
    const http1::NormalPath normal =
        http1::normalizePath(bytesOf(request.path), rules, {room, kHttpTextBytes - textLength_});
    if (normal.violation != http1::Violation::kNone) {
      refuseRequest(tunnel, normal.violation);
      return false;
    }
    if (normal.isChanged) {
      request.path = {reinterpret_cast<const char*>(room), normal.length};
      textLength_ += normal.length;
    }
    // Rules for paths compare without the parameters of segments, as the endpoints behind do.
    request.routePath = request.path;
    if (normal.hasParameters) {
      u8* bare = textScratch_ + textLength_;
      const u16 length =
          http1::stripParameters(bytesOf(request.path), {bare, kHttpTextBytes - textLength_});
      request.routePath = {reinterpret_cast<const char*>(bare), length};
      textLength_ += length;
    }
  } else {
    request.routePath = request.path;
  }
  request.target = request.path;
  if (head.hasQuery) {
    codec::Writer writer(textRoom());
    writer.putText(request.path.data(), request.path.size());
    writer.putU8('?');
    writer.putText(request.query.data(), request.query.size());
    request.target = keepText(writer);
  }
  if (request.listener->accessLog != 0) noteForLog(request);
  return true;
}

// False when the request was answered.
bool Shard::findRoute(Request& request) {
  const http1::Head& head = *request.head;
  http::RouteRequest asked;
  asked.host = request.host;
  asked.path = request.routePath;
  asked.query = request.query;
  asked.method = static_cast<u8>(head.method);
  asked.headers = http::headerLookupOf(head);
  const http::RouteMatch match =
      routeTables_[request.listener->http].match(asked, regexScratch_.get());
  if (!match.isFound()) {
    answerEarly(request, 404, HttpEnd::kNoRoute);
    return false;
  }
  request.number = match.route;
  request.route = &snapshot_.httpRoute(*request.spec, match.route);
  return true;
}

// False when the request was answered.
bool Shard::acceptWebSocket(Request& request) {
  const HttpRouteSpec& route = *request.route;
  Exchange& exchange = exchangePool_[request.exchange];
  HttpCell& cell = board_.http(options_.index, tunnels_[request.tunnel].listener);
  if (route.webSocket.isAllowed == 0) {
    cell.count(HttpCounter::kWebSocketsRefused);
    answerEarly(request, 403, HttpEnd::kUpgradeRefused);
    return false;
  }
  const codec::UpgradeRequest asked = http::upgradeRequestOf(*request.head);
  const bool isLine =
      request.head->method == http1::Method::kGet && request.head->minorVersion == 1;
  const codec::HandshakeViolation violation = asked.check(
      isLine ? codec::UpgradeRequest::Line::kHttp11Get : codec::UpgradeRequest::Line::kOther);
  if (violation != codec::HandshakeViolation::kNone || !exchange.request.isEnded()) {
    cell.count(HttpCounter::kWebSocketsRefused);
    const http1::FieldEdit version{http1::FieldEdit::Kind::kSet,
                                   http1::FieldId::kSecWebSocketVersion, "Sec-WebSocket-Version",
                                   "13"};
    const u16 status = codec::statusOf(violation);
    answerEarly(request, status == 0 ? 400 : status, HttpEnd::kUpgradeRefused,
                {&version, status == 426 ? size_t{1} : size_t{0}});
    return false;
  }
  exchange.accept = codec::webSocketAcceptOf(asked.key());
  if (exchange.limits == kNoIndex) holdMessageLimits(request);
  exchange.flags |= kExWebSocket;
  FramesSettings settings{route.webSocket, route.id};
  const FilterChain* chain = chainOf(exchange.chain);
  constexpr u32 kOfTunnels = kNeedOpen | kNeedMessage | kNeedEnd;
  if (chain != nullptr && (chain->mask & kOfTunnels) != 0) settings.chain = exchange.chain;
  // What is shown as text is text.
  if (isMessageAsked(settings.chain)) settings.spec.isValidated = 1;
  exchange.settings = holdSettings(settings);
  if (exchange.settings == kNoIndex) {
    answerEarly(request, 503, HttpEnd::kOverLimit);
    return false;
  }
  return true;
}

// The time for the answer runs from the end of the request.
void Shard::noteRequestEnd(Exchange& exchange) {
  if (!exchange.request.isEnded() || exchange.requestTicks == 0) return;
  exchange.requestTick = nowTick_ + exchange.requestTicks;
}

// Answers a request of which nothing went to an endpoint. Its content is of no use to anybody: when
// it is all there, the connection stays, and what follows it is looked at.
void Shard::answerEarly(const Request& request, u16 status, HttpEnd end,
                        std::span<const http1::FieldEdit> edits, std::string_view content) {
  Exchange& exchange = exchangePool_[request.exchange];
  size_t at = 0;
  while (!exchange.request.isEnded() && at < request.rest.size()) {
    const http1::BodyPiece piece = exchange.request.take(request.rest.subspan(at));
    at += piece.taken;
    exchange.bytesIn += piece.contentBytes;
    if (piece.event != http1::BodyEvent::kMore) break;
  }
  if (exchange.request.isEnded()) keepUnread(httpOf(request.tunnel), request.rest.subspan(at));
  answer(request.tunnel, status, end, edits, content);
}

// What follows a request waits for its answer. At the memory cap it does not: the connection ends
// with that answer, and whoever sent more sends it again (RFC 9112 9.3.2).
void Shard::keepUnread(HttpConn& http, std::span<const u8> rest) {
  if (rest.empty()) return;
  if (!chunks_.hasRoom(rest.size())) {
    http.flags |= kHttpCloseDue;
    return;
  }
  (void)chunks_.append(http.kept, rest.data(), rest.size());
  http.flags |= kHttpUnread;
}

// Redirects and fixed answers.
void Shard::actHere(Request& request) {
  const HttpRouteSpec& route = *request.route;
  const std::string_view text = expand(request, route.text);
  HF_UNINITIALIZED EditList edits;
  const bool isRedirect = route.action == HttpAction::kRedirect;
  if (isRedirect) {
    edits.set(http1::FieldId::kLocation, "Location", text);
  } else if (route.contentType.length != 0) {
    edits.set(http1::FieldId::kContentType, "Content-Type", snapshot_.text(route.contentType));
  }
  editRoute(request, snapshot_.edits(route.responseEditFirst, route.responseEditCount), edits);
  answerEarly(request, static_cast<u16>(route.status), HttpEnd::kDirect, edits.all(),
              isRedirect ? std::string_view() : text);
}

// Writes the request as the endpoint is to get it, with the content that came with the head. False
// when the request was answered.
bool Shard::openExchange(Request& request) {
  Exchange& exchange = exchangePool_[request.exchange];
  const HttpRouteSpec& route = *request.route;
  const http1::Head& head = *request.head;
  http1::RequestPlan plan = http1::planRequest(head);
  plan.path = request.path;
  if (!rewritePath(request, &plan.path)) {
    answerEarly(request, 400, HttpEnd::kRequestInvalid);
    return false;
  }
  if (route.host.length != 0) plan.host = snapshot_.text(route.host);
  // HTTP/1.0 may come without one.
  if (plan.host.empty()) plan.host = "localhost";
  if ((exchange.flags & kExWebSocket) != 0) plan.hop = http1::Hop::kWebSocket;
  if (plan.isChunked) exchange.flags |= kExRequestChunked;
  std::string_view cookie;
  exchange.hash = hashOf(request, &exchange.hasHash, &cookie);
  if (request.routed != nullptr) retarget(*request.routed, &plan, &exchange);
  HF_UNINITIALIZED EditList edits;
  editRequest(request, edits);
  plan.edits = edits.all();
  codec::Writer writer({outScratch_, kHttpOutBytes});
  if (edits.isFull() || !http1::writeRequestHead(head, plan, &writer)) {
    answerEarly(request, 431, HttpEnd::kRequestInvalid);
    return false;
  }
  const size_t headBytes = outLength_ = writer.size();
  if (outLength_ > kHttpHeadOutBytes) {
    answerEarly(request, 431, HttpEnd::kRequestInvalid);
    return false;
  }
  if (!request.id.empty() && request.listener->accessLog != 0) noteForLog(request);
  if (!noteEdits(request, cookie) || (exchange.chain != 0 && !keepAsked(request))) {
    answerEarly(request, 503, HttpEnd::kNoMemory);
    return false;
  }
  HttpConn& http = httpOf(request.tunnel);
  const ContentFlow flow{&exchange.request, &http.scan,     &http.kept,           &exchange.bytesIn,
                         kNoIndex,          plan.isChunked, &http1::kTrailerRules};
  size_t taken = 0;
  int error = 0;
  const Passed passed = passContent(flow, request.rest, &taken, &error);
  if (passed == Passed::kViolation) {
    refuseRequest(request.tunnel, exchange.request.violation());
    return false;
  }
  if (passed == Passed::kEnd) {
    exchange.flags |= kExReplayable;
    keepUnread(http, request.rest.subspan(taken));
  }
  if (chunks_.append(exchange.head, outScratch_, outLength_) != outLength_) {
    answer(request.tunnel, 503, HttpEnd::kNoMemory);
    return false;
  }
  if (exchange.mirror != kNoIndex) [[unlikely]]
    beginMirrors(request.tunnel, headBytes);
  return true;
}

bool Shard::rewritePath(Request& request, std::string_view* path) {
  if (!path->starts_with('/')) return true;
  u8* room = textScratch_ + textLength_;
  codec::Writer writer({room, kHttpTextBytes - textLength_});
  const http::RouteTable& table = routeTables_[request.listener->http];
  if (!table.rewritePath(request.number, *path, regexScratch_.get(), &writer)) return false;
  *path = {reinterpret_cast<const char*>(room), writer.size()};
  textLength_ += writer.size();
  return true;
}

// What a cluster that balances by hash tells requests apart by. With a cookie that the client is to
// get, `cookie` is its value.
u64 Shard::hashOf(const Request& request, bool* hasHash, std::string_view* cookie) {
  const HttpRouteSpec& route = *request.route;
  const std::string_view name = snapshot_.text(route.hashName);
  std::string_view value;
  switch (route.hashSource) {
    case HashSource::kHeader:
      value = request.field(name);
      break;
    case HashSource::kQuery:
      value = request.parameter(name);
      break;
    case HashSource::kCookie:
      value = request.cookie(name);
      if (value.empty() && route.cookieSeconds != 0) *cookie = value = drawHex(16);
      break;
    case HashSource::kAddress:
    case HashSource::kCount:
      break;
  }
  *hasHash = !value.empty();
  return value.empty() ? 0 : sipHash13(board_.addressKey(), value.data(), value.size());
}

// Digits of a random number, in the text scratch.
std::string_view Shard::drawHex(u32 digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  if (kHttpTextBytes - textLength_ < digits) return {};
  char* text = reinterpret_cast<char*>(textScratch_ + textLength_);
  u64 bits = 0;
  for (u32 i = 0; i < digits; i++) {
    if (i % 16 == 0) bits = random_.nextU64();
    text[i] = kDigits[bits & 15];
    bits >>= 4;
  }
  textLength_ += digits;
  return {text, digits};
}

}  // namespace holdfast::proxy
