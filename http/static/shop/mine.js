// Everything of one person: bookings, whatever became of them, and what they were told.

import { html } from "../vendor/preact-htm.js";
import { me, waitingWrites } from "./api.js";
import { BookingCard } from "./hold.js";
import { Fault, Heading, Introduction, useKept, useReading } from "./parts.js";
import { day, t } from "./text.js";

export function Mine({ useNews }) {
  const known = useKept(me.get);
  const user = known && encodeURIComponent(known.userId);
  const bookings = useReading(user && `/users/${user}/bookings?limit=100`, 20_000);
  const notices = useReading(user && `/users/${user}/notifications?limit=50`);
  const waiting = useKept(waitingWrites);
  useNews(() => {
    bookings.again();
    notices.again();
  });
  const leave = () => confirm(t("sign_out_sure")) && me.set(null);
  return html`
    <${Heading}>${t("my_bookings")}<//>
    <${Introduction}>
      <p>${t("you_are", { name: known?.name ?? "" })} <button class="plain" onClick=${leave}>${t("sign_out")}</button></p>
      ${waiting.length > 0 && html`<p class="banner" role="status">${t("under_way", { n: waiting.length })}</p>`}
      <${Fault} error=${bookings.error} />
      ${bookings.value?.length === 0 && html`<p>${t("no_bookings")} <a href="#/">${t("find")}</a></p>`}
      ${(bookings.value ?? []).map(
        (each) => html`<div key=${each.bookingId}>
          <h2 class="of-event"><a href=${`#/events/${each.eventId}`}>${each.eventName}</a></h2>
          <${BookingCard} booking=${each} changed=${bookings.again} />
        </div>`,
      )}
      <h2>${t("notices")}</h2>
      <ul class="plain-list">${(notices.value ?? []).map((each) => html`<li key=${each.id}><time datetime=${each.at}>${day(each.at, true)}</time> ${each.text}</li>`)}</ul>
    <//>
  `;
}
