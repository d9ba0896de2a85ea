/** What scenarios, peers and the gate stand on: machine, ports, processes, memory, load. */
export { BUILD, buildLoadgen, buildTlsLoadgen, ROOT } from './build.ts';
export {
  BUSY_HOST,
  type Candidate,
  FILTERED_HOST,
  type FilterLoad,
  type HttpOptions,
  type Presence,
  type Protocol,
  type Running,
  type StartOptions,
} from './candidate.ts';
export { explain, Interrupted, RunFailure, UsageFailure } from './failure.ts';
export { type HeapReading, Heaps } from './heaps.ts';
export {
  type Amount,
  BUSY_CONNECTIONS,
  countSyscalls,
  HTTP_REQUESTS,
  hasStrace,
  type Measured,
  measureTrafficAllocations,
  measureTrafficSyscalls,
  parseStrace,
  sendTraffic,
  TCP_MESSAGES,
  type Traffic,
  WEBSOCKET_MESSAGES,
} from './instruments.ts';
export {
  type LoadFlags,
  type LoadResult,
  LoadRun,
  listArguments,
  type PrintedHistogram,
  type PrintedTls,
  type PrintedUsage,
} from './load.ts';
export {
  clientConnectionsMax,
  type Machine,
  type Placement,
  placeOn,
  readMachine,
  readSetting,
} from './machine.ts';
export {
  type ProcessMemory,
  readCpuNs,
  readKernelMemory,
  readMemory,
  readSettledMemory,
} from './memory.ts';
export { echoOrigin, httpOrigin, type Origin } from './origin.ts';
export { Ports } from './ports.ts';
export { type Guarded, type Launch, listDescendants, Processes } from './processes.ts';
export { Rig, type RigOptions, type RigParts } from './rig.ts';
export {
  describeOpenssl,
  makeCertificate,
  negotiatedName,
  TLS_VERSIONS,
  type TlsFiles,
  type TlsVersion,
  tlsFlags,
} from './tls.ts';
