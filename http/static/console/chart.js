// A chart that moves: uPlot, in the colours of the page, with its last figures in words beside it.
//
// Colours are taken from the style sheet, and again when the page turns dark or light. What a chart shows is said in
// its label, for who does not see it.

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef } from "../vendor/preact-htm.js";

const HEIGHT = 190;
const dark = matchMedia("(prefers-color-scheme: dark)");

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const tone = (name, alpha) => {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(color(name).slice(start, start + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
};

const WHOLE = [1, 2, 5].flatMap((each) => [0, 1, 2, 3, 4, 5, 6].map((zeros) => each * 10 ** zeros)).sort((a, b) => a - b);
const isTen = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;

function options(width, height, series, { seconds, unit, logarithmic }) {
  const axis = {
    stroke: color("soft"),
    grid: { stroke: tone("soft", 0.18), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 26, 0, 0],
    scales: {
      x: { time: true, range: (_, __, max) => [max - seconds.current, max] },
      y: logarithmic
        ? { distr: 3, range: (_, min, max) => [10 ** Math.floor(Math.log10(Math.min(0.1, min || 0.1))), 10 ** Math.ceil(Math.log10(Math.max(10, max ?? 10)))] }
        : { range: (_, __, max) => [0, Math.max(max ?? 0, 1) * 1.08] },
    },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, marks) => marks.map((each) => new Date(each * 1000).toTimeString().slice(0, 8)) },
      logarithmic
        ? {
            ...axis,
            size: 56,
            grid: { ...axis.grid, filter: (_, marks) => marks.map((each) => (isTen(each) ? each : null)) },
            filter: (_, marks) => marks.map((each) => (isTen(each) ? each : null)),
            values: (_, marks) => marks.map((each) => (each === null ? "" : unit(each))),
          }
        : { ...axis, size: 56, space: 34, incrs: WHOLE, values: (_, marks) => marks.map((each) => unit(each)) },
    ],
    series: [
      {},
      ...series.map((each) => ({
        stroke: color(each.color),
        width: each.width ?? 2,
        fill: each.fill ? tone(each.color, each.fill) : undefined,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

// `series`: {label, color, values, fill?, now}; `values` as long as `times` (seconds since 1970), null: not known.
export function Chart({ title, times, series, unit = String, seconds = 60, height = HEIGHT, logarithmic = false, hint }) {
  const place = useRef(null);
  const chart = useRef(null);
  const shown = useRef(seconds);
  shown.current = seconds;
  const data = () => [times, ...series.map((each) => each.values)];
  const draw = () => {
    chart.current?.destroy();
    const width = place.current.clientWidth;
    if (width) chart.current = new uPlot(options(width, height, series, { seconds: shown, unit, logarithmic }), data(), place.current);
  };
  useEffect(() => {
    draw();
    const resized = new ResizeObserver(([entry]) => chart.current?.setSize({ width: Math.floor(entry.contentRect.width), height }));
    resized.observe(place.current);
    dark.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener("change", draw);
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);
  useEffect(() => chart.current?.setData(data()));
  const words = series.map((each) => `${each.label}: ${each.now}`).join("; ");
  return html`<figure class="chart">
    <figcaption>
      <h2>${title}</h2>
      <ul class="legend">${series.map(
        (each) => html`<li key=${each.label}><span class=${`swatch ${each.color}`} aria-hidden="true"></span>${each.label} <strong>${each.now}</strong></li>`,
      )}</ul>
    </figcaption>
    <div class="plot" role="img" aria-label=${`${title}. ${words}`} ref=${place}></div>
    ${hint && html`<p class="hint">${hint}</p>`}
  </figure>`;
}
