// How the statements of each SQL entry are distributed over its nodes.

import { bars } from "./bars.js";
import { el, keep, show, text } from "./dom.js";
import { sqlNodes } from "./figures.js";
import { count, figure, millis } from "./format.js";
import { store } from "./store.js";

/** The entries in `box`; what is returned draws them. */
export function nodeShares(box) {
  const empty = el("p", { class: "empty", text: "No SQL entry is configured: a route with `sql` makes one." });
  const list = el("div", { class: "stack" });
  box.append(empty, list);
  return () => {
    const entries = store.overview?.sql ?? [];
    show(empty, store.overview !== null && entries.length === 0);
    keep(list, entries, { key: (entry) => entry.name, make, update });
  };
}

function make(entry) {
  return el(
    "div",
    {},
    el("h3", {}, entry.name, " ", el("span", { class: "faint", text: `${entry.backend}, ${entry.topology}` })),
    el("p", { class: "faint num" }),
    el("ul", { class: "bars" }),
    el("p", { class: "bad", hidden: true }),
  );
}

function update(node, entry) {
  const [, line, list, unready] = node.children;
  const flow = store.tick?.sql?.[entry.name];
  const failed = flow?.failed_per_second > 0 ? ` · ${figure(flow.failed_per_second)}/s failed` : "";
  text(line, `${figure(flow?.per_second)}/s · p50 ${millis(flow?.p50_ms)} · p99 ${millis(flow?.p99_ms)}${failed}`);
  const nodes = sqlNodes(entry.name);
  const isQuiet = nodes.every((one) => one.perSecond === 0);
  bars(list, nodes.map((one) => ({
    key: one.name,
    name: one.name,
    value: isQuiet ? one.statements : one.perSecond,
    label: isQuiet ? `${count(one.statements)} in all` : `${figure(one.perSecond)}/s · ${millis(one.averageMs)}`,
    title: `${count(one.statements)} statements, ${count(one.rows)} rows, ${count(one.failures)} failures in all; ${count(one.failed)} failures in the last minute`,
    tone: one.failed > 0 ? "degraded" : null,
  })));
  text(unready, entry.unready ?? "");
  show(unready, Boolean(entry.unready));
}
