// Where a statement is written: a text field with its colours behind it. What is seen is the colours, what is edited is the
// field, and both have the same text in the same place.

import { el, show, text } from "./dom.js";
import { highlighted } from "./highlight.js";
import { canWrite } from "./store.js";

/** The editor in `box`; `run(button)` and `explain(button)` are called when they are asked for. */
export function editor(box, { run, explain }) {
  const field = el("textarea", { id: "sql", rows: 7, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "SQL statement", "aria-keyshortcuts": "Control+Enter", placeholder: "SELECT …" });
  const colours = el("pre", { class: "colours", "aria-hidden": "true" });
  const params = el("input", { id: "params", class: "mono", placeholder: "[4711, \"a\"]", autocomplete: "off", spellcheck: "false" });
  const runs = el("button", { type: "button", class: "primary", id: "run", text: "Run", "aria-keyshortcuts": "Control+Enter" });
  const explains = el("button", { type: "button", id: "explain", text: "Explain" });
  const why = el("span", { class: "faint", hidden: true, text: "Read only: statements can be explained, not run." });
  box.append(
    el("div", { class: "editor" }, colours, field),
    el("div", { class: "asking" }, runs, explains, el("span", { class: "faint hint", text: "Ctrl + Enter runs" }), why, el("label", { class: "params", for: "params" }, "Parameters ", params)),
  );
  const paint = () => {
    colours.replaceChildren(...highlighted(field.value), "\n");
    follow();
  };
  const follow = () => {
    colours.scrollTop = field.scrollTop;
    colours.scrollLeft = field.scrollLeft;
  };
  field.addEventListener("input", paint);
  field.addEventListener("scroll", follow, { passive: true });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    // A key that is held is pressed once.
    if (event.repeat) return;
    if (event.shiftKey || runs.disabled) explain(explains);
    else run(runs);
  });
  runs.addEventListener("click", () => run(runs));
  explains.addEventListener("click", () => explain(explains));
  return {
    read: () => ({ sql: field.value, ...parameters(params.value) }),
    write(statement) {
      field.value = statement;
      paint();
      field.focus();
    },
    allow() {
      runs.disabled = !canWrite();
      show(why, !canWrite());
      text(why, canWrite() ? "" : "Read only: statements can be explained, not run.");
    },
  };
}

/** The values, as a list of JSON. */
function parameters(written) {
  if (written.trim() === "") return {};
  try {
    const params = JSON.parse(written);
    return Array.isArray(params) ? { params } : { error: "The parameters are a JSON list, such as [1, \"a\"]." };
  } catch (error) {
    return { error: `The parameters are no JSON: ${error.message}` };
  }
}
