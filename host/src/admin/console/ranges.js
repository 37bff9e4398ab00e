// Which shard holds which keys of which table.

import { attr, el, keep, show, text } from "./dom.js";
import { store } from "./store.js";

/** The tables in `box`; what is returned draws them. */
export function keyRanges(box) {
  const empty = el("p", { class: "empty", text: "No table is divided: an SQL entry whose tables have a key shows here." });
  const list = el("div", { class: "stack" });
  box.append(empty, list);
  return () => {
    const entries = store.overview?.sql ?? [];
    const tables = entries.flatMap((entry) => (entry.tables ?? []).map((table) => ({ entry, table })));
    show(empty, store.overview !== null && tables.length === 0);
    keep(list, tables, { key: ({ entry, table }) => `${entry.name}/${table.name}`, make, update });
  };
}

function make({ entry, table }) {
  return el("div", { class: "ranged" }, el("h3", {}, table.name, " ", el("span", { class: "faint", text: `in ${entry.name}` })), el("p", { class: "faint" }), el("ol", { class: "ranges" }));
}

function update(node, { entry, table }) {
  const [, line, list] = node.children;
  text(line, [table.key ? `by ${table.key}` : "", table.placement].filter(Boolean).join(", "));
  keep(list, table.shards ?? [], {
    key: (one) => one.shard,
    make: () => el("li", {}, el("b"), el("span", { class: "mono" }), el("span", { class: "faint" })),
    update(item, one) {
      const nodes = (entry.shards ?? []).find((shard) => shard.name === one.shard)?.nodes ?? [];
      const names = nodes.map((found) => found.name).filter((name) => name !== one.shard);
      text(item.children[0], one.shard);
      text(item.children[1], held(one.holds));
      text(item.children[2], names.join(", "));
      attr(item, "data-away", entry.shards && nodes.length === 0 ? "yes" : null);
    },
  });
}

/** What a shard holds, be it one text or several. */
function held(holds) {
  return Array.isArray(holds) ? holds.join(", ") : String(holds ?? "");
}
