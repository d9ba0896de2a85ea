/** From measurements to what people read. */
export { compareReports } from './compare.ts';
export { createHistogram, encode, formatHgrm, fromPrinted, merge } from './histogram.ts';
export { ReportPool } from './pool.ts';
export {
  type RawCandidate,
  type RawReport,
  type RawRun,
  type RawScenario,
  readReport,
} from './record.ts';
export {
  createRandom,
  type Estimate,
  estimate,
  medianOf,
  pairRatios,
  slopeOf,
} from './statistics.ts';
export { formatNumber, formatValue } from './units.ts';
export { saveRaw, writeReport } from './write.ts';
