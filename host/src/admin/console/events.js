// What changed and why, newest first.

import { attr, el, keep, show } from "./dom.js";
import { time } from "./format.js";
import { store } from "./store.js";
import { tone } from "./states.js";

/** So many are shown. */
const SHOWN = 60;
/** Kinds that tell of trouble, and kinds that tell of its end. */
const BAD = /fail|down|inconsistent|rebuild-needed|panic$|fenced|older|ended|flapping|refused/;
const GOOD = /back|replica-up|over|steady|enabled|joined|started/;

/** The list in `box`; what is returned draws it. */
export function eventList(box) {
  const empty = el("p", { class: "empty", text: "Nothing has changed yet." });
  const list = el("ol", { class: "log", tabindex: 0, "aria-label": "Events, newest first" });
  box.append(empty, list);
  return () => {
    const found = store.events.slice(0, SHOWN);
    show(empty, found.length === 0);
    show(list, found.length > 0);
    keep(list, found, { key: (event) => event.id, make: line });
  };
}

function line(event) {
  const about = [event.cluster, event.endpoint ?? event.plugin].filter(Boolean).join(" / ");
  const change = event.to ? [el("span", { class: "change", "data-tone": tone(event.to), text: `${event.from} → ${event.to}` })] : [];
  const node = el(
    "li",
    {},
    el("time", { class: "num", datetime: event.at, text: time(event.at) }),
    el("p", {}, el("b", { text: about }), " ", el("span", { class: "kind", text: words(event.kind) }), " ", ...change),
    el("p", { class: "faint", text: event.cause ?? "" }),
  );
  attr(node, "data-tone", weight(event));
  return node;
}

function words(kind) {
  return String(kind).replaceAll("-", " ");
}

function weight({ kind, to }) {
  if (to) return kind === "state" ? tone(to) : to === "open" ? "failed" : to === "closed" ? "healthy" : "recovering";
  if (GOOD.test(kind)) return "healthy";
  return BAD.test(kind) ? "failed" : "disabled";
}

