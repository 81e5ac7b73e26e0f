// Sending a call from a page about the API, and showing what came back: as text, or as a picture that runs nothing.

const BODY_CHARACTERS_MAX = 20_000, ANSWER_MS = 15_000, STREAM_MS = 2_000;
const SHOWN = ["content-type", "onsale-seq", "idempotency-replayed", "location", "link", "etag", "cache-control", "retry-after",
  "www-authenticate", "x-request-id"];

/** {status, headers, text, document, picture, ms}; status 0 where there was no answer, and `text` says why. */
export async function send(method, target, headers, body) {
  const began = performance.now(), stream = new AbortController();
  const late = setTimeout(() => stream.abort(), ANSWER_MS);
  const told = { status: 0, headers: [], text: "", document: null, picture: "", ms: 0 };
  try {
    const response = await fetch(target, { method, headers, body, credentials: "omit", cache: "no-store", signal: stream.signal });
    const type = response.headers.get("content-type") ?? "";
    told.headers = SHOWN.filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}`);
    told.status = response.status;
    told.title = `${response.status} ${response.statusText}`;
    if (type.startsWith("text/event-stream")) setTimeout(() => stream.abort(), STREAM_MS);
    if (type.startsWith("image/")) told.picture = await addressOf(await response.blob());
    else await read(response, told);
  } catch (error) {
    const why = error.name === "AbortError" ? "not within 15 seconds" : error.message;
    told.title = `No answer: ${why}`;
  }
  clearTimeout(late);
  told.ms = performance.now() - began;
  return told;
}

async function read(response, told) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let part; reader && !(part = await reader.read()).done; )
      if ((told.text += part.value).length > BODY_CHARACTERS_MAX) { reader.cancel(); break; }
  } catch (error) {
    if (error.name !== "AbortError") throw error; // a stream has no end: this is its beginning
  }
  try {
    told.document = JSON.parse(told.text);
    told.text = JSON.stringify(told.document, null, 2);
  } catch { /* it is no JSON, or there is more of it */ }
  if (told.text.length > BODY_CHARACTERS_MAX) told.text = `${told.text.slice(0, BODY_CHARACTERS_MAX)} …`;
}

function addressOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

const make = (name, more, ...inside) => {
  const made = Object.assign(document.createElement(name), more);
  made.append(...inside);
  return made;
};

const isGood = (told) => told.status >= 200 && told.status < 400;

/** How it went, in the one line that is also read out. */
export function say(place, told) {
  place.className = isGood(told) ? "answered good" : "answered bad";
  place.replaceChildren(make("b", { textContent: told.title }), ` ${Math.round(told.ms)} ms`);
}

/** Elements. `again` takes a solved challenge, and sends the call with it. */
export function answered(told, again) {
  const shown = [];
  const code = told.document?.code;
  if (!isGood(told) && /^[a-z_]+$/.test(code ?? ""))
    shown.push(make("p", {}, make("a", { href: `/docs/errors#${code}`, textContent: `What ${code} means` })));
  if (code === "challenge_required" && told.document.challenge === "proof_of_work") shown.push(solving(again));
  if (told.headers.length) shown.push(make("pre", { className: "headers", textContent: told.headers.join("\n"), tabIndex: 0 }));
  if (told.picture) shown.push(make("img", { src: told.picture, alt: "The picture that was answered" }));
  else if (told.text) shown.push(make("pre", { className: "body", textContent: told.text, tabIndex: 0 }));
  return shown;
}

function solving(again) {
  const button = make("button", { type: "button", textContent: "Solve a challenge, and send it again" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Solving …";
    try { again(await solution()); } catch (error) { button.textContent = `It could not be solved: ${error.message}`; }
  });
  return make("p", {}, button);
}

/** What goes into the field `challenge`: the number whose hash is asked for, found beside the page as in the storefront. */
async function solution() {
  if (!isSecureContext) throw new Error("browsers do such sums on https and localhost alone");
  const response = await fetch("/challenge", { credentials: "omit", cache: "no-store" });
  const { algorithm, challenge, maxnumber, salt, signature, detail } = await response.json();
  if (!response.ok) throw new Error(detail);
  const worker = new Worker(new URL("../shop/solver.worker.js", import.meta.url));
  try {
    const number = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.number === null ? reject(new Error("no number fits")) : resolve(data.number));
      worker.onerror = () => reject(new Error("its script could not be loaded"));
      worker.postMessage({ algorithm, challenge, maxnumber, salt });
    });
    return btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
  } finally {
    worker.terminate();
  }
}
