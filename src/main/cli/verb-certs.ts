/**
 * `holdfast certs`: the certificates of a running gateway, and when they end.
 *
 * Path: main.ts -> here -> admin-client.ts -> src/main/admin. Reads only.
 * Invariant: text out of certificates is printed safely; --json is the answer of the API as it is.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { ask } from './admin-client.ts';
import { addAdminOptions } from './admin-options.ts';
import type { CliWorld } from './cli-world.ts';
import { EXIT } from './exit.ts';
import { type AdminOptions, findAdmin } from './find-admin.ts';
import { type Cell, type Column, formatTable } from './table.ts';

interface CertsOptions extends AdminOptions {
  readonly within?: number;
  readonly json?: true;
}

/** One certificate, as the admin API has it. */
interface Certificate {
  readonly kind: string;
  readonly owner: string;
  readonly names: readonly string[];
  readonly subject: string;
  readonly keyKind: string;
  readonly notAfter: string;
  readonly daysLeft: number;
  readonly fingerprint: string;
}

const COLUMNS: readonly Column[] = [
  { title: 'OWNER' },
  { title: 'SUBJECT' },
  { title: 'KEY' },
  { title: 'ENDS' },
  { title: 'DAYS', align: 'right' },
  { title: 'FINGERPRINT' },
  { title: 'NAMES' },
];

/** Fewer days than this are worth a colour. */
const DAYS_SOON = 14;
/** Enough of a fingerprint to tell certificates apart. */
const FINGERPRINT_SHOWN = 16;
const NAMES_SHOWN = 4;

function parseDays(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('write a number of days.');
}

async function certs(options: CertsOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const target = findAdmin(options, terminal.env);
  const answer = await ask(target, { method: 'GET', path: '/v1/certificates' });
  const all = (answer['certificates'] ?? []) as readonly Certificate[];
  const { within } = options;
  const found = within === undefined ? all : all.filter(({ daysLeft }) => daysLeft < within);
  if (within !== undefined && found.length > 0) terminal.exit(EXIT.failed);
  if (options.json === true) {
    terminal.out(`${JSON.stringify({ certificates: found }, null, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    terminal.out(all.length === 0 ? 'no certificates\n' : `none ends within ${within} days\n`);
    return;
  }
  const { paint } = terminal;
  const rows = found
    .toSorted((a, b) => a.daysLeft - b.daysLeft)
    .map((each): Cell[] => {
      const { names, daysLeft } = each;
      const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
      const days = String(daysLeft);
      return [
        `${each.kind} ${each.owner}`,
        each.subject,
        each.keyKind,
        each.notAfter.slice(0, 10),
        daysLeft < DAYS_SOON ? { text: days, color: paint.red } : days,
        each.fingerprint.slice(0, FINGERPRINT_SHOWN),
        `${names.slice(0, NAMES_SHOWN).join(', ')}${more}`,
      ];
    });
  terminal.out(formatTable(COLUMNS, rows, { width: terminal.columns, paint }));
}

/** Adds the verb. */
export function addCertsVerb(program: Command, world: CliWorld): void {
  addAdminOptions(program.command('certs'))
    .summary('certificates, and when they end')
    .description('Shows the certificates that the gateway uses, those that end first at the top.')
    .option(
      '--within <days>',
      'only those that end within so many days; exit code 1 when there are any',
      parseDays,
    )
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', '\nExamples:\n  holdfast certs\n  holdfast certs --within 14\n')
    .action((options: CertsOptions) => certs(options, world));
}
