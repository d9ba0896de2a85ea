/**
 * Counts every call of a JavaScript function, in each thread of the product that loads it.
 *
 * Path: the gate starts the product with `--import` of this file; the count is written to
 * HF_CROSSINGS/THREAD.json five times a second and read from there.
 * Invariant: calls of this file are not counted. Precise coverage makes JavaScript slower and
 * counts it exactly; bytes that stay in the core do not notice.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session as Inspector } from 'node:inspector';
import { threadId } from 'node:worker_threads';

const PERIOD_MS = 200;
const folder = process.env['HF_CROSSINGS'];

/** @typedef {{ url: string, functions: { ranges: { count: number }[] }[] }} Script */

if (folder !== undefined) {
  const inspector = new Inspector();
  inspector.connect();
  inspector.post('Profiler.enable');
  inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  let calls = 0;

  const read = () => {
    inspector.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error) return;
      for (const script of /** @type {Script[]} */ (taken.result)) {
        // Timers and the inspector run in Node's own scripts; what a message causes is ours.
        if (script.url === import.meta.url || !script.url.startsWith('file:')) continue;
        for (const each of script.functions) calls += each.ranges[0]?.count ?? 0;
      }
      // Renamed, so that a reader never sees a part.
      const path = `${folder}/${threadId}.json`;
      writeFileSync(`${path}.new`, JSON.stringify({ calls }));
      renameSync(`${path}.new`, path);
    });
  };
  setInterval(read, PERIOD_MS).unref();
}
