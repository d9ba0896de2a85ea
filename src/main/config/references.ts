/**
 * Replaces `${env:NAME}`, `${env:NAME:-default}` and `${file:path}` in the texts of a
 * configuration.
 *
 * Path: load.ts runs this between reading and the schema, so a value can never add structure.
 * Invariant: only the fields in `SECRET_POINTERS` may be read from files, so that neither a message
 * nor the admin API can be used to read other files; `$${` stands for a literal `${`.
 * Does not read anything itself; the world does.
 */
import { type Findings, toPointer, type ValuePath } from './findings.ts';
import type { Source } from './source.ts';
import { quote } from './units.ts';
import type { World } from './world.ts';

/** Fields whose value may come from a file. */
const SECRET_POINTERS: ReadonlySet<string> = new Set(['/admin/tcp/token']);

const REFERENCE = /\$?\$\{([^}]*)\}/g;

/** A value without references, and where references were: pointer to the text as written. */
export interface Resolved {
  readonly value: unknown;
  readonly origins: ReadonlyMap<string, string>;
}

/** Replaces all references in the value of `source`. */
export function resolveReferences(source: Source, world: World, findings: Findings): Resolved {
  const origins = new Map<string, string>();

  const one = (reference: string, path: ValuePath): string => {
    if (reference.startsWith('$$')) return reference.slice(1);
    const place = source.place(path);
    const report = (message: string, hint: string): string => {
      findings.add({ name: 'badReference', path, place, message, hint });
      return '';
    };
    const body = reference.slice(2, -1);
    const env = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(body);
    if (env !== null) {
      const name = env[1] ?? '';
      const value = world.env[name] ?? env[2];
      return (
        value ??
        report(`the environment has no ${name}`, `set it, or write "\${env:${name}:-default}"`)
      );
    }
    if (!body.startsWith('file:')) {
      return report(
        `${quote(reference)} is not a reference`,
        'write ${env:NAME}, ${file:path}, or $${ for a literal ${',
      );
    }
    if (!SECRET_POINTERS.has(toPointer(path))) {
      return report('only a token can be read from a file', 'use ${env:NAME} here');
    }
    const file = world.readSecret(body.slice('file:'.length));
    return file.ok
      ? file.value
      : report(file.reason, 'paths are relative to the configuration file');
  };

  const walk = (value: unknown, path: ValuePath): unknown => {
    if (typeof value === 'string') {
      if (!value.includes('${')) return value;
      origins.set(toPointer(path), value);
      return value.replaceAll(REFERENCE, (reference) => one(reference, path));
    }
    if (Array.isArray(value)) return value.map((item, i) => walk(item, [...path, i]));
    if (typeof value !== 'object' || value === null) return value;
    const out = Object.create(null) as Record<string, unknown>;
    for (const [key, item] of Object.entries(value)) out[key] = walk(item, [...path, key]);
    return out;
  };

  return { value: walk(source.value, []), origins };
}
