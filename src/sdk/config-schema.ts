/**
 * What a filter's schema must be able to do: the Standard Schema interface, version 1.
 *
 * Path: zod, valibot and arktype schemas fit as they are; src/main/filters checks configuration
 * with it, and each shard gets the value it yields.
 * Invariant: only the part of the standard that is used here is named here.
 */

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  readonly message: string;
  /** Keys and positions from the root of the filter's configuration. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type SchemaOutcome<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** A schema for the configuration of a filter; `z.strictObject({...})` is one. */
export interface ConfigSchema<Output> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaOutcome<Output> | Promise<SchemaOutcome<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}
