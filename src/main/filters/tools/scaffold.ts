/**
 * `holdfast filter new`: a filter to start from, with a test that passes.
 *
 * Path: cli/verb-filter.ts writes the two files.
 * Invariant: what it makes is valid and its test passes (a test runs it); it replaces no file.
 */

/** Kinds of filters that can be started from. */
export const SCAFFOLD_KINDS = ['stream', 'message', 'network'] as const;
export type ScaffoldKind = (typeof SCAFFOLD_KINDS)[number];

/** One file to write. */
export interface ScaffoldFile {
  readonly name: string;
  readonly text: string;
}

const FILTERS: Readonly<Record<ScaffoldKind, (name: string) => string>> = {
  stream: (
    name,
  ) => `/** Refuses requests without a user, or from some users, and tells endpoints that it looked. */
import { defineStreamFilter, respond } from 'holdfast/sdk';
import * as z from 'zod';

export default defineStreamFilter({
  name: '${name}',
  // What stands under \`with\` in the configuration.
  config: z.strictObject({ refuse: z.array(z.string()).default([]) }),
  // Only what is named here crosses into JavaScript.
  needs: { requestHeaders: ['x-user'] },
  onError: 'closed',
  setup: ({ config }) => new Set(config.refuse),
  onRequest(request, { shared }) {
    const user = request.headers.get('x-user');
    if (user === null) return respond(401, {}, 'who are you?\\n');
    if (shared.has(user)) return respond(403);
    request.headers.set('x-seen-by', '${name}');
    return undefined;
  },
});
`,
  message: (name) => `/** Replaces a word in what clients say. */
import { defineMessageFilter, replace } from 'holdfast/sdk';
import * as z from 'zod';

export default defineMessageFilter({
  name: '${name}',
  // What stands under \`with\` in the configuration.
  config: z.strictObject({ word: z.string().default('secret') }),
  // Only what is named here crosses into JavaScript.
  needs: { messages: { from: 'client', kinds: ['text'] } },
  onError: 'closed',
  setup: ({ config }) => ({ word: config.word }),
  onMessage(message, { shared }) {
    const { text } = message;
    return text.includes(shared.word) ? replace(text.replaceAll(shared.word, '***')) : undefined;
  },
});
`,
  network: (name) => `/** Refuses connections from some addresses. */
import { close, defineNetworkFilter } from 'holdfast/sdk';
import * as z from 'zod';

export default defineNetworkFilter({
  name: '${name}',
  // What stands under \`with\` in the configuration.
  config: z.strictObject({ refuse: z.array(z.string()).default([]) }),
  onError: 'closed',
  setup: ({ config }) => new Set(config.refuse),
  onAccept({ client }, { shared }) {
    return shared.has(client.ip) ? close() : undefined;
  },
});
`,
};

const STEPS: Readonly<Record<ScaffoldKind, string>> = {
  stream: `  const known = kit.exchange({ headers: { 'x-user': 'ann' } });
  assert.equal((await known.request()).verdict, 'continue');
  assert.equal(known.requestHeaders['x-seen-by'] !== undefined, true);
  assert.equal((await kit.exchange().request()).code, 401);
  await using strict = await testFilter(filter, { config: { refuse: ['max'] } });
  const refused = strict.exchange({ headers: { 'x-user': 'max' } });
  assert.equal((await refused.request()).code, 403);
`,
  message: `  const tunnel = kit.tunnel();
  assert.equal((await tunnel.fromClient('hello')).verdict, 'continue');
  assert.equal((await tunnel.fromClient('my secret')).text, 'my ***');
`,
  network: `  assert.equal((await kit.connection().accept()).verdict, 'continue');
  await using strict = await testFilter(filter, { config: { refuse: ['192.0.2.1'] } });
  const connection = strict.connection({ client: { ip: '192.0.2.1' } });
  assert.equal((await connection.accept()).verdict, 'close');
`,
};

/** The files of a new filter. */
export function scaffoldFilter(name: string, kind: ScaffoldKind): ScaffoldFile[] {
  const test = `/** Plays scripts through the filter, without sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testFilter } from 'holdfast/testing';
import filter from './${name}.ts';

test('${name} does what it says', async () => {
  await using kit = await testFilter(filter);
${STEPS[kind]}});
`;
  return [
    { name: `${name}.ts`, text: FILTERS[kind](name) },
    { name: `${name}.test.ts`, text: test },
  ];
}
