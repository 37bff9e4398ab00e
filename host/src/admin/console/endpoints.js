// The endpoints at a glance: a card for each, and where there are very many of them a list of which only what is in sight
// exists. Only cards whose figures differ are touched.

import { bars, drawSparkline, sparkline } from "./bars.js";
import { attr, el, keep, parts, show, text } from "./dom.js";
import { endpointCourse, endpointFlow, endpoints, tally } from "./figures.js";
import { count, counted, figure, millis, percent } from "./format.js";
import { BY_TROUBLE, badge, setBadge, tone } from "./states.js";
import { windowed } from "./windowed.js";

/** So many have cards. */
const CARDS = 100;
/** So many are compared by bars. */
const COMPARED = 24;

/** The endpoints in `box`; `chosen()` says which cluster, state and name is looked for. */
export function endpointView(box, chosen) {
  const empty = el("p", { class: "empty" });
  const grid = el("ul", { class: "cards" });
  const list = el("div", { class: "long", role: "table", "aria-label": "Endpoints", tabindex: 0 });
  box.append(empty, grid, list);
  const long = windowed(list, { make: card, update: updateRow });
  return {
    update() {
      const all = endpoints(chosen().cluster);
      const found = all.filter((one) => isWanted(one, chosen()));
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

function isWanted({ endpoint }, { state, name }) {
  return (state === "" || endpoint.state === state) && (name === "" || endpoint.name.includes(name) || endpoint.address.includes(name));
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
  text(part.errors, percent(flow?.errors ?? 0));
  text(part.latency, millis(flow?.latencyMs));
  text(part.load, count(flow?.inFlight));
  text(part.reason, why(endpoint));
  attr(node, "data-tone", tone(endpoint.state));
  attr(part.errors, "data-bad", flow?.errors > 0.01 ? "yes" : null);
}

function updateCard(node, one) {
  updateRow(node, one);
  drawSparkline(node.parts.spark, endpointCourse(one.cluster, one.endpoint.id));
}

/** What is worth saying of it beside its state. */
function why(endpoint) {
  const said = [];
  if (endpoint.state !== "HEALTHY" && endpoint.reason) said.push(endpoint.reason);
  if (endpoint.circuit && endpoint.circuit !== "closed") said.push(`circuit ${endpoint.circuit}`);
  if (endpoint.effective_weight < 1) said.push(`${percent(endpoint.effective_weight)} of its weight`);
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

/** The load of the endpoints beside each other; where there are many, the busiest. */
export function loadBars(box, note, cluster) {
  const all = endpoints(cluster).map((one) => ({ ...one, flow: endpointFlow(one.cluster, one.endpoint.id) }));
  const busiest = all.length > COMPARED ? all.toSorted((one, other) => (other.flow?.perSecond ?? 0) - (one.flow?.perSecond ?? 0)) : all;
  bars(box, busiest.slice(0, COMPARED).map(({ key, endpoint, flow }) => ({
    key,
    name: endpoint.name,
    value: flow?.perSecond ?? 0,
    label: `${figure(flow?.perSecond)}/s · ${count(flow?.inFlight)} in flight`,
    tone: tone(endpoint.state),
  })));
  text(note, all.length > COMPARED ? `The busiest ${COMPARED} of ${counted(all.length, "endpoint")}.` : "");
}
