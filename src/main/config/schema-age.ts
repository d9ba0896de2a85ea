/**
 * The part of the language that describes how old a connection may get.
 *
 * Path: schema-listener.ts uses it for connections, schema-route.ts for WebSockets.
 * Invariant: an age without its own jitter is spread, so that connections that came together do
 * not leave together.
 */
import { z } from 'zod';
import { duration, permille, shorthand } from './field.ts';
import { DAY, NEVER, SECOND } from './schema-socket.ts';

/** An age, with or without its jitter. */
export const maxAge = shorthand(
  z.strictObject({
    value: duration(
      {
        is: 'A connection is closed at this age, so that long-lived ones are spread anew.',
        initial: 'never',
      },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    jitter: permille({
      is: 'Spreads the age at random, so that connections that came together do not leave together.',
      initial: '10%',
    }),
  }),
  'value',
  { type: 'string', examples: ['24h', 'never'] },
);
