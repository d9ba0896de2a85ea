/**
 * holdfast/headers: fields that all requests or responses of a place get, or lose.
 *
 * Path: a native filter. Values are written as they stand; templates are for `requestHeaders` and
 * `responseHeaders` of routes.
 * Invariant: what is removed goes first, then what is set, then what is added.
 */
import { z } from 'zod';
import type { PolicyEditInput } from '../../../../native/epoll/index.ts';
import { condition } from './condition.ts';
import { label, oneOrMore, text, token } from './fields.ts';
import { baseOf, type CheckTools, nativeFilter } from './native-filter.ts';

/** Changes of one use; the core knows the same. */
const EDITS_MAX = 20;

const edits = z
  .strictObject({
    remove: oneOrMore(token).optional(),
    set: z.record(z.string(), text).optional(),
    add: z.record(z.string(), text).optional(),
  })
  .optional();

const schema = z.strictObject({
  name: label.optional(),
  when: condition.optional(),
  request: edits,
  response: edits,
});

type Edits = z.output<typeof edits>;

function toEdits(from: Edits, key: 'request' | 'response', tools: CheckTools): PolicyEditInput[] {
  const isResponse = key === 'response';
  const { remove = [], set = {}, add = {} } = from ?? {};
  for (const [kind, fields] of Object.entries({ set, add })) {
    for (const [name, value] of Object.entries(fields)) {
      if (!value.includes('%{')) continue;
      tools.report([key, kind, name], 'a value here is no template: write it on the route');
    }
  }
  return [
    ...remove.map((name) => ({ isResponse, kind: 'remove' as const, name, value: '' })),
    ...Object.entries(set).map(([name, value]) => {
      return { isResponse, kind: 'set' as const, name, value };
    }),
    ...Object.entries(add).map(([name, value]) => {
      return { isResponse, kind: 'add' as const, name, value };
    }),
  ];
}

export const headers = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    const changes = [
      ...toEdits(config.request, 'request', tools),
      ...toEdits(config.response, 'response', tools),
    ];
    if (changes.length === 0) {
      const keys = '"set", "add" or "remove"';
      tools.report([], `there is no change: write "request" or "response" with ${keys}`);
    }
    if (changes.length > EDITS_MAX) {
      tools.report([], `${changes.length} changes are more than ${EDITS_MAX}: write a second use`);
    }
    return { ...baseOf('headers', config, tools), kind: 'headers', edits: changes };
  },
});
