/**
 * holdfast/basic-auth: users with passwords (RFC 7617).
 *
 * Path: a native filter; the core checks a password in microseconds, on the shard's own thread.
 * Invariant: only digests leave here. They have few rounds, so that a check blocks nobody: whoever
 * reads them can guess fast, and passwords are to be long and random.
 */
import { createHash, pbkdf2Sync } from 'node:crypto';
import { z } from 'zod';
import type { PolicyUserInput } from '../../../../native/epoll/index.ts';
import { condition } from './condition.ts';
import { label, parsed, text, token } from './fields.ts';
import { baseOf, type CheckTools, nativeFilter } from './native-filter.ts';

/** Rounds of passwords that are given in clear; as many as the core allows. */
const ROUNDS = 100;
const SALT_BYTES = 16;
const DIGEST_BYTES = 32;

const HASH = /^pbkdf2-sha256\$(\d{1,3})\$((?:[0-9a-f]{2}){1,63})\$([0-9a-f]{64})$/i;

/** A digest: `pbkdf2-sha256$100$SALT$DIGEST`, both in hexadecimal. */
function parseHash(value: unknown) {
  const match = typeof value === 'string' ? HASH.exec(value) : null;
  const rounds = Number(match?.[1] ?? 0);
  if (match !== null && rounds >= 1 && rounds <= ROUNDS) {
    const digest = { rounds, salt: match[2] ?? '', digest: match[3] ?? '' };
    return { ok: true, value: digest } as const;
  }
  const hint = `write "pbkdf2-sha256$ROUNDS$SALT$DIGEST" in hexadecimal, 1 to ${ROUNDS} rounds`;
  return {
    ok: false,
    fault: { name: 'wrongType', message: 'not a digest of a password', hint },
  } as const;
}

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  when: condition.optional(),
  realm: text.default('holdfast'),
  users: z
    .array(
      z.strictObject({
        name: text,
        password: text.optional(),
        hash: parsed(parseHash).optional(),
      }),
    )
    .default([]),
  usersFile: text.optional(),
  userHeader: token.optional(),
  hide: z.boolean().default(false),
});

/** The salt follows from the name: a reload that changes no password changes nothing. */
function digestOf(name: string, password: string): PolicyUserInput {
  const salt = createHash('sha256').update(`holdfast ${name}`).digest().subarray(0, SALT_BYTES);
  const digest = pbkdf2Sync(password, salt, ROUNDS, DIGEST_BYTES, 'sha256');
  return { name, rounds: ROUNDS, salt: salt.toString('hex'), digest: digest.toString('hex') };
}

/** Users of a file, one on each line: `ann:pbkdf2-sha256$...`; `#` begins a comment line. */
function readUsers(path: string, tools: CheckTools): PolicyUserInput[] {
  const users: PolicyUserInput[] = [];
  for (const [i, line] of (tools.readText(path, ['usersFile']) ?? '').split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', hash = ''] = line.trim().split(':');
    const result = parseHash(hash);
    if (result.ok) users.push({ name, ...result.value });
    else tools.report(['usersFile'], `line ${i + 1} of ${path} is not "name:pbkdf2-sha256$..."`);
  }
  return users;
}

export const basicAuth = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    const users = config.usersFile === undefined ? [] : readUsers(config.usersFile, tools);
    for (const [i, { name, password, hash }] of config.users.entries()) {
      if ((password === undefined) === (hash === undefined)) {
        tools.report(['users', i], 'a user has either a "password" or a "hash"');
      } else if (hash !== undefined) {
        users.push({ name, ...hash });
      } else if (password === '') {
        tools.report(['users', i, 'password'], 'the password is empty: anybody could guess it');
      } else if (password !== undefined) {
        users.push(digestOf(name, password));
      }
    }
    if (config.userHeader?.toLowerCase() === 'authorization') {
      tools.report(['userHeader'], '"authorization" has the password: write another field');
    }
    if (users.length === 0 && config.users.length === 0)
      tools.report(['users'], 'there are no users');
    return {
      ...baseOf('basic-auth', config, tools, 401),
      kind: 'basic-auth',
      realm: config.realm,
      users,
      userHeader: config.userHeader ?? '',
      isHidden: config.hide,
    };
  },
});
