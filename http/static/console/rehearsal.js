// A crowd on a button: simulated people at an event of their own, to try to buy against. In the sample alone.

import { html, useState } from "../vendor/preact-htm.js";
import { order, remove } from "./api.js";
import { Failure, useRead, useWork } from "./parts.js";
import { t, whole } from "./text.js";

const LOOKED_AT_MS = 1_000;
const SIZES = [200, 2_000, 5_000];
const PEOPLE = ["coming", "inRoom", "admitted", "holding", "paid", "gaveUp", "lapsed", "leftLine", "soldOut", "faulty"];
const TICKETS_OF_PEOPLE = 0.3;
const PROTECTIONS = ["challenge_required", "queue_required", "rate_limited"];
const BOTS_OF_PEOPLE = 0.025;

export function Rehearsal() {
  const [now, error, again] = useRead("/rehearsal", LOOKED_AT_MS);
  const [people, setPeople] = useState(2_000);
  const [busy, refusal, run] = useWork();
  const start = (event) => {
    event.preventDefault();
    run(async () => {
      await order("/rehearsal", { people, bots: Math.round(people * BOTS_OF_PEOPLE), tickets: Math.round(people * TICKETS_OF_PEOPLE) });
      again();
    });
  };
  const stop = () =>
    run(async () => {
      await remove("/rehearsal");
      again();
    });
  const told = now?.told;
  return html`<section class="card rehearsal" aria-labelledby="rehearsal">
    <h2 id="rehearsal">${t("rehearsal.title")}</h2>
    <p class="hint">${t("rehearsal.what")}</p>
    ${now?.running && told.eventId
      ? html`<p class="row doing">
          <a class="button primary" href=${`/#/events/${told.eventId}`} target="_blank">${t("rehearsal.try")}</a>
          <a href=${`#/onsales/${told.eventId}`}>${t("rehearsal.picture")}</a>
          <button disabled=${busy} onClick=${stop}>${t("rehearsal.stop")}</button>
        </p>`
      : html`<form class="row" onSubmit=${start}>
          <div class="field"><label for="crowd">${t("rehearsal.people")}</label>
            <select id="crowd" value=${people} onChange=${(event) => setPeople(Number(event.target.value))}>
              ${SIZES.map((each) => html`<option value=${each}>${whole(each)}</option>`)}
            </select></div>
          <button class="primary" disabled=${busy || !now || now.running}>${busy || now?.running ? t("rehearsal.begins") : t("rehearsal.start")}</button>
        </form>`}
    <${Failure} error=${refusal ?? error} />
    ${told?.eventId && html`<${Figures} now=${now} />`}
  </section>`;
}

function Figures({ now }) {
  const { told, people } = now;
  const tile = (name, value) => html`<div key=${name}><dt class=${name}>${t(`rehearsal.${name}`)}</dt><dd>${value}</dd></div>`;
  const end = told.broken ? "rehearsal.broke" : "rehearsal.over";
  return html`
    ${now.running || html`<p role="status">${t(end, { fault: told.fault })} <a href=${`#/onsales/${told.eventId}`}>${t("rehearsal.picture")}</a></p>`}
    <div class="crowd" aria-hidden="true">${PEOPLE.map(
      (each) => told[each] > 0 && html`<svg key=${each} class=${each} width=${`${(100 * told[each]) / people}%`} height="14"><rect width="100%" height="14" /></svg>`,
    )}</div>
    <dl class="tiles small">${PEOPLE.map((each) => (told[each] > 0 || each !== "faulty") && tile(each, whole(told[each])))}</dl>
    ${told.faulty > 0 && html`<p class="bad">${told.fault}</p>`}
    <dl class="tiles small">
      ${tile("joined", whole(told.joined))}
      ${tile("ticketsPaid", t("rehearsal.of", { n: whole(told.ticketsPaid), all: whole(now.tickets) }))}
      ${tile("longestWait", t("rehearsal.seconds", { n: Math.round(told.longestWaitSeconds) }))}
      ${tile("requests", whole(told.requests))}
    </dl>
    <h3>${t("rehearsal.bots", { n: whole(now.bots) })}</h3>
    <dl class="tiles small">
      ${PROTECTIONS.map((each) => tile(each, whole(told.botsRefusedBy[each] ?? 0)))}
      ${tile("botsInTurn", whole(told.botsInTurn))}
      ${tile("botsPassed", whole(told.botsPassed))}
    </dl>`;
}
