// What every view is made of: what is asked and shown again and again, and who somebody is.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { Problem, introduce, me, now, onChange, read, settings, signIn } from "./api.js";
import { said, span, t } from "./text.js";

// Something of the API, asked again every `everyMs`, while the page is looked at.
export function useReading(path, everyMs = 0) {
  const [found, setFound] = useState({ value: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const ended = new AbortController();
    let timer = 0;
    const ask = async () => {
      clearTimeout(timer);
      try {
        const value = await read(path, ended.signal);
        if (!ended.signal.aborted) setFound({ value, error: null });
      } catch (error) {
        if (ended.signal.aborted) return;
        setFound((before) => ({ value: before.value, error }));
      }
      const wait = typeof everyMs === "function" ? everyMs() : everyMs;
      if (wait && !document.hidden) timer = setTimeout(ask, wait);
    };
    const seen = () => !document.hidden && ask();
    again.current = ask;
    setFound({ value: null, error: null });
    ask();
    document.addEventListener("visibilitychange", seen);
    return () => {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [path]);
  return { ...found, again: () => again.current() };
}

// Anew whenever something kept in this browser changes, here or in another tab.
export function useKept(get) {
  const [, setTurn] = useState(0);
  useEffect(() => onChange(() => setTurn((turn) => turn + 1)), []);
  return get();
}

export function useSecond() {
  const [, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTurn((turn) => turn + 1), 1000);
    return () => clearInterval(timer);
  }, []);
}

// One thing at a time: [busy, error, run].
export function useWork() {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (work) => {
    if (state.busy) return;
    setState({ busy: true, error: null });
    try {
      await work();
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return [state.busy, state.error, run];
}

export const Fault = ({ error }) => error && html`<p class="fault" role="alert">${said(error)}</p>`;

export function Countdown({ until, label }) {
  useSecond();
  const seconds = (new Date(until) - now()) / 1000;
  return html`<span class=${seconds < 60 ? "countdown soon" : "countdown"} role="timer" aria-label=${label}>${span(seconds)}</span>`;
}

// Moves the focus to where a new view begins, so that keyboard and screen reader begin there, too.
export function Heading({ children }) {
  const heading = useRef(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return html`<h1 tabindex="-1" ref=${heading}>${children}</h1>`;
}

// Asks who somebody is, before what needs it.
export function Introduction({ children }) {
  const known = useKept(me.get);
  const [busy, error, run] = useWork();
  const [text, setText] = useState("");
  if (known) return children;
  const submit = (event) => {
    event.preventDefault();
    run(async () => {
      if (settings.open) return introduce(text.trim());
      try {
        signIn(text.trim());
      } catch {
        throw new Problem(400, { code: "bad_token", detail: t("bad_token") });
      }
    });
  };
  return html`<form class="card" onSubmit=${submit}>
    <label for="who">${settings.open ? t("your_name") : t("your_token")}</label>
    <div class="row">
      <input id="who" required maxlength=${settings.open ? 100 : 4000} autocomplete="name" value=${text}
        onInput=${(event) => setText(event.target.value)} />
      <button class="primary" disabled=${busy || !text.trim()}>${t("go_on")}</button>
    </div>
    <p class="hint">${settings.open ? t("name_hint") : t("token_hint")}</p>
    <${Fault} error=${error} />
  </form>`;
}
