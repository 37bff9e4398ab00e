// The figures at the head of a page, and the choice of a cluster.

import { attr, el, keep, text } from "./dom.js";
import { endpoints, errorShare, tally } from "./figures.js";
import { count, figure, millis, percent } from "./format.js";
import { store } from "./store.js";

/** The figures of now, of one cluster or of all. */
export function tiles(box, cluster = "") {
  const flow = cluster === "" ? store.tick?.total : store.tick?.clusters?.[cluster];
  const counts = tally(endpoints(cluster));
  const all = [...counts.values()].reduce((sum, one) => sum + one, 0);
  const failed = counts.get("FAILED") ?? 0;
  const errors = errorShare(flow);
  const items = [
    ["Requests", `${figure(flow?.per_second)}/s`, `${count(flow?.in_flight)} in flight`],
    ["Errors", percent(errors), `${figure(flow?.errors_per_second)}/s refused or 5xx`, errors > 0.01 ? "failed" : null],
    ["Latency, median", millis(flow?.p50_ms), `p95 ${millis(flow?.p95_ms)}`],
    ["Latency, p99", millis(flow?.p99_ms), "of the last second"],
    ["Endpoints", `${count(counts.get("HEALTHY") ?? 0)} of ${count(all)}`, failed > 0 ? `${count(failed)} failed` : "healthy", failed > 0 ? "failed" : null],
  ];
  keep(box, items, {
    key: ([name]) => name,
    make: ([name]) => el("li", { class: "tile" }, el("span", { class: "name", text: name }), el("b", { class: "num" }), el("span", { class: "faint num" })),
    update(node, [, value, more, tone]) {
      text(node.children[1], value);
      text(node.children[2], more);
      attr(node, "data-tone", tone ?? null);
    },
  });
}

/** Fills a choice of clusters, and keeps it filled. */
export function clusterChoice(select, choose) {
  select.addEventListener("change", () => choose(select.value));
  return () => {
    const names = (store.overview?.clusters ?? []).map((cluster) => cluster.name);
    keep(select, ["", ...names], {
      key: (name) => name,
      make: (name) => el("option", { value: name, text: name || "All clusters" }),
    });
    select.closest("label").hidden = names.length < 2;
    if (select.value === "" || names.includes(select.value)) return;
    select.value = "";
    choose("");
  };
}
