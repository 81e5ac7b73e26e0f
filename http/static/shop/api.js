// What the page asks of the API, and how it takes no answer.
//
// A write has a key that is kept until its answer is here, over reloads and lost connections: asked again with the same
// key it is done once, and gives the first answer. Reads ask for a state at least as new as what this browser wrote.

export const settings = JSON.parse(document.getElementById("settings").textContent);

const KEPT = "onsale.";
const TRANSIENT = new Set([429, 502, 503, 504]);
const PAUSES_MS = [300, 700, 1500, 3000, 5000];
const TIMEOUT_MS = 15_000;

export const kept = {
  get(name, otherwise = null) {
    try {
      return JSON.parse(localStorage.getItem(KEPT + name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(KEPT + name);
      else localStorage.setItem(KEPT + name, JSON.stringify(value));
    } catch {
      // a browser that keeps nothing: this page works, and forgets
    }
  },
};

// --- who asks

export const me = {
  get: () => kept.get("me"),
  set: (value) => {
    kept.set("me", value);
    tell();
  },
};

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Somebody by a name alone, where the node asks for no token.
export async function introduce(name) {
  const userId = `guest-${newId()}`;
  await send("PUT", `/users/${userId}`, { name }, { key: newId() });
  me.set({ userId, name });
}

// Somebody with a token: whom it is for stands in it.
export function signIn(token) {
  const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  me.set({ userId: claims.sub, name: claims.name ?? claims.sub, token });
}

// --- whether it is reached

let reached = true;
const listeners = new Set();

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const isReached = () => reached;

function tell() {
  for (const listener of listeners) listener();
}

function nowReached(value) {
  if (value !== reached) {
    reached = value;
    tell();
  }
}

// Another tab of this browser has changed something.
addEventListener("storage", (event) => event.key?.startsWith(KEPT) && tell());

// --- the time, by the node's clock: a visitor's may be wrong, and holds end by the node's

let aheadMs = 0;

export const now = () => Date.now() + aheadMs;

function setClock(headers) {
  if (!headers.get("Cache-Control")?.includes("no-store")) return; // may have lain in a cache
  const ahead = Date.parse(headers.get("Date")) + 500 - Date.now(); // whole seconds, cut
  if (!Number.isNaN(ahead)) aheadMs = Math.abs(ahead) < 1_500 ? 0 : ahead;
}

// --- asking

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `status ${status}`);
    this.status = status;
    this.code = document.code ?? "";
    this.document = document;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let newestSeq = kept.get("seq", 0);

async function once(method, path, body, key, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (method === "GET" && newestSeq && !path.startsWith("/events?")) headers["Onsale-Min-Seq"] = String(newestSeq);
  const token = me.get()?.token;
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.any?.([AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])]) ?? signal,
    cache: "no-cache",
  });
  setClock(response.headers);
  const document = response.status === 204 ? {} : await response.json();
  if (!response.ok) throw new Problem(response.status, document);
  const seq = Number(response.headers.get("Onsale-Seq") ?? 0);
  if (method !== "GET" && seq > newestSeq) kept.set("seq", (newestSeq = seq));
  return { document, status: response.status, next: nextOf(response) };
}

function nextOf(response) {
  return /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
}

function isTransient(error) {
  if (error instanceof Problem) {
    if (error.code === "replica_behind" && newestSeq) forgetAnOldSeq();
    return TRANSIENT.has(error.status);
  }
  return error.name !== "AbortError"; // the network, or no answer in time
}

// A seq of data that is gone, such as of a sample that was begun anew, would never be reached.
let behind = 0;
function forgetAnOldSeq() {
  behind += 1;
  if (behind > 5) {
    behind = 0;
    kept.set("seq", (newestSeq = 0));
  }
}

// Asks until there is an answer for good. `patient`: for ever, as with a key nothing is done twice.
export async function send(method, path, body, { key, signal, patient = method === "GET" || Boolean(key) } = {}) {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await once(method, path, body, key, signal);
      nowReached(true);
      return answer;
    } catch (error) {
      if (!patient || !isTransient(error)) {
        if (error instanceof Problem) nowReached(true);
        throw error;
      }
      nowReached(error instanceof Problem && error.status === 429);
      const asked = Number(error.document?.retryAfterSeconds ?? 0) * 1000;
      const own = PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)];
      await pause(Math.max(asked, own) * (0.8 + 0.4 * Math.random()));
      if (signal?.aborted) throw error;
    }
  }
}

export const read = async (path, signal) => (await send("GET", path, undefined, { signal })).document;

// A write that outlives this page: `name` says what it is, so that asking for it again continues it.
export async function write(name, method, path, body) {
  const waiting = kept.get("waiting", {});
  const same = waiting[name];
  const order =
    same && same.path === path && JSON.stringify(same.body) === JSON.stringify(body)
      ? same
      : { key: newId(), method, path, body };
  kept.set("waiting", { ...waiting, [name]: order });
  try {
    return await send(method, path, body, { key: order.key });
  } finally {
    const { [name]: _done, ...rest } = kept.get("waiting", {});
    kept.set("waiting", rest);
  }
}

// What was under way when the page was left: [name, order].
export const waitingWrites = () => Object.entries(kept.get("waiting", {}));

// --- news of one user: Server-Sent Events, read by fetch, as an EventSource can carry no token

export function follow(userId, told) {
  const ended = new AbortController();
  let last = kept.get(`last.${userId}`, 0);
  const listen = async () => {
    for (let tries = 0; !ended.signal.aborted; tries += 1) {
      try {
        const token = me.get()?.token;
        const response = await fetch(`/users/${encodeURIComponent(userId)}/stream`, {
          headers: { "Last-Event-ID": String(last), ...(token ? { Authorization: `Bearer ${token}` } : {}) },
          signal: ended.signal,
        });
        if (!response.ok) throw new Problem(response.status, {});
        nowReached(true);
        tries = 0;
        for await (const event of eventsOf(response.body)) {
          if (event.id) kept.set(`last.${userId}`, (last = Number(event.id)));
          if (event.data) told(JSON.parse(event.data));
        }
      } catch (error) {
        if (ended.signal.aborted) return;
        if (!(error instanceof Problem)) nowReached(false);
      }
      await pause(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] * (0.5 + Math.random()));
    }
  };
  listen();
  return () => ended.abort();
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = {};
      for (const line of text.slice(0, end).split("\n")) {
        const [name, ...rest] = line.split(": ");
        if (name) event[name] = rest.join(": ");
      }
      text = text.slice(end + 2);
      yield event;
    }
  }
}

// --- proof of work

export async function solvedChallenge() {
  const { document: challenge } = await send("GET", "/challenge");
  const worker = new Worker(`${settings.files}solver.worker.js`);
  try {
    const number = await new Promise((resolve, reject) => {
      worker.onmessage = (event) => (event.data.number === null ? reject(new Error("not solved")) : resolve(event.data.number));
      worker.onerror = reject;
      worker.postMessage(challenge);
    });
    const { algorithm, challenge: digest, salt, signature } = challenge;
    return btoa(JSON.stringify({ algorithm, challenge: digest, number, salt, signature }));
  } finally {
    worker.terminate();
  }
}
