// Passkeys, and showing a password that is being typed. Listens on the document, so that it also serves forms that come later.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const described = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));

function questionOf({ publicKey }) {
  const question = { ...publicKey, challenge: bytes(publicKey.challenge) };
  if (publicKey.user) question.user = { ...publicKey.user, id: bytes(publicKey.user.id) };
  if (publicKey.excludeCredentials) question.excludeCredentials = described(publicKey.excludeCredentials);
  if (publicKey.allowCredentials) question.allowCredentials = described(publicKey.allowCredentials);
  return { publicKey: question };
}

function answerOf(credential) {
  const { response } = credential;
  const answer = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) answer[name] = text(response[name]);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: answer,
  };
}

async function ask(form) {
  const response = await fetch(form.dataset.options, {
    method: "POST",
    headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
  });
  if (!response.ok) throw new Error("The server doesn't answer. Try again.");
  const question = questionOf(await response.json());
  return form.dataset.passkey === "new" ? navigator.credentials.create(question) : navigator.credentials.get(question);
}

function problem(error) {
  if (!window.isSecureContext) return "Passkeys need HTTPS, or the address localhost.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  if (error.name === "NotAllowedError") return "No passkey was used: it was cancelled, or took too long.";
  if (error.name === "SecurityError") return "Passkeys don't work at this address. Use the name of the host, such as localhost.";
  return error.message;
}

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target.closest?.("form[data-passkey]");
    if (!form || form.elements.credential.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const note = form.querySelector("[data-passkey-problem]");
    note.hidden = true;
    try {
      if (!navigator.credentials) throw new Error("This browser knows no passkeys.");
      form.elements.credential.value = JSON.stringify(answerOf(await ask(form)));
      form.requestSubmit();
    } catch (error) {
      note.textContent = problem(error);
      note.hidden = false;
    }
  },
  { capture: true },
);

document.addEventListener("change", (event) => {
  const box = event.target.closest?.("[data-show-password]");
  if (!box) return;
  for (const field of box.form.querySelectorAll("[data-password]")) field.type = box.checked ? "text" : "password";
});
