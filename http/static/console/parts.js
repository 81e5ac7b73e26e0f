// What several views are made of: faults, questions before something is done, readings that are asked again.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { read } from "./api.js";
import { t } from "./text.js";

export { Heading, useWork } from "../shop/parts.js";

export const Failure = ({ error }) => error && html`<p class="fault" role="alert">${sentence(error)}</p>`;

export function sentence(error) {
  if (error.status) return error.message;
  return error.name === "TimeoutError" ? t("no_answer_in_time") : t("no_answer");
}

// The answer to a read, again every `everyMs` while the view is shown: [value, error, again].
export function useRead(path, everyMs = 0, options = {}) {
  const [found, setFound] = useState({ value: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) {
      setFound({ value: null, error: null });
      return undefined;
    }
    const ended = new AbortController();
    let timer = 0;
    const ask = async () => {
      clearTimeout(timer);
      try {
        const value = await read(path, { ...options, signal: ended.signal });
        if (!ended.signal.aborted) setFound({ value, error: null });
      } catch (error) {
        if (ended.signal.aborted) return;
        setFound((was) => ({ value: was.value, error }));
      }
      if (everyMs) timer = setTimeout(ask, everyMs);
    };
    again.current = ask;
    setFound({ value: null, error: null });
    ask();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [path]);
  return [found.value, found.error, () => again.current()];
}

// Something to read and decide on, above the page. Escape leaves it.
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
    return () => dialog.current?.close();
  }, []);
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${onClose} onCancel=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

export const Sentences = ({ of, ...more }) => html`<ul class="sentences" ...${more}>${of.map((each) => html`<li key=${each}>${inCode(each)}</li>`)}</ul>`;

// What stands between backticks is a command.
const inCode = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

// A table that becomes a list of cards where there is no room: `columns`: [heading, of(row), number?].
export function Table({ caption, columns, rows, keyOf }) {
  return html`<table class="stacking">
    <caption class="hidden">${caption}</caption>
    <thead><tr>${columns.map(([heading, , numeric]) => html`<th scope="col" class=${numeric ? "number" : null}>${heading}</th>`)}</tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${keyOf(row)}>${columns.map(
        ([heading, of, numeric], index) =>
          index === 0
            ? html`<th scope="row">${of(row)}</th>`
            : html`<td data-label=${heading} class=${numeric ? "number" : null}>${of(row)}</td>`,
      )}</tr>`,
    )}</tbody>
  </table>`;
}
