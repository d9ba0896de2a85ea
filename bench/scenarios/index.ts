/** The questions the benchmark asks. */
export { SCENARIOS, selectScenarios, suggest } from './list.ts';
export {
  type Claim,
  type Figure,
  type Measurement,
  type Plot,
  type Scale,
  type Scenario,
  Tally,
  type Unit,
  whyLeftOut,
} from './scenario.ts';
