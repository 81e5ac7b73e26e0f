// The members as a picture and a table, and the orders an operator gives them.

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";
import { order } from "./api.js";
import { Dialog, Failure, Heading, Sentences, Table, sentence, useWork } from "./parts.js";
import { Tiles } from "./live.js";
import { lookNow, useStore } from "./store.js";
import { milliseconds, name, number, t } from "./text.js";

const OLD_MS = 2_000; // nodes tell of themselves about each second

export function Cluster() {
  const { cluster } = useStore();
  const [dialog, setDialog] = useState(null);
  const [said, setSaid] = useState(null);
  if (!cluster) return html`<${Heading}>${t("view.cluster")}<//>`;
  const standbys = cluster.members.filter((each) => each.role === "standby");
  const away = isAway(cluster);
  const done = (outcome) => {
    setSaid(outcome);
    setDialog(null);
    lookNow();
  };
  return html`
    <${Heading}>${t("view.cluster")}<//>
    ${cluster.problems.length > 0 && html`<div class="card problems" role="status"><${Sentences} of=${cluster.problems} /></div>`}
    <${Picture} cluster=${cluster} />
    <p class="hint">${promise(cluster)}</p>
    <div class="orders">
      <button class=${away ? "" : "primary"} disabled=${!standbys.length || away} onClick=${() => setDialog("switchover")}>${t("switchover")}</button>
      <button class=${away ? "primary" : ""} disabled=${!standbys.length} onClick=${() => setDialog("failover")}>${t("failover")}</button>
      <${Takeover} cluster=${cluster} done=${done} />
    </div>
    <div role="status">${said && html`<div class="card said"><h2>${said.title}</h2><${Sentences} of=${said.sentences} /></div>`}</div>
    ${dialog && html`<${Order} kind=${dialog} standbys=${standbys} done=${done} onClose=${() => setDialog(null)} />`}
    <${Tiles} />
    <h2>${t("members")}</h2>
    <${Table} caption=${t("members")} rows=${cluster.members} keyOf=${(each) => each.name} columns=${columns(cluster)} />
  `;
}

function isAway(cluster) {
  const primary = cluster.members.find((each) => each.name === cluster.primary);
  return !primary || primary.state === "unreachable";
}

function promise(cluster) {
  const { syncStandbys: n, syncStandbysMet: met } = cluster;
  const waits = n ? t("answers_wait", { n, met }) : t("answers_wait_not");
  return `${waits} ${name("takeover", cluster.takeover)}`;
}

const columns = (cluster) => [
  [t("name"), (each) => html`${each.name}${each.name === cluster.node && html` <span class="badge">${t("this_node")}</span>`}`],
  [t("role"), (each) => name("role", each.role)],
  [t("state"), (each) => html`<span class=${tone(each)}>${name("state", each.state)}</span>`],
  [t("epoch"), (each) => number(each.epoch), true],
  [t("received"), (each) => number(each.receivedSeq), true],
  [t("applied"), (each) => number(each.appliedSeq), true],
  [t("lag"), (each) => (each.role === "primary" ? "–" : milliseconds(each.lagMs)), true],
  [t("rests_on_it"), (each) => (each.sync ? t("yes") : each.role === "standby" ? t("no") : "–")],
  [t("address"), (each) => html`<${Address} of=${each} here=${each.name === cluster.node} />`],
];

const tone = (member) =>
  ({ serving: "good", following: "good", unreachable: "bad", failed: "bad" })[member.state] ?? "warn";

function Address({ of, here }) {
  const shown = of.address.replace(/^https?:\/\//, "") || of.replication;
  if (here || !/^https?:\/\//.test(of.address)) return shown;
  return html`<a href=${`${of.address}/console`}>${shown}<span class="hidden"> ${t("its_console")}</span></a>`;
}

// --- the picture: who leads, and who has what it says from it

function Picture({ cluster }) {
  const frame = useRef(null);
  const [lines, setLines] = useState({ width: 0, height: 0, paths: [] });
  const primary = cluster.members.find((each) => each.name === cluster.primary) ?? null;
  const others = cluster.members.filter((each) => each !== primary);
  const measure = () => {
    const whole = frame.current?.getBoundingClientRect();
    const from = frame.current?.querySelector("[data-primary]")?.getBoundingClientRect();
    if (!whole || !from) return;
    const paths = [...frame.current.querySelectorAll("[data-follower]")].map((each) => {
      const to = each.getBoundingClientRect();
      return { key: each.dataset.follower, d: path(whole, from, to) };
    });
    const next = { width: whole.width, height: whole.height, paths };
    setLines((was) => (JSON.stringify(was) === JSON.stringify(next) ? was : next));
  };
  useLayoutEffect(measure);
  useLayoutEffect(() => {
    const resized = new ResizeObserver(measure);
    resized.observe(frame.current);
    return () => resized.disconnect();
  }, []);
  const known = Object.fromEntries(others.map((each) => [each.name, each]));
  return html`<div class="picture" ref=${frame}>
    <svg width=${lines.width} height=${lines.height} aria-hidden="true">
      <defs>${["sync", "follows", "behind", "broken"].map(
        (each) => html`<marker key=${each} id=${`to-${each}`} viewBox="0 0 10 10" refX="9" refY="5" markerUnits="userSpaceOnUse" markerWidth="11" markerHeight="11" orient="auto"><path d="M0,0 L10,5 L0,10 z" class=${`head ${each}`} /></marker>`,
      )}</defs>
      ${lines.paths.map(({ key, d }) => known[key] && html`<path key=${key} d=${d} class=${`line ${kind(known[key], primary)}`} marker-end=${`url(#to-${kind(known[key], primary)})`} />`)}
    </svg>
    <div class="column">${primary ? html`<${Node} member=${primary} cluster=${cluster} />` : html`<div class="node absent" data-primary="">${t("nobody_leads")}</div>`}</div>
    <div class="column followers">${others.map((each) => html`<${Node} key=${each.name} member=${each} cluster=${cluster} />`)}</div>
  </div>`;
}

const kind = (member, primary) => {
  if (member.state === "unreachable" || !primary || primary.state === "unreachable") return "broken";
  if (member.sync) return "sync";
  return member.state === "following" ? "follows" : "behind";
};

function path(whole, from, to) {
  if (to.left > from.right) {
    const [x1, y1] = [from.right - whole.left, from.top + from.height / 2 - whole.top];
    const [x2, y2] = [to.left - whole.left, to.top + to.height / 2 - whole.top];
    const middle = (x1 + x2) / 2;
    return `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2 - 2},${y2}`;
  }
  const x = from.left - whole.left + 12; // beneath one another: a trunk down the left side
  const y = to.top + to.height / 2 - whole.top;
  return `M${x},${from.bottom - whole.top} V${y - 8} q0,8 8,8 H${to.left - whole.left - 2}`;
}

function Node({ member, cluster }) {
  const leads = member.name === cluster.primary;
  return html`<div class=${`node ${leads ? "leads" : ""} ${tone(member)}-node`} data-primary=${leads ? "" : null} data-follower=${leads ? null : member.name}>
    <div class="node-head"><strong>${member.name}</strong><span class=${`badge ${member.role}`}>${name("role", member.role)}</span></div>
    <div class="node-state"><span class=${`dot ${tone(member)}`} aria-hidden="true"></span>${name("state", member.state)}${member.name === cluster.node && html` · ${t("this_node")}`}${member.ageMs > OLD_MS && member.state !== "unreachable" && html` · ${t("heard", { ago: milliseconds(member.ageMs) })}`}</div>
    <dl>
      <div><dt>seq</dt><dd>${number(member.appliedSeq)}</dd></div>
      <div><dt>${t("epoch")}</dt><dd>${number(member.epoch)}</dd></div>
      ${!leads && html`<div><dt>${t("lag")}</dt><dd>${member.state === "unreachable" ? "–" : milliseconds(member.lagMs)}</dd></div>`}
    </dl>
    ${!leads && member.role === "standby" && html`<small>${member.sync ? t("answers_rest") : t("answers_rest_not")}</small>`}
  </div>`;
}

// --- orders: what would be done is asked first, and said; then it is done, or not

function Order({ kind: what, standbys, done, onClose }) {
  const [to, setTo] = useState("");
  const [lossy, setLossy] = useState(false);
  const [plan, setPlan] = useState(null); // {sentences, primary} or {refused: sentences}
  const [busy, error, run] = useWork();
  const wish = (more) => ({ ...(to ? { to } : {}), ...(what === "failover" && lossy ? { acceptDataLoss: true } : {}), ...more });
  const ask = (body) => order(`/cluster/${what}`, body, { ofPrimary: what === "switchover" });
  const refusal = (problem) => {
    if (problem.code !== "unsafe") throw problem;
    return problem.document.sentences ?? [problem.message];
  };
  const look = () =>
    run(async () => {
      try {
        setPlan(await ask(wish({ dryRun: true })));
      } catch (problem) {
        setPlan({ refused: refusal(problem) });
      }
    });
  const go = () =>
    run(async () => {
      try {
        const outcome = await ask(wish({ to: plan.primary }));
        done({ title: t("done", { name: outcome.primary, epoch: outcome.epoch }), sentences: outcome.sentences });
      } catch (problem) {
        setPlan({ refused: refusal(problem) });
      }
    });
  const changed = (change) => {
    change();
    setPlan(null);
  };
  return html`<${Dialog} title=${t(what)} onClose=${onClose}>
    <p>${t(`${what}_means`)}</p>
    <div class="field">
      <label for="to">${t("who_leads")}</label>
      <select id="to" onChange=${(event) => changed(() => setTo(event.target.value))}>
        <option value="">${t(`${what}_default`)}</option>
        ${standbys.map((each) => html`<option value=${each.name}>${each.name} – ${name("state", each.state)}, seq ${number(each.receivedSeq)}</option>`)}
      </select>
    </div>
    ${what === "failover" &&
    html`<label class="check"><input type="checkbox" checked=${lossy} onChange=${(event) => changed(() => setLossy(event.target.checked))} /> ${t("accept_data_loss")}</label>`}
    <div role="status">
      ${plan?.sentences && html`<${Sentences} of=${plan.sentences} />`}
      ${plan?.refused && html`<${Sentences} of=${plan.refused} class="sentences refused" /><p class="fault">${t("refused")}</p>`}
      ${error && html`<p class="fault">${sentence(error)}</p>`}
    </div>
    <div class="row">
      ${plan?.primary
        ? html`<button class="primary" disabled=${busy} onClick=${go}>${busy ? t("this_takes_a_moment") : t("let_lead", { name: plan.primary })}</button>`
        : html`<button class="primary" disabled=${busy} onClick=${look}>${busy ? t("one_moment") : t("what_would_happen")}</button>`}
      <button disabled=${busy} onClick=${onClose}>${t("leave_it")}</button>
    </div>
  <//>`;
}

// Whether standbys take over by themselves: only where they can.
function Takeover({ cluster, done }) {
  const [busy, error, run] = useWork();
  if (cluster.takeover === "by_operator") return null;
  const what = cluster.takeover === "paused" ? "resume" : "pause";
  const change = () =>
    run(async () => {
      const outcome = await order(`/cluster/${what}`);
      done({ title: t(`${what}d`), sentences: outcome.sentences });
    });
  return html`<button disabled=${busy} onClick=${change}>${t(what)}</button><${Failure} error=${error} />`;
}
