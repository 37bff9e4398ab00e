// Light or dark: as the system has it, unless this browser was told otherwise.

import { browser } from "./storage.js";

const KEY = "leverframe-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What is shown now. */
export function theme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

function apply(chosen) {
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}

/** The other one from now on. */
export function toggle() {
  const other = theme() === "dark" ? "light" : "dark";
  browser.set(KEY, other);
  apply(other);
}

/** Calls back when it is another, by whomever. */
export function onTheme(act) {
  dark.addEventListener("change", act);
  new MutationObserver(act).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  act();
}

apply(browser.get(KEY));
