// The last minutes of the whole cluster: what is decided, how long until it is durable, who waits.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { settings } from "./api.js";
import { Chart } from "./chart.js";
import { Heading } from "./parts.js";
import { latest, useStore } from "./store.js";
import { milliseconds, rate, t, whole } from "./text.js";

const BEGIN_SECONDS = 30;


const shown = (value, how) => (value === null || value === undefined ? "–" : how(value));
const perSecond = (value) => shown(value, (each) => t("per_second", { rate: rate(each) }));
const count = (value) => shown(value, whole);

// The figures of this second.
export function Tiles() {
  useStore();
  const booked = latest("held") === null ? null : latest("held") + latest("inLine");
  const tiles = [
    [t("bookings"), perSecond(booked)],
    [t("commit_p99"), milliseconds(latest("p99"))],
    [t("on_hold"), count(latest("onHold"))],
    [t("in_line"), count(latest("waiting"))],
    [t("in_rooms"), count(latest("queued"))],
  ];
  return html`<dl class="tiles">${tiles.map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Live() {
  const { points, metricsFault } = useStore();
  const line = (figure, label, color, how, more = {}) => ({ label: t(label), color, values: points[figure], now: how(latest(figure)), ...more });
  const seconds = Math.max(BEGIN_SECONDS, Math.ceil((points.time.at(-1) - points.time[0]) / 30 || 1) * 30);
  return html`
    <${Heading}>${t("view.live")}<//>
    <p class="lead">${t("live_lead")}</p>
    <div role="status">${metricsFault && html`<p class="card warn-card">${t("no_figures")} ${metricsFault}</p>`}</div>
    <${Rehearsal} />
    <div class="charts">
      <${Chart} title=${t("chart.throughput")} times=${points.time} seconds=${seconds} unit=${rate} series=${[
        line("held", "outcome.held", "brand", perSecond, { fill: 0.18 }),
        line("inLine", "outcome.in_line", "warn", perSecond),
        line("refused", "outcome.refused", "bad", perSecond),
        line("paid", "outcome.paid", "good", perSecond),
      ]} />
      <${Chart} title=${t("chart.latency")} times=${points.time} seconds=${seconds} unit=${(ms) => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`)} logarithmic hint=${t("chart.latency_hint")} series=${[
        line("p50", "p50", "brand", milliseconds, { fill: 0.12 }),
        line("p99", "p99", "bad", milliseconds),
      ]} />
      <${Chart} title=${t("chart.queue")} times=${points.time} seconds=${seconds} unit=${whole} hint=${t("chart.queue_hint")} series=${[
        line("replies", "replies_waiting", "brand", count, { fill: 0.18 }),
      ]} />
      <${Chart} title=${t("chart.people")} times=${points.time} seconds=${seconds} unit=${whole} series=${[
        line("onHold", "on_hold", "brand", count),
        line("waiting", "in_line", "warn", count),
        line("queued", "in_rooms", "soft", count),
        line("inside", "inside", "good", count),
      ]} />
    </div>
  `;
}

// In the sample a crowd can be let in; the file is asked for nowhere else.
function Rehearsal() {
  const [part, setPart] = useState(null);
  useEffect(() => {
    if (settings.rehearsal) import("./rehearsal.js").then((module) => setPart(() => module.Rehearsal));
  }, []);
  return part && html`<${part} />`;
}
