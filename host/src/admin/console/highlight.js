// The colours of SQL: pieces of text with a class. Only for the eye; what a statement means is the server's to say.

const WORDS = new Set(
  ("select from where group by order having limit offset join left right full inner outer cross on using as distinct all and or not in is null " +
    "between like ilike exists case when then else end union except intersect with recursive insert into values update set delete returning " +
    "create table index drop alter add column primary key unique references default true false asc desc nulls first last begin commit rollback " +
    "explain cast interval over partition filter conflict do nothing for truncate cascade").split(" "),
);

// Comments, strings, names in quotes, numbers, parameters, words; whatever is none of these is left as it is.
const PIECES = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$))|("(?:[^"]|"")*(?:"|$)|`[^`]*(?:`|$))|(\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)|([?]|\$\d+)|([A-Za-z_]\w*)/g;
const KINDS = ["comment", "string", "quoted", "number", "param"];

/** The nodes that show it. */
export function highlighted(sql) {
  const shown = [];
  let last = 0;
  for (const found of sql.matchAll(PIECES)) {
    const kind = KINDS[found.slice(1, 6).findIndex((piece) => piece !== undefined)] ?? word(found[0], sql[found.index + found[0].length]);
    if (!kind) continue;
    shown.push(sql.slice(last, found.index));
    const piece = document.createElement("span");
    piece.className = kind;
    piece.textContent = found[0];
    shown.push(piece);
    last = found.index + found[0].length;
  }
  shown.push(sql.slice(last));
  return shown;
}

function word(name, next) {
  if (WORDS.has(name.toLowerCase())) return "word";
  return next === "(" ? "call" : null;
}
