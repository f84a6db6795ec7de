// What is typed into long forms, <form data-draft="name">, is kept in this tab until it is sent: a reload or a crash loses nothing.
// Nothing secret is kept: no password, code or file, and nothing in a field that a browser is told not to remember.

const PREFIX = "draft:";
const { person } = document.body.dataset;
const FIELDS = "textarea, select, input:not([type=hidden], [type=password], [type=file], [type=submit], [autocomplete=one-time-code])";

const forms = () => [...document.querySelectorAll("form[data-draft]")];
const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.matches(FIELDS) && !("secret" in field.dataset));
const keyOf = (form) => `${PREFIX}${location.pathname} ${form.dataset.draft}`;
const read = (key) => JSON.parse(sessionStorage.getItem(key) ?? "null");
const drafts = () => Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
const forget = (key) => sessionStorage.removeItem(key);

function keep(form, isSent = false) {
  const values = fieldsOf(form).map(({ name, type, value, checked }) => ({ name, type, value, checked }));
  try {
    sessionStorage.setItem(keyOf(form), JSON.stringify({ person, at: Date.now(), isSent, values }));
  } catch {
    // The storage is full: then there is no draft of this form.
  }
}

function restore(form) {
  const draft = read(keyOf(form));
  if (!draft || form.querySelector("[data-restored]")) return;
  const left = [...draft.values];
  let isDifferent = false;
  for (const field of fieldsOf(form)) {
    const place = left.findIndex((kept) => kept.name === field.name && kept.type === field.type && (!isChoice(field) || kept.value === field.value));
    if (place < 0) continue;
    const [kept] = left.splice(place, 1);
    isDifferent ||= isChoice(field) ? field.checked !== kept.checked : field.value !== kept.value;
    if (isChoice(field)) field.checked = kept.checked;
    else field.value = kept.value;
  }
  if (isDifferent) note(form, draft.at);
}

const isChoice = (field) => field.type === "checkbox" || field.type === "radio";

function note(form, at) {
  const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const line = document.createElement("p");
  line.className = "fine";
  line.dataset.restored = "";
  line.setAttribute("role", "status");
  const discard = document.createElement("button");
  discard.type = "button";
  discard.className = "btn-quiet";
  discard.textContent = "Discard";
  discard.addEventListener("click", () => {
    forget(keyOf(form));
    form.reset();
    line.remove();
  });
  line.append(`Restored what you typed at ${time} · `, discard);
  form.prepend(line);
}

// --- When the page comes, and while it is filled in ---------------------------------------------------------------------------

// A form that was sent and comes back with errors carries what was typed itself; one that was not answered is restored.
function begin() {
  const [visit] = performance.getEntriesByType("navigation");
  const isNew = visit?.type === "navigate";
  for (const key of drafts()) {
    const draft = read(key);
    if ((person && draft.person !== person) || (draft.isSent && isNew)) forget(key);
  }
  if (person) forms().forEach(restore);
}

document.addEventListener("input", ({ target }) => {
  const form = target.form?.closest?.("form[data-draft]");
  if (person && form) keep(form);
});

document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-sign-out]")) drafts().forEach(forget);
  else if (person && target.matches("form[data-draft]")) keep(target, true);
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.elt.closest?.("form[data-draft]");
  if (form && detail.requestConfig.verb === "post" && detail.successful) forget(keyOf(form));
});

document.addEventListener("htmx:load", ({ detail }) => {
  if (person) forms().filter((form) => detail.elt.contains(form)).forEach(restore);
});
document.addEventListener("session:other", () => drafts().forEach(forget));

begin();
