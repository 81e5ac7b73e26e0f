// A picture for every event, drawn from its number: always the same for one event, seldom alike for two.

import { html } from "../vendor/preact-htm.js";

const WIDTH = 320;
const HEIGHT = 96;

// A few numbers in 0 … 1 that only the seed decides: Weyl's sequence.
function chances(seed) {
  let at = seed * 0.7548776662466927;
  return () => (at += 0.6180339887498949) % 1;
}

function rings(chance) {
  const x = WIDTH * (0.2 + 0.6 * chance());
  return [22, 44, 70, 100].map((radius) => html`<circle cx=${x} cy=${HEIGHT} r=${radius * (0.8 + 0.5 * chance())} fill="none" stroke-width="9" />`);
}

function waves(chance) {
  return [0, 1, 2].map((line) => {
    const y = 30 + 22 * line;
    const high = 12 + 16 * chance();
    return html`<path fill="none" stroke-width="9" d=${`M-20 ${y} q40 ${-high} 80 0 t80 0 t80 0 t80 0 t80 0`} />`;
  });
}

function bars(chance) {
  return Array.from({ length: 16 }, (_, at) => {
    const high = HEIGHT * (0.15 + 0.75 * chance());
    return html`<rect x=${at * 20 + 4} y=${HEIGHT - high} width="12" height=${high} rx="6" />`;
  });
}

function dots(chance) {
  return Array.from({ length: 14 }, (_, at) => html`<circle cx=${(at + chance()) * 23} cy=${HEIGHT * chance()} r=${4 + 12 * chance()} />`);
}

const DRAWINGS = [rings, waves, bars, dots];

export function Poster({ eventId }) {
  const chance = chances(eventId);
  const hue = Math.floor(360 * chance());
  const light = `hsl(${hue + 40} 80% 72%)`;
  return html`<svg class="poster" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="xMidYMid slice" aria-hidden="true">
    <rect width=${WIDTH} height=${HEIGHT} fill=${`hsl(${hue} 62% 42%)`} />
    <g fill=${light} stroke=${light} opacity=".55">${DRAWINGS[eventId % DRAWINGS.length](chance)}</g>
  </svg>`;
}
