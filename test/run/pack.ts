/**
 * Points the exports of package.json at what was built, and back at the sources: `pack.ts built`,
 * `pack.ts source`.
 *
 * Path: npm runs it before and after it packs (prepack, postpack), behind the build.
 * Invariant: each form follows from the other, so that a pack which was cut short is mended by
 * `pack.ts source`. Node strips no types below node_modules: what is installed is JavaScript.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const SOURCE = /^\.\/(src\/.+)\.ts$/;
const BUILT = /^\.\/dist\/(src\/.+)\.js$/;

type Target = string | { readonly types: string; readonly default: string };

function toBuilt(target: Target): Target {
  const stem = typeof target === 'string' ? SOURCE.exec(target)?.[1] : undefined;
  if (stem === undefined) return target;
  return { types: `./dist/${stem}.d.ts`, default: `./dist/${stem}.js` };
}

function toSource(target: Target): Target {
  const stem = typeof target === 'string' ? undefined : BUILT.exec(target.default)?.[1];
  return stem === undefined ? target : `./${stem}.ts`;
}

const [form] = process.argv.slice(2);
if (form === 'built' || form === 'source') {
  const convert = form === 'built' ? toBuilt : toSource;
  const file = new URL('../../package.json', import.meta.url);
  const about = JSON.parse(readFileSync(file, 'utf8')) as { exports: Record<string, Target> };
  const pairs = Object.entries(about.exports).map(([name, target]) => [name, convert(target)]);
  about.exports = Object.fromEntries(pairs) as Record<string, Target>;
  writeFileSync(file, `${JSON.stringify(about, null, 2)}\n`);
} else {
  process.stderr.write('usage: node test/run/pack.ts built|source\n');
  process.exitCode = 2;
}
