// The console: who may open it, the frame around every view, and which view the address asks for.
//
// What is shown is what the nodes say; the console keeps nothing but the operator's token, in this tab.

import { html, render, useEffect, useState } from "../vendor/preact-htm.js";
import { Heading, useWork } from "../shop/parts.js";
import { Problem, checkOperator, onToken, roleIn, settings, token } from "./api.js";
import { Cluster } from "./cluster.js";
import { Live } from "./live.js";
import { Look } from "./look.js";
import { Event, Onsales } from "./onsale.js";
import { Owed } from "./owed.js";
import { Failure } from "./parts.js";
import { start, useStore } from "./store.js";
import { clock, learn, name, t } from "./text.js";

const SILENT_TRIES = 2;

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

const VIEWS = [
  ["/", "cluster"],
  ["/live", "live"],
  ["/onsales", "onsales"],
  ["/owed", "owed"],
  ["/look", "look"],
];

function view(path) {
  const event = /^\/onsales\/(\d+)$/.exec(path);
  if (event) return html`<${Event} key=${event[1]} eventId=${event[1]} />`;
  if (path === "/onsales") return html`<${Onsales} />`;
  if (path === "/live") return html`<${Live} />`;
  if (path === "/owed") return html`<${Owed} />`;
  const look = /^\/look(?:\/(booking|user|seq)\/(.+))?$/.exec(path);
  if (look) return html`<${Look} kind=${look[1]} id=${look[2] && decode(look[2])} />`;
  return html`<${Cluster} />`;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// One line above everything: how the cluster is, or that this node says nothing, and which others may.
function Health() {
  const { cluster, heardAt, tried } = useStore();
  if (tried >= SILENT_TRIES) return html`<${Silent} cluster=${cluster} heardAt=${heardAt} />`;
  if (!cluster) return html`<section class="health calm" aria-label=${t("health")}>${t("loading")}</section>`;
  return html`<section class=${`health ${cluster.health}`} aria-label=${t("health")}>
    <strong>${name("health", cluster.health)}</strong>
    <span>${cluster.primary ? t("primary_is", { name: cluster.primary, epoch: cluster.epoch }) : t("no_primary")}</span>
    <span>${t("served_by", { name: cluster.node, role: name("role", cluster.role) })}</span>
  </section>`;
}

function Silent({ cluster, heardAt }) {
  const others = (cluster?.members ?? []).filter((each) => each.name !== cluster.node && /^https?:\/\//.test(each.address));
  return html`<section class="health down" aria-label=${t("health")}><div role="alert">
    <strong>${cluster ? t("silent", { name: cluster.node, time: clock(heardAt) }) : t("silent_always")}</strong>
    <span>${t("silent_again")}</span>
    ${others.length > 0 &&
    html`<span>${t("silent_others")} ${others.map(
      (each) => html`<a key=${each.name} href=${`${each.address}/console#${pathNow()}`}>${each.name} (${name("role", each.role)})</a> `,
    )}</span>`}
  </div></section>`;
}

function Page() {
  const path = useAddress();
  const shown = path.split("/")[1] ?? "";
  return html`
    <a class="skip" href="#content" onClick=${(event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    }}>${t("skip")}</a>
    <header>
      <a class="brand" href="#/">Onsale <span>${t("console")}</span></a>
      <nav aria-label=${t("navigation")}>
        ${VIEWS.map(([address, key]) => html`<a href=${`#${address}`} aria-current=${address.slice(1) === shown ? "page" : null}>${t(`view.${key}`)}</a>`)}
        ${!settings.open && html`<button class="plain" onClick=${() => token.set(null)}>${t("sign_out")}</button>`}
      </nav>
    </header>
    <${Health} />
    <main id="content" tabindex="-1">${view(path)}</main>
    <footer><a href="/">${t("storefront")}</a><a href="/docs">${t("api")}</a><a href="/metrics">${t("metrics")}</a></footer>
  `;
}

function SignIn({ fault }) {
  const [text, setText] = useState("");
  const [busy, error, run] = useWork();
  const submit = (event) => {
    event.preventDefault();
    run(async () => {
      const given = text.trim();
      const role = roleIn(given);
      if (role === null) throw new Problem(400, { detail: t("bad_token") });
      try {
        await checkOperator(given);
      } catch (problem) {
        throw problem.status === 403 ? new Problem(403, { detail: t("not_operator", { role: name("token", role) }) }) : problem;
      }
      token.set(given);
    });
  };
  return html`<header><span class="brand">Onsale <span>${t("console")}</span></span></header>
    <main id="content">
      <${Heading}>${t("sign_in")}<//>
      <form class="card" onSubmit=${submit}>
        <label for="token">${t("your_token")}</label>
        <div class="row">
          <input id="token" type="password" required maxlength="8192" autocomplete="off" spellcheck="false" value=${text}
            aria-describedby="token-hint" onInput=${(event) => setText(event.target.value)} />
          <button class="primary" disabled=${busy || !text.trim()}>${t("open_console")}</button>
        </div>
        <p class="hint" id="token-hint">${t("token_hint")}</p>
        <pre class="command" tabindex="0"><code>onsale token --role operator --sub you --data DIR</code></pre>
        <${Failure} error=${error ?? fault} />
      </form>
    </main>`;
}

// A token that was taken before is looked at again: it may have been meant for another node, or have run out.
function Console() {
  const [found, setFound] = useState({ known: false, fault: null });
  const look = async (why = null) => {
    const has = token.get();
    if (!has && !settings.open) return setFound({ known: false, fault: why, asked: true });
    try {
      await checkOperator(has);
      setFound({ known: true, fault: null, asked: true });
    } catch (fault) {
      const refused = fault.status === 401 || fault.status === 403;
      setFound((before) => (refused ? { known: false, fault, asked: true } : { known: true, fault: null, asked: true }));
    }
  };
  useEffect(() => {
    look();
    return onToken(look);
  }, []);
  useEffect(() => {
    if (found.known) start();
  }, [found.known]);
  if (!found.asked) return html`<main id="content"><p class="calm">${t("loading")}</p></main>`;
  return found.known ? html`<${Page} />` : html`<${SignIn} fault=${found.fault} />`;
}

await learn();
const root = document.getElementById("app");
root.textContent = "";
render(html`<${Console} />`, root);
