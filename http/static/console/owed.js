// What is owed to Stripe and to people, and what of it waits for a person.

import { html, useState } from "../vendor/preact-htm.js";
import { newKey, order } from "./api.js";
import { Dialog, Failure, Heading, Table, useRead, useWork } from "./parts.js";
import { moment, name, number, t } from "./text.js";

const EVERY_MS = 2_000;

export function Owed() {
  const [outbox, fault, again] = useRead("/outbox?limit=50", EVERY_MS, { ofPrimary: true });
  const [busy, error, run] = useWork();
  const [closing, setClosing] = useState(null);
  const [said, setSaid] = useState("");
  if (!outbox) return html`<${Heading}>${t("view.owed")}<//><${Failure} error=${fault} />`;
  const { totals } = outbox;
  const retry = (what) =>
    run(async () => {
      const outcome = await order("/outbox/retry", what, { headers: { "Idempotency-Key": newKey() } });
      const refused = outcome.notRetried.map((each) => each.detail).join(" ");
      setSaid(`${t("retried", { refunds: outcome.refundsRetried, messages: outcome.messagesRetried })} ${refused}`);
      again();
    });
  const close = (concern) =>
    run(async () => {
      await order("/outbox/concerns/close", { id: concern.id }, { headers: { "Idempotency-Key": newKey() } });
      setClosing(null);
      setSaid(t("closed"));
      again();
    });
  const givenUp = totals.refundsFailed + totals.messagesDead;
  const again_ = (what, label) => html`<button disabled=${busy} aria-label=${label} onClick=${() => retry(what)}>${t("try_again")}</button>`;
  return html`
    <${Heading}>${t("view.owed")}<//>
    <dl class="tiles">
      ${[["payments", totals.payments], ["refunds", totals.refunds], ["messages", totals.messages]].map(
        ([key, count]) => html`<div key=${key}><dt>${t(`owed.${key}`)}</dt><dd>${number(count)}</dd></div>`,
      )}
      <div class=${givenUp ? "alarm" : ""}><dt>${t("given_up")}</dt><dd>${number(givenUp)}</dd></div>
      <div class=${totals.concerns ? "alarm" : ""}><dt>${t("concerns")}</dt><dd>${number(totals.concerns)}</dd></div>
    </dl>
    ${!givenUp && !totals.concerns && html`<p class="good">${t("nothing_waits")}</p>`}
    <div role="status">${said && html`<p class="card said">${said}</p>`}</div>
    <${Failure} error=${error ?? fault} />
    ${outbox.concerns.length > 0 &&
    html`<section><h2>${t("concerns")}</h2><p class="hint">${t("concerns_hint")}</p>
      <${Table} caption=${t("concerns")} rows=${outbox.concerns} keyOf=${(each) => each.id} columns=${[
        [t("concern"), (each) => each.id],
        [t("since"), (each) => moment(each.at)],
        [t("booking"), (each) => booking(each.bookingId)],
        [t("amount"), (each) => amount(each), true],
        [t("in_words"), (each) => each.detail],
        [t("act"), (each) => html`<button aria-label=${t("close_one", { id: each.id })} onClick=${() => setClosing(each)}>${t("close")}</button>`],
      ]} /></section>`}
    ${outbox.refundsFailed.length > 0 &&
    html`<section><h2>${t("refunds_given_up")}</h2>
      <${Table} caption=${t("refunds_given_up")} rows=${outbox.refundsFailed} keyOf=${(each) => each.refundId} columns=${[
        [t("refund"), (each) => `refund-${each.refundId}`],
        [t("booking"), (each) => booking(each.bookingId)],
        [t("amount"), (each) => amount(each), true],
        [t("tries"), (each) => number(each.tries), true],
        [t("user"), (each) => user(each.userId)],
        [t("because"), (each) => each.failure ?? ""],
        [t("act"), (each) => again_({ refundIds: [each.refundId] }, t("try_one", { id: `refund-${each.refundId}` }))],
      ]} /></section>`}
    ${outbox.messagesDead.length > 0 &&
    html`<section><h2>${t("messages_given_up")}</h2>
      <${Table} caption=${t("messages_given_up")} rows=${outbox.messagesDead} keyOf=${(each) => each.deliveryId} columns=${[
        [t("message"), (each) => `message-${each.deliveryId}`],
        [t("booking"), (each) => booking(each.bookingId)],
        [t("what"), (each) => each.kind.replaceAll("_", " ")],
        [t("by"), (each) => each.channel.replaceAll("_", " ")],
        [t("tries"), (each) => number(each.attempts), true],
        [t("user"), (each) => user(each.userId)],
        [t("because"), (each) => each.failure ?? ""],
        [t("act"), (each) => again_({ deliveryIds: [each.deliveryId] }, t("try_one", { id: `message-${each.deliveryId}` }))],
      ]} /></section>`}
    ${givenUp > 0 && html`<p><button disabled=${busy} onClick=${() => retry({ all: true })}>${t("try_all")}</button></p>`}
    ${outbox.lanes.length > 0 &&
    html`<section><h2>${t("lanes")}</h2>
      <${Table} caption=${t("lanes")} rows=${outbox.lanes} keyOf=${(each) => each.name} columns=${[
        [t("asked_of"), (each) => name("lane", each.name)],
        [t("state"), (each) => html`<span class=${each.failingSince ? "bad" : "good"}>${each.failingSince ? t("failing_since", { at: moment(each.failingSince) }) : t("goes_well")}</span>`],
        [t("waits"), (each) => number(each.waiting), true],
        [t("under_way"), (each) => number(each.inFlight), true],
        [t("because"), (each) => (each.failingSince ? (each.lastFailure ?? "") : "") || "–"],
      ]} /></section>`}
    ${closing &&
    html`<${Dialog} title=${t("close_title")} onClose=${() => setClosing(null)}>
      <p>${closing.detail}</p><p class="hint">${t("close_means")}</p>
      <div class="row"><button class="primary" disabled=${busy} onClick=${() => close(closing)}>${t("close_it")}</button>
        <button onClick=${() => setClosing(null)}>${t("leave_it")}</button></div>
    <//>`}
  `;
}

const amount = (row) => (row.amount ? `${row.amount} ${row.currency}` : "–");
const booking = (id) => (id ? html`<a href=${`#/look/booking/${id}`}>${id}</a>` : "–");
const user = (id) => (id ? html`<a href=${`#/look/user/${encodeURIComponent(id)}`}>${id}</a>` : "–");
