// Seats, a section at a time: rows of buttons that arrow keys walk through, with their states as they change.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { Fault, useReading } from "./parts.js";
import { money, t } from "./text.js";

const LIVE_MS = 3_000;

export function SeatMap({ event, chosen, most, choose }) {
  const map = useReading(`/events/${event.id}/seats`, LIVE_MS);
  const [name, setName] = useState(null);
  const grid = useRef(null);
  const sections = map.value?.sections ?? [];
  const section = sections.find((each) => each.name === name) ?? sections[0];
  useEffect(() => {
    if (!section) return; // who was chosen here and is taken meanwhile is not chosen any more
    const free = new Set(section.rows.flatMap((row) => row.seats.filter((each) => each.status === "available").map((each) => each.id)));
    const still = chosen.filter((id) => free.has(id));
    if (still.length < chosen.length) choose({ ticketTypeId: section.ticketTypeId, seats: still });
  });
  if (!map.value) return html`<p role="status">${t("loading")}</p><${Fault} error=${map.error} />`;

  const toggle = (seat) => {
    const others = chosen.filter((id) => id !== seat.id);
    if (others.length < chosen.length) choose({ ticketTypeId: section.ticketTypeId, seats: others });
    else if (chosen.length < most) choose({ ticketTypeId: section.ticketTypeId, seats: [...chosen, seat.id] });
  };
  const walk = (key) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key.key];
    const [row, column] = (key.target.dataset.at ?? "").split(",").map(Number);
    if (!step || Number.isNaN(row)) return;
    key.preventDefault();
    grid.current.querySelector(`[data-at="${row + step[0]},${column + step[1]}"]`)?.focus();
  };
  const pick = (other) => {
    setName(other);
    choose({ ticketTypeId: null, seats: [] });
  };
  return html`
    ${sections.length > 1 &&
    html`<div class="field"><label for="section">${t("section")}</label>
      <select id="section" value=${section.name} onChange=${(change) => pick(change.target.value)}>
        ${sections.map((each) => html`<option value=${each.name}>${each.name === each.ticketType ? "" : `${each.name}: `}${each.ticketType}, ${money(each.price, each.currency)}</option>`)}
      </select></div>`}
    <div class="seats" ref=${grid} role="group" aria-label=${t("section_of", { name: section.name })} onKeyDown=${walk}>
      <p class="stage" aria-hidden="true">${t("stage")}</p>
      ${section.rows.map(
        (row, line) => html`<div class="seat-row" key=${row.name}>
          <span class="row-name" aria-hidden="true">${row.name}</span>
          ${row.seats.map((seat, column) => {
            const mine = chosen.includes(seat.id);
            const label = t("seat", { row: row.name, number: seat.id.split("/").pop() });
            return html`<button class=${`seat ${mine ? "mine" : seat.status}`} key=${seat.id} data-at=${`${line},${column}`}
              tabindex=${line === 0 && column === 0 ? 0 : -1} aria-pressed=${mine}
              aria-disabled=${seat.status !== "available" && !mine}
              aria-label=${`${label}, ${t(mine ? "chosen" : `seat.${seat.status}`)}${seat.kind === "standard" ? "" : `, ${t(`kind.${seat.kind}`)}`}`}
              onClick=${() => (seat.status === "available" || mine) && toggle(seat)}>${seat.number}</button>`;
          })}
        </div>`,
      )}
    </div>
    <p role="status">${chosen.length > 0 ? t("seats_chosen", { n: chosen.length, list: chosen.map((id) => id.split("/").slice(1).join(" ")).join(", ") }) : t("no_seat_chosen")}</p>
  `;
}
