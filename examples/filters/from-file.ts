/**
 * Endpoints from a file that somebody else writes, like `[{ "address": "10.0.0.1:80" }]`.
 *
 * Configuration: `discovery: { use: ./from-file.ts, with: { file: ./endpoints.json } }`.
 * The file is read again every `every`; write it under another name and rename it, so that it is
 * never seen half written. While it cannot be read, or is wrong, the last list holds.
 * Invariant: what is yielded has the form of a list; the gateway judges addresses and labels.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineDiscovery } from 'holdfast/sdk';
import * as z from 'zod';

const List = z.array(
  z.strictObject({
    address: z.string(),
    weight: z.int().min(1).max(1000).default(1),
    labels: z.record(z.string(), z.string()).default({}),
  }),
);

export default defineDiscovery({
  name: 'from-file',
  config: z.strictObject({ file: z.string(), every: z.int().min(100).default(1000) }),
  async *watch({ config, base, signal }) {
    const url = new URL(config.file, base);
    let last: string | null = null;
    while (!signal.aborted) {
      const text = await readFile(url, { encoding: 'utf8', signal });
      if (text !== last) yield List.parse(JSON.parse(text));
      last = text;
      await sleep(config.every, undefined, { signal });
    }
  },
});
