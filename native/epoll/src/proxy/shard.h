// Shard: one reactor and everything that lives in it. The hub of the data plane.
//
// A shard runs on one thread. A turn takes ready events, runs tasks by class and budget, fires
// deadlines, and frees what closed. In a worker the shard's epoll is where the thread sleeps: the
// host loop's descriptor is one entry in it (watchHost), so a turn costs one epoll_wait. Invariant:
// a connection stays in its shard for life, and only its shard touches its records, its descriptors
// and its pending chains. JavaScript is entered in one place, at the end of a turn, where filters
// wait (filters.cc), and nowhere without them.
//
// What it keeps is in shard_state.h. Its parts are shard.cc (turn, admission, snapshot),
// tunnel_*.cc (from a PROXY header to the end; frames: WebSockets), http_*.cc (requests,
// connections to endpoints, responses), filter*.cc and policies.cc (what filters decide) and
// listing.cc.
#pragma once

#include "proxy/shard_state.h"

namespace holdfast::proxy {

class Shard : private ShardState {
 public:
  Shard(Board& board, const ShardOptions& options);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  // Stops first when it is still running.
  ~Shard();

  // ENOMEM, EMFILE: what the kernel refused.
  Status start();
  // Watches the descriptor of the loop that hosts this thread (libuv's backend).
  Status watchHost(int fd);
  // Sleeps up to `timeoutMs` (0: not at all, -1: without end) and runs what is ready. True when the
  // host loop has events, so that the thread must be given back to it.
  bool turn(int timeoutMs = 0);
  [[nodiscard]] bool isStopped() const { return isStopped_; }
  // New connections use it from here on; established ones keep what they copied.
  Status applySnapshot(int fd);
  // Closes every tunnel at once and takes no more.
  void stop();

  [[nodiscard]] bool kill(Handle handle);
  // Spreads the end of all tunnels, present and to come, over `overMs`. Returns how many there are.
  u32 drain(u32 overMs);
  void undrain();
  // Ends what a drain left over, in up to kDrainSlotsMax records from `cursor`: a request gets its
  // 503 or has its answer cut. Adds to `ended` how many peers have something to read still, and
  // returns where to go on, or kNoIndex at the end.
  u32 cutDrained(u32 cursor, u32* ended);
  // Looks at up to `slots` records from `cursor`; appends matches up to `limit`.
  // Returns where to go on, or kNoIndex at the end.
  u32 list(u32 cursor, u32 slots, u32 limit, const ConnectionFilter& filter,
           std::vector<ConnectionView>* out);
  // Before the first snapshot with chains of filters; the arrays live as long as the shard.
  Status attachFilters(const FilterMemory& memory, FilterHost host);
  // The answers to a batch, from inside of FilterHost::run.
  void settleFilters(u32 words);
  // Answers that come by themselves.
  void applyFilterAnswers(u32 words);
  // FilterHost::drained follows when nobody holds the chain and no snapshot names it.
  void retireFilterChain(u32 chain);
  [[nodiscard]] u32 tunnels() const {
    return tunnels_.inUse() - mirrors_ - (pooledTunnel_ == kNoIndex ? 0 : 1);
  }
  [[nodiscard]] u32 pendingChunks() const { return chunks_.inUse(); }
  // What exchanges hold beside themselves: plans of copies, and responses to be compressed.
  [[nodiscard]] u32 heldBeside() const { return mirrorPlans_.inUse() + codedPool_.inUse(); }
  // Debug: aborts when a live tunnel has no deadline, or a count is wrong. O(tunnels).
  void assertConserved();

 private:
  enum class How : u8 { kFin, kReset };

  // shard.cc
  void takeEvent(const sys::Event& event);
  [[nodiscard]] bool isWriteAwaited(const Conn& conn);
  void runTasks();
  u32 serveTls();
  u32 runList(TaskList<Pool<Conn>>& list, u32 budget);
  void dropClosedHellos();
  void runTask(u32 conn);
  void runDeadlines();
  void admit();
  void admitOne(const MailboxMessage& message);
  void refuse(const MailboxMessage& message, CloseReason reason);
  bool holdAddress(u32 tunnel, const ListenerSpec& listener);
  void countClosed(u32 listener, CloseReason reason);
  void freeClosed();
  void armTimer();
  void publish();
  void queue(u32 conn);
  void queueNew(u32 conn);
  Status prepareTls(const Snapshot& next);
  Status duplicateForPool(const Snapshot& next, int fd, std::vector<int>* copies);
  [[nodiscard]] const ListenerSpec* findListener(u32 id) const;
  [[nodiscard]] u32 findCluster(u32 id) const;
  // tunnel_hello.cc
  void direct(u32 tunnel, const ListenerSpec& listener);
  void directNow(u32 tunnel, const ListenerSpec& listener);
  void ready(u32 tunnel, const ListenerSpec& listener, std::string_view serverName);
  void readyNow(u32 tunnel, const ListenerSpec& listener);
  void readHello(u32 tunnel);
  void chooseCluster(u32 tunnel, const ListenerSpec& listener, std::string_view serverName,
                     std::span<const u8> alpn);

  // tunnel_tls.cc
  void beginHandshake(u32 tunnel, const ListenerSpec& listener);
  void keepClientHeader(u32 tunnel);
  void beginEndpointHandshake(u32 tunnel, const ClusterSpec& cluster);
  bool openHandshake(u32 conn);
  void runHandshake(u32 conn);
  void stepHandshake(u32 conn, size_t total);
  void giveToPool(u32 conn, size_t total);
  void collectHandshakes();
  void takeAnswer(HandshakeAnswer& answer);
  void handshakeDone(u32 conn);
  void settleHandshake(u32 conn, const HfTlsNegotiated& agreed);
  void handshakeFailed(u32 conn);
  void endHandshake(u32 conn, const char* why);
  void detach(TlsConn& tls);
  [[nodiscard]] bool attachRecords(TlsConn& tls, const tls::RecordKeys& keys);
  void attachTls(u32 conn);
  void endTls(u32 conn, How how);
  void leaveEngine(TlsConn& tls);

  // tunnel_records.cc
  bool readSecured(u32 from, u32 to, u32* budget, u32 room);
  bool noteDrained(u32 conn, bool isShort);
  size_t fillRecords(u32 conn, u32 room, IoResult* result);
  bool takeRecords(u32 from, u32 to, size_t total, u32* budget);
  void endRecords(u32 conn);
  tls::Opened openAll(u32 conn, size_t total);
  void refuseRecords(u32 conn, const tls::Opened& opened);
  tls::Opened openRecords(u32 conn, size_t total);
  tls::Opened openByEngine(u32 conn, size_t total);
  bool pass(u32 from, u32 to, size_t length);
  bool passSealed(u32 from, u32 to, size_t length);
  bool isUnmissed(u32 conn, int error);
  [[nodiscard]] int emit(u32 conn, const u8* bytes, size_t length);
  [[nodiscard]] bool mayReply(u32 conn, size_t length);
  void replyDue(u32 conn);
  [[nodiscard]] bool transmit(u32 conn, const u8* bytes, size_t length, int* error);
  bool closeNotify(u32 conn);
  void noteBroken(u32 conn, int error);
  void sendFin(u32 conn);
  void noteMessage(const Conn& source, size_t length);
  bool noteUnread(u32 from, const IoResult& result);

  // tunnel_open.cc
  void readHeader(u32 tunnel);
  // What is kept of clusters goes over to those of the snapshot in use, while the former is mapped.
  void renewBalancers();
  void startConnect(u32 tunnel);
  bool useEndpoint(u32 tunnel, const ClusterSpec& cluster, const EndpointSpec& endpoint);
  // 0 when under way, otherwise the errno.
  int connectTo(u32 tunnel, const ClusterSpec& cluster, const EndpointSpec& endpoint);
  void finishConnect(u32 tunnel);
  void failConnect(u32 tunnel, int error);
  bool noteConnectFailure(u32 tunnel, int error);
  void opened(u32 tunnel);
  // What is done with the client's PROXY header: ours made of it, itself dropped.
  enum class HeaderUse : u8 { kSend = 1, kDrop = 2, kSendAndDrop = 3 };
  [[nodiscard]] bool passProxyHeader(u32 tunnel, u32 version, HeaderUse use);
  size_t addTlsTlvs(u32 tunnel, std::span<const u8> tlvs, std::span<u8> out);
  void leaveEndpoint(u32 tunnel);
  void checkClientWhileConnecting(u32 tunnel);
  void setUpstreamOptions(u32 tunnel);
  void setNodelay(Conn& conn);

  // tunnel_io.cc
  void forward(u32 conn);
  void readFrom(u32 conn);
  // Returns false when reading should stop for now.
  bool readOnce(u32 from, u32 to, u32* budget);
  bool readHeldBack(u32 from, u32 to, u32* budget);
  bool readUpTo(u32 from, u32 to, u32* budget, u32 room);
  bool readUnbuffered(u32 from, u32 to, u32* budget, u32 room);
  bool deliver(u32 from, u32 to, size_t length);
  void flush(u32 conn);
  void endOfStream(u32 conn);
  void writeFailed(u32 conn, int error);
  void resumePeer(u32 conn);
  void discardInput(u32 conn);

  // http_client.cc
  void beginHttp(u32 tunnel);
  Received receive(u32 conn, size_t offset, u32 room);
  Received receiveNothing(u32 conn);
  Received receiveRecords(u32 conn, size_t offset, u32 room);
  void serveClient(u32 conn);
  bool readRequest(u32 tunnel, u32* budget);
  bool readContent(u32 tunnel, u32* budget);
  void refuseRequest(u32 tunnel, http1::Violation violation);
  int flushPending(u32 conn);
  Passed passContent(const ContentFlow& flow, std::span<const u8> bytes, size_t* taken, int* error);
  bool putOut(u32 to, const u8* bytes, size_t length, int* error);
  bool flushOut(u32 to, int* error);
  void pauseFor(u32 conn);
  [[nodiscard]] bool isReaderPaused(const Conn& conn) const;
  void resumeReader(u32 reader, u32 writer);

  // http_request.cc
  struct Request;
  struct EditList;
  void startExchange(u32 tunnel, size_t total);
  void advanceExchange(u32 tunnel, const ListenerSpec& listener, size_t total,
                       const FilterAnswer* answered);
  bool findTarget(Request& request);
  bool findRoute(Request& request);
  void enterRoute(Request& request);
  u32 clusterFor(const Request& request);
  bool acceptWebSocket(Request& request);
  void noteRequestEnd(Exchange& exchange);
  void answerEarly(const Request& request, u16 status, HttpEnd end,
                   std::span<const http1::FieldEdit> edits = {}, std::string_view content = {});
  void keepUnread(HttpConn& http, std::span<const u8> rest);
  void actHere(Request& request);
  bool openExchange(Request& request);
  bool rewritePath(Request& request, std::string_view* path);
  u64 hashOf(const Request& request, bool* hasHash, std::string_view* cookie);

  // http_edits.cc
  struct Asked {
    Shard* shard;
    const Request* request;
  };
  std::span<u8> textRoom();
  std::string_view keepText(const codec::Writer& writer);
  std::string_view expand(const Request& request, const TextSpec& text);
  std::string_view expand(const Request& request, std::string_view compiled);
  static std::string_view findVariable(const void* owner, http::Variable variable,
                                       std::string_view name, std::span<char> room);
  void editRequest(Request& request, EditList& edits);
  void editForwarding(Request& request, EditList& edits);
  std::string_view chainOf(const Request& request, http1::FieldId id, std::string_view last);
  std::string_view viaOf(const HttpSpec& spec, u8 minorVersion);
  void editRoute(const Request& request, std::span<const HttpEditSpec> specs, EditList& edits);
  bool noteEdits(Request& request, std::string_view cookie);
  bool keepEdits(std::span<const http1::FieldEdit> edits, ChunkChain* chain);
  std::string_view stickyCookie(const Request& request, std::string_view value);
  void editResponse(u32 tunnel, EditList& edits);
  void putKept(const ChunkChain& chain, EditList& edits);
  std::string_view drawHex(u32 digits);
  void putHex(codec::Writer* writer, u32 digits);

  // http_log.cc
  void noteForLog(const Request& request);
  void describeClient(u32 tunnel, HttpRecord* line);
  void pushRecord(const HttpRecord& line);
  void writeRequestRecord(u32 tunnel, u16 status, HttpEnd end);
  void writeTunnelRecord(u32 tunnel, RecordEvent event, HttpEnd end);

  // log_fields.cc
  void readLogged(u32 tunnel, u32 exchange, codec::LogFields* fields);
  void keepLogged(u32 tunnel, u32 exchange, const codec::LogFields& fields);
  void dropLogged(u32 slot);
  void takeLogged(const FilterRecord& record, const FilterAnswer& answer);
  void logByPolicies(const Request& request);
  void endLogged(u32 tunnel, u32 exchange);
  void endLogged(u32 tunnel);
  void assertLoggedConserved();

  // http_upstream.cc
  void dispatch(u32 tunnel);
  bool attachUnused(u32 tunnel);
  void takeUpstream(u32 tunnel);
  void httpConnected(u32 tunnel);
  void sendRequest(u32 tunnel);
  void dropUpstream(u32 tunnel, bool isReusable, How how);
  void releaseUpstream(u32 conn);
  void removeUnused(u32 upstream);
  void serveUnused(u32 conn);
  void sweepUnused();
  void closeUnused();
  void closeOutdated(const Snapshot& next);
  void giveUpConnect(u32 tunnel, CloseReason reason);
  bool retryExchange(u32 tunnel, u32 condition);
  bool takeRetry(u32 tunnel);
  bool enterCircuits(u32 tunnel, const ClusterSpec& cluster);
  bool enterConnect(u32 tunnel, const ClusterSpec& cluster);
  void leaveCircuits(u32 tunnel);
  void leaveCircuit(Exchange& exchange, u32 flag, Circuit circuit);
  void leaveConnections(HttpUpstream& upstream);
  void upstreamFailed(u32 tunnel, HttpEnd end);
  void noteAnswered(u32 tunnel, bool isError);

  // head_edits.cc
  bool replaceHead(const EditList& edits, std::string_view target, std::string_view host,
                   size_t* total);
  bool rewriteHead(const FilterAnswer& answered, size_t* total);
  void takeHeadEdits(EditList* edits);
  bool editHead(const Request& request, const EditList& edits, size_t* total);
  const http1::Head& headToCome(const Request& request);

  // policies.cc
  bool passConnection(u32 tunnel, const ListenerSpec& listener, policy::Phase phase);
  bool passPolicies(const Request& request, const TextSpec& spec, u32 flag, size_t total);
  void endDelay(u32 tunnel);
  void leaveLimits(Exchange& exchange);
  [[nodiscard]] policy::Facts factsOf(u32 tunnel);
  [[nodiscard]] policy::Facts factsOf(const Request& request);
  void holdMessageLimits(const Request& request);
  [[nodiscard]] bool takeMessages(const Tunnel& tunnel, u32 messages);
  bool holdUp(const Request& request, u32 delayMs, size_t total);

  // throttles.cc
  [[nodiscard]] Throttle* throttleOf(u32 tunnel);
  [[nodiscard]] bool isThrottled(u32 tunnel, Side from);
  [[nodiscard]] u32 bufferHighOf(u32 tunnel);
  void findThrottles(const policy::PolicyList& list, const policy::Facts& facts,
                     Throttle* throttle);
  void beginThrottle(u32 tunnel, Throttle& throttle);
  void throttleConnection(u32 tunnel, const policy::PolicyList& list);
  bool throttleRequest(const Request& request, size_t total);
  u64 chargeThrottle(u32 tunnel, Side from, u64 bytes);
  u32 grantFor(u32 conn);
  void waitForTokens(u32 conn, Throttle::Direction& direction, u64 waitNs);
  u32 takeAllowance(u32 conn, u64 most);
  void settleAllowance(u32 conn, u32 paid, u64 bytes);
  void spendThrottle(u32 conn, u64 bytes);
  bool mayFill(u32 conn, const Conn& sink, u32* room);
  void wakeThrottled(u32 tunnel);
  void endWait(Throttle::Direction& direction, u32 conn);
  void putOffPong(u32 tunnel);
  [[nodiscard]] u32 throttleTick(u32 tunnel);
  void endThrottle(u32 tunnel);
  Status prepareThrottles();
  void assertThrottlesConserved();

  // filters.cc
  void detachFilters();
  void applyChains();
  [[nodiscard]] const FilterChain* chainOf(u32 id) const;
  u16 holdChain(u32 id);
  void leaveChain(u32 id);
  void forgetChain(FilterChain& chain);
  void wake();
  [[nodiscard]] bool hasFilters() const { return filters_ != nullptr; }
  [[nodiscard]] bool isFilterWorkLeft() const;
  void runFiltersIfFull();
  void runFilters();
  void settleLate();
  void settleDue();
  void putDueEnds();
  void askExchangeAgain(const FilterRecord& asked);
  void settle(const FilterRecord& record, const FilterAnswer* answer);
  void tellEnd(const FilterEnd& end, bool isParked);
  void putEnd(const FilterEnd& end);
  bool askConnection(u32 tunnel, FilterHook hook, std::string_view serverName);
  void askConnectionAgain(const FilterRecord& record);
  void resumeConnection(const FilterRecord& record, const FilterAnswer* answer);
  void endConnection(u32 tunnel);

  // http_filters.cc
  bool putHead(FilterBatch& batch, const FilterRecord& asked, const Request& request);
  void putPlaces(FilterBatch& batch, u32 tunnel, const Exchange& exchange,
                 const HttpRouteSpec* route);
  bool keepAsked(const Request& request);
  bool keepHead(u32 tunnel, size_t total);
  bool putAsked(const FilterRecord& asked, u32 tunnel, const Exchange& exchange,
                const http1::Head* response);
  [[nodiscard]] bool isAsked(const Exchange& exchange, FilterHook hook) const;
  [[nodiscard]] FilterRecord exchangeRecord(u32 exchange, FilterHook hook) const;
  void parkExchange(u32 tunnel, const FilterRecord& asked, bool isWritten);
  bool askRequest(const Request& request, FilterHook hook, size_t total);
  bool askEndpoint(u32 tunnel);
  bool askResponse(u32 tunnel, std::span<const u8> bytes);
  void resumeExchange(u32 index, FilterHook hook, const FilterAnswer* answer);
  void resumeRequest(u32 tunnel, const FilterAnswer* answered);
  void resumeEndpoint(u32 tunnel, const FilterAnswer* answered);
  void resumeResponse(u32 tunnel, const FilterAnswer* answered);
  void editByFilter(EditList& edits);
  void respondByFilter(u32 tunnel, const Request* request, const FilterAnswer& answered);
  void closeByFilter(u32 tunnel);
  void leaveRoute(Exchange& exchange);
  bool takeVerdict(Request& request, const FilterAnswer& answered);
  void retarget(const FilterAnswer& answered, http1::RequestPlan* plan, Exchange* exchange);
  bool editAsked(u32 tunnel, const FilterAnswer& answered);
  void endExchangeFilters(u32 index);

  // filter_messages.cc
  [[nodiscard]] bool isMessageAsked(u32 chain) const;
  [[nodiscard]] u32 tunnelChain(const Tunnel& tunnel) const;
  [[nodiscard]] const FilterChain* messageChain(const Tunnel& tunnel, Side from) const;
  [[nodiscard]] MessageHold& holdOf(const Tunnel& tunnel, Side from);
  [[nodiscard]] bool isClosedByFilter(const Tunnel& tunnel) const;
  [[nodiscard]] bool isHeld(u32 conn);
  [[nodiscard]] bool isBetweenFrames(u32 tunnel, Side from);
  bool passMessages(u32 from, u32 to, size_t length);
  bool takeFrame(u32 from, u32 to, const codec::FrameReport& report);
  void holdRest(u32 tunnel, Side side, std::span<const u8> bytes);
  bool holdMessage(u32 from, u32 wireBytes, bool isShown);
  enum class MessagePut : u8 { kWritten, kNoRoom, kTooLong };
  MessagePut putMessage(const FilterRecord& asked, const MessageHold& hold, u32 offset);
  bool giveHeld(u32 from, u32 to, u32 length);
  bool giveFrames(u32 from, u32 to, std::span<const u8> bytes);
  bool giveControls(u32 from, u32 to, u32 length, codec::Opcode* opcode);
  void settleMessage(const FilterRecord& record, const FilterAnswer* answer);
  void finishHeld(u32 tunnel, Side side);
  void pauseHeld(u32 from);
  void refuseHeld(u32 tunnel, Side side);
  void askOpen(u32 tunnel, const Exchange& exchange);
  void askTunnelAgain(const FilterRecord& record);
  void settleOpen(u32 tunnel, const FilterAnswer* answer);
  void closeByMessage(u32 tunnel, const FilterAnswer& answer);
  std::string_view closeTextOf(const Tunnel& tunnel, std::span<u8> room);
  bool releaseHolds(u32 tunnel);
  void endTunnelFilters(u32 tunnel);

  // filter_chunks.cc
  void openChunks(u32 tunnel);
  bool passChunks(u32 from, u32 to, size_t length);
  bool cutChunks(u32 from, u32 to);
  u32 measureChunk(u32 from, const FilterChain& chain, u32 own);
  bool givePlain(u32 from, u32 to, std::string_view bytes);
  void dropPart(const Tunnel& tunnel, Side side);

  // http_hedge.cc
  bool startHedge(u32 tunnel);
  void serveHedged(u32 conn);
  void promoteHedged(u32 tunnel);
  void dropHedged(u32 tunnel);

  // http_mirror.cc
  void planMirrors(const Request& request);
  void countMirror(u32 cluster, ClusterHttpCounter counter);
  void beginMirrors(u32 tunnel, size_t headBytes);
  bool keepForMirrors(MirrorPlan& plan, const u8* bytes, size_t length);
  void leaveOutMirrors(MirrorPlan& plan, u64 contentBytes);
  void copyToMirrors(Exchange& exchange, size_t total);
  void endMirrors(u32 tunnel);
  void launchMirrors(u32 tunnel);
  bool copyChain(const ChunkChain& from, ChunkChain* to);
  void launchMirror(u32 tunnel, const policy::MirrorParts& target, ChunkChain& bytes);
  void dropMirrorPlan(Exchange& exchange);
  void forgetMirrors();
  [[nodiscard]] int sendCopy(u32 tunnel);
  void serveMirror(u32 conn);
  bool readMirror(u32 tunnel);
  bool takeMirrorAnswer(u32 tunnel, size_t total);
  bool takeMirrorHead(u32 tunnel, std::span<const u8>* bytes, bool* goesOn);
  void failMirror(u32 tunnel, HttpEnd end);
  void giveUpMirror(u32 tunnel, CloseReason reason);
  void fireMirror(u32 tunnel);
  void endMirror(u32 tunnel, ClusterHttpCounter counter);

  // http_answer.cc
  void serveUpstream(u32 conn);
  bool readAnswer(u32 tunnel, u32* budget);
  bool passUnbuffered(u32 tunnel, u32* budget, u32 room);
  void endOfAnswer(u32 tunnel, int error);
  void takeAnswer(u32 tunnel, size_t total);
  bool takeAnswerHead(u32 tunnel, std::span<const u8>* bytes);
  bool passInterim(u32 tunnel);
  bool writeAnswerHead(u32 tunnel);
  void upgrade(u32 tunnel, std::span<const u8> rest);

  // http_coding.cc
  // What became of content that was given to a compressor.
  enum class Pumped : u8 { kDone, kFull, kBroken, kFailed, kViolation };
  u32 holdCodingSettings(const policy::CompressionAsked& asked);
  void dropCodingUse(CodedResponse::Use& use);
  void holdCoding(const Request& request, bool isRoute);
  void leaveRouteCoding(Exchange& exchange);
  void freeCoding(Exchange& exchange);
  bool isCodable(const Exchange& exchange, const CodingSettings& settings,
                 std::span<const http1::FieldEdit> edits);
  void codeResponse(u32 tunnel, http1::ResponsePlan& plan, EditList& edits);
  void weakenEtag(EditList& edits);
  void dropField(EditList& edits, std::string_view name);
  [[nodiscard]] bool isCodedFull(u32 tunnel);
  [[nodiscard]] bool isCodedDue(const Exchange& exchange) const;
  bool drainCoded(u32 tunnel);
  void flushCoded(u32 tunnel);
  bool putCoded(u32 client, int* error);
  Pumped pumpCoded(u32 tunnel, std::span<const u8> in, compression::Flush flush, size_t* taken,
                   int* error);
  Pumped takeCoded(u32 tunnel, std::span<const u8> bytes, size_t* at, int* error);
  Pumped settleCoded(u32 tunnel, bool isEmpty, int* error);
  Passed passCoded(u32 tunnel, std::span<const u8> bytes, size_t* taken, int* error);
  Passed endCoded(u32 tunnel, std::span<const u8> rest, size_t at, size_t* taken, int* error);

  // http_end.cc
  void answer(u32 tunnel, u16 status, HttpEnd end, std::span<const http1::FieldEdit> edits = {},
              std::string_view content = {});
  void finishExchange(u32 tunnel);
  void freeExchange(u32 tunnel);
  void freeHttp(u32 tunnel);
  void endHttp(u32 tunnel);
  void cutAnswer(u32 tunnel, HttpEnd end);
  bool cutTunnel(u32 tunnel);
  void cutExchange(u32 tunnel);
  void expireConnect(u32 tunnel);
  void answerTryLater(u32 tunnel);
  void clientGone(u32 tunnel, int error);
  void lingerHttp(u32 tunnel, CloseReason reason);
  void armHttp(u32 tunnel);
  void fireHttp(u32 tunnel);
  [[nodiscard]] u32 ticksLeft(u32 tunnel);
  bool fireExchange(u32 tunnel);
  [[nodiscard]] bool isTooSlow(Exchange& exchange) const;
  [[nodiscard]] bool isClosing(u32 tunnel) const;
  Status prepareHttp(const Snapshot& next);
  void assertHttpConserved();
  [[nodiscard]] u32 closedTunnels() const;
  void attachTables();
  [[nodiscard]] const HttpSpec* findHttp(u32 tunnel) const;
  // listing.cc
  void describeHttp(u32 tunnel, u32 tick, ConnectionView* view);

  // tunnel_frames.cc
  u32 holdSettings(const FramesSettings& wanted);
  void openFrames(u32 tunnel, u32 settings, bool hasDeflate, size_t rest);
  bool passFrames(u32 from, u32 to, size_t length);
  codec::FrameRules frameRulesOf(const Tunnel& tunnel, Side from);
  void noteFrames(u32 tunnel, Side from, const codec::FrameReport& report);
  void cutSide(u32 tunnel, Side side);
  [[nodiscard]] bool isCutOff(u32 tunnel, Side side) const;
  void endCuts(u32 tunnel);
  void refuseFrames(u32 tunnel, Side from, const codec::FrameReport& report);
  void endFrames(u32 tunnel, CloseReason reason, u16 code);
  bool settleClose(u32 tunnel);
  bool sendClose(u32 tunnel, Side to, u16 code, std::string_view reason);
  bool sendFrame(u32 tunnel, Side to, std::span<const u8> frame);
  codec::Mask drawMask();
  bool fireFrames(u32 tunnel);
  void releaseTrackers(u32 slot);
  void releaseFrames(u32 tunnel);

  // tunnel_end.cc
  void spreadDrain();
  void fireTimer(u32 tunnel);
  void fireOpen(u32 tunnel);
  bool endAbnormal(u32 conn);
  void endOpen(u32 tunnel, CloseReason reason, u16 code);
  void rearm(u32 tunnel);
  void enterState(u32 tunnel, TunnelState state, u32 deadlineTicks);
  void finishIfDone(u32 tunnel);
  void relayReset(u32 conn, int error);
  void tryEndFlush(u32 tunnel);
  void linger(u32 tunnel, CloseReason reason);
  void close(u32 tunnel, CloseReason reason, How how);
  void closeConn(u32 conn, How how);
  void writeAccessRecord(u32 tunnel, bool isEnd);
  void armAccessRecord(u32 tunnel);
  void publishTunnels() {
    count(ShardCounter::kTunnels).store(tunnels(), std::memory_order_relaxed);
  }
  [[nodiscard]] u32 drawAge(u32 ageMs, u32 jitterPermille);
};

}  // namespace holdfast::proxy
