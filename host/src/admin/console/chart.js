// A chart of the last ten minutes, as SVG: lines or an area, an axis, a grid, and a readout under the pointer or, with the
// arrow keys, under a cursor. Drawn in the pixels that it has, so that text keeps its size.

import { attr, el, svg, text } from "./dom.js";
import { time } from "./format.js";

/** What is shown, in milliseconds. */
const WINDOW = 600_000;
/** Room around the plot, in pixels. */
const EDGE = { left: 52, right: 10, top: 8, bottom: 22 };
/** Longer gaps than this many milliseconds between points are not bridged. */
const GAP = 5000;
const HEIGHT = 168;
let charts = 0;

/** A chart of `series`: [{name, tone, area, of: point => number or null}]; `format` writes a value. */
export function chart(box, { title, series, format, least = 1 }) {
  const id = `chart-${++charts}`;
  const parts = frame(id, title, series);
  box.append(parts.figure);
  const state = { parts, series, format, least, title, points: [], width: 0, cursor: null, scale: null };
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width === state.width || width === 0) return;
    state.width = width;
    draw(state);
  }).observe(parts.plot);
  listen(state);
  return {
    update(points) {
      state.points = points;
      draw(state);
    },
  };
}

function frame(id, title, series) {
  const legend = series.map(({ name, tone }) => {
    const value = el("b", { class: "num" });
    return { value, item: el("span", { class: "key", "data-tone": tone }, el("i"), el("span", { text: name }), value) };
  });
  const at = el("span", { class: "at" });
  const readout = el("div", { class: "legend" }, ...legend.map(({ item }) => item), at);
  const grid = svg("g", { class: "grid" });
  const lines = series.map(({ tone }) => ({
    area: svg("path", { class: "area", "data-tone": tone }),
    line: svg("path", { class: "line", "data-tone": tone }),
  }));
  const dots = series.map(({ tone }) => svg("circle", { class: "dot", "data-tone": tone, r: 3.5 }));
  const rule = svg("line", { class: "rule" });
  const drawn = lines.flatMap(({ area, line }) => [area, line]);
  const picture = svg("svg", { height: HEIGHT, tabindex: 0, role: "img", "aria-labelledby": id, class: "chart" }, grid, ...drawn, rule, ...dots);
  const plot = el("div", { class: "plot" }, picture);
  const heard = el("span", { class: "unseen", "aria-live": "polite" });
  const caption = el("figcaption", {}, el("h3", { id, text: title }), readout);
  const figure = el("figure", { class: "panel chartbox" }, caption, plot, heard);
  return { figure, plot, picture, grid, lines, dots, rule, values: legend.map(({ value }) => value), at, heard };
}

function draw(state) {
  const { parts, series, width, points } = state;
  if (width === 0) return;
  attr(parts.picture, "width", width);
  attr(parts.picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
  const end = points.at(-1)?.at_ms ?? Date.now();
  const shown = points.filter((point) => point.at_ms > end - WINDOW);
  const values = series.map(({ of }) => shown.map(of));
  const top = ceiling(Math.max(state.least, ...values.flat().filter(Number.isFinite)));
  const span = width - EDGE.left - EDGE.right;
  const depth = HEIGHT - EDGE.top - EDGE.bottom;
  const x = (at) => EDGE.left + span * (1 - (end - at) / WINDOW);
  const y = (value) => EDGE.top + depth * (1 - value / top);
  state.scale = { x, y, shown, values, end, span };
  drawGrid(state, top, y);
  parts.lines.forEach(({ line, area }, nth) => {
    const runs = trace(shown, values[nth], x, y);
    attr(line, "d", runs.map((run) => `M${run.join("L")}`).join(""));
    attr(area, "d", series[nth].area ? runs.map((run) => close(run, y(0))).join("") : null);
  });
  drawCursor(state);
}

/** The line through the points, in as many pieces as it has. */
function trace(points, values, x, y) {
  const runs = [];
  let last = -Infinity;
  points.forEach((point, at) => {
    if (!Number.isFinite(values[at])) return;
    if (point.at_ms - last > GAP) runs.push([]);
    last = point.at_ms;
    runs.at(-1).push(`${x(point.at_ms).toFixed(1)} ${y(values[at]).toFixed(1)}`);
  });
  return runs;
}

function close(run, floor) {
  const first = run[0].split(" ")[0];
  const last = run.at(-1).split(" ")[0];
  return `M${first} ${floor}L${run.join("L")}L${last} ${floor}Z`;
}

/** The next round number. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].find((step) => step * power >= value) * power;
}

function drawGrid({ parts, format, width }, top, y) {
  const levels = [0, top / 4, top / 2, (top * 3) / 4, top];
  const every = width < 420 ? 4 : 2;
  const minutes = [...Array(6).keys()].map((nth) => nth * every).filter((minute) => minute <= 10);
  const drawn = `${width} ${top}`;
  if (parts.grid.dataset.drawn === drawn) return;
  parts.grid.dataset.drawn = drawn;
  const end = width - EDGE.right;
  const level = (value, nth) => [
    svg("line", { x1: EDGE.left, x2: end, y1: y(value), y2: y(value), class: nth === 0 ? "base" : null }),
    nth % 2 === 0 ? svg("text", { x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)) : null,
  ];
  const minute = (ago) => {
    const at = end - ((width - EDGE.left - EDGE.right) * ago * 60_000) / WINDOW;
    const anchor = ago === 0 ? "end" : ago === 10 ? "start" : "middle";
    return svg("text", { x: at, y: HEIGHT - 5, "text-anchor": anchor }, ago === 0 ? "now" : `−${ago} min`);
  };
  parts.grid.replaceChildren(...levels.flatMap(level).filter(Boolean), ...minutes.map(minute));
}

function drawCursor(state) {
  const { parts, series, format, scale, cursor } = state;
  const at = cursor === null ? scale.shown.length - 1 : nearest(scale.shown, cursor);
  const point = scale.shown[at];
  series.forEach((_, nth) => {
    const value = point ? scale.values[nth][at] : null;
    text(parts.values[nth], format(value));
    const isShown = cursor !== null && Number.isFinite(value);
    attr(parts.dots[nth], "visibility", isShown ? "visible" : "hidden");
    if (!isShown) return;
    attr(parts.dots[nth], "cx", scale.x(point.at_ms));
    attr(parts.dots[nth], "cy", scale.y(value));
  });
  attr(parts.rule, "visibility", cursor !== null && point ? "visible" : "hidden");
  text(parts.at, cursor !== null && point ? time(point.at_ms) : "");
  if (cursor === null || !point) return;
  for (const name of ["x1", "x2"]) attr(parts.rule, name, scale.x(point.at_ms));
  attr(parts.rule, "y1", EDGE.top);
  attr(parts.rule, "y2", HEIGHT - EDGE.bottom);
}

/** The point that is nearest to a moment, by halving. */
function nearest(points, at) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].at_ms < at) low = middle + 1;
    else high = middle;
  }
  const before = points[low - 1];
  return before && at - before.at_ms < points[low].at_ms - at ? low - 1 : low;
}

function listen(state) {
  const { picture, heard } = state.parts;
  const move = (at) => {
    state.cursor = at;
    if (state.scale) drawCursor(state);
  };
  picture.addEventListener("pointermove", (event) => {
    if (!state.scale) return;
    const along = (event.offsetX - EDGE.left) / state.scale.span;
    move(state.scale.end - WINDOW * (1 - Math.min(1, Math.max(0, along))));
  });
  picture.addEventListener("pointerleave", () => move(null));
  picture.addEventListener("blur", () => move(null));
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -60, PageDown: 60 }[event.key];
    const shown = state.scale?.shown ?? [];
    if (event.key === "Escape") move(null);
    if (!step || shown.length === 0) return;
    event.preventDefault();
    const now = state.cursor === null ? shown.length : nearest(shown, state.cursor);
    const at = Math.min(shown.length - 1, Math.max(0, now + step));
    move(shown[at].at_ms);
    const told = state.series.map(({ name }, nth) => `${name} ${state.format(state.scale.values[nth][at])}`);
    text(heard, `${time(shown[at].at_ms)}: ${told.join(", ")}`);
  });
}
