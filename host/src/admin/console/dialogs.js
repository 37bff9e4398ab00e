// What is asked before something is done: the token, and whether it is meant.

import { setToken } from "./api.js";
import { el } from "./dom.js";

/** Asks for a token until one is given. */
export function askForToken(wasWrong) {
  const field = el("input", { type: "password", id: "token", autocomplete: "off", required: true, "aria-describedby": "token-why" });
  const why = wasWrong
    ? "That token was not accepted. It may be another one, or have been changed."
    : "This Leverframe asks who is there: the token of its configuration, one that may write or one that may only read.";
  const form = el(
    "form",
    {},
    el("h2", { text: "Token needed" }),
    el("p", { id: "token-why", class: wasWrong ? "bad" : null, text: why }),
    el("label", { for: "token", text: "Token" }),
    field,
    el("p", { class: "faint", text: "Kept in this tab until it is closed." }),
    el("div", { class: "actions" }, el("button", { class: "primary", type: "submit", text: "Continue" })),
  );
  const dialog = el("dialog", { "aria-label": "Token needed" }, form);
  return open(dialog, (close) => {
    // There is nothing to see without one.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      setToken(field.value.trim());
      close();
    });
    return field;
  });
}

/** Asks whether something is meant; answers true when it is. */
export function confirm(title, explanation, verb) {
  const yes = el("button", { class: "danger", type: "button", text: verb });
  const no = el("button", { type: "button", text: "Cancel" });
  const dialog = el(
    "dialog",
    { "aria-label": title },
    el("h2", { text: title }),
    el("p", { text: explanation }),
    el("div", { class: "actions" }, no, yes),
  );
  return open(dialog, (close) => {
    dialog.addEventListener("cancel", () => close(false));
    no.addEventListener("click", () => close(false));
    yes.addEventListener("click", () => close(true));
    return no;
  });
}

function open(dialog, prepare) {
  return new Promise((done) => {
    const first = prepare((answer) => {
      dialog.close();
      dialog.remove();
      done(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    first.focus();
  });
}
