/**
 * Card numbers and chosen words never leave a chat.
 *
 * Configuration: `use: ./filters/redact.ts` on a route with WebSockets, `with: { words: [...] }`.
 * Text of both directions is looked at; a message without a hit passes as it is, untouched.
 * Invariant: a message that is too large to be looked at does not pass; it closes the tunnel.
 */
import { defineMessageFilter, replace } from 'holdfast/sdk';
import * as z from 'zod';

const DIGITS = /\b(?:\d[ -]?){12,18}\d\b/g;

/** True when the last digit checks the others, as it does for card numbers (Luhn). */
function isCard(text: string): boolean {
  const digits = [...text.replaceAll(/\D/g, '')].toReversed().map(Number);
  const sum = digits.reduce((total, digit, index) => {
    const doubled = index % 2 === 0 ? digit : digit * 2;
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0;
}

function escape(word: string): string {
  return word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

export default defineMessageFilter({
  name: 'redact',
  config: z.strictObject({ words: z.array(z.string().min(1)).default([]) }),
  needs: { messages: { from: 'both', kinds: ['text'], bytesMax: 65_536, larger: 'close' } },
  onError: 'closed',
  setup: ({ config }) => ({
    words: config.words.length === 0 ? null : new RegExp(config.words.map(escape).join('|'), 'gi'),
  }),
  onMessage(message, { shared }) {
    const { text } = message;
    let clean = text.replaceAll(DIGITS, (found) => (isCard(found) ? '[card]' : found));
    if (shared.words !== null) clean = clean.replaceAll(shared.words, '[removed]');
    return clean === text ? undefined : replace(clean);
  },
});
