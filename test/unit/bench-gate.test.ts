/**
 * The gate's judgement: what passes, what does not, and that noise alone raises no alarm.
 *
 * Path: budgets and effects made by hand go through the functions that judge. That real regressions
 * are counted is shown by test/e2e/bench-gate.test.ts.
 * Invariant: random effects come from a fixed seed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Budgets,
  describeJudgement,
  type Effects,
  FIGURES,
  findUnexplained,
  judge,
  judgeEffects,
  judgeTime,
  parseBudgets,
  readBudgets,
} from '../../bench/gate/index.ts';
import { createRandom } from '../../bench/report/index.ts';
import { parseStrace, ROOT } from '../../bench/rig/index.ts';

const BUDGETS: Budgets = {
  toolchain: 'g++ 12.2.0 x64',
  figures: {
    bytes: { budget: 200, reason: 'two records' },
    calls: { budget: 0, reason: 'none' },
    crossings: { budget: 0, reason: 'none', noise: 0.01 },
    loose: { budget: 100, reason: 'V8', tolerance: 0.05 },
  },
};

describe('a counted figure', () => {
  it('may exceed its budget by 1 % and not by more', () => {
    assert.equal(judge('bytes', 202, BUDGETS).verdict, 'holds');
    assert.equal(judge('bytes', 202.1, BUDGETS).verdict, 'exceeds');
    assert.equal(judge('loose', 105, BUDGETS).verdict, 'holds');
    assert.equal(judge('loose', 105.1, BUDGETS).verdict, 'exceeds');
  });

  it('may not leave zero, except for noise that the budget allows', () => {
    assert.equal(judge('calls', 0.001, BUDGETS).verdict, 'exceeds');
    assert.equal(judge('crossings', 0.009, BUDGETS).verdict, 'holds');
    assert.equal(judge('crossings', 1, BUDGETS).verdict, 'exceeds');
  });

  it('says that a budget can be lowered', () => {
    assert.match(judge('bytes', 150, BUDGETS).remark ?? '', /can be lowered/);
    assert.equal(judge('bytes', 199, BUDGETS).remark, undefined);
  });

  it('fails with the figure, the budget, and the command that shows it again', () => {
    const line = describeJudgement(judge('bytes', 232, BUDGETS));
    assert.match(line, /FAILED bytes +232 of 200 {2}\(above its budget \(\+16\.00 %\)\)/);
    assert.match(line, /npm run gate -- --figure bytes/);
  });

  it('that could not be measured is named with the reason and is no failure', () => {
    const judgement = judge('bytes', 'valgrind is not installed', BUDGETS);
    assert.equal(judgement.verdict, 'not measured');
    assert.match(describeJudgement(judgement), /valgrind is not installed/);
  });

  it('without a budget fails', () => {
    assert.equal(judge('unheard-of', 1, BUDGETS).verdict, 'exceeds');
  });
});

describe('budgets.json', () => {
  it('has a budget with a reason for every figure, and no other', () => {
    const { figures } = readBudgets(ROOT);
    assert.deepEqual(Object.keys(figures).sort(), FIGURES.map(({ name }) => name).sort());
  });

  it('may be lowered silently, and raised only with another reason', () => {
    const change = (budget: number, reason: string): Budgets => ({
      ...BUDGETS,
      figures: { ...BUDGETS.figures, bytes: { budget, reason } },
    });
    assert.deepEqual(findUnexplained(BUDGETS, change(150, 'two records')), []);
    assert.deepEqual(findUnexplained(BUDGETS, change(216, 'an age for each connection')), []);
    assert.match(
      findUnexplained(BUDGETS, change(216, 'two records'))[0] ?? '',
      /the budget of bytes rises from 200 to 216 and its reason stays the same/,
    );
  });

  it('is refused without reasons', () => {
    const text = '{"toolchain":"x","figures":{"bytes":{"budget":1}}}';
    assert.throws(() => parseBudgets(text), { name: 'UsageFailure' });
  });
});

describe('the output of strace -c', () => {
  it('gives the sum of calls, with and without errors', () => {
    const table = [
      '% time     seconds  usecs/call     calls    errors syscall',
      '------ ----------- ----------- --------- --------- ----------------',
      ' 55.55    0.000120           1       200        12 recvfrom',
      ' 44.45    0.000095           0       101           epoll_wait',
      '------ ----------- ----------- --------- --------- ----------------',
      '100.00    0.000215           0       301        12 total',
    ];
    assert.equal(parseStrace(table.join('\n')), 301);
    assert.equal(parseStrace(''), 0);
  });
});

/** Effects as a noisy machine shows them: a shift, jitter, and now and then a disturbed window. */
function makeEffects(random: () => number, shift: number): Effects {
  const make = (): number[] =>
    Array.from({ length: 18 }, () => {
      const jitter = (random() + random() + random() - 1.5) * 0.06;
      const disturbed = random() < 0.05 ? (random() - 0.5) * 0.6 : 0;
      return shift + jitter + disturbed;
    });
  return { cpu: make(), slowness: make() };
}

describe('time', () => {
  it('raises no alarm in 40 comparisons of one tree with itself', async () => {
    const random = createRandom(7);
    for (let run = 0; run < 40; run += 1) {
      const judgements = await judgeTime(async () => makeEffects(random, 0));
      assert.ok(
        judgements.every(({ isAlarm }) => !isAlarm),
        `run ${run}`,
      );
    }
  });

  it('raises an alarm when something is 15 % slower', async () => {
    const random = createRandom(8);
    const compare = async (trees: 'same' | 'change'): Promise<Effects> =>
      makeEffects(random, trees === 'same' ? 0 : Math.log(1.15));
    const judgements = await judgeTime(compare);
    assert.ok(judgements.every(({ isAlarm }) => isAlarm));
  });

  it('gives a second chance', async () => {
    const random = createRandom(9);
    const shifts = [0, 0.2, 0];
    let asked = 0;
    const judgements = await judgeTime(async () => makeEffects(random, shifts[asked++] ?? 0));
    assert.equal(asked, 3);
    assert.ok(judgements.every(({ isAlarm }) => !isAlarm));
  });

  it('does not mind what became faster', () => {
    const random = createRandom(10);
    const judgements = judgeEffects(makeEffects(random, -0.3), makeEffects(random, 0));
    assert.ok(judgements.every(({ isAlarm }) => !isAlarm));
  });

  it('takes its threshold from the noise of the machine', () => {
    const random = createRandom(11);
    const loud = { cpu: [0.4, 0.3, 0.5, 0.2], slowness: [0.4, 0.3, 0.5, 0.2] };
    const judgements = judgeEffects(makeEffects(random, 0.2), loud);
    assert.ok(judgements.every(({ isAlarm }) => !isAlarm));
  });
});
