// The last statements that were answered, newest first: what, by whom, how long.

import { attr, el, keep, show } from "./dom.js";
import { count, millis, time } from "./format.js";
import { store } from "./store.js";

const SHOWN = 40;

/** The list in `box`; what is returned draws it. */
export function queryList(box) {
  const empty = el("p", { class: "empty" }, "No statement yet. ", el("a", { href: "/query-dashboard", text: "Ask one" }), ".");
  const list = el("ol", { class: "log", tabindex: 0, "aria-label": "Queries, newest first" });
  box.append(empty, list);
  return () => {
    const found = store.queries.slice(0, SHOWN);
    show(empty, found.length === 0);
    show(list, found.length > 0);
    keep(list, found, { key: (query) => query.id, make: line });
  };
}

function line(query) {
  const nodes = query.nodes ?? [];
  const asked = nodes.length > 3 ? `${nodes.length} nodes` : nodes.map((node) => node.name).join(", ");
  const how = [query.entry, query.class, query.tier, asked].filter(Boolean).join(" · ");
  const figures = query.error ? query.error : `${count(query.rows)} rows · ${millis(query.ms)}`;
  const node = el(
    "li",
    {},
    el("time", { class: "num", datetime: query.at, text: time(query.at) }),
    el("p", { class: "mono statement", text: query.statement, title: query.statement }),
    el("p", { class: "faint" }, how, " · ", el("span", { class: query.error ? "bad" : "num", text: figures })),
  );
  attr(node, "data-tone", query.error ? "failed" : "healthy");
  return node;
}
