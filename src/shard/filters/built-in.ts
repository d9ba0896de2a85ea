/**
 * Where the filters are that come with the gateway and are written in TypeScript.
 *
 * Path: module-loader.ts resolves `use: holdfast/jwt` with it, and imports of that name in tests.
 * Invariant: the names are those of the documentation; a module is loaded, checked and run like any
 * user's. Filters that the core runs itself are not here: src/main/filters knows them.
 */

/** In the sources `.ts`, in the built form `.js`. */
function place(url: URL): string {
  return import.meta.url.endsWith('.ts') ? url.href : url.href.replace(/\.ts$/, '.js');
}

/** Modules by the name that a configuration says. */
export const BUILT_IN_MODULES: Readonly<Record<string, string>> = {
  'holdfast/ext-auth': place(new URL('../builtin/ext-auth.ts', import.meta.url)),
  'holdfast/jwt': place(new URL('../builtin/jwt.ts', import.meta.url)),
  'holdfast/rate-limit-global': place(new URL('../builtin/rate-limit-global.ts', import.meta.url)),
};
