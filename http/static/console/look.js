// One booking, one user or one position of the journal: how it stands, and why, in the words of `onsale inspect`.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { readPage } from "./api.js";
import { Failure, Heading, Table, useRead } from "./parts.js";
import { Report, useReport } from "./report.js";
import { money, moment, name, number, t } from "./text.js";

const KINDS = ["booking", "user", "seq"];

export function Look({ kind: asked, id }) {
  const [kind, setKind] = useState(asked ?? "booking");
  const [text, setText] = useState(id ?? "");
  useEffect(() => {
    if (asked) setKind(asked);
    if (id !== undefined) setText(id);
  }, [asked, id]);
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) location.hash = `#/look/${kind}/${encodeURIComponent(text.trim())}`;
  };
  return html`
    <${Heading}>${t("view.look")}<//>
    <form class="search card" onSubmit=${submit}>
      <div class="field kind"><label for="kind">${t("look_for")}</label>
        <select id="kind" onChange=${(event) => setKind(event.target.value)}>
          ${KINDS.map((each) => html`<option value=${each} selected=${each === kind}>${t(`look.${each}`)}</option>`)}
        </select></div>
      <div class="field"><label for="id">${t(`look.${kind}.id`)}</label>
        <input id="id" required maxlength="128" autocomplete="off" spellcheck="false" inputmode=${kind === "user" ? "text" : "numeric"}
          value=${text} onInput=${(event) => setText(event.target.value)} /></div>
      <button class="primary">${t("look.go")}</button>
    </form>
    ${asked === "booking" && html`<${Booking} key=${id} id=${id} />`}
    ${asked === "user" && html`<${User} key=${id} id=${id} />`}
    ${asked === "seq" && html`<${Position} key=${id} seq=${id} />`}
  `;
}

function Booking({ id }) {
  const [booking, error] = useRead(`/booking/${encodeURIComponent(id)}`, 3_000);
  return html`
    <${Failure} error=${error} />
    ${booking && html`<section class="card"><h2>${t("booking_is", { id: booking.bookingId, status: name("booking", booking.status) })}</h2>
      <dl class="tiles">
        <div><dt>${t("user")}</dt><dd><a href=${`#/look/user/${encodeURIComponent(booking.userId)}`}>${booking.userId}</a></dd></div>
        <div><dt>${t("look.event")}</dt><dd><a href=${`#/onsales/${booking.eventId}`}>${booking.eventId}</a></dd></div>
        <div><dt>${t("tickets")}</dt><dd>${booking.quantity} × ${typeName(booking)}</dd></div>
        <div><dt>${t("amount")}</dt><dd>${money(booking.amount, booking.currency)}</dd></div>
        ${booking.position && html`<div><dt>${t("position")}</dt><dd>${number(booking.position)}</dd></div>`}
      </dl></section>`}
    <${Story} path=${`/booking/${encodeURIComponent(id)}/story`} />`;
}

const typeName = (booking) => booking.ticketType;

function User({ id }) {
  const path = `/users/${encodeURIComponent(id)}`;
  const [user] = useRead(path);
  const [pages, setPages] = useState({ rows: null, next: null, error: null });
  const more = async (from) => {
    try {
      const { rows, next } = await readPage(from);
      setPages((was) => ({ rows: [...(was.rows ?? []), ...rows], next, error: null }));
    } catch (error) {
      setPages((was) => ({ ...was, error }));
    }
  };
  useEffect(() => {
    more(`${path}/bookings?limit=20`);
  }, []);
  const { rows, next, error } = pages;
  return html`<section class="card"><h2>${t("user_is", { id })}</h2>
    ${user && html`<p class="calm">${[user.name, user.email].filter(Boolean).join(" · ")}</p>`}
    <${Failure} error=${error} />
    ${rows?.length === 0 && html`<p class="calm">${t("no_bookings")}</p>`}
    ${rows?.length > 0 &&
    html`<${Table} caption=${t("bookings_of", { id })} rows=${rows} keyOf=${(each) => each.bookingId} columns=${[
      [t("booking"), (each) => html`<a href=${`#/look/booking/${each.bookingId}`}>${each.bookingId}</a>`],
      [t("state"), (each) => name("booking", each.status)],
      [t("look.event"), (each) => html`<a href=${`#/onsales/${each.eventId}`}>${each.eventId}</a>`],
      [t("tickets"), (each) => `${each.quantity} × ${typeName(each)}`],
      [t("amount"), (each) => money(each.amount, each.currency), true],
    ]} />`}
    ${next && html`<button onClick=${() => more(next)}>${t("more")}</button>`}
  </section>`;
}

function Position({ seq }) {
  const [facts] = useRead(/^[1-9]\d{0,17}$/.test(seq) ? `/journal?after_seq=${BigInt(seq) - 1n}&limit=1` : null);
  const fact = facts?.[0];
  return html`<${Story} path=${`/journal/${encodeURIComponent(seq)}/story`} />
    ${fact && String(fact.seq) === seq && html`<details class="card"><summary>${t("fact_itself")}</summary><pre tabindex="0">${JSON.stringify(fact, null, 2)}</pre></details>`}`;
}

// The story, told by the node from its own journal.
function Story({ path }) {
  const report = useReport(path);
  return html`<${Report} of=${report} title=${t("story")}>${({ headline, told, notes }) => html`
    ${headline && html`<p class="headline">${headline}</p>`}
    <ol class="story">${told.map(
      (each) => html`<li key=${each.seq} class=${each.wanted ? "wanted" : ""}>
        <a href=${`#/look/seq/${each.seq}`}>seq ${number(each.seq)}</a> <time>${moment(each.at)}</time>
        <p>${each.words}</p>
      </li>`,
    )}</ol>
    ${notes.map((each) => html`<p class="hint" key=${each}>${each}</p>`)}`}
  <//>`;
}
