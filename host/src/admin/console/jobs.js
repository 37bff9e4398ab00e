// Long work: what goes on, and how far it is.

import { attr, el, keep, show, text } from "./dom.js";
import { bytes, count, time } from "./format.js";
import { store } from "./store.js";

const WORDS = { compile: "Compiling", rebuild: "Rebuilding", verify: "Comparing", scale: "Scaling" };

/** The list in `box`; what is returned draws it. */
export function jobs(box) {
  const empty = el("p", { class: "empty", text: "Nothing is under way." });
  const list = el("ul", { class: "jobs" });
  box.append(empty, list);
  return () => {
    show(empty, store.work.length === 0);
    keep(list, store.work, { key: (work) => work.id, make, update });
  };
}

function make(work) {
  const what = `${WORDS[work.kind] ?? work.kind} ${work.subject}`;
  return el("li", {}, el("b", { text: what }), el("progress", { "aria-label": what }), el("span", { class: "num" }), el("span", { class: "faint", text: `since ${time(work.since)}` }));
}

function update(node, work) {
  const [, bar, figures] = node.children;
  const write = work.unit === "bytes" ? bytes : count;
  const hasEnd = typeof work.total === "number" && work.total > 0;
  attr(bar, "max", hasEnd ? work.total : null);
  attr(bar, "value", hasEnd ? Math.min(work.done, work.total) : null);
  text(figures, hasEnd ? `${write(work.done)} of ${write(work.total)} ${work.unit ?? ""}` : `${write(work.done)} ${work.unit ?? ""}`);
}
