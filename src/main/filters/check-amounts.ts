/**
 * What the native filters of one list do together must fit what the core keeps for a request.
 *
 * Path: checkUses() asks for each list of a configuration, behind the checks of single uses.
 * Invariant: the core refuses a request whose edits have no room, and leaves out limits beyond its
 * own number; a list that could come to that never gets there.
 */
import type { PolicyInput } from '../../../native/epoll/index.ts';
import type { FilterFinding, FilterUse } from './sites.ts';

/** Changes of fields by one list, in requests and in responses; the core knows the same. */
const EDITS_MAX = 64;
/** Limits of messages in one list, and of bytes; the core knows the same. */
const HOLDS_MAX = 4;

/** The most that one use can come to. */
type Amounts = Readonly<Record<'request' | 'response' | 'messages' | 'bytes', number>>;

const MAXIMA: Amounts = {
  request: EDITS_MAX,
  response: EDITS_MAX,
  messages: HOLDS_MAX,
  bytes: HOLDS_MAX,
};

const WORDS: Readonly<Record<keyof Amounts, string>> = {
  request: 'fields of a request',
  response: 'fields of a response',
  messages: 'limits of messages',
  bytes: 'limits of bytes, throttles among them',
};

function amountsOf(policy: PolicyInput): Partial<Amounts> {
  if (policy.kind === 'headers') {
    const response = policy.edits.filter(({ isResponse }) => isResponse).length;
    return { request: policy.edits.length - response, response };
  }
  if (policy.kind === 'basic-auth') {
    return { request: (policy.userHeader === '' ? 0 : 1) + (policy.isHidden ? 1 : 0) };
  }
  if (policy.kind === 'compression') return { request: 1 };
  if (policy.kind === 'cors') return { response: 4 };
  if (policy.kind === 'fault') return { bytes: policy.throttleMillionths > 0 ? 1 : 0 };
  if (policy.kind !== 'rate-limit') return {};
  const isHeld = policy.counted === 'messages' || policy.counted === 'bytes';
  return isHeld ? { [policy.counted]: 1 } : { response: policy.hasFields ? 2 : 0 };
}

type Sums = Record<keyof Amounts, number>;

/** Adds a use to what its list has; names what is too much with it, the first time only. */
function addUp(sums: Sums, policy: PolicyInput): (keyof Amounts)[] {
  const amounts = Object.entries(amountsOf(policy)) as [keyof Amounts, number][];
  return amounts.flatMap(([key, amount]) => {
    const before = sums[key];
    sums[key] += amount;
    return before <= MAXIMA[key] && sums[key] > MAXIMA[key] ? [key] : [];
  });
}

/** Uses with which their list has more than it may. */
export function checkAmounts(policies: ReadonlyMap<FilterUse, PolicyInput>): FilterFinding[] {
  const findings: FilterFinding[] = [];
  const lists = Map.groupBy(policies, ([{ path }]) => JSON.stringify(path.slice(0, -1)));
  for (const list of lists.values()) {
    const sums: Sums = { request: 0, response: 0, messages: 0, bytes: 0 };
    for (const [{ path }, policy] of list) {
      for (const key of addUp(sums, policy)) {
        const message = `the native filters of one list have at most ${MAXIMA[key]} ${WORDS[key]}`;
        findings.push({ path: [...path, 'use'], file: '', line: 0, column: 0, message });
      }
    }
  }
  return findings;
}
