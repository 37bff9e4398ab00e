// Bars that compare, and the line of a last minute: small pictures beside their figures.

import { attr, el, keep, svg, text } from "./dom.js";

/** Bars of `items`: [{key, name, value, label, tone, title}], as wide as their values. */
export function bars(box, items, most = Math.max(0, ...items.map((item) => item.value))) {
  keep(box, items, {
    key: (item) => item.key,
    make: bar,
    update(node, item) {
      const [name, track, label] = node.children;
      text(name, item.name);
      text(label, item.label);
      attr(node, "data-tone", item.tone ?? null);
      attr(node, "title", item.title ?? null);
      attr(track.firstChild.firstChild, "width", most > 0 ? ((item.value / most) * 100).toFixed(1) : "0");
    },
  });
}

function bar() {
  const filled = svg("rect", { x: 0, y: 0, height: 10, width: 0, rx: 1 });
  const track = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none" }, filled);
  return el("li", { class: "bar-row" }, el("span", { class: "name" }), el("span", { class: "track", "aria-hidden": "true" }, track), el("span", { class: "num" }));
}

/** A line of some values. */
export function sparkline() {
  const line = svg("polyline", { fill: "none" });
  return svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
}

/** Draws it; `most` is how many values there would be if it were full. */
export function drawSparkline(spark, values, most = 60) {
  const top = Math.max(1, ...values);
  const from = most - values.length;
  const points = values.map((value, at) => `${(((from + at) / (most - 1)) * 100).toFixed(1)},${(22.5 - (value / top) * 21).toFixed(1)}`);
  attr(spark.firstChild, "points", points.join(" "));
}
