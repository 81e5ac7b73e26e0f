// The storefront: which view the address asks for, the frame around it, and news as they come.
//
// Data flows one way: the API's answers are what is shown. The views keep nothing of their own that a reload would lose,
// but what is half typed; api.js keeps who this is, what was asked and not yet answered, and places in waiting rooms.

import { html, render, useEffect, useState } from "../vendor/preact-htm.js";
import { follow, isReached, me, waitingWrites, write } from "./api.js";
import { EventView } from "./event.js";
import { Mine } from "./mine.js";
import { useKept } from "./parts.js";
import { Search } from "./search.js";
import { LANGUAGES, speak, spoken, t } from "./text.js";

const NOTICE_MS = 8_000;

const news = new EventTarget();

// Calls `told(notice)` for each notice that comes while a view is shown.
export function useNews(told) {
  useEffect(() => {
    const heard = (event) => told(event.detail);
    news.addEventListener("notice", heard);
    news.addEventListener("done", heard);
    return () => {
      news.removeEventListener("notice", heard);
      news.removeEventListener("done", heard);
    };
  });
}

const pathNow = () => location.hash.slice(1) || "/";

function useAddress() {
  const [path, setPath] = useState(pathNow);
  useEffect(() => {
    const changed = () => {
      setPath(pathNow());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return path;
}

function view(path) {
  const event = /^\/events\/(\d+)$/.exec(path);
  if (event) return html`<${EventView} key=${event[1]} eventId=${event[1]} useNews=${useNews} />`;
  if (path === "/mine") return html`<${Mine} useNews=${useNews} />`;
  return html`<${Search} />`;
}

function News() {
  const [notices, setNotices] = useState([]);
  const close = (id) => setNotices((before) => before.filter((each) => each.id !== id));
  useNews((notice) => {
    if (!notice || pathNow() === `/events/${notice.eventId}` || pathNow() === "/mine") return; // it is shown there
    setNotices((before) => [notice, ...before].slice(0, 2));
    setTimeout(close, NOTICE_MS, notice.id);
  });
  return html`<div class="news" aria-live="polite">
    ${notices.map(
      (each) => html`<div class="notice" key=${each.id}>
        <a href=${each.eventId ? `#/events/${each.eventId}` : "#/mine"} onClick=${() => close(each.id)}>${each.text}</a>
        <button class="plain" aria-label=${t("close")} onClick=${() => close(each.id)}>×</button>
      </div>`,
    )}
  </div>`;
}

function Page({ changeLanguage }) {
  const path = useAddress();
  const known = useKept(me.get);
  const reached = useKept(isReached);
  useEffect(
    () => known && follow(known.userId, (notice) => news.dispatchEvent(new CustomEvent("notice", { detail: notice }))),
    [known?.userId],
  );
  return html`
    <a class="skip" href="#content" onClick=${(event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    }}>${t("skip")}</a>
    <header>
      <a class="brand" href="#/">Onsale</a>
      <nav aria-label=${t("navigation")}>
        <a href="#/" aria-current=${path === "/" ? "page" : null}>${t("events")}</a>
        <a href="#/mine" aria-current=${path === "/mine" ? "page" : null}>${t("my_bookings")}</a>
        <label class="language"><span class="hidden">${t("language")}</span>
          <select onChange=${(event) => changeLanguage(event.target.value)}>
            ${Object.entries(LANGUAGES).map(([key, name]) => html`<option value=${key} selected=${key === spoken()}>${name}</option>`)}
          </select>
        </label>
      </nav>
    </header>
    <div role="status">${!reached && html`<p class="banner">${t("not_reached")}</p>`}</div>
    <main id="content" tabindex="-1">${view(path)}</main>
    <${News} />
    <footer><a href="/docs">${t("for_programs")}</a></footer>
  `;
}

const root = document.getElementById("app");

async function show(language) {
  await speak(language);
  render(null, root);
  render(html`<${Page} changeLanguage=${show} />`, root);
}

show();

// What was asked before this page was reloaded or closed, and had no answer: it is asked again, with the same key.
for (const [name, order] of waitingWrites()) {
  write(name, order.method, order.path, order.body)
    .catch(() => {}) // a refusal: what is shown is what is so
    .finally(() => news.dispatchEvent(new CustomEvent("done")));
}
