/**
 * What the core is told about native policies: filters that it evaluates itself.
 *
 * Path: src/main/filters/builtin checks a configuration into these; binding reads them into the
 * parts of `native/epoll/src/policy`.
 * Invariant: plain data, in the order of the configuration.
 */

/** One use of a native filter. */
export interface PolicyInput {
  /** Name of the filter without `holdfast/`: `rbac`. */
  readonly kind: string;
}
