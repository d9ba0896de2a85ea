/**
 * Shell completion, generated from the command tree.
 *
 * Path: `holdfast completion SHELL` prints it.
 * Invariant: what is completed is what there is: verbs, options and choices come out of the tree
 * that parses them. The scripts are plain and start no program on each key.
 */
import type { Command, Option } from 'commander';

/** Shells that are known. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/** A verb, as completion needs it. */
interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  readonly takesFile: boolean;
  readonly words: readonly string[];
}

const FILE_WORDS = /file|path|socket/i;

function readVerbs(program: Command): Verb[] {
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    options: [...command.options, ...command.createHelp().visibleOptions(command)].filter(
      (option, i, all) => all.findIndex((other) => other.flags === option.flags) === i,
    ),
    takesFile: command.registeredArguments.some((argument) => FILE_WORDS.test(argument.name())),
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  }));
}

function flagsOf(option: Option): string[] {
  return [option.long ?? '', option.short ?? ''].filter((flag) => flag !== '');
}

function takesFile(option: Option): boolean {
  return FILE_WORDS.test(option.flags.replace(/^\S+/, ''));
}

function bash(name: string, verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) => {
    const words = [...verb.options.flatMap(flagsOf), ...verb.words].join(' ');
    const files = verb.takesFile ? ' files=1' : '';
    return `    ${verb.name}) words="${words}"${files} ;;`;
  });
  const choices = verbs.flatMap((verb) =>
    verb.options
      .filter((option) => option.argChoices !== undefined)
      .map(
        (option) =>
          `    ${verb.name}:${option.long}) COMPREPLY=($(compgen -W "${option.argChoices?.join(' ')}" -- "$cur")); return ;;`,
      ),
  );
  const fileOptions = new Set(
    verbs.flatMap((verb) => verb.options.filter(takesFile).flatMap(flagsOf)),
  );
  return `# bash completion for ${name}: source <(${name} completion bash)
_${name}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" verb="\${COMP_WORDS[1]}" words="" files=0
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${verbs.map((verb) => verb.name).join(' ')}" -- "$cur"))
    return
  fi
  case "$verb:$prev" in
${choices.join('\n')}
  esac
  case "$prev" in
    ${[...fileOptions].join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  case "$verb" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ "$files" = 1 ] && [ "\${cur#-}" = "$cur" ]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _${name} ${name}
`;
}

/** Quotes for a single-quoted word of zsh inside of brackets. */
function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, '\\$&');
}

function zshOption(option: Option): string[] {
  const [long] = flagsOf(option);
  const value = option.required || option.optional;
  const choices =
    option.argChoices === undefined
      ? takesFile(option)
        ? '_files'
        : ' '
      : `(${option.argChoices.join(' ')})`;
  const argument = value ? `:value:${choices}` : '';
  return flagsOf(option).map(
    (flag) => `'${flag === long ? long : flag}[${zshText(option.description)}]${argument}'`,
  );
}

function zsh(name: string, verbs: readonly Verb[]): string {
  const list = verbs.map((verb) => `    '${verb.name}:${zshText(verb.summary)}'`);
  const cases = verbs.map((verb) => {
    const rest = verb.takesFile
      ? ["'*:file:_files'"]
      : verb.words.length > 0
        ? [`'*:value:(${verb.words.join(' ')})'`]
        : [];
    return `    ${verb.name}) _arguments ${[...verb.options.flatMap(zshOption), ...rest].join(' ')} ;;`;
  });
  return `#compdef ${name}
# zsh completion for ${name}: source <(${name} completion zsh)
_${name}() {
  local -a verbs
  verbs=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  local verb="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$verb" in
${cases.join('\n')}
  esac
}
compdef _${name} ${name}
`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function fish(name: string, verbs: readonly Verb[]): string {
  const lines = [
    `# fish completion for ${name}: ${name} completion fish | source`,
    `complete -c ${name} -f`,
  ];
  for (const verb of verbs) {
    lines.push(
      `complete -c ${name} -n __fish_use_subcommand -a ${verb.name} -d ${fishText(verb.summary)}`,
    );
    const when = `-n '__fish_seen_subcommand_from ${verb.name}'`;
    for (const option of verb.options) {
      const long =
        option.long === undefined || option.long === null ? '' : ` -l ${option.long.slice(2)}`;
      const short =
        option.short === undefined || option.short === null ? '' : ` -s ${option.short.slice(1)}`;
      const value = option.required || option.optional;
      const choices =
        option.argChoices === undefined
          ? takesFile(option)
            ? ' -r -F'
            : value
              ? ' -x'
              : ''
          : ` -x -a '${option.argChoices.join(' ')}'`;
      lines.push(
        `complete -c ${name} ${when}${long}${short}${choices} -d ${fishText(option.description)}`,
      );
    }
    if (verb.takesFile) lines.push(`complete -c ${name} ${when} -F`);
    if (verb.words.length > 0)
      lines.push(`complete -c ${name} ${when} -a '${verb.words.join(' ')}'`);
  }
  return `${lines.join('\n')}\n`;
}

/** The completion script of a shell. */
export function createCompletion(program: Command, shell: Shell): string {
  const verbs = readVerbs(program);
  return { bash, zsh, fish }[shell](program.name(), verbs);
}
