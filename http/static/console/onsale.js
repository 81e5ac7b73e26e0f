// Every onsale as a picture: its stock burning down, who holds, who waits, who was let in; and whether it was fair.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { read } from "./api.js";
import { Chart } from "./chart.js";
import { Fairness } from "./fairness.js";
import { Failure, Heading, Sentences, Table, useRead } from "./parts.js";
import { useStore } from "./store.js";
import { day, money, name, number, t, whole } from "./text.js";

const BUSY_SHOWN = 8;
const EVERY_MS = 1_000;
const SHOWN = 900; // seconds

// --- which one

export function Onsales() {
  const { metrics } = useStore();
  const [search, setSearch] = useState("");
  const [found] = useRead(`/events?limit=12${search.trim() ? `&search=${encodeURIComponent(search.trim())}` : ""}`, 5_000);
  const busy = busiest(metrics);
  return html`
    <${Heading}>${t("view.onsales")}<//>
    ${busy.length > 0 &&
    html`<section><h2>${t("busy_now")}</h2>
      <ul class="cards">${busy.map((each) => html`<${Busy} key=${each.id} stock=${each} />`)}</ul></section>`}
    <section>
      <h2>${busy.length ? t("others") : t("events")}</h2>
      <div class="field"><label for="search">${t("search_event")}</label>
        <input id="search" type="search" value=${search} onInput=${(event) => setSearch(event.target.value)} /></div>
      <ul class="rows">${(found ?? []).map(
        (each) => html`<li key=${each.id}><a href=${`#/onsales/${each.id}`}>${each.name}</a>
          <span class="calm">${day(each.startsAt)}${each.city && `, ${each.city}`}</span>
          <span class="number">${t("free", { n: each.available })}</span></li>`,
      )}</ul>
      ${found?.length === 0 && html`<p class="calm">${t("no_event")}</p>`}
    </section>
  `;
}

// Where the last bookings were for: the primary counts that.
function busiest(metrics) {
  const events = new Map();
  for (const [labels, value] of metrics?.onsale_event_tickets ?? []) {
    if (!events.has(labels.event)) events.set(labels.event, { id: labels.event });
    events.get(labels.event)[labels.state] = value;
  }
  for (const [labels, value] of metrics?.onsale_event_waiting ?? []) if (events.has(labels.event)) events.get(labels.event).waiting = value;
  return [...events.values()].slice(0, BUSY_SHOWN);
}

const names = new Map();

function useName(id) {
  const [known, setKnown] = useState(names.get(id));
  useEffect(() => {
    if (!names.has(id)) read(`/events/${id}`).then((event) => setKnown(names.set(id, event.name).get(id))).catch(() => {});
  }, [id]);
  return known ?? t("event", { id });
}

function Busy({ stock }) {
  const title = useName(stock.id);
  return html`<li class="card"><a href=${`#/onsales/${stock.id}`}>
    <strong>${title}</strong>
    <${Bar} ...${stock} />
    <span class="calm">${t("stock", { available: stock.available, held: stock.held, sold: stock.sold })}${stock.waiting > 0 && ` · ${t("waiting", { n: stock.waiting })}`}</span>
  </a></li>`;
}

function Bar({ sold, held, available }) {
  const all = Math.max(sold + held + available, 1);
  let from = 0;
  const part = (count, color) => {
    const shown = html`<rect x=${from} width=${(count / all) * 100} y="0" height="8" class=${color} />`;
    from += (count / all) * 100;
    return shown;
  };
  return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    ${part(sold, "sold")}${part(held, "held")}${part(available, "free")}
  </svg>`;
}

// --- one of them

const histories = new Map(); // by event: what was seen of it since this page was opened

function historyOf(eventId) {
  if (!histories.has(eventId)) histories.set(eventId, { time: [], sold: [], held: [], free: [], waiting: [], queued: [], inside: [], served: [] });
  return histories.get(eventId);
}

function add(eventId, live, room) {
  const history = historyOf(eventId);
  const total = (field) => live.ticketTypes.reduce((sum, each) => sum + each[field], 0);
  const now = Date.now() / 1000;
  if (now - (history.time.at(-1) ?? 0) < 0.5) return;
  const [sold, held] = [total("sold"), total("held")];
  history.time.push(now);
  history.sold.push(sold);
  history.held.push(sold + held); // drawn one upon the other
  history.free.push(sold + held + live.ticketTypes.reduce((sum, each) => sum + each.available, 0));
  history.waiting.push(total("waiting"));
  history.queued.push(room?.waiting ?? null);
  history.inside.push(room?.inside ?? null);
  history.served.push(room?.nowServing ?? null);
  if (history.time.length > SHOWN) for (const each of Object.values(history)) each.shift();
}

function useLive(eventId, hasRoom) {
  const [seen, setSeen] = useState({ live: null, room: null, error: null });
  useEffect(() => {
    if (hasRoom === null) return undefined;
    let ended = false;
    let timer = 0;
    const look = async () => {
      try {
        const [live, room] = await Promise.all([
          read(`/events/${eventId}/availability`),
          hasRoom ? read(`/events/${eventId}/queue`) : null,
        ]);
        add(eventId, live, room);
        if (!ended) setSeen({ live, room, error: null });
      } catch (error) {
        if (!ended) setSeen((was) => ({ ...was, error }));
      }
      if (!ended) timer = setTimeout(look, EVERY_MS);
    };
    look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [eventId, hasRoom]);
  return seen;
}

export function Event({ eventId }) {
  const [event, fault] = useRead(`/events/${eventId}`, 15_000);
  const [progress] = useRead(`/events/${eventId}/progress`, 3_000);
  const { live, room, error } = useLive(eventId, event ? Boolean(event.waitingRoom) : null);
  if (!event) return html`<p><a href="#/onsales">${t("all_onsales")}</a></p><${Failure} error=${fault} />`;
  const history = historyOf(eventId);
  const now = (values, less) => (values.length ? whole(values.at(-1) - (less?.at(-1) ?? 0)) : "–");
  const seconds = Math.min(SHOWN, Math.max(30, Math.ceil((history.time.at(-1) - history.time[0]) / 30 || 1) * 30));
  return html`
    <p><a href="#/onsales">${t("all_onsales")}</a></p>
    <${Heading}>${event.name}<//>
    <p class="lead">${day(event.startsAt, true)}${[event.venue, event.city].filter(Boolean).map((each) => `, ${each}`)} · ${name("status", live?.status ?? event.status)}</p>
    <${Failure} error=${error} />
    <div class="charts">
      <${Chart} title=${t("chart.stock")} times=${history.time} unit=${whole} seconds=${seconds} height=${240} hint=${t("chart.since_open")} series=${[
        { label: t("stock.free"), color: "good", fill: 0.25, values: history.free, now: now(history.free, history.held) },
        { label: t("stock.held"), color: "warn", fill: 0.55, values: history.held, now: now(history.held, history.sold) },
        { label: t("stock.sold"), color: "brand", fill: 0.8, values: history.sold, now: now(history.sold) },
      ]} />
      <${Chart} key=${room ? "room" : "line"} title=${t("chart.people_of")} times=${history.time} unit=${whole} seconds=${seconds} height=${240} series=${[
        { label: t("in_line"), color: "warn", fill: 0.15, values: history.waiting, now: now(history.waiting) },
        ...(room
          ? [
              { label: t("in_rooms"), color: "soft", fill: 0.15, values: history.queued, now: now(history.queued) },
              { label: t("inside"), color: "good", values: history.inside, now: now(history.inside) },
              { label: t("admitted"), color: "brand", values: history.served, now: now(history.served) },
            ]
          : []),
      ]} />
    </div>
    <${Table} caption=${t("tickets")} rows=${live?.ticketTypes ?? []} keyOf=${(each) => each.id} columns=${[
      [t("ticket"), (each) => each.name],
      [t("price"), (each) => price(event, each.id)],
      [t("stock.free"), (each) => number(each.available), true],
      [t("stock.held"), (each) => number(each.held), true],
      [t("stock.sold"), (each) => number(each.sold), true],
      [t("in_line"), (each) => number(each.waiting), true],
    ]} />
    ${room && html`<${Room} room=${room} />`}
    ${progress && html`<section class="card"><h2>${t("owed_here")}</h2><${Sentences} of=${owed(progress)} /></section>`}
    <${Fairness} eventId=${eventId} />
  `;
}

function price(event, typeId) {
  const type = event.ticketTypes.find((each) => each.id === typeId);
  return type ? money(type.price, event.currency) : "";
}

function Room({ room }) {
  return html`<section class="card"><h2>${t("room")}</h2>
    <dl class="tiles">
      <div><dt>${t("state")}</dt><dd>${name("room", room.state)}</dd></div>
      <div><dt>${t("came")}</dt><dd>${number(room.lastNumber)}</dd></div>
      <div><dt>${t("admitted")}</dt><dd>${number(room.nowServing)}</dd></div>
      <div><dt>${t("in_rooms")}</dt><dd>${number(room.waiting)}</dd></div>
      <div><dt>${t("inside")}</dt><dd>${number(room.inside)}</dd></div>
      <div><dt>${t("admit_per_minute")}</dt><dd>${number(room.admitPerMinute)}</dd></div>
    </dl>
    ${room.commitment && html`<p class="hint">${t("lot", { commitment: room.commitment })}${room.seed && ` ${t("lot_seed", { seed: room.seed })}`}</p>`}
  </section>`;
}

// As `onsale events progress` says it.
function owed(progress) {
  const left = [
    t("bookings_left", { n: progress.bookingsLeft }),
    t("refunds_left", { n: progress.refundsOwed }),
    t("messages_left", { n: progress.messagesOwed }),
  ].join(", ");
  const any = progress.bookingsLeft || progress.refundsOwed || progress.messagesOwed || progress.tellingOfChange;
  return [
    any ? `${left}.` : t("nothing_owed"),
    ...(progress.tellingOfChange ? [t("telling")] : []),
    ...(progress.refundsFailed ? [t("refunds_refused", { n: progress.refundsFailed })] : []),
    ...(progress.messagesDead ? [t("messages_dead", { n: progress.messagesDead })] : []),
  ];
}

