// The session behind a page: before a form is sent it is checked, and if it has ended, or a recent proof is wanted, a dialog
// asks for it over the page. What was typed stays, and is sent once. Without this script the server asks on a page of its own.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const { person, session: stateAddress, signIn, prove } = document.body.dataset;
const channel = new BroadcastChannel("session"); // to the other tabs of this browser
const WARNED_S = 120;
const PATIENCE_MS = 15_000;
const SHOWN_MS = 15 * 60_000; // how long a page stays after its session has ended

const say = (message) => document.dispatchEvent(new CustomEvent("announce", { detail: { message } }));
const notify = (message) => document.dispatchEvent(new CustomEvent("problem", { detail: { message } }));
const UNSENT = "riskadmin doesn't answer. Nothing was sent, and what you typed is still here. Send it again in a moment.";

// --- What the server says of the session -----------------------------------------------------------------------------------

async function ask({ path = "", method = "get", isUse = false } = {}) {
  const query = path ? `?${new URLSearchParams({ for: path, method })}` : "";
  const headers = isUse ? JSON.parse(document.body.getAttribute("hx-headers")) : { "X-Background": "1" };
  const options = { method: isUse ? "POST" : "GET", headers, signal: AbortSignal.timeout(PATIENCE_MS) };
  const response = await fetch(stateAddress + query, options);
  if (!response.ok) throw new Error(`The session can't be read: ${response.status}`);
  const state = await response.json();
  if (state.person === person) {
    clearTimeout(leaving);
    renew(state.token);
    planEnd(state);
  }
  return state;
}

// Signing in makes the tokens of older pages invalid.
function renew(token) {
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  for (const field of $$("input[name=csrfmiddlewaretoken]")) field.value = token;
}

async function look() {
  const state = await ask({ path: wanted?.what === "prove" ? "prove" : "" }).catch(() => null);
  if (!state) {
    clearTimeout(timer);
    timer = setTimeout(look, 30_000);
  } else if (state.person && state.person !== person) meet(state);
  else if (!state.person) end();
  else if (wanted && !state.needs) finish(true);
  else if (isAway()) comeBack(); // this person is back after somebody else
}

// --- The dialog ---------------------------------------------------------------------------------------------------------------

const dialog = $("#session-dialog");
let leaving = 0; // the timer that leaves a page whose session has ended
let wanted = null; // { what: "sign-in" or "prove", promise, settle }, while the dialog is open

// Resolves to whether this person has signed in, or proved who they are.
function authenticate(what, { isAsked = true } = {}) {
  if (wanted?.what === what) return wanted.promise;
  wanted?.settle(false);
  let settle;
  const promise = new Promise((resolve) => (settle = resolve));
  wanted = { what, promise, settle };
  const isTyping = document.activeElement?.matches("input, textarea, select");
  open(what);
  load(`${what === "prove" ? prove : signIn}?${new URLSearchParams({ next: stateAddress })}`, {}, isAsked || !isTyping);
  return promise;
}

function open(when) {
  dialog.dataset.shown = when;
  if (when === "prove") reveal();
  else hide();
  for (const part of $$("[data-when]", dialog)) part.hidden = !part.dataset.when.split(" ").includes(when);
  $("[data-form]", dialog).replaceChildren();
  $("[data-failure]", dialog).hidden = true;
  if (!dialog.open) dialog.showModal();
  $("h2:not([hidden])", dialog).focus(); // no field yet: what is being typed must not end up in it
}

// What the page shows is not left to the next person at this computer: it is hidden, with what was typed, until its own person
// is back, and left for the sign-in page after a while, or if the dialog is closed. Drafts of long forms stay (drafts.js).
const isAway = () => "away" in document.body.dataset;
let title = "";

function hide() {
  clearTimeout(leaving);
  leaving = setTimeout(leave, SHOWN_MS);
  if (isAway()) return;
  document.body.dataset.away = "";
  title = document.title;
  document.title = "Signed out · riskadmin"; // it names accounts too
}

function reveal() {
  clearTimeout(leaving);
  if (!isAway()) return;
  delete document.body.dataset.away;
  document.title = title;
}

function leave() {
  location.replace(`${signIn}?${new URLSearchParams({ next: location.pathname + location.search })}`);
}

function comeBack() {
  reveal();
  dialog.close();
}

// Whatever forms the sign-in shows, one after the other, until the server says who is signed in.
async function load(address, options = {}, takesFocus = true) {
  const place = $("[data-form]", dialog);
  try {
    const headers = { ...options.headers, Accept: "text/html", "X-Background": "1" };
    const response = await fetch(address, { ...options, headers, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.headers.get("Content-Type")?.startsWith("text/html")) show(await response.text(), response.url, place, takesFocus);
    await look();
  } catch {
    $("[data-failure]", dialog).hidden = false;
  }
}

function show(html, address, place, takesFocus) {
  const main = new DOMParser().parseFromString(html, "text/html").querySelector("#main");
  if (!main) throw new Error("There is no form");
  $$(".page-head, .messages, script", main).forEach((part) => part.remove());
  for (const part of $$("[id], [for], [aria-describedby]", main)) {
    for (const name of ["id", "for", "aria-describedby"]) {
      if (part.hasAttribute(name)) part.setAttribute(name, part.getAttribute(name).replace(/\S+/g, "session-$&"));
    }
  }
  for (const form of $$("form", main)) form.setAttribute("action", new URL(form.getAttribute("action") || "", address));
  for (const link of $$("a", main)) link.target = "_blank";
  for (const form of $$("form[data-new-tab]", main)) {
    form.target = "_blank"; // to another site: it can't be followed here
    form.elements.next.value = "";
  }
  place.replaceChildren(...main.childNodes);
  const fields = $$("input:not([type=hidden])", place);
  const username = fields.find((field) => field.name === "username");
  if (username && !username.value) username.value = dialog.dataset.username;
  const field = $("[aria-invalid=true]", place) ?? fields.find((each) => !each.value) ?? fields[0];
  if (takesFocus) field?.focus();
}

dialog?.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || form.target === "_blank") return;
  event.preventDefault();
  $("[data-failure]", dialog).hidden = true;
  load(form.getAttribute("action"), { method: form.method, body: new URLSearchParams(new FormData(form, event.submitter)) });
});

dialog?.addEventListener("cancel", (event) => isAway() && event.preventDefault()); // Escape by mistake leaves nothing
dialog?.addEventListener("close", () => {
  if (isAway()) leave();
  wanted?.settle(false);
  wanted = null;
});

function finish(isDone) {
  const { settle } = wanted;
  wanted = null;
  comeBack();
  settle(isDone);
  document.dispatchEvent(new CustomEvent("session:back"));
  channel.postMessage("in");
  say("You are signed in. The page goes on.");
}

function end() {
  warn(null);
  if (!dialog.open) authenticate("sign-in", { isAsked: false });
}

// Somebody else has signed in with this browser. Nothing that was typed here is sent in their name.
function meet(state) {
  warn(null);
  wanted?.settle(false);
  wanted = null;
  for (const place of $$("[data-other]", dialog)) place.textContent = state.name;
  open("other");
  document.dispatchEvent(new CustomEvent("session:other"));
}

$("[data-reload]", dialog ?? document)?.addEventListener("click", () => location.reload());

// --- Before a form is sent, or a file is fetched ---------------------------------------------------------------------------------

const isHeld = new WeakSet();
const isChecked = new WeakSet();

// This listener comes before those of app.js and htmx: they see a submission only once it goes on.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!person || form.method !== "post" || form.closest("#session-dialog") || form.matches("[data-themes], [data-sign-out]")) return;
    if (isChecked.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!isHeld.has(form)) hold(form, event.submitter);
  },
  { capture: true },
);

async function hold(form, submitter) {
  isHeld.add(form);
  form.setAttribute("aria-busy", "true");
  const address = submitter?.getAttribute("formaction") || form.getAttribute("action") || location.href;
  const wantsProof = form.matches("[data-proof]") || submitter?.matches("[data-proof]");
  const mayGoOn = await admit(wantsProof ? "prove" : new URL(address, location.href).pathname, "post");
  isHeld.delete(form);
  form.removeAttribute("aria-busy");
  if (!mayGoOn) return;
  if (!form.isConnected) reconnect(form);
  isChecked.add(form);
  form.requestSubmit(submitter?.form === form ? submitter : null);
  isChecked.delete(form); // if a field was found invalid, nothing was sent
}

// A form that was swapped out meanwhile, such as by a tick of a running change, would be sent nowhere. What was pressed counts.
function reconnect(form) {
  form.hidden = true;
  document.body.append(form);
  window.htmx?.process(form);
}

// Whether a request may be sent now: after asking for what it needs.
async function admit(path, method) {
  try {
    const state = await ask({ path, method });
    if (state.person && state.person !== person) meet(state);
    else return !state.needs || (await authenticate(state.needs));
  } catch {
    notify(UNSENT);
  }
  return false;
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-proof]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (await admit(link.pathname, "get")) location.assign(link.href);
});

// --- What htmx asked for, and the server wanted more first -------------------------------------------------------------------------

document.addEventListener("htmx:responseError", async ({ detail }) => {
  if (detail.xhr.status !== 401) return;
  if (detail.requestConfig.headers["X-Background"]) return look();
  if (await authenticate(detail.xhr.getResponseHeader("X-Session"))) repeat(detail.elt, detail.requestConfig.triggeringEvent);
});

function repeat(element, event) {
  if (element.matches("form") && event?.type === "submit") element.requestSubmit(event.submitter ?? null);
  else if (event) element.dispatchEvent(new Event(event.type, { bubbles: true }));
}

// What was made for somebody else is not shown on this person's page.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const theirs = event.detail.xhr.getResponseHeader("X-Person");
  if (!theirs || theirs === person) return;
  event.preventDefault();
  look();
});

// --- The end of the session: a warning before it, and what keeps it going -------------------------------------------------------------

const warning = $("#session-warning");
let timer = 0;
let usedAt = Date.now(); // when the server last heard of a use
let typedAt = 0;

function planEnd({ left_s: leftS, is_extensible: isExtensible }) {
  clearTimeout(timer);
  const isNear = leftS <= WARNED_S;
  warn(isNear ? isExtensible : null);
  timer = setTimeout(look, (isNear ? leftS + 1 : leftS - WARNED_S) * 1000);
}

function warn(isExtensible) {
  if (!warning) return;
  for (const part of $$("[data-extensible]", warning)) part.hidden = part.dataset.extensible !== String(isExtensible);
  if (warning.hidden && isExtensible !== null) say($("p:not([hidden])", warning).textContent);
  warning.hidden = isExtensible === null;
}

async function use() {
  usedAt = Date.now();
  await ask({ isUse: true }).catch(look);
}

function start() {
  planEnd({ left_s: Number(document.body.dataset.left), is_extensible: true });
  $("button", warning).addEventListener("click", async () => {
    await use();
    channel.postMessage("in");
    say("You stay signed in.");
  });
  for (const kind of ["input", "keydown", "pointerdown"]) {
    document.addEventListener(kind, () => (typedAt = Date.now()), { passive: true });
  }
  // Someone who types for long sends nothing meanwhile, but is there.
  setInterval(() => typedAt > usedAt && !dialog.open && use(), 60_000);
  const lookIfInDoubt = () => !document.hidden && (dialog.open || !warning.hidden || $("[data-stale]")) && look();
  document.addEventListener("visibilitychange", lookIfInDoubt);
  addEventListener("focus", lookIfInDoubt);
  channel.addEventListener("message", ({ data }) => (data === "out" || dialog.open || !warning.hidden) && look());
  addEventListener("pageshow", (event) => event.persisted && look());
}

if (person) start();
channel.postMessage(person ? "in" : "out");
