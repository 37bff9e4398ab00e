// Endpoints as they are steered: taken out of the traffic, put back, given another weight.

import { command, part } from "./api.js";
import { attr, el, parts, show, text } from "./dom.js";
import { endpointFlow, endpointStanding, endpoints, isLike } from "./figures.js";
import { count, counted, figure, percent } from "./format.js";
import { doing, notice } from "./notice.js";
import { badge, setBadge, tone } from "./states.js";
import { windowed } from "./windowed.js";

const HEADS = ["Endpoint", "State", "Traffic", "Weight", "Commands"];

/** The table in `box`; what is returned draws it. */
export function backends(box, chosen) {
  const said = notice();
  const head = el("div", { class: "row head", role: "row" }, ...HEADS.map((name) => el("span", { role: "columnheader", text: name })));
  const empty = el("p", { class: "empty" });
  const list = el("div", { class: "long", role: "presentation" });
  const table = el("div", { class: "manage", role: "table", "aria-label": "Backends" }, head, list);
  const number = el("p", { class: "faint" });
  box.append(said.line, table, empty, number);
  const rows = windowed(list, { role: "rowgroup", make: (one) => row(one, said), update });
  return () => {
    const all = endpoints(chosen().cluster);
    const found = all.filter((one) => isLike(one, chosen().find));
    text(empty, all.length === 0 ? "No endpoints yet." : "No endpoint is like that.");
    show(empty, found.length === 0);
    show(table, found.length > 0);
    // The first row is that of the heads.
    attr(table, "aria-rowcount", found.length + 1);
    text(number, found.length === all.length ? counted(all.length, "endpoint") : `${count(found.length)} of ${counted(all.length, "endpoint")}`);
    rows.update(found);
  };
}

function row(one, said) {
  const cell = (name, ...children) => el("div", { role: "cell", class: `cell ${name}` }, ...children);
  const button = (name, type = "button") => el("button", { type, class: "small", "data-part": name });
  const weight = el("input", { type: "number", min: 1, max: 65535, class: "weight num", "data-part": "weight" });
  const node = el(
    "div",
    { class: "row", role: "row" },
    cell("who", el("b", { "data-part": "name" }), el("span", { class: "where mono", "data-part": "address" })),
    cell("how", badge(), el("span", { class: "reason", "data-part": "reason" })),
    cell("flow num", el("span", { "data-part": "rate" }), el("span", { class: "faint", "data-part": "errors" })),
    cell("weigh", el("form", {}, el("fieldset", { "data-write": "", class: "bare inline" }, weight, button("set", "submit")))),
    cell("acts", el("fieldset", { "data-write": "", class: "bare inline" }, button("drain"), button("disable"))),
  );
  node.one = one;
  node.parts = { ...parts(node), badge: node.querySelector(".state") };
  listen(node, said);
  return node;
}

function listen(node, said) {
  const { parts: part_ } = node;
  const act = (button) => steer(node, said, button, button.dataset.act);
  part_.drain.addEventListener("click", () => act(part_.drain));
  part_.disable.addEventListener("click", () => act(part_.disable));
  text(part_.set, "Set");
  // What was begun here is not written over by what comes meanwhile.
  part_.weight.addEventListener("input", () => (part_.weight.dataset.touched = "yes"));
  node.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    steer(node, said, part_.set, "weight", part_.weight.value);
  });
}

function steer(node, said, button, act, weight) {
  const { cluster, endpoint } = node.one;
  const query = new URLSearchParams({ cluster });
  if (weight) query.set("weight", weight);
  return doing(button, { bad: (why) => said.bad(`${endpoint.name}, ${act}: ${why}`) }, async () => {
    await command("POST", `/api/endpoints/${part(endpoint.name)}/${act}?${query}`);
    if (act === "weight") delete node.parts.weight.dataset.touched;
    said.good(`${endpoint.name}: ${told(act, weight)}`);
  });
}

function told(act, weight) {
  if (act === "weight") return weight ? `its weight is ${weight} now` : "its weight is that of its source again";
  return {
    drain: "it gets nothing new, and finishes what it has",
    undrain: "it takes part in the traffic again",
    disable: "it is out of the traffic, and not checked",
    enable: "it is checked, and takes part in the traffic again",
  }[act];
}

function update(node, one, { nth }) {
  attr(node, "aria-rowindex", nth + 2);
  node.one = one;
  const { endpoint, cluster } = one;
  const { parts: part_ } = node;
  const flow = endpointFlow(cluster, endpoint.id);
  text(part_.name, endpoint.name);
  text(part_.address, `${endpoint.address} · ${cluster}`);
  setBadge(part_.badge, endpoint.state);
  const { reason } = endpointStanding(cluster, endpoint);
  text(part_.reason, endpoint.state === "HEALTHY" ? "" : (reason ?? ""));
  attr(part_.reason, "title", reason || null);
  text(part_.rate, `${figure(flow?.perSecond)}/s`);
  text(part_.errors, `${percent(flow?.errors)} errors · ${count(flow?.inFlight)} in flight`);
  attr(node, "data-tone", tone(endpoint.state));
  if (!part_.weight.dataset.touched && part_.weight.value !== String(endpoint.weight)) part_.weight.value = endpoint.weight;
  attr(part_.weight, "aria-label", `Weight of ${endpoint.name}`);
  attr(part_.set, "aria-label", `Set the weight of ${endpoint.name}`);
  label(part_.drain, endpoint.state === "DRAINING" ? "undrain" : "drain", endpoint);
  label(part_.disable, endpoint.state === "DISABLED" ? "enable" : "disable", endpoint);
}

function label(button, act, endpoint) {
  const verb = act[0].toUpperCase() + act.slice(1);
  button.dataset.act = act;
  text(button, verb);
  attr(button, "aria-label", `${verb} ${endpoint.name}`);
}
