/**
 * The parts of the reference page that are about HTTP as a whole: which route is taken, patterns,
 * variables of templates.
 *
 * Path: reference.ts puts them behind the tables of fields.
 * Invariant: variables come out of the core's own table, so that the page names all of them.
 */
import type { HttpAbi } from '../../../native/epoll/index.ts';

const ROUTES = `## Which route is taken

1. **Host.** The entry of \`http.hosts\` with the exact name, else the one with the longest
   \`*.name\` (any number of labels in front), else the one with \`*\`. Where no route of that host
   fits, the answer is 404: other hosts are not asked.
2. **Conditions.** Path, methods, and every condition on headers and query. A condition holds when
   one of the values of that name fulfils it; an inverted one when none does, so also when there is
   none.
3. **Order.** With \`order: listed\`, the first one that fits. With \`order: specificity\`: an exact
   path; then the longest fixed beginning of the path (\`/users/[0-9]+\` begins with
   \`/users/\`, and \`/\` alone counts as nothing); at the same length patterns as listed, then \`segments\`, then
   \`prefix\`; at the same path routes limited to methods, then those with more conditions on
   headers, then on the query, then as listed.

Paths are compared in normal form: \`/caf%c3%a9\` of a route and \`/caf%C3%A9\` of a request are the
same, dot segments are gone, and \`//\` is \`/\` unless \`http.paths.mergeSlashes\` is false. Query
and fragment are not part of a path.`;

const PATTERNS = `## Patterns

Regular expressions are compiled when the configuration is loaded and take time linear in the text,
whatever the pattern. They match the whole path or value; in a rewrite, every match is replaced.

| Written | Matches |
| --- | --- |
| \`abc\`, \`\\.\`, \`\\xHH\`, \`\\t \\n \\r \\f \\v\` | itself; a backslash before any punctuation |
| \`.\` | any byte |
| \`[a-z_]\`, \`[^/]\` | one byte of a set |
| \`\\d \\w \\s \\D \\W \\S\` | ASCII digits, word bytes, white space, and their opposites |
| \`(x)\`, \`(?:x)\` | a group, at most 9 that are numbered |
| \`x\\|y\` | one or the other |
| \`* + ? {n} {n,} {n,m}\` | repetitions up to 1000; with \`?\` behind, few rather than many |
| \`^ $\` | the ends of the text |
| \`(?i)\` | at the very front: ASCII letters in any case |

Everything else is refused with its position: back-references, look-around, names, \`\\b\` and
\`\\p\`.`;

const TEMPLATES = `## Variables of templates

Templates are texts in which \`%{name}\` stands for a value; \`%%\` is a percent sign. Control
bytes of values are left out, so that nothing a client sends can end a line or a header.`;

const SCOPES: Readonly<Record<'both' | 'request' | 'record', string>> = {
  both: 'everywhere',
  request: 'headers, redirects, responses',
  record: 'access records',
};

/** The part of the page. */
export function createHttpPart(variables: HttpAbi['variables']): string {
  const rows = variables.map(({ name, scope, help }) => {
    const shown = name.endsWith('.') ? `${name}NAME` : name;
    return `| \`%{${shown}}\` | ${SCOPES[scope]} | ${help.replaceAll('|', '\\|')} |`;
  });
  const table = ['| Variable | Where | Value |', '| --- | --- | --- |', ...rows].join('\n');
  return `${ROUTES}\n\n${PATTERNS}\n\n${TEMPLATES}\n\n${table}\n`;
}
