/**
 * The names of native filters, and the check of what they are told.
 *
 * Path: check-uses.ts -> here -> PolicyInput -> the snapshot.
 * Invariant: a filter without findings has its input.
 */
import type { PolicyInput } from '../../../../native/epoll/index.ts';

/** What a check found; paths are relative to `with`. */
export interface NativeCheck {
  readonly input: PolicyInput | null;
  readonly findings: readonly {
    readonly path: readonly (string | number)[];
    readonly message: string;
  }[];
}

/** True for `holdfast/` and the name of a filter that the core evaluates. */
export function isNativeFilter(_specifier: string): boolean {
  return false;
}

/**
 * Checks what stands under `with`.
 *
 * @param base - URL of the configuration file, for files that the filter names.
 */
export function checkNativeFilter(
  specifier: string,
  _config: unknown,
  _place: 'listener' | 'route' | 'tcp-listener',
  _base: string,
): NativeCheck {
  return { input: null, findings: [{ path: [], message: `there is no filter "${specifier}"` }] };
}
