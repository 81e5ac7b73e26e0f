// What somebody has at an event: a place in line, a hold with its countdown and the way to pay, and the tickets.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { me, now, send, settings, write } from "./api.js";
import { Countdown, Fault, useWork } from "./parts.js";
import { money, number, t } from "./text.js";

const OPEN = new Set(["held", "paying", "waiting"]);
const LOOKED_AT_MS = 1_500;

export const isShown = (booking) => OPEN.has(booking.status) || booking.status === "confirmed";

export function HeldBookings({ bookings, onSale, changed }) {
  const shown = bookings.filter(isShown);
  const last = bookings.reduce((newest, each) => (each.bookingId > (newest?.bookingId ?? 0) ? each : newest), null);
  return html`
    <div role="status">${onSale && last?.status === "expired" && shown.length === 0 && html`<p class="banner">${t("lapsed")}</p>`}</div>
    ${shown.map((each) => html`<${BookingCard} key=${each.bookingId} booking=${each} changed=${changed} />`)}
  `;
}

export function BookingCard({ booking, changed }) {
  const what = html`<p>
    ${t("tickets_of", { n: booking.quantity, type: booking.ticketType })}
    ${booking.seats.length > 0 && html`<br />${booking.seats.map((id) => id.replaceAll("/", " ")).join(", ")}`}
    <br /><strong>${money(booking.amount, booking.currency)}</strong>
  </p>`;
  return html`<section class=${`card booking ${booking.status}`} aria-label=${t("booking", { number: booking.bookingId })}>
    <h2>${t(`booking.${booking.status}`)}</h2>
    ${what}
    ${booking.status === "waiting" && html`<p class="position"><span>${t("place_in_line")}</span><strong>${number(booking.position ?? 0)}</strong></p><p class="hint">${t("line_stays")}</p>`}
    ${(booking.status === "held" || booking.status === "paying") && html`<${Paying} booking=${booking} changed=${changed} />`}
    ${OPEN.has(booking.status) && booking.status !== "paying" && html`<${GiveUp} booking=${booking} changed=${changed} />`}
    ${booking.status === "confirmed" && html`<${Tickets} booking=${booking} />`}
  </section>`;
}

function GiveUp({ booking, changed }) {
  const [busy, error, run] = useWork();
  const give = () =>
    run(async () => {
      if (!confirm(t("give_up_sure"))) return;
      await write(`give up ${booking.bookingId}`, "DELETE", `/booking/${booking.bookingId}`);
      changed();
    });
  return html`<p><button disabled=${busy} onClick=${give}>${t("give_up")}</button></p><${Fault} error=${error} />`;
}

function Paying({ booking, changed }) {
  const over = new Date(booking.expiresAt) < now();
  useEffect(() => {
    const timer = setTimeout(changed, Math.max(500, new Date(booking.expiresAt) - now() + 700));
    return () => clearTimeout(timer);
  }, [booking.expiresAt, over]);
  return html`
    <p>${t("held_for")} <${Countdown} until=${booking.expiresAt} label=${t("time_left")} /></p>
    ${settings.payments === "stripe" ? html`<${StripePayment} booking=${booking} changed=${changed} />` : html`<${TestPayment} booking=${booking} changed=${changed} />`}
  `;
}

const wishOf = (booking) => ({
  userId: me.get().userId,
  eventId: booking.eventId,
  bookingId: booking.bookingId,
  amount: booking.amount,
});

// The built-in provider: it says so, and behaves like Stripe's test cards.
function TestPayment({ booking, changed }) {
  const [method, setMethod] = useState("pm_card_visa");
  const [busy, error, run] = useWork();
  const pay = (event) => {
    event.preventDefault();
    run(async () => {
      try {
        await write(`pay ${booking.bookingId} ${method}`, "POST", "/pay", { ...wishOf(booking), paymentMethod: method });
      } finally {
        changed();
      }
    });
  };
  const cards = { pm_card_visa: "card.good", pm_card_chargeDeclined: "card.declined", pm_card_authenticationRequired: "card.step" };
  return html`<form onSubmit=${pay}>
    <div class="field"><label for=${`card-${booking.bookingId}`}>${t("test_card")}</label>
      <select id=${`card-${booking.bookingId}`} value=${method} onChange=${(event) => setMethod(event.target.value)}>
        ${Object.entries(cards).map(([value, name]) => html`<option value=${value}>${t(name)}</option>`)}
      </select></div>
    <p class="hint">${t("no_money_moves")}</p>
    <button class="primary" disabled=${busy}>${busy ? t("one_moment") : t("pay", { amount: money(booking.amount, booking.currency) })}</button>
    <${Fault} error=${error} />
  </form>`;
}

let stripeLoading = null;

function stripe() {
  stripeLoading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = settings.stripeScript;
    script.onload = () => resolve(window.Stripe(settings.stripeKey));
    script.onerror = () => {
      stripeLoading = null;
      reject(new Error(t("stripe_not_reached")));
    };
    document.head.append(script);
  });
  return stripeLoading;
}

// Stripe's own form: the card's number never comes near this page or the API.
function StripePayment({ booking, changed }) {
  const place = useRef(null);
  const form = useRef(null);
  const [busy, error, run] = useWork();
  useEffect(() => {
    run(async () => {
      const { document: begun } = await write(`pay ${booking.bookingId}`, "POST", "/pay", wishOf(booking));
      if (!begun.clientSecret) return changed();
      const provider = await stripe();
      const elements = provider.elements({ clientSecret: begun.clientSecret });
      elements.create("payment").mount(place.current);
      form.current = { provider, elements };
    });
  }, [booking.bookingId]);
  const pay = (event) => {
    event.preventDefault();
    run(async () => {
      const { provider, elements } = form.current;
      const outcome = await provider.confirmPayment({ elements, redirect: "if_required", confirmParams: { return_url: location.href } });
      if (outcome.error) throw new Error(outcome.error.message);
      for (let tries = 0; tries < 20; tries += 1) {
        const { document: now } = await send("GET", `/booking/${booking.bookingId}`);
        if (now.status !== "paying" && now.status !== "held") break;
        await new Promise((resolve) => setTimeout(resolve, LOOKED_AT_MS));
      }
      changed();
    });
  };
  return html`<form onSubmit=${pay}>
    <div ref=${place}></div>
    <button class="primary" disabled=${busy}>${busy ? t("one_moment") : t("pay", { amount: money(booking.amount, booking.currency) })}</button>
    <${Fault} error=${error} />
  </form>`;
}

function Tickets({ booking }) {
  return html`<ul class="tickets">${booking.tickets.map(
    (each, index) => html`<li key=${each.code}>
      <img src=${`/tickets/${encodeURIComponent(each.code)}/qr.svg`} width="180" height="180" alt=${t("qr", { n: index + 1 })} />
      <code>${each.code}</code>
      <span>${each.seat ? each.seat.replaceAll("/", " ") : t("ticket_of", { number: index + 1, all: booking.tickets.length })}</span>
    </li>`,
  )}</ul>`;
}
