// How a statement is answered, as a picture: the entry, the nodes with what each of them is asked, and what becomes of their
// rows. After a run with rows and time of each node. The same as a table below it.

import { attr, el, show, svg, text } from "./dom.js";
import { count, counted, millis } from "./format.js";

/** So many nodes are drawn; all of them are in the table. */
const DRAWN = 12;
/** Heights and widths, in pixels. */
const BOX = { height: 62, gap: 12, narrow: 620 };

const CLASSES = { single: "one shard", partial: "some shards", full: "all shards" };

/** The picture in `box`. */
export function plan(box) {
  const summary = el("p", { class: "how" });
  const picture = el("div", { class: "picture" });
  const chosen = el("div", { class: "asked", hidden: true }, el("h3"), el("pre", { class: "mono", tabindex: 0 }));
  const steps = el("ol", { class: "steps" });
  const list = el("details", { class: "all" }, el("summary"), el("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "All nodes" }));
  box.append(summary, picture, list, chosen, steps);
  const state = { answer: null, entry: "", picked: 0, width: 0 };
  const draw = () => {
    if (state.answer && state.width > 0) picture.replaceChildren(drawing(state, pick));
  };
  const pick = (nth) => {
    state.picked = nth;
    const node = state.answer.nodes[nth];
    chosen.hidden = !node;
    if (!node) return;
    text(chosen.firstChild, `What ${node.name} ${state.isExplain ? "would be" : "was"} asked`);
    text(chosen.lastChild, unbroken(node.sql));
    for (const one of box.querySelectorAll("[data-node]")) attr(one, "aria-pressed", Number(one.dataset.node) === nth);
  };
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width === state.width) return;
    state.width = width;
    draw();
  }).observe(picture);
  return {
    draw(answer, entry, isExplain) {
      Object.assign(state, { answer: { ...answer, nodes: answer.nodes ?? [] }, entry, isExplain, picked: 0 });
      state.width = Math.floor(picture.clientWidth) || state.width || box.clientWidth;
      text(summary, described(answer));
      steps.replaceChildren(...merged(answer).map((step) => el("li", { text: step })));
      draw();
      const { nodes } = state.answer;
      show(list, nodes.length > 0);
      text(list.firstChild, `${counted(nodes.length, "node")} as a table`);
      list.open = nodes.length > DRAWN;
      list.lastChild.replaceChildren(nodeTable(nodes, pick));
      pick(0);
    },
  };
}

function described({ plan: course, nodes }) {
  const asked = counted(nodes?.length ?? 0, "node");
  if (!course) return `A write by way of the log: ${asked}.`;
  const why = course.why ? ` Gathered because ${course.why}.` : "";
  return `${course.tier}, ${CLASSES[course.class] ?? course.class}: ${asked}.${why}`;
}

/** What becomes of the rows, step by step. */
function merged({ plan: course, last }) {
  return [...(course?.merge ?? []), ...(last ? [`final: ${last}`] : [])];
}

function drawing(state, pick) {
  const { answer, width } = state;
  const shown = answer.nodes.slice(0, DRAWN);
  const left = answer.nodes.length - shown.length;
  const places = width < BOX.narrow ? stacked(shown.length, left, width) : beside(shown.length, left, width);
  const picture = svg("svg", { width, height: places.height, viewBox: `0 0 ${width} ${places.height}`, role: "group", "aria-label": "The plan" });
  const course = answer.plan ?? { tier: "write", class: "full" };
  const merge = mergeWords(answer);
  picture.append(...places.nodes.map((at) => svg("path", { class: "wire", d: places.wire(places.entry, at) })));
  if (merge) picture.append(...places.nodes.map((at) => svg("path", { class: "wire", d: places.wire(at, places.merge) })));
  picture.append(box(places.entry, "entry", [state.entry, course.tier, CLASSES[course.class] ?? course.class]));
  shown.forEach((node, nth) => picture.append(nodeBox(places.nodes[nth], node, nth, state, pick)));
  if (left > 0) picture.append(svg("text", { x: places.more.x, y: places.more.y, class: "faint" }, `and ${counted(left, "node")} more, in the table below`));
  if (merge) picture.append(box(places.merge, "merge", merge));
  return picture;
}

function mergeWords(answer) {
  const steps = merged(answer);
  if (steps.length > 0) return ["merge", ...steps.slice(0, 2)];
  if (answer.row_count !== undefined) return ["answer", counted(answer.row_count, "row"), millis(answer.elapsed_ms)];
  return answer.plan?.tier === "pass-through" ? ["answer", "as it comes"] : null;
}

/** The entry on the left, the nodes in the middle, the merge on the right. */
function beside(nodes, left, width) {
  const pitch = BOX.height + BOX.gap;
  const height = Math.max(nodes, 1) * pitch + (left > 0 ? 24 : 0) + 4;
  const [side, room] = [Math.min(190, width * 0.21), Math.min(70, width * 0.06)];
  const middle = width - 2 * (side + room);
  const centre = (Math.max(nodes, 1) * pitch - BOX.gap - BOX.height) / 2 + 2;
  return {
    height,
    entry: { x: 1, y: centre, width: side, height: BOX.height },
    merge: { x: width - side - 1, y: centre, width: side, height: BOX.height },
    nodes: [...Array(nodes).keys()].map((nth) => ({ x: side + room, y: 2 + nth * pitch, width: middle, height: BOX.height })),
    more: { x: side + room, y: height - 8 },
    wire(from, to) {
      const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
      const bend = (x2 - x1) / 2;
      return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    },
  };
}

/** One below the other, where there is little room. */
function stacked(nodes, left, width) {
  const pitch = BOX.height + BOX.gap;
  const last = 2 + (nodes + 1) * pitch + (left > 0 ? 24 : 0);
  const inset = 26;
  return {
    height: last + BOX.height + 2,
    entry: { x: 1, y: 2, width: width - 2, height: BOX.height },
    merge: { x: 1, y: last, width: width - 2, height: BOX.height },
    nodes: [...Array(nodes).keys()].map((nth) => ({ x: inset, y: 2 + (nth + 1) * pitch, width: width - inset - 1, height: BOX.height })),
    more: { x: inset, y: last - 8 },
    wire(from, to) {
      const [down, up] = from.x < to.x ? [from, to] : [to, from];
      const y = from.x < to.x ? down.y + down.height : down.y;
      return `M12 ${y}V${up.y + up.height / 2}H${up.x}`;
    },
  };
}

function box({ x, y, width, height }, kind, lines) {
  const words = lines.filter(Boolean).slice(0, 3).map((line, nth) =>
    svg("text", { x: x + 12, y: y + 20 + nth * 17, class: nth === 0 ? "title" : "faint" }, fitted(line, width - 24)),
  );
  return svg("g", { class: `box ${kind}` }, svg("title", {}, lines.join(", ")), svg("rect", { x, y, width, height, rx: 8 }), ...words);
}

function nodeBox(place, node, nth, state, pick) {
  const figures = "elapsed_ms" in node ? `${counted(node.rows, "row")} · ${millis(node.elapsed_ms)}` : (node.shard && node.shard !== node.name ? `shard ${node.shard}` : "");
  const failed = node.status === "failed";
  const group = box(place, failed ? "node failed" : "node", [node.name, unbroken(node.sql), node.error ?? figures]);
  attr(group, "data-node", nth);
  attr(group, "tabindex", 0);
  attr(group, "role", "button");
  attr(group, "aria-pressed", nth === state.picked);
  attr(group, "aria-label", `${node.name}${failed ? ", failed" : ""}: ${figures}`);
  group.addEventListener("click", () => pick(nth));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    pick(nth);
  });
  return group;
}

/** All nodes, those that are not drawn too; a name selects as a box does. */
function nodeTable(nodes, pick) {
  const head = (name, align = null) => el("th", { scope: "col", class: align, text: name });
  const heads = [head("Node"), head("Statement"), head("Rows", "right"), head("Time", "right"), head("Error")];
  const row = (node, nth) => {
    const name = el("button", { type: "button", class: "small", "data-node": nth, "aria-pressed": false, text: node.name, onclick: () => pick(nth) });
    const sql = unbroken(node.sql);
    return el(
      "tr",
      {},
      el("td", {}, name),
      el("td", { class: "mono", text: sql, title: sql }),
      el("td", { class: "num right", text: count(node.rows) }),
      el("td", { class: "num right", text: millis(node.elapsed_ms) }),
      el("td", { class: "bad", text: node.error ?? "", title: node.error ?? null }),
    );
  };
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...nodes.map(row)));
}

/** Text in quotes, a break before a bracket that closes, other space. */
const PIECES = /('(?:[^']|'')*'|"[^"]*"|`[^`]*`)|\s*\n\s*(?=\))|(\s+)/g;

/** A statement in one line; what is in quotes stays as it is, and so does one with a comment to the end of a line. */
function unbroken(sql = "") {
  return sql.includes("--") ? sql : sql.replace(PIECES, (_, quoted, space) => quoted ?? (space ? " " : ""));
}

/** As much of a line as there is room for: a character of this size is about 6.7 pixels wide. */
function fitted(line, width) {
  const most = Math.max(4, Math.floor(width / 6.7));
  const words = typeof line === "number" ? count(line) : String(line);
  return words.length > most ? `${words.slice(0, most - 1)}…` : words;
}
