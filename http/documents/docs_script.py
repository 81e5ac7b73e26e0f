"""The script of the page of docs.py: it lets every call be tried against the node that serves the page.

Owns no content. Without it the page reads as well. A token stays in this tab (sessionStorage) and travels in a header
alone; what is answered is shown as text, whatever is in it.
"""

from typing import Final

SCRIPT: Final = """
if (location.origin.startsWith("http"))
  for (const each of document.querySelectorAll(".origin")) each.textContent = location.origin;
const wide = matchMedia("(min-width: 70rem)"), contents = document.querySelector("nav details");
const show = () => { contents.open = wide.matches; };
wide.addEventListener("change", show);
show();

const BODY_CHARACTERS_MAX = 20000, ANSWER_MS = 15000, STREAM_MS = 2000;
const SHOWN = ["content-type", "onsale-seq", "idempotency-replayed", "location", "link", "etag", "cache-control",
  "retry-after", "www-authenticate"];
const make = (name, more = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), more);
  made.append(...inside);
  return made;
};
const labelled = (text, input) => make("label", {}, text, input);

const token = make("input", { type: "password", autocomplete: "off", spellcheck: false });
try { token.value = sessionStorage.getItem("onsale.docs.token") ?? ""; } catch {}
token.addEventListener("change", () => {
  try { sessionStorage.setItem("onsale.docs.token", token.value.trim()); } catch {}
});
document.querySelector("#conventions").append(make("div", { className: "token" },
  labelled("Your access token, for trying calls out where one is asked for. It stays in this tab.", token)));

async function send(method, path, body) {
  const headers = {};
  if (token.value.trim()) headers.Authorization = "Bearer " + token.value.trim();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const stream = new AbortController();
  setTimeout(() => stream.abort(), ANSWER_MS);
  const response = await fetch(path, { method, headers, body, credentials: "omit", signal: stream.signal });
  if (response.headers.get("content-type")?.startsWith("text/event-stream"))
    setTimeout(() => stream.abort(), STREAM_MS);
  let text = "";
  try {
    if (response.headers.get("content-type")?.startsWith("image/")) text = "(a picture)";
    else for await (const part of partsOf(response)) if ((text += part).length > BODY_CHARACTERS_MAX) break;
  } catch (error) {
    if (error.name !== "AbortError") throw error; // a stream has no end: this is its beginning
  }
  const headersShown = SHOWN.filter((name) => response.headers.has(name))
    .map((name) => name + ": " + response.headers.get(name));
  return [response.status + " " + response.statusText, ...headersShown, "", pretty(text)].join("\\n");
}

async function* partsOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part; reader && !(part = await reader.read()).done; ) yield part.value;
}

function pretty(text) {
  try { text = JSON.stringify(JSON.parse(text), null, 2); } catch {}
  return text.length > BODY_CHARACTERS_MAX ? text.slice(0, BODY_CHARACTERS_MAX) + " ..." : text;
}

for (const line of document.querySelectorAll(".curl")) {
  const { method, url, body } = line.dataset;
  const path = make("input", { value: url, spellcheck: false, required: true });
  const text = body === undefined ? null
    : make("textarea", { value: body, rows: Math.min(12, body.split("\\n").length), spellcheck: false });
  const answer = make("output");
  const button = make("button", { textContent: "Send" });
  const form = make("form", { className: "try" },
    make("div", { className: "row" }, labelled(method + ", to this node", path), button),
    ...(text ? [labelled("Body", text)] : []), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    let told;
    try { told = await send(method, path.value, text?.value); }
    catch (error) { told = "No answer: " + (error.name === "AbortError" ? "not within 15 seconds." : error.message); }
    answer.replaceChildren(make("pre", { textContent: told, tabIndex: 0 }));
    button.disabled = false;
  });
  const trial = make("details", {}, make("summary", { textContent: "Try it" }), form);
  line.after(trial);
}
"""
