/**
 * The face of the model: stable ids, addresses as text, and differences in words.
 *
 * Path: config in, names and numbers out; snapshot/, clusters/, admin/ and observe/ read here.
 */
export { formatAddress, formatHostPort, parseAddress } from './address.ts';
export { describeChanges, describeRestartNeeds } from './changes.ts';
export { IdTable, IdTableFullError } from './id-table.ts';
export { type EndpointName, Ids, OTHER_ROUTES, type PolicyName, type RouteName } from './ids.ts';
