// The rows of an answer as a table. Many rows are shown by and by: the page stays as quick with all of them as with few.

import { el, show, text } from "./dom.js";
import { count, counted, millis } from "./format.js";

/** Rows that are shown at once, and with each "more"; and the most. */
const STEP = 200;
const MOST = 5000;
/** Characters of a value. */
const LONG = 300;

/** The table in `box`. */
export function results(box) {
  const summary = el("p", { class: "faint num", id: "summary", role: "status" });
  const list = el("div", { class: "tables" });
  box.append(summary, list);
  return {
    show(answer) {
      const sets = answer.results ?? [answer];
      text(summary, sum(answer, sets));
      list.replaceChildren(...sets.filter((set) => set.columns).map(table));
    },
  };
}

function sum(answer, sets) {
  const rows = sets.map((set) => (set.columns ? counted(set.row_count ?? set.rows.length, "row") : null));
  const changed = sets.map((set) => ("affected" in set ? `${set.affected === null ? "some rows" : counted(set.affected, "row")} changed` : null));
  const place = answer.position === undefined ? null : `position ${count(answer.position)}`;
  const partial = answer.partial ? "PARTIAL: rows of nodes that failed are missing" : null;
  return [...rows, ...changed, millis(answer.elapsed_ms), place, partial].filter(Boolean).join(" · ");
}

function table({ columns, rows }) {
  const figures = columns.map((column, at) => isFigures(column, rows, at));
  const heads = columns.map((column, at) => el("th", { scope: "col", class: figures[at] ? "right" : null }, el("span", { text: column.name }), el("span", { class: "faint", text: column.type })));
  const body = el("tbody");
  const more = el("button", { type: "button" });
  const note = el("p", { class: "empty", text: "No rows." });
  let shown = 0;
  const add = () => {
    const next = rows.slice(shown, Math.min(shown + STEP, MOST));
    body.append(...next.map((row) => el("tr", {}, ...row.map((value, at) => cell(value, figures[at])))));
    shown += next.length;
    show(more, shown < Math.min(rows.length, MOST));
    text(more, `Show ${STEP} more: ${count(shown)} of ${count(rows.length)}`);
    show(note, rows.length === 0 || (shown === MOST && rows.length > MOST));
    text(note, rows.length === 0 ? "No rows." : `The first ${count(MOST)} of ${count(rows.length)} rows; ask for fewer to see the others.`);
  };
  more.addEventListener("click", add);
  add();
  const scrolled = el("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "Rows" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
  return el("div", {}, scrolled, more, note);
}

function cell(value, isFigure) {
  if (value === null) return el("td", { class: isFigure ? "null right" : "null", text: "NULL" });
  const kind = typeof value;
  const words = kind === "object" ? JSON.stringify(value) : String(value);
  const shortened = words.length > LONG ? `${words.slice(0, LONG)}…` : words;
  return el("td", { class: isFigure || kind === "number" ? "num right" : kind === "boolean" ? "bool" : null, text: shortened, title: words.length > LONG ? words.slice(0, 4000) : null });
}

/** Whether a column has figures: by what its server calls its type or, where it says nothing, by its first values. */
function isFigures(column, rows, at) {
  if (column.type) return /^(unsigned |(big|small|tiny|medium)?int|(big|small)?serial|dec|num|real|float|double)/i.test(column.type);
  return rows.slice(0, 20).some((row) => typeof row[at] === "number");
}
