// The page of `/query-dashboard`: a statement, how it would be answered, and its answer.

import { ask, part, Refused } from "./api.js";
import { begin } from "./app.js";
import { basics } from "./basics.js";
import { byId, el, keep, show } from "./dom.js";
import { editor } from "./editor.js";
import { pastStatements } from "./history.js";
import { doing, notice } from "./notice.js";
import { plan } from "./plan.js";
import { queryList } from "./queries.js";
import { replicas } from "./replicas.js";
import { results } from "./results.js";
import { store, watch } from "./store.js";

begin();

const said = notice();
const entry = byId("entry");
const written = editor(byId("editor"), { run: (button) => send(button, false), explain: (button) => send(button, true) });
const past = pastStatements(byId("history"), (statement) => written.write(statement));
const picture = plan(byId("picture"));
const table = results(byId("results"));
const nodes = replicas(byId("nodes"));
const queries = queryList(byId("queries"));
const offered = basics(byId("basics"), (statement) => written.write(statement));
byId("said").append(said.line);

/** Asks, and shows what comes back. */
function send(button, isExplain) {
  const wanted = written.read();
  if (wanted.error) return said.bad(wanted.error);
  if (wanted.sql.trim() === "") return said.bad("There is no statement yet.");
  const body = { sql: wanted.sql, ...(wanted.params && { params: wanted.params }), ...(isExplain && { explain: true }) };
  return doing(button, said, async () => {
    said.busy(isExplain ? "Asking how it would be answered…" : "Under way…");
    const answer = await question(body).catch((error) => refused(error, isExplain));
    // Whatever goes wrong from here on, it was answered.
    if (!answer) return;
    said.clear();
    past.add(wanted.sql);
    answered(answer, isExplain);
  });
}

async function question(body) {
  const request = { method: "POST", body: JSON.stringify(body), type: "application/json" };
  const response = await ask(`/api/sql/${part(entry.value)}/query`, request);
  const text = await response.text();
  let document = null;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Refused(response.status, { detail: `no JSON came back, status ${response.status}` });
  }
  if (!response.ok) throw new Refused(response.status, document);
  return document;
}

function answered(answer, isExplain) {
  show(byId("plan"), Boolean(answer.nodes));
  picture.draw(answer, entry.value, isExplain);
  show(byId("answer"), !isExplain);
  if (!isExplain) table.show(answer);
  else said.good("Nothing was run: this is who would be asked what.");
}

/** What was refused is said with its reason; nothing of another answer stays beside it. */
function refused(error, isExplain) {
  const { construct, why, line, column, nodes: at } = error.problem ?? {};
  const where = line ? ` (line ${line}, column ${column})` : "";
  const failed = (Array.isArray(at) ? at : []).map((node) => (node.message ? `${node.name}: ${node.message}` : "")).filter(Boolean);
  const about = construct && !error.message.includes(construct) ? ` ${construct}: ${why}` : "";
  said.bad([`${isExplain ? "Cannot be explained" : "Refused"}: ${error.message}${where}${about}`, ...failed].join(" · "));
  show(byId("plan"), false);
  show(byId("answer"), false);
}

watch(["overview"], () => {
  const entries = store.overview?.sql ?? [];
  keep(entry, entries, { key: (one) => one.name, make: (one) => el("option", { value: one.name, text: `${one.name} (${one.backend}, ${one.topology})` }) });
  show(byId("no-entry"), store.overview !== null && entries.length === 0);
  show(byId("ask"), store.overview === null || entries.length > 0);
  offered(chosen());
  written.allow();
});
watch(["overview", "tick"], () => {
  drawReplicas();
});
watch(["queries"], queries);
entry.addEventListener("change", () => {
  offered(chosen());
  drawReplicas();
});

function drawReplicas() {
  const replicated = chosen()?.replication;
  show(byId("replicas"), Boolean(replicated));
  if (replicated) nodes(chosen());
}

function chosen() {
  return (store.overview?.sql ?? []).find((one) => one.name === entry.value);
}

