/**
 * The control plane, composed: the one file that makes every part and connects them.
 *
 * Path: the command line calls {@link startGateway}; everything else hangs off what is made here.
 * Invariant: start-up is all or nothing. Whatever was made is unmade in the reverse order, whether
 * a later part fails or the gateway ends.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Acceptor, type Board, loadNative, type Native } from '../../native/epoll/index.ts';
import { ListenError, ListenSockets, NetnsTable } from './accept/index.ts';
import { AdminApi, createRoutes, readAdminToken } from './admin/index.ts';
import { createLookups, DnsTable, HealthChecks } from './clusters/index.ts';
import { type Config, isErrorFinding } from './config/index.ts';
import type { CheckedModules } from './filters/index.ts';
import { GatewayFilters, type GatewayFiltersOptions } from './gateway-filters.ts';
import { createMetricSources } from './gateway-metrics.ts';
import {
  type Gateway,
  type GatewayOptions,
  type GatewaySeams,
  GatewayStartError,
} from './gateway-options.ts';
import { Ids } from './model/index.ts';
import { type Log, type OpenLog, openLog } from './observe/index.ts';
import {
  createLossCounter,
  Drain,
  ShardSupervisor,
  type SupervisorOptions,
  spawnShardThread,
  TICK_MS,
  Watchdog,
} from './shards/index.ts';
import { ProcessSignals, surviveFaults } from './signals.ts';
import { Applier, FileWatch, Reloader, type ReloadReport, TlsReloader } from './snapshot/index.ts';
import { ExpiryWatch, NO_TLS_MATERIAL, TicketKeys, TicketRotation, TlsFiles } from './tls/index.ts';
import { readVersion } from './version.ts';

export {
  type ConfigOutcome,
  type Gateway,
  type GatewayListener,
  type GatewayOptions,
  GatewayStartError,
} from './gateway-options.ts';

/** How long the last log lines and access records may take at the end. */
const FLUSH_MS = 1_000;
/** The process log goes to standard error; standard output is for access records. */
const LOG_FD = 2;

/**
 * Starts a gateway.
 *
 * @throws GatewayStartError with one sentence and its remedy; nothing is left running then.
 */
export async function startGateway(
  options: GatewayOptions,
  seams: GatewaySeams = {},
): Promise<Gateway> {
  const { level, format } = options.config.log;
  const isTerminal = process.stderr.isTTY;
  const openedLog = openLog({ level, format, target: LOG_FD, isTerminal });
  const composing = new Composing(options, openedLog, seams);
  try {
    return await composing.start();
  } catch (error) {
    await composing.undo();
    composing.letGoOfSignals();
    throw toStartError(error);
  }
}

/** Parts that exist from the first moment on. */
interface Core {
  readonly native: Native;
  readonly board: Board;
  readonly acceptor: Acceptor;
  readonly ids: Ids;
  readonly netns: NetnsTable;
  readonly sockets: ListenSockets;
  readonly supervisor: ShardSupervisor;
  readonly dns: DnsTable;
  readonly health: HealthChecks;
  readonly filters: GatewayFilters;
  readonly applier: Applier;
  readonly ticketKeys: TicketKeys;
  readonly accessLog: ReturnType<Native['createAccessLog']> | null;
}

/** A gateway while it is made, and what has to be unmade. */
class Composing {
  readonly #options: GatewayOptions;
  readonly #openedLog: OpenLog;
  readonly #log: Log;
  readonly #seams: GatewaySeams;
  readonly #cleanup = new AsyncDisposableStack();
  readonly #closed = Promise.withResolvers<number>();
  /** Null where signals are left alone. */
  readonly #signals: ProcessSignals | null;
  #letGoOfFaults: () => void = () => {};
  #onTokenChange: (config: Config) => void = () => {};
  /** After each change of what runs. */
  #onTlsChange: () => void = () => {};
  #onFiltersChange: () => void = () => {};
  #ending: Promise<void> | null = null;

  constructor(options: GatewayOptions, openedLog: OpenLog, seams: GatewaySeams) {
    this.#options = options;
    this.#openedLog = openedLog;
    this.#log = openedLog.log;
    this.#seams = seams;
    this.#cleanup.defer(() => openedLog.close(FLUSH_MS));
    this.#signals = options.signals === 'process' ? new ProcessSignals(openedLog.log) : null;
  }

  async start(): Promise<Gateway> {
    const { config, material = NO_TLS_MATERIAL } = this.#options;
    const core = this.#makeCore();
    await core.supervisor.start();
    this.#signals?.throwIfEnded();
    const { warnings } = await core.applier.apply(async () => ({
      config,
      material,
      overlays: new Map(),
      filters: await core.filters.plan(config),
    }));
    this.#signals?.throwIfEnded();
    for (const warning of warnings) {
      this.#log.warn(warning);
    }
    const watchdog = this.#startWatchdog(core);
    const tlsReloader = this.#startTls(core);
    const reloader = this.#makeReloader(core, tlsReloader);
    const drain = new Drain({
      board: core.board,
      supervisor: core.supervisor,
      listening: {
        stop: () => core.applier.stopListening(),
        resume: () => core.applier.resumeListening(),
      },
      log: this.#log,
    });
    this.#cleanup.defer(() => drain.close());
    const reload = (cause: string): Promise<ReloadReport> => this.#reload(reloader, cause);
    await this.#startAdmin(core, { watchdog, reloader, tlsReloader, drain, reload });
    await this.#startWatching(reload);
    this.#watchFilters(core, reload);
    this.#signals?.throwIfEnded();
    this.#serveSignals(core, drain, reload);
    const listeners = core.sockets.view();
    this.#log.info(
      {
        version: readVersion(),
        pid: process.pid,
        shards: config.shards,
        listeners,
        admin: config.admin.socket,
      },
      'ready',
    );
    return {
      closed: this.#closed.promise,
      listeners,
      adminSocket: config.admin.socket,
      close: () => this.#drainAndEnd(core, drain),
    };
  }

  letGoOfSignals(): void {
    this.#letGoOfFaults();
    this.#signals?.letGo();
  }

  /** Unmakes everything, in reverse. */
  async undo(): Promise<void> {
    await this.#cleanup.disposeAsync();
  }

  #makeCore(): Core {
    const native = this.#seams.native ?? loadNative();
    const { config } = this.#options;
    const board = native.createBoard({
      shards: config.shards,
      connectionsMax: config.limits.connections,
      pendingBytesMax: config.limits.memory,
    });
    const accessLog = this.#openAccessLog(native, board);
    const acceptor = native.createAcceptor(board);
    this.#cleanup.defer(() => acceptor.close());
    const ids = new Ids(board, native.abi);
    const netns = new NetnsTable(native);
    this.#cleanup.defer(() => netns.close());
    const filters = this.#makeFilters(native, {
      links: () => supervisor.links(),
      sources: () => {
        const refresh = (): void => made.refresh();
        return { board, ids, health, current: () => made.current, refresh };
      },
    });
    const supervisor = this.#makeSupervisor(native, { board, acceptor, filters });
    const prober = native.createProber();
    const log = this.#log;
    const health = new HealthChecks({ board, prober, log, random: Math.random });
    this.#cleanup.defer(() => health.close());
    const sockets = new ListenSockets({
      acceptor,
      netns,
      listenerId: (name) => ids.listener(name),
      log,
    });
    this.#cleanup.defer(() => sockets.closeAll());
    let applier: Applier | null = null;
    const dns = this.#makeDns(() => applier?.refresh());
    const ticketKeys = new TicketKeys({ random: randomBytes, nowMs: () => performance.now() });
    const parts = { native, board, acceptor, ids, netns, sockets, supervisor, dns, health };
    const core = { ...parts, ticketKeys, filters };
    const boardConnectionsMax = config.limits.connections;
    applier = new Applier({ ...core, log, boardConnectionsMax });
    const made = applier;
    this.#cleanup.defer(() => made.close());
    return { ...core, applier, accessLog };
  }

  #makeFilters(
    native: Native,
    reach: Pick<GatewayFiltersOptions, 'links' | 'sources'>,
  ): GatewayFilters {
    const modules = (): CheckedModules | null => this.#options.filterModules?.() ?? null;
    const filters = new GatewayFilters({
      ...reach,
      native,
      log: this.#log,
      modules,
      env: process.env,
    });
    this.#cleanup.defer(() => filters.close());
    return filters;
  }

  #makeSupervisor(
    native: Native,
    parts: Pick<SupervisorOptions, 'board' | 'acceptor' | 'filters'>,
  ): ShardSupervisor {
    const { board } = parts;
    const { limits, shards, tls } = this.#options.config;
    const supervisor = new ShardSupervisor({
      ...parts,
      count: shards,
      native: {
        boardFd: board.fd,
        connectionsMax: limits.connections,
        pendingBytesMax: limits.memoryPerShard,
        handshakeThreads: tls.handshakeThreads,
      },
      faults: faultsOf(process.env),
      spawn: this.#seams.spawn ?? spawnShardThread,
      countLost: createLossCounter(board, native.abi),
      log: this.#log,
    });
    this.#cleanup.defer(() => supervisor.stop());
    return supervisor;
  }

  #makeDns(onChange: () => void): DnsTable {
    const lookups = this.#seams.lookups ?? createLookups();
    const dns = new DnsTable({ lookups, log: this.#log, random: Math.random, onChange });
    this.#cleanup.defer(() => dns.close());
    return dns;
  }

  #openAccessLog(native: Native, board: Board): Core['accessLog'] {
    const target = this.#options.config.log.access;
    if (target === 'off') {
      return null;
    }
    try {
      const accessLog = native.createAccessLog(board, target);
      this.#cleanup.defer(() => accessLog.close(FLUSH_MS));
      return accessLog;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new GatewayStartError(
        `the access log ${target} cannot be written: ${reason}; make it writable, or set log.access`,
        error,
      );
    }
  }

  #startWatchdog(core: Core): Watchdog {
    const { board, native, supervisor, filters } = core;
    const watchdog = new Watchdog({
      board,
      count: supervisor.count,
      activities: native.abi.activities,
      log: this.#log,
      isReady: (shard) => supervisor.isReady(shard),
      onStall: (shard, state) => supervisor.setStalled(shard, state === 'stalled'),
      describeBusy: (shard) => filters.describeBusy(shard),
      nowNs: () => process.hrtime.bigint(),
    });
    const timer = setInterval(() => watchdog.tick(), TICK_MS);
    this.#cleanup.defer(() => clearInterval(timer));
    return watchdog;
  }

  /** Follows the files of TLS, the ends of certificates, and the time for new ticket keys. */
  #startTls(core: Core): TlsReloader {
    const { applier, native, ticketKeys } = core;
    const log = this.#log;
    const expiry = new ExpiryWatch({ log, nowMs: Date.now });
    this.#cleanup.defer(() => expiry.close());
    const rotation = new TicketRotation({ keys: ticketKeys, publish: () => applier.republish() });
    this.#cleanup.defer(() => rotation.close());
    const reloader = new TlsReloader({
      applier,
      files: new TlsFiles({ native: () => native }),
      isError: isErrorFinding,
      log,
      onApplied: () => this.#onTlsChange(),
    });
    const onChange = (): void => void reloader.reload('file');
    const watch = new FileWatch({ paths: [], log, onChange });
    this.#cleanup.defer(() => watch.close());
    const isWatching = this.#options.watchFile !== null;
    this.#onTlsChange = () => {
      const { config, material } = applier.current;
      const hasTls = material.listeners.size > 0;
      expiry.configure(material.certificates);
      rotation.configure(hasTls ? config.tls.ticketRotationMs : null);
      if (isWatching) {
        watch.follow(material.files);
      }
    };
    this.#onTlsChange();
    return reloader;
  }

  #makeReloader(core: Core, tlsReloader: TlsReloader): Reloader {
    const { config } = this.#options;
    return new Reloader({
      applier: core.applier,
      log: this.#log,
      boardConnectionsMax: config.limits.connections,
      startConfig: config,
      onApplied: (applied) => {
        this.#log.level = applied.log.level;
        this.#onTokenChange(applied);
        this.#onTlsChange();
        this.#onFiltersChange();
      },
      planFilters: (wanted) => core.filters.plan(wanted),
      onTls: (result) => tlsReloader.count(result),
    });
  }

  #reload(reloader: Reloader, cause: string): Promise<ReloadReport> {
    const load = this.#options.reloadConfig;
    return reloader.reload(cause, () => {
      if (load === null) {
        throw new Error(`${this.#options.source} cannot be loaded again`);
      }
      return load();
    });
  }

  async #startAdmin(
    core: Core,
    parts: {
      readonly watchdog: Watchdog;
      readonly reloader: Reloader;
      readonly tlsReloader: TlsReloader;
      readonly drain: Drain;
      readonly reload: (cause: string) => Promise<ReloadReport>;
    },
  ): Promise<void> {
    const { config, parseConfig, source } = this.#options;
    const version = readVersion();
    const startedAtMs = Date.now();
    const metrics = createMetricSources({
      ...core,
      ...parts,
      version,
      startedAtMs,
      logDropped: () => this.#openedLog.dropped(),
    });
    const api = new AdminApi({
      log: this.#log,
      routes: createRoutes({
        ...core,
        ...parts,
        abi: core.native.abi,
        log: this.#log,
        metrics,
        parseConfig,
        version,
        source,
        startedAtMs,
        faults: faultsOf(process.env),
      }),
    });
    this.#cleanup.defer(() => api.close());
    const { socket, tcp } = config.admin;
    if (socket !== null) {
      await api.listenUnix(socket);
    }
    if (tcp !== null) {
      const port = await api.listenTcp({ ...tcp, token: readAdminToken(tcp, source) });
      this.#log.info({ host: tcp.host, port }, 'the admin API answers over TCP');
      this.#onTokenChange = (applied) => this.#changeToken(api, applied);
    }
  }

  #changeToken(api: AdminApi, config: Config): void {
    if (config.admin.tcp === null) {
      return;
    }
    try {
      api.setToken(readAdminToken(config.admin.tcp, this.#options.source));
    } catch (error) {
      this.#log.error({ err: error }, 'the former admin token stays');
    }
  }

  async #startWatching(reload: (cause: string) => Promise<ReloadReport>): Promise<void> {
    const { watchFile } = this.#options;
    if (watchFile === null) {
      return;
    }
    const watch = new FileWatch({
      paths: [watchFile],
      log: this.#log,
      onChange: () => void reload('file'),
    });
    this.#cleanup.defer(() => watch.close());
    await watch.start();
    // The file may have changed since it was loaded, while nobody watched.
    const loaded = await this.#options.reloadConfig?.().catch(() => null);
    if (loaded !== undefined && !isDeepStrictEqual(loaded?.config, this.#options.config)) {
      void reload('file');
    }
  }

  /** Follows the files that filters are made of, once there are any. */
  #watchFilters(core: Core, reload: (cause: string) => Promise<ReloadReport>): void {
    if (this.#options.watchFile === null) {
      return;
    }
    const onChange = (): void => void reload('filter file');
    const watch = new FileWatch({ paths: [], log: this.#log, onChange });
    this.#cleanup.defer(() => watch.close());
    let isFollowing = false;
    this.#onFiltersChange = () => {
      const { files } = core.applier.current.filters;
      if (files.size > 0 || isFollowing) {
        isFollowing = true;
        watch.follow(files);
      }
    };
    this.#onFiltersChange();
  }

  #serveSignals(core: Core, drain: Drain, reload: (cause: string) => Promise<ReloadReport>): void {
    if (this.#signals === null) {
      return;
    }
    this.#letGoOfFaults = surviveFaults(this.#log);
    this.#signals.serve({
      drain: (signal) => {
        this.#log.info({ signal }, 'draining, then ending; a second signal ends at once');
        void this.#drainAndEnd(core, drain);
      },
      end: (exitCode) => void this.#end(exitCode),
      reload: () => {
        if (this.#options.reloadConfig === null) {
          const { source } = this.#options;
          this.#log.warn({ source }, 'SIGHUP: there is no file to load again');
        } else {
          void reload('SIGHUP');
        }
      },
      reopenLogs: () => {
        core.accessLog?.reopen();
        this.#openedLog.reopen();
      },
    });
  }

  async #drainAndEnd(core: Core, drain: Drain): Promise<number> {
    try {
      await drain.start(core.applier.current.config.drain);
    } catch (error) {
      this.#log.error({ err: error }, 'the drain failed');
    }
    await this.#end(0);
    return this.#closed.promise;
  }

  /** Ends now. The first exit code counts. */
  #end(exitCode: number): Promise<void> {
    this.#ending ??= this.undo()
      .catch((error: unknown) => {
        this.#log.error({ err: error }, 'something could not be closed');
      })
      .then(() => {
        this.letGoOfSignals();
        this.#closed.resolve(exitCode);
      });
    return this.#ending;
  }
}

/** Faults are for tests: `HF_TEST_FAULTS=1` lets the admin API break shards. */
function faultsOf(env: NodeJS.ProcessEnv): 'allowed' | 'refused' {
  return env['HF_TEST_FAULTS'] === '1' ? 'allowed' : 'refused';
}

function toStartError(error: unknown): GatewayStartError {
  if (error instanceof GatewayStartError) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  return new GatewayStartError(
    error instanceof ListenError ? message : `the gateway could not start: ${message}`,
    error,
  );
}
