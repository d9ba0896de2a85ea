/**
 * The face of accepting: listening sockets, network namespaces, socket files, and why they fail.
 *
 * Path: gateway.ts makes the sets; snapshot/reload.ts changes them.
 */
export { errnoOf, explainListenFailure, ListenError } from './explain.ts';
export { type ListenPlan, ListenSockets, type ListenSocketsOptions } from './listen-sockets.ts';
export { NetnsTable } from './netns.ts';
export {
  clearStaleSocketFile,
  identifySocketFile,
  removeSocketFile,
  type SocketFile,
} from './socket-file.ts';
