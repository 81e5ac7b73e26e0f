// The pages about the API: every call becomes a form that sends it to the node which serves the page.
// A token stays in this tab (sessionStorage) and travels in a header alone. What is answered is shown as text, whatever
// is in it. What answers give (a booking's id, a ticket's code) goes into the forms that take it, where nobody has
// written anything of their own: so the calls can be sent one after the other.

import { answered, say, send } from "./sending.js";

const TOKEN_KEY = "onsale.docs.token";
const known = new Map();
const forms = [];

const make = (name, more = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), more);
  made.append(...inside);
  return made;
};
const labelled = (text, input) => make("label", {}, make("span", { textContent: text }), input);
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

const wide = matchMedia("(min-width: 70rem)"), contents = document.querySelector("nav details");
const unfold = () => { contents.open = wide.matches; };
wide.addEventListener("change", unfold);
unfold();
contents.addEventListener("click", (event) => { if (event.target.closest("a") && !wide.matches) contents.open = false; });

const token = make("input", { type: "password", autocomplete: "off", spellcheck: false });
try { token.value = sessionStorage.getItem(TOKEN_KEY) ?? ""; } catch { /* a browser may keep nothing */ }
token.addEventListener("input", () => {
  try { sessionStorage.setItem(TOKEN_KEY, token.value.trim()); } catch { /* as above */ }
  for (const form of forms) form.show();
});
document.querySelector("#trying")?.append(
  make("h2", { textContent: "Try it" }),
  make("p", { textContent: "Every call below has a line for the command line and a form that sends it to this node. Their values are those of the sample, and follow what is answered: hold tickets, pay, and check them in one after the other. What is sent here is done." }),
  make("div", { className: "token" }, labelled("Access token, where the node asks for one. It stays in this tab.", token)),
);

class Trial {
  constructor(place) {
    this.call = JSON.parse(place.dataset.call);
    this.line = place.querySelector(".curl");
    this.inputs = this.call.fields.map((field) => [field, this.input(field.value, field.in === "path" ? "" : field.hint)]);
    for (const [field, input] of this.inputs) input.required = field.in === "path";
    if (this.call.body !== undefined) {
      const text = JSON.stringify(this.call.body, null, 2);
      this.text = this.watched(make("textarea", { value: text, rows: Math.min(14, text.split("\n").length), spellcheck: false }));
    }
    this.said = make("p");
    this.said.setAttribute("role", "status");
    this.answer = make("div", { className: "answer" });
    this.button = make("button", { textContent: "Send" });
    const copy = make("button", { type: "button", className: "copy", textContent: "Copy" });
    copy.setAttribute("aria-label", `Copy the command for ${this.title}`);
    copy.addEventListener("click", () => this.copied(copy));
    const form = make("form", { className: "try" },
      make("div", { className: "fields" }, ...this.inputs.map(([field, input]) => labelled(`${field.name}${field.in === "header" ? " (header)" : ""}`, input))),
      ...(this.text ? [labelled("Body", this.text)] : []), make("div", { className: "row" }, this.button), this.said, this.answer);
    form.setAttribute("aria-label", `Send ${this.title}`);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.sent(); });
    place.append(copy, make("details", {}, make("summary", { textContent: "Send it from here" }), form));
    this.show();
  }

  get title() { return `${this.call.method} ${this.call.path}`; }

  input(value, hint) {
    return this.watched(make("input", { value, placeholder: hint, spellcheck: false, autocomplete: "off" }));
  }

  /** What a reader has written there is theirs. */
  watched(input) {
    input.addEventListener("input", () => { input.dataset.own = "yes"; this.show(); });
    return input;
  }

  of(place) {
    return this.inputs.filter(([field, input]) => field.in === place && input.value !== "").map(([field, input]) => [field.name, input.value]);
  }

  get target() {
    const path = this.of("path").reduce((path, [name, value]) => path.replace(`{${name}}`, encodeURIComponent(value)), this.call.path);
    const query = new URLSearchParams(this.of("query")).toString();
    return path + (query && `?${query}`);
  }

  /** The command that does the same. */
  show() {
    const { method } = this.call;
    const named = method !== "GET" && !(method === "POST" && this.text);
    const lines = [["curl", ...(named ? ["-X", method] : []), quoted(location.origin + this.target)].join(" ")];
    if (token.value.trim()) lines.push('-H "Authorization: Bearer $ONSALE_TOKEN"');
    for (const [name, value] of this.of("header")) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
    if (this.text) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(compact(this.text.value))}`);
    this.line.textContent = lines.join(" \\\n  ");
  }

  async copied(button) {
    try {
      await navigator.clipboard.writeText(this.line.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(this.line);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2_000);
  }

  async sent() {
    if (this.call.askedTwice && !confirm(`${this.call.method} ${this.target}\nThis is done at this node, not only shown. Send it?`)) return;
    this.button.disabled = true;
    const headers = Object.fromEntries(this.of("header"));
    if (token.value.trim()) headers.Authorization = `Bearer ${token.value.trim()}`;
    if (this.text) headers["Content-Type"] = "application/json";
    const told = await send(this.call.method, this.target, headers, this.text?.value);
    say(this.said, told);
    this.answer.replaceChildren(...answered(told, (challenge) => this.solved(challenge)));
    this.button.disabled = false;
    learn(told.document);
  }

  solved(challenge) {
    this.text.value = JSON.stringify({ ...JSON.parse(this.text.value), challenge }, null, 2);
    this.show();
    this.sent();
  }

  /** Values that other calls have given take the place of the sample's. */
  take() {
    for (const [field, input] of this.inputs)
      if (field.in === "path" && known.has(field.name) && !input.dataset.own) input.value = known.get(field.name);
    if (this.text && !this.text.dataset.own) {
      const body = { ...this.call.body };
      for (const name of Object.keys(body)) if (name === "amount" && known.has(name)) body[name] = known.get(name);
      this.text.value = JSON.stringify(body, null, 2);
    }
    this.show();
  }
}

function compact(text) {
  try { return JSON.stringify(JSON.parse(text)); } catch { return text; }
}

function learn(document) {
  if (document === null || typeof document !== "object" || Array.isArray(document) || document.code) return;
  if (document.bookingId) known.set("bookingId", document.bookingId);
  if (document.amount && document.status === "held") known.set("amount", document.amount);
  if (document.tickets?.[0]?.code) known.set("code", document.tickets[0].code);
  if (document.token && document.number !== undefined) known.set("token", document.token);
  for (const form of forms) form.take();
}

for (const place of document.querySelectorAll(".call")) forms.push(new Trial(place));
