/** The benchmark as a program: its command line and its loop. */
export { parseHttp, parseRequest, type Request, type RunRequest, USAGE } from './arguments.ts';
export { Runner } from './runner.ts';
