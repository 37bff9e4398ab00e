// What is asked before something is done: the token, and whether it is meant.

import { setToken } from "./api.js";
import { attr, el, text } from "./dom.js";

/** What a header can hold, and so a token: `openssl rand -hex 32` makes one. */
const WORD = /^[\x21-\x7e]+$/;
const NO_WORD = "A token has only letters, digits and signs of ASCII, and no spaces.";

/** Asks for a token until one is given. */
export function askForToken(wasWrong) {
  const why = wasWrong
    ? "That token was not accepted. It may be another one, or have been changed."
    : "This Leverframe asks who is there: the token of its configuration, one that may write or one that may only read.";
  return tokenDialog({ title: "Token needed", why, isBad: wasWrong, isNeeded: true });
}

/** Asks for another token than the one that is used; answers whether one was given. */
export function changeToken() {
  const why = "The token of the configuration, one that may write or one that may only read. It is used from now on.";
  return tokenDialog({ title: "Change token", why, isBad: false, isNeeded: false });
}

function tokenDialog({ title, why, isBad, isNeeded }) {
  const field = el("input", { type: "password", id: "token", autocomplete: "off", required: true, "aria-describedby": "token-why" });
  const reason = el("p", { id: "token-why", role: "status", class: isBad ? "bad" : null, text: why });
  const cancel = isNeeded ? null : el("button", { type: "button", text: "Cancel" });
  const form = el(
    "form",
    {},
    el("h2", { text: title }),
    reason,
    el("label", { for: "token", text: "Token" }),
    field,
    el("p", { class: "faint", text: "Kept in this tab until it is closed." }),
    el("div", { class: "actions" }, cancel, el("button", { class: "primary", type: "submit", text: "Continue" })),
  );
  const dialog = el("dialog", { "aria-label": title }, form);
  return open(dialog, { first: field, isNeeded, unanswered: false }, (close) => {
    cancel?.addEventListener("click", () => close(false));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = field.value.trim();
      if (!WORD.test(given)) {
        attr(reason, "class", "bad");
        text(reason, NO_WORD);
        return field.select();
      }
      setToken(given);
      close(true);
    });
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
  return open(dialog, { first: no, isNeeded: false, unanswered: false }, (close) => {
    no.addEventListener("click", () => close(false));
    yes.addEventListener("click", () => close(true));
  });
}

/** Shows it until there is an answer. A browser may close it for itself: then it is shown again if one is needed. */
function open(dialog, { first, isNeeded, unanswered }, prepare) {
  return new Promise((done) => {
    let answer;
    prepare((given) => {
      answer = given;
      dialog.close();
    });
    dialog.addEventListener("cancel", (event) => isNeeded && event.preventDefault());
    dialog.addEventListener("close", () => {
      if (answer === undefined && isNeeded) return dialog.showModal();
      dialog.remove();
      done(answer ?? unanswered);
    });
    document.body.append(dialog);
    dialog.showModal();
    first.focus();
  });
}
