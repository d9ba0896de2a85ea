/**
 * Closed-loop HTTP/1.1 load for users and benchmarks: how much passes, and is every answer right.
 *
 * Path: the command line and bench/ import this; nothing on the path of traffic does.
 */
export { formatSaturation } from './format.ts';
export { type Saturation, type SaturationOptions, saturate } from './saturate.ts';
