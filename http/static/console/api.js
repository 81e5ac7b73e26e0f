// What the console asks of the node that serves it, as an operator.
//
// The token stays in this tab (sessionStorage) and travels in a header alone. What only the primary knows or does is
// asked through this node, which passes it on. Orders are given once; whether they were carried out is in the answer.

import { Problem, settings } from "../shop/api.js";

export { Problem, settings };

const TOKEN = "onsale.operator";
const READ_MS = 4_000;
const ORDER_MS = 30_000;

export const token = {
  get() {
    try {
      return sessionStorage.getItem(TOKEN);
    } catch {
      return held;
    }
  },
  // `why`: the problem that ended it, if one did
  set(value, why = null) {
    held = value;
    try {
      if (value === null) sessionStorage.removeItem(TOKEN);
      else sessionStorage.setItem(TOKEN, value);
    } catch {
      // a browser that keeps nothing: it is asked for again after a reload
    }
    for (const listener of [...listeners]) listener(why);
  },
};

let held = null;
const listeners = new Set();

export function onToken(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// The role that a token says it is for; whether that is true, the node knows.
export function roleIn(text) {
  try {
    return JSON.parse(atob(text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).role ?? "";
  } catch {
    return null;
  }
}

async function ask(method, path, { body, ofPrimary = false, signal, within = READ_MS, as = token.get(), headers } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (as) sent.Authorization = `Bearer ${as}`;
  if (ofPrimary) sent["Onsale-Ask"] = "primary";
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method,
    headers: sent,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.any?.([AbortSignal.timeout(within), ...(signal ? [signal] : [])]) ?? signal,
    cache: "no-store",
    credentials: "omit",
  });
  if (!response.ok) {
    const document = await response.json().catch(() => ({}));
    const problem = new Problem(response.status, document);
    if (response.status === 401 && as && as === token.get()) token.set(null, problem);
    throw problem;
  }
  return response;
}

export const read = async (path, options) => (await ask("GET", path, options)).json();
export const readText = async (path, options) => (await ask("GET", path, options)).text();
export const order = async (path, body, options) => (await ask("POST", path, { within: ORDER_MS, ...options, body })).json();

export const remove = async (path, options) => (await ask("DELETE", path, { within: ORDER_MS, ...options })).json();

// With the position of the next page, where there is one.
export async function readPage(path, options) {
  const response = await ask("GET", path, options);
  const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
  return { rows: await response.json(), next };
}

// Whether a token (null: none) is an operator's: by a read that only operators have, and that finds nothing.
export const checkOperator = (as) => read("/journal?limit=1&after_seq=9223372036854775807", { as });

export const newKey = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
