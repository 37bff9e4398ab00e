// The statements that everybody needs, ready to be changed: for the tables that the entry knows.

import { attr, el, keep } from "./dom.js";

/** What stands for a table whose columns are not known here. */
const USUAL = { name: "users", key: "id" };

const STATEMENTS = {
  Select: ({ name, key }) => `SELECT *\nFROM ${name}\nORDER BY ${key}\nLIMIT 20`,
  Count: ({ name }) => `SELECT COUNT(*)\nFROM ${name}`,
  Group: ({ name }) => `SELECT department, COUNT(*), AVG(salary)\nFROM ${name}\nGROUP BY department\nORDER BY department`,
  "One row": ({ name, key }) => `SELECT *\nFROM ${name}\nWHERE ${key} = 1`,
  Insert: ({ name, key }) => `INSERT INTO ${name} (${key}, name)\nVALUES (10001, 'New')`,
  Update: ({ name, key }) => `UPDATE ${name}\nSET name = 'Changed'\nWHERE ${key} = 1`,
  Delete: ({ name, key }) => `DELETE FROM ${name}\nWHERE ${key} = 10001`,
};

/** The buttons in `box`; what is returned draws them for an entry. */
export function basics(box, write) {
  let table = USUAL;
  return (entry) => {
    const first = entry?.tables?.[0];
    table = { name: first?.name ?? USUAL.name, key: first?.key ?? USUAL.key };
    keep(box, Object.keys(STATEMENTS), {
      key: (name) => name,
      make: (name) => el("button", { type: "button", class: "chip", text: name, onclick: () => write(STATEMENTS[name](table)) }),
      update: (node, name) => attr(node, "title", STATEMENTS[name](table)),
    });
  };
}
