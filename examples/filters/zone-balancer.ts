/**
 * Endpoints of the own zone first, the others as far as they are needed.
 *
 * Configuration: endpoints carry the label `zone`; `with: { zone: a, enough: 2 }`.
 * With enough healthy endpoints in the zone nothing leaves it; below that, others take a share that
 * grows with what is missing. Those with many connections get less.
 * Invariant: while anything is healthy, something has a weight.
 */
import { defineLoadBalancer } from 'holdfast/sdk';
import * as z from 'zod';

const FULL = 100;

export default defineLoadBalancer({
  name: 'zone',
  config: z.strictObject({ zone: z.string(), enough: z.int().min(1).default(2) }),
  interval: '5s',
  weigh(endpoints, { zone, enough }) {
    const isNear = (labels: Readonly<Record<string, string>>): boolean => labels['zone'] === zone;
    const near = endpoints.filter((one) => one.isHealthy && isNear(one.labels)).length;
    const abroad = Math.max(0, 1 - near / enough);
    const active = endpoints.reduce((sum, one) => sum + one.active, 0);
    const mean = active / Math.max(1, endpoints.length);
    return endpoints.map((one) => {
      if (!one.isHealthy) return 0;
      const share = isNear(one.labels) ? 1 : abroad;
      const load = one.active > 2 * mean ? 0.5 : 1;
      return Math.round(FULL * one.weight * share * load);
    });
  },
});
