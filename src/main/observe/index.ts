/**
 * The face of observation: the process log and the metrics page.
 *
 * Path: gateway.ts composes these; the rest of the control plane logs through {@link Log}.
 */
export {
  isLogLevel,
  type Log,
  LOG_LEVELS,
  type LogLevelName,
  type LogOptions,
  type OpenLog,
  openLog,
} from './log.ts';
