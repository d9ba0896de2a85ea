/**
 * holdfast/rbac: rules that allow and deny by what a request, its connection and its client's
 * certificate are.
 *
 * Path: a native filter; the core finds the rules that could match by an index (policy/rules.h).
 * Invariant: the first rule that matches decides, and `default` where none does.
 */
import { z } from 'zod';
import type { PolicyRuleInput } from '../../../../native/epoll/index.ts';
import { condition, needsOf, type TestNeeds, toTest } from './condition.ts';
import { label, status } from './fields.ts';
import { baseOf, checkNeeds, nativeFilter, phaseFor } from './native-filter.ts';

/** Rules of one use. */
const RULES_MAX = 10_000;

const action = z.enum(['allow', 'deny']);

const schema = z.strictObject({
  name: label.optional(),
  default: action.optional(),
  shadow: z.boolean().optional(),
  status: status.optional(),
  when: condition.optional(),
  rules: z
    .array(
      z.strictObject({
        name: label.optional(),
        action: action.default('allow'),
        shadow: z.boolean().default(false),
        when: condition.optional(),
      }),
    )
    .max(RULES_MAX)
    .default([]),
});

export const rbac = nativeFilter({
  schema,
  places: ['listener', 'route', 'tcp-listener'],
  toPolicy(config, tools) {
    const needs: TestNeeds[] = [];
    let isKnown = true;
    const rules = config.rules.map((rule, i): PolicyRuleInput => {
      const when = toTest(rule.when);
      needs.push(needsOf(when));
      isKnown = checkNeeds(needsOf(when), tools, ['rules', i, 'when']) && isKnown;
      const name = rule.name ?? `rule-${i + 1}`;
      return { name, action: rule.action, isShadow: rule.shadow, when };
    });
    if (rules.length === 0 && config.default === undefined) {
      tools.report([], 'there are no rules: write "rules", or "default: deny" to refuse everybody');
    }
    const base = baseOf('rbac', config, tools);
    needs.push(needsOf(base.when));
    const phase = phaseFor(tools.place, {
      request: needs.some((one) => one.request),
      tls: needs.some((one) => one.tls),
    });
    const fallback = config.default ?? 'deny';
    return isKnown ? { ...base, phase, kind: 'rbac', rules, fallback } : null;
  },
});
