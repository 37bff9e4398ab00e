// A component is brought here: by drag and drop, or as a chosen file. What became of it is said in full.

import { part, upload } from "./api.js";
import { el, show } from "./dom.js";
import { bytes } from "./format.js";

/** What is said of so many files stays, and of all that were brought at once. */
const VERDICTS = 8;

/** The place for it in `box`. */
export function uploads(box) {
  const file = el("input", { type: "file", id: "file", multiple: true, accept: ".wasm,application/wasm", class: "unseen", tabindex: -1 });
  const name = el("input", { id: "plugin-name", placeholder: "that of the file", autocomplete: "off", spellcheck: "false" });
  const choose = el("button", { type: "button", text: "Choose files", onclick: () => file.click() });
  const zone = el(
    "div",
    { class: "drop", id: "drop" },
    el("p", {}, el("b", { text: "Drop .wasm components here" }), " to have them checked and seated. ", el("span", { class: "faint", text: "What they replace serves until they are ready, and goes on if they are refused." })),
    el("fieldset", { "data-write": "", class: "bare inline" }, choose, file, el("label", { for: "plugin-name", text: "Name" }), name),
  );
  const verdicts = el("div", { id: "verdicts" });
  box.append(zone, verdicts);
  let before = Promise.resolve();
  // One after another, in their order; a name is that of one file.
  const bring = (files) => {
    const given = files.length === 1 ? name.value.trim() : "";
    if (files.length === 1) name.value = "";
    for (const one of files) {
      const verdict = verdictIn(verdicts, Math.max(VERDICTS, files.length));
      before = before.then(() => submit(one, given || named(one), verdict, zone));
    }
  };
  file.addEventListener("change", () => {
    bring([...file.files]);
    file.value = "";
  });
  drops(zone, bring);
}

function drops(zone, bring) {
  let depth = 0;
  const mark = (by) => {
    depth = Math.max(0, depth + by);
    zone.classList.toggle("over", depth > 0);
  };
  zone.addEventListener("dragenter", () => mark(1));
  zone.addEventListener("dragleave", () => mark(-1));
  zone.addEventListener("drop", (event) => {
    mark(-Infinity);
    if (!zone.querySelector("fieldset").disabled) bring([...event.dataTransfer.files]);
  });
  // A file that is dropped beside the place must not replace the page.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
}

/** The name of a plugin by its file: `my_plugin.wasm` is `my-plugin`. */
function named(file) {
  return file.name.replace(/\.wasm$/i, "").replaceAll("_", "-").toLowerCase();
}

/** A place for what becomes of a file, above those of the files before, of which so many stay; hidden until there is something to say. */
function verdictIn(verdicts, most) {
  const verdict = el("div", { class: "verdict", role: "alert", hidden: true });
  verdicts.prepend(verdict);
  while (verdicts.childElementCount > most) verdicts.lastElementChild.remove();
  return verdict;
}

async function submit(file, name, verdict, zone) {
  say(verdict, "busy", `Checking ${name}`, [`${file.name}, ${bytes(file.size)}: read, compiled, and tried once.`]);
  zone.setAttribute("aria-busy", "true");
  try {
    const done = await upload(`/api/plugins/${part(name)}`, file);
    accepted(verdict, name, done);
  } catch (error) {
    say(verdict, "bad", `Refused: ${name}`, [error.message, "Whatever served before goes on."]);
  } finally {
    zone.removeAttribute("aria-busy");
  }
}

function accepted(verdict, name, done) {
  const version = done.version ? ` ${done.version}` : "";
  const seats = (done.clusters ?? []).join(", ");
  const said = {
    seated: [`It serves in: ${seats || "no cluster yet"}.`, done.carried ? "What the version before knew was carried over." : ""],
    unchanged: ["These very bytes serve already."],
    available: ["No cluster uses it yet: switch one to it above."],
  }[done.verdict] ?? [`Verdict: ${done.verdict}.`];
  say(verdict, "good", `Accepted: ${done.name ?? name}${version}`, [...said, done.note]);
}

function say(verdict, kind, title, lines) {
  const line = (words, nth) => el("p", { class: kind === "bad" && nth === 0 ? "mono" : null, text: words });
  verdict.dataset.kind = kind;
  verdict.replaceChildren(el("h3", { text: title }), ...lines.filter(Boolean).map(line));
  show(verdict, true);
}
