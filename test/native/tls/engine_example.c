/* A whole handshake engine in C, as a shared library would bring it: the shortest one there can be.
 *
 * Its handshake is two messages of 36 bytes, "HELO" and 32 random bytes each way; the secrets are
 * both randoms, mixed. It is no protection at all: it shows what every function of the table has to
 * do, and the tests drive it through the loader like any other engine.
 * cc -shared -fPIC -I native/epoll/src engine_example.c -o engine_example.so
 */
#include <stdlib.h>
#include <string.h>
#include <tls/engine_abi.h>

#define MESSAGE_BYTES 36u

struct HfTlsShard {
  unsigned configs;
};

struct HfTlsConfig {
  struct HfTlsShard* shard;
  uint8_t role;
  unsigned references;
};

struct HfTlsHandshake {
  struct HfTlsConfig* config;
  uint8_t ours[MESSAGE_BYTES];
  uint8_t theirs[MESSAGE_BYTES];
  size_t sent; /* of our message: output may be short of room */
  int isRead;  /* their message is there */
  int isFailed;
};

static HfTlsShard* openShard(HfTlsProblem* problem) {
  (void)problem;
  return calloc(1, sizeof(HfTlsShard));
}

static void closeShard(HfTlsShard* shard) { free(shard); }

static HfTlsConfig* createConfig(HfTlsShard* shard, const HfTlsOptions* options,
                                 HfTlsProblem* problem) {
  problem->domain = problem->certificate = HF_TLS_NONE;
  problem->text[0] = '\0';
  if (options->domainsCount != 1) {
    strcpy(problem->text, "the example has one domain");
    return NULL;
  }
  HfTlsConfig* config = calloc(1, sizeof(*config));
  if (config == NULL) return NULL;
  config->shard = shard;
  config->role = options->role;
  config->references = 1;
  shard->configs++;
  return config;
}

static void releaseConfig(HfTlsConfig* config) {
  if (--config->references != 0) return;
  config->shard->configs--;
  free(config);
}

static void setTicketKeys(HfTlsConfig* config, const HfTlsTicketKey* keys, size_t count) {
  (void)config, (void)keys, (void)count; /* it has no tickets */
}

static int certificateFacts(const HfTlsConfig* config, size_t index, HfTlsCertificateFacts* facts) {
  (void)config, (void)index, (void)facts;
  return 0;
}

static HfTlsHandshake* create(HfTlsConfig* config, HfTlsBytes serverName) {
  (void)serverName;
  HfTlsHandshake* handshake = calloc(1, sizeof(*handshake));
  if (handshake == NULL) return NULL;
  /* A handshake outlives a reload, so it holds its config. */
  handshake->config = config;
  config->references++;
  memcpy(handshake->ours, "HELO", 4);
  for (size_t i = 4; i < MESSAGE_BYTES; ++i) handshake->ours[i] = (uint8_t)rand();
  return handshake;
}

static HfTlsStep step(HfTlsHandshake* handshake, HfTlsIo* io) {
  io->consumed = io->produced = 0;
  if (handshake->isFailed) return HF_TLS_FAILED;
  /* Who originates speaks first; who terminates answers. */
  if (!handshake->isRead && handshake->config->role == HF_TLS_TERMINATING &&
      io->inputLength < MESSAGE_BYTES) {
    return HF_TLS_WANT_INPUT;
  }
  if (handshake->sent < MESSAGE_BYTES) {
    size_t part = MESSAGE_BYTES - handshake->sent;
    if (part > io->outputCapacity) part = io->outputCapacity;
    memcpy(io->output, handshake->ours + handshake->sent, part);
    io->produced = part;
    handshake->sent += part;
  }
  if (!handshake->isRead) {
    /* Whole messages only: what is not taken comes again. */
    if (io->inputLength < MESSAGE_BYTES) return HF_TLS_WANT_INPUT;
    memcpy(handshake->theirs, io->input, MESSAGE_BYTES);
    io->consumed = MESSAGE_BYTES;
    handshake->isRead = 1;
    if (memcmp(handshake->theirs, "HELO", 4) != 0) {
      handshake->isFailed = 1;
      return HF_TLS_FAILED;
    }
  }
  return handshake->sent < MESSAGE_BYTES ? HF_TLS_WANT_OUTPUT : HF_TLS_DONE;
}

static void negotiated(const HfTlsHandshake* handshake, HfTlsNegotiated* out) {
  (void)handshake;
  memset(out, 0, sizeof(*out));
  out->version = HF_TLS_VERSION_1_3;
  out->suite = 0x1301;
  out->canDetach = 1;
}

static void failure(const HfTlsHandshake* handshake, HfTlsFailure* out) {
  memset(out, 0, sizeof(*out));
  out->alertSent = out->alertReceived = 0xff;
  if (handshake->isFailed) strcpy(out->reason, "the first four bytes are not HELO");
}

static HfTlsStep detach(HfTlsHandshake* handshake, HfTlsRecordKeys* keys) {
  memset(keys, 0, sizeof(*keys));
  keys->version = HF_TLS_VERSION_1_3;
  keys->suite = 0x1301;
  keys->role = handshake->config->role;
  const int isOriginating = keys->role == HF_TLS_ORIGINATING;
  const uint8_t* first = isOriginating ? handshake->ours : handshake->theirs;
  const uint8_t* second = isOriginating ? handshake->theirs : handshake->ours;
  HfTlsDirectionKeys* up = isOriginating ? &keys->write : &keys->read;
  HfTlsDirectionKeys* down = isOriginating ? &keys->read : &keys->write;
  for (size_t i = 0; i < 32; ++i) {
    up->secret[i] = (uint8_t)(first[4 + i] ^ second[4 + i]);
    down->secret[i] = (uint8_t)(first[4 + i] + second[4 + i]);
  }
  return HF_TLS_DONE;
}

/* Every connection detaches, so the engine never has records of its own. */
static HfTlsStep readRecords(HfTlsHandshake* handshake, HfTlsIo* io, uint8_t* plain,
                             size_t capacity, size_t* length) {
  (void)handshake, (void)plain, (void)capacity;
  io->consumed = io->produced = 0;
  *length = 0;
  return HF_TLS_FAILED;
}

static HfTlsStep writeRecords(HfTlsHandshake* handshake, HfTlsIo* io, const uint8_t* plain,
                              size_t count, size_t* length) {
  (void)handshake, (void)plain, (void)count;
  io->consumed = io->produced = 0;
  *length = 0;
  return HF_TLS_FAILED;
}

static HfTlsStep closeRecords(HfTlsHandshake* handshake, HfTlsIo* io) {
  (void)handshake;
  io->consumed = io->produced = 0;
  return HF_TLS_FAILED;
}

static uint32_t ticketsReceived(const HfTlsHandshake* handshake) {
  (void)handshake;
  return 0;
}

static void freeHandshake(HfTlsHandshake* handshake) {
  releaseConfig(handshake->config);
  memset(handshake, 0, sizeof(*handshake));
  free(handshake);
}

static const HfTlsEngine engine = {
    .abiVersion = HF_TLS_ENGINE_ABI_VERSION,
    .structBytes = sizeof(HfTlsEngine),
    .name = "example",
    .openShard = openShard,
    .closeShard = closeShard,
    .createConfig = createConfig,
    .releaseConfig = releaseConfig,
    .setTicketKeys = setTicketKeys,
    .certificateFacts = certificateFacts,
    .create = create,
    .step = step,
    .negotiated = negotiated,
    .failure = failure,
    .detach = detach,
    .read = readRecords,
    .write = writeRecords,
    .close = closeRecords,
    .ticketsReceived = ticketsReceived,
    .free = freeHandshake,
};

__attribute__((visibility("default"))) const HfTlsEngine* holdfast_tls_engine_v1(void) {
  return &engine;
}
