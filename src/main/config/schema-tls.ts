/**
 * The part of the language that describes TLS, on either side, and routes by server name.
 *
 * Path: schema-listener.ts and schema-cluster.ts use it; see schema.ts for the whole.
 * Invariant: both sides have the same words with the same defaults where they mean the same. What
 * the files contain is judged by src/main/tls, what belongs together by check-tls.ts.
 */
import { z } from 'zod';
import { choice, count, duration, flag, oneOrMore, section, shorthand, text } from './field.ts';
import * as limit from './limits.ts';
import { DAY, MINUTE, SECOND } from './schema-socket.ts';
import { parseFilePath, parseName, parseProtocol, parseServerName, parseSuite } from './values.ts';

const FILE_HINT = 'Relative to the configuration file.';

function file(is: string, example: string) {
  return text({ is: `${is} ${FILE_HINT}`, example }, 'path', parseFilePath);
}

const serverName = text(
  { is: 'A host name, or `*.` and a host name.', example: 'a.example' },
  'server name',
  parseServerName,
);

const protocol = text(
  { is: 'A protocol by its ALPN name.', example: 'mqtt' },
  'protocol',
  parseProtocol,
);

function names(is: string, example: unknown) {
  const list = oneOrMore(text({ is: 'A name as OpenSSL has it.' }, 'suite', parseSuite));
  return list.optional().meta({ description: is, 'x-example': example });
}

/** What both sides can be told about handshakes and records. */
const tuning = {
  policy: choice(
    {
      is: 'Which versions and suites are spoken: `modern` is TLS 1.3 only, `intermediate` adds TLS 1.2 with forward secrecy and AEAD suites.',
      initial: 'intermediate',
    },
    ['intermediate', 'modern'],
  ),
  records: choice(
    {
      is: 'Who seals records after the handshake: `detached` is our own record layer, which lets go of the 14 kB that OpenSSL keeps for each connection; `openssl` keeps them.',
      initial: 'detached',
    },
    ['detached', 'openssl'],
  ),
  ciphers: names('Suites of TLS 1.2 in order of preference, instead of those of the policy.', [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
  ]),
  ciphersTls13: names('Suites of TLS 1.3 in order of preference, instead of those of the policy.', [
    'TLS_AES_128_GCM_SHA256',
  ]),
  groups: names('Key exchange groups in order of preference, instead of those of the policy.', [
    'X25519',
    'P-256',
  ]),
  engine: file(
    'Shared library with another handshake engine. It runs with all rights of this process.',
    './engine.so',
  ).optional(),
};

function protocols(is: string) {
  return z
    .preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(protocol))
    .prefault([])
    .meta({ description: is, 'x-example': ['h2', 'http/1.1'], 'x-lone-item': true });
}

const clientAuthFields = {
  mode: choice(
    {
      is: '`required` ends handshakes of clients without a good certificate; `optional` asks for one, and refuses only a bad one.',
      initial: 'required',
    },
    ['off', 'optional', 'required'],
  ),
  ca: file('PEM with the authorities that sign clients.', 'tls/clients.pem').optional(),
  crl: file(
    'PEM with revocation lists, one of each authority that signs clients.',
    'tls/revoked.pem',
  ).optional(),
  depth: count(
    { is: 'Intermediate certificates that a chain may have.', initial: 4 },
    { min: 1, max: 100 },
  ),
};

function clientAuth(is: string) {
  return z.strictObject(clientAuthFields).optional().meta({ description: is });
}

const certificate = z.strictObject({
  cert: file('PEM with the certificate and the chain behind it.', 'tls/a.example.crt'),
  key: file('PEM with its private key, without a password.', 'tls/a.example.key'),
  ocsp: file('DER of an OCSP answer, which is stapled.', 'tls/a.example.ocsp').optional(),
  names: oneOrMore(serverName)
    .optional()
    .meta({
      description:
        'Server names that this certificate answers for; without this list, the DNS names in it. Names that stand here come before names that are only in a certificate.',
      'x-example': ['a.example', '*.b.example'],
    }),
  default: flag({
    is: 'Answers where no certificate has the name, and for clients that send none. Without any such, the first certificate does.',
    initial: false,
  }),
  clientAuth: clientAuth('Client certificates for these names, instead of those of the listener.'),
});

const tickets = shorthand(
  z.strictObject({
    count: count(
      {
        is: 'Tickets that a TLS 1.3 handshake gives: one for the next connection, more for clients that open several at once.',
        initial: 1,
      },
      { min: 1, max: 4, zero: ['off'] },
    ),
    lifetime: duration(
      { is: 'How long a ticket may be used.', initial: '2h' },
      { min: MINUTE, max: 7 * DAY },
    ),
  }),
  'count',
  { type: ['string', 'integer'], examples: ['off'] },
);

/** TLS of a listener. */
export const listenerTls = z
  .strictObject({
    mode: choice(
      {
        is: '`terminate` ends TLS here; `passthrough` only reads which name and protocols the client asks for, and relays the bytes as they are.',
        initial: 'terminate',
      },
      ['terminate', 'passthrough'],
    ),
    handshakeTimeout: duration(
      { is: 'A handshake that takes longer is closed.', initial: '10s' },
      { min: 100, max: 5 * MINUTE },
    ),
    certificates: z
      .preprocess(
        (value) => (value === undefined || Array.isArray(value) ? value : [value]),
        z.array(certificate),
      )
      .prefault([])
      .meta({
        description:
          'Certificates and the names they answer for. Certificates for the same names with keys of different kinds stand in for each other.',
        'x-example': [{ cert: 'tls/a.example.crt', key: 'tls/a.example.key' }],
        'x-lone-item': true,
      }),
    alpn: protocols(
      'Protocols that are spoken, in order of preference. A client that offers only others is refused; without this list, ALPN is not spoken.',
    ),
    clientAuth: clientAuth('Client certificates. Without this map clients are not asked.'),
    tickets: tickets.prefault({}).meta({
      description:
        'Tickets, with which clients come back in fewer round trips: a map, or `off`. See `tls.ticketRotation` for their keys.',
    }),
    requireServerName: flag({
      is: 'Refuses clients that ask for a name that no certificate has.',
      initial: false,
    }),
    ...tuning,
  })
  .optional()
  .meta({ description: 'TLS on this listener; without this map bytes are relayed as they are.' });

/** TLS towards the endpoints of a cluster. */
export const clusterTls = z
  .strictObject({
    ca: file(
      'PEM with the authorities that endpoints are signed by; without it, those that this machine trusts.',
      'tls/endpoints-ca.pem',
    ).optional(),
    serverName: text(
      {
        is: 'Name that endpoints are asked for and have to prove. Without it, the DNS name of the endpoints, or the address of each.',
        example: 'broker.internal',
      },
      'server name',
      (value) => {
        const parsed = parseServerName(value);
        return parsed.ok && parsed.value.startsWith('*') ? parseServerName('') : parsed;
      },
    ).optional(),
    verify: choice(
      {
        is: '`full` checks chain, time and name of what endpoints show; `off` takes any certificate.',
        initial: 'full',
      },
      ['full', 'off'],
    ),
    cert: file('PEM with a certificate that is shown to endpoints.', 'tls/us.crt').optional(),
    key: file('PEM with its private key.', 'tls/us.key').optional(),
    alpn: protocols('Protocols that are offered, in order of preference.'),
    tickets: flag({ is: 'Comes back to endpoints with the tickets they gave.', initial: true }),
    ...tuning,
  })
  .optional()
  .meta({
    description:
      'TLS towards the endpoints; without this map they are spoken to in clear. `tls: {}` takes all defaults.',
  });

/** Routes by server name and protocol. */
export const routes = z
  .array(
    z.strictObject({
      serverNames: oneOrMore(serverName)
        .optional()
        .meta({
          description:
            'Server names, one of which the client asks for; without this list, any. An exact name comes before a wildcard, that before any.',
          'x-example': ['a.example', '*.b.example'],
        }),
      alpn: protocols(
        'Protocols, one of which the client offers (`passthrough`) or agreed on (`terminate`); without this list, any.',
      ),
      cluster: text(
        { is: 'Cluster that such connections go to.', example: 'brokers' },
        'cluster',
        parseName,
      ),
    }),
  )
  .prefault([])
  .meta({
    description:
      'Where server names and protocols lead; the first that fits counts, and `cluster` where none does. Needs `tls`.',
    'x-example': [{ serverNames: ['a.example'], cluster: 'brokers' }],
  });

/** What concerns all of TLS. */
export const processTls = section('What all listeners with TLS share.', {
  ticketRotation: duration(
    {
      is: 'How often there is a new key for tickets. A key makes tickets for this long and reads them for as long again; tickets that should live longer end with it.',
      initial: '8h',
    },
    { min: SECOND, max: 7 * DAY },
  ),
  handshakeThreads: count(
    {
      is: 'Threads beside each shard that do the handshakes of clients, for machines with cores to spare: established connections then feel nothing of a storm. `off` does them on the thread of the shard, a few in each turn.',
      initial: 'off',
      lifetime: 'restart',
    },
    { min: 1, max: limit.HANDSHAKE_THREADS_MAX, zero: ['off'] },
  ),
});
