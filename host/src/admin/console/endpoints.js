// The endpoints at a glance: a card for each, and where there are very many of them a list of which only what is in sight
// exists. Only cards whose figures differ are touched.

import { drawSparkline, sparkline } from "./bars.js";
import { compared } from "./compared.js";
import { attr, el, keep, parts, show, text } from "./dom.js";
import { endpointCourse, endpointFlow, endpointStanding, endpoints, isLike, tally } from "./figures.js";
import { count, figure, millis, percent } from "./format.js";
import { BY_TROUBLE, badge, setBadge, tone } from "./states.js";
import { windowed } from "./windowed.js";

/** So many have cards. */
const CARDS = 100;

/** The endpoints in `box`; `chosen()` says which cluster, state and name is looked for. */
export function endpointView(box, chosen) {
  const empty = el("p", { class: "empty" });
  const grid = el("ul", { class: "cards" });
  const list = el("div", { class: "long", role: "list", "aria-label": "Endpoints", tabindex: 0 });
  box.append(empty, grid, list);
  const long = windowed(list, { role: "presentation", make: card, update: updateListed });
  return {
    update() {
      const all = endpoints(chosen().cluster);
      const { state, name } = chosen();
      const found = all.filter((one) => (state === "" || one.endpoint.state === state) && isLike(one, name));
      const isLong = found.length > CARDS;
      text(empty, all.length === 0 ? "No endpoints yet. They appear here as soon as a cluster has some." : "No endpoint is like that.");
      show(empty, found.length === 0);
      show(grid, !isLong);
      show(list, isLong);
      if (isLong) return long.update(byTrouble(found));
      keep(grid, found, { key: (one) => one.key, make: card, update: updateCard });
    },
  };
}

/** The worst first; otherwise as they were. */
function byTrouble(found) {
  const rank = (one) => BY_TROUBLE.indexOf(one.endpoint.state);
  return found.toSorted((one, other) => rank(one) - rank(other));
}

function card() {
  const figureOf = (part, name) => el("div", {}, el("dt", { text: name }), el("dd", { class: "num", "data-part": part }));
  const node = el(
    "li",
    { class: "card" },
    el("header", {}, el("h3", { "data-part": "name" }), badge()),
    el("p", { class: "where mono", "data-part": "address" }),
    el("dl", {}, figureOf("rate", "req/s"), figureOf("errors", "errors"), figureOf("latency", "latency"), figureOf("load", "in flight")),
    sparkline(),
    el("p", { class: "reason", "data-part": "reason" }),
  );
  node.parts = { ...parts(node), badge: node.querySelector(".state"), spark: node.querySelector(".spark") };
  return node;
}

function updateRow(node, one) {
  const { endpoint, cluster } = one;
  const { parts: part } = node;
  const flow = endpointFlow(cluster, endpoint.id);
  text(part.name, endpoint.name);
  text(part.address, `${endpoint.address} · ${cluster}`);
  setBadge(part.badge, endpoint.state);
  text(part.rate, figure(flow?.perSecond));
  text(part.errors, percent(flow?.errors));
  text(part.latency, millis(flow?.latencyMs));
  text(part.load, count(flow?.inFlight));
  text(part.reason, why(cluster, endpoint));
  attr(node, "data-tone", tone(endpoint.state));
  attr(part.errors, "data-bad", flow?.errors > 0.01 ? "yes" : null);
}

function updateListed(node, one, { nth, count: number }) {
  updateRow(node, one);
  attr(node, "role", "listitem");
  attr(node, "aria-posinset", nth + 1);
  attr(node, "aria-setsize", number);
}

function updateCard(node, one) {
  updateRow(node, one);
  drawSparkline(node.parts.spark, endpointCourse(one.cluster, one.endpoint.id));
}

/** What is worth saying of it beside its state. */
function why(cluster, endpoint) {
  const said = [];
  const { reason, weight } = endpointStanding(cluster, endpoint);
  if (endpoint.state !== "HEALTHY" && reason) said.push(reason);
  if (endpoint.circuit && endpoint.circuit !== "closed") said.push(`circuit ${endpoint.circuit}`);
  if (weight < 1) said.push(`${percent(weight)} of its weight`);
  return said.join(" · ");
}

/** How many are in each state, as buttons that choose it. */
export function stateCounts(box, cluster, chosen, choose) {
  const counts = tally(endpoints(cluster));
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0);
  const items = [["", total], ...BY_TROUBLE.toReversed().map((state) => [state, counts.get(state) ?? 0])];
  keep(box, items.filter(([state, number]) => state === "" || number > 0 || state === chosen), {
    key: ([state]) => state,
    make: ([state]) => {
      const label = state === "" ? el("span", { text: "All" }) : badge(state);
      return el("button", { type: "button", class: "chip", onclick: () => choose(state) }, label, el("b", { class: "num" }));
    },
    update(node, [state, number]) {
      text(node.lastChild, count(number));
      attr(node, "aria-pressed", state === chosen);
    },
  });
}

/** The load of the endpoints beside each other. */
export function loadBars(box, note, cluster) {
  compared(box, note, {
    cluster,
    value: (flow) => flow?.perSecond,
    label: (flow) => `${figure(flow?.perSecond)}/s · ${count(flow?.inFlight)} in flight`,
    tone: (endpoint) => tone(endpoint.state),
    most: "busiest",
  });
}
