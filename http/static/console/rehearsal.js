// A crowd on a button: simulated people at an event of their own, to try to buy against. In the sample alone.

import { html, useState } from "../vendor/preact-htm.js";
import { order, remove } from "./api.js";
import { Failure, useRead, useWork } from "./parts.js";
import { t, whole } from "./text.js";

const LOOKED_AT_MS = 1_000;
const SIZES = [200, 2_000, 5_000];
const PEOPLE = ["coming", "inRoom", "admitted", "holding", "paid", "gaveUp", "lapsed", "soldOut", "faulty"];
const TICKETS_OF_PEOPLE = 0.15;
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
    ${now?.running
      ? html`<p class="row">
          <a class="button primary" href=${`/#/events/${told.eventId}`} target="_blank">${t("rehearsal.try")}</a>
          <a href=${`#/onsales/${told.eventId}`}>${t("rehearsal.picture")}</a>
          <button disabled=${busy} onClick=${stop}>${t("rehearsal.stop")}</button>
        </p>`
      : html`<form class="row" onSubmit=${start}>
          <div class="field"><label for="crowd">${t("rehearsal.people")}</label>
            <select id="crowd" value=${people} onChange=${(event) => setPeople(Number(event.target.value))}>
              ${SIZES.map((each) => html`<option value=${each}>${whole(each)}</option>`)}
            </select></div>
          <button class="primary" disabled=${busy || !now}>${busy ? t("rehearsal.begins") : t("rehearsal.start")}</button>
        </form>`}
    <${Failure} error=${refusal ?? error} />
    ${told?.eventId && html`<${Figures} now=${now} />`}
  </section>`;
}

function Figures({ now }) {
  const { told, people } = now;
  return html`
    ${now.running || html`<p>${t(told.fault ? "rehearsal.broke" : "rehearsal.over", { fault: told.fault })} <a href=${`#/onsales/${told.eventId}`}>${t("rehearsal.picture")}</a></p>`}
    <div class="crowd" aria-hidden="true">${PEOPLE.map(
      (each) => told[each] > 0 && html`<svg key=${each} class=${each} width=${`${(100 * told[each]) / people}%`} height="14"><rect width="100%" height="14" /></svg>`,
    )}</div>
    <dl class="tiles small">
      ${PEOPLE.map((each) => (told[each] > 0 || each !== "faulty") && html`<div key=${each}><dt class=${each}>${t(`rehearsal.${each}`)}</dt><dd>${whole(told[each])}</dd></div>`)}
      <div><dt>${t("rehearsal.botsRefused")}</dt><dd>${whole(told.botsRefused)}</dd></div>
      <div><dt>${t("rehearsal.botsPassed")}</dt><dd>${whole(told.botsPassed)}</dd></div>
      <div><dt>${t("rehearsal.longestWait")}</dt><dd>${t("rehearsal.seconds", { n: Math.round(told.longestWaitSeconds) })}</dd></div>
      <div><dt>${t("rehearsal.requests")}</dt><dd>${whole(told.requests)}</dd></div>
    </dl>`;
}
