// One event: what it is, what is left, and the way to a ticket: through the waiting room, if it has one, to a hold.

import { html, useState } from "../vendor/preact-htm.js";
import { me, solvedChallenge, write } from "./api.js";
import { HeldBookings, isShown } from "./hold.js";
import { Fault, Heading, Introduction, useKept, useReading, useWork } from "./parts.js";
import { Poster } from "./poster.js";
import { placeOf, WaitingRoom } from "./room.js";
import { SeatMap } from "./seats.js";
import { stateOf } from "./search.js";
import { day, money, number, t } from "./text.js";

const LIVE_MS = 2_000;
const MINE_MS = 15_000;

export function EventView({ eventId, useNews }) {
  const known = useKept(me.get);
  const event = useReading(`/events/${eventId}`);
  const live = useReading(`/events/${eventId}/availability`, LIVE_MS);
  const mine = useReading(known && `/users/${encodeURIComponent(known.userId)}/bookings?limit=100`, MINE_MS);
  useNews(() => {
    mine.again();
    live.again();
  });
  if (event.error) return html`<${Heading}>${t("no_such_event")}<//><${Fault} error=${event.error} />`;
  if (!event.value) return html`<p role="status">${t("loading")}</p>`;
  const it = event.value;
  const counts = live.value ?? it;
  const here = (mine.value ?? []).filter((each) => each.eventId === it.id);
  const changed = () => {
    mine.again();
    live.again();
  };
  return html`
    <article>
      <${Poster} eventId=${it.id} />
      <${Heading}>${it.name}<//>
      <p class="lead">${day(it.startsAt, true)}<br />${[it.venue, it.city, it.country].filter(Boolean).join(", ")}</p>
      ${it.description && html`<p>${it.description}</p>`}
      <${HeldBookings} bookings=${here} onSale=${counts.status === "on_sale"} changed=${changed} />
      <${Types} event=${it} counts=${counts} />
      <${MoreOrFirst} has=${here.some(isShown)}><${WayIn} event=${it} counts=${counts} changed=${changed} useNews=${useNews} /><//>
    </article>
  `;
}

// Who has something, or waits for it, is not asked at once whether it shall be more.
const MoreOrFirst = ({ has, children }) => (has ? html`<details><summary>${t("get_more")}</summary>${children}</details>` : children);

function Types({ event, counts }) {
  const left = new Map(counts.ticketTypes.map((each) => [each.id, each]));
  return html`<table>
    <caption class="hidden">${t("tickets")}</caption>
    <thead><tr><th scope="col">${t("ticket")}</th><th scope="col" class="number">${t("price")}</th><th scope="col" class="number">${t("available")}</th></tr></thead>
    <tbody>${event.ticketTypes.map((each) => {
      const { available, held, waiting } = left.get(each.id) ?? each;
      return html`<tr>
        <th scope="row">${each.name}</th>
        <td class="number">${money(each.price, event.currency)}</td>
        <td class="number">${number(available)}
          <small>${[held > 0 && t("held_now", { n: held }), waiting > 0 && t("waiting_now", { n: waiting })].filter(Boolean).join(", ")}</small>
        </td>
      </tr>`;
    })}</tbody>
  </table>`;
}

function WayIn({ event, counts, changed, useNews }) {
  const place = useKept(() => placeOf(event.id));
  const state = stateOf(counts);
  if (event.status === "cancelled" || counts.status === "cancelled") return html`<p class="fault">${t("event_cancelled")}</p>`;
  const room = event.waitingRoom && event.waitingRoom.state !== "closed";
  const inside = !room || (place?.admitted && !["served", "lapsed", "left"].includes(place.status));
  return html`<section aria-labelledby="way-in">
    <h2 id="way-in">${t("get_tickets")} <span class=${`state ${state.kind}`}>${state.text}</span></h2>
    <${Introduction}>
      ${room && html`<${WaitingRoom} event=${event} useNews=${useNews} />`}
      ${inside && html`<${Choice} event=${event} counts=${counts} queueToken=${room ? place.token : undefined} changed=${changed} />`}
    <//>
  </section>`;
}

function Choice({ event, counts, queueToken, changed }) {
  const [type, setType] = useState(event.ticketTypes[0].id);
  const [quantity, setQuantity] = useState(1);
  const [seats, setSeats] = useState(null); // null: the best available
  const [busy, error, run] = useWork();
  const left = counts.ticketTypes.find((each) => each.id === type)?.available ?? 0;
  const chosen = seats?.seats ?? [];
  const book = () =>
    run(async () => {
      const wish = { userId: me.get().userId, eventId: event.id };
      if (seats) Object.assign(wish, { ticketType: seats.ticketTypeId, seats: chosen });
      else Object.assign(wish, { ticketType: type, quantity });
      if (queueToken) wish.queueToken = queueToken;
      if (event.challenge === "proof_of_work") wish.challenge = await solvedChallenge();
      await write(`book ${event.id}`, "POST", "/booking", wish);
      setSeats(seats && { ...seats, seats: [] });
      changed();
    });
  return html`<div class="card">
    ${event.seats > 0 &&
    html`<div class="row" role="group" aria-label=${t("seats")}>
      <button aria-pressed=${!seats} onClick=${() => setSeats(null)}>${t("best_available")}</button>
      <button aria-pressed=${Boolean(seats)} onClick=${() => setSeats({ ticketTypeId: null, seats: [] })}>${t("choose_seats")}</button>
    </div>`}
    ${seats
      ? html`<${SeatMap} event=${event} chosen=${chosen} most=${event.maxPerUser} choose=${setSeats} />`
      : html`<div class="row">
          ${event.ticketTypes.length > 1 &&
          html`<div class="field"><label for="type">${t("ticket")}</label>
            <select id="type" value=${type} onChange=${(change) => setType(Number(change.target.value))}>
              ${event.ticketTypes.map((each) => html`<option value=${each.id}>${each.name}, ${money(each.price, event.currency)}</option>`)}
            </select></div>`}
          <div class="field"><label for="quantity">${t("how_many")}</label>
            <input id="quantity" type="number" min="1" max=${event.maxPerUser} value=${quantity}
              onInput=${(change) => setQuantity(Math.max(1, Math.min(event.maxPerUser, Number(change.target.value) || 1)))} /></div>
        </div>`}
    <p>
      <button class="primary" disabled=${busy || (seats && chosen.length === 0)} onClick=${book}>
        ${busy ? t("one_moment") : left >= quantity || seats ? t("hold_them") : t("join_line")}
      </button>
    </p>
    ${left < quantity && !seats && event.waitlist !== "off" && html`<p class="hint">${left > 0 ? t("fewer_hint", { n: left }) : t("line_hint")}</p>`}
    <${Fault} error=${error} />
  </div>`;
}
