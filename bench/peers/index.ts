/** What can stand in front of the origin, and how to install it. */
export { CANDIDATES } from './candidates.ts';
export { createHoldfast } from './holdfast.ts';
export { setUpPeers } from './setup.ts';
