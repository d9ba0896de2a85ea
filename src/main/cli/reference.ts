/**
 * Writes docs/cli.md out of the command tree.
 *
 * Path: src/main/config/generate.ts puts the text into docs/.
 * Invariant: the page says what `--help` says; it cannot be out of date where the generated check
 * runs.
 */
import type { Command } from 'commander';
import { createPaint } from '../config/index.ts';
import { createProgram } from './program.ts';

const INTRODUCTION = `# Command line

This page is generated from the command tree (\`npm run docs\`); \`holdfast VERB --help\` says the same.

Results go to stdout, remarks and findings to stderr, so that \`holdfast conns --json | jq\` works.
Colours are used on a terminal unless \`NO_COLOR\` is set; \`FORCE_COLOR=1\` forces them.

| Exit code | Meaning |
| --- | --- |
| 0 | Done. |
| 1 | It could not be done, or something was found wrong. |
| 2 | The configuration or the command line is wrong; nothing was changed. |
| 3 | No gateway answers at the admin endpoint. |

Verbs for a running gateway find its admin endpoint in this order: \`--admin\`, the environment
variable \`HOLDFAST_ADMIN\`, the file of \`--config\`, a \`holdfast.yaml\` in the current directory,
\`./holdfast.sock\`. Over TCP the token comes from \`HOLDFAST_TOKEN\`, or from the configuration.
`;

const nothing = (): void => undefined;

/** A program that writes nowhere. */
function silentProgram(): Command {
  const paint = createPaint({ color: false });
  return createProgram({
    terminal: {
      out: nothing,
      note: nothing,
      env: {},
      columns: 0,
      paint,
      notePaint: paint,
      hasNoteColor: false,
      exit: nothing,
    },
    loadGateway: () => Promise.reject(new Error('the reference starts nothing')),
  });
}

/** Help text as commander prints it, with what is added after it. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
  });
  command.outputHelp();
  return text.trimEnd();
}

/** The page. */
export function createCliPage(): string {
  const program = silentProgram();
  const verbs = program.commands
    .filter((command) => command.name() !== 'help')
    .map((command) => `## holdfast ${command.name()}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`);
  return `${INTRODUCTION}\n\`\`\`text\n${helpOf(program)}\n\`\`\`\n\n${verbs.join('\n')}`;
}
