/**
 * Judges a machine: what would stop so many connections here, and the command that mends it.
 *
 * Path: doctor-facts.ts -> here -> verb-doctor.ts prints.
 * Invariant: pure; the same facts give the same verdicts. Each verdict that is not fine has a
 * remedy that can be pasted. What the machine does not say is never counted against it.
 */
import type { Facts } from './doctor-facts.ts';
import { shortBytes, shortCount } from './table.ts';

/** What the machine is judged for. */
export interface Wanted {
  /** Connections through the gateway; each is two sockets. */
  readonly connections: number;
  /** Different address-and-port pairs that endpoints have. */
  readonly endpoints: number;
}

/** One verdict. `bad` stops the wanted connections; `weak` makes them slow or uncertain. */
export interface Verdict {
  readonly name: string;
  readonly state: 'fine' | 'weak' | 'bad' | 'unknown';
  /** What there is. */
  readonly found: string;
  /** What it is about, in one sentence. Empty when fine. */
  readonly why: string;
  /** Commands that mend it. */
  readonly remedy: readonly string[];
}

/** Descriptors that the gateway needs besides connections, with room. */
const DESCRIPTORS_RESERVED = 256;
const BACKLOG_WANTED = 4096;
/** Kernel memory of an idle TCP socket with its file: about 4 kB, measured; some are not idle. */
const SOCKET_BYTES = 6 * 1024;
/** User memory of a proxied connection, and the process itself. */
const CONNECTION_BYTES = 256;
const PROCESS_BYTES = 256 * 1024 * 1024;
/** Ports that other programs of the machine hold. */
const PORTS_SPARED = 1000;
const KERNEL_MIN = [4, 18] as const;
const GLIBC_MIN = [2, 28] as const;
const NODE_MIN = [24, 0] as const;

type Draft = Omit<Verdict, 'name'>;

const fine = (found: string): Draft => ({ state: 'fine', found, why: '', remedy: [] });
const unknown = (found: string): Draft => ({ state: 'unknown', found, why: '', remedy: [] });

function sysctl(key: string, value: number | string): string {
  const shown = typeof value === 'string' ? `"${value}"` : value;
  return `sysctl -w ${key}=${shown}`;
}

function isBelow(version: string, minimum: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major < minimum[0] || (major === minimum[0] && minor < minimum[1]);
}

function descriptors(facts: Facts, wanted: Wanted): Draft {
  const { descriptorsSoft: soft, descriptorsHard: hard, descriptorsPossible: possible } = facts;
  const need = wanted.connections * 2 + DESCRIPTORS_RESERVED;
  if (soft === null) return unknown('not known');
  const found =
    hard === soft || hard === null
      ? shortCount(soft)
      : `${shortCount(soft)} (hard ${shortCount(hard)})`;
  if (soft >= need) return fine(found);
  const remedy = [`ulimit -n ${need}`, `LimitNOFILE=${need}        # in the systemd unit`];
  if (possible !== null && possible < need) remedy.unshift(sysctl('fs.nr_open', need));
  if (hard !== null && hard < need)
    remedy.splice(
      1,
      0,
      `echo "* - nofile ${need}" >> /etc/security/limits.conf   # then log in again`,
    );
  const fits = Math.max(0, Math.floor((soft - DESCRIPTORS_RESERVED) / 2));
  const why = `${shortCount(need)} are needed, two for each connection; ${shortCount(fits)} connections fit`;
  return { state: 'bad', found, why, remedy };
}

function fileMax(facts: Facts, wanted: Wanted): Draft {
  const { fileMax: max, fileUsed: used } = facts;
  if (max === null) return unknown('not known');
  const need = wanted.connections * 2 + (used ?? 0) + DESCRIPTORS_RESERVED;
  if (max >= need) return fine(max > 1e15 ? 'no limit' : shortCount(max));
  const why = `the whole machine may open ${shortCount(max)} files, ${shortCount(need)} are needed`;
  return { state: 'bad', found: shortCount(max), why, remedy: [sysctl('fs.file-max', need * 2)] };
}

function backlog(key: string, value: number | null, says: string): Draft {
  if (value === null) return unknown('not known');
  if (value >= BACKLOG_WANTED) return fine(shortCount(value));
  const why = `${says}; when many clients come back at once, some wait for a second or more`;
  return { state: 'weak', found: shortCount(value), why, remedy: [sysctl(key, BACKLOG_WANTED)] };
}

function ports(facts: Facts, wanted: Wanted): Draft {
  const { portFirst, portLast } = facts;
  if (portFirst === null || portLast === null) return unknown('not known');
  const count = portLast - portFirst + 1;
  const each = Math.max(0, count - PORTS_SPARED);
  const need = Math.ceil(wanted.connections / Math.max(1, wanted.endpoints));
  const found = `${portFirst}-${portLast}: ${shortCount(each)} to each endpoint`;
  if (each >= need) return fine(found);
  const most = 65_535 - 1024 + 1 - PORTS_SPARED;
  const addresses = Math.ceil(wanted.connections / most);
  const why =
    `each connection to one endpoint address takes a local port, ${shortCount(need)} are needed for ` +
    (wanted.endpoints === 1 ? 'one endpoint' : `each of ${wanted.endpoints} endpoints`);
  const remedy = [sysctl('net.ipv4.ip_local_port_range', '1024 65535')];
  if (addresses > wanted.endpoints) {
    remedy.push(
      `# and spread over at least ${addresses} endpoint addresses; holdfast doctor --endpoints ${addresses}`,
    );
  }
  return { state: 'bad', found, why, remedy };
}

function conntrack(facts: Facts, wanted: Wanted): Draft {
  const { conntrackMax: max, conntrackUsed: used } = facts;
  if (max === null) return fine('not in use');
  const need = wanted.connections * 2 + (used ?? 0);
  const found = `${shortCount(max)}, ${shortCount(used ?? 0)} used`;
  if (max >= need) return fine(found);
  const why = `the firewall tracks each connection; beyond ${shortCount(max)} it drops packets`;
  return {
    state: 'bad',
    found,
    why,
    remedy: [
      sysctl('net.netfilter.nf_conntrack_max', Math.ceil(need * 1.25)),
      '# or exempt the gateway: iptables -t raw ... -j CT --notrack',
    ],
  };
}

function tcpMemory(facts: Facts, wanted: Wanted): Draft {
  const { tcpMemMaxPages: max, tcpMemPressurePages: pressure, pageBytes } = facts;
  if (max === null || pressure === null) return unknown('not known');
  const bytes = max * pageBytes;
  const need = wanted.connections * 2 * pageBytes;
  if (bytes >= need) return fine(shortBytes(bytes));
  const pages = Math.ceil(need / pageBytes);
  const why = `socket buffers of all connections may take ${shortBytes(bytes)}; a page for each needs ${shortBytes(need)}`;
  return {
    state: 'weak',
    found: shortBytes(bytes),
    why,
    remedy: [sysctl('net.ipv4.tcp_mem', `${pages} ${Math.ceil(pages * 1.5)} ${pages * 2}`)],
  };
}

function memory(facts: Facts, wanted: Wanted): Draft {
  const { memoryAvailableBytes: available, memoryLimitBytes: limit } = facts;
  if (available === null) return unknown('not known');
  const usable = limit === null ? available : Math.min(available, limit);
  const need = wanted.connections * (2 * SOCKET_BYTES + CONNECTION_BYTES) + PROCESS_BYTES;
  const found = `${shortBytes(usable)}${limit !== null && limit < available ? ' (control group)' : ''}`;
  if (usable >= need) return fine(found);
  const why = `about ${shortBytes(need)} are needed, nearly all of it the kernel's, for sockets`;
  return {
    state: 'bad',
    found,
    why,
    remedy: [`# a machine or control group with ${shortBytes(need * 1.25)}, or fewer connections`],
  };
}

function governor(facts: Facts): Draft {
  const { governor: found } = facts;
  if (found === null) return fine('set by the host');
  if (found !== 'powersave') return fine(found);
  const why = 'cores run slowly until there is load, which shows in latency';
  return { state: 'weak', found, why, remedy: ['cpupower frequency-set -g performance'] };
}

function openssl(facts: Facts): Draft {
  if (facts.isBoringSsl) {
    return {
      state: 'bad',
      found: 'BoringSSL',
      why: 'TLS needs the OpenSSL 3 of Node itself',
      remedy: ['# use the official Node: npm start installs it'],
    };
  }
  if (facts.openssl === null) return unknown('not known');
  if (facts.openssl.startsWith('3.')) return fine(facts.openssl);
  return {
    state: 'bad',
    found: facts.openssl,
    why: 'TLS needs OpenSSL 3',
    remedy: ['# use Node 24 or newer'],
  };
}

function minimum(found: string | null, least: readonly [number, number], remedy: string): Draft {
  if (found === null) return unknown('not known');
  if (!isBelow(found, least)) return fine(found);
  return {
    state: 'bad',
    found,
    why: `${least.join('.')} is the oldest that works`,
    remedy: [remedy],
  };
}

function native(facts: Facts): Draft {
  if (facts.nativeFault === null) return fine('loads');
  return {
    state: 'bad',
    found: 'does not load',
    why: facts.nativeFault,
    remedy: ['npm run build:native'],
  };
}

/** Judges the facts. */
export function judge(facts: Facts, wanted: Wanted): Verdict[] {
  const glibc =
    facts.glibc === null
      ? {
          state: 'bad' as const,
          found: 'none',
          why: 'the native core is built for glibc; this looks like musl',
          remedy: ['# use a glibc distribution, such as Debian'],
        }
      : minimum(facts.glibc, GLIBC_MIN, '# use a newer distribution');
  const drafts: Readonly<Record<string, Draft>> = {
    'open files': descriptors(facts, wanted),
    'open files of the machine': fileMax(facts, wanted),
    'local ports': ports(facts, wanted),
    'connection tracking': conntrack(facts, wanted),
    memory: memory(facts, wanted),
    'memory for TCP': tcpMemory(facts, wanted),
    'accept queue': backlog(
      'net.core.somaxconn',
      facts.somaxconn,
      'the kernel holds few connections until they are accepted',
    ),
    'handshake queue': backlog(
      'net.ipv4.tcp_max_syn_backlog',
      facts.synBacklog,
      'the kernel holds few half-open connections',
    ),
    cores: fine(`${facts.cores} for shards`),
    'CPU governor': governor(facts),
    kernel: minimum(facts.kernel, KERNEL_MIN, '# use a newer kernel'),
    glibc,
    node: minimum(facts.node, NODE_MIN, '# npm start installs the pinned Node'),
    OpenSSL: openssl(facts),
    'native core': native(facts),
  };
  return Object.entries(drafts).map(([name, draft]) => ({ name, ...draft }));
}
