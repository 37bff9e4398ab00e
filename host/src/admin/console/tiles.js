// The figures at the head of a page, and the choice of a cluster.

import { attr, el, keep, text } from "./dom.js";
import { endpoints, errorShare, tally } from "./figures.js";
import { count, figure, millis, percent } from "./format.js";
import { store } from "./store.js";

/** What it means that a cluster panics. */
export const PANIC = "So few endpoints are ready that the rule for a panic says who gets requests.";

/** The figures of now, of one cluster or of all. */
export function tiles(box, cluster = "") {
  const flow = cluster === "" ? store.tick?.total : store.tick?.clusters?.[cluster];
  const counts = tally(endpoints(cluster));
  const all = [...counts.values()].reduce((sum, one) => sum + one, 0);
  const failed = counts.get("FAILED") ?? 0;
  const isQuiet = !(flow?.per_second > 0 || flow?.errors_per_second > 0);
  const errors = isQuiet ? null : errorShare(flow);
  const panicking = (store.overview?.clusters ?? []).filter((one) => one.panic && (cluster === "" || one.name === cluster));
  const standing = [
    panicking.length > 0 ? `panic in ${panicking.map((one) => one.name).join(", ")}` : "",
    failed > 0 ? `${count(failed)} failed` : "",
  ].filter(Boolean).join(", ");
  const items = [
    ["Requests", `${figure(flow?.per_second)}/s`, `${count(flow?.in_flight)} in flight`],
    ["Errors", percent(errors), `${figure(flow?.errors_per_second)}/s refused or 5xx`, errors > 0.01 ? "failed" : null],
    ["Latency, median", millis(flow?.p50_ms), `p95 ${millis(flow?.p95_ms)}`],
    ["Latency, p99", millis(flow?.p99_ms), "of the last second"],
    ["Endpoints", `${count(counts.get("HEALTHY") ?? 0)} of ${count(all)}`, standing || "healthy", standing ? "failed" : null, panicking.length > 0 ? PANIC : null],
  ];
  keep(box, items, {
    key: ([name]) => name,
    make: ([name]) => el("li", { class: "tile" }, el("span", { class: "name", text: name }), el("b", { class: "num" }), el("span", { class: "faint num" })),
    update(node, [, value, more, tone, title]) {
      text(node.children[1], value);
      text(node.children[2], more);
      attr(node, "data-tone", tone ?? null);
      attr(node, "title", title ?? null);
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
