/**
 * Tells how much of its JavaScript heap each thread of the product uses, after a collection.
 *
 * Path: a scenario starts the product with `--import` of this file and writes a number to
 * HF_HEAPS/asked; each thread that has a name or is the main one then collects its garbage and
 * writes HF_HEAPS/NUMBER-PID-NAME.json. See heaps.ts.
 * Invariant: between two questions a thread does no more than read that number, five times a
 * second.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, threadName } from 'node:worker_threads';

const PERIOD_MS = 200;
const folder = process.env['HF_HEAPS'];

if (folder !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = /** @type {() => void} */ (runInNewContext('gc'));
  const name = isMainThread ? 'main' : (threadName ?? '');
  let answered = '0';

  const answer = () => {
    let asked = '0';
    try {
      asked = readFileSync(`${folder}/asked`, 'utf8');
    } catch {
      // Nobody asked yet.
    }
    if (asked === answered) return;
    answered = asked;
    // What the first leaves to finalizers, the second takes.
    collect();
    collect();
    // Renamed, so that a reader never sees a part.
    const path = `${folder}/${asked}-${process.pid}-${name}.json`;
    writeFileSync(`${path}.new`, JSON.stringify({ heapBytes: process.memoryUsage().heapUsed }));
    renameSync(`${path}.new`, path);
  };
  if (name !== '') setInterval(answer, PERIOD_MS).unref();
}
