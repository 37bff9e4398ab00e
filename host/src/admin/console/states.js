// How things stand, told three times: by colour, by shape, and by word.

import { attr, el, svg, text } from "./dom.js";

/** Shape and colour of each word that the server uses for a state. */
const LOOKS = {
  HEALTHY: ["circle", "healthy"],
  DEGRADED: ["triangle", "degraded"],
  FAILED: ["cross", "failed"],
  RECOVERING: ["half", "recovering"],
  DRAINING: ["drain", "draining"],
  DISABLED: ["dash", "disabled"],
  // Nodes that are scaled.
  running: ["circle", "healthy"],
  starting: ["half", "recovering"],
  unhealthy: ["cross", "failed"],
  replacing: ["half", "recovering"],
  draining: ["drain", "draining"],
  failed: ["cross", "failed"],
  // Nodes that are replicated.
  UP: ["circle", "healthy"],
  DOWN: ["cross", "failed"],
  INCONSISTENT: ["cross", "failed"],
  "REBUILD NEEDED": ["triangle", "degraded"],
  REBUILDING: ["half", "recovering"],
  // Plugins.
  loaded: ["circle", "healthy"],
  available: ["dash", "disabled"],
  refused: ["cross", "failed"],
  disabled: ["dash", "disabled"],
};

const SHAPES = {
  circle: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z",
  triangle: "M8 2 14.5 13.5h-13z",
  cross: "M4.6 2.2 8 5.6l3.4-3.4 2.4 2.4L10.4 8l3.4 3.4-2.4 2.4L8 10.4l-3.4 3.4-2.4-2.4L5.6 8 2.2 4.6z",
  half: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13zM8 3.8v8.4a4.2 4.2 0 0 0 0-8.4z",
  drain: "M2 3h12L8 14z",
  dash: "M2.5 6.5h11v3h-11z",
};

/** The order of trouble, worst first. */
export const BY_TROUBLE = ["FAILED", "DEGRADED", "RECOVERING", "DRAINING", "DISABLED", "HEALTHY"];

/** The colour's name for a state. */
export function tone(state) {
  return (LOOKS[state] ?? ["dash", "disabled"])[1];
}

/** A mark with its word. */
export function badge(state = "") {
  const path = svg("path", { "fill-rule": "evenodd" });
  const mark = svg("svg", { viewBox: "0 0 16 16", width: 12, height: 12, "aria-hidden": "true" }, path);
  const node = el("span", { class: "state" }, mark, el("span"));
  setBadge(node, state);
  return node;
}

/** Makes it that of another state. */
export function setBadge(node, state) {
  const [shape, colour] = LOOKS[state] ?? ["dash", "disabled"];
  attr(node.firstChild.firstChild, "d", SHAPES[shape]);
  attr(node, "data-tone", colour);
  attr(node, "data-state", state);
  text(node.lastChild, state || "…");
}
