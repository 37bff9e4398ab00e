// What was asked from this tab, newest first. It goes with the tab, since there are values in it.

import { el, keep, show } from "./dom.js";
import { tab } from "./storage.js";

const KEY = "leverframe-statements";
const KEPT = 40;
/** Longer statements are not kept: cut off, they would be other ones. */
const LONGEST = 10_000;

/** The list in `box`; `take(statement)` is called for one that is chosen. */
export function pastStatements(box, take) {
  const empty = el("p", { class: "empty", text: "What you ask is kept here, until this tab is closed." });
  const list = el("ol", { class: "past" });
  const clear = el("button", { type: "button", class: "small", text: "Forget all" });
  box.append(empty, list, clear);
  let known = load();
  const draw = () => {
    show(empty, known.length === 0);
    show(clear, known.length > 0);
    keep(list, known, {
      key: (statement) => statement,
      make: (statement) => el("li", {}, el("button", { type: "button", class: "mono", text: statement, title: statement, onclick: () => take(statement) })),
    });
  };
  const store = (statements) => {
    known = statements;
    tab.set(KEY, JSON.stringify(known));
    draw();
  };
  clear.addEventListener("click", () => store([]));
  draw();
  return {
    add(statement) {
      if (statement.length > LONGEST) return;
      store([statement, ...known.filter((other) => other !== statement)].slice(0, KEPT));
    },
  };
}

function load() {
  try {
    const found = JSON.parse(tab.get(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}
