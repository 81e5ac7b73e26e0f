// A report that a node makes from its journal, which may take a while: asked for again until it is there.

import { html, useEffect, useState } from "../vendor/preact-htm.js";
import { read } from "./api.js";
import { Failure } from "./parts.js";
import { t } from "./text.js";

const AGAIN_MS = 500;
const WITHIN_MS = 10_000;

// {report, progress, error, again}; nothing is asked where there is no path.
export function useReport(path) {
  const [found, setFound] = useState({ report: null, progress: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const ended = new AbortController();
    const ask = async () => {
      while (!ended.signal.aborted) {
        const answer = await read(path, { signal: ended.signal, within: WITHIN_MS });
        if (answer.report) return setFound({ report: answer.report, progress: null, error: null });
        setFound({ report: null, progress: answer.progress, error: null });
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
      return undefined;
    };
    setFound({ report: null, progress: null, error: null });
    ask().catch((error) => ended.signal.aborted || setFound({ report: null, progress: null, error }));
    return () => ended.abort();
  }, [path, turn]);
  return { ...found, again: () => setTurn((each) => each + 1) };
}

export function Report({ of, title, children }) {
  const { report, progress, error } = of;
  return html`<section class="card"><h2>${title}</h2>
    <div role="status">${!report && !error && html`<p class="calm">${t("reading_journal")}</p>
      <progress max=${progress?.total || 1} value=${progress?.total ? progress.done : null} aria-label=${t("reading_journal")}></progress>`}</div>
    <${Failure} error=${error} />
    ${report && children(report)}
  </section>`;
}
