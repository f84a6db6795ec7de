// Improves the pages that the server rendered; without it, each of them still works.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const within = (selector, root) => [...(root.matches?.(selector) ? [root] : []), ...$$(selector, root)];

// --- Saying: to a screen reader, and in a notice at the foot of the page ------------------------------------------------

let lastSaid = "";

function say(text) {
  const announcer = $("#announcer");
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = text));
}

// A running page repeats itself; only what is new is worth hearing.
function sayOnce(text) {
  if (text && text !== lastSaid) say((lastSaid = text));
}

function notify(text) {
  const notice = $("#notice");
  if ($("p", notice).textContent === text && !notice.hidden) return;
  $("p", notice).textContent = text;
  notice.hidden = false;
  say(text);
}

function clearNotice() {
  $("#notice").hidden = true;
}

$("#notice button").addEventListener("click", clearNotice);
addEventListener("offline", () => notify("This computer is offline. What you see may be out of date."));
addEventListener("online", () => {
  clearNotice();
  pollNow();
});
document.addEventListener("announce", (event) => say(event.detail.message));
// A refusal that leaves the form as it is: too large, too often, or no answer (session.js).
document.addEventListener("problem", (event) => notify(event.detail.message));
document.addEventListener("session:back", () => {
  clearNotice();
  pollNow();
});

// --- Requests: a sign that something runs, and what to think when it fails ----------------------------------------------

const ASKED = ["submit", "click", "change", "input", "search", "keyup"];
const triggerOf = (detail) => detail.requestConfig?.triggeringEvent?.type;
const isAsked = (detail) => ASKED.includes(triggerOf(detail)); // by the person, rather than by the page for itself
const isPoll = (detail) => triggerOf(detail) === "poll";
let running = 0;

// What a page asks by itself is no use of the session.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!ASKED.includes(detail.triggeringEvent?.type)) detail.headers["X-Background"] = "1";
});

document.addEventListener("htmx:beforeSend", (event) => {
  if (!isAsked(event.detail)) return;
  running += 1;
  document.documentElement.dataset.busy = "";
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { detail } = event;
  if (isAsked(detail)) {
    running = Math.max(0, running - 1);
    if (!running) delete document.documentElement.dataset.busy;
    release(detail.elt.closest?.("form"));
  }
  if (detail.successful) clearNotice();
  if (polls.has(detail.elt)) settlePoll(detail.elt, detail);
});

document.addEventListener("htmx:responseError", ({ detail }) => {
  const { status } = detail.xhr;
  const id = detail.xhr.getResponseHeader("X-Request-ID");
  if (status === 401) return; // session.js asks for what it needs
  if (detail.xhr.getResponseHeader("HX-Reswap") === "none") return; // the answer says it itself, as a "problem"
  else if (status === 404) notify("What this part of the page shows is no longer there. Reload the page.");
  else if (isPoll(detail)) notify(`The server can't update this page now (error ${status}). Trying again.`);
  else if (!isAsked(detail)) notify(`A part of this page can't be shown (error ${status}, request ${id}). Reload the page.`);
  else notify(`The server failed (error ${status}, request ${id}). Look whether it was done before you try again.`);
});

for (const failure of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, ({ detail }) => {
    if (isPoll(detail)) notify("riskadmin doesn't answer. What you see may be out of date. Trying again.");
    else if (!isAsked(detail)) notify("riskadmin doesn't answer, so a part of this page is missing. Reload the page.");
    else notify("riskadmin didn't answer. Look whether it was done before you try again.");
  });
}

// --- Polling: <div hx-get="…" hx-trigger="load, poll" data-poll="2s">; status 286, or leaving the page, ends it ----------
// A hidden tab asks when it is seen again, or as seldom as data-poll-hidden says: its title may tell of an end.

const SLOWEST_MS = 60_000;
const polls = new Map(); // element -> { failures, timer, sentAt, isDue }

function startPolls(root) {
  for (const element of within("[data-poll]", root)) {
    if (polls.has(element)) continue;
    polls.set(element, { failures: 0, timer: 0, sentAt: 0, isDue: false });
    schedule(element, 0);
  }
}

function schedule(element, tookMs) {
  const poll = polls.get(element);
  const { poll: pace, pollHidden } = element.dataset;
  const everyMs = parseFloat((document.hidden && pollHidden) || pace) * 1000;
  // A server that is slow or failing is asked less often.
  const waitMs = Math.min(Math.max(everyMs, 4 * tookMs) * 2 ** poll.failures, Math.max(everyMs, SLOWEST_MS));
  poll.isDue = document.hidden; // when it is seen again, the time until then has been too long
  clearTimeout(poll.timer);
  poll.timer = setTimeout(() => firePoll(element), waitMs);
}

function firePoll(element) {
  const poll = polls.get(element);
  if (!element.isConnected) {
    polls.delete(element);
  } else if (document.hidden && !element.dataset.pollHidden) {
    poll.isDue = true;
  } else {
    poll.isDue = false;
    poll.sentAt = performance.now();
    element.dispatchEvent(new CustomEvent("poll")); // doesn't bubble: a panel around this one has its own pace
  }
}

function settlePoll(element, detail) {
  const poll = polls.get(element);
  clearTimeout(poll.timer);
  if (!element.isConnected || detail.xhr.status === 286) {
    polls.delete(element);
    return;
  }
  if (detail.xhr.status === 401) {
    poll.isDue = true; // it stops until somebody is signed in again
    element.toggleAttribute("data-stale", true);
    return;
  }
  poll.failures = detail.successful ? 0 : poll.failures + 1;
  element.toggleAttribute("data-stale", !detail.successful);
  schedule(element, poll.sentAt ? performance.now() - poll.sentAt : 0);
}

function pollNow() {
  for (const [element, poll] of polls) if (poll.isDue || poll.failures) firePoll(element);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) pollNow();
  else for (const element of polls.keys()) if (element.dataset.pollHidden) schedule(element, 0);
});

// --- Swaps: the focus, the selection and the voice survive them ----------------------------------------------------------

let kept = { hadFocus: false, checked: [] };

document.addEventListener("htmx:load", ({ detail }) => startPolls(detail.elt));

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const hadFocus = detail.target.contains(document.activeElement) && document.activeElement !== document.body;
  kept = { hadFocus, checked: $$("[data-rows] input:checked", detail.target).map((box) => box.value) };
});

document.addEventListener("htmx:afterSettle", ({ detail, target }) => {
  for (const box of within("[data-rows] input[type=checkbox]", target)) {
    if (kept.checked.includes(box.value)) box.checked = true;
  }
  $$("[data-rows]").forEach(showSelection);
  openToKeys();
  const wanted = isAsked(detail) && within("[data-focus]", target)[0];
  const isLost = kept.hadFocus && document.activeElement === document.body;
  if (wanted) focusOn(wanted);
  else if (isLost) focusOn(target);
  for (const element of within("[data-announce]", target)) sayOnce(element.textContent.trim());
});

function focusOn(element) {
  if (element.tabIndex < 0) element.tabIndex = -1;
  element.focus({ preventScroll: document.activeElement === element });
}

// --- Forms: one submission at a time --------------------------------------------------------------------------------------

const STUCK_MS = 20_000;

// In the capture phase, so that a second click gets neither to the browser nor to htmx.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("data-themes")) return;
    if (form.hasAttribute("aria-busy")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    form.setAttribute("aria-busy", "true");
    // Not `disabled`, which would drop the focus, and the button's own value from the form.
    for (const button of $$("button:not([type=button])", form)) button.setAttribute("aria-disabled", "true");
    setTimeout(() => release(form), STUCK_MS);
  },
  { capture: true },
);

function release(form) {
  if (!form) return;
  form.removeAttribute("aria-busy");
  for (const button of $$("button[aria-disabled]", form)) button.removeAttribute("aria-disabled");
}

addEventListener("pageshow", () => $$("form[aria-busy]").forEach(release));

// --- Tables: <table data-rows>, each row with one .row-link and perhaps a checkbox ----------------------------------------

let lastBox = null;

document.addEventListener("click", (event) => {
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied);
  const box = event.target.closest("[data-rows] input[type=checkbox]");
  if (box) return selectBox(box, event.shiftKey);
  const row = event.target.closest("[data-rows] tbody tr");
  if (!row || event.target.closest("a, button, input, label, select, summary") || String(getSelection())) return;
  const link = $(".row-link", row);
  if (link && (event.ctrlKey || event.metaKey)) open(link.href, "_blank", "noopener");
  else link?.click();
});

// A table too wide for the screen can be scrolled by keyboard, too.
function openToKeys() {
  for (const wrap of $$(".table-wrap")) if (wrap.scrollWidth > wrap.clientWidth) wrap.tabIndex = 0;
}

addEventListener("resize", openToKeys);

const boxesOf = (table) => $$("tbody input[type=checkbox]:not(:disabled)", table);

function selectBox(box, isRange) {
  const table = box.closest("[data-rows]");
  const boxes = boxesOf(table);
  if (box.matches("[data-select-all]")) {
    for (const other of boxes) other.checked = box.checked;
  } else if (isRange && boxes.includes(lastBox)) {
    const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
  }
  if (!box.matches("[data-select-all]")) lastBox = box;
  showSelection(table);
}

// Beside the table, in its form, or elsewhere with the form's id: an element [data-selection] that shows while rows are
// chosen, with their [data-count].
function showSelection(table) {
  const boxes = boxesOf(table);
  const form = table.closest("form");
  if (!boxes.length && !form) return; // the bar of another table on the page is not its own
  const count = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.closest("tr").toggleAttribute("data-selected", box.checked);
  const all = $("[data-select-all]", table);
  if (all) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
  const elsewhere = form?.id ? $$(`[data-selection="${form.id}"]`) : [];
  for (const bar of [...$$("[data-selection]", form ?? document), ...elsewhere]) {
    bar.hidden = count === 0;
    for (const place of $$("[data-count]", bar)) place.textContent = count.toLocaleString("en-US");
  }
}

function moveRow(step) {
  const links = $$("[data-rows] tbody .row-link");
  const row = document.activeElement.closest("[data-rows] tbody tr");
  const next = row ? links.indexOf($(".row-link", row)) + step : step > 0 ? 0 : links.length - 1;
  links[Math.min(Math.max(next, 0), links.length - 1)]?.focus();
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.dataset.done = "";
    setTimeout(() => delete button.dataset.done, 1500);
    say("Copied");
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    say("Selected: copy it with Control C");
  }
}

// --- Keys -------------------------------------------------------------------------------------------------------------------

const SINGLE_KEYS = "single-keys"; // in localStorage: "off" for people whose voice or hand types stray letters
let goUntil = 0;

const keys = {
  "/": () => focusSearch(),
  "?": () => $("#shortcuts")?.togglePopover(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  x: () => $("input[type=checkbox]", document.activeElement.closest("[data-rows] tbody tr") ?? new DocumentFragment())?.click(),
  g: () => (goUntil = performance.now() + 1500),
};

// A page's own keys, which its elements name in aria-keyshortcuts: a link is followed, a panel opened, all else gets the focus.
function reach(key) {
  const element = $(`.main [aria-keyshortcuts="${CSS.escape(key)}"]`);
  if (!element) return false;
  const panel = element.matches("summary") && element.parentElement;
  if (panel) panel.open = true;
  if (element.matches("a")) element.click();
  else ((panel && $("textarea", panel)) || element).focus();
  return true;
}

function focusSearch() {
  const search = $("#search");
  search?.focus();
  search?.select();
  return Boolean(search);
}

document.addEventListener("keydown", (event) => {
  const panel = event.key === "Escape" && event.target.closest("details[name]");
  if (panel) {
    panel.open = false;
    $("summary", panel).focus();
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && focusSearch()) return event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(SINGLE_KEYS) === "off") return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
  const place = performance.now() < goUntil && $(`.navigation a[data-key="${CSS.escape(event.key)}"]`);
  goUntil = 0;
  if (place) place.click();
  else if (reach(event.key)) return event.preventDefault();
  else if (Object.hasOwn(keys, event.key)) keys[event.key]();
  else return;
  event.preventDefault();
});

const singleKeys = $("[data-single-keys]");
if (singleKeys) {
  singleKeys.checked = localStorage.getItem(SINGLE_KEYS) !== "off";
  singleKeys.addEventListener("change", () => localStorage.setItem(SINGLE_KEYS, singleKeys.checked ? "on" : "off"));
}

// --- Notifications: the number of unread ones stands in the tab's title, and to open one is to read it ----------------------

function showUnread() {
  const unread = $("#unread")?.dataset.unread;
  const title = document.title.replace(/^\(\d+\+?\) /, "");
  document.title = unread ? `(${unread}) ${title}` : title;
}

document.addEventListener("htmx:afterSettle", showUnread);
document.addEventListener("htmx:oobAfterSwap", showUnread);
document.addEventListener("click", (event) => {
  const { read } = event.target.closest("a[data-read]")?.dataset ?? {};
  // With keepalive it is sent although the page is left.
  if (read) fetch(read, { method: "POST", headers: JSON.parse(document.body.getAttribute("hx-headers")), keepalive: true });
});

// --- Theme: the server reads the same cookie, so the next page comes in it at once --------------------------------------------

$("[data-themes]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const theme = event.submitter.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${event.target.dataset.themes}=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  document.documentElement.dataset.bsTheme = theme;
  for (const button of $$("button", event.target)) button.setAttribute("aria-pressed", String(button.value === theme));
});

$$("[data-rows]").forEach(showSelection);
openToKeys();

// --- A reason of the firm's own fills in the code and the text after it, and replaces nothing that somebody typed ------------

document.addEventListener("change", ({ target }) => {
  if (!target.matches?.("select[data-fills]")) return;
  const { code, text } = target.selectedOptions[0].dataset;
  const [codeField, textField] = [target.form.elements.reason_code, target.form.elements.reason_text];
  if (!code) return;
  const filledIn = [...target.options].map((option) => option.dataset.text);
  codeField.value = code;
  if (!textField.value.trim() || filledIn.includes(textField.value)) textField.value = text;
});
