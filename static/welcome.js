// The page behind a one-time link: the code behind the # goes into the form, and out of the address and the history.

const field = document.querySelector("[data-code-from-link]");
const code = decodeURIComponent(location.hash.slice(1));

if (field && code) {
  field.value = code;
  history.replaceState(null, "", location.pathname);
  document.querySelector('input[type="password"]')?.focus();
}
