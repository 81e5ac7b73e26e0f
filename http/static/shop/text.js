// The words, from message files, and how this language writes dates, money and numbers.

import { kept, settings } from "./api.js";

export const LANGUAGES = { en: "English", de: "Deutsch" };

let language = "en";
let messages = {};
let plural = new Intl.PluralRules("en");

export async function speak(wanted = kept.get("language") ?? navigator.language?.slice(0, 2)) {
  language = wanted in LANGUAGES ? wanted : "en";
  const response = await fetch(`${settings.files}messages.${language}.json`);
  messages = await response.json();
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
  kept.set("language", language);
}

export const spoken = () => language;

// A message with its {values}; one that depends on a number `n` has a form for each kind of number.
export function t(name, values = {}) {
  const found = messages[name];
  if (found === undefined) return name;
  const text = typeof found === "string" ? found : (found[plural.select(values.n)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (_, key) => (typeof values[key] === "number" ? number(values[key]) : (values[key] ?? "")));
}

// What an error means to a person: in our words where there are some, else in the API's.
export function said(error) {
  const name = `error.${error.code}`;
  return error.code && messages[name] ? t(name, error.document) : error.message;
}

export const number = (value) => new Intl.NumberFormat(language).format(value);

export function money(amount, currency) {
  if (amount === null || amount === undefined) return "";
  const digits = amount.includes(".") ? amount.split(".")[1].length : 0;
  return new Intl.NumberFormat(language, { style: "currency", currency, minimumFractionDigits: digits }).format(Number(amount));
}

export function day(instant, long = false) {
  const parts = long
    ? { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" }
    : { weekday: "short", day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(language, parts).format(new Date(instant));
}

export function span(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function roughly(seconds) {
  if (seconds < 90) return t("about_seconds", { n: Math.max(10, Math.round(seconds / 10) * 10) });
  return t("about_minutes", { n: Math.round(seconds / 60) });
}
