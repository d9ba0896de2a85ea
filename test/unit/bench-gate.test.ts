/**
 * The gate's judgement: what passes, what does not, and that noise alone raises no alarm.
 *
 * Path: budgets and turns made by hand go through the functions that judge. That real regressions
 * are counted is shown by test/e2e/bench-gate.test.ts.
 * Invariant: random turns come from a fixed seed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Budgets,
  describeJudgement,
  describeTime,
  FIGURES,
  findUnexplained,
  judge,
  judgeTime,
  judgeTurns,
  parseBudgets,
  readBudgets,
  type Turn,
} from '../../bench/gate/index.ts';
import { plantInto } from '../../bench/gate/plants.ts';
import { perThing } from '../../bench/gate/product.ts';
import { isDecided, type Sample, type TimeJudgement, TURNS_MIN } from '../../bench/gate/time.ts';
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

describe('a figure of the running product', () => {
  const idle = { events: 30, ms: 1000 };

  it('is what the larger run did more, less what the product does by itself', () => {
    const few = { events: 12_030, ms: 1000 };
    const many = { events: 36_090, ms: 3000 };
    assert.equal(perThing({ idle, few, many }, 8000), 3);
  });

  it('is the same on a machine of a tenth of the speed', () => {
    const few = { events: 12_300, ms: 10_000 };
    const many = { events: 36_900, ms: 30_000 };
    assert.equal(perThing({ idle, few, many }, 8000), 3);
  });

  it('is never below zero', () => {
    const few = { events: 30, ms: 1000 };
    assert.equal(perThing({ idle, few, many: { events: 30, ms: 3000 } }, 8000), 0);
  });
});

describe('a plant', () => {
  const edit = { place: 'the body of f', pattern: /^int f\([^)]*\) \{\n/, planted: '  g();\n' };

  it('is put behind its place', () => {
    const text = 'int f(int a,\n      int b) {\n  return a;\n}\n';
    assert.match(plantInto(text, 'f.cc', edit), /int b\) \{\n {2}g\(\);\n {2}return a/);
  });

  it('whose place is gone, or not the only one, is an error and no plant', () => {
    for (const text of ['int other() {\n', 'int f(int a) {\n}\nint f(char c) {\n}\n']) {
      assert.throws(
        () => plantInto(text, 'f.cc', edit),
        /the place of a plant, the body of f, is in/,
      );
    }
  });
});

/** Turns as a noisy machine shows them: a shift, jitter, and now and then a disturbed window. */
function makeTurns(random: () => number, shift: number, count = 12): Turn[] {
  const make = (by: number): Sample => {
    const value = (): number => {
      const jitter = (random() + random() + random() - 1.5) * 0.06;
      const disturbed = random() < 0.05 ? (random() - 0.5) * 0.6 : 0;
      return 10_000 * Math.exp(by + jitter + disturbed);
    };
    return { cpu: value(), slowness: value() };
  };
  return Array.from({ length: count }, () => ({
    base: make(0),
    head: make(shift),
    again: make(shift),
  }));
}

const verdictsOf = (judgements: readonly TimeJudgement[]): string[] =>
  judgements.map(({ verdict }) => verdict);

describe('time', () => {
  it('raises no alarm in 40 comparisons of one tree with itself', async () => {
    const random = createRandom(7);
    for (let run = 0; run < 40; run += 1) {
      const { judgements } = await judgeTime(async () => makeTurns(random, 0));
      assert.ok(!verdictsOf(judgements).includes('alarm'), `run ${run}`);
    }
  });

  it('raises an alarm when something is 15 % slower', async () => {
    const random = createRandom(8);
    const { judgements, isSecond } = await judgeTime(async () =>
      makeTurns(random, Math.log(1.15), 24),
    );
    assert.ok(isSecond);
    assert.deepEqual(verdictsOf(judgements), ['alarm', 'alarm']);
    assert.match(describeTime(judgements[0] as TimeJudgement), /^FAILED time-cpu .* 24 turns/);
  });

  it('gives a second chance', async () => {
    const random = createRandom(9);
    const shifts = [0.2, 0];
    let asked = 0;
    const { judgements } = await judgeTime(async () => makeTurns(random, shifts[asked++] ?? 0, 24));
    assert.equal(asked, 2);
    assert.deepEqual(verdictsOf(judgements), ['holds', 'holds']);
  });

  it('that rises in the second comparison alone is inconclusive', async () => {
    const [random, calm] = [createRandom(12), createRandom(13)];
    let asked = 0;
    const { judgements } = await judgeTime(async () => {
      const turns = makeTurns(random, 0.2, 24);
      const quiet = makeTurns(calm, 0, 24);
      asked += 1;
      if (asked === 2) return turns;
      const mix = (risen: Sample, other: Sample): Sample => ({ ...other, cpu: risen.cpu });
      return turns.map((turn, at) => ({
        base: mix(turn.base, quiet[at]?.base as Sample),
        head: mix(turn.head, quiet[at]?.head as Sample),
        again: mix(turn.again, quiet[at]?.again as Sample),
      }));
    });
    assert.deepEqual(verdictsOf(judgements), ['alarm', 'inconclusive']);
  });

  it('does not mind what became faster', () => {
    const judgements = judgeTurns(makeTurns(createRandom(10), -0.3));
    assert.deepEqual(verdictsOf(judgements), ['holds', 'holds']);
  });

  it('is inconclusive where a tree differs from itself as much as from the base', () => {
    const turns = makeTurns(createRandom(11), 0, 24).map((turn) => ({
      ...turn,
      again: { cpu: turn.again.cpu * 1.2, slowness: turn.again.slowness * 1.2 },
    }));
    const judgements = judgeTurns(turns);
    assert.deepEqual(verdictsOf(judgements), ['inconclusive', 'inconclusive']);
    assert.match(
      describeTime(judgements[0] as TimeJudgement),
      /^– .*inconclusive: the head differs/,
    );
  });

  it('is inconclusive where the machine had no time', () => {
    assert.deepEqual(verdictsOf(judgeTurns([])), ['inconclusive', 'inconclusive']);
    const few = judgeTurns(makeTurns(createRandom(3), 0.5, TURNS_MIN - 1));
    assert.deepEqual(verdictsOf(few), ['inconclusive', 'inconclusive']);
  });

  it('is decided early only where no alarm can come of it', () => {
    const random = createRandom(14);
    assert.equal(isDecided(makeTurns(random, 0, 24)), true);
    assert.equal(isDecided(makeTurns(random, 0.05, 24)), false);
    assert.equal(isDecided(makeTurns(random, 0, TURNS_MIN - 1)), false);
  });
});
