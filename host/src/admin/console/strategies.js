// Which strategy chooses in each cluster, and another one for it with its configuration.

import { command, get, part } from "./api.js";
import { attr, el, keep, parts, show, text } from "./dom.js";
import { doing, notice } from "./notice.js";
import { store } from "./store.js";
import { PANIC } from "./tiles.js";

/** What can be chosen; asked for again whenever plugins have changed. */
const known = { list: [], of: "" };

/** The clusters in `box`; what is returned draws them. */
export function strategies(box) {
  return (only) => {
    learn();
    const clusters = (store.overview?.clusters ?? []).filter((cluster) => only === "" || cluster.name === only);
    keep(box, clusters, { key: (cluster) => cluster.name, make, update });
  };
}

function learn() {
  const plugins = store.overview?.plugins;
  const of = JSON.stringify(plugins?.map((plugin) => [plugin.name, plugin.state, plugin.disabled]));
  if (!plugins || known.of === of) return;
  known.of = of;
  get("/api/strategies").then(({ strategies: found }) => {
    known.list = found;
    for (const select of document.querySelectorAll("select[data-strategies]")) offer(select);
  }).catch(() => (known.of = ""));
}

function make(cluster) {
  const id = `strategy-${cluster.name}`;
  const said = notice();
  const select = el("select", { id, "data-strategies": "", "data-part": "choice" });
  const config = el("textarea", { id: `${id}-config`, rows: 3, class: "mono", spellcheck: "false", "data-part": "config" });
  const form = el(
    "form",
    { class: "strategy" },
    el("div", { class: "now" }, el("b", { text: cluster.name }), el("span", { class: "tag", "data-part": "serves" }), el("span", { class: "tag warn", "data-part": "panic", hidden: true, text: "Panic", title: PANIC }), el("code", { class: "faint", "data-part": "configured" }), el("span", { class: "faint", "data-part": "judged" })),
    el(
      "fieldset",
      { "data-write": "", class: "bare pick" },
      el("label", { for: id, text: "Strategy" }), select,
      el("label", { for: `${id}-config`, text: "Configuration, JSON" }), config,
      el("p", { class: "faint", "data-part": "summary" }),
      el("button", { type: "submit", class: "primary", text: "Switch", "data-part": "switch", "aria-label": `Switch the strategy of ${cluster.name}` }),
    ),
    said.line,
  );
  form.parts = parts(form);
  form.cluster = cluster;
  form.said = said;
  // What was begun here is not written over by what comes meanwhile.
  form.isTouched = false;
  select.addEventListener("change", () => {
    form.isTouched = true;
    choose(form);
  });
  config.addEventListener("input", () => (form.isTouched = true));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change(form, said);
  });
  offer(select);
  return form;
}

/** Its own configuration goes with the strategy that serves; another one begins with none. */
function choose(form) {
  const { choice, config, summary } = form.parts;
  const serves = form.cluster.strategy;
  config.value = choice.value === serves?.plugin ? written(serves.config) : "{}";
  text(summary, known.list.find((one) => one.name === choice.value)?.summary ?? "");
}

function offer(select) {
  const form = select.form;
  const before = select.value || form.cluster.strategy?.plugin;
  const names = new Set(known.list.map((one) => one.name));
  if (form.cluster.strategy) names.add(form.cluster.strategy.plugin);
  keep(select, [...names], { key: (name) => name, make: (name) => el("option", { value: name, text: name }) });
  if (before && select.value !== before) select.value = before;
  if (!form.parts.config.value) choose(form);
}

function change(form, said) {
  const { choice, config } = form.parts;
  let table;
  try {
    table = JSON.parse(config.value.trim() || "{}");
  } catch (error) {
    config.focus();
    return said.bad(`The configuration is no JSON: ${error.message}`);
  }
  return doing(form.parts.switch, said, async () => {
    const wanted = { plugin: choice.value, config: table };
    await command("PUT", `/api/clusters/${part(form.cluster.name)}/strategy`, wanted);
    form.isTouched = false;
    said.good(`${choice.value} chooses in ${form.cluster.name} now.`);
  });
}

/** What tells a strategy from another. */
function told(strategy) {
  return JSON.stringify([strategy?.plugin, strategy?.config]);
}

function written(config) {
  const text = JSON.stringify(config ?? {}, null, 2);
  return text === "null" ? "{}" : text;
}

function update(form, cluster) {
  const serves = cluster.strategy;
  const isOther = told(form.cluster.strategy) !== told(serves);
  form.cluster = cluster;
  const { choice, configured } = form.parts;
  text(form.parts.serves, serves?.plugin ?? "none");
  const table = JSON.stringify(serves?.config ?? {});
  text(configured, table === "{}" || table === "null" ? "" : table);
  show(configured, configured.textContent !== "");
  const judges = (cluster.policies ?? []).map((policy) => policy.plugin).join(", ");
  text(form.parts.judged, judges ? `health judged by ${judges}` : "");
  show(form.parts.panic, Boolean(cluster.panic));
  if (!isOther) return;
  // Somebody has switched, here or elsewhere.
  if (form.isTouched) return form.said.busy("Another strategy or configuration serves since this was begun.");
  offer(choice);
  if (serves) choice.value = serves.plugin;
  choose(form);
}
