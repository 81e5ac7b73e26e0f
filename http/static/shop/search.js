// Finding something: as one types, by dates and city.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { send } from "./api.js";
import { Fault, Heading } from "./parts.js";
import { Poster } from "./poster.js";
import { day, money, t } from "./text.js";

const TYPED_MS = 150;
const PAGE = 24;

function addressOf(wish) {
  const query = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of Object.entries(wish)) if (value) query.set(name, value);
  return `/events?${query}`;
}

const remembered = { search: "", start_date: "", end_date: "", city: "", category: "" };

export function Search() {
  const [wish, setWish] = useState({ ...remembered });
  const [found, setFound] = useState({ events: null, next: null, error: null });
  const asked = useRef(null);

  const ask = async (path, before = []) => {
    asked.current?.abort();
    const ended = (asked.current = new AbortController());
    try {
      const { document, next } = await send("GET", path, undefined, { signal: ended.signal });
      if (!ended.signal.aborted) setFound({ events: [...before, ...document], next, error: null });
    } catch (error) {
      if (!ended.signal.aborted) setFound((last) => ({ ...last, error }));
    }
  };
  useEffect(() => {
    Object.assign(remembered, wish);
    const timer = setTimeout(() => ask(addressOf(wish)), found.events === null ? 0 : TYPED_MS);
    return () => clearTimeout(timer);
  }, [wish.search, wish.start_date, wish.end_date, wish.city, wish.category]);
  useEffect(() => () => asked.current?.abort(), []);

  const field = (name, label, more) => html`<div class="field">
    <label for=${name}>${label}</label>
    <input id=${name} ...${more} value=${wish[name]} onInput=${(event) => setWish({ ...wish, [name]: event.target.value })} />
  </div>`;
  return html`
    <${Heading}>${t("find")}<//>
    <form class="search" role="search" onSubmit=${(event) => event.preventDefault()}>
      ${field("search", t("search"), { type: "search", placeholder: t("search_hint"), class: "wide", maxlength: 200 })}
      ${field("city", t("city"), { maxlength: 100 })}
      ${field("start_date", t("from"), { type: "date" })}
      ${field("end_date", t("to"), { type: "date" })}
    </form>
    <${Fault} error=${found.error} />
    <p role="status" class="hint">${found.events && t(found.next ? "found_more" : "found", { n: found.events.length })}</p>
    <ul class="cards">${(found.events ?? []).map((each) => html`<${Card} key=${each.id} event=${each} />`)}</ul>
    ${found.next && html`<p><button onClick=${() => ask(found.next, found.events)}>${t("more")}</button></p>`}
  `;
}

function Card({ event }) {
  const state = stateOf(event);
  return html`<li class="card event">
    <a href=${`#/events/${event.id}`}>
      <${Poster} eventId=${event.id} />
      <span class="when">${day(event.startsAt)}</span>
      <strong>${event.name}</strong>
      <span>${[event.venue, event.city].filter(Boolean).join(", ")}</span>
      <span class="foot">
        <span>${event.priceFrom !== null && (Number(event.priceFrom) ? t("from_price", { price: money(event.priceFrom, event.currency) }) : t("free_of_charge"))}</span>
        <span class=${`state ${state.kind}`}>${state.text}</span>
      </span>
    </a>
  </li>`;
}

export function stateOf({ status, available }) {
  if (status === "cancelled") return { kind: "bad", text: t("cancelled") };
  if (status !== "on_sale") return { kind: "calm", text: t(`status.${status}`) };
  if (available === 0) return { kind: "bad", text: t("sold_out") };
  if (available < 20) return { kind: "warn", text: t("few_left", { n: available }) };
  return { kind: "good", text: t("left", { n: available }) };
}
