/**
 * The configuration language: every field with its type, unit, default, limits and meaning.
 *
 * Path: load.ts runs it over the plain value; generate.ts derives the JSON Schema and
 * docs/config.md from it.
 * Invariant: this is the only description of the language; what is not here is an unknown key.
 * Amounts leave here in base units (ms, bytes, per second, permille), still under their human
 * names; normalize.ts renames. Does not check fields against each other; check.ts does.
 */
import { z } from 'zod';
import { parseBind, parseUnixPath } from './address.ts';
import {
  choice,
  countOrAuto,
  duration,
  field,
  section,
  shorthand,
  size,
  sizeOrAuto,
  text,
} from './field.ts';
import * as limit from './limits.ts';
import { cluster } from './schema-cluster.ts';
import { listener } from './schema-listener.ts';
import { DAY, HOUR, KIB, MIB, NEVER, SECOND } from './schema-socket.ts';
import { processTls } from './schema-tls.ts';
import { parseFilePath, parseToken, parseVersion } from './values.ts';
import { parseAccessFormat } from './values-http.ts';

const adminTcp = shorthand(
  z.strictObject({
    bind: field(
      parseBind,
      {
        is: 'IP and port; 127.0.0.1 unless you know why not.',
        example: '127.0.0.1:9901',
        lifetime: 'restart',
      },
      {
        kind: 'address',
        json: { type: 'string' },
      },
    ),
    tokenFile: text(
      {
        is: 'File whose first line is the token that requests carry.',
        example: '/etc/holdfast/token',
      },
      'path',
      parseFilePath,
    ).optional(),
    token: text(
      {
        is: 'The token itself, best as a reference: `${env:NAME}` or `${file:path}`.',
        example: '${env:HOLDFAST_TOKEN}',
      },
      'secret',
      parseToken,
    ).optional(),
  }),
  'bind',
  { type: 'string', examples: ['127.0.0.1:9901'] },
);

/** The whole language. */
export const configSchema = z.strictObject({
  version: field(
    parseVersion,
    { is: 'Version of this language.', example: 1 },
    { kind: 'number', json: { const: 1 } },
  ),
  shards: countOrAuto(
    {
      is: 'Worker threads that carry connections; `auto` is one for each core that the process may use.',
      initial: 'auto',
      lifetime: 'restart',
    },
    { min: 1, max: limit.SHARDS_MAX },
  ),
  distribution: choice(
    {
      is: 'How accepted connections are given to shards. Long-lived connections stay balanced only by counting them.',
      initial: 'least-connections',
    },
    ['least-connections', 'round-robin'],
  ),
  admin: section('Where the admin API answers; `holdfast conns` and its like use it.', {
    socket: field<string | null>(
      (value) => {
        if (value === 'off' || value === null || value === false) return { ok: true, value: null };
        if (typeof value === 'string') return parseUnixPath(value.replace(/^unix:/, ''));
        return {
          ok: false,
          fault: {
            name: 'wrongType',
            message: 'the admin socket is a path',
            hint: 'write "./holdfast.sock" or "off"',
          },
        };
      },
      {
        is: 'Path of the Unix socket, made with mode 0600; `off` for none.',
        initial: './holdfast.sock',
        lifetime: 'restart',
      },
      { kind: 'path', json: { type: 'string' }, limits: 'at most 107 bytes, or "off"' },
    ),
    tcp: adminTcp.optional().meta({
      description: 'Also answers over TCP, with a token in `Authorization: Bearer`.',
    }),
  }),
  log: section('The process log, and one access record for each connection.', {
    level: choice(
      {
        is: 'Least severe messages that are logged. `holdfast log-level` changes it while running.',
        initial: 'info',
      },
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    ),
    access: text(
      {
        is: 'Where access records go: `stdout`, `stderr`, `off`, or a file.',
        initial: 'stdout',
        lifetime: 'restart',
      },
      'path',
      parseFilePath,
    ),
    accessInterval: duration(
      { is: 'Connections that live longer are recorded at this interval too.', initial: '1h' },
      { min: SECOND, max: 7 * DAY, zero: NEVER },
    ),
    accessFormat: text(
      {
        is: 'Form of the records of requests: `json`, `common` (the common log format), or a template with `%{variables}`. Connections of TCP are always recorded in JSON.',
        initial: 'json',
        example: '%{time} %{client.address} "%{method} %{path}" %{status} %{duration}',
      },
      'template',
      parseAccessFormat,
    ),
    format: choice(
      {
        is: 'Form of the process log: `auto` is `pretty` on a terminal and `json` elsewhere.',
        initial: 'auto',
        lifetime: 'restart',
      },
      ['auto', 'json', 'pretty'],
    ),
  }),
  limits: section('Limits of the whole process.', {
    connections: countOrAuto(
      {
        is: 'Live proxied connections; at the limit, new ones are closed at once. `auto` is what the limit of open files allows: two for each connection, after a reserve of 256. A reload may lower it and raise it again up to its value at start.',
        initial: 'auto',
      },
      { min: 1, max: limit.CONNECTIONS_MAX },
    ),
    memory: size(
      {
        is: 'Bytes that all connections together may hold for slow readers.',
        initial: '512MiB',
        lifetime: 'restart',
      },
      { min: MIB, max: 1024 * 1024 * MIB },
    ),
    memoryPerShard: sizeOrAuto(
      {
        is: 'The same for one shard; `auto` is an equal part of `memory`.',
        initial: 'auto',
        lifetime: 'restart',
      },
      { min: 256 * KIB, max: 1024 * 1024 * MIB },
    ),
  }),
  drain: section('How the gateway leaves on SIGTERM and on `holdfast drain`.', {
    readinessDelay: duration(
      {
        is: 'Time between failing readiness and the first close, for load balancers to look elsewhere.',
        initial: '5s',
      },
      { min: 0, max: HOUR },
    ),
    over: duration(
      {
        is: 'Closes are spread at random over this window, so that clients do not return all at once.',
        initial: '30s',
      },
      { min: 0, max: DAY },
    ),
    grace: duration(
      { is: 'Time to flush after the window; then what is left is cut.', initial: '10s' },
      { min: 0, max: HOUR },
    ),
  }),
  tls: processTls,
  listeners: z.array(listener).meta({ description: 'Where connections come from; at most 256.' }),
  clusters: z
    .array(cluster)
    .meta({ description: 'Where connections go to; at most 1024, with 16384 endpoints in all.' }),
});

/** What the schema yields: complete, in base units, under human names. */
export type ParsedConfig = z.output<typeof configSchema>;
