/**
 * The part of the language that describes active health checks.
 *
 * Path: schema-cluster.ts uses it; see schema.ts for the whole.
 * Invariant: each field is parsed alone; which of them a type of check has a use for is judged in
 * check-cluster.ts.
 */
import { z } from 'zod';
import { choice, count, duration, field, oneOrMore, permille, text } from './field.ts';
import { HOUR, MINUTE } from './schema-socket.ts';
import { parseCheckTarget, parseStatusRange } from './values-cluster.ts';
import { parseFieldText, parseHostHeader } from './values-http.ts';

/** Methods of checks: none of them has content or changes anything. */
const METHODS = ['GET', 'HEAD', 'OPTIONS'] as const;

/** Active checks of a cluster. */
export const healthCheck = z
  .strictObject({
    type: choice(
      {
        is: '`tcp` opens a connection and closes it; `tls` also shakes hands and checks the certificate as `tls` of the cluster says; `http` asks for `path`, over TLS where the cluster has it.',
        initial: 'tcp',
      },
      ['tcp', 'tls', 'http'],
    ),
    path: text(
      { is: 'Path that is asked for, with or without a query.', initial: '/' },
      'path',
      parseCheckTarget,
    ),
    method: choice({ is: 'Method of the request.', initial: 'GET' }, METHODS),
    host: text(
      {
        is: 'Host of the request. Without it `tls.serverName`, or the address of the endpoint.',
        example: 'app.internal',
      },
      'host',
      parseHostHeader,
    ).optional(),
    headers: z
      .record(z.string(), text({ is: 'A value.', example: 'checker' }, 'text', parseFieldText))
      .optional()
      .meta({
        description: 'Further headers of the request, by name.',
        'x-example': { 'x-probe': 'holdfast' },
        'x-kind': 'map of texts',
      }),
    status: oneOrMore(
      field(
        parseStatusRange,
        { is: 'A status or a range.', example: '200-299' },
        { kind: 'number', json: { type: ['string', 'integer'] }, limits: '200 to 599' },
      ),
    )
      .prefault(['200-299'])
      .meta({
        description: 'Statuses of a good answer: single ones, ranges, or classes such as `2xx`.',
        'x-example': ['200-299', 401],
      }),
    interval: duration(
      { is: 'Time between two checks of one endpoint.', initial: '5s' },
      { min: 100, max: HOUR },
    ),
    timeout: duration(
      { is: 'A check that takes longer has failed.', initial: '2s' },
      { min: 10, max: 5 * MINUTE },
    ),
    unhealthyAfter: count(
      { is: 'Failed checks in a row that take an endpoint out.', initial: 3 },
      { min: 1, max: 100 },
    ),
    healthyAfter: count(
      { is: 'Good checks in a row that bring it back.', initial: 2 },
      { min: 1, max: 100 },
    ),
    jitter: permille({ is: 'Spreads the checks over the interval.', initial: '10%' }),
  })
  .optional()
  .meta({
    description:
      'Active checks; without this map, endpoints count as healthy until connecting fails.',
  });
