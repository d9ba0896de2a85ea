/**
 * Plots as SVG text: lines on linear or log axes, and bars.
 *
 * Path: the pool's threads draw them from points; the HTML report carries them inline, the Markdown
 * one links to files.
 * Invariant: no script, no outside font or style; colours tell candidates apart on white and the
 * name stands beside each line, so that colour is not the only sign.
 */

/** One line or one bar. */
export interface Series {
  readonly name: string;
  /** The same number gets the same colour in every picture. */
  readonly colour: number;
  readonly points: readonly (readonly [number, number])[];
}

/** What is drawn. */
export interface Picture {
  readonly kind: 'lines' | 'percentiles' | 'bars';
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
}

const WIDTH = 760;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 150;
const TOP = 40;
const BOTTOM = 50;
const TICKS = 5;
const COLOURS = [
  '#0b6e4f',
  '#c1440e',
  '#2a5ca8',
  '#8f3f97',
  '#b58900',
  '#3a3a3a',
  '#d1496b',
  '#8a8a8a',
];

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeText(content)}</text>`;
}

/** Maps values to pixels and says where ticks are. */
interface Axis {
  at(value: number): number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

const shorten = (value: number): string =>
  Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 3 });

function createLinearAxis(low: number, high: number, from: number, to: number): Axis {
  const span = high > low ? high - low : 1;
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) {
    ticks.push({ value, label: shorten(value) });
  }
  return { at: (value) => from + ((value - low) / span) * (to - from), ticks };
}

function createLogAxis(low: number, high: number, from: number, to: number): Axis {
  const start = Math.log10(Math.max(low, 1e-9));
  const end = Math.max(Math.log10(high), start + 1e-6);
  const ticks = [];
  for (let power = Math.floor(start); power <= Math.ceil(end); power += 1) {
    for (const factor of end - start > 2 ? [1] : [1, 2, 5]) {
      const value = factor * 10 ** power;
      const isInside = Math.log10(value) >= start - 1e-9 && Math.log10(value) <= end + 1e-9;
      if (isInside) ticks.push({ value, label: shorten(value) });
    }
  }
  return {
    at: (value) =>
      from + ((Math.log10(Math.max(value, 1e-9)) - start) / (end - start)) * (to - from),
    ticks,
  };
}

/** 1/(1-p) as people say it: 10 is p90, 1000 is p99.9. */
function percentileLabel(inverse: number): string {
  if (inverse <= 1) return 'p0';
  return `p${Number((100 * (1 - 1 / inverse)).toFixed(6))}`;
}

function frame(picture: Picture, body: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"`,
    ` font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<title>${escapeText(picture.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, picture.title, 'font-size="15" font-weight="600"'),
    body,
    '</svg>\n',
  ].join('');
}

function drawAxes(picture: Picture, x: Axis, y: Axis): string {
  const parts: string[] = [];
  const bottom = HEIGHT - BOTTOM;
  for (const { value, label } of y.ticks) {
    const at = y.at(value).toFixed(1);
    parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    parts.push(text(LEFT - 6, y.at(value) + 4, label, 'text-anchor="end"'));
  }
  for (const { value, label } of x.ticks) {
    const at = x.at(value).toFixed(1);
    parts.push(`<line x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}" stroke="#eee"/>`);
    const shown = picture.kind === 'percentiles' ? percentileLabel(value) : label;
    parts.push(text(x.at(value), bottom + 18, shown, 'text-anchor="middle"'));
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, picture.x, 'text-anchor="middle"'));
  const middle = (TOP + bottom) / 2;
  const turned = `text-anchor="middle" transform="rotate(-90 16 ${middle})"`;
  parts.push(text(16, middle, picture.y, turned));
  return parts.join('');
}

/** Keeps labels apart: each at least a line below the one before. */
function spreadLabels(places: number[]): number[] {
  const LINE = 14;
  const order = places.map((_, index) => index).sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
  let last = Number.NEGATIVE_INFINITY;
  const spread = [...places];
  for (const index of order) {
    last = Math.max(places[index] ?? 0, last + LINE);
    spread[index] = last;
  }
  return spread;
}

function drawLines(picture: Picture): string {
  const isLog = picture.kind === 'percentiles';
  const all = picture.series.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const right = WIDTH - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const x = isLog
    ? createLogAxis(1, Math.max(...xs), LEFT, right)
    : createLinearAxis(Math.min(0, ...xs), Math.max(...xs), LEFT, right);
  const y = isLog
    ? createLogAxis(Math.min(...ys), Math.max(...ys), bottom, TOP)
    : createLinearAxis(Math.min(0, ...ys), Math.max(...ys), bottom, TOP);
  const ends = spreadLabels(picture.series.map(({ points }) => y.at(points.at(-1)?.[1] ?? 0)));
  const lines = picture.series.map(({ name, points, colour: number }, index) => {
    const colour = COLOURS[number % COLOURS.length];
    const path = points
      .map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`)
      .join(' ');
    const dots = isLog
      ? ''
      : points
          .map(([px, py]) => {
            const place = `cx="${x.at(px).toFixed(1)}" cy="${y.at(py).toFixed(1)}"`;
            return `<circle ${place} r="3" fill="${colour}"/>`;
          })
          .join('');
    const label = text(right + 8, (ends[index] ?? 0) + 4, name, `fill="${colour}"`);
    const line = `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>`;
    return line + dots + label;
  });
  return frame(picture, drawAxes(picture, x, y) + lines.join(''));
}

function drawBars(picture: Picture): string {
  const ROW = 30;
  const NAME = 150;
  const most = Math.max(...picture.series.map(({ points }) => points[0]?.[1] ?? 0));
  const width = WIDTH - NAME - RIGHT;
  const bars = picture.series.map(({ name, points, colour: number }, index) => {
    const value = points[0]?.[1] ?? 0;
    const top = TOP + 10 + index * ROW;
    const length = most > 0 ? Math.max(1, (value / most) * width) : 1;
    const colour = COLOURS[number % COLOURS.length];
    return [
      text(NAME - 8, top + 15, name, 'text-anchor="end"'),
      `<rect x="${NAME}" y="${top}" width="${length.toFixed(1)}" height="20" fill="${colour}"/>`,
      text(NAME + length + 6, top + 15, `${shorten(value)} ${picture.y}`),
    ].join('');
  });
  const height = TOP + 20 + picture.series.length * ROW;
  return frame(picture, bars.join('')).replaceAll(`${HEIGHT}"`, `${height}"`);
}

/** Draws a picture; nothing to draw gives an empty text. */
export function draw(picture: Picture): string {
  if (!picture.series.some(({ points }) => points.length > 0)) return '';
  return picture.kind === 'bars' ? drawBars(picture) : drawLines(picture);
}
