/**
 * Parts that the schemas of built-in filters share.
 *
 * Path: the schema of each filter in this directory.
 */
export { type DurationRange, duration, readMs } from './duration.ts';
export { byHeader, headerName, isOfTheGateway, settableHeaderName } from './header-name.ts';
