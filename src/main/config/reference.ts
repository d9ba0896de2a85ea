/**
 * Writes the reference pages of the configuration language and of its findings, as Markdown.
 *
 * Path: generate.ts puts the texts into docs/.
 * Invariant: pure; everything about fields comes out of the JSON Schema, everything about findings
 * out of codes.ts, so the pages cannot say something else than the program does.
 */
import type { HttpAbi } from '../../../native/epoll/index.ts';
import { UNIX_PATH_BYTES_MAX } from './address.ts';
import { FINDINGS, type FindingRow } from './codes.ts';
import { createJsonSchema, type SchemaNode } from './json-schema.ts';
import * as limit from './limits.ts';
import { createHttpPart } from './reference-http.ts';
import { TEXT_BYTES_MAX } from './source.ts';
import { formatSize } from './units.ts';

const KIND_WORDS: Readonly<Record<string, string>> = {
  word: 'word',
  boolean: '`true` or `false`',
  cluster: 'name of a cluster',
  number: 'number',
};

const LIST_WORDS: Readonly<Record<string, string>> = {
  network: 'list of networks',
  address: 'list of addresses',
};

/** A map of the language with its fields, as one section of the page. */
interface Section {
  readonly title: string;
  readonly node: SchemaNode;
  readonly fields: readonly (readonly [string, SchemaNode])[];
}

/** The long form of a node that also has a short one. */
function longForm(node: SchemaNode): SchemaNode {
  const { anyOf } = node;
  if (anyOf === undefined) return node;
  const map = anyOf.find((form) => form.properties !== undefined);
  const list = anyOf.find((form) => form.items !== undefined);
  return map ?? list ?? node;
}

function childMap(node: SchemaNode): { readonly map: SchemaNode; readonly suffix: string } | null {
  const form = longForm(node);
  if (form.properties !== undefined) return { map: form, suffix: '' };
  const items = form.items === undefined ? undefined : longForm(form.items);
  return items?.properties === undefined ? null : { map: items, suffix: '[]' };
}

function collectSections(title: string, node: SchemaNode, out: Section[]): void {
  const found = childMap(node);
  if (found === null) return;
  const fields = Object.entries(found.map.properties ?? {});
  out.push({ title: `${title}${found.suffix}`, node, fields });
  for (const [name, child] of fields) {
    const prefix = title === '' ? '' : `${title}${found.suffix}.`;
    collectSections(`${prefix}${name}`, child, out);
  }
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function typeOf(node: SchemaNode): string {
  const child = childMap(node);
  const hasShort = node.anyOf?.some((form) => form.properties === undefined) === true;
  if (child !== null)
    return child.suffix === '' ? `map${hasShort ? ' or its short form' : ''}` : 'list';
  const form = longForm(node);
  if (form.items !== undefined) return LIST_WORDS[form.items['x-kind'] ?? ''] ?? 'list';
  const kind = node['x-kind'] ?? 'text';
  return KIND_WORDS[kind] ?? kind;
}

function limitsOf(node: SchemaNode): string {
  const words = node['x-limits'] ?? '';
  if (node['x-kind'] === 'word') return words.split(', ').map(code).join(', ');
  return words.replaceAll(/"(\w+)"/g, '`$1`');
}

/** Escapes what would end a table cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function defaultOf(node: SchemaNode, isRequired: boolean): string {
  if (isRequired) return '**required**';
  return node.default === undefined ? '' : code(node.default);
}

function anchorOf(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '');
}

function describeField(name: string, node: SchemaNode, section: Section): string {
  const required = childMap(section.node)?.map.required ?? section.node.required ?? [];
  const isRequired = required.includes(name);
  const child = childMap(node);
  const inner = section.title === 'Top level' ? name : `${section.title}.${name}`;
  const more =
    child === null ? '' : ` See [${inner}${child.suffix}](#${anchorOf(inner + child.suffix)}).`;
  const items = longForm(node).items;
  const example = node.examples?.[0] ?? undefined;
  const shown = example === undefined || child?.suffix === '' ? '' : ` Example: ${code(example)}.`;
  const restart = node['x-reload'] === 'restart' ? ' **Restart.**' : '';
  const itemLimits = items === undefined ? '' : limitsOf(items);
  const cells = [
    `\`${name}\``,
    typeOf(node),
    defaultOf(node, isRequired),
    limitsOf(node) || itemLimits,
    `${node.description ?? ''}${restart}${shown}${more}`,
  ];
  return `| ${cells.map(cell).join(' | ')} |`;
}

function describeSection(section: Section): string {
  const lines = [`## ${section.title}`, ''];
  if (section.title !== 'Top level' && section.node.description !== undefined) {
    lines.push(section.node.description, '');
  }
  lines.push('| Field | Type | Default | Limits | Meaning |', '| --- | --- | --- | --- | --- |');
  for (const [name, node] of section.fields) lines.push(describeField(name, node, section));
  return lines.join('\n');
}

/** A Markdown table. */
function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

const FORMS = table(
  ['Type', 'Written as', 'Notes'],
  [
    ['duration', '`250ms`, `30s`, `10m`, `1h30m`, `7d`', 'The unit is required; `0` needs none.'],
    [
      'size',
      '`4096`, `64KiB`, `1MiB`, `64kB`',
      'KiB is 1024 bytes, kB is 1000; the same for M, G, T.',
    ],
    ['count', '`200`, `100k`, `2M`', 'k is 1000.'],
    ['rate', '`500/s`, `5k/s`, `300/m`', 'At least one each second.'],
    ['percent', '`10%`', 'The sign is required.'],
    [
      'address',
      '`10.0.1.10:1883`, `"[::1]:1883"`, `broker.internal:1883`, `unix:/run/app.sock`',
      'IPv6 in brackets and quotes. Listeners take no names.',
    ],
    ['network', '`10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`', 'Bits below the prefix are zero.'],
    [
      'name',
      '`mqtt`, `chat-eu.1`',
      `1 to ${limit.NAME_BYTES_MAX} letters, digits, \`.\`, \`_\`, \`-\`; starts with a letter or digit.`,
    ],
    ['mode', '`"0660"`', 'Octal and quoted.'],
    [
      'template',
      '`https://%{host}%{path}`',
      '`%%` is a percent sign. The variables are listed [below](#variables-of-templates).',
    ],
    [
      'pattern',
      '`/users/[0-9]+`',
      'A regular expression that takes time linear in the text; see [below](#patterns).',
    ],
  ],
);

const LIMITS = table(
  ['What', 'At most'],
  [
    ['size of the file', formatSize(TEXT_BYTES_MAX)],
    ['shards', String(limit.SHARDS_MAX)],
    ['listeners', String(limit.LISTENERS_MAX)],
    ['addresses of one listener', String(limit.BINDS_MAX)],
    ['clusters', String(limit.CLUSTERS_MAX)],
    ['endpoints of all clusters', String(limit.ENDPOINTS_MAX)],
    ['hosts of one listener with HTTP', String(limit.HTTP_HOSTS_MAX)],
    ['routes of one listener with HTTP', String(limit.HTTP_ROUTES_MAX)],
    ['conditions on headers of one route, and on its query', String(limit.HTTP_CONDITIONS_MAX)],
    ['clusters that one route is split between', String(limit.HTTP_SPLITS_MAX)],
    ['headers that one route changes in one direction', String(limit.HTTP_EDITS_MAX)],
    ['bytes of their names and values', formatSize(limit.HTTP_EDIT_BYTES_MAX)],
    ['bytes of a pattern, or of a text in a condition', String(limit.HTTP_TEXT_BYTES_MAX)],
    ['bytes of the content of a response of the gateway', formatSize(limit.CONTENT_BYTES_MAX)],
    ['bytes of a name', String(limit.NAME_BYTES_MAX)],
    ['bytes of a Unix socket path', String(UNIX_PATH_BYTES_MAX)],
  ],
);

const INTRODUCTION = `# Configuration reference

This page is generated from the schema (\`npm run docs\`); \`holdfast schema\` prints the same as a
JSON Schema for editors. \`holdfast validate FILE\` checks a file and shows all its faults;
the codes are in [errors.md](errors.md). \`holdfast init\` writes a file to start from.

A file is YAML 1.2 or JSON. Unknown keys, duplicate keys and tabs in the indentation are errors. A
key with nothing after it counts as left out. Anchors, aliases and merge keys (\`<<: *name\`) work
within the file.

A field marked **Restart** takes effect when the gateway starts; everything else takes effect with a
reload (SIGHUP, \`holdfast reload\`, or a change of the file). A reload never touches established
connections: they keep the settings they began with.

## Forms of values

${FORMS}

Any text may contain \`\${env:NAME}\` or \`\${env:NAME:-default}\`; \`$\${\` stands for a literal \`\${\`.
The admin token may also be \`\${file:path}\`: the first line of that file, relative to the
configuration file. References are replaced inside of values only, after the file is parsed, so a
value cannot add structure.

## Limits of a configuration

${LIMITS}

Beyond a limit the file is refused and nothing changes.
`;

/**
 * The reference page of the language. `example` is a complete file that is tested elsewhere,
 * `variables` are those of the core's templates.
 */
export function createConfigPage(example: string, variables: HttpAbi['variables']): string {
  const sections: Section[] = [];
  collectSections('', createJsonSchema(), sections);
  const [top, ...rest] = sections;
  const all = top === undefined ? [] : [{ ...top, title: 'Top level' }, ...rest];
  const complete = `## A complete example\n\n\`\`\`yaml\n${example.trimEnd()}\n\`\`\`\n`;
  return [
    INTRODUCTION,
    complete,
    ...all.map((section) => `${describeSection(section)}\n`),
    createHttpPart(variables),
  ].join('\n');
}

function describeFinding(row: FindingRow): string {
  const anchor = `<a id="${row.code.toLowerCase()}"></a>`;
  const { title, mend, severity } = row;
  const cells = [`${anchor}\`${row.code}\``, severity, title, mend];
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** The part of docs/errors.md that lists the findings of configurations. */
export function createFindingsPart(): string {
  const rows = Object.values(FINDINGS).map(describeFinding);
  return [
    '`holdfast validate` shows all of them at once, each with its place in the file. An error means that the',
    'configuration is not used: nothing is started, or the running one stays as it is. `holdfast explain CODE`',
    'prints a row of this table.',
    '',
    '| Code | Severity | Meaning | What to do |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
