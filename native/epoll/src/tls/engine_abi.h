/* The handshake engine interface: a versioned C ABI that a shared library can bring.
 *
 * An engine turns bytes of the peer into bytes for the peer until it can hand over record keys; the
 * record layer then goes on without it. It does no I/O, keeps no thread and reads no clock but its
 * own library's. The built-in engine (handshake_openssl.cc) is one; a library exports one function,
 * HF_TLS_ENGINE_SYMBOL, that returns another (test/native/tls/engine_example.c is a whole one).
 * Invariant: everything made by one shard's `openShard` is used by that thread only. Memory that is
 * passed in is borrowed for the call. Nothing throws across this line; a plug-in that fails ends
 * one handshake. Reserved fields are zero; a later version only appends, and says so in
 * structBytes.
 */
#ifndef HF_TLS_ENGINE_ABI_H_
#define HF_TLS_ENGINE_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_TLS_ENGINE_ABI_VERSION 1u
/* const HfTlsEngine* holdfast_tls_engine_v1(void): the same pointer each time, valid for ever. */
#define HF_TLS_ENGINE_SYMBOL "holdfast_tls_engine_v1"

#define HF_TLS_KEY_BYTES_MAX 64u
#define HF_TLS_IV_BYTES_MAX 16u
#define HF_TLS_SECRET_BYTES_MAX 64u
#define HF_TLS_NAME_BYTES_MAX 255u
#define HF_TLS_SUBJECT_BYTES_MAX 255u
#define HF_TLS_ALT_NAMES_BYTES_MAX 511u
#define HF_TLS_REASON_BYTES_MAX 191u
#define HF_TLS_TEXT_BYTES_MAX 255u

/* Versions as on the wire. */
#define HF_TLS_VERSION_1_2 0x0303u
#define HF_TLS_VERSION_1_3 0x0304u

typedef struct HfTlsBytes {
  const uint8_t* start;
  size_t length;
} HfTlsBytes;

/* Terminating answers a client of ours; originating asks an endpoint. */
enum { HF_TLS_TERMINATING = 0, HF_TLS_ORIGINATING = 1 };

/* ---- Record keys: what an engine hands over ---- */

/* One direction. TLS 1.3: the application traffic secret, of which the record layer makes key and
 * iv. TLS 1.2: key and iv from the key block (4 bytes of iv for AES-GCM, 12 for ChaCha20). */
typedef struct HfTlsDirectionKeys {
  uint8_t secret[HF_TLS_SECRET_BYTES_MAX];
  uint8_t key[HF_TLS_KEY_BYTES_MAX];
  uint8_t iv[HF_TLS_IV_BYTES_MAX];
  uint64_t sequence; /* of the next record */
} HfTlsDirectionKeys;

typedef struct HfTlsRecordKeys {
  uint16_t version;
  uint16_t suite; /* IANA number */
  uint8_t role;
  uint8_t reserved0;
  uint16_t recordBytesMax; /* largest record content, both ways (RFC 6066 4); 0: 16384 */
  HfTlsDirectionKeys read;
  HfTlsDirectionKeys write;
} HfTlsRecordKeys;

/* ---- What a handshake agreed on ---- */

/* Text fields are escaped: printable ASCII, everything else as \xNN. */
typedef struct HfTlsNegotiated {
  uint16_t version;
  uint16_t suite;
  uint16_t group;  /* IANA number; 0: not known */
  uint16_t domain; /* which domain of the options answered */
  uint8_t isResumed;
  uint8_t hasPeerCertificate;
  uint8_t isPeerVerified; /* the chain was checked against the CA and holds */
  uint8_t canDetach;      /* detach() will give keys */
  uint16_t serverNameLength;
  uint16_t alpnLength;
  uint16_t subjectLength;
  uint16_t altNamesLength;
  int64_t notAfter;                           /* of the peer's certificate, seconds since 1970 */
  uint8_t fingerprint[32];                    /* SHA-256 of the peer's certificate */
  char serverName[HF_TLS_NAME_BYTES_MAX + 1]; /* canonical: lower case, no trailing dot */
  char alpn[HF_TLS_NAME_BYTES_MAX + 1];
  char subject[HF_TLS_SUBJECT_BYTES_MAX + 1];    /* RFC 2253 */
  char altNames[HF_TLS_ALT_NAMES_BYTES_MAX + 1]; /* DNS:a,URI:b,IP:c; whole names only */
} HfTlsNegotiated;

/* Why a handshake failed. */
typedef struct HfTlsFailure {
  uint8_t alertSent;     /* 0xff: none; its bytes are in the output of the step */
  uint8_t alertReceived; /* 0xff: none */
  uint16_t reserved0;
  uint32_t code; /* of the engine's library, for counting */
  char reason[HF_TLS_REASON_BYTES_MAX + 1];
} HfTlsFailure;

/* ---- Options: what a listener or a cluster asks for, as plain bytes ---- */

typedef struct HfTlsCertificate {
  HfTlsBytes chainPem; /* leaf first */
  HfTlsBytes keyPem;
  HfTlsBytes ocspDer; /* empty: nothing is stapled */
} HfTlsCertificate;

enum {
  HF_TLS_CLIENT_AUTH_OFF = 0,
  HF_TLS_CLIENT_AUTH_OPTIONAL = 1,
  HF_TLS_CLIENT_AUTH_REQUIRED = 2
};

/* What answers for some names. Several certificates differ in the kind of their keys. */
typedef struct HfTlsDomain {
  const HfTlsBytes* names; /* a.example, *.example; none: the default */
  size_t namesCount;
  const HfTlsCertificate* certificates; /* originating: none, or what we show the endpoint */
  size_t certificatesCount;
  const HfTlsBytes* alpn; /* in order of preference; none: ALPN is not spoken */
  size_t alpnCount;
  uint32_t clientAuth; /* terminating only */
  uint32_t depthMax;   /* intermediate certificates in a peer's chain; 0: 4 */
  HfTlsBytes caPem;    /* whom peers are checked against */
  HfTlsBytes crlPem;   /* empty: no revocation check */
} HfTlsDomain;

enum { HF_TLS_POLICY_INTERMEDIATE = 0, HF_TLS_POLICY_MODERN = 1 };

typedef struct HfTlsOptions {
  uint32_t structBytes;
  uint8_t role;
  uint8_t policy;
  uint8_t isServerNameRequired; /* terminating: a name that no domain has is refused */
  uint8_t isPeerUnchecked;      /* originating: any certificate will do */
  uint8_t areTicketsOff;
  uint8_t ticketsPerHandshake; /* 0: 2 */
  uint16_t reserved0;
  uint32_t ticketSeconds; /* 0: 7200 */
  int64_t nowSeconds;     /* since 1970: certificates out of their time are refused; 0: any time */
  const HfTlsDomain* domains; /* originating: exactly one */
  size_t domainsCount;
  HfTlsBytes suites13; /* empty: the policy's; OpenSSL names, colon between */
  HfTlsBytes suites12;
  HfTlsBytes groups;
  HfTlsBytes name; /* of the listener or cluster: part of what tickets are bound to */
} HfTlsOptions;

/* Random bytes made by main, the same for all shards. */
typedef struct HfTlsTicketKey {
  uint8_t name[16];
  uint8_t cipherKey[32];
  uint8_t macKey[32];
} HfTlsTicketKey;

#define HF_TLS_NONE 0xffffffffu

/* Why options are refused. Indexes are HF_TLS_NONE where the problem is not in one of them. */
typedef struct HfTlsProblem {
  uint32_t domain;
  uint32_t certificate;
  char text[HF_TLS_TEXT_BYTES_MAX + 1];
} HfTlsProblem;

/* One certificate of ours, for metrics and warnings. */
typedef struct HfTlsCertificateFacts {
  uint32_t domain;
  uint32_t certificate;
  int64_t notBefore;
  int64_t notAfter; /* the earliest of leaf and chain */
  uint8_t fingerprint[32];
  char subject[HF_TLS_SUBJECT_BYTES_MAX + 1];
  char keyKind[16]; /* RSA, EC, ED25519 */
} HfTlsCertificateFacts;

/* ---- The engine ---- */

typedef struct HfTlsShard HfTlsShard;
typedef struct HfTlsConfig HfTlsConfig;
typedef struct HfTlsHandshake HfTlsHandshake;

/* Bytes of one step. The engine takes whole records only: what it leaves of the input belongs to
 * the next step, or to the record layer after detach(). */
typedef struct HfTlsIo {
  const uint8_t* input;
  size_t inputLength;
  size_t consumed; /* set by the engine */
  uint8_t* output;
  size_t outputCapacity;
  size_t produced; /* set by the engine; to be sent whatever the outcome is */
} HfTlsIo;

typedef enum HfTlsStep {
  HF_TLS_WANT_INPUT = 0,  /* goes on with more bytes of the peer */
  HF_TLS_WANT_OUTPUT = 1, /* the output was full: send it and come again with the same input */
  HF_TLS_DONE = 2,        /* step: keys are agreed; read, write, close, detach: it is done */
  HF_TLS_CLOSED = 3,      /* read: the peer said close_notify */
  HF_TLS_FAILED = 4       /* over; failure() says why; only free() may follow */
} HfTlsStep;

typedef struct HfTlsEngine {
  uint32_t abiVersion;
  uint32_t structBytes;
  const char* name;

  /* Null, with one sentence in `problem`, when the library at hand cannot be used. */
  HfTlsShard* (*openShard)(HfTlsProblem* problem);
  void (*closeShard)(HfTlsShard* shard);

  /* Null with the problem set: nothing was changed. May take milliseconds; off the path. */
  HfTlsConfig* (*createConfig)(HfTlsShard* shard, const HfTlsOptions* options,
                               HfTlsProblem* problem);
  /* Handshakes under way keep what they need of it. */
  void (*releaseConfig)(HfTlsConfig* config);
  /* The first key makes tickets, all of them read tickets. None: tickets are neither made nor
   * taken. Also while handshakes are under way. */
  void (*setTicketKeys)(HfTlsConfig* config, const HfTlsTicketKey* keys, size_t count);
  /* Facts of certificate number `index`; 0 behind the last one. */
  int (*certificateFacts)(const HfTlsConfig* config, size_t index, HfTlsCertificateFacts* facts);

  /* Originating: `serverName` (a name or an address) is asked for and checked; may be empty with
   * isPeerUnchecked. Null when memory is short. */
  HfTlsHandshake* (*create)(HfTlsConfig* config, HfTlsBytes serverName);
  HfTlsStep (*step)(HfTlsHandshake* handshake, HfTlsIo* io);
  /* After DONE. */
  void (*negotiated)(const HfTlsHandshake* handshake, HfTlsNegotiated* negotiated);
  /* After FAILED. */
  void (*failure)(const HfTlsHandshake* handshake, HfTlsFailure* failure);
  /* DONE with the keys, after which only free() may follow; FAILED when this connection has to keep
   * its handshake object (a suite outside the record layer's table, or a message half read). */
  HfTlsStep (*detach)(HfTlsHandshake* handshake, HfTlsRecordKeys* keys);

  /* Records by the engine itself, for connections that do not detach. `read` fills `plain` and is
   * DONE when it gave bytes; `write` takes from `plain`; both count in `length`. */
  HfTlsStep (*read)(HfTlsHandshake* handshake, HfTlsIo* io, uint8_t* plain, size_t capacity,
                    size_t* length);
  HfTlsStep (*write)(HfTlsHandshake* handshake, HfTlsIo* io, const uint8_t* plain, size_t count,
                     size_t* length);
  /* Sends close_notify; reading may go on. */
  HfTlsStep (*close)(HfTlsHandshake* handshake, HfTlsIo* io);
  /* How many tickets an originating handshake has stored so far. */
  uint32_t (*ticketsReceived)(const HfTlsHandshake* handshake);

  /* Wipes its keys. */
  void (*free)(HfTlsHandshake* handshake);
} HfTlsEngine;

typedef const HfTlsEngine* (*HfTlsEngineEntry)(void);

#ifdef __cplusplus
}
#endif

#endif /* HF_TLS_ENGINE_ABI_H_ */
