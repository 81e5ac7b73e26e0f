// What is known of the cluster, asked once a second; and the last minutes of its figures, as the charts want them.
//
// The cluster is told of by this node, which may be any; the counters are the primary's, through this node. A counter
// that runs backwards has another node behind it: the next second begins anew.

import { useEffect, useState } from "../vendor/preact-htm.js";
import { read, readText } from "./api.js";

const EVERY_MS = 1_000;
const SHOWN = 300; // seconds
const LATENCY_OVER = 5; // seconds that a latency is taken over

export const FIGURES = [
  "held", "inLine", "refused", "paid", "p50", "p99", "replies", "onHold", "waiting", "queued", "inside",
];

const WANTED = [
  "onsale_commands", "onsale_commit_seconds", "onsale_replies_waiting", "onsale_held", "onsale_waiting",
  "onsale_queue_waiting", "onsale_queue_inside", "onsale_event_tickets", "onsale_event_waiting",
];

export const state = {
  cluster: null, // GET /cluster
  heardAt: 0, // when this node last answered
  tried: 0, // how often it has not, since
  metrics: null, // of the primary, by name
  metricsFault: "",
  points: { time: [], ...Object.fromEntries(FIGURES.map((each) => [each, []])) },
};

const listeners = new Set();

const tell = () => {
  for (const listener of [...listeners]) listener();
};

// The state, anew each second.
export function useStore() {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const listener = () => setTurn((turn) => turn + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return state;
}

let running = false;

export async function lookNow() {
  if (running) return;
  running = true;
  try {
    await Promise.all([lookAtCluster(), lookAtMetrics()]);
  } finally {
    running = false;
    tell();
  }
}

let started = false;

export function start() {
  if (started) return;
  started = true;
  const turn = async () => {
    await lookNow();
    setTimeout(turn, EVERY_MS - (Date.now() % EVERY_MS || EVERY_MS) + 1);
  };
  turn();
}

async function lookAtCluster() {
  try {
    state.cluster = await read("/cluster");
    state.heardAt = Date.now();
    state.tried = 0;
  } catch {
    state.tried += 1;
  }
}

async function lookAtMetrics() {
  try {
    state.metrics = parse(await readText(`/metrics?names=${WANTED.join(",")}`, { ofPrimary: true, headers: { Accept: "text/plain" } }));
    state.metricsFault = "";
  } catch (error) {
    state.metrics = null;
    state.metricsFault = error.message;
  }
  addPoint(state.metrics);
}

// --- figures from counters

// Prometheus' text: by name, [labels, value] each.
export function parse(text) {
  const found = {};
  for (const line of text.split("\n")) {
    if (!line || line.startsWith("#")) continue;
    const end = line.lastIndexOf(" ");
    const open = line.indexOf("{");
    const name = open < 0 ? line.slice(0, end) : line.slice(0, open);
    const labels = {};
    if (open >= 0) for (const [, key, value] of line.slice(open, end).matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    (found[name] ??= []).push([labels, Number(line.slice(end + 1))]);
  }
  return found;
}

export const gauge = (metrics, name) => metrics?.[name]?.[0]?.[1] ?? null;

function sum(metrics, kinds, wanted) {
  let total = 0;
  for (const [labels, value] of metrics.onsale_commands_total ?? []) {
    if (kinds.includes(labels.kind) && wanted(labels.outcome)) total += value;
  }
  return total;
}

const TAKEN = ["ok", "waiting", "underway"];
const COUNTERS = {
  held: (metrics) => sum(metrics, ["book"], (outcome) => outcome === "ok"),
  inLine: (metrics) => sum(metrics, ["book"], (outcome) => outcome === "waiting"),
  refused: (metrics) => sum(metrics, ["book"], (outcome) => !TAKEN.includes(outcome)),
  paid: (metrics) => sum(metrics, ["settle_payment"], (outcome) => outcome === "ok"),
};
const GAUGES = {
  replies: "onsale_replies_waiting",
  onHold: "onsale_held",
  waiting: "onsale_waiting",
  queued: "onsale_queue_waiting",
  inside: "onsale_queue_inside",
};

let before = []; // of the last seconds: when, counters, buckets

function addPoint(metrics) {
  const { points } = state;
  const now = Date.now() / 1000;
  const point = Object.fromEntries(FIGURES.map((each) => [each, null]));
  if (metrics === null) before = [];
  else {
    const counters = Object.fromEntries(Object.entries(COUNTERS).map(([name, of]) => [name, of(metrics)]));
    const buckets = (metrics.onsale_commit_seconds_bucket ?? []).map(([labels, value]) => [Number(labels.le.replace("+Inf", "Infinity")), value]);
    const last = before.at(-1);
    if (last && Object.keys(counters).some((name) => counters[name] < last.counters[name])) before = [];
    const previous = before.at(-1);
    if (previous) for (const name of Object.keys(counters)) point[name] = (counters[name] - previous.counters[name]) / (now - previous.now);
    before = [...before, { now, counters, buckets }].slice(-LATENCY_OVER - 1);
    const times = within(before[0].buckets, buckets);
    point.p50 = quantile(times, 0.5);
    point.p99 = quantile(times, 0.99);
    for (const [name, of] of Object.entries(GAUGES)) point[name] = gauge(metrics, of);
  }
  points.time.push(now);
  for (const name of FIGURES) points[name].push(point[name]);
  if (points.time.length > SHOWN) for (const each of Object.values(points)) each.shift();
}

const within = (earlier, later) => later.map(([bound, count], index) => [bound, count - (earlier[index]?.[1] ?? 0)]);

// In milliseconds, from cumulated counts by bound; null: nothing was measured.
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  let lower = 0;
  let under = 0;
  for (const [bound, count] of buckets) {
    if (count >= share * total) {
      if (bound === Infinity) return lower * 1000;
      return (lower + (bound - lower) * ((share * total - under) / (count - under || 1))) * 1000;
    }
    lower = bound;
    under = count;
  }
  return lower * 1000;
}

export const latest = (name) => state.points[name].at(-1) ?? null;
