/**
 * Every finding that configuration can cause: its stable code, what it means, and how to mend it.
 *
 * Path: the loader makes findings by name; render.ts prints the code; generate.ts writes
 * docs/errors.md.
 * Invariant: a code is never reused for another meaning, and never renumbered. HF100x reading,
 * HF101x shape, HF102x-HF103x single values, HF104x-HF105x values that do not go together,
 * HF106x-HF107x warnings, HF108x what only this machine can tell (`validate --deep`), HF109x the
 * files of TLS, HF110x filters.
 */
import type { Severity } from './diagnostic.ts';

/** One row of the table. */
export interface FindingRow {
  readonly code: `HF1${string}`;
  readonly severity: Severity;
  /** What it means, in a sentence. */
  readonly title: string;
  /** What to do about it, in a sentence or two. */
  readonly mend: string;
}

/** The table, by the name that the code uses. */
export const FINDINGS = {
  unreadable: {
    code: 'HF1001',
    severity: 'error',
    title: 'The file cannot be read.',
    mend: 'Check the path and its permissions; the message has the reason.',
  },
  tooLarge: {
    code: 'HF1002',
    severity: 'error',
    title: 'The file is larger than 4 MiB.',
    mend: 'Split large sets of endpoints into DNS names, or change endpoints through the admin API.',
  },
  notText: {
    code: 'HF1003',
    severity: 'error',
    title: 'The file is not UTF-8 text.',
    mend: 'Save it as UTF-8. A binary file was probably named by mistake.',
  },
  syntax: {
    code: 'HF1004',
    severity: 'error',
    title: 'The text is not valid YAML or JSON.',
    mend: 'The message says what the parser expected. Only syntax is reported until it is right.',
  },
  tab: {
    code: 'HF1005',
    severity: 'error',
    title: 'A tab is used for indentation.',
    mend: 'YAML is indented with spaces; set the editor to two spaces.',
  },
  duplicateKey: {
    code: 'HF1006',
    severity: 'error',
    title: 'A key appears twice in one map.',
    mend: 'Keep one of them. YAML parsers differ in which one they use, so neither is used here.',
  },
  severalDocuments: {
    code: 'HF1007',
    severity: 'error',
    title: 'The file has several YAML documents.',
    mend: 'Remove the `---` lines, or put each document into its own file.',
  },
  expansion: {
    code: 'HF1008',
    severity: 'error',
    title: 'Aliases expand to more than the limit, or to themselves.',
    mend: 'Write the values out. The limit keeps a small file from filling the memory.',
  },
  tooDeep: {
    code: 'HF1009',
    severity: 'error',
    title: 'Values are nested too deeply.',
    mend: 'No field needs more than twelve levels; brackets are probably not closed.',
  },
  empty: {
    code: 'HF1010',
    severity: 'error',
    title: 'There is no configuration in the text.',
    mend: '`holdfast init` writes a file to start from.',
  },
  format: {
    code: 'HF1011',
    severity: 'error',
    title: 'The file is in a format that is not read.',
    mend: 'Write YAML (`.yaml`, `.yml`) or JSON (`.json`).',
  },
  unknownKey: {
    code: 'HF1012',
    severity: 'error',
    title: 'A key is not known here.',
    mend: 'Look for a typing error, or for wrong indentation that puts the key into the wrong map.',
  },
  missingKey: {
    code: 'HF1013',
    severity: 'error',
    title: 'A key that has no default is missing.',
    mend: 'Add it; the hint shows an example.',
  },
  wrongType: {
    code: 'HF1014',
    severity: 'error',
    title: 'A value has the wrong type.',
    mend: 'Compare with the example in the reference: lists start with `-`, maps have keys.',
  },
  unknownValue: {
    code: 'HF1015',
    severity: 'error',
    title: 'A value is not one of the allowed words.',
    mend: 'Use one of the words in the hint.',
  },
  version: {
    code: 'HF1016',
    severity: 'error',
    title: 'The configuration version is not supported.',
    mend: 'This release reads `version: 1`.',
  },
  badDuration: {
    code: 'HF1020',
    severity: 'error',
    title: 'A value is not a duration.',
    mend: 'Write a number and a unit: `250ms`, `30s`, `10m`, `1h30m`, `7d`.',
  },
  badSize: {
    code: 'HF1021',
    severity: 'error',
    title: 'A value is not a size in bytes.',
    mend: 'Write `4096`, `64KiB`, `1MiB` or `64kB`.',
  },
  badCount: {
    code: 'HF1022',
    severity: 'error',
    title: 'A value is not a whole count.',
    mend: 'Write `200`, `100k` or `2M`.',
  },
  badRate: {
    code: 'HF1023',
    severity: 'error',
    title: 'A value is not a rate.',
    mend: 'Write a count and a period: `500/s`, `5k/s`, `300/m`.',
  },
  badPercent: {
    code: 'HF1024',
    severity: 'error',
    title: 'A value is not a share between 0 and 100 percent.',
    mend: 'Write `10%`.',
  },
  badAddress: {
    code: 'HF1025',
    severity: 'error',
    title: 'A value is not an address.',
    mend: 'Write `10.0.1.10:1883`, `"[::1]:1883"` (quoted) or `unix:/run/app.sock`. Listeners bind IPs, not names.',
  },
  badCidr: {
    code: 'HF1026',
    severity: 'error',
    title: 'A value is not a network.',
    mend: 'Write `10.0.0.0/8`; bits below the prefix must be zero.',
  },
  outOfRange: {
    code: 'HF1027',
    severity: 'error',
    title: 'A value is outside its limits.',
    mend: 'The message has the limits; the reference has the reason.',
  },
  unixPathTooLong: {
    code: 'HF1028',
    severity: 'error',
    title: 'A Unix socket path is longer than 107 bytes.',
    mend: 'The kernel takes no more. Use a shorter directory.',
  },
  badName: {
    code: 'HF1029',
    severity: 'error',
    title: 'A name has characters or a length that names cannot have.',
    mend: 'Names have 1 to 63 letters, digits, `.`, `_` and `-`, and start with a letter or digit.',
  },
  badMode: {
    code: 'HF1030',
    severity: 'error',
    title: 'A value is not a file mode.',
    mend: 'Write octal digits in quotes: `"0660"`.',
  },
  badReference: {
    code: 'HF1031',
    severity: 'error',
    title: 'A reference does not resolve.',
    mend: 'Set the environment variable, or create the file; `${env:NAME:-default}` has a default.',
  },
  badSecret: {
    code: 'HF1032',
    severity: 'error',
    title: 'A token is too short or has characters that a header cannot carry.',
    mend: 'Use at least 16 printable characters: `openssl rand -hex 32`.',
  },
  badPort: {
    code: 'HF1033',
    severity: 'error',
    title: 'A port is not between 1 and 65535.',
    mend: 'Port 0 is allowed only where a listener may take any free port.',
  },
  badPath: {
    code: 'HF1034',
    severity: 'error',
    title: 'A value is not a usable file path.',
    mend: 'Paths are not empty and have no NUL.',
  },
  badServerName: {
    code: 'HF1035',
    severity: 'error',
    title: 'A value is not a name that clients can ask for.',
    mend: 'Write a host name, or `*.` and a host name for any one label in front. No addresses; other alphabets in their `xn--` form.',
  },
  badProtocol: {
    code: 'HF1036',
    severity: 'error',
    title: 'A value is not a protocol of ALPN.',
    mend: 'Protocols are short words such as `h2`, `http/1.1` or `mqtt`.',
  },
  badSuite: {
    code: 'HF1037',
    severity: 'error',
    title: 'A value is not the name of a cipher suite or group.',
    mend: 'Write each by its own name, as OpenSSL has it: `openssl ciphers` lists suites. Patterns such as `HIGH` are not taken.',
  },
  badFieldName: {
    code: 'HF1038',
    severity: 'error',
    title: 'A value cannot be the name or the value of a header, cookie or query parameter.',
    mend: 'Names are letters, digits and `-`. Headers that say how a message is framed or who may see it belong to the gateway: the message says what to use instead.',
  },
  badPattern: {
    code: 'HF1039',
    severity: 'error',
    title: 'A path, a regular expression or a rewrite of a route cannot be used.',
    mend: 'The message says where in the text and why. Regular expressions have no look-around and no back-references; paths begin with `/` and write other bytes as %HH.',
  },
  duplicateName: {
    code: 'HF1040',
    severity: 'error',
    title: 'Two listeners or two clusters have the same name.',
    mend: 'Names appear in metrics and logs; give each its own.',
  },
  duplicateBind: {
    code: 'HF1041',
    severity: 'error',
    title: 'Two listeners bind the same address in the same network namespace.',
    mend: 'Change one of the addresses, or merge the listeners.',
  },
  unknownCluster: {
    code: 'HF1042',
    severity: 'error',
    title: 'A listener or route names a cluster that does not exist.',
    mend: 'Define it under `clusters`, or correct the name.',
  },
  watermarks: {
    code: 'HF1043',
    severity: 'error',
    title: 'The low watermark of a buffer is above the high one.',
    mend: 'Reading pauses at `high` and goes on at `low`; half of high is a good low.',
  },
  tooMany: {
    code: 'HF1044',
    severity: 'error',
    title: 'There are more items than the limit.',
    mend: 'Limits: 64 shards, 256 listeners, 64 binds of one listener, 1024 clusters, 16384 endpoints.',
  },
  tokenMissing: {
    code: 'HF1045',
    severity: 'error',
    title: 'The admin endpoint listens on TCP without a token.',
    mend: 'Set `tokenFile`, or `token: ${env:HOLDFAST_TOKEN}`; or use the Unix socket only.',
  },
  tokenTwice: {
    code: 'HF1046',
    severity: 'error',
    title: 'Both `token` and `tokenFile` are set.',
    mend: 'Keep one.',
  },
  wrongOrder: {
    code: 'HF1047',
    severity: 'error',
    title: 'A minimum is above its maximum.',
    mend: 'Exchange the two, or correct one.',
  },
  duplicateEndpoint: {
    code: 'HF1048',
    severity: 'error',
    title: 'A cluster has the same endpoint twice.',
    mend: 'Keep one and give it a `weight`.',
  },
  loop: {
    code: 'HF1049',
    severity: 'error',
    title: 'An endpoint is the address of a listener that leads to it.',
    mend: 'Such a connection would come back until a limit is reached. Correct the endpoint.',
  },
  tlsIncomplete: {
    code: 'HF1050',
    severity: 'error',
    title: 'TLS lacks something that it cannot go without.',
    mend: 'Terminating needs a certificate, checking clients needs a CA, a certificate needs its key; the message says what is missing.',
  },
  duplicateServerName: {
    code: 'HF1051',
    severity: 'error',
    title: 'Two routes or two certificates of a listener claim the same server name.',
    mend: 'Remove one. Certificates may share a name when their keys differ in kind (RSA and ECDSA) and they ask the same of clients.',
  },
  serverNameMissing: {
    code: 'HF1052',
    severity: 'error',
    title: 'It is not known which name the endpoints of a cluster have to prove.',
    mend: 'Set `tls.serverName`: endpoints with different names, or a Unix socket, need it.',
  },
  badTemplate: {
    code: 'HF1053',
    severity: 'error',
    title: 'A template has a variable that does not exist, or is not complete.',
    mend: 'Variables look like `%{host}` or `%{header.x-user}`; a percent sign is written `%%`. Status, duration and bytes exist only in access records.',
  },
  routeAction: {
    code: 'HF1054',
    severity: 'error',
    title: 'It is not clear what a route does, or which requests it takes.',
    mend: 'A route has exactly one of `cluster`, `split`, `redirect` and `respond`, a path one kind of match, and a condition one comparison. Only routes to clusters take WebSockets.',
  },
  duplicateRoute: {
    code: 'HF1055',
    severity: 'error',
    title: 'Two routes of a listener have one name, or two of its hosts do.',
    mend: 'Give each route its own name; put all routes of one host name into one entry of `hosts`.',
  },
  notHttp: {
    code: 'HF1056',
    severity: 'error',
    title: 'HTTP and what else a listener says do not go together.',
    mend: '`http` needs `protocol: http`; TLS has to end at the gateway; routes stand under `http.hosts`.',
  },
  endpointsTwice: {
    code: 'HF1057',
    severity: 'error',
    title: 'A cluster has both `endpoints` and `discovery`.',
    mend: 'Endpoints are listed or found. Keep one of the two.',
  },
  unusedCluster: {
    code: 'HF1060',
    severity: 'warning',
    title: 'No listener leads to a cluster.',
    mend: 'Remove it, or name it in a listener.',
  },
  noEndpoints: {
    code: 'HF1061',
    severity: 'warning',
    title: 'A cluster has no endpoints.',
    mend: 'Its connections are closed until endpoints are added through the admin API.',
  },
  moreThanDescriptors: {
    code: 'HF1062',
    severity: 'warning',
    title: 'A limit on connections is higher than the descriptor limit of this process allows.',
    mend: 'Raise the limit of open files (`ulimit -n`, `LimitNOFILE=`); each connection takes two.',
  },
  adminExposed: {
    code: 'HF1063',
    severity: 'warning',
    title: 'The admin endpoint can be reached from other machines.',
    mend: 'Bind 127.0.0.1, and use a tunnel; the admin API can close every connection.',
  },
  trustsEveryone: {
    code: 'HF1064',
    severity: 'warning',
    title: 'Everyone is believed what they say about the client.',
    mend: 'Anyone can then claim any address, in a PROXY header or in X-Forwarded-For. Name the networks of the load balancers only.',
  },
  checkTooSlow: {
    code: 'HF1065',
    severity: 'warning',
    title: 'A health check may take longer than its interval.',
    mend: 'Checks of one endpoint never overlap, so the interval is not kept. Shorten the timeout.',
  },
  notApplicable: {
    code: 'HF1066',
    severity: 'warning',
    title: 'A setting has no effect here.',
    mend: 'The message says why; remove it.',
  },
  noListeners: {
    code: 'HF1067',
    severity: 'warning',
    title: 'There is no listener.',
    mend: 'Nothing is accepted until a reload brings one.',
  },
  tokenInText: {
    code: 'HF1068',
    severity: 'warning',
    title: 'The token stands in the configuration itself.',
    mend: 'Use `tokenFile`, or `${env:NAME}` or `${file:path}`, so that the file can be shared.',
  },
  needsRestart: {
    code: 'HF1069',
    severity: 'warning',
    title: 'A changed setting takes effect only when the gateway starts anew.',
    mend: 'The reference marks such settings with "restart". Everything else of the reload is applied.',
  },
  peerUnchecked: {
    code: 'HF1070',
    severity: 'warning',
    title: 'The certificates of endpoints are not checked.',
    mend: 'Anyone on the way can read and change what is sent. Set `tls.ca` to whom the endpoints are signed by, instead of `verify: off`.',
  },
  keyExposed: {
    code: 'HF1071',
    severity: 'warning',
    title: 'Other users of this machine can read a private key.',
    mend: '`chmod 600` the file, and let it belong to the user of the gateway.',
  },
  certificateEnding: {
    code: 'HF1072',
    severity: 'warning',
    title: 'A certificate ends within 14 days.',
    mend: 'Renew it. New files are taken over as soon as they are there.',
  },
  tlsUnchecked: {
    code: 'HF1073',
    severity: 'warning',
    title: 'Certificates are not checked, because the native core could not be loaded.',
    mend: 'Build it with `npm run build:native`; the gateway itself needs it as well.',
  },
  statusStale: {
    code: 'HF1074',
    severity: 'warning',
    title: 'An OCSP answer or revocation list is past its time.',
    mend: 'Fetch it anew. With a stale list clients are refused; with a stale answer they may refuse. New files are taken over as soon as they are there.',
  },
  unreachableRoute: {
    code: 'HF1075',
    severity: 'warning',
    title: 'A route can never be taken, because another one takes all of its requests first.',
    mend: 'Remove one of the two, or move it up where `order` is `listed`.',
  },
  emptySubset: {
    code: 'HF1076',
    severity: 'warning',
    title: 'No endpoint of a cluster has the labels that a route asks for.',
    mend: 'Its requests are answered with 503. Correct the labels, or add such endpoints.',
  },
  routesUnchecked: {
    code: 'HF1077',
    severity: 'warning',
    title: 'Routes are not checked, because the native core could not be loaded.',
    mend: 'Build it with `npm run build:native`; the gateway itself needs it as well.',
  },
  cannotBind: {
    code: 'HF1080',
    severity: 'error',
    title: 'An address cannot be bound on this machine.',
    mend: 'The port is taken, the address is not local, or the privilege for ports below 1024 is missing.',
  },
  cannotResolve: {
    code: 'HF1081',
    severity: 'warning',
    title: 'A name does not resolve now.',
    mend: 'Check the name and the resolvers. The gateway starts anyway and keeps trying.',
  },
  noNetns: {
    code: 'HF1082',
    severity: 'error',
    title: 'A network namespace does not exist or cannot be entered.',
    mend: 'Create it with `ip netns add NAME`; entering needs CAP_SYS_ADMIN.',
  },
  cannotWrite: {
    code: 'HF1083',
    severity: 'error',
    title: 'A socket or log file cannot be created where it should be.',
    mend: 'Create the directory and let the user of the gateway write into it.',
  },
  cannotConnect: {
    code: 'HF1084',
    severity: 'warning',
    title: 'An endpoint does not accept connections now.',
    mend: 'Start it, or look at the firewall. The gateway starts anyway and keeps trying.',
  },
  unreadableFile: {
    code: 'HF1090',
    severity: 'error',
    title: 'A file that TLS needs cannot be read.',
    mend: 'Check the path, which is relative to the configuration file, and its permissions.',
  },
  badCertificate: {
    code: 'HF1091',
    severity: 'error',
    title: 'A certificate, its key or its OCSP answer cannot be used.',
    mend: 'The message says why: expired, of another key, not PEM. `openssl x509 -in FILE -noout -text` shows what is in it.',
  },
  badAuthority: {
    code: 'HF1092',
    severity: 'error',
    title: 'A CA or revocation list cannot be used.',
    mend: 'The file has to hold certificates, or revocation lists, in PEM form.',
  },
  badTlsOptions: {
    code: 'HF1093',
    severity: 'error',
    title: 'The TLS library refuses a setting.',
    mend: 'The message says which: a suite or group that it does not have, an engine that cannot be opened.',
  },
  tlsUnavailable: {
    code: 'HF1094',
    severity: 'error',
    title: 'This process cannot have TLS.',
    mend: 'Run it on the Node that comes with the project, whose OpenSSL is used. TCP listeners and pass-through work without it.',
  },
  badFilter: {
    code: 'HF1100',
    severity: 'error',
    title: 'A filter is named in a way that leads nowhere.',
    mend: 'Write a path that begins with `./`, `../` or `/`, the name of a package, or `holdfast/` and the name of a built-in filter.',
  },
  filterSource: {
    code: 'HF1101',
    severity: 'error',
    title: 'A filter cannot be loaded, or is not what a filter should be.',
    mend: 'The message has file, line and column: of a syntax or type error, of a missing export, of a wrong field. `holdfast filter new` writes one that works.',
  },
  filterConfig: {
    code: 'HF1102',
    severity: 'error',
    title: 'A filter does not take what stands under its `with`.',
    mend: 'The message says what the filter expects there.',
  },
  filterPlace: {
    code: 'HF1103',
    severity: 'error',
    title: 'A filter stands where it can do nothing.',
    mend: 'Filters of connections stand on listeners; filters of requests on listeners with HTTP and on their routes, those of messages also on listeners of TCP; balancers and discoveries on clusters, under the key of their name.',
  },
  filterOrder: {
    code: 'HF1104',
    severity: 'warning',
    title: 'A native filter stands behind one in TypeScript, and runs before it all the same.',
    mend: 'Write native filters first, so that the list says what happens. Where one has to come after a filter in TypeScript, put that one on the listener and the native one on the routes.',
  },
} as const satisfies Readonly<Record<string, FindingRow>>;

/** The name of a finding, as the code writes it. */
export type FindingName = keyof typeof FINDINGS;

/** The row of a code such as `HF1012`, or null. */
export function findingByCode(code: string): FindingRow | null {
  return Object.values(FINDINGS).find((row) => row.code === code.toUpperCase()) ?? null;
}
