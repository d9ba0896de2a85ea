/**
 * Limits of the configuration as a whole, and constants that defaults are worked out from.
 *
 * Path: schema.ts and check.ts refuse what is beyond; the reference page lists them.
 * Invariant: no larger than what the native core takes (`NativeAbi`); a test compares them.
 */
export const SHARDS_MAX = 64;
export const LISTENERS_MAX = 256;
export const BINDS_MAX = 64;
export const CLUSTERS_MAX = 1024;
/** Endpoints of all clusters together. */
export const ENDPOINTS_MAX = 16_384;
export const NETWORKS_MAX = 256;
export const NAME_BYTES_MAX = 63;
export const CONNECTIONS_MAX = 10_000_000;

/** Routes by server name of one listener. */
export const SERVER_NAME_ROUTES_MAX = 1024;
/** Names in one list. */
export const SERVER_NAMES_MAX = 1000;
/** Certificates of one listener. */
export const CERTIFICATES_MAX = 1000;
export const PROTOCOLS_MAX = 16;
/** Of one shard. */
export const HANDSHAKE_THREADS_MAX = 16;

/** Hosts and routes of one listener with HTTP. */
export const HTTP_HOSTS_MAX = 4096;
export const HTTP_ROUTES_MAX = 16_384;
/** Conditions on headers of one route, and as many on its query. */
export const HTTP_CONDITIONS_MAX = 16;
/** Clusters that one route is split between. */
export const HTTP_SPLITS_MAX = 64;
/** Header fields that one route sets, adds and removes in one direction, and their bytes. */
export const HTTP_EDITS_MAX = 128;
export const HTTP_EDIT_BYTES_MAX = 16_384;
/** Bytes of a text in a condition or of a header value. */
export const HTTP_TEXT_BYTES_MAX = 1024;
/** Bytes of a response of the gateway's own. */
export const CONTENT_BYTES_MAX = 16_384;
/** What the codec can count in one head. */
export const HEAD_BYTES_MAX = 65_535;
export const HEAD_FIELDS_MAX = 255;

/** Filters of one listener, or of one route. */
export const FILTERS_MAX = 64;
/** Bytes of what a filter is named by. */
export const FILTER_NAME_BYTES_MAX = 1024;

/** A proxied connection is two sockets. */
export const DESCRIPTORS_PER_CONNECTION = 2;

/** Descriptors kept for listeners, logs, the admin endpoint, health checks and libraries. */
export const DESCRIPTORS_RESERVED = 256;

/** A token shorter than this can be guessed. */
export const TOKEN_LENGTH_MIN = 16;
export const TOKEN_LENGTH_MAX = 4096;
