// The clusters whose nodes are started and stopped from here: the count, and how long until the next change may be made.

import { command } from "./api.js";
import { attr, el, keep, parts, show, svg, text } from "./dom.js";
import { count, counted, span } from "./format.js";
import { doing, notice } from "./notice.js";
import { badge, setBadge } from "./states.js";
import { canWrite, store } from "./store.js";

/** The way around the ring that shows the cooldown: its radius is 15.9155, so that it is 100 long. */
const RADIUS = 15.9155;

/** The cards in `box`; what is returned draws them. */
export function scaled(box) {
  const empty = el("p", { class: "panel empty", text: "No cluster is scaled. One whose table has `scaling` in the configuration shows here, with its nodes." });
  const list = el("div", { class: "stack" });
  box.append(empty, list);
  // Between two ticks the cooldown goes on.
  setInterval(() => [...list.children].forEach(showCooldown), 250);
  return () => {
    const clusters = store.overview?.scale ?? [];
    show(empty, store.overview !== null && clusters.length === 0);
    keep(list, clusters, { key: (one) => one.cluster, make, update });
  };
}

function make(one) {
  const said = notice();
  const button = (name, verb, label) => el("button", { type: "button", "data-part": name, text: verb, "aria-label": `${label} ${one.cluster}` });
  const id = `count-${one.cluster}`;
  const field = el("input", { id, type: "number", class: "num", "data-part": "wanted" });
  const form = el("form", { class: "inline" }, el("label", { for: id, text: "Set to" }), field, el("button", { type: "submit", text: "Apply", "data-part": "apply", "aria-label": `Set the count of ${one.cluster}` }));
  const ring = svg("circle", { cx: 18, cy: 18, r: RADIUS, class: "left", pathLength: 100, "data-part": "ring" });
  const waiting = el(
    "div",
    { class: "cooldown", role: "timer", "data-part": "cooldown" },
    svg("svg", { viewBox: "0 0 36 36", width: 40, height: 40, "aria-hidden": "true" }, svg("circle", { cx: 18, cy: 18, r: RADIUS }), ring),
    el("span", {}, el("b", { class: "num", "data-part": "left" }), el("span", { class: "faint", "data-part": "hint" })),
  );
  const node = el(
    "article",
    { class: "panel scaled", "aria-label": one.cluster },
    el("header", {}, el("h2", { text: one.cluster }), el("p", { class: "faint", "data-part": "limits" })),
    el(
      "div",
      { class: "count" },
      el("p", {}, el("b", { class: "huge num", "data-part": "count" }), el("span", { class: "faint", "data-part": "running" })),
      el("fieldset", { "data-write": "", class: "bare inline" }, button("remove", "− Remove one", "Remove a node from"), button("add", "+ Add one", "Add a node to"), form),
      waiting,
    ),
    said.line,
    el("p", { class: "bad", "data-part": "error", hidden: true }),
    el("ul", { class: "nodes", "data-part": "nodes" }),
  );
  node.parts = parts(node);
  node.until = 0;
  node.whole = 0;
  const act = (which, wanted) => doing(which, said, async () => {
    const status = await command("POST", "/api/scale", { cluster: one.cluster, ...wanted });
    said.good(`${one.cluster}: ${counted(status.desired, "node")} wanted.`);
    cool(node, status.cooldown_s);
    delete field.dataset.touched;
  });
  // What was begun here is not written over by what comes meanwhile.
  field.addEventListener("input", () => (field.dataset.touched = "yes"));
  node.parts.add.addEventListener("click", () => act(node.parts.add, { action: "add" }));
  node.parts.remove.addEventListener("click", () => act(node.parts.remove, { action: "remove" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(node.parts.apply, { count: Number(field.value) });
  });
  return node;
}

function update(node, one) {
  const { parts: part } = node;
  node.one = one;
  text(part.count, count(one.desired));
  const running = one.nodes.filter((node_) => node_.state === "running").length;
  text(part.running, ` wanted, ${count(running)} running`);
  text(part.limits, `from ${count(one.least)} to ${count(one.most)}`);
  attr(part.wanted, "min", one.least);
  attr(part.wanted, "max", one.most);
  if (!part.wanted.dataset.touched && part.wanted.value !== String(one.desired)) part.wanted.value = one.desired;
  text(part.error, one.error ?? "");
  show(part.error, Boolean(one.error));
  keep(part.nodes, one.nodes, { key: (node_) => node_.name, make: nodeCard, update: updateNode });
  cool(node, store.tick?.scale?.[one.cluster]?.cooldown_s ?? one.cooldown_s ?? 0);
}

/** Takes over how long it is until the next change. */
function cool(node, seconds) {
  const until = performance.now() + seconds * 1000;
  // What is told again differs by the time that it took here, no more.
  if (seconds === 0 || Math.abs(until - node.until) > 1500) node.until = until;
  if (seconds > node.whole) node.whole = seconds;
  if (seconds === 0) node.whole = 0;
  showCooldown(node);
}

function showCooldown(node) {
  if (!node.one) return;
  const { parts: part, one } = node;
  const left = Math.max(0, (node.until - performance.now()) / 1000);
  const isOver = left === 0;
  attr(part.cooldown, "data-over", isOver ? "yes" : "no");
  text(part.left, isOver ? "Ready" : span(left));
  text(part.hint, isOver ? " for a change" : " until the next change");
  attr(part.ring, "stroke-dasharray", `${node.whole > 0 ? Math.round((left / node.whole) * 100) : 0} 100`);
  const isOpen = isOver && canWrite();
  part.add.disabled = !isOpen || one.desired >= one.most;
  part.remove.disabled = !isOpen || one.desired <= one.least;
  part.apply.disabled = !isOpen;
  part.wanted.disabled = !isOpen;
}

function nodeCard() {
  return el("li", { class: "node" }, badge(), el("b"), el("span", { class: "where mono" }), el("span", { class: "bad" }));
}

function updateNode(node, one) {
  const [state, name, address, error] = node.children;
  setBadge(state, one.state);
  text(name, one.name);
  text(address, one.address ?? "");
  text(error, one.error ?? "");
}
