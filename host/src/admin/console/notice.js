// What became of a command, said where it was given.

import { attr, el, show, text } from "./dom.js";

/** A line for it; empty and hidden until something is said. */
export function notice() {
  const line = el("p", { class: "notice", role: "status", hidden: true });
  return {
    line,
    good: (words) => say(line, "good", words),
    bad: (words) => say(line, "bad", words),
    busy: (words) => say(line, "busy", words),
    clear: () => show(line, false),
  };
}

function say(line, kind, words) {
  attr(line, "data-kind", kind);
  text(line, words);
  show(line, true);
}

/** A button is busy for so many milliseconds at least: the second click of a double click is no other command. */
const LEAST = 500;

/** Does it once at a time: the button waits, and what goes wrong is said. */
export async function doing(button, said, act) {
  if (button.hasAttribute("aria-busy")) return undefined;
  const began = performance.now();
  button.setAttribute("aria-busy", "true");
  try {
    return await act();
  } catch (error) {
    said.bad(error.message);
    return undefined;
  } finally {
    const left = Math.max(0, LEAST - (performance.now() - began));
    setTimeout(() => button.removeAttribute("aria-busy"), left);
  }
}
