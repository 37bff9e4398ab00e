// The nodes of a replicated database: how far each is, and what can be done about one that is not.

import { command, part } from "./api.js";
import { confirm } from "./dialogs.js";
import { attr, el, keep, parts, show, text } from "./dom.js";
import { replication } from "./figures.js";
import { bytes, count, counted, millis } from "./format.js";
import { doing, notice } from "./notice.js";
import { badge, setBadge } from "./states.js";

/** The nodes in `box`; what is returned draws those of an entry. */
export function replicas(box) {
  const said = notice();
  const summary = el("p", { class: "num" });
  const why = el("p", { class: "bad", hidden: true });
  const check = el("p", { class: "checked", role: "status", hidden: true });
  const verify = el("button", { type: "button", text: "Verify all", id: "verify" });
  const list = el("ul", { class: "replicas" });
  box.append(el("div", { class: "heading" }, summary, el("fieldset", { "data-write": "", class: "bare inline" }, verify)), why, check, said.line, list);
  let entry = null;
  verify.addEventListener("click", () => compare(entry, verify, said));
  return (found) => {
    entry = found;
    const log = replication(found);
    text(summary, standing(log));
    text(why, log.why ?? "");
    show(why, Boolean(log.why));
    showCheck(check, log.verify);
    show(verify, log.log === "open" || log.position !== undefined);
    const furthest = Math.max(1, log.position ?? 0, ...(log.nodes ?? []).map((node) => node.position ?? 0));
    keep(list, log.nodes ?? [], {
      key: (node) => node.name,
      make: (node) => row(() => entry, node, said),
      update: (line, node) => update(line, node, furthest),
    });
  };
}

function standing(log) {
  if (log.position === undefined) return `The log is ${log.log}.`;
  return `Log ${log.log}, position ${count(log.position)}, acknowledged ${count(log.acknowledged)}, ${bytes(log.log_bytes)} kept`;
}

function showCheck(line, check) {
  show(line, Boolean(check));
  if (!check) return;
  const done = check.state === "done";
  attr(line, "data-kind", done ? (check.equal ? "good" : "bad") : check.state === "failed" ? "bad" : "busy");
  if (check.state === "running") return text(line, `Comparing: ${check.done} of ${counted(check.tables, "table")}${check.table ? `, now ${check.table}, ${counted(check.rows ?? 0, "row")}` : ""}`);
  if (check.state === "failed") return text(line, `The comparison failed: ${check.why}`);
  const unlike = (check.tables ?? []).filter((table) => !table.equal).map((table) => table.name);
  const verdict = check.equal ? "all tables are equal" : `these tables differ: ${unlike.join(", ")}`;
  const left = (check.left_out ?? []).map((one) => `${one.node} was left out (${one.why})`);
  text(line, [`Compared at position ${count(check.position)}: ${verdict}`, `took ${millis(check.took_ms)}`, ...left].join(" · "));
}

async function compare(entry, button, said) {
  const means = `All rows of all nodes of ${entry.name} that are up are read and compared. It goes on by itself; writes wait for a moment at its beginning.`;
  if (!(await confirm(`Verify ${entry.name}?`, means, "Verify"))) return;
  await doing(button, said, async () => {
    await command("POST", `/api/sql/${part(entry.name)}/verify`);
    said.good("The comparison has begun.");
  });
}

function row(entry, node, said) {
  const button = (name, verb) => el("button", { type: "button", class: "small", text: verb, "data-part": name, "aria-label": `${verb} ${node.name}` });
  const line = el(
    "li",
    {},
    el("div", { class: "what" }, badge(), el("b", { text: node.name }), el("span", { class: "tag", "data-part": "readable" })),
    el("progress", { "data-part": "bar", "aria-label": `How far ${node.name} is` }),
    el("span", { class: "num", "data-part": "place" }),
    el("fieldset", { "data-write": "", class: "bare inline" }, button("rebuild", "Rebuild"), button("trust", "Trust")),
    el("p", { class: "bad", "data-part": "why", hidden: true }),
  );
  line.parts = { ...parts(line), badge: line.querySelector(".state") };
  line.parts.rebuild.addEventListener("click", () => rebuild(entry(), node.name, line.parts.rebuild, said));
  line.parts.trust.addEventListener("click", () => trust(entry(), node.name, line.parts.trust, said));
  return line;
}

async function rebuild(entry, node, button, said) {
  const means = `Everything that ${node} holds is thrown away, and it is filled anew from another node.`;
  if (!(await confirm(`Rebuild ${node}?`, means, "Rebuild"))) return;
  await doing(button, said, async () => {
    await command("POST", `/api/sql/${part(entry.name)}/rebuild/${part(node)}`);
    said.good(`${node} is being filled anew.`);
  });
}

async function trust(entry, node, button, said) {
  const means = `What ${node} holds is taken for right, where there is no other node to go by. The others are measured by it from then on.`;
  if (!(await confirm(`Trust ${node}?`, means, "Trust"))) return;
  await doing(button, said, async () => {
    const done = await command("POST", `/api/sql/${part(entry.name)}/trust/${part(node)}`);
    said.good(`${node} is trusted, at position ${count(done.position)}.`);
  });
}

function update(line, node, furthest) {
  const { parts: part_ } = line;
  // A proxy without the log knows who may be read from, and no more.
  setBadge(part_.badge, node.state ?? (node.readable ? "UP" : "DOWN"));
  text(part_.readable, node.readable ? "read from" : "not read from");
  attr(part_.bar, "max", furthest);
  attr(part_.bar, "value", node.position ?? 0);
  const lag = node.lag === undefined ? "" : node.lag === 0 ? " · no lag" : ` · ${counted(node.lag, "entry", "entries")} behind`;
  const left = node.left ? ` · ${count(node.left)} left${node.rate ? ` at ${count(Math.round(node.rate))}/s` : ""}` : "";
  const filling = node.filling ? ` · ${counted(node.filling.rows, "row")} from ${node.filling.from}` : "";
  text(part_.place, `position ${count(node.position ?? undefined)}${lag}${left}${filling}`);
  const differed = node.statement ? ` At ${count(node.differed_at)}: ${node.statement}` : "";
  const why = node.state === "UP" ? "" : `${node.why ?? ""}${differed}`.trim();
  text(part_.why, why);
  show(part_.why, why !== "");
  const isUp = node.state === "UP";
  show(part_.trust, !isUp && node.state !== undefined);
  show(part_.rebuild, node.state !== undefined);
}
