/**
 * A report as a list of blocks, written once as Markdown and once as HTML.
 *
 * Path: compose.ts builds the blocks; both writers are here, so that the two files cannot differ in
 * what they say.
 * Invariant: inline marks are backticks and double asterisks only. The HTML stands alone: pictures
 * are inline, there is no script.
 */

/** One part of a report. */
export type Block =
  | { readonly kind: 'heading'; readonly level: 1 | 2 | 3; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'code'; readonly text: string }
  | {
      readonly kind: 'table';
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: 'plot'; readonly name: string; readonly title: string; readonly svg: string };

function rowOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function blockToMarkdown(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `${'#'.repeat(block.level)} ${block.text}`;
    case 'text':
      return block.text;
    case 'list':
      return block.items.map((item) => `- ${item}`).join('\n');
    case 'code':
      return `\`\`\`sh\n${block.text}\n\`\`\``;
    case 'table':
      return [
        rowOf(block.head),
        rowOf(block.head.map((_, index) => (index === 0 ? '---' : '---:'))),
        ...block.rows.map(rowOf),
      ].join('\n');
    case 'plot':
      return `![${block.title}](plots/${block.name}.svg)`;
  }
}

/** The report as Markdown; plots are files in `plots/`. */
export function toMarkdown(blocks: readonly Block[]): string {
  return `${blocks.map(blockToMarkdown).join('\n\n')}\n`;
}

function inline(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>');
}

function blockToHtml(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `<h${block.level}>${inline(block.text)}</h${block.level}>`;
    case 'text':
      return `<p>${inline(block.text)}</p>`;
    case 'list':
      return `<ul>${block.items.map((item) => `<li>${inline(item)}</li>`).join('')}</ul>`;
    case 'code':
      return `<pre>${inline(block.text)}</pre>`;
    case 'table': {
      const head = block.head.map((cell) => `<th>${inline(cell)}</th>`).join('');
      const rows = block.rows.map(
        (row) => `<tr>${row.map((cell) => `<td>${inline(cell)}</td>`).join('')}</tr>`,
      );
      return `<div class="wide"><table><tr>${head}</tr>${rows.join('')}</table></div>`;
    }
    case 'plot':
      return `<figure>${block.svg}</figure>`;
  }
}

const STYLE = [
  'body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;',
  'color:#222}table{border-collapse:collapse;margin:.5rem 0}',
  'th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right}',
  'th:first-child,td:first-child{text-align:left}th{background:#f4f4f4}.wide{overflow-x:auto}',
  'pre{background:#f4f4f4;padding:.6rem}figure{margin:1rem 0}svg{max-width:100%}',
].join('');

/** The report as one HTML file. */
export function toHtml(blocks: readonly Block[], title: string): string {
  return [
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${inline(title)}</title><style>${STYLE}</style></head><body>`,
    ...blocks.map(blockToHtml),
    '</body></html>\n',
  ].join('\n');
}
