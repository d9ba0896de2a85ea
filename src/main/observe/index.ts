/**
 * The face of observation: the process log and the metrics page.
 *
 * Path: gateway.ts composes these; the rest of the control plane logs through {@link Log}.
 */
export { EXPOSITION_TYPE, type Family, histogramSamples, type Sample } from './exposition.ts';
export {
  isLogLevel,
  LOG_LEVELS,
  type Log,
  type LogLevelName,
  type LogOptions,
  type OpenLog,
  openLog,
} from './log.ts';
export {
  METRIC_SCOPES,
  type MetricSources,
  parseScopes,
  type ShardFigures,
  writeMetrics,
} from './metrics.ts';
