/**
 * Parts that built-in filters share.
 *
 * Path: the filters of this directory.
 */
export { type DurationRange, duration, readMs } from './duration.ts';
export { ExpiringMap } from './expiring-map.ts';
export { FailureLog } from './failure-log.ts';
export { byHeader, headerName, settableHeaderName } from './header-name.ts';
export { keyPart, readKeyPart } from './key-part.ts';
