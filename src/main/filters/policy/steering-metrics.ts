/**
 * What balancers and discoveries of users did, as metrics.
 *
 * Path: steering.ts is asked at each scrape.
 * Invariant: one series for each use that lives; a reload that changes its code goes on counting.
 */
import type { Family, Sample } from '../../observe/index.ts';
import type { SteeringKind } from './protocol.ts';
import type { SteeringView } from './steering-run.ts';

/** One use that lives. */
export interface SteeringRow {
  readonly cluster: string;
  readonly kind: SteeringKind;
  readonly view: SteeringView;
}

/** The families of all uses. */
export function steeringFamilies(rows: readonly SteeringRow[], restarts: number): Family[] {
  const samples = (read: (view: SteeringView) => number): Sample[] =>
    rows.map(({ cluster, kind, view }) => ({
      labels: { cluster, kind, name: view.name },
      value: read(view),
    }));
  return [
    {
      name: 'holdfast_steering_updates_total',
      kind: 'counter',
      help: 'Lists of discoveries and weights of balancers that differed from the ones before.',
      samples: samples(({ updates }) => updates),
    },
    {
      name: 'holdfast_steering_failures_total',
      kind: 'counter',
      help: 'Times that a balancer or discovery threw, ended, or said what makes no sense.',
      samples: samples(({ failures }) => failures),
    },
    {
      name: 'holdfast_steering_age_seconds',
      kind: 'gauge',
      help: 'Time since the last answer of a balancer or discovery that made sense.',
      samples: samples(({ ageSeconds }) => ageSeconds),
    },
    {
      name: 'holdfast_steering_restarts_total',
      kind: 'counter',
      help: 'Times that the thread of balancers and discoveries hung or ended and was started again.',
      samples: [{ labels: {}, value: restarts }],
    },
  ];
}
