/**
 * Requests that two programs could read in two ways, and mutations of them.
 *
 * Path: smuggling.ts sends each through the gateway to several origins and compares what they saw.
 * Invariant: made by code from the rules of RFC 9112, the same for the same seed; each input has a
 * number that is in every target it holds, hidden ones too. Bytes are strings of Latin-1.
 */
import { Dice } from '../../e2e/tcp/pattern.ts';

/** One input. */
export interface Smuggled {
  readonly id: number;
  readonly name: string;
  readonly bytes: string;
  /** True for what has to be refused, whatever origins there are. */
  readonly isRefused: boolean;
}

/** What an input is made of, without its number. */
interface Draft {
  readonly name: string;
  readonly make: (id: number) => string;
  readonly isRefused: boolean;
}

const hidden = (id: number): string => `GET /h${id} HTTP/1.1\r\nHost: a\r\n\r\n`;
const HIDDEN_BYTES = hidden(100_000).length;

/** A POST with these field lines and this content. */
function post(lines: string, content: string, line = 'POST /i# HTTP/1.1'): string {
  return `${line}\r\nHost: a\r\n${lines}\r\n${content}`;
}

/** `#` stands for the number, `@` for a hidden request, in texts of this file. */
function fill(text: string, id: number): string {
  return text.replaceAll('@', hidden(id)).replaceAll('#', `${id}`);
}

function draft(name: string, text: string, isRefused = true): Draft {
  return { name, make: (id) => fill(text, id), isRefused };
}

const LENGTHS: readonly string[] = [
  '+5',
  '-5',
  '0x5',
  '5_',
  '5_0',
  '05',
  '005',
  '5 5',
  '5;',
  '5.0',
  '5e0',
  '"5"',
  '',
  ' ',
  '\t5',
  '5\t',
  '\x0b5',
  '5\x0c',
  '5\0',
  '5,5',
  '5, 5',
  '5,',
  ',5',
  '5, 6',
  '6, 5',
  '9223372036854775808',
  '18446744073709551616',
  '18446744073709551621',
  '99999999999999999999999',
  'five',
  '\xb5',
  '\xd9\xa5',
];

const CODINGS: readonly string[] = [
  'identity',
  'xchunked',
  'chunkedx',
  'x chunked',
  'chunked x',
  'chunked;q=1',
  'chunked; a=b',
  'chunked,',
  ',chunked',
  'chunked, chunked',
  'identity, chunked',
  'chunked, identity',
  'gzip',
  'gzip, chunked',
  'chunked, gzip',
  'cow',
  'cow, chunked',
  '"chunked"',
  "'chunked'",
  'chunke',
  '',
  ' ',
  '\tchunked',
  'chunked\t',
  '\x0bchunked',
  'chunked\x0b',
  '\x0cchunked',
  'chunked\0',
  '\0chunked',
  'chun\0ked',
  'chunked\r\n chunked',
  '\r\n chunked',
  '\r\n\tchunked',
  'chunked\r\n ',
  '\xa0chunked',
  'chunked\x85',
  '\xefchunked',
  'chunked\r\n , identity',
];

/** Names of the two fields, written so that some would not know them, or would. */
const NAME_FORMS: readonly ((name: string) => string)[] = [
  (name) => `${name} :`,
  (name) => `${name}\t:`,
  (name) => ` ${name}:`,
  (name) => `\t${name}:`,
  (name) => `${name}\0:`,
  (name) => `\0${name}:`,
  (name) => `${name}\x0b:`,
  (name) => `${name}\r:`,
  (name) => `${name}\n:`,
  (name) => `${name.replace('-', '_')}:`,
  (name) => `${name.replace('-', ' ')}:`,
  (name) => `${name.replace('-', '--')}:`,
  (name) => `${name.replace('-', '-\r\n ')}:`,
  (name) => `"${name}":`,
  (name) => `X: y\n${name}:`,
  (name) => `X: y\r${name}:`,
  (name) => `X: y\r\r\n${name}:`,
  (name) => `X\r\n${name}:`,
  (name) => `: y\r\n${name}:`,
  (name) => name,
];

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const WHOLE_CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

function framings(): Draft[] {
  const both = `Content-Length: 5\r\n${CHUNKED}`;
  return [
    draft('CL.TE', post(both, '0\r\n\r\n@')),
    draft('TE.CL', post(`${CHUNKED}Content-Length: 5\r\n`, '0\r\n\r\n@')),
    draft(
      'CL.TE with the whole',
      post(`Content-Length: ${HIDDEN_BYTES + 5}\r\n${CHUNKED}`, '0\r\n\r\n@'),
    ),
    draft('TE.TE', post(`${CHUNKED}${CHUNKED}`, WHOLE_CHUNKS)),
    draft('TE.TE, one not known', post(`${CHUNKED}Transfer-Encoding: identity\r\n`, WHOLE_CHUNKS)),
    draft('TE.TE, the first not known', post(`Transfer-Encoding: cow\r\n${CHUNKED}`, WHOLE_CHUNKS)),
    draft('CL.CL, the same', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello@')),
    draft('CL.CL, different', post('Content-Length: 0\r\nContent-Length: 5\r\n', 'hello@')),
    draft('CL.CL, the other way', post('Content-Length: 5\r\nContent-Length: 0\r\n', 'hello@')),
    draft('CL.0', post('Content-Length: 5\r\n', 'hello@'), false),
    draft(
      'CL.0 of a GET',
      post(`Content-Length: ${HIDDEN_BYTES}\r\n`, '@', 'GET /i# HTTP/1.1'),
      false,
    ),
    draft('0.CL', post('Content-Length: 0\r\n', '@'), false),
    draft('no length at all', post('', '@'), false),
    draft('TE.0', post(CHUNKED, WHOLE_CHUNKS), false),
    draft('TE.0 of a GET', post(CHUNKED, WHOLE_CHUNKS, 'GET /i# HTTP/1.1'), false),
    draft('TE.0 of an OPTIONS', post(CHUNKED, `${WHOLE_CHUNKS}@`, 'OPTIONS /i# HTTP/1.1'), false),
    draft('TE in HTTP/1.0', post(CHUNKED, '0\r\n\r\n@', 'POST /i# HTTP/1.0')),
    draft('TE and CL in HTTP/1.0', post(both, '0\r\n\r\n@', 'POST /i# HTTP/1.0')),
    draft(
      'Connection names the length',
      post('Content-Length: 5\r\nConnection: content-length\r\n', 'hello@'),
    ),
    draft(
      'Connection names the coding',
      post(`${CHUNKED}Connection: transfer-encoding\r\n`, WHOLE_CHUNKS),
    ),
    draft('Connection names the host', post('Connection: close, host\r\n', '@')),
    draft(
      'Expect and content',
      post('Content-Length: 5\r\nExpect: 100-continue\r\n', 'hello'),
      false,
    ),
    draft('an obscure Expect', post('Content-Length: 5\r\nExpect: 100-continuee\r\n', 'hello@')),
    draft('TRACE with content', post('Content-Length: 5\r\n', 'hello', 'TRACE /i# HTTP/1.1')),
    draft('CONNECT with content', post('Content-Length: 5\r\n', 'hello', 'CONNECT a:80 HTTP/1.1')),
  ];
}

function fieldForms(): Draft[] {
  const drafts: Draft[] = [];
  for (const [i, value] of LENGTHS.entries()) {
    const isFine = value === '5' || value === ' 5';
    drafts.push(draft(`length ${i}`, post(`Content-Length: ${value}\r\n`, 'hello@'), !isFine));
  }
  for (const [i, value] of CODINGS.entries()) {
    const line = `Transfer-Encoding: ${value}\r\n`;
    drafts.push(draft(`coding ${i}`, post(line, `${WHOLE_CHUNKS}@`)));
    drafts.push(
      draft(`coding ${i} with a length`, post(`Content-Length: 4\r\n${line}`, '0\r\n\r\n@')),
    );
    drafts.push(draft(`coding ${i} and chunked`, post(`${line}${CHUNKED}`, `${WHOLE_CHUNKS}@`)));
  }
  for (const [i, form] of NAME_FORMS.entries()) {
    const te = `${form('Transfer-Encoding')} chunked\r\n`;
    const cl = `${form('Content-Length')} 5\r\n`;
    // A name that is another name is a field like any other.
    const isRefused = !/^[A-Za-z]+--/.test(te);
    drafts.push(draft(`name ${i} of a coding`, post(te, '0\r\n\r\n@'), isRefused));
    drafts.push(
      draft(
        `name ${i} of a coding, and a length`,
        post(`Content-Length: 5\r\n${te}`, '0\r\n\r\n@'),
        isRefused,
      ),
    );
    drafts.push(draft(`name ${i} of a length`, post(cl, 'hello@'), isRefused));
    drafts.push(
      draft(
        `name ${i} of a length, and a coding`,
        post(`${CHUNKED}${cl}`, WHOLE_CHUNKS),
        isRefused,
      ),
    );
  }
  return drafts;
}

const SIZES: readonly string[] = [
  '+5',
  '-5',
  '0x5',
  '5_',
  ' 5',
  '5 ',
  '\t5',
  '5\t',
  '',
  'g',
  '5h',
  '5\0',
  '00000000000000005',
  'ffffffffffffffff',
  '10000000000000005',
  '8000000000000005',
  '5.0',
  '5,',
];

/** Behind the size; only those that RFC 9112 7.1.1 has may pass. */
const EXTENSIONS: readonly (readonly [string, boolean])[] = [
  [';a', false],
  [';a=b', false],
  [';a="b c"', false],
  [';a="\\""', false],
  [';a=b;c=d', false],
  [' ;a=b', true],
  ['; a=b', true],
  [';', true],
  [';a=', true],
  [';=b', true],
  [';a="b', true],
  [';a=b\n', true],
  [';a=b\r', true],
  [';a=\0', true],
  [';a="\r\n0\r\n\r\n"', true],
  [`;${'a'.repeat(16_384)}`, true],
  [';a=b\nX', true],
];

const TRAILERS: readonly (readonly [string, boolean])[] = [
  ['X-A: b\r\n', false],
  ['Content-Length: 5\r\n', true],
  ['Transfer-Encoding: chunked\r\n', true],
  ['Host: b\r\n', true],
  ['Authorization: Basic eDp5\r\n', false],
  ['X-A: b\n', true],
  ['X-A: b\rc\r\n', true],
  ['X-A : b\r\n', true],
  ['X-A\r\n', true],
  [': b\r\n', true],
  [' X: b\r\n', true],
  ['X-A: b\r\n c\r\n', true],
  ['X_A: b\r\n', true],
  ['X-A: \0\r\n', true],
];

function chunkForms(): Draft[] {
  const drafts: Draft[] = [];
  const add = (name: string, content: string, isRefused: boolean): void => {
    drafts.push(draft(name, post(CHUNKED, `${content}@`), isRefused));
  };
  for (const [i, size] of SIZES.entries()) {
    add(`chunk size ${i}`, `${size}\r\nhello\r\n0\r\n\r\n`, true);
    add(`last chunk size ${i}`, `5\r\nhello\r\n${size.replace('5', '0')}\r\n\r\n`, true);
  }
  for (const [i, [extension, isRefused]] of EXTENSIONS.entries()) {
    add(`extension ${i}`, `5${extension}\r\nhello\r\n0\r\n\r\n`, isRefused);
    add(`extension ${i} of the last`, `5\r\nhello\r\n0${extension}\r\n\r\n`, isRefused);
  }
  for (const [i, [trailer, isRefused]] of TRAILERS.entries()) {
    add(`trailer ${i}`, `5\r\nhello\r\n0\r\n${trailer}\r\n`, isRefused);
  }
  const broken: Readonly<Record<string, string>> = {
    'LF behind the size': '5\nhello\r\n0\r\n\r\n',
    'CR behind the size': '5\rhello\r\n0\r\n\r\n',
    'CR CR LF behind the size': '5\r\r\nhello\r\n0\r\n\r\n',
    'LF behind content': '5\r\nhello\n0\r\n\r\n',
    'CR behind content': '5\r\nhello\r0\r\n\r\n',
    'nothing behind content': '5\r\nhello0\r\n\r\n',
    'two bytes that are no CRLF': '5\r\nhelloXX0\r\n\r\n',
    'content that is shorter': '6\r\nhello\r\n0\r\n\r\n',
    'content that is longer': '4\r\nhello\r\n0\r\n\r\n',
    'LF behind the last size': '5\r\nhello\r\n0\n\r\n',
    'LF at the end': '5\r\nhello\r\n0\r\n\n',
    'CR at the end': '5\r\nhello\r\n0\r\n\r',
    'CR X at the end': '5\r\nhello\r\n0\r\n\rX',
    'an empty line between chunks': '5\r\nhello\r\n\r\n0\r\n\r\n',
  };
  for (const [name, content] of Object.entries(broken)) {
    add(name, content, true);
  }
  return drafts;
}

function lineForms(): Draft[] {
  const lines: Readonly<Record<string, string>> = {
    'HTTP/0.9': 'GET /i#',
    'HTTP/1.2': 'GET /i# HTTP/1.2',
    'HTTP/2.0': 'GET /i# HTTP/2.0',
    'HTTP/1.10': 'GET /i# HTTP/1.10',
    'HTTP/01.1': 'GET /i# HTTP/01.1',
    'HTTP/4294967295.255': 'GET /i# HTTP/4294967295.255',
    'HTTP/1.1 twice': 'GET /i# HTTP/1.1 HTTP/1.1',
    'http/1.1': 'GET /i# http/1.1',
    'HTTP /1.1': 'GET /i# HTTP /1.1',
    'HTTPS/1.1': 'GET /i# HTTPS/1.1',
    'two spaces': 'GET  /i# HTTP/1.1',
    'a tab': 'GET\t/i#\tHTTP/1.1',
    'a space in front': ' GET /i# HTTP/1.1',
    'a space behind': 'GET /i# HTTP/1.1 ',
    'a CR inside': 'GET /i#\rX HTTP/1.1',
    'a LF inside': 'GET /i#\nX: HTTP/1.1',
    'a NUL inside': 'GET /i#\0 HTTP/1.1',
    'a DEL inside': 'GET /i#\x7f HTTP/1.1',
    'bytes above ASCII': 'GET /i#\xc3\xa9 HTTP/1.1',
    'a control byte': 'GET /i#\x01 HTTP/1.1',
    'a method with a colon': 'GET: /i# HTTP/1.1',
    'no method': '/i# HTTP/1.1',
    'a method in parts': 'GE T /i# HTTP/1.1',
    'the preface of HTTP/2': 'PRI * HTTP/2.0',
    'another host': 'GET http://b/i# HTTP/1.1',
    'a user in the target': 'GET http://u@a/i# HTTP/1.1',
    'a list of authorities': 'GET http://a,b/i# HTTP/1.1',
    'an asterisk': 'GET * HTTP/1.1',
    'an authority': 'GET a:80 HTTP/1.1',
    'no slash': 'GET i# HTTP/1.1',
  };
  const whole = Object.entries(lines).map(([name, line]) =>
    draft(`line: ${name}`, `${line}\r\nHost: a\r\n\r\n@`),
  );
  const ends = ['\n', '\r', '\r\r\n', '\n\r', '\n\n', '\r\n\r', '\x0b\n', '\x85'];
  const get = ['GET /i# HTTP/1.1', 'Host: a', 'X-A: b'];
  for (const [i, end] of ends.entries()) {
    for (let place = 0; place <= get.length; place++) {
      const text = [...get, ''].map((line, at) => `${line}${at === place ? end : '\r\n'}`).join('');
      whole.push(draft(`end ${i} of line ${place}`, `${text}@`));
    }
  }
  return whole;
}

function hostAndFieldForms(): Draft[] {
  const fields: Readonly<Record<string, string>> = {
    'two hosts': 'Host: a\r\nHost: b\r\n',
    'two hosts that are the same': 'Host: a\r\nHost: a\r\n',
    'no host': '',
    'an empty host': 'Host:\r\n',
    'a host with a space': 'Host: a b\r\n',
    'a host with a path': 'Host: a/b\r\n',
    'a host with a user': 'Host: u@a\r\n',
    'a list of hosts': 'Host: a, b\r\n',
    'a host with a NUL': 'Host: a\0b\r\n',
    'a host on two lines': 'Host: a\r\n b\r\n',
    'a host with a bad port': 'Host: a:99999\r\n',
    'a host with two ports': 'Host: a:80:80\r\n',
    'a host behind a space': 'Host : a\r\n',
    'a line without a colon': 'Host: a\r\nnothing\r\n',
    'a line of one space': 'Host: a\r\n \r\n',
    'an empty name': 'Host: a\r\n: b\r\n',
    'a name on two lines': 'Host: a\r\nX-\r\n A: b\r\n',
    'a NUL in a name': 'Host: a\r\nX\0A: b\r\n',
    'a NUL in a value': 'Host: a\r\nX-A: b\0c\r\n',
    'a control byte in a value': 'Host: a\r\nX-A: b\x01c\r\n',
    'a CR in a value': 'Host: a\r\nX-A: b\rContent-Length: 5\r\n',
    'a LF in a value': 'Host: a\r\nX-A: b\nContent-Length: 5\r\n',
    'a fold in front': ' X: y\r\nHost: a\r\n',
    'a folded length': 'Host: a\r\nContent-Length:\r\n 5\r\n',
  };
  return Object.entries(fields).map(([name, lines]) =>
    draft(`fields: ${name}`, `GET /i# HTTP/1.1\r\n${lines}\r\n@`),
  );
}

/** What is fine, so that a gateway that refuses everything does not pass. */
function goodForms(): Draft[] {
  const good: Readonly<Record<string, string>> = {
    'one request': 'GET /i# HTTP/1.1\r\nHost: a\r\n\r\n',
    'two requests': 'GET /i# HTTP/1.1\r\nHost: a\r\n\r\n@',
    'a request in content': post(`Content-Length: ${HIDDEN_BYTES}\r\n`, '@'),
    'a request in a chunk': post(CHUNKED, `${HIDDEN_BYTES.toString(16)}\r\n@\r\n0\r\n\r\n`),
    'content and a request': post('Content-Length: 5\r\n', 'hello@'),
    'chunks and a request': post(CHUNKED, `${WHOLE_CHUNKS}@`),
    'chunks with upper-case sizes': post(CHUNKED, `A\r\n0123456789\r\n0\r\n\r\n@`),
    'chunks with zeros in front': post(CHUNKED, '0005\r\nhello\r\n000\r\n\r\n@'),
    'a coding in capitals': post('TRANSFER-ENCODING: CHUNKED\r\n', `${WHOLE_CHUNKS}@`),
    'an absolute target': 'GET http://a/i# HTTP/1.1\r\nHost: a\r\n\r\n@',
    'an empty line in front': '\r\nGET /i# HTTP/1.1\r\nHost: a\r\n\r\n',
    'no space behind the colon': 'POST /i# HTTP/1.1\r\nHost:a\r\nContent-Length:5\r\n\r\nhello@',
    'HTTP/1.0': 'GET /i# HTTP/1.0\r\n\r\n',
    'HTTP/1.0 with content': 'POST /i# HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello',
    DELETE: post('Content-Length: 5\r\n', 'hello@', 'DELETE /i# HTTP/1.1'),
  };
  return Object.entries(good).map(([name, text]) => draft(`good: ${name}`, text, false));
}

/** Everything that is written down. */
export function listDrafts(): readonly Draft[] {
  return [
    ...goodForms(),
    ...framings(),
    ...fieldForms(),
    ...chunkForms(),
    ...lineForms(),
    ...hostAndFieldForms(),
  ];
}

const SPECIAL = [
  '\0',
  '\t',
  '\n',
  '\x0b',
  '\x0c',
  '\r',
  ' ',
  '\r\n',
  '\r\n ',
  ',',
  ';',
  ':',
  '"',
  '0',
  '-',
  '+',
  '_',
  '%',
  '\x7f',
  '\x80',
  '\xff',
  'chunked',
];

/** One change at a random place; a second one in every third input. */
function mutate(text: string, dice: Dice): string {
  const at = dice.below(text.length);
  const special = SPECIAL[dice.below(SPECIAL.length)] ?? '';
  switch (dice.below(5)) {
    case 0:
      return text.slice(0, at) + special + text.slice(at);
    case 1:
      return text.slice(0, at) + special + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at + 1);
    case 3: {
      const lines = text.split('\r\n');
      const line = dice.below(lines.length);
      lines.splice(line, 0, lines[dice.below(lines.length)] ?? '');
      return lines.join('\r\n');
    }
    default: {
      const lines = text.split('\r\n');
      lines.splice(dice.below(lines.length), 1);
      return lines.join('\r\n');
    }
  }
}

/** Whether every number that stands in a target is still that of the input. */
function hasOwnTargets(text: string, id: number): boolean {
  const targets = text.match(/\/(?:[ih]\d*|\d{3,})/g) ?? [];
  return targets.length > 0 && targets.every((each) => each === `/i${id}` || each === `/h${id}`);
}

/** The written inputs, and `mutations` more. */
export function makeCorpus(mutations: number, seed = 1): readonly Smuggled[] {
  const drafts = listDrafts();
  const dice = new Dice(seed);
  const inputs: Smuggled[] = drafts.map(({ name, make, isRefused }, index) => {
    const id = 100_000 + index;
    return { id, name, bytes: make(id), isRefused };
  });
  const written = inputs.length;
  while (inputs.length < written + mutations) {
    const base = drafts[dice.below(drafts.length)];
    const id = 200_000 + inputs.length;
    const once = base === undefined ? '' : mutate(base.make(id), dice);
    const bytes = dice.below(3) === 0 && once !== '' ? mutate(once, dice) : once;
    if (hasOwnTargets(bytes, id)) {
      inputs.push({ id, name: `mutation of ${base?.name}`, bytes, isRefused: false });
    }
  }
  return inputs;
}
