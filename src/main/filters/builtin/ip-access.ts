/**
 * holdfast/ip-access: clients that are let in or kept out by their address, from lists and files.
 *
 * Path: a native filter, evaluated as rules of rbac: what is denied first, then what is allowed.
 * Invariant: an address on both lists is denied. With `allow` everything else is denied, with
 * `deny` alone everything else is allowed.
 */
import { z } from 'zod';
import type { PolicyRuleInput } from '../../../../native/epoll/index.ts';
import { isNetwork, label, NETWORKS_MAX, network, oneOrMore, status, text } from './fields.ts';
import { baseOf, type CheckTools, nativeFilter } from './native-filter.ts';

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  status: status.optional(),
  at: z.enum(['accept', 'request']).optional(),
  allow: oneOrMore(network).optional(),
  deny: oneOrMore(network).optional(),
  allowFile: text.optional(),
  denyFile: text.optional(),
});

/** Lines that are shown when they are wrong. */
const LINES_SHOWN_MAX = 5;

/** Networks of a file, one on each line; `#` begins a comment. Null after a report. */
function readNetworks(path: string, key: string, tools: CheckTools): string[] | null {
  const content = tools.readText(path, [key]);
  if (content === null) return null;
  const networks: string[] = [];
  let wrong = 0;
  for (const [i, line] of content.split('\n').entries()) {
    const value = line.replace(/[#;].*$/, '').trim();
    if (value === '') continue;
    if (isNetwork(value)) {
      networks.push(value);
      continue;
    }
    wrong++;
    if (wrong <= LINES_SHOWN_MAX) {
      tools.report([key], `line ${i + 1} of ${path} is not a network: ${value.slice(0, 60)}`);
    }
  }
  if (networks.length > NETWORKS_MAX) {
    tools.report([key], `${path} has more than ${NETWORKS_MAX} networks`);
    return null;
  }
  return wrong === 0 ? networks : null;
}

function ruleOf(action: 'allow' | 'deny', networks: readonly string[]): PolicyRuleInput {
  return { name: action, action, isShadow: false, when: { kind: 'address', networks } };
}

export const ipAccess = nativeFilter({
  schema,
  places: ['listener', 'route', 'tcp-listener'],
  toPolicy(config, tools) {
    const lists = { allow: [...(config.allow ?? [])], deny: [...(config.deny ?? [])] };
    let isRead = true;
    for (const action of ['allow', 'deny'] as const) {
      const path = config[`${action}File`];
      if (path === undefined) continue;
      const networks = readNetworks(path, `${action}File`, tools);
      if (networks === null) isRead = false;
      // One by one: a list of a million does not fit the arguments of a call.
      else for (const one of networks) lists[action].push(one);
    }
    const hasAllow = config.allow !== undefined || config.allowFile !== undefined;
    const hasDeny = config.deny !== undefined || config.denyFile !== undefined;
    if (!hasAllow && !hasDeny) {
      tools.report([], 'there is no list: write "allow", "deny", "allowFile" or "denyFile"');
      return null;
    }
    if (config.at === 'accept' && tools.place === 'route') {
      tools.report(['at'], 'a route is known only once there is a request');
      return null;
    }
    if (config.at === 'request' && tools.place === 'tcp-listener') {
      tools.report(['at'], 'a listener without HTTP has no requests');
      return null;
    }
    if (!isRead) return null;
    const base = baseOf('ip-access', config, tools);
    const rules = [
      ...(hasDeny ? [ruleOf('deny', lists.deny)] : []),
      ...(hasAllow ? [ruleOf('allow', lists.allow)] : []),
    ];
    return {
      ...base,
      kind: 'ip-access',
      phase: config.at ?? base.phase,
      rules,
      fallback: hasAllow ? 'deny' : 'allow',
    };
  },
});
