// The words, from a message file, and how figures are written.

import { settings } from "./api.js";

export { day, money, number } from "../shop/text.js";

let messages = {};
const plural = new Intl.PluralRules("en");

export async function learn() {
  messages = await (await fetch(`${settings.files}messages.en.json`)).json();
}

// A message with its {values}; one that depends on a number `n` has a form for each kind of number.
export function t(name, values = {}) {
  const found = messages[name];
  if (found === undefined) return name;
  const text = typeof found === "string" ? found : (found[plural.select(values.n)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (_, key) => (typeof values[key] === "number" ? whole(values[key]) : (values[key] ?? "")));
}

// A message, or where there is none (a newer node may have more kinds of things) the name itself as words.
export const name = (group, key) => (`${group}.${key}` in messages ? t(`${group}.${key}`) : String(key).replaceAll("_", " "));

const format = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const whole = (value) => format.format(value);
export const rate = (value) => (value < 10 ? fine : format).format(value);

export function milliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms === 0) return "0 ms";
  if (ms >= 1000) return `${fine.format(ms / 1000)} s`;
  return ms < 10 ? `${ms.toFixed(ms < 1 ? 2 : 1)} ms` : `${format.format(ms)} ms`;
}

export const clock = (instant) => new Date(instant).toISOString().slice(11, 19);
export const moment = (instant) => (instant ? instant.replace("T", " ").replace("Z", "") : "");
