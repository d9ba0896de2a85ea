/**
 * Checks the template of access records.
 *
 * Path: check.ts runs it on the plain value; the core knows the variables.
 * Invariant: a template that passes has a value for each of its variables when a request ends.
 */
import { asMap, type CheckInput, type PlainMap } from './plain.ts';
import { reportInside } from './report-inside.ts';
import { ACCESS_WORDS } from './values-http.ts';

/** `log.accessFormat`. */
export function checkLog(root: PlainMap, input: CheckInput): void {
  const value = asMap(root['log'])['accessFormat'];
  if (typeof value !== 'string' || ACCESS_WORDS.has(value)) return;
  const fault = input.world.checkTemplate(value, 'record');
  if (fault === null) return;
  const { position, length, text } = fault;
  reportInside(
    {
      name: 'badTemplate',
      path: ['log', 'accessFormat'],
      value,
      position,
      length,
      message: `accessFormat: ${text}`,
    },
    input,
  );
}
