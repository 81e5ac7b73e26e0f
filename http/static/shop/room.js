// The waiting room: a place in it, what it means, and when it is one's turn. The place is kept over reloads and tabs.

import { html, useEffect } from "../vendor/preact-htm.js";
import { kept, me, read, send, solvedChallenge, write } from "./api.js";
import { Countdown, Fault, useKept, useWork } from "./parts.js";
import { number, roughly, t } from "./text.js";

const REFRESH_SECONDS = 3;

export function placeOf(eventId) {
  const place = kept.get(`place.${eventId}`);
  return place?.userId === me.get()?.userId ? place : null;
}

function keep(eventId, place) {
  kept.set(`place.${eventId}`, place && { ...place, userId: me.get().userId });
  dispatchEvent(new StorageEvent("storage", { key: `onsale.place.${eventId}` }));
}

export function WaitingRoom({ event, useNews }) {
  const place = useKept(() => placeOf(event.id));
  const [busy, error, run] = useWork();
  const path = place && `/events/${event.id}/queue/${encodeURIComponent(place.token)}`;
  const look = async () => {
    try {
      keep(event.id, { ...placeOf(event.id), ...(await read(path)), trouble: null });
    } catch (fault) {
      if (fault.status === 404 || fault.status === 410) keep(event.id, null);
    }
  };
  useNews(() => path && look());
  useEffect(() => {
    if (!path) return undefined;
    let timer = 0;
    const again = async () => {
      await look();
      timer = setTimeout(again, 1000 * (placeOf(event.id)?.refreshIntervalSeconds ?? REFRESH_SECONDS));
    };
    again();
    return () => clearTimeout(timer);
  }, [path]);

  const join = () =>
    run(async () => {
      const wish = { userId: me.get().userId };
      if (event.challenge === "proof_of_work") wish.challenge = await solvedChallenge();
      const { document } = await write(`join ${event.id}`, "POST", `/events/${event.id}/queue`, wish);
      keep(event.id, document);
    });
  const leave = () =>
    run(async () => {
      if (confirm(t("leave_sure"))) {
        await send("DELETE", path, undefined, { patient: true });
        keep(event.id, null);
      }
    });

  if (!place) {
    return html`<div class="card">
      <p>${t("room_why")}</p>
      <button class="primary" disabled=${busy} onClick=${join}>${busy ? t("one_moment") : t("join_room")}</button>
      <${Fault} error=${error} />
    </div>`;
  }
  if (["served", "lapsed", "left"].includes(place.status)) {
    return html`<div class="card">
      <p>${t("turn_over")}</p>
      <button disabled=${busy} onClick=${join}>${t("join_room")}</button>
      <${Fault} error=${error} />
    </div>`;
  }
  if (place.admitted) {
    return html`<div class="card turn" role="status">
      <strong>${t("your_turn")}</strong> ${place.expiresAt && html`<${Countdown} until=${place.expiresAt} label=${t("time_left")} />`}
      <p class="hint">${t("turn_hint")}</p>
    </div>`;
  }
  const over = place.servable === false;
  return html`<div class="card" role="status">
    <p class="position"><span>${t("ahead_of_you")}</span><strong>${number(Math.max(0, (place.position ?? 1) - 1))}</strong></p>
    <progress max=${place.number} value=${Math.max(0, place.number - (place.position ?? place.number))}></progress>
    <p>${over ? t("not_servable") : place.estimatedWaitSeconds !== undefined && place.estimatedWaitSeconds !== null && t("estimate", { time: roughly(place.estimatedWaitSeconds) })}</p>
    <p class="hint">${t("room_stays", { number: place.number })}</p>
    <button disabled=${busy} onClick=${leave}>${t("leave")}</button>
    <${Fault} error=${error} />
  </div>`;
}
