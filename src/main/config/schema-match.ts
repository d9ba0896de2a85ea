/**
 * The part of the language that describes which requests a route takes.
 *
 * Path: schema-route.ts uses it; see schema.ts for the whole.
 * Invariant: each field is parsed alone. That a path or condition says one thing is for
 * check-route.ts; what paths and patterns may look like is for the core.
 */
import { z } from 'zod';
import { choice, flag, oneOrMore, shorthand, text } from './field.ts';
import { parseComparison, parseHeaderName, parseHttpText, parseQueryName } from './values-http.ts';

/** Methods that routes can ask for; CONNECT never gets as far. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'] as const;

function path(is: string, example: string) {
  return text({ is, example }, 'path', parseHttpText).optional();
}

const pathMatch = shorthand(
  z.strictObject({
    segments: path(
      'This path, and what lies below it: `/api` takes `/api` and `/api/x`, not `/apix`.',
      '/api',
    ),
    exact: path('This path only. `*` is that of `OPTIONS *`.', '/health'),
    prefix: path(
      'Every path that begins so: `/api` takes `/apix` too. Query and fragment are no part of it.',
      '/static/v',
    ),
    regex: path(
      'A regular expression for the whole path, without look-around and back-references.',
      '/users/[0-9]+',
    ),
  }),
  'segments',
  { type: 'string', examples: ['/api'] },
);

const comparison = {
  exact: text({ is: 'The whole value.', example: 'canary' }, 'text', parseComparison).optional(),
  prefix: text({ is: 'How it begins.', example: 'Bearer ' }, 'text', parseComparison).optional(),
  suffix: text({ is: 'How it ends.', example: '.png' }, 'text', parseComparison).optional(),
  regex: text(
    { is: 'A regular expression for the whole value.', example: '[0-9]+' },
    'pattern',
    parseComparison,
  ).optional(),
  present: flag({ is: '`true`: any value will do. `false`: there must be none.' }).optional(),
  invert: flag({
    is: 'Turns the condition round: no value may fulfil it, and a missing one is fine.',
    initial: false,
  }),
};

/** Which requests. */
export const match = shorthand(
  z.strictObject({
    path: pathMatch.optional().meta({
      description:
        'A path with what lies below it, or a map with one of `segments`, `exact`, `prefix`, `regex`. Without it, every path.',
      'x-example': '/api',
    }),
    methods: oneOrMore(choice({ is: 'A method.' }, METHODS))
      .optional()
      .meta({
        description: 'Methods, one of which the request has; without this list, any.',
        'x-example': ['GET', 'HEAD'],
      }),
    headers: z
      .array(
        z.strictObject({
          name: text({ is: 'Name of the header.', example: 'x-env' }, 'name', parseHeaderName),
          ...comparison,
        }),
      )
      .optional()
      .meta({
        description:
          'Conditions on headers, all of which hold. Each has one of `exact`, `prefix`, `suffix`, `regex`, `present`.',
        'x-example': [{ name: 'x-env', exact: 'canary' }],
      }),
    query: z
      .array(
        z.strictObject({
          name: text({ is: 'Name of the parameter.', example: 'v' }, 'name', parseQueryName),
          ...comparison,
        }),
      )
      .optional()
      .meta({
        description: 'Conditions on parameters of the query, likewise; values are not decoded.',
        'x-example': [{ name: 'v', exact: '2' }],
      }),
  }),
  'path',
  { type: 'string', examples: ['/api'] },
);
