/**
 * "Did you mean": the known word nearest to a mistyped one.
 *
 * Path: schema faults, unknown clusters, and the command line's verbs ask here.
 * Invariant: pure and bounded; words longer than `WORD_LENGTH_MAX` are never compared.
 */

/** Longer words are not names anyone mistyped; comparing them costs length squared. */
const WORD_LENGTH_MAX = 64;

/** Damerau-Levenshtein distance (optimal string alignment) of two short words. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Lower case without separators, so that `half_close` and `half-close` find `halfClose`. */
function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ .]/g, '');
}

/**
 * Finds the known word that `word` was most likely meant to be.
 *
 * @returns null when nothing is near enough to be worth proposing.
 */
export function suggest(word: string, known: Iterable<string>): string | null {
  if (word.length === 0 || word.length > WORD_LENGTH_MAX) return null;
  const folded = fold(word);
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(folded.length / 3)) + 0.5;
  for (const candidate of known) {
    if (candidate.length > WORD_LENGTH_MAX) continue;
    const target = fold(candidate);
    let distance = editDistance(folded, target);
    // A word that only lacks or adds a prefix or suffix is a better guess than its distance says.
    const contained =
      target.length > 3 &&
      folded.length > 3 &&
      (target.includes(folded) || folded.includes(target));
    if (contained) distance = Math.min(distance, 1.25);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
