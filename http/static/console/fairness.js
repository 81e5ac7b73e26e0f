// Whether one onsale was fair: the order of arrival against the order of service, as `onsale verify --fairness` says it.

import { html, useState } from "../vendor/preact-htm.js";
import { Table } from "./parts.js";
import { Report, useReport } from "./report.js";
import { moment, number, t } from "./text.js";

export function Fairness({ eventId }) {
  const [wanted, setWanted] = useState(false);
  const found = useReport(wanted ? `/events/${eventId}/fairness` : null);
  if (!wanted) {
    return html`<section class="card"><h2>${t("fairness")}</h2><p>${t("fairness_means")}</p>
      <button class="primary" onClick=${() => setWanted(true)}>${t("fairness_make")}</button></section>`;
  }
  return html`<${Report} of=${found} title=${t("fairness")}>${(report) => html`
    <p class=${`verdict ${report.fair ? "good" : "bad"}`}>${report.verdict}</p>
    <p class="hint">${t("fairness_through", { seq: report.throughSeq, at: moment(report.at) })} ${report.faults ? t("faults", { n: report.faults, first: report.firstFault }) : t("no_faults")}</p>
    <dl class="facts">${report.summary.map(({ what, words }) => html`<div key=${what}><dt>${what}</dt><dd>${words}</dd></div>`)}</dl>
    ${report.rules.length > 0 &&
    html`<h3>${t("exceptions")}</h3>
    <${Table} caption=${t("exceptions")} rows=${report.rules} keyOf=${(each) => each.rule} columns=${[
      [t("in_words"), (each) => each.words],
      [t("people"), (each) => number(each.count), true],
      [t("allowed"), (each) => html`<strong class=${each.allowed ? "good" : "bad"}>${each.allowed ? t("yes") : t("not_allowed")}</strong>`],
    ]} />`}
    ${report.exceptions.length > 0 &&
    html`<details><summary>${t("exceptions_shown", { n: report.exceptions.length, all: report.exceptionsInAll })}</summary>
    <${Table} caption=${t("exceptions_shown", { n: report.exceptions.length, all: report.exceptionsInAll })} rows=${report.exceptions} keyOf=${(each) => `${each.seq}-${each.rule}-${each.bookingId}-${each.arrival}`} columns=${[
      ["seq", (each) => html`<a href=${`#/look/seq/${each.seq}`}>${number(each.seq)}</a>`],
      [t("user"), (each) => (each.userId ? html`<a href=${`#/look/user/${encodeURIComponent(each.userId)}`}>${each.userId}</a>` : "–")],
      [t("booking"), (each) => (each.bookingId ? html`<a href=${`#/look/booking/${each.bookingId}`}>${each.bookingId}</a>` : "–")],
      [t("where"), (each) => each.place || "–"],
      [t("in_words"), (each) => each.words],
    ]} /></details>`}
    <button onClick=${found.again}>${t("fairness_again")}</button>`}
  <//>`;
}
