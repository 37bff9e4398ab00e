// Every plugin: its version, where it is seated, why its last file was refused; and what can be done about it.

import { command, get, part } from "./api.js";
import { confirm } from "./dialogs.js";
import { attr, el, keep, parts, show, text } from "./dom.js";
import { time } from "./format.js";
import { doing, notice } from "./notice.js";
import { badge, setBadge } from "./states.js";
import { store } from "./store.js";

/** The list in `box`; what is returned draws it. */
export function pluginList(box) {
  const empty = el("p", { class: "empty", text: "No plugins are known." });
  const list = el("ul", { class: "plugins" });
  box.append(empty, list);
  return () => {
    const found = [...(store.overview?.plugins ?? [])].sort(order);
    show(empty, store.overview !== null && found.length === 0);
    keep(list, found, { key: (plugin) => plugin.name, make, update });
  };
}

/** Those that serve first. */
function order(one, other) {
  const rank = (plugin) => (plugin.refused ? 0 : plugin.clusters?.length > 0 ? 1 : 2);
  return rank(one) - rank(other) || one.name.localeCompare(other.name);
}

function make(plugin) {
  const said = notice();
  const button = (name, verb) => el("button", { type: "button", class: "small", "data-part": name, text: verb, "aria-label": `${verb}: ${plugin.name}` });
  const logs = button("logs", "Logs");
  const node = el(
    "li",
    { class: "plugin" },
    el("div", { class: "what" }, badge(), el("b", { text: plugin.name }), el("span", { class: "faint num", "data-part": "version" }), el("span", { class: "tag", "data-part": "world" }), el("span", { class: "faint", "data-part": "seats" })),
    el("div", { class: "acts" }, logs, el("fieldset", { "data-write": "", class: "bare inline" }, button("rollback", "Roll back"), button("able", "Disable"))),
    el("p", { class: "faint", "data-part": "note", hidden: true }),
    el("p", { class: "refusal", "data-part": "refused", hidden: true }),
    said.line,
    el("pre", { class: "logs mono", "data-part": "lines", hidden: true, tabindex: 0, "aria-label": `Logs of ${plugin.name}` }),
  );
  node.parts = { ...parts(node), badge: node.querySelector(".state") };
  node.plugin = plugin;
  attr(logs, "aria-expanded", "false");
  logs.addEventListener("click", () => toggleLogs(node, said));
  node.parts.rollback.addEventListener("click", () => act(node, said, node.parts.rollback, "rollback"));
  node.parts.able.addEventListener("click", () => able(node, said));
  return node;
}

async function able(node, said) {
  const { name, disabled, clusters } = node.plugin;
  const where = (clusters ?? []).join(", ");
  const means = where ? `It decides in: ${where}. Where it is the strategy, round-robin chooses from then on.` : "Nobody can switch to it until it is enabled again.";
  if (!disabled && !(await confirm(`Disable ${name}?`, means, "Disable"))) return;
  await act(node, said, node.parts.able, disabled ? "enable" : "disable?force=true");
}

function act(node, said, button, verb) {
  return doing(button, said, async () => {
    const done = await command("POST", `/api/plugins/${part(node.plugin.name)}/${verb}`);
    const version = done?.verdict && done.version ? `: version ${done.version}` : "";
    said.good({ rollback: `Rolled back${version}`, enable: "Enabled", disable: "Disabled" }[verb.split("?")[0]]);
  });
}

async function toggleLogs(node, said) {
  const { lines, logs } = node.parts;
  const isOpen = lines.hidden;
  attr(logs, "aria-expanded", isOpen);
  show(lines, isOpen);
  if (!isOpen) return;
  await doing(logs, said, async () => {
    const found = (await get(`/api/plugins/${part(node.plugin.name)}/logs`)).lines ?? [];
    const line = ({ at, level, message, cluster }) => `${time(at)}  ${level.padEnd(5)}  ${cluster ? `${cluster}: ` : ""}${message}`;
    text(lines, found.length > 0 ? found.map(line).join("\n") : "It has said nothing.");
  });
}

function update(node, plugin) {
  node.plugin = plugin;
  const { parts: part_ } = node;
  setBadge(part_.badge, plugin.disabled ? "disabled" : plugin.state);
  text(part_.version, plugin.version ? `${plugin.version}${plugin.revision ? `, revision ${plugin.revision}` : ""}` : "");
  text(part_.world, plugin.world === "health-policy" ? "policy" : (plugin.world ?? "").replace("routing-", ""));
  show(part_.world, Boolean(plugin.world));
  text(part_.seats, plugin.clusters?.length > 0 ? `in ${plugin.clusters.join(", ")}` : "");
  text(part_.note, plugin.note ?? "");
  show(part_.note, Boolean(plugin.note));
  text(part_.refused, plugin.refused ? `Refused at ${time(plugin.refused.at)}: ${plugin.refused.reason}` : "");
  show(part_.refused, Boolean(plugin.refused));
  text(part_.able, plugin.disabled ? "Enable" : "Disable");
  attr(part_.able, "aria-label", `${plugin.disabled ? "Enable" : "Disable"}: ${plugin.name}`);
}
